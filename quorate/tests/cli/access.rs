//! Access control, as an operator meets it: the first admin, those that they let in, and the way back in.

use crate::nodes::{Node, begun_anywhere, served};
use crate::process::{Ended, quorate};
use serde_json::Value as Json;
use std::path::Path;

/// Runs a command that asks a node, with the token of a file.
fn by(node: &Node, token: &Path, arguments: &[&str]) -> Ended {
    let output = quorate()
        .args(["--endpoint", &node.endpoint, "--token-file"])
        .arg(token)
        .args(arguments)
        .output()
        .expect("the binary starts");
    output.into()
}

#[test]
fn the_first_admin_lets_others_in_and_nodes_join_without_a_token() {
    let folder = tempfile::tempdir().expect("a folder");
    let of = |name: &str| folder.path().join(name);
    let admin = of("admin.token");
    let file = admin.display().to_string();
    let founding =
        ["--bootstrap", "--cluster-name", "guarded", "--name", "a", "--access", "--admin-token-file", &file];
    let mut process = begun_anywhere(&of("a"), &founding);
    let line: Json =
        serde_json::from_str(&process.until_said("the node serves")).expect("a log line in JSON");
    let address = |name: &str| line[name].as_str().expect("an address").to_owned();
    let first = Node { process, endpoint: address("clients") };

    let stranger = first.run(&["table", "list"]).expect_code(7);
    assert!(stranger.stderr.contains("--token-file"), "{stranger:?}");
    by(&first, &admin, &["table", "create", "t", "-n", "1"]).expect_code(0);
    by(&first, &admin, &["put", "t", "eu/k", "v"]).expect_code(0);
    let status = by(&first, &admin, &["auth", "status"]).expect_code(0);
    assert!(
        status.text().contains("you are admin") && status.text().contains("admin everything"),
        "{status:?}"
    );

    by(&first, &admin, &["auth", "role", "add", "eu"]).expect_code(0);
    by(&first, &admin, &["auth", "role", "grant", "eu", "read", "write", "--table", "t", "--prefix", "eu/"])
        .expect_code(0);
    by(&first, &admin, &["auth", "role", "revoke", "eu", "write", "--table", "t", "--prefix", "eu/"])
        .expect_code(0);
    by(&first, &admin, &["auth", "role", "revoke", "eu", "write", "--all"]).expect_code(3);
    by(&first, &admin, &["auth", "user", "add", "ann"]).expect_code(0);
    by(&first, &admin, &["auth", "user", "add", "ann", "--role", "eu"]).expect_code(4);
    by(&first, &admin, &["auth", "user", "alter", "ann", "--add-role", "eu"]).expect_code(0);
    let (ann, saved) = (of("ann.token"), of("ann.token").display().to_string());
    by(&first, &admin, &["auth", "token", "create", "ann", "--expires", "1d", "--save", &saved])
        .expect_code(0);
    by(&first, &admin, &["auth", "token", "create", "ann", "--save", &saved]).expect_code(2);
    assert_eq!(by(&first, &ann, &["get", "t", "eu/k"]).expect_code(0).stdout, b"v");
    by(&first, &ann, &["put", "t", "eu/k", "w"]).expect_code(7);
    by(&first, &ann, &["get", "t", "us/k"]).expect_code(7);
    by(&first, &ann, &["auth", "user", "list"]).expect_code(7);
    let status = by(&first, &ann, &["auth", "status"]).expect_code(0);
    assert!(status.text().contains("you may read t keys eu/*"), "{status:?}");
    let users = by(&first, &admin, &["auth", "user", "list"]).expect_code(0);
    assert!(users.text().contains("ann") && users.text().contains("admin"), "{users:?}");

    // By the address for clients, and by the one for peers, where no HTTP is spoken.
    let second = Node::start(&of("b"), &["--join", &first.endpoint, "--name", "b"]);
    let third = Node::start(&of("c"), &["--join", &address("peers"), "--name", "c"]);
    for joined in [&second, &third] {
        joined.run(&["table", "list"]).expect_code(7);
        let token = ann.display().to_string();
        let arguments = ["--token-file", &token, "get", "t", "eu/k"];
        joined.until("its catalog is there", &arguments, |ended| ended.code == 0);
        assert_eq!(by(joined, &ann, &["get", "t", "eu/k"]).expect_code(0).stdout, b"v");
    }

    let tokens = by(&second, &admin, &["--output", "json", "auth", "token", "list"]).expect_code(0).json();
    let of_ann =
        tokens.as_array().expect("a list").iter().find(|token| token["user"] == "ann").expect("hers");
    let id = of_ann["id"].as_str().expect("an id");
    by(&second, &admin, &["auth", "token", "revoke", id]).expect_code(0);
    by(&third, &ann, &["get", "t", "eu/k"]).expect_code(7);
    by(&third, &admin, &["auth", "disable"]).expect_code(0);
    assert_eq!(first.run(&["get", "t", "eu/k"]).expect_code(0).stdout, b"v");
    for node in [first, second, third] {
        node.process.terminate().expect_code(0);
    }
}

#[test]
fn who_has_lost_every_token_gets_one_at_a_start() {
    let folder = tempfile::tempdir().expect("a folder");
    let data = folder.path().join("data");
    let mut process = begun_anywhere(&data, &["--bootstrap", "--cluster-name", "lost", "--access"]);
    let printed = process.line();
    let first = served(process);
    let (token, other) = (folder.path().join("first.token"), folder.path().join("second.token"));
    std::fs::write(&token, &printed).expect("written");
    by(&first, &token, &["auth", "status"]).expect_code(0);
    first.process.terminate().expect_code(0);

    let named = other.display().to_string();
    let again = Node::start(&data, &["--reset-admin", "--admin-token-file", &named]);
    again.run(&["table", "list"]).expect_code(7);
    again.until("the catalog has it", &["--token-file", &named, "table", "list"], |ended| ended.code == 0);
    let log = std::fs::read_to_string(data.join("audit.log")).unwrap_or_default();
    assert!(!log.contains("qrt_"), "{log}");
    again.process.terminate().expect_code(0);
    begun_anywhere(&data, &["--admin-token-file", &named]).ended().expect_code(2);
}

#[test]
fn a_cluster_is_closed_and_opened_by_its_operator() {
    let folder = tempfile::tempdir().expect("a folder");
    let node = Node::start(&folder.path().join("data"), &["--bootstrap", "--cluster-name", "switched"]);
    let status = node.run(&["auth", "status"]).expect_code(0);
    assert!(status.text().starts_with("access control is off"), "{status:?}");
    let enabled = node.run(&["auth", "enable"]).expect_code(0);
    assert!(enabled.text().starts_with("qrt_") && enabled.text().lines().count() == 1, "{enabled:?}");
    let token = folder.path().join("admin.token");
    std::fs::write(&token, &enabled.stdout).expect("written");
    node.run(&["auth", "disable"]).expect_code(7);
    by(&node, &token, &["auth", "enable"]).expect_code(0);
    by(&node, &token, &["auth", "user", "remove", "admin"]).expect_code(4);
    by(&node, &token, &["auth", "disable"]).expect_code(0);
    node.run(&["table", "list"]).expect_code(0);
    node.run(&["auth", "enable"]).expect_code(0);
    node.run(&["table", "list"]).expect_code(7);
    node.process.terminate().expect_code(0);
}
