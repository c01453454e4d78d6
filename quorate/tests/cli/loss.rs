//! `node accept-loss`: a machine that stopped, and an operator who decides.

use crate::process::{Ended, PATIENCE, Running, quorate, run};
use std::path::Path;
use std::time::Instant;

struct Node {
    process: Running,
    endpoint: String,
}

fn start(data: &Path, boot_id: &Path, arguments: &[&str]) -> Node {
    let mut command = quorate();
    command.env("QUORATE_BOOT_ID_FILE", boot_id);
    command.args([
        "serve",
        "--listen",
        "127.0.0.1:0",
        "--peer-listen",
        "127.0.0.1:0",
        "--log-format",
        "json",
    ]);
    command.args(arguments).arg("--data").arg(data);
    let mut process = Running::start(command);
    let endpoint = endpoint(&mut process);
    Node { process, endpoint }
}

/// Where the node serves, once it says so.
fn endpoint(process: &mut Running) -> String {
    let line: serde_json::Value =
        serde_json::from_str(&process.until_said("the node serves")).expect("a log line in JSON");
    line["clients"].as_str().expect("its address").to_owned()
}

impl Node {
    fn run(&self, arguments: &[&str]) -> Ended {
        run(&[&["--endpoint", self.endpoint.as_str()], arguments].concat())
    }
}

#[test]
fn a_node_on_a_machine_that_stopped_goes_on_once_its_loss_is_accepted_by_name() {
    let folder = tempfile::tempdir().expect("a folder");
    let (data, boot_id) = (folder.path().join("data"), folder.path().join("boot_id"));
    std::fs::write(&boot_id, "one\n").expect("written");
    let node = start(&data, &boot_id, &["--bootstrap", "--cluster-name", "alone", "--name", "first"]);
    node.run(&["table", "create", "t", "-n", "1", "--durability", "os"]).expect_code(0);
    node.run(&["put", "t", "k", "v"]).expect_code(0);
    node.run(&["node", "accept-loss", "n1", "--accept-data-loss=n1"]).expect_code(4);
    drop(node);

    std::fs::write(&boot_id, "two\n").expect("written");
    let mut node = start(&data, &boot_id, &[]);
    let status = node.run(&["status", "--check"]).expect_code(8);
    let first = status.text().lines().next().unwrap_or_default();
    assert!(first.starts_with("!!  n1 is doubtful (machine-stopped): all 64 shards refuse"), "{status:?}");
    assert!(status.text().contains("`quorate node accept-loss n1 --preview`"), "{status:?}");
    node.run(&["get", "t", "k"]).expect_code(5);
    let preview =
        node.run(&["node", "accept-loss", "first", "--preview", "--output", "json"]).expect_code(0).json();
    assert_eq!((&preview["cause"], &preview["acceptable"]), (&"machine-stopped".into(), &true.into()));
    let asked = node.run(&["--yes", "node", "accept-loss", "n1"]).expect_code(9);
    assert!(
        asked.stderr.contains("--accept-data-loss=n1") && asked.stderr.contains("only copy"),
        "{asked:?}"
    );
    node.run(&["node", "accept-loss", "n1", "--accept-data-loss=n2"]).expect_code(9);
    let accepted = node.run(&["node", "accept-loss", "n1", "--accept-data-loss=n1", "--output", "json"]);
    let accepted = accepted.expect_code(0).json();
    assert_eq!((&accepted["incarnation"], &accepted["records"]), (&2.into(), &1.into()));
    // It starts again by itself, in the same process.
    node.endpoint = endpoint(&mut node.process);
    let deadline = Instant::now() + PATIENCE;
    while node.run(&["status", "--check"]).code != 0 {
        assert!(Instant::now() < deadline, "it is never ready again: {:?}", node.run(&["status"]));
    }
    assert_eq!(node.run(&["get", "t", "k"]).expect_code(0).stdout, b"v");
    node.process.terminate().expect_code(0);
}

#[test]
fn a_word_that_can_mean_two_members_is_refused_with_both_of_them() {
    let folders = [(); 2].map(|()| tempfile::tempdir().expect("a folder"));
    let boot_id = Path::new("/proc/sys/kernel/random/boot_id");
    let first = ["--bootstrap", "--cluster-name", "two", "--name", "first"];
    let first = start(folders[0].path(), boot_id, &first);
    let _second = start(folders[1].path(), boot_id, &["--join", &first.endpoint, "--name", "n1"]);
    for action in [&["show"][..], &["accept-loss", "--preview"], &["accept-loss", "--accept-data-loss=n1"]] {
        let refused = first.run(&[&["node"], action, &["n1"]].concat()).expect_code(4).stderr;
        let both =
            ["n1 (its name is first)", "n2 (its name is n1)", "nothing was changed", "say id:n1 or id:n2"];
        assert!(both.iter().all(|words| refused.contains(words)), "{refused}");
    }
    for (word, id) in [("id:1", "n1"), ("name:n1", "n2"), ("first", "n1"), ("2", "n2")] {
        let shown = first.run(&["node", "show", word, "--output", "json"]).expect_code(0).json();
        assert_eq!(shown["id"], id, "{word}");
    }
}
