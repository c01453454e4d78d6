//! `quorate sync` and `quorate job`: an order for all members, and the codes that it ends with.

use super::process::Dev;

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
