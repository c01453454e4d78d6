//! Jobs: an order is carried out by every member, and shown by any.

use super::ask::{get, post, put};
use super::rig::{Cluster, shared, until};
use serde_json::{Value as Json, json};
use std::net::SocketAddr;

/// Orders a job, and waits until nothing of it goes on.
fn done(node: SocketAddr, spec: &Json) -> Json {
    let ordered = post("/v1/jobs", spec).of(node).is(202);
    let target = ordered.header("location").to_owned();
    assert_eq!(target, format!("/v1/jobs/{}", ordered.json()["id"].as_str().unwrap()));
    until("the job is done", || {
        let job = get(&target).of(node).is(200).json();
        (!job["ended_at"].is_null()).then_some(job)
    })
}

#[test]
fn a_job_is_one_for_the_whole_cluster() {
    let cluster = shared();
    let table = json!({"name": "compared", "shards": 8, "durability": "os"});
    post("/v1/tables", &table).of(cluster.at(0)).is(201);
    put("/v1/tables/compared/keys/a?w=all", "x").of(cluster.at(0)).is(200);
    let job = done(cluster.at(1), &json!({"type": "verify", "table": "compared"}));
    assert_eq!(
        (&job["type"], &job["table"], &job["cause"]),
        (&json!("verify"), &json!("compared"), &json!("order"))
    );
    assert_eq!(
        (&job["state"], &job["shards"], &job["equal"]),
        (&json!("done"), &json!(8), &json!(8)),
        "{job}"
    );
    assert_eq!(job["says"], "8 of 8 shards are equal", "{job}");
    let members = job["members"].as_array().unwrap();
    assert_eq!(members.iter().map(|part| part["shards"].as_u64().unwrap()).sum::<u64>(), 8, "{job}");
    assert!(members.len() == 3 && members.iter().all(|part| part["state"] == "done"), "{job}");
    for node in 0..3 {
        let shown =
            get(&format!("/v1/jobs/{}", job["id"].as_str().unwrap())).of(cluster.at(node)).is(200).json();
        assert_eq!(shown, job, "any node shows the same");
        let listed = get("/v1/jobs").of(cluster.at(node)).is(200).json();
        assert!(listed["jobs"].as_array().unwrap().contains(&job), "{listed}");
        assert_eq!(listed["unanswered"], json!([]));
    }
    let of_all = done(cluster.at(2), &json!({"type": "sync"}));
    assert_eq!((&of_all["table"], &of_all["differing"]), (&json!(null), &json!(0)), "{of_all}");

    // What was proven is shown by table, and of a key.
    let sync = get("/v1/sync").of(cluster.at(0)).is(200).json();
    let of_table = |name: &str| {
        sync["tables"].as_array().unwrap().iter().find(|table| table["name"] == name).unwrap().clone()
    };
    let compared = of_table("compared");
    assert_eq!((&compared["shards"], &compared["looked_after"]), (&json!(8), &json!(8)), "{sync}");
    assert_eq!((&compared["never_equal"], &compared["differences"]), (&json!(0), &json!(0)), "{sync}");
    assert!(compared["oldest_equal_at"].is_string() && compared["last_job"].is_string(), "{sync}");
    assert_eq!(sync["unanswered"], json!([]));
    let explained = get("/v1/tables/compared/explain/a").of(cluster.at(0)).is(200).json();
    let (run_by, says) =
        (explained["sync"]["run_by"].as_str().unwrap(), explained["sync"]["says"].as_str().unwrap());
    assert!(says.starts_with(&format!("{run_by} found all owners of the shard equal")), "{explained}");
    assert!(explained["sync"]["equal_at"].is_string(), "{explained}");
}

#[test]
fn what_is_no_order_of_a_job_is_refused() {
    let cluster = shared();
    let node = cluster.at(0);
    let order = |spec: Json| post("/v1/jobs", &spec).of(node);
    let refused = order(json!({"type": "move"})).refuses(400, "invalid-body");
    assert!(refused["detail"].as_str().unwrap().contains("it is sync or verify"), "{refused}");
    for spec in [json!({}), json!({"type": "sync", "force": true}), json!({"type": "sync", "table": 3})] {
        order(spec).refuses(400, "invalid-body");
    }
    order(json!({"type": "sync", "table": "none"})).refuses(404, "no-such-table");
    order(json!({"type": "sync", "table": "No Table\n"})).refuses(404, "no-such-table");
    for id in ["3", "n1", "n1-00000000-1", "n1-0-1", "%0a", "n999999999999999999999-00000000-1"] {
        get(&format!("/v1/jobs/{id}")).of(node).refuses(404, "no-such-job");
    }
}

#[test]
fn a_member_that_is_away_is_named_and_one_that_started_again_has_forgotten() {
    let cluster = Cluster::of_three();
    cluster.all_vote();
    let before = done(cluster.at(0), &json!({"type": "sync"}));
    assert_eq!(before["state"], "done", "{before}");
    cluster.kill(2);
    until("n3 is down", || {
        (get("/v1/cluster").of(cluster.at(0)).is(200).json()["nodes_up"] == 2).then_some(())
    });
    let job = done(cluster.at(0), &json!({"type": "verify"}));
    assert_eq!(
        (&job["state"], &job["shards"], &job["short"]),
        (&json!("incomplete"), &json!(8), &json!(8)),
        "{job}"
    );
    let absent = &job["members"][2];
    assert_eq!((&absent["node"], &absent["state"]), (&json!("n3"), &json!("not_taken")), "{job}");
    assert!(job["says"].as_str().unwrap().contains(absent["error"].as_str().unwrap()), "{job}");
    for target in ["/v1/jobs", "/v1/sync"] {
        let said = get(target).of(cluster.at(1)).is(200).json();
        assert_eq!(
            (&said["unanswered"][0]["node"], said["unanswered"].as_array().unwrap().len()),
            (&json!("n3"), 1)
        );
    }
    let again = cluster.start_again(2);
    let target = format!("/v1/jobs/{}", before["id"].as_str().unwrap());
    let shown = until("n3 says what it remembers", || {
        let shown = get(&target).of(cluster.at(1)).is(200).json();
        (shown["members"][2]["state"] == "forgotten").then_some(shown)
    });
    assert_eq!(shown["members"][2]["error"], "forgotten: it has started again", "{shown}");
    assert_eq!(shown["members"][0], before["members"][0], "the others remember their parts");
    until("n3 hears of it from the others", || (get(&target).of(again).status == 200).then_some(()));
}
