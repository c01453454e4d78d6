//! Tables: made, shown, altered, dropped.

use super::ask::{ask, get, post, put};
use super::rig::{Cluster, shared, until};
use serde_json::{Value as Json, json};

#[test]
fn a_table_is_made_shown_altered_and_dropped() {
    let cluster = shared();
    let wanted = json!({"name": "lifecycle", "sharding": "hash", "n": 3, "r": "quorum", "w": 2, "mode": "register",
                        "shards": 16, "durability": "os", "ttl": "60s"});
    let made = post("/v1/tables", &wanted).of(cluster.at(1)).is(201);
    assert_eq!(made.header("location"), "/v1/tables/lifecycle");
    for node in 0..3 {
        let shown = get("/v1/tables/lifecycle").of(cluster.at(node)).is(200).json();
        assert_eq!(
            (&shown["name"], &shown["w"], &shown["ttl"]),
            (&json!("lifecycle"), &json!(2), &json!("1m"))
        );
        assert_eq!(
            (&shown["shards"], &shown["durability"], &shown["mode"]),
            (&json!(16), &json!("os"), &json!("register"))
        );
    }
    let listed = get("/v1/tables").of(cluster.at(2)).is(200).json();
    assert!(listed["tables"].as_array().unwrap().iter().any(|table| table["name"] == "lifecycle"));
    post("/v1/tables", &wanted).of(cluster.at(0)).refuses(409, "table-exists");

    let patch = |document: &serde_json::Value| {
        ask("PATCH", "/v1/tables/lifecycle")
            .header("Content-Type", "application/json")
            .body(document.to_string())
            .of(cluster.at(0))
    };
    let altered = patch(&json!({"r": "all", "durability": "sync", "ttl": null})).is(200).json();
    assert_eq!(
        (&altered["r"], &altered["durability"], &altered["ttl"]),
        (&json!("all"), &json!("sync"), &json!(null))
    );
    assert_eq!(patch(&json!({"ttl": "1d"})).is(200).json()["r"], "all", "what is not named stays");
    patch(&json!({"w": 1})).refuses(400, "invalid-body");
    patch(&json!({"n": 1})).refuses(400, "invalid-body");
    patch(&json!({"r": 4})).refuses(400, "invalid-consistency");
    patch(&json!({"colour": 1})).refuses(400, "invalid-body");
    let epoch = get("/v1/tables").of(cluster.at(0)).is(200).json()["epoch"].clone();
    for nothing in
        [json!({}), json!({"r": null}), json!({"durability": null}), json!({"n": null, "ttl": "1h"})]
    {
        patch(&nothing).refuses(400, "invalid-body");
    }
    assert_eq!(get("/v1/tables").of(cluster.at(0)).is(200).json()["epoch"], epoch, "no epoch is spent");
    let level = patch(&json!({"r": 300})).refuses(400, "invalid-body");
    assert!(level["detail"].as_str().unwrap().contains("r: a level is `one`"), "{level}");

    let dropped = ask("DELETE", "/v1/tables/lifecycle").of(cluster.at(2)).is(200).json();
    assert_eq!(dropped["dropped"], "lifecycle");
    for node in 0..3 {
        get("/v1/tables/lifecycle").of(cluster.at(node)).refuses(404, "no-such-table");
        get("/v1/tables/lifecycle/keys/a").of(cluster.at(node)).refuses(404, "no-such-table");
    }
}

#[test]
fn a_table_that_cannot_be_is_refused() {
    let cluster = shared();
    for (wrong, status, code) in [
        (json!({"name": "Users"}), 400, "invalid-body"),
        (json!({"name": "a".repeat(65)}), 400, "invalid-body"),
        (json!({"name": ""}), 400, "invalid-body"),
        (json!({}), 400, "invalid-body"),
        (json!({"name": "x", "n": 4}), 400, "invalid-body"),
        (json!({"name": "x", "n": 0}), 400, "invalid-body"),
        (json!({"name": "x", "n": 256}), 400, "invalid-body"),
        (json!({"name": "x", "w": 4}), 400, "invalid-consistency"),
        (json!({"name": "x", "r": "any"}), 400, "invalid-consistency"),
        (json!({"name": "x", "shards": 3}), 400, "invalid-body"),
        (json!({"name": "x", "sharding": "list"}), 400, "invalid-body"),
        (json!({"name": "x", "mode": "siblings"}), 400, "invalid-body"),
        (json!({"name": "x", "durability": "none"}), 400, "invalid-body"),
        (json!({"name": "x", "ttl": "0s"}), 400, "invalid-body"),
        (json!({"name": "x", "ttl": 60}), 400, "invalid-body"),
        (json!({"name": "x", "replicas": 3}), 400, "invalid-body"),
    ] {
        post("/v1/tables", &wrong).of(cluster.at(0)).refuses(status, code);
    }
    post("/v1/tables?shards=3", &json!({"name": "x"})).of(cluster.at(0)).refuses(400, "unknown-parameter");
    let large = json!({"name": "x".repeat(300_000)});
    post("/v1/tables", &large).of(cluster.at(0)).refuses(413, "body-too-large");
    ask("DELETE", "/v1/tables/none").of(cluster.at(0)).refuses(404, "no-such-table");
    get("/v1/tables/No-Such-Name").of(cluster.at(0)).refuses(404, "no-such-table");
    get("/v1/tables/none/keys/a").of(cluster.at(0)).refuses(404, "no-such-table");
}

#[test]
fn shards_cover_the_whole_ring() {
    let cluster = shared();
    let answer = get("/v1/tables/t/shards").of(cluster.at(0)).is(200).json();
    let shards = answer["shards"].as_array().unwrap();
    assert_eq!(shards.len(), 8);
    assert_eq!((&shards[0]["start"], &shards[7]["end"]), (&json!("0000000000000000"), &json!(null)));
    for pair in shards.windows(2) {
        assert_eq!(pair[0]["end"], pair[1]["start"]);
    }
    for (index, shard) in shards.iter().enumerate() {
        assert_eq!(shard["id"], format!("t/{index}"));
        assert_eq!(shard["owners"].as_array().unwrap().len(), 3);
    }
}

/// Of a cluster of its own, so that only these keys count. At `all` every owner has them when the write is answered.
#[test]
fn what_a_table_holds_is_counted_exactly() {
    let cluster = Cluster::of_three();
    let spec = json!({"name": "held", "shards": 4, "w": "all"});
    post("/v1/tables", &spec).of(cluster.at(0)).is(201);
    let stats = |at: usize| get("/v1/tables/held/stats").of(cluster.at(at)).is(200).json();
    let empty = stats(1);
    assert_eq!((&empty["keys"], &empty["bytes"], &empty["exact"]), (&json!(0), &json!(0), &json!(true)));
    for key in 0..20 {
        put(&format!("/v1/tables/held/keys/k{key}"), "v").of(cluster.at(0)).is(200);
    }
    ask("DELETE", "/v1/tables/held/keys/k7").of(cluster.at(0)).is(200);
    for at in 0..3 {
        let held = stats(at);
        assert_eq!(
            (&held["keys"], &held["removals"], &held["exact"]),
            (&json!(19), &json!(1), &json!(true)),
            "{held}"
        );
        assert_eq!(held["unanswered"], json!([]));
        let shards = held["by_shard"].as_array().unwrap();
        assert_eq!(shards.len(), 4);
        for what in ["keys", "removals", "bytes"] {
            let sum: u64 = shards.iter().map(|shard| shard[what].as_u64().unwrap()).sum();
            assert_eq!(held[what].as_u64(), Some(sum), "{what}");
        }
        assert!(shards.iter().all(|shard| shard["exact"] == true && shard["counted_by"].is_string()));
        assert!(held["bytes"].as_u64() > Some(20 * 70), "{held}");
    }
    let nodes = get("/v1/cluster/nodes").of(cluster.at(0)).is(200).json();
    for node in nodes["nodes"].as_array().unwrap() {
        assert_eq!((&node["keys"], &node["keys_exact"]), (&json!(19), &json!(true)), "{node}");
    }
    let metrics = get("/metrics").of(cluster.at(0)).is(200).text();
    for line in [
        "quorate_table_keys{table=\"held\"} 19\n",
        "quorate_table_removals{table=\"held\"} 1\n",
        "quorate_table_exact{table=\"held\"} 1\n",
        "quorate_chunks_missing 0\n",
    ] {
        assert!(metrics.contains(line), "{line} is not in\n{metrics}");
    }
    get("/v1/tables/none/stats").of(cluster.at(0)).refuses(404, "no-such-table");
}

#[test]
fn a_table_says_how_large_its_shards_become() {
    let cluster = shared();
    let node = cluster.at(0);
    let of = |bytes: Json| json!({"name": "sized", "sharding": "range", "shard_bytes_max": bytes});
    post("/v1/tables", &of(json!(65_535))).of(node).refuses(400, "invalid-body");
    let made = post("/v1/tables", &of(json!(65_536))).of(node).is(201).json();
    assert_eq!(made["shard_bytes_max"], 65_536);
    let change = |bytes: Json| {
        ask("PATCH", "/v1/tables/sized")
            .header("Content-Type", "application/json")
            .body(json!({ "shard_bytes_max": bytes }).to_string())
    };
    change(json!(0)).of(node).refuses(400, "invalid-body");
    assert_eq!(change(json!(1 << 20)).of(node).is(200).json()["shard_bytes_max"], 1 << 20);
    assert_eq!(change(json!(null)).of(node).is(200).json().get("shard_bytes_max"), None);
}

/// A table whose every owner counts for something: while one is away, it may come back with what it knew, so the drop is
/// open. Under its name nothing is answered until it has confirmed.
#[test]
fn a_drop_is_open_until_enough_owners_have_confirmed_it() {
    let cluster = Cluster::of_three();
    let wanted = json!({"name": "open", "w": 1, "r": 1});
    post("/v1/tables", &wanted).of(cluster.at(0)).is(201);
    post("/v1/tables", &json!({"name": "usual"})).of(cluster.at(0)).is(201);
    put("/v1/tables/open/keys/a", "before").of(cluster.at(0)).is(200);
    cluster.sees_up(0, 3);
    cluster.kill(2);
    cluster.sees_up(0, 2);
    // Two of three are enough where two hold whatever was promised.
    ask("DELETE", "/v1/tables/usual").of(cluster.at(0)).is(200);
    post("/v1/tables", &json!({"name": "usual", "sharding": "range"})).of(cluster.at(0)).is(201);
    put("/v1/tables/usual/keys/a", "after").of(cluster.at(1)).is(200);
    let drop_it = || ask("DELETE", "/v1/tables/open?timeout=2s").of(cluster.at(0));
    let open = drop_it().refuses(504, "write-timeout");
    assert_eq!(open["outcome"], "unknown");
    assert!(open["detail"].as_str().unwrap().contains("n3 has not confirmed it"), "{open}");

    // Neither what was there, nor that it is gone; a new table of the name answers as little.
    get("/v1/tables/open/keys/a").of(cluster.at(1)).refuses(503, "unavailable");
    post("/v1/tables", &wanted).of(cluster.at(1)).is(201);
    get("/v1/tables/open/keys/a").of(cluster.at(1)).refuses(503, "unavailable");
    get("/v1/tables/open/keys").of(cluster.at(1)).refuses(503, "unavailable");
    let refused = put("/v1/tables/open/keys/a", "after").of(cluster.at(0)).refuses(503, "unavailable");
    assert_eq!(refused["outcome"], "not_applied");
    let many = json!({"keys": ["a"]});
    post("/v1/tables/open/mget", &many).of(cluster.at(0)).refuses(503, "unavailable");
    let many = json!({"operations": [{"op": "delete", "key": "a"}]});
    post("/v1/tables/open/batch", &many).of(cluster.at(0)).refuses(503, "unavailable");

    let back = cluster.start_again(2);
    until("the new table answers", || {
        let answer = put("/v1/tables/open/keys/b", "after").of(cluster.at(0));
        (answer.status == 200).then_some(())
    });
    until("another node has heard of it", || {
        let answer = get("/v1/tables/open/keys/a").of(cluster.at(1));
        (answer.status != 503).then(|| answer.refuses(404, "no-such-key"))
    });
    ask("DELETE", "/v1/tables/open").of(cluster.at(1)).is(200);
    for address in [cluster.at(0), cluster.at(1), back] {
        ask("DELETE", "/v1/tables/open").of(address).refuses(404, "no-such-table");
    }
}

/// A drop that is open can be waited for by asking again.
#[test]
fn a_drop_that_is_asked_for_again_waits_for_the_same() {
    let cluster = Cluster::of_three();
    post("/v1/tables", &json!({"name": "again", "w": 1, "r": 1})).of(cluster.at(0)).is(201);
    cluster.sees_up(0, 3);
    cluster.kill(2);
    cluster.sees_up(0, 2);
    ask("DELETE", "/v1/tables/again?timeout=1s").of(cluster.at(0)).refuses(504, "write-timeout");
    ask("DELETE", "/v1/tables/again?timeout=1s").of(cluster.at(1)).refuses(504, "write-timeout");
    // A later table of the name, though its own owners are all there, is not gone before the first one is; and it is
    // dropped only where it is meant.
    let drop = |id: &str| ask("DELETE", &format!("/v1/tables/again?timeout=1s&id={id}")).of(cluster.at(0));
    let mut earlier = "t9".to_owned();
    for shards in [1, 2, 4] {
        let spec = json!({"name": "again", "n": 1, "r": 1, "w": 1, "shards": shards});
        let made = post("/v1/tables", &spec).of(cluster.at(0)).is(201).json();
        let id = made["id"].as_str().expect("an id").to_owned();
        let refused = ask("DELETE", "/v1/tables/again?timeout=1s").of(cluster.at(0));
        let said = refused.refuses(409, "catalog-refused");
        assert!(
            said["detail"].as_str().is_some_and(|detail| detail.contains(&format!("?id={id}"))),
            "{said}"
        );
        drop("t99").refuses(404, "no-such-table");
        if shards > 1 {
            drop(&earlier).refuses(504, "write-timeout");
        }
        get("/v1/tables/again").of(cluster.at(0)).is(200);
        drop(&id).refuses(504, "write-timeout");
        earlier = id;
    }
    cluster.start_again(2);
    ask("DELETE", "/v1/tables/again?timeout=20s").of(cluster.at(1)).is(200);
    get("/v1/tables/again/keys/a").of(cluster.at(0)).refuses(404, "no-such-table");
}
