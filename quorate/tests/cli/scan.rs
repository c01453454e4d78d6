//! `scan`: against a cluster that runs, and against servers that are scripts and break off.

use crate::process::{Dev, Ended, Running, quorate};
use std::ffi::OsStr;
use std::io::{Read, Write};
use std::net::TcpListener;
use std::os::unix::ffi::OsStrExt;
use std::process::Command;

/// A server that answers one request after the other, each on a connection of its own: with the page that `answer` makes
/// of the request's head, or never.
pub fn server(answer: impl Fn(&str) -> Option<String> + Send + 'static) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").expect("loopback");
    let address = listener.local_addr().expect("bound").to_string();
    std::thread::spawn(move || {
        let mut silent = Vec::new();
        for stream in listener.incoming() {
            let mut stream = stream.expect("a connection");
            let (mut head, mut byte) = (Vec::new(), [0]);
            while !head.ends_with(b"\r\n\r\n") && stream.read_exact(&mut byte).is_ok() {
                head.push(byte[0]);
            }
            match answer(&String::from_utf8_lossy(&head)) {
                // The client may be gone already.
                Some(text) => drop(stream.write_all(text.as_bytes())),
                None => silent.push(stream),
            }
        }
    });
    address
}

pub fn answer(status: &str, body: &str) -> String {
    let length = body.len();
    format!("HTTP/1.1 {status}\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n{body}")
}

/// A page of one key, with more behind it.
pub fn page(key: &str, cursor: &str) -> String {
    let body =
        format!(r#"{{"items":[{{"key":"{key}","version":"1-1.1.1","size":1}}],"next_cursor":"{cursor}"}}"#);
    answer("200 OK", &body)
}

fn keys(ended: &Ended) -> Vec<String> {
    let key = |line: &str| {
        let item: serde_json::Value = serde_json::from_str(line).expect("an object a line");
        item["key"].as_str().or(item["key_b64"].as_str()).expect("a key").to_owned()
    };
    ended.text().lines().map(key).collect()
}

#[test]
fn keys_are_listed_in_their_order_and_counted() {
    let folder = tempfile::tempdir().expect("a folder");
    let dev = Dev::start(folder.path(), 1);
    dev.run(0, &["table", "create", "log", "--sharding", "range", "-n", "1", "--split-at", "b"])
        .expect_code(0);
    for key in [&b"a/1"[..], b"a/2", b"b/1", b"b/2", b"\xff"] {
        let mut put = quorate();
        put.args(["--endpoint", dev.endpoint(0), "put", "log"]).arg(OsStr::from_bytes(key)).arg("v");
        Ended::from(put.output().expect("runs")).expect_code(0);
    }
    let scan = |arguments: &[&str]| {
        dev.run(0, &[&["--output", "jsonl", "scan", "log"], arguments].concat()).expect_code(0)
    };
    assert_eq!(keys(&scan(&[])), ["a/1", "a/2", "b/1", "b/2", "_w"]);
    assert_eq!(keys(&scan(&["--prefix", "b/", "--reverse"])), ["b/2", "b/1"]);
    assert_eq!(keys(&scan(&["--start", "YS8y", "--end", "Yi8y", "--b64"])), ["a/2", "b/1"]);
    let first = scan(&["--limit", "2"]);
    assert_eq!(keys(&first), ["a/1", "a/2"]);
    let cursor = first.stderr.rsplit("--cursor ").next().expect("a cursor").trim();
    assert_eq!(keys(&scan(&["--cursor", cursor])), ["b/1", "b/2", "_w"]);
    assert_eq!(keys(&scan(&["--bytes", "1B", "--limit", "3"])), ["a/1", "a/2", "b/1"], "a key a page");
    assert_eq!(scan(&["--count"]).json()["count"], 5);
    assert_eq!(dev.run(0, &["scan", "log", "--count", "--prefix", "a"]).expect_code(0).text().trim(), "2");
    let all: serde_json::Value =
        serde_json::from_str(dev.run(0, &["--output", "json", "scan", "log", "--values"]).text())
            .expect("one document");
    assert_eq!((all.as_array().map(Vec::len), &all[0]["value"]), (Some(5), &"v".into()));
    let table = dev.run(0, &["scan", "log", "--values"]).expect_code(0);
    assert!(table.text().starts_with("KEY") && table.text().contains("a/1"), "{table:?}");
    // A hash table has no order of keys, but can be brought into it.
    for key in ["b", "ab", "aa"] {
        dev.run(0, &["put", "demo", key, "v"]).expect_code(0);
    }
    let ended = dev.run(0, &["--output", "jsonl", "scan", "demo", "--prefix", "a"]).expect_code(0);
    assert_eq!(keys(&ended), ["aa", "ab"]);
    assert_eq!(dev.run(0, &["scan", "no-such"]).expect_code(3).stdout, b"");
    dev.run(0, &["scan", "log", "--reverse", "--cursor", cursor]).expect_code(2);
    dev.run(0, &["scan", "log", "--count", "--bytes", "1KiB"]).expect_code(2);
}

#[test]
fn an_error_in_the_middle_ends_it_with_the_cursor() {
    let address = server(|head| {
        let body =
            r#"{"code":"unavailable","status":503,"title":"t","detail":"too few","outcome":"not_applied"}"#;
        let is_second = head.contains("cursor=c1");
        Some(if is_second { answer("503 Service Unavailable", body) } else { page("k1", "c1") })
    });
    let mut scan = quorate();
    scan.args(["--endpoint", &address, "--output", "jsonl", "scan", "t"]);
    let ended = Ended::from(scan.output().expect("runs")).expect_code(5);
    assert_eq!(keys(&ended), ["k1"], "what there was is written");
    assert!(ended.stderr.contains("--cursor c1"), "{ended:?}");
    let mut json = quorate();
    json.args(["--endpoint", &address, "--output", "json", "scan", "t"]);
    let ended = Ended::from(json.output().expect("runs")).expect_code(5);
    let written: serde_json::Value = serde_json::from_slice(&ended.stdout).expect("a whole document");
    assert_eq!(written[0]["key"], "k1");
}

#[test]
fn ctrl_c_ends_it_with_what_was_written_and_the_cursor() {
    let address = server(|head| (!head.contains("cursor=")).then(|| page("k1", "c1")));
    let mut command = quorate();
    command.args(["--endpoint", &address, "--timeout", "20s", "--output", "jsonl", "scan", "t"]);
    let mut scan = Running::start(command);
    assert!(scan.line().contains("k1"));
    let ended = scan.interrupt().expect_code(130);
    assert!(ended.stderr.contains("--cursor c1"), "{ended:?}");
}

#[test]
fn a_reader_that_goes_away_ends_it_quietly() {
    let address = server(|_| Some(page("k", "more")));
    let quorate = quorate();
    let script = format!(
        "{} --endpoint {address} --output jsonl scan t | head -n 3 >/dev/null; exit ${{PIPESTATUS[0]}}",
        quorate.get_program().display()
    );
    let ended = Ended::from(Command::new("bash").args(["-c", &script]).output().expect("runs"));
    assert_eq!((ended.code, ended.stderr.as_str()), (0, ""));
}
