//! `mget` and `batch`.

use super::ask::{get, post, put};
use super::rig::{key, shared};
use serde_json::{Value as Json, json};

const MGET: &str = "/v1/tables/t/mget";
const BATCH: &str = "/v1/tables/t/batch";

fn statuses(answer: &Json) -> Vec<u64> {
    answer["results"]
        .as_array()
        .expect("results")
        .iter()
        .map(|item| item["status"].as_u64().unwrap())
        .collect()
}

#[test]
fn mget_answers_in_order_each_with_its_own_status() {
    let cluster = shared();
    put(&format!("{}?consistency=all", key("m-text")), "text")
        .header("Content-Type", "text/plain")
        .of(cluster.at(0))
        .is(200);
    put(&key("m-%ff"), [0xff, 0xfe]).of(cluster.at(0)).is(200);
    let wanted = json!({"keys": ["m-text", "m-none", {"b64": "bS3_"}, {"key": "m-text-2"}, {"key_b64": "bS1ub25lLTI"}]});
    let answer = post(MGET, &wanted).of(cluster.at(1)).is(200).json();
    assert_eq!(statuses(&answer), [200, 404, 200, 404, 404]);
    let items = &answer["results"];
    assert_eq!((&items[0]["key"], &items[0]["value"]), (&json!("m-text"), &json!("text")));
    assert_eq!(
        (&items[0]["content_type"], &items[0]["consistency"]),
        (&json!("text/plain"), &json!("linearizable"))
    );
    assert!(items[0]["version"].is_string() && items[0]["etag"].is_string());
    assert_eq!(items[1]["error"]["code"], "no-such-key");
    assert_eq!((&items[2]["key_b64"], &items[2]["value_b64"]), (&json!("bS3_"), &json!("__4")));
    let twice = post(MGET, &json!({"keys": ["m-text", "m-none", "m-text"]})).of(cluster.at(1)).is(200).json();
    assert_eq!(statuses(&twice), [200, 404, 200]);
    assert_eq!(twice["results"][2]["value"], "text");
    let eventual = post("/v1/tables/t/mget?r=1", &wanted).of(cluster.at(0)).is(200).json();
    assert_eq!(eventual["results"][0]["consistency"], "eventual");
}

#[test]
fn batch_writes_each_item_for_itself() {
    let cluster = shared();
    put(&key("b-old"), "x").of(cluster.at(0)).is(200);
    let items = json!({"items": [
        {"put": {"key": "b-a", "value": "one", "ttl": "1h"}},
        {"put": {"key_b64": "Yi3_", "value_b64": "/wA=", "content_type": "image/png"}},
        {"delete": {"key": "b-old"}},
    ]});
    let answer = post(BATCH, &items).of(cluster.at(0)).is(200).json();
    assert_eq!(statuses(&answer), [200, 200, 200]);
    assert!(answer["results"].as_array().unwrap().iter().all(|item| item["acks"].as_u64() >= Some(2)));
    let first = get(&key("b-a")).of(cluster.at(1)).is(200);
    assert_eq!((first.text().as_str(), first.header("content-type")), ("one", "text/plain; charset=utf-8"));
    assert!(first.has("expires"));
    let second = get(&key("b-%ff")).of(cluster.at(1)).is(200);
    assert_eq!((second.body.as_slice(), second.header("content-type")), (&[0xff, 0][..], "image/png"));
    get(&key("b-old")).of(cluster.at(1)).refuses(404, "no-such-key");
}

#[test]
fn items_with_operation_ids_are_not_applied_again() {
    let cluster = shared();
    let put_item =
        |value: &str| json!({"put": {"key": "i-a", "value": value}, "idempotency_key": "batcher:1"});
    let items = |value: &str| json!({"items": [put_item(value), {"delete": {"key": "i-b"}, "idempotency_key": "batcher:2"}]});
    let first = post(BATCH, &items("one")).of(cluster.at(0)).is(200).json();
    assert_eq!(statuses(&first), [200, 200]);
    put(&key("i-a"), "another's").of(cluster.at(0)).is(200);
    put(&key("i-b"), "another's").of(cluster.at(0)).is(200);
    for retry in ["", "?retry=true"] {
        let again = post(&format!("{BATCH}{retry}"), &items("one")).of(cluster.at(1)).is(200).json();
        let results = again["results"].as_array().unwrap();
        assert!(results.iter().all(|item| item["replayed"] == true), "{again}");
    }
    assert_eq!(get(&key("i-a")).of(cluster.at(2)).is(200).text(), "another's");
    assert_eq!(get(&key("i-b")).of(cluster.at(2)).is(200).text(), "another's");
    let reused = post(BATCH, &items("two")).of(cluster.at(0)).is(200).json();
    assert_eq!(statuses(&reused), [409, 200]);
    assert_eq!(reused["results"][0]["error"]["code"], "idempotency-reused");
    let bare = json!({"items": [put_item("one"), {"delete": {"key": "i-b"}}]});
    post(&format!("{BATCH}?retry=true"), &bare).of(cluster.at(0)).refuses(400, "invalid-parameter");
    post(&format!("{BATCH}?w=1"), &bare).of(cluster.at(0)).refuses(400, "invalid-consistency");
}

#[test]
fn a_mistake_in_one_item_leaves_all_undone() {
    let cluster = shared();
    let node = cluster.at(0);
    let fresh = json!({"put": {"key": "u-1", "value": "x"}});
    let wrong = [
        json!({"put": {"key": "u-1", "value": "again"}}),
        json!({"delete": {"key": "u-1"}}),
        json!({"put": {"key": "u-2"}}),
        json!({"put": {"key": "u-2", "value": "x", "value_b64": "eA"}}),
        json!({"put": {"key": "", "value": "x"}}),
        json!({"put": {"key": "u-2", "value": "x", "ttl": "0s"}}),
        json!({"put": {"key": "u-2", "value": "x", "ttl": "never"}}),
        json!({"put": {"key": "u-2", "value": "x"}, "idempotency_key": "no-number"}),
        json!({"put": {"key": "u-2", "value": "x", "colour": "red"}}),
        json!({"put": {"key": "u-2", "value": "x", "content_type": "x"}}),
        json!({"put": {"key_b64": "%", "value": "x"}}),
        json!({"increment": {"key": "u-2"}}),
        json!({"put": {"key": "u-2", "value": "x"}, "delete": {"key": "u-3"}}),
    ];
    for item in wrong {
        post(BATCH, &json!({"items": [fresh, item]})).of(node).refuses(400, "invalid-body");
    }
    let large = json!({"put": {"key": "u-2", "value": "x".repeat((1 << 20) + 1)}});
    let refused = post(BATCH, &json!({"items": [fresh, large]})).of(node).refuses(413, "value-too-large");
    assert!(refused["detail"].as_str().unwrap().starts_with("item 1 "), "{refused}");
    post(BATCH, &json!({"items": [fresh]}))
        .header("Idempotency-Key", "a:1")
        .of(node)
        .refuses(400, "invalid-header");
    get(&key("u-1")).of(node).refuses(404, "no-such-key");
}

#[test]
fn documents_are_understood_whole() {
    let cluster = shared();
    let node = cluster.at(0);
    for wrong in ["", "{", "[]", "{}", "{\"keys\":[1]}", "{\"keys\":[],\"more\":1}", "{\"keys\":[{}]}"] {
        let asked = super::ask::ask("POST", MGET).header("Content-Type", "application/json").body(wrong);
        asked.of(node).refuses(400, "invalid-body");
    }
    let sentence = |wrong: &str| {
        let asked = super::ask::ask("POST", MGET).header("Content-Type", "application/json").body(wrong);
        asked.of(node).refuses(400, "invalid-body")["detail"].as_str().unwrap().to_owned()
    };
    for (wrong, needed) in [
        ("[]", "an object with `keys`"),
        ("{\"keys\":[\"a\",1]}", "keys[1]: a key is text"),
        ("{\"keys\":{}}", "keys: invalid type: object, expected a list"),
        ("{\"keys\":[],\"more\":1}", "unknown field `more`"),
    ] {
        let said = sentence(wrong);
        assert!(said.contains(needed), "{said}");
        for word in ["struct", "enum", "Document", "u8", "line"] {
            assert!(!said.contains(word), "{word} in {said}");
        }
    }
    assert!(sentence("{\"keys\":[").contains("line 1"), "a broken document is told where");
    let form = super::ask::ask("POST", MGET).header("Content-Type", "application/x-www-form-urlencoded");
    form.body("{\"keys\":[]}").of(node).refuses(415, "unsupported-media-type");
    post(MGET, &json!({"keys": []})).of(node).is(200);
    post("/v1/tables/t/mget?w=2", &json!({"keys": []})).of(node).refuses(400, "invalid-consistency");
    post("/v1/tables/none/mget", &json!({"keys": []})).of(node).refuses(404, "no-such-table");
}

#[test]
fn a_batch_has_limits() {
    let cluster = shared();
    let node = cluster.at(0);
    let keys = |count: usize| json!({"keys": (0..count).map(|at| format!("limit-{at}")).collect::<Vec<_>>()});
    assert_eq!(statuses(&post(MGET, &keys(1000)).of(node).is(200).json()).len(), 1000);
    post(MGET, &keys(1001)).of(node).refuses(413, "batch-too-large");
    let large = json!({"items": [{"put": {"key": "x", "value": "x".repeat(8 << 20)}}]});
    post(BATCH, &large).of(node).refuses(413, "batch-too-large");
}

#[test]
fn what_mget_answers_with_has_a_limit_too() {
    let cluster = shared();
    let names: Vec<String> = (0..10).map(|at| format!("big-{at}")).collect();
    for name in &names {
        put(&key(name), vec![b'x'; 1 << 20]).of(cluster.at(0)).is(200);
    }
    let answer = post(MGET, &json!({ "keys": names })).of(cluster.at(0)).is(200).json();
    let (whole, cut): (Vec<u64>, Vec<u64>) = statuses(&answer).into_iter().partition(|status| *status == 200);
    assert_eq!((whole.len(), cut), (8, vec![413, 413]));
    let left_out = &answer["results"].as_array().unwrap().iter().find(|item| item["status"] == 413).unwrap();
    assert!(left_out["error"]["detail"].as_str().unwrap().ends_with("GET this key alone"), "{left_out}");
}
