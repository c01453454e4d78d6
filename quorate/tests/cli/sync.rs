//! `quorate sync` and `quorate job`: an order for all members, and the codes that it ends with.

use super::nodes::Nodes;
use super::process::Dev;
use serde_json::Value as Json;
use std::process::Command;

#[test]
fn an_order_is_waited_for_and_ends_with_what_came_of_it() {
    let folder = tempfile::tempdir().expect("a folder");
    let dev = Dev::start(folder.path(), 3);
    dev.run(0, &["put", "demo", "k", "v"]).expect_code(0);
    let done = dev.run(1, &["sync", "start", "--wait", "--output", "json"]).expect_code(0);
    let job = done.json();
    assert_eq!(
        (&job["state"], &job["type"], &job["shards"]),
        (&"done".into(), &"sync".into(), &64.into()),
        "{job}"
    );
    let last = done.stderr.lines().last().expect("progress");
    let last: serde_json::Value = serde_json::from_str(last).expect("a JSON object a line");
    assert_eq!((&last["job"], &last["compared"]), (&job["id"], &64.into()), "{last}");
    let quiet = dev
        .run(2, &["sync", "start", "--verify-only", "--table", "demo", "--wait", "--quiet"])
        .expect_code(0);
    assert!(quiet.text().contains("64 of 64 shards are equal") && quiet.stderr.is_empty(), "{quiet:?}");
    dev.run(0, &["sync", "start", "--table", "nope"]).expect_code(3);

    let id = job["id"].as_str().expect("text");
    assert!(dev.run(0, &["job", "show", id]).expect_code(0).text().contains("NOT COUNTED"));
    dev.run(2, &["job", "wait", id]).expect_code(0);
    let unknown = dev.run(0, &["job", "show", "n1-00000000-1"]).expect_code(3);
    assert!(unknown.stderr.contains("`quorate job list`"), "{unknown:?}");
    let listed = dev.run(0, &["job", "list"]).expect_code(0);
    assert!(listed.text().contains(id), "no id is cut: {}", listed.text());
    let lines = dev.run(0, &["job", "list", "--output", "jsonl"]).expect_code(0);
    let lines = lines.text();
    assert!(lines.lines().all(|line| serde_json::from_str::<serde_json::Value>(line).is_ok()), "{lines}");

    let status = dev.run(0, &["sync", "status"]).expect_code(0);
    assert!(status.text().contains("NEVER EQUAL") && status.stderr.is_empty(), "{status:?}");
    let explained = dev.run(0, &["explain", "demo", "k"]).expect_code(0);
    assert!(explained.text().contains("found all owners of the shard equal"), "{explained:?}");

    // Without n3 its shards lack an owner: that is not "all are equal".
    dev.disturb("kill", "n3").expect_code(0);
    dev.until_says(0, &["status"], "!!  n3 is down");
    let short = dev.run(0, &["sync", "start", "--wait"]).expect_code(5);
    assert!(short.stderr.contains("n3") && short.stderr.contains("next: see how n3 is"), "{short:?}");
    assert!(short.text().contains("not_taken"), "{short:?}");
    let status = dev.run(0, &["sync", "status"]).expect_code(0);
    assert!(status.stderr.contains("n3 did not answer"), "{status:?}");
    assert_eq!(
        dev.run(0, &["sync", "status", "--output", "json"]).expect_code(0).json()["unanswered"][0]["node"],
        "n3"
    );
}

/// The counter is kept with the data: it is the same in each place that shows it, and a restart changes it nowhere.
#[test]
fn hints_that_did_not_fit_are_counted_since_the_folder_was_made_wherever_they_are_shown() {
    let mut nodes = Nodes::start(3, &[("QUORATE_REPLICA_HINTS_MAX", "1")]);
    nodes.run(0, &["table", "create", "t", "-n", "3", "--shards", "1"]).expect_code(0);
    nodes.take(2).terminate().expect_code(0);
    for number in 0..5 {
        nodes.run(0, &["put", "t", &format!("k{number}"), "v"]).expect_code(0);
    }
    let page = |nodes: &Nodes, path: &str| {
        let url = format!("http://{}{path}", nodes.address(0));
        Command::new("curl").args(["-s", &url]).output().expect("curl runs").stdout
    };
    let is_shown = |nodes: &Nodes| {
        let words = "n1 had no room for 4 hints since its data folder was made";
        nodes.until_text(&["status"], |text| text.contains(words));
        let cluster: Json = serde_json::from_slice(&page(nodes, "/v1/cluster")).expect("a document");
        assert_eq!(cluster["here"]["hints_overflow"], 4, "{cluster}");
        let metrics = String::from_utf8(page(nodes, "/metrics")).expect("text");
        assert!(metrics.contains("\nquorate_hints_overflow_total 4\n"), "{metrics}");
    };
    is_shown(&nodes);
    nodes.take(0).terminate().expect_code(0);
    nodes.serve(0, &[]);
    is_shown(&nodes);
    let reference = include_str!("../../../docs/http.md");
    assert!(reference.contains("`hints_overflow`, since its data folder was made"));
}
