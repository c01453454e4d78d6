//! Plans and jobs that move shards: made, shown, applied, paused, aborted; and what each is refused for.

use super::ask::{Answer, ask, get, post, put};
use super::rig::{Cluster, key, until};
use quorate_http::Limits;
use serde_json::{Value as Json, json};
use std::net::SocketAddr;

fn make(node: SocketAddr, change: &Json) -> Answer {
    post("/v1/cluster/plans", &json!({ "changes": [change] })).of(node)
}

/// Makes a plan; where it is shown.
fn planned(node: SocketAddr, change: &Json) -> String {
    make(node, change).is(201).header("location").to_owned()
}

fn order(node: SocketAddr, target: &str) -> Answer {
    ask("POST", target).of(node)
}

fn weigh(weight: f64) -> Json {
    json!({"weight": {"node": "n1", "weight": weight}})
}

fn ended(node: SocketAddr, job: &str) -> Json {
    until("the job has ended", || {
        let job = get(job).of(node).is(200).json();
        (!job["ended_epoch"].is_null()).then_some(job)
    })
}

/// Four nodes with a table of which the fourth has nothing, and whose shards arrive only once all of their owners have
/// heard of it: the third is away.
fn standing_still() -> Cluster {
    let cluster = Cluster::start(4, Limits::default());
    let node = cluster.at(0);
    until("three vote", || {
        let nodes = get("/v1/cluster/nodes").of(node).is(200).json();
        let voters = nodes["nodes"].as_array()?.iter().filter(|node| node["voter"] == true);
        (voters.count() == 3).then_some(())
    });
    order(node, "/v1/cluster/nodes/n4/drain").is(200);
    let table = json!({"name": "t", "n": 3, "w": "all", "shards": 8, "durability": "os"});
    post("/v1/tables", &table).of(node).is(201);
    order(node, "/v1/cluster/nodes/n4/undrain").is(200);
    cluster.kill(2);
    cluster.sees_up(0, 3);
    cluster.sees_up(1, 3);
    cluster
}

#[test]
fn a_plan_is_made_applied_and_goes_on_until_it_is_aborted() {
    let cluster = standing_still();
    let node = cluster.at(0);
    order(node, "/v1/cluster/nodes/name:n2/drain").is(200);
    let shown = get("/v1/cluster/nodes/n2").of(node).is(200).json();
    assert_eq!((&shown["drained"], &shown["membership"]), (&json!(true), &json!("member")));
    let unready = get("/health/ready").of(cluster.at(1)).refuses(503, "draining");
    assert!(unready["reasons"].to_string().contains("drained"), "{unready}");

    let made = make(node, &json!({"add": {"node": "n4"}})).is(201);
    let plan = made.json();
    let target = made.header("location").to_owned();
    assert_eq!(target, format!("/v1/cluster/plans/{}", plan["id"].as_str().unwrap()));
    assert_eq!((&plan["type"], &plan["moves"]), (&json!("add"), &plan["shards"]), "{plan}");
    assert!(plan["moves"].as_u64() >= Some(5), "{plan}");
    assert!(plan["minimum_moves"].as_u64() <= plan["moves"].as_u64(), "{plan}");
    assert!(plan["warnings"].to_string().contains("n3"), "it is away: {plan}");
    let fourth = plan["nodes"].as_array().unwrap().iter().find(|node| node["node"] == "n4").unwrap().clone();
    assert_eq!((&fourth["copies_now"], &fourth["copies_after"]), (&json!(0), &plan["moves"]));
    assert_eq!(get(&target).of(node).is(200).json(), plan);
    let other = planned(node, &weigh(2.0));
    let kept = get("/v1/cluster/plans").of(node).is(200).json();
    assert_eq!((&kept["kept_by"], kept["plans"].as_array().unwrap().len()), (&json!("n1"), 2));
    assert_eq!(kept["plans"][1], plan, "the newest first");
    let elsewhere = get(&target).of(cluster.at(1)).refuses(404, "no-such-plan");
    assert!(elsewhere["detail"].as_str().unwrap().contains("kept by n1"), "{elsewhere}");

    let applied = order(node, &format!("{target}/apply")).is(202);
    let job = applied.header("location").to_owned();
    assert_eq!(job, format!("/v1/jobs/{}", applied.json()["id"].as_str().unwrap()));
    assert_eq!(order(node, &format!("{target}/apply")).is(202).json()["id"], applied.json()["id"]);
    order(node, &format!("{other}/apply")).refuses(409, "epoch-changed");
    let waiting = until("shards wait for the owner that is away", || {
        let shown = get(&job).of(cluster.at(1)).is(200).json();
        let waits = shown["waiting"][0]["waits_for"].as_str()?.contains("n3");
        waits.then_some(shown)
    });
    assert_eq!((&waiting["state"], &waiting["shards_done"]), (&json!("running"), &json!(0)), "{waiting}");
    assert_eq!(waiting["waiting"][0]["next"].as_array().unwrap().len(), 3);
    assert_eq!(get("/v1/jobs").of(node).is(200).json()["moves"].as_array().unwrap()[0]["id"], waiting["id"]);
    shows_both_sets(node);
    make(node, &weigh(3.0)).refuses(409, "job-runs");
    order(node, "/v1/cluster/nodes/n1/drain").refuses(409, "job-runs");
    order(node, "/v1/cluster/nodes/n2/undrain").refuses(409, "job-runs");

    assert_eq!(order(node, &format!("{job}/pause")).is(200).json()["state"], "paused");
    assert_eq!(order(cluster.at(1), &format!("{job}/resume")).is(200).json()["state"], "running");
    order(node, &format!("{job}/abort")).is(200);
    let over = ended(node, &job);
    assert_eq!((&over["state"], &over["shards_done"]), (&json!("aborted"), &json!(0)), "{over}");
    for verb in ["pause", "resume"] {
        order(node, &format!("{job}/{verb}")).refuses(409, "wrong-job-state");
    }
    let undrained = order(node, "/v1/cluster/nodes/n2/undrain").is(200).json();
    assert_eq!((&undrained["node"], &undrained["drained"]), (&json!("n2"), &json!(false)));
    assert_eq!(ask("DELETE", &other).of(node).is(200).json()["discarded"], other.rsplit('/').next().unwrap());
    get(&other).of(node).refuses(404, "no-such-plan");
}

/// Documents of shards that move have the new owners beside the present ones.
fn shows_both_sets(node: SocketAddr) {
    let is_moving = |shard: &&Json| shard["next"].as_array().is_some_and(|next| next.len() == 3);
    // Another node may have said so before this one has heard of it.
    let moving = until("one moves", || {
        let shards = get("/v1/tables/t/shards").of(node).is(200).json();
        shards["shards"].as_array()?.iter().find(is_moving).cloned()
    });
    assert!(
        moving["owners"].as_array().unwrap().len() == 3 && moving["owners"] != moving["next"],
        "{moving}"
    );
    let cluster = get("/v1/cluster").of(node).is(200).json();
    assert!(cluster["shards_moving"].as_u64() > Some(0) && cluster["moved_by"].is_string(), "{cluster}");
    let of_moving = (0..1_000).map(|number| format!("k{number}")).find(|key| {
        let located = get(&format!("/v1/tables/t/locate/{key}")).of(node).is(200).json();
        located["shard"] == moving["id"]
    });
    let key = of_moving.expect("some key is there");
    let located = get(&format!("/v1/tables/t/locate/{key}")).of(node).is(200).json();
    let nodes = |owners: &Json| -> Vec<Json> {
        owners.as_array().unwrap().iter().map(|owner| owner["node"].clone()).collect()
    };
    assert_eq!(json!(nodes(&located["next"])), moving["next"]);
    let explained = get(&format!("/v1/tables/t/explain/{key}")).of(node).is(200).json();
    assert_eq!(
        explained["replicas"].as_array().unwrap().len(),
        4,
        "all that should have a copy: {explained}"
    );
}

#[test]
fn a_plan_that_moves_nothing_is_done_at_once() {
    let cluster = Cluster::of_three();
    cluster.all_vote();
    let node = cluster.at(1);
    let target = planned(node, &weigh(2.0));
    let job = order(node, &format!("{target}/apply")).is(202).header("location").to_owned();
    assert_eq!(ended(cluster.at(2), &job)["state"], "done");
    assert_eq!(get("/v1/cluster/nodes/n1").of(node).is(200).json()["weight"], 2.0);
    order(node, &format!("{job}/abort")).refuses(409, "wrong-job-state");
    let refused = make(node, &json!({"balance": {}})).refuses(409, "plan-refused");
    assert!(refused["detail"].as_str().unwrap().contains("nothing would change"), "{refused}");
    make(node, &json!({"remove": {"node": "n3"}})).refuses(409, "plan-refused");
    make(node, &json!({"replace": {"old": "n3", "new": "n2"}})).refuses(409, "plan-refused");
    let same = make(node, &json!({"table": {"name": "t", "n": 3}})).refuses(409, "plan-refused");
    assert!(same["detail"].as_str().unwrap().contains("table t has n = 3 already"), "{same}");
    for n in [0, 4, 16] {
        make(node, &json!({"table": {"name": "t", "n": n}})).refuses(400, "invalid-body");
    }
    let fewer = make(node, &json!({"table": {"name": "t", "n": 1}})).is(201).json();
    assert_eq!(
        (&fewer["type"], &fewer["moves"]),
        (&json!("copies"), &json!(0)),
        "what stays moves nowhere: {fewer}"
    );
    let said = |plan: &Json| plan["available"].as_str().unwrap().to_owned();
    assert!(said(&fewer).starts_with("of t copies are given up and none is filled"), "{fewer}");
    post("/v1/tables", &json!({"name": "one", "n": 1, "shards": 4})).of(node).is(201);
    let more = make(node, &json!({"table": {"name": "one", "n": 3}})).is(201).json();
    assert!(said(&more).starts_with("a shard of one waits with its requests"), "{more}");
    let two = make(node, &json!({"table": {"name": "one", "n": 2}})).is(201).json();
    assert!(said(&two).starts_with("a shard of one waits with its requests"), "{two}");
    for wrong in [
        json!({"changes": []}),
        json!({"changes": [{}]}),
        json!({"changes": [{"add": {"node": "n1"}, "balance": {}}]}),
        json!({"changes": [{"balance": {}}, weigh(1.0)]}),
        json!({"changes": [weigh(0.0)]}),
        json!({"changes": [{"grow": {}}]}),
        json!({"changes": [{"balance": {}}], "force": true}),
    ] {
        post("/v1/cluster/plans", &wrong).of(node).refuses(400, "invalid-body");
    }
    for target in ["/v1/cluster/plans/p-n1-1", "/v1/cluster/plans/mine"] {
        get(target).of(node).refuses(404, "no-such-plan");
    }
}

/// What a drained node refuses, its owner's part of it does not.
#[test]
fn a_drained_node_takes_no_requests_for_keys() {
    let cluster = Cluster::of_three();
    cluster.all_vote();
    let node = cluster.at(0);
    order(node, "/v1/cluster/nodes/n3/drain").is(200);
    until("it knows", || (get("/health/ready").of(cluster.at(2)).status == 503).then_some(()));
    let drained = cluster.at(2);
    for refused in [
        put(&key("k"), "x").of(drained),
        get(&key("k")).of(drained),
        get("/v1/tables/t/keys").of(drained),
        post("/v1/tables/t/mget", &json!({"keys": ["k"]})).of(drained),
    ] {
        let refused = refused.refuses(503, "draining");
        assert!(refused["detail"].as_str().unwrap().contains("quorate node undrain n3"), "{refused}");
        assert_eq!(refused["outcome"], "not_applied");
    }
    put(&format!("{}?w=all", key("k")), "x").of(node).is(200);
    order(drained, "/v1/cluster/nodes/n3/undrain").is(200);
    until("it takes them again", || (get(&key("k")).of(drained).status == 200).then_some(()));
}

/// It was away when the plan was made, and is back when it is applied.
#[test]
fn a_member_that_is_heard_again_is_not_declared_dead() {
    let cluster = standing_still();
    let node = cluster.at(0);
    let dead = json!({"remove": {"node": "n3", "dead": true}});
    let accepted = json!({"changes": [dead], "accept_data_loss": ["n3"]});
    let made = until("it is a plan", || {
        let answer = post("/v1/cluster/plans", &accepted).of(node);
        (answer.status == 201).then_some(answer)
    });
    let target = made.header("location").to_owned();
    cluster.start_again(2);
    cluster.sees_up(0, 4);
    let refused = order(node, &format!("{target}/apply")).refuses(409, "plan-refused");
    assert!(refused["detail"].as_str().unwrap().contains("n3 is heard by"), "{refused}");
    let members = get("/v1/cluster/nodes/n3").of(node).is(200).json();
    assert_eq!(members["membership"], "member", "{members}");
}

#[test]
fn the_catalog_goes_on_without_a_majority_only_by_decision() {
    let cluster = Cluster::of_three();
    cluster.all_vote();
    let node = cluster.at(0);
    let lost = json!({"lost": ["n2", "n3"]});
    post("/v1/cluster/recover", &lost).of(node).refuses(409, "recovery-refused");
    post("/v1/cluster/recover", &json!({"lost": []})).of(node).refuses(400, "invalid-body");
    cluster.kill(1);
    cluster.kill(2);
    cluster.sees_up(0, 1);
    let meant = until("no leader is known", || {
        let answer = post("/v1/cluster/recover", &lost).of(node);
        (answer.status == 200).then(|| answer.is(200).json())
    });
    assert_eq!((&meant["decided"], &meant["left"]), (&json!(false), &json!(["n1"])), "{meant}");
    assert_eq!(meant["tables"][0]["table"], "t");
    let other = json!({"lost": ["n2", "n3"], "accept_data_loss": ["n2"]});
    post("/v1/cluster/recover", &other).of(node).refuses(400, "invalid-body");
    let named = json!({"lost": ["n2", "n3"], "accept_data_loss": ["n3", "name:n2"]});
    assert_eq!(post("/v1/cluster/recover", &named).of(node).is(202).json()["decided"], true);
}

/// Everything here that changes the catalog, of a plan that is kept and of a job that there is not.
fn changes(plan: &str) -> Vec<String> {
    let mut changes = vec![format!("{plan}/apply")];
    let job = format!("/v1/jobs/{:032x}", 7);
    changes.extend(["pause", "resume", "abort"].map(|verb| format!("{job}/{verb}")));
    changes.extend(["n2/drain", "n3/undrain"].map(|verb| format!("/v1/cluster/nodes/{verb}")));
    changes
}

#[test]
fn without_a_majority_nothing_of_it_is_changed() {
    let cluster = Cluster::of_three();
    cluster.all_vote();
    let node = cluster.at(0);
    order(node, "/v1/cluster/nodes/n3/drain").is(200);
    let plan = planned(node, &weigh(2.0));
    cluster.kill(1);
    cluster.kill(2);
    cluster.sees_up(0, 1);
    for target in changes(&plan) {
        let refused = until("it has no leader any more", || {
            let answer = order(node, &format!("{target}?timeout=200ms"));
            assert!(matches!(answer.status, 503 | 504), "no majority of voters: {answer:?}");
            (answer.status == 503).then(|| answer.refuses(503, "unavailable"))
        });
        assert_eq!(refused["outcome"], "not_applied", "{refused}");
    }
}

#[test]
fn a_change_that_is_too_late_is_unknown() {
    let cluster = Cluster::of_three();
    cluster.all_vote();
    let node = cluster.at(0);
    order(node, "/v1/cluster/nodes/n3/drain").is(200);
    let plan = planned(node, &weigh(2.0));
    for target in changes(&plan) {
        let mut timeouts = (1..=20).cycle();
        until("a change is too late", || {
            for (asked, undoes) in [("/drain", "/undrain"), ("/undrain", "/drain")] {
                if target.ends_with(asked) {
                    order(node, &target.replace(asked, undoes)).is(200);
                }
            }
            let answer = order(node, &format!("{target}?timeout={}ms", timeouts.next()?));
            (answer.status == 504).then(|| answer.refuses(504, "write-timeout"))
        });
    }
}
