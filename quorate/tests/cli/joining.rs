//! `serve --join` where there is nothing to join: it says why, and what to do.

use crate::process::{Running, free_ports, quorate};
use std::path::Path;

fn joining(data: &Path, listen: &str, join: &str) -> Running {
    let mut command = quorate();
    command.args(["serve", "--listen", listen, "--peer-listen", "127.0.0.1:0", "--join", join, "--data"]);
    command.arg(data);
    Running::start(command)
}

#[test]
fn a_node_that_is_told_to_join_itself_says_so() {
    let folder = tempfile::tempdir().expect("a folder");
    let ports = free_ports();
    let here = ports.address(0);
    let mut node = joining(folder.path(), &here, &here);
    let said = node.until_said("this is the address of this node itself");
    assert!(said.contains("--bootstrap --cluster-name NAME"), "{said}");
    node.terminate().expect_code(0);
}

#[test]
fn two_empty_nodes_that_wait_for_one_another_say_that_there_is_no_cluster() {
    let (one, other) = (tempfile::tempdir().expect("a folder"), tempfile::tempdir().expect("a folder"));
    // Both must be known before either starts.
    let ports = free_ports();
    let [here, there] = [0, 1].map(|at| ports.address(at));
    let mut nodes = [joining(one.path(), &here, &there), joining(other.path(), &there, &here)];
    for node in &mut nodes {
        let said = node.until_said("no cluster has been founded yet");
        assert!(said.contains("exactly one node with --bootstrap --cluster-name NAME"), "{said}");
    }
    for node in nodes {
        node.terminate().expect_code(0);
    }
}
