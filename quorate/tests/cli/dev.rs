//! The first minute: what `quorate dev` prints is true, and what it keeps is there the next time.

use crate::process::{Dev, PATIENCE, Running, quorate};
use std::net::{Ipv4Addr, TcpListener};
use std::path::Path;
use std::process::Command;
use std::time::Instant;

/// A port that was free a moment ago, with those that three nodes and their control port need beside it.
fn free_port() -> u16 {
    loop {
        let first = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("loopback");
        let port = first.local_addr().expect("bound").port();
        let others = [1, 9, 10, 11, 20, 21].map(|step| {
            port.checked_add(step).and_then(|port| TcpListener::bind((Ipv4Addr::LOCALHOST, port)).ok())
        });
        if others.iter().all(Option::is_some) && port < 65_000 {
            return port;
        }
    }
}

fn dev_on(folder: &Path, port: u16) -> Command {
    let mut command = quorate();
    command.args(["dev", "--port", &port.to_string(), "--data"]).arg(folder);
    command
}

#[test]
fn every_command_it_suggests_works() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut process = Running::start(dev_on(folder.path(), free_port()));
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
    assert_eq!(suggested.len(), 6, "{suggested:#?}");
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
    let port = free_port();
    let dev = Dev::with(folder.path(), 3, port);
    dev.run(0, &["put", "demo", "k", "kept"]).expect_code(0);
    dev.process.terminate().expect_code(0);
    let dev = Dev::with(folder.path(), 3, port);
    assert_eq!(dev.run(2, &["get", "demo", "k"]).expect_code(0).stdout, b"kept");
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
    let taken = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("loopback");
    let port = taken.local_addr().expect("bound").port().min(65_000);
    let ended =
        crate::process::Ended::from(dev_on(folder.path(), port).output().expect("runs")).expect_code(1);
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
    let mut first = Running::start(dev_on(folder.path(), free_port()));
    while !first.line().contains("Ctrl-C") {}
    let log = || std::fs::metadata(folder.path().join("dev.log")).expect("a log").len();
    let before = log();
    assert!(before > 0);
    let second = crate::process::Ended::from(dev_on(folder.path(), free_port()).output().expect("runs"));
    let second = second.expect_code(1);
    assert!(second.stderr.contains("another `quorate dev` runs"), "{second:?}");
    assert!(log() >= before, "the log was emptied");
    first.terminate().expect_code(0);
}
