//! Shards: split, merged and moved by hand; and what each is refused for.

use super::ask::{get, post, put};
use super::rig::{Cluster, shared, until};
use quorate_http::Limits;
use serde_json::{Value as Json, json};
use std::net::SocketAddr;

fn shards(table: &str, node: SocketAddr) -> Vec<Json> {
    let listed = get(&format!("/v1/tables/{table}/shards")).of(node).is(200).json();
    listed["shards"].as_array().unwrap().clone()
}

fn starts(shards: &[Json]) -> Vec<Json> {
    shards.iter().map(|shard| shard["start"].clone()).collect()
}

fn of(table: &str, shard: u32, verb: &str) -> String {
    format!("/v1/tables/{table}/shards/{shard}/{verb}")
}

#[test]
fn a_range_table_is_split_and_merged_under_its_keys() {
    let cluster = shared();
    let (one, other) = (cluster.at(0), cluster.at(1));
    post("/v1/tables", &json!({"name": "cut", "sharding": "range", "durability": "os"})).of(one).is(201);
    for key in ["a", "f", "m", "z"] {
        put(&format!("/v1/tables/cut/keys/{key}"), key).of(one).is(200);
    }
    let whole = shards("cut", one);
    let made = post(&of("cut", 0, "split"), &json!({"at": "m"})).of(other).is(200).json();
    let halves = shards("cut", one);
    assert_eq!(made["shards"], json!(halves));
    assert_eq!(starts(&halves), [json!({"key": ""}), json!({"key": "m"})]);
    assert!(
        halves.iter().all(|half| half["owners"] == whole[0]["owners"] && half["epoch"] == whole[0]["epoch"])
    );
    let again = post(&of("cut", 1, "split"), &json!({"at": {"key_b64": "_w"}})).of(one).is(200).json();
    assert_eq!(starts(again["shards"].as_array().unwrap()), [json!({"key": "m"}), json!({"key_b64": "_w"})]);
    for node in 0..3 {
        let listed = get("/v1/tables/cut/keys?values=true").of(cluster.at(node)).is(200).json();
        let values: Vec<&str> =
            listed["items"].as_array().unwrap().iter().map(|item| item["value"].as_str().unwrap()).collect();
        assert_eq!(values, ["a", "f", "m", "z"]);
    }
    let outside = post(&of("cut", 1, "split"), &json!({"at": "a"})).of(one).refuses(400, "invalid-body");
    let detail = outside["detail"].as_str().unwrap();
    assert!(
        detail.contains("table \"cut\" can't be split at \"a\"") && detail.contains("from \"m\""),
        "{outside}"
    );
    let little = post(&of("cut", 0, "split"), &json!({})).of(one).refuses(409, "catalog-refused");
    assert!(little["detail"].as_str().unwrap().contains("name a place to split at"), "{little}");
    post(&of("cut", 0, "split"), &json!({"at": ""})).of(one).refuses(400, "invalid-body");
    for verb in ["split", "merge", "move"] {
        let document = if verb == "move" { json!({"from": "n1", "to": "n2"}) } else { json!({}) };
        for shard in ["77", "-1", "1x", "01", "4294967296"] {
            let target = format!("/v1/tables/cut/shards/{shard}/{verb}");
            post(&target, &document).of(one).refuses(404, "no-such-shard");
        }
    }
    let last = post(&of("cut", 2, "merge"), &json!({})).of(one).refuses(409, "catalog-refused");
    assert!(last["detail"].as_str().unwrap().contains("the last one"), "{last}");
    post(&of("cut", 0, "merge"), &json!({"with": 2})).of(one).refuses(400, "invalid-body");
    let merged = post(&of("cut", 2, "merge"), &json!({"with": 1})).of(other).is(200).json();
    assert_eq!(merged["shards"][0]["index"], 1, "the left one's number stays");
    let merged = post(&of("cut", 0, "merge"), &json!({})).of(one).is(200).json();
    assert_eq!(starts(merged["shards"].as_array().unwrap()), starts(&whole));
    assert!(merged["shards"][0]["epoch"].as_u64() > whole[0]["epoch"].as_u64());
    assert_eq!(get("/v1/tables/cut/keys/m").of(other).is(200).text(), "m");
    post(&of("cut", 0, "move"), &json!({"from": "n1", "to": "n2"})).of(one).refuses(409, "catalog-refused");
}

#[test]
fn a_hash_table_is_split_between_tokens_and_in_the_middle_by_default() {
    let cluster = shared();
    let node = cluster.at(0);
    post("/v1/tables", &json!({"name": "cut-hash", "shards": 2, "durability": "os"})).of(node).is(201);
    let made = post(&of("cut-hash", 0, "split"), &json!({})).of(node).is(200).json();
    let second = &made["shards"][1];
    assert_eq!(
        (&second["start"], &second["position"]),
        (&json!("4000000000000000"), &json!("4000000000000000"))
    );
    post(&of("cut-hash", 1, "split"), &json!({"at": "c000000000000001"})).of(node).is(200);
    for wrong in [json!({"at": "c"}), json!({"at": {"key": "a"}}), json!({"at": 7}), json!({"where": "a"})] {
        post(&of("cut-hash", 1, "split"), &wrong).of(node).refuses(400, "invalid-body");
    }
    assert_eq!(shards("cut-hash", node).len(), 4);
}

#[test]
fn a_copy_is_moved_and_a_shard_that_moves_does_not_change() {
    let cluster = Cluster::start(4, Limits::default());
    let node = cluster.at(0);
    until("three vote", || {
        let nodes = get("/v1/cluster/nodes").of(node).is(200).json();
        let voters = nodes["nodes"].as_array()?.iter().filter(|node| node["voter"] == true);
        (voters.count() == 3).then_some(())
    });
    let table = json!({"name": "t", "sharding": "range", "w": "all", "split_at": ["m"], "durability": "os"});
    post("/v1/tables", &table).of(node).is(201);
    let owners = |shard: &Json| -> Vec<String> {
        shard["owners"].as_array().unwrap().iter().map(|it| it.as_str().unwrap().to_owned()).collect()
    };
    let before = owners(&shards("t", node)[0]);
    let to = ["n1", "n2", "n3", "n4"].into_iter().find(|node| before.iter().all(|it| it != node)).unwrap();
    let from = before.iter().find(|node| *node != "n1" && *node != "n4").unwrap().clone();
    let way = json!({"from": from, "to": to});
    let begun = post(&of("t", 0, "move"), &way).of(node).is(202);
    let job = begun.header("location").to_owned();
    assert_eq!((&begun.json()["type"], &begun.json()["shards"]), (&json!("move"), &json!(1)));
    let ended = until("it has moved", || {
        let job = get(&job).of(node).is(200).json();
        (!job["ended_epoch"].is_null()).then_some(job)
    });
    assert_eq!(ended["state"], "done");
    let after = owners(&shards("t", node)[0]);
    assert!(after.contains(&to.to_owned()) && !after.contains(&from), "{after:?}");
    // An owner that is away keeps the next one from arriving.
    cluster.kill(3);
    cluster.sees_up(0, 3);
    post(&of("t", 0, "move"), &json!({"from": "n4", "to": from})).of(node).is(202);
    until("it moves", || (!shards("t", node)[0]["next"].is_null()).then_some(()));
    let refused = post(&of("t", 0, "split"), &json!({"at": "c"})).of(node).refuses(409, "catalog-refused");
    assert!(refused["detail"].as_str().unwrap().contains("moves now"), "{refused}");
    post(&of("t", 0, "move"), &json!({"from": "n1", "to": from})).of(node).refuses(409, "job-runs");
    post(&of("t", 0, "merge"), &json!({})).of(node).refuses(409, "catalog-refused");
}

#[test]
fn without_a_majority_no_shard_changes_and_what_is_too_late_is_unknown() {
    let cluster = Cluster::of_three();
    cluster.all_vote();
    let node = cluster.at(0);
    let mut tries = 1u64..;
    until("a split is too late", || {
        let number = tries.next()?;
        let at = json!({"at": format!("{:016x}", number << 32)});
        // Each splits the last piece.
        let last = shards("t", node).iter().rev().find(|shard| shard["start"].as_str() < Some("1"))?["index"]
            .clone();
        let target = format!("/v1/tables/t/shards/{last}/split?timeout={}ms", number % 20 + 1);
        let answer = post(&target, &at).of(node);
        (answer.status == 504).then(|| answer.refuses(504, "write-timeout"))
    });
    cluster.kill(1);
    cluster.kill(2);
    cluster.sees_up(0, 1);
    for verb in ["split", "merge"] {
        until("it has no leader any more", || {
            let answer = post(&format!("/v1/tables/t/shards/6/{verb}?timeout=200ms"), &json!({})).of(node);
            (answer.status == 503).then(|| answer.refuses(503, "unavailable"))
        });
    }
}
