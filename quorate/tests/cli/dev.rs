//! The first minute: what `quorate dev` prints is true, and what it keeps is there the next time.

use crate::process::{Dev, PATIENCE, Running, free_ports, quorate};
use std::net::TcpListener;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

fn dev_on(folder: &Path, port: u16) -> Command {
    let mut command = quorate();
    command.args(["dev", "--port", &port.to_string(), "--data"]).arg(folder);
    command
}

#[test]
fn every_command_it_suggests_works() {
    let (folder, ports) = (tempfile::tempdir().expect("a folder"), free_ports());
    let mut process = Running::start(dev_on(folder.path(), ports.port(0)));
    let mut suggested = Vec::new();
    loop {
        let line = process.line();
        if line.contains("Ctrl-C") {
            break;
        }
        let line = line.trim().to_owned();
        if line.starts_with("curl") || line.contains("quorate --endpoint") {
            suggested.push(line);
        }
    }
    assert_eq!(suggested.len(), 7, "{suggested:#?}");
    for command in &suggested {
        let output = Command::new("sh").args(["-c", command]).output().expect("a shell");
        let (stdout, stderr) =
            (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        assert!(output.status.success(), "{command}: {stderr}");
        if command.starts_with("curl -i") {
            assert!(stdout.contains("linearizable; r=2; n=3") && stdout.ends_with("hello"), "{stdout}");
        }
    }
    let ended = process.terminate().expect_code(0);
    assert!(ended.stderr.contains("the data is kept in"), "{ended:?}");
}

#[test]
fn data_is_there_the_next_time() {
    let folder = tempfile::tempdir().expect("a folder");
    let ports = free_ports();
    let dev = Dev::with(folder.path(), 3, ports.port(0));
    dev.run(0, &["put", "demo", "k", "kept"]).expect_code(0);
    dev.process.terminate().expect_code(0);
    let dev = Dev::with(folder.path(), 3, ports.port(0));
    assert_eq!(dev.run(2, &["get", "demo", "k"]).expect_code(0).stdout, b"kept");
}

#[test]
fn data_is_there_on_other_ports_too() {
    let folder = tempfile::tempdir().expect("a folder");
    let dev = Dev::start(folder.path(), 3);
    dev.run(0, &["put", "demo", "k", "kept"]).expect_code(0);
    dev.process.terminate().expect_code(0);
    let others = free_ports();
    for port in [others.port(0), 0] {
        let dev = Dev::with(folder.path(), 3, port);
        assert_eq!(dev.run(2, &["get", "demo", "k"]).expect_code(0).stdout, b"kept");
        dev.process.terminate().expect_code(0);
    }
}

#[test]
fn fewer_nodes_than_a_folder_has_are_refused_at_once_and_without_a_number_all_of_them_run() {
    let folder = tempfile::tempdir().expect("a folder");
    let dev = Dev::start(folder.path(), 4);
    dev.process.terminate().expect_code(0);
    let begun = Instant::now();
    let fewer = dev_on(folder.path(), 7400).args(["--nodes", "1"]).output().expect("runs");
    let fewer = crate::process::Ended::from(fewer).expect_code(2);
    assert!(begun.elapsed() < Duration::from_secs(1), "{:?}", begun.elapsed());
    assert!(fewer.stderr.contains("n1, n2, n3, n4") && fewer.stderr.contains("--nodes 4"), "{fewer:?}");
    assert!(fewer.stderr.contains("7400, 7410, 7420, 7430"), "{fewer:?}");

    let mut command = quorate();
    let ports = free_ports();
    command
        .args(["--output", "jsonl", "dev", "--port", &ports.port(0).to_string(), "--data"])
        .arg(folder.path());
    let ready: serde_json::Value = serde_json::from_str(&Running::start(command).line()).expect("JSON");
    assert_eq!(ready["nodes"].as_array().map(Vec::len), Some(4));
}

#[test]
fn a_change_without_a_majority_says_what_it_waits_for_and_claims_nothing_else() {
    let folder = tempfile::tempdir().expect("a folder");
    let dev = Dev::start(folder.path(), 3);
    // A member is a voter a little after it is ready.
    let deadline = Instant::now() + PATIENCE;
    loop {
        let nodes = dev.run(0, &["cluster", "nodes", "--output", "json"]).expect_code(0).json();
        if nodes.as_array().expect("a list").iter().all(|node| node["voter"] == true) {
            break;
        }
        assert!(Instant::now() < deadline, "they never all vote: {nodes}");
    }
    for node in ["n2", "n3"] {
        dev.disturb("kill", node).expect_code(0);
    }
    let endpoint = dev.endpoint(0).to_owned();
    let begun = Instant::now();
    let mut command = quorate();
    command.args(["--endpoint", &endpoint, "--timeout", "6s", "table", "create", "late"]);
    let mut waiting = Running::start(command);
    let first = waiting.until_said("making table late takes a while");
    // Within a second, on a machine that has something else to do too.
    assert!(begun.elapsed() < Duration::from_secs(3), "{:?}", begun.elapsed());
    assert!(first.contains("down"), "{first}");
    let last = waiting.until_said("nothing was changed");
    assert!(last.contains("1 of 3 voters") && last.contains("fewer than 2 owners up"), "{last}");
    assert!(!last.contains("not affected"), "{last}");
}

#[test]
fn an_ephemeral_cluster_leaves_nothing() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut command = quorate();
    command.args(["--output", "jsonl", "dev", "--nodes", "1", "--ephemeral", "--port", "0"]);
    command.env("TMPDIR", folder.path());
    let mut process = Running::start(command);
    let ready: serde_json::Value = serde_json::from_str(&process.line()).expect("one JSON object");
    let data = ready["data"].as_str().expect("a folder").to_owned();
    assert!(Path::new(&data).starts_with(folder.path()) && Path::new(&data).is_dir(), "{data}");
    process.terminate().expect_code(0);
    assert!(!Path::new(&data).exists(), "{data} is left");
}

#[test]
fn a_port_in_use_is_said_with_a_way_out() {
    let folder = tempfile::tempdir().expect("a folder");
    let ports = free_ports();
    let _taken = TcpListener::bind(ports.address(0)).expect("it is free");
    let ended = dev_on(folder.path(), ports.port(0)).output().expect("runs");
    let ended = crate::process::Ended::from(ended).expect_code(1);
    assert!(ended.stderr.contains("in use") && ended.stderr.contains("--port"), "{ended:?}");
}

#[test]
fn the_control_port_is_not_for_web_pages() {
    let folder = tempfile::tempdir().expect("a folder");
    let dev = Dev::start(folder.path(), 1);
    let control = dev.ready["control"].as_str().expect("an address");
    let post = |header: &str| {
        let url = format!("http://{control}/v1/dev/nodes/n1/kill");
        let arguments = ["-s", "-o", "/dev/null", "-w", "%{http_code}", "-X", "POST", "-H", header, &url];
        let output = Command::new("curl").args(arguments).output().expect("curl runs");
        String::from_utf8(output.stdout).expect("a status")
    };
    assert_eq!(post("Origin: http://evil.example"), "421");
    assert_eq!(post("Host: evil.example"), "421");
    let begun = Instant::now();
    assert_eq!(dev.run(0, &["get", "demo", "k"]).code, 3);
    assert!(begun.elapsed() < PATIENCE);
}

#[test]
fn a_second_one_on_the_same_folder_leaves_the_first_ones_log_alone() {
    let folder = tempfile::tempdir().expect("a folder");
    let (ports, others) = (free_ports(), free_ports());
    let mut first = Running::start(dev_on(folder.path(), ports.port(0)));
    while !first.line().contains("Ctrl-C") {}
    let log = || std::fs::metadata(folder.path().join("dev.log")).expect("a log").len();
    let before = log();
    assert!(before > 0);
    let second = dev_on(folder.path(), others.port(0)).output().expect("runs");
    let second = crate::process::Ended::from(second).expect_code(1);
    assert!(second.stderr.contains("another `quorate dev` runs"), "{second:?}");
    assert!(log() >= before, "the log was emptied");
    first.terminate().expect_code(0);
}

/// The list of the files of a node's store has another byte.
fn damage(data: &Path) {
    let entries =
        std::fs::read_dir(data.join("db")).expect("readable").map(|entry| entry.expect("read").path());
    let is_list = |path: &std::path::PathBuf| {
        path.file_name().is_some_and(|name| name.to_string_lossy().starts_with("MANIFEST"))
    };
    let mut damaged = 0;
    for path in entries.filter(is_list) {
        let mut bytes = std::fs::read(&path).expect("readable");
        bytes[20] ^= 0x10;
        std::fs::write(&path, bytes).expect("written");
        damaged += 1;
    }
    assert!(damaged > 0, "a store has such a file");
}

#[test]
fn a_node_with_damaged_files_sets_them_aside_and_fills_itself() {
    let folder = tempfile::tempdir().expect("a folder");
    let dev = Dev::start(folder.path(), 3);
    dev.run(0, &["put", "demo", "k", "kept", "-c", "all"]).expect_code(0);
    dev.disturb("kill", "n3").expect_code(0);
    let data = folder.path().join("n3");
    damage(&data);
    dev.disturb("start", "n3").expect_code(0);
    dev.until(0, &["status", "--check"], 0);
    let shown = dev.run(0, &["node", "show", "n3", "--output", "json"]).expect_code(0).json();
    assert_eq!((&shown["id"], &shown["incarnation"]), (&"n3".into(), &2.into()), "{shown}");
    let explained = dev.run(2, &["explain", "demo", "k", "--output", "json"]).expect_code(0).json();
    let replicas = explained["replicas"].as_array().expect("of each owner");
    assert!(replicas.iter().all(|replica| replica["size"] == 4), "{explained}");
    let names = std::fs::read_dir(&data).expect("readable").map(|entry| entry.expect("read").file_name());
    assert_eq!(names.filter(|name| name.to_string_lossy().starts_with("damaged-")).count(), 1);
}
