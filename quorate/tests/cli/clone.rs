//! Copies of all data folders: beside their originals they end, and cloned they are a cluster of their own.

use crate::nodes::{Node, begun, served};
use crate::process::{Ended, Running, free_ports, run};
use quorate_ports::Block;
use std::path::Path;
use std::process::Command;

const NAMES: [&str; 3] = ["a", "b", "c"];

/// Copies folders of nodes that have stopped.
fn copy(from: &Path, to: &Path) {
    std::fs::create_dir(to).expect("made");
    for name in NAMES {
        let copied = Command::new("cp").arg("-a").arg(from.join(name)).arg(to.join(name)).status();
        assert!(copied.expect("cp runs").success());
    }
}

/// Starts the nodes of these folders where they are found from this port on, each told where the others are.
fn started(folder: &Path, ports: &Block, first: u16) -> Vec<Running> {
    let at = |index: usize| first + index as u16;
    let start = |index: usize| {
        let others = (0..3).filter(|other| *other != index).map(|other| ports.address(2 * at(other)));
        let join: Vec<String> = others.flat_map(|address| ["--join".to_owned(), address]).collect();
        let join: Vec<&str> = join.iter().map(String::as_str).collect();
        begun(&folder.join(NAMES[index]), ports, at(index), &join)
    };
    (0..3).map(start).collect()
}

fn holds(node: &Node, value: &str) {
    assert_eq!(node.run(&["get", "t", "k", "-c", "all"]).expect_code(0).text(), value);
}

fn cluster(node: &Node) -> serde_json::Value {
    node.run(&["status", "--output", "json"]).expect_code(0).json()["cluster"].clone()
}

#[test]
fn copies_end_beside_their_originals_and_cloned_they_are_another_cluster() {
    let folder = tempfile::tempdir().expect("a folder");
    let (of, copies) = (folder.path().join("originals"), folder.path().join("copies"));
    let clones = folder.path().join("clones");
    let ports = free_ports();
    let first =
        served(begun(&of.join("a"), &ports, 0, &["--bootstrap", "--cluster-name", "orders", "--name", "a"]));
    let join = |name: &str, at| {
        served(begun(&of.join(name), &ports, at, &["--join", &first.endpoint, "--name", name]))
    };
    let others = [join("b", 1), join("c", 2)];
    first.until_ready();
    first.run(&["table", "create", "t", "-n", "3", "--shards", "4"]).expect_code(0);
    first.run(&["put", "t", "k", "before", "-c", "all"]).expect_code(0);
    for node in others.into_iter().chain([first]) {
        node.process.terminate().expect_code(0);
    }
    copy(&of, &copies);
    copy(&of, &clones);
    let originals: Vec<Node> = started(&of, &ports, 0).into_iter().map(served).collect();
    originals[0].until_ready();

    // As they are, none of the copies stays.
    for copy in started(&copies, &ports, 3) {
        let ended = copy.ended();
        assert!(ended.code != 0 && ended.stderr.contains("another live process has the id"), "{ended:?}");
    }
    originals[0].until_ready();
    holds(&originals[0], "before");

    // Their name stays theirs, and what is in use is not cloned.
    let clone = |folder: &Path, more: &[&str]| {
        let folders: Vec<String> = NAMES.iter().map(|name| folder.join(name).display().to_string()).collect();
        let mut arguments = vec!["clone"];
        arguments.extend(folders.iter().map(String::as_str));
        arguments.extend(more);
        run(&arguments)
    };
    let refused = clone(&clones, &["--cluster-name", "orders"]).expect_code(4);
    assert!(refused.stderr.contains("a name of its own"), "{refused:?}");
    let refused = clone(&of, &["--cluster-name", "staging"]).expect_code(1);
    assert!(refused.stderr.contains("another process uses the folder"), "{refused:?}");
    clone(&clones, &["--cluster-name", "no name"]).expect_code(2);
    clone(folder.path(), &["--cluster-name", "staging"]).expect_code(3);
    let cloned = clone(&clones, &["--cluster-name", "staging", "--output", "json"]).expect_code(0).json();
    let id = cloned["cluster"].as_str().expect("text").to_owned();
    // A repetition changes nothing.
    clone(&clones, &["--cluster-name", "staging", "--cluster", &id]).expect_code(0);

    let clones: Vec<Node> = started(&clones, &ports, 3).into_iter().map(served).collect();
    clones[0].until_ready();
    clones[2].until_ready();
    holds(&clones[1], "before");
    assert_eq!(cluster(&clones[1])["id"], id.as_str());
    assert_eq!(cluster(&clones[1])["name"], "staging");
    clones[0].run(&["put", "t", "k", "clone", "-c", "all"]).expect_code(0);
    holds(&originals[1], "before");
    originals[2].run(&["put", "t", "k", "original", "-c", "all"]).expect_code(0);
    holds(&clones[2], "clone");
    let counted = |ended: &Ended| ended.code == 0 && ended.json()["exact"] == true;
    clones[0].until("its sums are counted anew", &["table", "stats", "t", "--output", "json"], counted);

    // Who joins the clone belongs to it.
    let fourth = folder.path().join("fourth");
    let fourth = served(begun(&fourth, &ports, 6, &["--join", &clones[0].endpoint, "--name", "d"]));
    fourth.until_ready();
    assert_eq!(cluster(&fourth)["id"], id.as_str());
    originals[0].until_ready();
    assert_eq!(cluster(&originals[0])["name"], "orders");
}
