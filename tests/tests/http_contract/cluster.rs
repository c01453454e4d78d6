//! The cluster, its ring, and where a key lives.

use super::ask::{get, put};
use super::rig::{key, shared};
use serde_json::json;

#[test]
fn the_cluster_and_its_members_are_shown() {
    let cluster = shared();
    cluster.all_vote();
    let shown = get("/v1/cluster").of(cluster.at(0)).is(200).json();
    assert_eq!(
        (&shown["name"], &shown["nodes"], &shown["nodes_up"]),
        (&json!("contract"), &json!(3), &json!(3))
    );
    assert_eq!((&shown["healthy"], &shown["node"]), (&json!(true), &json!("n1")));
    assert!(shown["epoch"].as_u64() > Some(0) && shown["id"].as_str().unwrap().len() == 32, "{shown}");
    assert!(shown["health"].as_str().unwrap().contains("every shard has a quorum"), "{shown}");
    let nodes = get("/v1/cluster/nodes").of(cluster.at(1)).is(200).json();
    let names: Vec<&str> =
        nodes["nodes"].as_array().unwrap().iter().map(|node| node["id"].as_str().unwrap()).collect();
    assert_eq!(names, ["n1", "n2", "n3"]);
    for name in ["n2", "2"] {
        let node = get(&format!("/v1/cluster/nodes/{name}")).of(cluster.at(0)).is(200).json();
        assert_eq!((&node["id"], &node["zone"], &node["state"]), (&json!("n2"), &json!("z2"), &json!("up")));
        assert_eq!(node["address"], cluster.at(1).to_string());
        assert!(node["shards"].as_u64() >= Some(8), "{node}");
    }
    assert_eq!(nodes["unanswered"], json!([]));
    for node in nodes["nodes"].as_array().unwrap() {
        assert!(node["bytes"].is_u64() && node["silent_ms"].as_u64() < Some(3_000), "{node}");
        assert_eq!(node["version"], env!("CARGO_PKG_VERSION"));
        // Which epoch a member has applied by now is its own matter: voters may be changing.
        assert!(node["epoch"].is_u64() && node["reason"].is_null(), "{node}");
        // A node does not judge itself.
        let is_judged = node["id"] != nodes["seen_by"];
        assert_eq!(
            node["phi"].as_f64().map(|phi| (0.0..5.0).contains(&phi)),
            is_judged.then_some(true),
            "{node}"
        );
        assert!(node.get("error").is_none(), "{node}");
    }
    for (text, id) in [("id:n2", "n2"), ("id:2", "n2"), ("name:n3", "n3")] {
        let node = get(&format!("/v1/cluster/nodes/{text}")).of(cluster.at(0)).is(200).json();
        assert_eq!(node["id"], id);
    }
    get("/v1/cluster/nodes/name:2").of(cluster.at(0)).refuses(404, "no-such-node");
    get("/v1/cluster/nodes/zone:z1").of(cluster.at(0)).refuses(404, "no-such-node");
    get("/v1/cluster/nodes/n9").of(cluster.at(0)).refuses(404, "no-such-node");
    get("/v1/cluster/nodes/%0a").of(cluster.at(0)).refuses(404, "no-such-node");
    get("/v1/cluster/nodes/n1/safe-to-stop").of(cluster.at(0)).is(200);
}

#[test]
fn the_ring_shows_shards_and_owners() {
    let cluster = shared();
    let ring = get("/v1/cluster/ring?table=t").of(cluster.at(0)).is(200).json();
    assert_eq!(ring["shards"].as_array().unwrap().len(), 8);
    assert!(ring["nodes"].as_array().unwrap().iter().all(|node| node["positions"].as_u64() > Some(0)));
    let located = get("/v1/tables/t/locate/k").of(cluster.at(0)).is(200).json();
    for owner in located["owners"].as_array().unwrap() {
        let of_owner = |node: &&serde_json::Value| node["node"] == owner["node"];
        let on_the_ring = ring["nodes"].as_array().unwrap().iter().find(of_owner).unwrap();
        assert_eq!(on_the_ring["address"], owner["address"], "where clients reach it");
    }
    get("/v1/cluster/ring?table=none").of(cluster.at(0)).refuses(404, "no-such-table");
    get("/v1/cluster/ring?tabel=t").of(cluster.at(0)).refuses(400, "unknown-parameter");
}

#[test]
fn a_key_is_located_and_explained() {
    let cluster = shared();
    let written = put(&format!("{}?consistency=all", key("where%2f%ff")), "12345").of(cluster.at(0)).is(200);
    let located = get("/v1/tables/t/locate/where/%ff").of(cluster.at(0)).is(200).json();
    assert_eq!((&located["key_b64"], &located["table"]), (&json!("d2hlcmUv_w"), &json!("t")));
    assert_eq!(located["token"].as_str().unwrap().len(), 16);
    assert_eq!(located["owners"].as_array().unwrap().len(), 3);
    assert!(located["owners"].as_array().unwrap().iter().all(|owner| owner["up"] == true), "{located}");
    let other = get("/v1/tables/t/locate/d2hlcmUv_w?enc=b64").of(cluster.at(2)).is(200).json();
    assert_eq!((&other["token"], &other["shard"]), (&located["token"], &located["shard"]));
    let explained = get("/v1/tables/t/explain/where/%ff").of(cluster.at(1)).is(200).json();
    assert_eq!(explained["agree"], true, "{explained}");
    let replicas = explained["replicas"].as_array().unwrap();
    assert_eq!(replicas.len(), 3);
    for replica in replicas {
        assert_eq!(
            (&replica["version"], &replica["size"]),
            (&json!(written.header("quorate-version")), &json!(5))
        );
        assert_eq!((&replica["tombstone"], &replica["hints_for"]), (&json!(false), &json!([])));
    }
    let nothing = get("/v1/tables/t/explain/never-written").of(cluster.at(1)).is(200).json();
    assert!(
        nothing["replicas"].as_array().unwrap().iter().all(|replica| replica["version"].is_null()),
        "{nothing}"
    );
    get("/v1/tables/t/locate/").of(cluster.at(0)).refuses(400, "invalid-key");
    get("/v1/tables/none/locate/a").of(cluster.at(0)).refuses(404, "no-such-table");
    get("/v1/tables/t/locate/a?r=1").of(cluster.at(0)).refuses(400, "unknown-parameter");
}
