//! Commands against a cluster that runs.

use crate::process::{Dev, Ended, Running, quorate, run};
use std::ffi::OsStr;
use std::io::Write;
use std::os::unix::ffi::OsStrExt;
use std::process::{Command, Stdio};

#[test]
fn keys_of_any_bytes_and_values_of_any_origin() {
    let folder = tempfile::tempdir().expect("a folder");
    let dev = Dev::start(folder.path(), 1);
    let bytes: Vec<u8> = (0..=255).collect();
    let file = folder.path().join("value");
    std::fs::write(&file, &bytes).expect("written");
    for key in [&b"k"[..], b"a/b", b"..", b"a/../b", b".", b"%2e", b"\xff\r\n", b"-dash", "grüße".as_bytes()]
    {
        let with_key = |arguments: &[&str], value: Option<&str>| -> Ended {
            let mut command = quorate();
            command.args(["--endpoint", dev.endpoint(0)]).args(arguments).arg("--").arg("demo");
            command.arg(OsStr::from_bytes(key)).args(value).output().expect("runs").into()
        };
        with_key(&["put"], Some(&format!("@{}", file.display()))).expect_code(0);
        assert_eq!(with_key(&["get"], None).expect_code(0).stdout, bytes);
        with_key(&["delete"], None).expect_code(0);
        with_key(&["get"], None).expect_code(3);
    }

    let mut piped = quorate()
        .args(["--endpoint", dev.endpoint(0), "put", "demo", "piped", "-"])
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .spawn()
        .expect("runs");
    piped.stdin.take().expect("piped").write_all(b"from a pipe").expect("read by it");
    assert!(piped.wait().expect("ends").success());
    assert_eq!(dev.run(0, &["get", "demo", "piped"]).expect_code(0).stdout, b"from a pipe");
    dev.run(0, &["put", "demo", "at", "@@home"]).expect_code(0);
    assert_eq!(dev.run(0, &["get", "demo", "at"]).expect_code(0).stdout, b"@home");
    dev.run(0, &["put", "demo", "at", "@/no/such/file"]).expect_code(2);
    dev.run(0, &["put", "demo", "_w", "b64", "--b64"]).expect_code(0);
    assert_eq!(
        dev.run(0, &["get", "demo", "_w", "--b64", "--output", "json"]).expect_code(0).json()["key_b64"],
        "_w"
    );
}

/// Empty is not absent: an empty value is stored, wherever it comes from, and given back.
#[test]
fn an_empty_value_is_a_value() {
    let folder = tempfile::tempdir().expect("a folder");
    let dev = Dev::start(folder.path(), 1);
    let file = folder.path().join("empty");
    std::fs::write(&file, "").expect("written");
    let from_file = format!("@{}", file.display());
    // `-` reads /dev/null, which is what `quorate` has for its standard input here.
    for (key, value) in [("said", ""), ("piped", "-"), ("filed", &*from_file)] {
        dev.run(0, &["put", "demo", key, "something"]).expect_code(0);
        dev.run(0, &["put", "demo", key, value]).expect_code(0);
        assert_eq!(dev.run(0, &["get", "demo", key]).expect_code(0).stdout, b"", "{key}");
        let shown = dev.run(0, &["get", "demo", key, "--output", "json"]).expect_code(0).json();
        assert_eq!(shown["value"], "", "{key}: {shown}");
        let again = ["put", "demo", key, value, "--idempotency-key", "me:1"];
        dev.run(0, &again).expect_code(0);
        let again =
            dev.run(0, &[&again[..], &["--retry", "--output", "json"]].concat()).expect_code(0).json();
        assert_eq!(again["replayed"], true, "{key}: {again}");
        dev.run(0, &["delete", "demo", key]).expect_code(0);
        dev.run(0, &["get", "demo", key]).expect_code(3);
    }
}

#[test]
fn answers_say_what_they_promise() {
    let folder = tempfile::tempdir().expect("a folder");
    let dev = Dev::start(folder.path(), 3);
    let said = dev.run(0, &["put", "demo", "words", "v"]).expect_code(0);
    assert!(said.stdout.is_empty() && said.stderr.starts_with("stored demo/words: "), "{said:?}");
    assert!(dev.run(0, &["put", "demo", "words", "v", "--quiet"]).expect_code(0).stderr.is_empty());
    let put = dev.run(0, &["put", "demo", "k", "v", "--output", "json", "--idempotency-key", "me:1"]);
    let written = put.expect_code(0).json();
    assert_eq!((&written["consistency"], &written["required"]), (&"linearizable".into(), &2.into()));
    let again = ["put", "demo", "k", "v", "--output", "json", "--idempotency-key", "me:1", "--retry"];
    let replayed = dev.run(1, &again).expect_code(0).json();
    assert_eq!((&replayed["replayed"], &replayed["version"]), (&true.into(), &written["version"]));
    let got = dev.run(2, &["get", "demo", "k", "--trace"]).expect_code(0);
    assert_eq!(got.stdout, b"v");
    assert!(got.stderr.contains("linearizable; r=2") && got.stderr.contains("n3"), "{got:?}");
    let got = dev.run(2, &["get", "demo", "k", "-c", "one", "--output", "json"]).expect_code(0).json();
    assert!(got["consistency"].as_str().expect("text").contains("r=1"), "{got}");
    let all = dev.run(0, &["mget", "demo", "k", "nope", "--output", "jsonl"]).expect_code(0);
    let statuses: Vec<serde_json::Value> = all
        .text()
        .lines()
        .map(|line| {
            serde_json::from_str::<serde_json::Value>(line).expect("a line of JSON")["status"].clone()
        })
        .collect();
    assert_eq!(statuses, [200, 404]);
    let first: serde_json::Value =
        serde_json::from_str(all.text().lines().next().expect("a line")).expect("a line of JSON");
    for field in
        ["table", "key", "value", "content_type", "version", "etag", "acks", "required", "consistency"]
    {
        assert!(!first[field].is_null(), "{field} is missing in {first}");
    }
    let absent = dev.run(0, &["get", "demo", "nope"]).expect_code(3);
    assert!(
        absent.stderr.contains("no owner asked holds") && !absent.stderr.contains("Quorate-"),
        "{absent:?}"
    );
    dev.run(0, &["get", "demo", "k", "-c", "2", "--r", "quorum"]).expect_code(0);
    let unequal = dev.run(0, &["get", "demo", "k", "-c", "1", "--r", "2"]).expect_code(2);
    assert!(unequal.stderr.contains("say once what you mean"), "{unequal:?}");
    let explained = dev.run(0, &["explain", "demo", "k", "--output", "json"]).expect_code(0).json();
    assert_eq!(explained["replicas"].as_array().expect("a list").len(), 3);
    assert!(dev.run(0, &["locate", "demo", "k"]).expect_code(0).text().contains("demo/"));
}

#[test]
fn tables_are_made_changed_and_dropped_by_name() {
    let folder = tempfile::tempdir().expect("a folder");
    let dev = Dev::start(folder.path(), 1);
    dev.run(0, &["table", "create", "t", "-n", "1", "--ttl", "10m"]).expect_code(0);
    let conflict = dev.run(0, &["table", "create", "t", "-n", "1"]).expect_code(4);
    assert!(conflict.stderr.contains("next: "), "{conflict:?}");
    dev.run(0, &["table", "alter", "t", "--ttl", "none", "--durability", "os"]).expect_code(0);
    let described = dev.run(0, &["table", "describe", "t", "--output", "json"]).expect_code(0).json();
    assert_eq!((&described["ttl"], &described["durability"]), (&serde_json::Value::Null, &"os".into()));
    dev.run(0, &["put", "t", "k", "v"]).expect_code(0);
    let held = dev.run(0, &["table", "stats", "t", "--output", "json"]).expect_code(0).json();
    assert_eq!((&held["keys"], &held["exact"]), (&1.into(), &true.into()), "{held}");
    let shown = dev.run(0, &["table", "stats", "t"]).expect_code(0);
    let shown = shown.text();
    assert!(shown.contains("COUNTED BY") && shown.contains("t/0"), "{shown}");
    dev.run(0, &["table", "drop", "nope", "--accept-data-loss=nope"]).expect_code(3);
    for arguments in [
        &["table", "drop", "t"][..],
        &["table", "drop", "t", "--yes"],
        &["table", "drop", "t", "--accept-data-loss=demo"],
    ] {
        let declined = dev.run(0, arguments).expect_code(9);
        assert!(declined.stderr.contains("nothing was dropped"), "{declined:?}");
    }
    dev.run(0, &["table", "drop", "t", "--accept-data-loss=t"]).expect_code(0);
    dev.run(0, &["get", "t", "k"]).expect_code(3);
    let names = dev.run(0, &["table", "list", "--output", "json"]).expect_code(0).json();
    assert_eq!(names.as_array().map(Vec::len), Some(1));
}

#[test]
fn exit_codes_tell_what_a_lost_node_means() {
    let folder = tempfile::tempdir().expect("a folder");
    let dev = Dev::start(folder.path(), 3);
    dev.run(0, &["put", "demo", "k", "v"]).expect_code(0);
    dev.run(0, &["status", "--check"]).expect_code(0);
    dev.disturb("kill", "n3").expect_code(0);
    dev.disturb("kill", "n3").expect_code(4);
    dev.disturb("kill", "n7").expect_code(3);

    // Two of three are a quorum; what is wrong is said, with the error, in JSON too.
    let first_line = |code, line: &str| {
        let status = dev.until_says(0, &["status", "--check"], line).expect_code(code);
        assert!(status.stderr.is_empty(), "the screen has said it: {status:?}");
        assert!(status.text().lines().all(|line| line.chars().count() <= 100), "{}", status.text());
    };
    first_line(
        8,
        "!!  n3 is down: reads and writes go on, every shard has a quorum; start n3 again: `quorate dev start n3`",
    );
    let nodes = dev.run(0, &["cluster", "nodes"]).expect_code(0);
    assert!(nodes.text().contains("n3: ") && !nodes.text().contains("INCARNATION"), "{nodes:?}");
    assert!(dev.run(0, &["cluster", "nodes", "--wide"]).expect_code(0).text().contains("INCARNATION"));
    let unhealthy = dev.run(0, &["status", "--check", "--output", "json"]).expect_code(8).json();
    assert_eq!(unhealthy["healthy"], false);
    assert_eq!(unhealthy["problems"][0]["severity"], "degraded");
    assert_eq!(unhealthy["nodes"][2]["error"], "connection refused");
    dev.run(0, &["put", "demo", "k", "w"]).expect_code(0);
    assert_eq!(dev.run(1, &["get", "demo", "k"]).expect_code(0).stdout, b"w");

    // A retry that reaches no node does not know what became of the write.
    let id = ["put", "demo", "k", "w", "--idempotency-key", "me:1"];
    run(&[&["--endpoint", dev.endpoint(2)], &id[..]].concat()).expect_code(5);
    let retry = run(&[&["--endpoint", dev.endpoint(2)], &id[..], &["--retry"]].concat()).expect_code(6);
    assert!(retry.stderr.contains("an earlier attempt may have been applied"), "{retry:?}");

    // The first endpoint is dead: the next one is asked, for writes too, since nothing was sent.
    let (dead, alive) = (dev.endpoint(2), dev.endpoint(0));
    run(&["--endpoint", dead, "--endpoint", alive, "put", "demo", "k", "x"]).expect_code(0);
    let gone = run(&["--endpoint", dead, "get", "demo", "k"]).expect_code(5);
    assert!(gone.stderr.contains(&format!("{dead}  connection refused")), "{gone:?}");
    assert!(gone.stderr.contains("quorate dev"), "{gone:?}");

    // One of three is none.
    dev.disturb("kill", "n2").expect_code(0);
    let refused = dev.until(0, &["--output", "json", "put", "demo", "k", "y"], 5);
    let error: serde_json::Value = serde_json::from_str(&refused.stderr).expect("one JSON object");
    assert_eq!((&error["outcome"], &error["exit"]), (&"not_applied".into(), &5.into()));
    first_line(
        8,
        "!!  n2 and n3 are down: all 64 shards refuse reads and writes; start n2 and n3 again: `quorate dev",
    );
    dev.until(0, &["get", "demo", "k"], 5);
    assert_eq!(dev.run(0, &["get", "demo", "k", "-c", "one"]).expect_code(0).stdout, b"x");

    dev.disturb("start", "n2").expect_code(0);
    dev.disturb("start", "n3").expect_code(0);
    dev.until(0, &["status", "--check"], 0);
    assert_eq!(dev.run(2, &["get", "demo", "k"]).expect_code(0).stdout, b"x");
    assert_eq!(dev.process.terminate().code, 0);
}

#[test]
fn a_node_that_is_cut_off_refuses_and_heals() {
    let folder = tempfile::tempdir().expect("a folder");
    let dev = Dev::start(folder.path(), 3);
    dev.disturb("cut", "n2").expect_code(0);
    dev.disturb("cut", "n2").expect_code(4);
    let refused = dev.until(1, &["put", "demo", "k", "v"], 5);
    assert!(refused.stderr.contains("nothing was stored"), "{refused:?}");
    dev.until(0, &["put", "demo", "k", "v"], 0);
    // Both sides say which of them is cut off.
    dev.until_says(
        0,
        &["status"],
        "!! n2 runs, but n1 does not hear it: reads and writes go on through the others",
    );
    dev.until_says(1, &["status"], "!! n2, which was asked, is cut off from its peers and refuses requests");
    dev.disturb("heal", "n2").expect_code(0);
    dev.until(1, &["status", "--check"], 0);
    assert_eq!(dev.run(1, &["get", "demo", "k"]).expect_code(0).stdout, b"v");
}

#[test]
fn the_ring_can_be_drawn() {
    let folder = tempfile::tempdir().expect("a folder");
    let dev = Dev::start(folder.path(), 2);
    let file = folder.path().join("ring.svg");
    dev.run(0, &["cluster", "ring", "--svg", file.to_str().expect("text")]).expect_code(0);
    let picture = std::fs::read_to_string(&file).expect("drawn");
    // 64 shards with two owners each.
    assert_eq!(picture.matches("<path").count(), 128);
}

/// A prompt after a value without a line end is hard to read; a pipe gets the bytes alone.
#[test]
fn a_value_ends_its_line_on_a_terminal_alone() {
    let folder = tempfile::tempdir().expect("a folder");
    let dev = Dev::start(folder.path(), 1);
    dev.run(0, &["put", "demo", "k", "v"]).expect_code(0);
    dev.run(0, &["put", "demo", "line", "v\n"]).expect_code(0);
    let on_a_terminal = |key: &str| {
        let quorate = quorate();
        let get =
            format!("{} --endpoint {} get demo {key}", quorate.get_program().display(), dev.endpoint(0));
        Ended::from(Command::new("script").args(["-qec", &get, "/dev/null"]).output().expect("runs")).stdout
    };
    assert_eq!((on_a_terminal("k"), on_a_terminal("line")), (b"v\r\n".to_vec(), b"v\r\n".to_vec()));
    assert_eq!(dev.run(0, &["get", "demo", "k"]).expect_code(0).stdout, b"v");
}

#[test]
fn watching_ends_with_ctrl_c_and_no_error() {
    let folder = tempfile::tempdir().expect("a folder");
    let dev = Dev::start(folder.path(), 1);
    let mut command = quorate();
    command.args(["--endpoint", dev.endpoint(0), "--output", "jsonl", "status", "--watch"]);
    let mut watching = Running::start(command);
    for _ in 0..2 {
        let screen: serde_json::Value = serde_json::from_str(&watching.line()).expect("an object a line");
        assert_eq!(screen["healthy"], true, "{screen}");
    }
    watching.interrupt().expect_code(0);
}

#[test]
fn each_endpoint_that_was_tried_is_named_with_its_cause() {
    let tried = ["--endpoint", "127.0.0.1:1", "--endpoint", "127.0.0.1:2"];
    let text = run(&[&tried[..], &["status"]].concat()).expect_code(5).stderr;
    assert!(text.contains("127.0.0.1:1  connection refused\n  127.0.0.1:2  connection refused"), "{text}");
    let json = run(&[&tried[..], &["--output", "json", "status"]].concat()).expect_code(5).stderr;
    let error: serde_json::Value = serde_json::from_str(&json).expect("one JSON object");
    assert_eq!(error["endpoints"][1]["endpoint"], "127.0.0.1:2");
}
