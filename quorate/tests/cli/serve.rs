//! `serve`: founding, joining, stopping and coming back.

use crate::nodes::{Node, begun, begun_anywhere, served};
use crate::process::{free_ports, run};

#[test]
fn a_node_keeps_its_data_when_it_is_told_to_stop() {
    let folder = tempfile::tempdir().expect("a folder");
    let node = Node::start(folder.path(), &["--bootstrap", "--cluster-name", "alone", "--name", "first"]);
    node.run(&["table", "create", "t", "-n", "1"]).expect_code(0);
    node.run(&["put", "t", "k", "v"]).expect_code(0);
    let cluster = node.run(&["status", "--output", "json"]).expect_code(0).json();
    assert_eq!(cluster["cluster"]["name"], "alone");
    assert_eq!(cluster["nodes"][0]["name"], "first");
    node.process.terminate().expect_code(0);

    // An existing folder needs neither flag, and ignores them.
    let node = Node::start(folder.path(), &[]);
    assert_eq!(node.run(&["get", "t", "k"]).expect_code(0).stdout, b"v");
    node.process.terminate().expect_code(0);
    let node = Node::start(folder.path(), &["--bootstrap", "--cluster-name", "alone"]);
    let again = node.run(&["status", "--output", "json"]).expect_code(0).json();
    assert_eq!(again["cluster"]["id"], cluster["cluster"]["id"]);
    node.process.terminate().expect_code(0);
}

#[test]
fn a_node_joins_by_any_members_address() {
    let folder = tempfile::tempdir().expect("a folder");
    let of = |name: &str| folder.path().join(name);
    let first = Node::start(&of("a"), &["--bootstrap", "--cluster-name", "two", "--name", "a"]);
    let join = ["--join", "127.0.0.1:1", "--join", &first.endpoint, "--name", "b"];
    let second = Node::start(&of("b"), &join);
    // A new member serves before the catalog that has it arrives.
    second.until_ready();
    let nodes = second.run(&["cluster", "nodes", "--output", "json"]).expect_code(0).json();
    let mut names: Vec<&str> =
        nodes.as_array().expect("a list").iter().filter_map(|node| node["name"].as_str()).collect();
    names.sort_unstable();
    assert_eq!(names, ["a", "b"]);
    second.process.terminate().expect_code(0);
    first.process.terminate().expect_code(0);
}

#[test]
fn a_node_that_cannot_join_yet_says_so_and_can_be_stopped_and_started_again() {
    let folder = tempfile::tempdir().expect("a folder");
    for _ in 0..2 {
        let mut process = begun_anywhere(folder.path(), &["--join", "127.0.0.1:1"]);
        process.until_said("joining at 127.0.0.1:1");
        process.terminate().expect_code(0);
    }
}

/// The node that gave away what it owned ends by itself, and so does each further start of it: with a code that says that
/// no start will help.
#[test]
fn a_node_that_was_removed_ends_with_what_to_do_and_does_so_again() {
    let folder = tempfile::tempdir().expect("a folder");
    let of = |name: &str| folder.path().join(name);
    let first = Node::start(&of("a"), &["--bootstrap", "--cluster-name", "shrinks", "--name", "a"]);
    let second = Node::start(&of("b"), &["--join", &first.endpoint, "--name", "b"]);
    first.until_ready();
    first.run(&["table", "create", "t", "-n", "1"]).expect_code(0);
    first.run(&["put", "t", "k", "v"]).expect_code(0);
    first.run(&["--yes", "cluster", "plan", "remove", "b", "--apply", "--wait"]).expect_code(0);
    for ended in [second.process.ended(), begun_anywhere(&of("b"), &[]).ended()] {
        let ended = ended.expect_code(7);
        for words in [
            "n2 is not a member of this cluster any more: it was removed",
            "--join host:port, as a new member",
        ] {
            assert!(ended.stderr.contains(words), "{ended:?}");
        }
    }
    assert_eq!(first.run(&["get", "t", "k"]).expect_code(0).stdout, b"v");
    first.process.terminate().expect_code(0);
}

/// What `--auto` is for: start a node, see the data spread. What an operator decides later is not undone by a restart.
#[test]
fn a_node_that_joins_with_auto_gets_its_share_once() {
    let folder = tempfile::tempdir().expect("a folder");
    let of = |name: &str| folder.path().join(name);
    let first = Node::start(&of("a"), &["--bootstrap", "--cluster-name", "grows", "--name", "a"]);
    first.run(&["table", "create", "t", "-n", "1"]).expect_code(0);
    for key in ["one", "two", "three"] {
        first.run(&["put", "t", key, key]).expect_code(0);
    }
    let moves = || -> Vec<serde_json::Value> {
        let jobs = first.run(&["job", "list", "--output", "json"]).expect_code(0).json();
        let jobs = jobs.as_array().expect("a list");
        jobs.iter().filter(|job| job["type"] == "add").cloned().collect()
    };
    let join = ["--join", &first.endpoint, "--name", "b", "--auto"];
    let mut second = Node::start(&of("b"), &join);
    second.process.until_said("its share arrives by job");
    let id = moves()[0]["id"].as_str().expect("an id").to_owned();
    first.run(&["job", "wait", &id]).expect_code(0);
    let shards = first.run(&["shard", "list", "t", "--output", "json"]).expect_code(0).json();
    let of_second = |shard: &&serde_json::Value| shard["owners"] == serde_json::json!(["n2"]);
    // Half of 64, within 2 % or one copy.
    let owned = shards.as_array().expect("a list").iter().filter(of_second).count();
    assert!((31..=33).contains(&owned), "{owned}: {shards}");
    for key in ["one", "two", "three"] {
        assert_eq!(second.run(&["get", "t", key]).expect_code(0).stdout, key.as_bytes());
    }
    second.process.terminate().expect_code(0);

    let mut second = Node::start(&of("b"), &join);
    second.process.until_said("nothing is planned for it");
    assert_eq!(moves().len(), 1);
    let refused = run(&["serve", "--auto", "--data", &of("c").display().to_string()]).expect_code(2);
    assert!(refused.stderr.contains("--join HOST:PORT"), "{refused:?}");
    second.process.terminate().expect_code(0);
    first.process.terminate().expect_code(0);
}

/// Two of three come back with each other's addresses while the third runs on. What heals by itself is no error in any log.
#[test]
fn nodes_that_change_places_find_each_other_and_log_no_error() {
    let (folder, ports) = (tempfile::tempdir().expect("a folder"), free_ports());
    let of = |name: &str| folder.path().join(name);
    let found = ["--bootstrap", "--cluster-name", "moves", "--name", "a"];
    let first = served(begun(&of("a"), &ports, 0, &found));
    let join = ["--join", &first.endpoint];
    let start = |name: &str, at: u16| begun(&of(name), &ports, at, &[&join[..], &["--name", name]].concat());
    let others = [("b", 1), ("c", 2)].map(|(name, at)| served(start(name, at)));
    let everywhere = |node: &Node, b: u16, c: u16| {
        let at = [("b", ports.address(2 * b)), ("c", ports.address(2 * c))];
        node.until("it knows where each is", &["cluster", "nodes", "--output", "json"], |ended| {
            let nodes = if ended.code == 0 { ended.json() } else { serde_json::Value::Null };
            let is_there = |name: &str, address: &str| {
                let mut nodes = nodes.as_array().into_iter().flatten();
                nodes.any(|node| node["name"] == name && node["address"] == address && node["voter"] == true)
            };
            at.iter().all(|(name, address)| is_there(name, address))
        });
        node.until_ready();
    };
    everywhere(&first, 1, 2);
    for node in others {
        node.process.terminate().expect_code(0);
    }
    let mut back = [start("b", 2), start("c", 1)];
    for node in &mut back {
        node.until_said("the node serves");
    }
    everywhere(&first, 2, 1);
    for node in back.into_iter().chain([first.process]) {
        let ended = node.terminate().expect_code(0);
        let errors: Vec<&str> = ended.stderr.lines().filter(|line| line.contains("\"ERROR\"")).collect();
        assert!(errors.is_empty(), "{errors:#?}");
    }
}
