//! Nodes that die, disks that fill up, deadlines that pass: what a client is told about its data.

use super::ask::{Answer, WRITES, ask, get, post, put, write};
use super::rig::{Cluster, key, until};
use quorate_http::Limits;
use quorate_model::Durability;
use serde_json::{Value as Json, json};
use std::net::SocketAddr;

/// The methods that change the catalog: make a table, alter it, drop it.
const CHANGES: [&str; 3] = ["POST", "PATCH", "DELETE"];

fn change(method: &str, table: &str, timeout: &str, node: SocketAddr) -> Answer {
    let (all, one) =
        (format!("/v1/tables?timeout={timeout}"), format!("/v1/tables/{table}?timeout={timeout}"));
    let json = |target, document: Json| {
        ask(method, target).header("Content-Type", "application/json").body(document.to_string()).of(node)
    };
    match method {
        "POST" => json(&all, json!({"name": table, "n": 1, "shards": 1})),
        "PATCH" => json(&one, json!({"ttl": "1d"})),
        _ => ask(method, &one).of(node),
    }
}

#[test]
fn one_node_of_three_may_die_and_two_may_not() {
    let cluster = Cluster::of_three();
    cluster.all_vote();
    put(&key("survives"), "x").of(cluster.at(0)).is(200);
    cluster.kill(2);
    assert_eq!(get(&key("survives")).of(cluster.at(1)).is(200).text(), "x");
    let written = put(&key("survives"), "y").of(cluster.at(0)).is(200);
    assert_eq!(written.header("quorate-consistency"), "linearizable; w=2; n=3; acks=2; repaired=0");
    cluster.sees_up(0, 2);
    cluster.sees_up(1, 2);

    let problem =
        get(&format!("{}?consistency=all", key("survives"))).of(cluster.at(0)).refuses(503, "unavailable");
    assert_eq!(
        (&problem["outcome"], &problem["required"], &problem["n"]),
        (&json!("not_applied"), &json!(3), &json!(3))
    );
    assert_eq!((&problem["table"], &problem["consistency"]), (&json!("t"), &json!("all")));
    assert!(problem["shard"].as_str().unwrap().starts_with("t/"), "{problem}");
    let replicas = problem["replicas"].as_array().unwrap();
    assert!(
        replicas.iter().any(|replica| replica["node"] == "n3" && replica["result"] == "down"),
        "{problem}"
    );

    let shown = get("/v1/cluster").of(cluster.at(0)).is(200).json();
    assert_eq!((&shown["healthy"], &shown["nodes_up"]), (&json!(false), &json!(2)));
    let lost = get("/v1/cluster/nodes/n3").of(cluster.at(0)).is(200).json();
    assert_eq!((&lost["state"], &lost["unanswered"]), (&json!("down"), &json!(["n3"])), "{lost}");
    assert!(lost["bytes"].is_null() && lost["silent_ms"].is_u64() && lost["error"].is_string(), "{lost}");
    assert_eq!(lost["reason"], "no connection");
    get("/v1/cluster/nodes/n3/safe-to-stop").of(cluster.at(0)).is(200);
    let unsafe_now = get("/v1/cluster/nodes/n2/safe-to-stop").of(cluster.at(0)).refuses(503, "unavailable");
    assert!(unsafe_now["reasons"][0].as_str().unwrap().starts_with("table t: "), "{unsafe_now}");
    let hinted = until("a hint is kept for the dead owner", || {
        let explained = get("/v1/tables/t/explain/survives").of(cluster.at(0)).is(200).json();
        let replicas = explained["replicas"].as_array().unwrap().clone();
        let kept = replicas.iter().any(|replica| replica["hints_for"] == json!(["n3"]));
        kept.then_some(replicas)
    });
    assert!(
        hinted.iter().any(|replica| replica["node"] == "n3" && replica["error"].is_string()),
        "{hinted:?}"
    );

    cluster.kill(1);
    cluster.sees_up(0, 1);
    get(&key("survives")).of(cluster.at(0)).refuses(503, "unavailable");
    let missing = get("/v1/tables/t/keys").of(cluster.at(0)).refuses(503, "unavailable");
    assert!(missing["shard"].as_str().is_some_and(|shard| shard.starts_with("t/")), "{missing}");
    for method in WRITES {
        let refused = write(method, &key("survives"), "z").of(cluster.at(0)).refuses(503, "unavailable");
        assert_eq!(refused["outcome"], "not_applied");
    }
    assert_eq!(get(&format!("{}?r=1", key("survives"))).of(cluster.at(0)).is(200).text(), "y");
    let batch = json!({"items": [{"put": {"key": "a", "value": "b"}}]});
    let result = post("/v1/tables/t/batch", &batch).of(cluster.at(0)).is(200).json()["results"][0].clone();
    assert_eq!((&result["status"], &result["error"]["code"]), (&json!(503), &json!("unavailable")));
    let unready = get("/health/ready").of(cluster.at(0)).refuses(503, "unavailable");
    assert!(unready["reasons"][0].as_str().unwrap().contains("table t"), "{unready}");
    get("/health/live").of(cluster.at(0)).is(200);
    for method in CHANGES {
        let table = if method == "POST" { "late" } else { "t" };
        let refused = until("it has no leader any more", || {
            let answer = change(method, table, "200ms", cluster.at(0));
            assert!(matches!(answer.status, 503 | 504), "no majority of voters: {answer:?}");
            (answer.status == 503).then(|| answer.refuses(503, "unavailable"))
        });
        assert_eq!(refused["outcome"], "not_applied", "{refused}");
    }
    let read = get("/v1/tables/late").of(cluster.at(0)).is(404);
    read.refuses(404, "no-such-table");
}

#[test]
fn a_table_below_a_quorum_needs_every_owner_for_a_write() {
    let cluster = Cluster::of_three();
    cluster.all_vote();
    let table = json!({"name": "quick", "n": 3, "w": "one", "shards": 8, "durability": "os"});
    post("/v1/tables", &table).of(cluster.at(0)).is(201);
    let written = put("/v1/tables/quick/keys/a", "x").of(cluster.at(0)).is(200).json();
    assert_eq!(written["required"], 1);
    let unsafe_now = get("/v1/cluster/nodes/n3/safe-to-stop").of(cluster.at(0)).refuses(503, "unavailable");
    let reason = unsafe_now["reasons"][0].as_str().unwrap();
    assert!(reason.starts_with("table quick: ") && reason.contains("round one"), "{reason}");
    cluster.kill(2);
    cluster.sees_up(0, 2);
    let problem = put("/v1/tables/quick/keys/a", "y").of(cluster.at(0)).refuses(503, "unavailable");
    let said = problem["detail"].as_str().unwrap();
    assert!(said.starts_with("round one of the write needs the answers of 3 of 3 owners"), "{said}");
    let unready = get("/health/ready").of(cluster.at(0)).refuses(503, "unavailable");
    assert!(unready["reasons"].to_string().contains("table quick: "), "{unready}");
    let shown = get("/v1/cluster").of(cluster.at(0)).is(200).json();
    assert!(shown["at_risk"].to_string().contains("table quick: "), "{shown}");
    assert_eq!((&shown["shards_refusing_reads"], &shown["shards_refusing_writes"]), (&json!(0), &json!(8)));
    assert_eq!(get("/v1/tables/quick/keys/a?r=2").of(cluster.at(0)).is(200).text(), "x", "reads go on");
    let batch = json!({"items": [{"put": {"key": "a", "value": "b"}}]});
    post("/v1/tables/quick/batch", &batch).of(cluster.at(0)).is(200);
    let metrics = get("/metrics").of(cluster.at(0)).is(200).text();
    let counted = "quorate_requests_total{operation=\"put\",level=\"one\",outcome=\"unavailable\"} 2\n";
    assert!(metrics.contains(counted), "an item of a batch counts as what became of it: {metrics}");
}

#[test]
fn a_write_that_is_too_late_is_unknown() {
    let cluster = Cluster::of_three();
    cluster.make_table("synced", 3, Durability::Sync);
    put("/v1/tables/synced/keys/a", "x").of(cluster.at(0)).is(200);
    let problem = until("a write is too late", || {
        let answer = put("/v1/tables/synced/keys/a?timeout=1ms&w=3", vec![1; 512 * 1024]).of(cluster.at(0));
        (answer.status == 504).then(|| answer.refuses(504, "write-timeout"))
    });
    assert_eq!((&problem["outcome"], &problem["required"]), (&json!("unknown"), &json!(3)));
    assert_eq!(problem["retry"], "read before you write again");
    assert_eq!(problem["replicas"].as_array().unwrap().len(), 3, "{problem}");
    let with_id = until("a write with an id is too late", || {
        let asked = put("/v1/tables/synced/keys/b?timeout=1ms&w=3", vec![1; 512 * 1024]);
        let answer = asked.header("Idempotency-Key", "late:1").of(cluster.at(0));
        (answer.status == 504).then(|| answer.refuses(504, "write-timeout"))
    });
    assert_eq!(with_id["retry"], "same idempotency key");
    put("/v1/tables/synced/keys/b?timeout=20s", vec![1; 512 * 1024])
        .header("Idempotency-Key", "late:1")
        .of(cluster.at(1))
        .is(200);
    for method in WRITES {
        let target = format!("/v1/tables/synced/keys/{method}?timeout=1ms&w=3");
        until("a write by any method is too late", || {
            let answer = write(method, &target, vec![1; 512 * 1024]).of(cluster.at(0));
            (answer.status == 504).then(|| answer.refuses(504, "write-timeout"))
        });
    }
}

#[test]
fn a_change_of_the_catalog_that_is_too_late_is_unknown() {
    let cluster = Cluster::of_three();
    for method in CHANGES {
        // Too late for the leader to ask its voters whether it leads is in time to say that nothing was done; a little
        // more, and the change is on its way.
        let mut attempts = (1..=20).cycle().zip(1..);
        let problem = until("a change is too late", || {
            let (timeout, number) = attempts.next()?;
            let table = format!("late-{number}");
            if method == "DELETE" {
                change("POST", &table, "20s", cluster.at(0));
            }
            let table = if method == "PATCH" { "t" } else { &table };
            let answer = change(method, table, &format!("{timeout}ms"), cluster.at(0));
            (answer.status == 504).then(|| answer.refuses(504, "write-timeout"))
        });
        assert_eq!(problem["outcome"], "unknown", "{problem}");
    }
}

#[test]
fn a_read_that_is_too_late_had_no_effect() {
    let cluster = Cluster::of_three();
    put(&key("late"), vec![1; 1 << 20]).of(cluster.at(0)).is(200);
    let problem = until("a read is too late", || {
        let answer = get(&format!("{}?timeout=1ms&r=3", key("late"))).of(cluster.at(1));
        (answer.status == 504).then(|| answer.refuses(504, "read-timeout"))
    });
    assert_eq!((&problem["outcome"], &problem["retry"]), (&json!("not_applied"), &json!("at once")));
    assert_eq!((&problem["required"], &problem["consistency"]), (&json!(3), &json!("3")));
    let problem = until("a scan is too late", || {
        let answer = get("/v1/tables/t/keys?timeout=1ms&r=3&values=true").of(cluster.at(1));
        (answer.status == 504).then(|| answer.refuses(504, "read-timeout"))
    });
    assert_eq!((&problem["outcome"], &problem["retry"]), (&json!("not_applied"), &json!("at once")));
}

#[test]
fn full_disks_refuse_writes_and_keep_reads() {
    let cluster = Cluster::of_three();
    put(&key("kept"), "x").of(cluster.at(0)).is(200);
    // A read that finds a value expired has a quorum note it before it says so.
    put(&format!("{}?ttl=3s&consistency=all", key("expires")), "x").of(cluster.at(0)).is(200);
    cluster.fill_disks(true);
    let problem = until("the nodes notice", || {
        let answer = put(&key("refused"), "x").of(cluster.at(0));
        (answer.status == 507).then(|| answer.refuses(507, "disk-full"))
    });
    assert_eq!(problem["outcome"], "not_applied");
    assert_eq!(get(&key("kept")).of(cluster.at(1)).is(200).text(), "x");
    for method in WRITES {
        write(method, &key("refused"), "x").of(cluster.at(0)).refuses(507, "disk-full");
    }
    get(&key("refused")).of(cluster.at(1)).refuses(404, "no-such-key");
    let unread = until("the value expires", || {
        let answer = get(&key("expires")).of(cluster.at(1));
        (answer.status == 507).then(|| answer.refuses(507, "disk-full"))
    });
    assert_eq!(unread["outcome"], "not_applied");
    assert!(
        get("/health/ready")
            .of(cluster.at(0))
            .refuses(503, "unavailable")
            .to_string()
            .contains("the disk is full")
    );
    assert!(get("/metrics").of(cluster.at(0)).is(200).text().contains("quorate_replica_disk_full 1"));
    until("the others are told", || {
        let seen = get("/v1/cluster").of(cluster.at(0)).is(200).text();
        seen.contains("the disk of n2 is full").then_some(())
    });
    cluster.fill_disks(false);
    until("the nodes notice again", || {
        (put(&key("refused"), "x").of(cluster.at(0)).status == 200).then_some(())
    });
    get(&key("expires")).of(cluster.at(1)).refuses(404, "no-such-key");
}

#[test]
fn a_node_that_doubts_its_disk_says_so() {
    let cluster = Cluster::of_three();
    cluster.all_vote();
    put(&key("kept"), "x").of(cluster.at(1)).is(200);
    let doubtful = cluster.restart_in_doubt(2, "a test doubts it");
    get(&key("kept")).of(doubtful).refuses(503, "replica-doubtful");
    let refused = put(&key("kept"), "y").of(doubtful).refuses(503, "replica-doubtful");
    assert_eq!(refused["outcome"], "not_applied");
    ask("DELETE", &key("kept")).of(doubtful).refuses(503, "replica-doubtful");
    let ready = get("/health/ready").of(doubtful).refuses(503, "replica-doubtful").to_string();
    assert!(ready.contains("a test doubts it") && ready.contains("with an empty folder"), "{ready}");
    get("/health/live").of(doubtful).is(200);
    assert!(get("/metrics").of(doubtful).is(200).text().contains("quorate_replica_doubtful 1"));
    until("the others are told", || {
        let seen = get("/v1/cluster").of(cluster.at(0)).is(200).json();
        let told = seen.to_string().contains("n3 doubts its disk");
        told.then(|| assert_eq!(seen["healthy"], false))
    });
    get("/v1/cluster/nodes/n1/accept-loss").of(cluster.at(0)).refuses(409, "loss-not-accepted");
    assert_eq!(get(&key("kept")).of(cluster.at(0)).is(200).text(), "x", "the others are a quorum");
}

#[test]
fn a_starting_node_says_so() {
    let cluster = Cluster::start(1, Limits::default());
    let server = cluster.server_without_node();
    let node = server.address();
    get(&key("a")).of(node).refuses(503, "starting");
    put(&key("a"), "x").of(node).refuses(503, "starting");
    get("/health/ready").of(node).refuses(503, "starting");
    get("/health/live").of(node).is(200);
    ask("POST", "/health/live").of(node).refuses(405, "method-not-allowed");
}

#[test]
fn a_catalog_that_is_full_takes_no_more_tables() {
    let cluster = Cluster::start(1, Limits::default());
    let node = cluster.at(0);
    let make = |number: u32| {
        post("/v1/tables", &json!({"name": format!("t{number}"), "n": 1, "shards": 1})).of(node)
    };
    for number in 0..1_024 {
        make(number).is(201);
    }
    make(1_024).refuses(409, "catalog-refused");
    ask("DELETE", "/v1/tables/t7").of(node).is(200);
    make(1_024).is(201);
}

#[test]
fn a_stopping_node_says_so() {
    let cluster = Cluster::of_three();
    put(&key("kept"), "x").of(cluster.at(1)).is(200);
    cluster.with(0, |instance| instance.node().core().announce_stop());
    get("/health/ready").of(cluster.at(0)).refuses(503, "draining");
    assert_eq!(
        get(&key("kept")).of(cluster.at(0)).is(200).text(),
        "x",
        "it serves on until its notice is over"
    );
    cluster.with(0, |instance| instance.node().core().drain());
    get(&key("kept")).of(cluster.at(0)).refuses(503, "draining");
    put(&key("kept"), "y").of(cluster.at(0)).refuses(503, "draining");
    ask("DELETE", "/v1/tables/t").of(cluster.at(0)).refuses(503, "draining");
    get("/health/ready").of(cluster.at(0)).refuses(503, "draining");
    get("/health/live").of(cluster.at(0)).is(200);
    let address = cluster.at(0);
    cluster.shut_down(0);
    assert!(std::net::TcpStream::connect(address).is_err(), "no process listens any more");
    assert_eq!(get(&key("kept")).of(cluster.at(1)).is(200).text(), "x");
}
