//! A cluster that grows and shrinks: nodes that come get their share, nodes that go give theirs away, nothing is lost.

use crate::process::{Dev, PATIENCE, run};
use serde_json::Value as Json;
use std::time::Instant;

const KEYS: usize = 40;

/// What each of four owns of 64 shards with three copies: a quarter, within 2 % or one copy.
const SHARE: std::ops::RangeInclusive<usize> = 47..=49;

fn write_all(dev: &Dev) {
    for key in 0..KEYS {
        dev.run(0, &["put", "demo", &format!("key-{key}"), &format!("value-{key}")]).expect_code(0);
    }
}

#[track_caller]
fn read_all(dev: &Dev) {
    let keys: Vec<String> = (0..KEYS).map(|key| format!("key-{key}")).collect();
    let mut arguments = vec!["mget", "demo", "--output", "jsonl"];
    arguments.extend(keys.iter().map(String::as_str));
    let all = dev.run(0, &arguments).expect_code(0);
    for (key, line) in all.text().lines().enumerate() {
        let found: Json = serde_json::from_str(line).expect("a JSON object a line");
        assert_eq!(found["value"], format!("value-{key}"), "{found}");
    }
    assert_eq!(all.text().lines().count(), KEYS);
}

/// Copies of shards by the node that owns them, and how many shards move.
fn owned(dev: &Dev) -> (std::collections::BTreeMap<String, usize>, usize) {
    let shards = dev.run(0, &["shard", "list", "demo", "--output", "json"]).expect_code(0).json();
    let shards = shards.as_array().expect("a list");
    let mut owned = std::collections::BTreeMap::new();
    for owner in shards.iter().flat_map(|shard| shard["owners"].as_array().expect("owners")) {
        *owned.entry(owner.as_str().expect("an id").to_owned()).or_default() += 1;
    }
    (owned, shards.iter().filter(|shard| !shard["next"].is_null()).count())
}

#[test]
fn a_fourth_node_gets_its_share_and_gives_it_back_when_it_goes() {
    let folder = tempfile::tempdir().expect("a folder");
    let dev = Dev::start(folder.path(), 3);
    write_all(&dev);
    let control = dev.ready["control"].as_str().expect("an address").to_owned();

    let added = run(&["--endpoint", &control, "dev", "add", "--wait"]).expect_code(0);
    let said = added.text();
    assert!(said.contains("  add: ") && said.contains("\nmeanwhile "), "{said}");
    assert!(said.contains("shards where they should be"), "{said}");
    let mut progress = added.stderr.lines().filter_map(|line| serde_json::from_str::<Json>(line).ok());
    let last = progress.next_back().expect("progress");
    assert_eq!((&last["state"], &last["shards_done"]), (&"done".into(), &last["shards"]), "{last}");
    let (now, moving) = owned(&dev);
    assert_eq!((now.len(), moving), (4, 0), "{now:?}");
    assert!(now.values().all(|copies| SHARE.contains(copies)), "{now:?}");
    read_all(&dev);
    dev.until(0, &["status", "--check"], 0);

    let removed = run(&["--endpoint", &control, "dev", "remove", "n4"]).expect_code(0);
    assert!(removed.text().contains("  remove: "), "{}", removed.text());
    assert!(removed.stderr.contains("n4 is gone"), "{removed:?}");
    let (now, moving) = owned(&dev);
    assert_eq!((now.len(), moving), (3, 0), "{now:?}");
    assert!(now.values().all(|copies| *copies == 64), "{now:?}");
    read_all(&dev);
    dev.until(0, &["status", "--check"], 0);
    let nodes = dev.run(0, &["cluster", "nodes", "--output", "json"]).expect_code(0).json();
    assert_eq!(nodes.as_array().map(Vec::len), Some(3), "{nodes}");

    // Its number is not given again, and the next run is of the three that are left.
    assert_eq!(std::fs::read_dir(folder.path().join("n4")).expect("readable").count(), 1);
    dev.process.terminate().expect_code(0);
    let again = Dev::start(folder.path(), 3);
    read_all(&again);
    let control = again.ready["control"].as_str().expect("an address").to_owned();
    let added = run(&["--endpoint", &control, "dev", "add"]).expect_code(0);
    assert!(added.stderr.contains("n5 runs at") && added.stderr.contains("quorate job wait"), "{added:?}");
}

#[test]
fn a_plan_is_shown_before_anything_changes_and_carried_out_when_it_is_applied() {
    let folder = tempfile::tempdir().expect("a folder");
    let dev = Dev::start(folder.path(), 4);
    let before = owned(&dev);
    let shown = dev.run(1, &["cluster", "plan", "remove", "n4"]).expect_code(0);
    let text = shown.text();
    assert!(text.contains("COPIES  AFTER") && shown.stderr.contains("nothing has changed yet"), "{shown:?}");
    assert!(text.lines().all(|line| line.chars().count() <= 100), "{text}");
    for (wanted, kind) in [
        (&["replace", "n3", "n4"][..], "replace"),
        (&["weight", "n2", "2"][..], "weight"),
        (&["copies", "demo", "4"][..], "copies"),
    ] {
        let arguments = [&["cluster", "plan"][..], wanted, &["--output", "json"]].concat();
        let plan = dev.run(3, &arguments).expect_code(0).json();
        assert_eq!(plan["type"], kind, "{plan}");
        dev.run(3, &["cluster", "plan", "discard", plan["id"].as_str().expect("an id")]).expect_code(0);
    }
    assert_eq!(owned(&dev), before);

    // Any node leads to the one that keeps it.
    let plans = dev.run(0, &["cluster", "plan", "list", "--output", "json"]).expect_code(0).json();
    let id = plans[0]["id"].as_str().expect("an id").to_owned();
    assert!(id.starts_with("p-n2-"), "{plans}");
    let again = dev.run(0, &["cluster", "plan", "show", &id, "--output", "json"]).expect_code(0).json();
    assert_eq!(again["id"], id);
    let applied =
        dev.run(2, &["cluster", "plan", "apply", &id, "--wait", "--output", "json"]).expect_code(0).json();
    assert_eq!((&applied["plan"]["id"], &applied["job"]["state"]), (&id.into(), &"done".into()), "{applied}");
    let deadline = Instant::now() + PATIENCE;
    while dev.run(0, &["node", "show", "n4"]).code != 3 {
        assert!(Instant::now() < deadline, "n4 stays a member: {:?}", dev.run(0, &["status"]));
    }
    let jobs = dev.run(0, &["job", "list"]).expect_code(0);
    assert!(jobs.text().contains("remove") && jobs.text().contains("SHARDS DONE"), "{jobs:?}");
    // What was made from an older topology is refused, and says what to do.
    let nothing = dev.run(0, &["cluster", "plan", "add"]).expect_code(4);
    assert!(nothing.stderr.contains("nothing was planned"), "{nothing:?}");
    let refused = dev.run(0, &["cluster", "plan", "remove", "n3"]).expect_code(4);
    assert!(refused.stderr.contains("add a node first"), "{refused:?}");
    dev.run(0, &["cluster", "plan", "show", "p-n1-1"]).expect_code(3);
}

/// The node that should get copies is down: nothing can start, and the job stands still until an operator ends it.
#[test]
fn a_job_that_stands_still_is_seen_paused_and_ended() {
    let folder = tempfile::tempdir().expect("a folder");
    let dev = Dev::start(folder.path(), 4);
    dev.disturb("kill", "n4").expect_code(0);
    dev.until_says(0, &["status"], "!!  n4 is down");
    let before = owned(&dev);
    let applied = dev.run(0, &["cluster", "plan", "weight", "n4", "3", "--apply", "--output", "json"]);
    let applied = applied.expect_code(0).json();
    assert!(applied["plan"]["warnings"].to_string().contains("n4"), "{applied}");
    let job = applied["job"]["id"].as_str().expect("an id").to_owned();
    let status = dev.run(0, &["status"]).expect_code(0);
    let said = status.text();
    assert!(said.contains("weight goes on: 0 of") && said.contains(&job), "{said}");
    let second = dev.run(0, &["cluster", "plan", "balance"]).expect_code(4);
    assert!(second.stderr.contains(&job) && second.stderr.contains("quorate job abort"), "{second:?}");

    dev.run(0, &["job", "pause", &job]).expect_code(0);
    assert!(dev.run(0, &["status"]).text().contains("weight is paused"));
    assert!(dev.run(0, &["job", "show", &job]).expect_code(0).text().contains("paused"));
    dev.run(0, &["job", "resume", &job]).expect_code(0);
    dev.run(0, &["job", "abort", &job]).expect_code(0);
    let ended = dev.run(0, &["job", "wait", &job]).expect_code(4);
    assert!(ended.stderr.contains("the job was aborted: 0 of"), "{ended:?}");
    assert_eq!(owned(&dev), before);
    dev.run(0, &["job", "pause", &job]).expect_code(4);
    dev.run(0, &["job", "wait", "00000000000000000000000000000001"]).expect_code(3);
}

#[test]
fn a_node_is_drained_and_no_longer() {
    let folder = tempfile::tempdir().expect("a folder");
    let dev = Dev::start(folder.path(), 3);
    let drained = dev.run(0, &["node", "drain", "n3"]).expect_code(0);
    assert!(drained.stderr.contains("n3 is drained"), "{drained:?}");
    let status = dev.run(0, &["status", "--check"]).expect_code(0);
    assert!(status.text().contains("n3 is drained") && status.text().contains("2 other nodes"), "{status:?}");
    assert!(dev.run(0, &["cluster", "nodes"]).expect_code(0).text().contains("drained"));
    dev.run(0, &["node", "undrain", "n3"]).expect_code(0);
    dev.until_says(0, &["status"], "ok  all 3 nodes are ready");
}
