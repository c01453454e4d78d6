//! One key: what is stored comes back, byte for byte, with what it was stored with.

use super::ask::{WRITES, ask, get, post, put, write};
use super::rig::{key, shared, until};
use serde_json::{Value as Json, json};

#[test]
fn a_value_comes_back_from_every_node_as_it_was_stored() {
    let cluster = shared();
    let target = key("comes-back");
    let written =
        put(&target, "hello").header("Content-Type", "text/plain; charset=utf-8").of(cluster.at(0)).is(200);
    let document = written.json();
    assert_eq!(written.header("quorate-consistency"), "linearizable; w=2; n=3; acks=2; repaired=0");
    assert_eq!(document["consistency"], "linearizable");
    assert_eq!((document["required"].as_u64(), document["replayed"].as_bool()), (Some(2), Some(false)));
    assert!(document["acks"].as_u64() >= Some(2), "{document}");
    assert_eq!(document["version"], written.header("quorate-version"));
    for node in 0..3 {
        let read = get(&target).of(cluster.at(node)).is(200);
        assert_eq!(read.text(), "hello");
        assert_eq!(read.header("content-type"), "text/plain; charset=utf-8");
        assert_eq!(read.header("quorate-version"), document["version"].as_str().unwrap());
        assert_eq!(read.header("etag"), document["etag"].as_str().unwrap());
        assert_eq!(read.header("quorate-coordinator"), format!("n{}", node + 1));
        assert!(read.header("quorate-epoch").parse::<u64>().unwrap() > 0);
        assert!(read.header("quorate-consistency").starts_with("linearizable; r=2; n=3; acks="));
        assert!(read.header("last-modified").ends_with(" GMT"));
        assert!(!read.has("expires") && !read.has("server-timing"));
        assert_eq!(read.header("cache-control"), "no-cache", "a cache must ask again");
        assert_eq!(read.header("content-security-policy"), "default-src 'none'; sandbox");
        let head = ask("HEAD", &target).of(cluster.at(node)).is(200);
        assert_eq!((head.header("content-length"), head.body.len()), ("5", 0));
        assert_eq!(head.header("etag"), read.header("etag"));
    }
}

#[test]
fn the_version_grows_with_every_update() {
    let cluster = shared();
    let target = key("grows");
    let sequence = |node| {
        let written = put(&target, "x").of(cluster.at(node)).is(200);
        written.header("quorate-version").split('-').next().unwrap().parse::<u64>().unwrap()
    };
    let first = sequence(0);
    assert_eq!(sequence(1), first + 1);
    assert_eq!(sequence(2), first + 2);
}

#[test]
fn an_empty_value_is_a_value() {
    let cluster = shared();
    let target = key("empty-value");
    put(&target, "").of(cluster.at(0)).is(200);
    let read = get(&target).of(cluster.at(1)).is(200);
    assert_eq!((read.body.len(), read.header("content-type")), (0, "application/octet-stream"));
}

#[test]
fn post_stores_as_put_does() {
    let cluster = shared();
    let target = key("posted");
    ask("POST", &target).body("value").of(cluster.at(0)).is(200);
    assert_eq!(get(&target).of(cluster.at(2)).is(200).text(), "value");
}

#[test]
fn a_chunked_body_is_joined() {
    let cluster = shared();
    let node = cluster.at(0);
    let head = format!(
        "PUT {} HTTP/1.1\r\nHost: {node}\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\n",
        key("chunked")
    );
    let answer = super::ask::raw(node, format!("{head}3\r\nabc\r\n4\r\ndefg\r\n0\r\n\r\n").as_bytes());
    answer.is(200);
    assert_eq!(get(&key("chunked")).of(node).is(200).text(), "abcdefg");
}

#[test]
fn a_deleted_key_is_gone_and_says_which_version_deleted_it() {
    let cluster = shared();
    let target = key("deleted");
    let missing = get(&target).of(cluster.at(0)).is(404);
    assert!(!missing.has("quorate-version"), "no client has ever written it");
    missing.refuses(404, "no-such-key");
    put(&target, "x").of(cluster.at(0)).is(200);
    let deleted = ask("DELETE", &target).of(cluster.at(1)).is(200);
    let gone = get(&target).of(cluster.at(2)).is(404);
    assert_eq!(gone.header("quorate-version"), deleted.header("quorate-version"));
    assert!(gone.header("quorate-consistency").starts_with("linearizable; r=2;"), "a 404 is an answer too");
    gone.refuses(404, "no-such-key");
    ask("HEAD", &target).of(cluster.at(2)).is(404);
    ask("DELETE", &target).of(cluster.at(1)).is(200);
}

#[test]
fn every_byte_may_stand_in_a_key() {
    let cluster = shared();
    for byte in 0..=255u8 {
        let target = key(&format!("byte-%{byte:02x}-x"));
        let node = cluster.at(usize::from(byte) % 3);
        put(&target, [byte]).of(node).is(200);
        let read = get(&target).of(cluster.at(usize::from(byte) % 2)).is(200);
        assert_eq!(read.body, [byte], "{byte:02x}");
    }
}

#[test]
fn hostile_keys_are_plain_keys_and_distinct() {
    let cluster = shared();
    let keys = [
        "h/a/b",
        "h/a%252Fb",
        "h//",
        "h//a/",
        "h/../x",
        "h/./x",
        "h/%2e%2e/x%2f",
        "h/%00",
        "h/%0d%0aSet-Cookie:%20a=b",
        "h/%ff%fe",
        "h/keys/h",
        "h/?",
        "h/%3F",
        "h/%23",
        "h/%25",
        "h/%20",
        "h/+",
        "h/%e2%80%ae",
        "h/%F0%9F%A6%80",
    ];
    for (at, name) in keys.iter().enumerate() {
        put(&key(name), at.to_string()).of(cluster.at(at % 3)).is(200);
    }
    for (at, name) in keys.iter().enumerate() {
        // `?` ends a path: "h/?" and nothing else is the key "h/".
        assert_eq!(get(&key(name)).of(cluster.at(0)).is(200).text(), at.to_string(), "{name}");
    }
    assert_eq!(
        get(&key("h%2Fa%2Fb")).of(cluster.at(0)).is(200).text(),
        "0",
        "a slash is a slash, raw or escaped"
    );
}

#[test]
fn a_key_may_come_as_base64url() {
    let cluster = shared();
    put(&key("Li4vYg?enc=b64"), "dots").of(cluster.at(0)).is(200);
    assert_eq!(get(&key("%2e%2e%2fb")).of(cluster.at(1)).is(200).text(), "dots");
    assert_eq!(get(&key("../b")).of(cluster.at(1)).is(200).text(), "dots");
    get(&key("not+base64?enc=b64")).of(cluster.at(0)).refuses(400, "invalid-key");
    get(&key("?enc=b64")).of(cluster.at(0)).refuses(400, "invalid-key");
}

#[test]
fn what_is_no_key_is_refused() {
    let cluster = shared();
    let node = cluster.at(0);
    get("/v1/tables/t/keys/").of(node).refuses(400, "invalid-key");
    put("/v1/tables/t/keys/", "x").of(node).refuses(400, "invalid-key");
    get(&key("%zz")).of(node).refuses(400, "invalid-key");
    get(&key("%2")).of(node).refuses(400, "invalid-key");
    put(&key(&"k".repeat(2048)), "x").of(node).is(200);
    get(&key(&"k".repeat(2049))).of(node).refuses(414, "key-too-long");
    get(&key(&"%41".repeat(2049))).of(node).refuses(414, "key-too-long");
}

#[test]
fn values_have_a_limit_that_is_known_before_they_come() {
    let cluster = shared();
    let target = key("large");
    put(&target, vec![7; 1 << 20]).of(cluster.at(0)).is(200);
    assert_eq!(get(&target).of(cluster.at(1)).is(200).body, vec![7; 1 << 20]);
    put(&target, vec![7; (1 << 20) + 1]).of(cluster.at(0)).refuses(413, "value-too-large");
    let node = cluster.at(0);
    let head = format!("PUT {target} HTTP/1.1\r\nHost: {node}\r\nContent-Length: 99999999999\r\n\r\n");
    super::ask::raw(node, head.as_bytes()).refuses(413, "value-too-large");
}

#[test]
fn a_body_names_its_length_and_its_form() {
    let cluster = shared();
    let target = key("forms");
    ask("PUT", &target).of(cluster.at(0)).refuses(411, "length-required");
    let with = |name, value| put(&target, "x").header(name, value).of(cluster.at(0));
    with("Content-Type", "nonsense").refuses(415, "unsupported-media-type");
    with("Content-Encoding", "gzip").refuses(415, "unsupported-media-type");
    get(&target).of(cluster.at(0)).refuses(404, "no-such-key");
}

#[test]
fn a_value_with_a_ttl_expires() {
    let cluster = shared();
    let target = key("expires");
    put(&format!("{target}?ttl=1h&consistency=all"), "x").of(cluster.at(0)).is(200);
    assert!(get(&target).of(cluster.at(1)).is(200).header("expires").ends_with(" GMT"));
    let written = put(&format!("{target}?ttl=1ms&consistency=all"), "x").of(cluster.at(0)).is(200);
    let version = written.header("quorate-version").to_owned();
    let gone =
        until("the value expires", || Some(get(&target).of(cluster.at(1))).filter(|read| read.status == 404));
    assert_eq!(gone.header("quorate-version"), version);
    gone.refuses(404, "no-such-key");
    get(&format!("{target}?r=1")).of(cluster.at(2)).is(404);
}

#[test]
fn a_value_may_have_no_end_where_its_table_has_one() {
    let cluster = shared();
    let node = cluster.at(0);
    post("/v1/tables", &json!({"name": "ending", "n": 3, "ttl": "1h"})).of(node).is(201);
    let target = "/v1/tables/ending/keys/k";
    let ends = || get(target).of(node).is(200).has("expires");
    put(target, "x").of(node).is(200);
    assert!(ends(), "as the table says");
    put(&format!("{target}?ttl=none"), "x").of(node).is(200);
    assert!(!ends());
    let batch = |item: Json| {
        let answer = post("/v1/tables/ending/batch", &json!({"items": [{"put": item}]})).of(node).is(200);
        assert_eq!(answer.json()["results"][0]["status"], 200);
    };
    batch(json!({"key": "k", "value": "x"}));
    assert!(ends());
    batch(json!({"key": "k", "value": "x", "ttl": "none"}));
    assert!(!ends());
    ask("DELETE", "/v1/tables/ending").of(node).is(200);
}

#[test]
fn answers_may_be_minimal_or_traced() {
    let cluster = shared();
    let target = key("answers");
    let minimal = put(&target, "x").header("Prefer", "return=minimal").of(cluster.at(0)).is(204);
    assert!(minimal.body.is_empty() && minimal.has("etag") && minimal.has("quorate-version"));
    for method in WRITES {
        write(method, &target, "x").header("Prefer", "return=minimal").of(cluster.at(0)).is(204);
    }
    let traced = put(&format!("{target}?trace=true"), "x").of(cluster.at(0)).is(200);
    assert!(traced.header("server-timing").starts_with("total;dur="));
    let replicas = traced.json()["replicas"].as_array().cloned().unwrap_or_default();
    assert_eq!(replicas.len(), 3, "{replicas:?}");
    assert!(replicas.iter().filter(|replica| replica["result"] == "ack").count() >= 2, "{replicas:?}");
    let read = get(&format!("{target}?trace=true")).of(cluster.at(0)).is(200);
    assert!(read.header("server-timing").contains("n1;dur="), "{read:?}");
}
