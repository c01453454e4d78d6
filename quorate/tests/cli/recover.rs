//! `cluster recover`: two of three are gone for good, and the one that is left goes on.

use crate::nodes::{begun, served};
use crate::process::free_ports;
use std::path::PathBuf;

#[test]
fn the_one_that_is_left_of_three_goes_on_and_no_other_comes_back() {
    let folder = tempfile::tempdir().expect("a folder");
    let of = |name: &str| -> PathBuf { folder.path().join(name) };
    let ports = free_ports();
    let bootstrap = ["--bootstrap", "--cluster-name", "orders", "--name", "a"];
    let first = served(begun(&of("a"), &ports, 0, &bootstrap));
    let join = |name: &'static str| {
        vec!["--join".to_owned(), first.endpoint.clone(), "--name".to_owned(), name.to_owned()]
    };
    let joined = |name: &'static str, at: u16| {
        let arguments = join(name);
        let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
        served(begun(&of(name), &ports, at, &arguments))
    };
    let others = [joined("b", 1), joined("c", 2)];
    first.until_ready();
    first.until("all three vote", &["cluster", "nodes", "--output", "json"], |ended| {
        let nodes = ended.json();
        nodes.as_array().is_some_and(|nodes| nodes.iter().filter(|node| node["voter"] == true).count() == 3)
    });
    first.run(&["table", "create", "t", "-n", "3", "--shards", "4"]).expect_code(0);
    first.run(&["put", "t", "k", "before", "-c", "all"]).expect_code(0);
    // A majority is there: nothing is given up.
    let refused = first.run(&["cluster", "recover", "c", "--accept-data-loss=c"]).expect_code(4);
    assert!(refused.stderr.contains("which is a majority"), "{refused:?}");
    let refused = first.run(&["cluster", "recover", "b", "c", "--accept-data-loss=b,c"]).expect_code(4);
    assert!(refused.stderr.contains("is not gone"), "{refused:?}");

    drop(others);
    first.until("they are seen to be gone", &["put", "t", "k", "x", "--timeout", "1s"], |ended| {
        ended.code == 5
    });
    first.until("no leader is known", &["status", "--output", "json"], |ended| {
        ended.json()["cluster"]["leader"].is_null()
    });
    let silent = first.run(&["cluster", "recover", "b", "--accept-data-loss=b"]).expect_code(4);
    assert!(
        silent.stderr.contains("majority") || silent.stderr.contains("c (n3) can't be asked"),
        "{silent:?}"
    );
    let preview =
        first.run(&["cluster", "recover", "b", "n3", "--preview", "--output", "json"]).expect_code(0).json();
    assert_eq!(preview["decided"], false);
    assert_eq!((&preview["tables"][0]["shards_short"], &preview["left"][0]), (&4.into(), &"n1".into()));
    let asked = first.run(&["--yes", "cluster", "recover", "b", "c"]).expect_code(9);
    assert!(asked.stderr.contains("--accept-data-loss=b,c"), "{asked:?}");

    first.run(&["cluster", "recover", "b", "c", "--accept-data-loss=b,c"]).expect_code(0);
    first.until("a quorum is there again", &["put", "t", "k", "after", "--timeout", "1s"], |ended| {
        ended.code == 0
    });
    assert_eq!(first.run(&["get", "t", "k"]).expect_code(0).stdout, b"after");
    let said = first.until("it is told", &["status", "--output", "json"], |ended| {
        ended.json()["cluster"]["recoveries"][0]["by"] == "n1"
    });
    let cluster = &said.json()["cluster"];
    assert_eq!(cluster["recoveries"][0]["lost"], serde_json::json!(["n2", "n3"]), "{cluster}");
    assert!(cluster["accepted_losses"].to_string().contains("a loss of n2"), "{cluster}");
    let screen = first.run(&["status"]).expect_code(0);
    assert!(screen.text().contains("the catalog went on without n2, n3, as was decided at n1"), "{screen:?}");

    // They come back with their folders: each is told, ends, and changes nothing.
    for (name, at) in [("b", 1), ("c", 2)] {
        let ended = begun(&of(name), &ports, at, &[]).ended().expect_code(7);
        assert!(ended.stderr.contains("is not a member of this cluster any more"), "{ended:?}");
    }
    assert_eq!(first.run(&["get", "t", "k"]).expect_code(0).stdout, b"after");

    // Members that come take their places.
    let others = [joined("d", 3), joined("e", 4)];
    first.until_ready();
    first.run(&["--yes", "cluster", "plan", "copies", "t", "3", "--apply", "--wait"]).expect_code(0);
    first.until_ready();
    assert_eq!(others[1].run(&["get", "t", "k", "-c", "all"]).expect_code(0).stdout, b"after");
    for node in others {
        node.process.terminate().expect_code(0);
    }
    first.process.terminate().expect_code(0);
}
