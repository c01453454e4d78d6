//! `export` and `import`: what went in comes out, also where one of them was ended in the middle.

use crate::process::{Dev, Ended, Running, quorate};
use crate::scan::{answer, page, server};
use std::collections::BTreeMap;
use std::path::Path;

/// What a table holds, but for versions: each line by its key.
fn held(dev: &Dev, table: &str) -> BTreeMap<String, serde_json::Value> {
    let exported = dev.run(0, &["export", table]).expect_code(0);
    let line = |line: &str| -> serde_json::Value { serde_json::from_str(line).expect("an object a line") };
    let named = |line: serde_json::Value| {
        (line["key"].as_str().or(line["key_b64"].as_str()).expect("a key").to_owned(), line)
    };
    exported.text().lines().map(line).map(named).collect()
}

#[test]
fn what_is_exported_is_imported_byte_for_byte() {
    let folder = tempfile::tempdir().expect("a folder");
    let dev = Dev::start(&folder.path().join("dev"), 3);
    for table in [&["hash"][..], &["range", "--sharding", "range", "--split-at", "k3", "--split-at", "k6"]] {
        dev.run(0, &[&["table", "create"], table].concat()).expect_code(0);
    }
    // What names no end gets one here.
    dev.run(0, &["table", "create", "copy", "--ttl", "1h"]).expect_code(0);
    let text = r#"{"key":"text","value":"w\u0000ide ⅔","content_type":"text/html"}
{"key":"empty","value":""}

{"key_b64":"_w","value_b64":"AP_-","content_type":"image/png"}
{"key":"again","value":"first"}
{"key":"again","value":"second"}
{"key":"a/../b","value":"1","expires_at":"2099-12-31T23:59:59.123Z"}
{"key":"over","value":"1","expires_at":"2001-01-01T00:00:00.000Z"}
"#;
    let many: String = (0..3_000).map(|at| format!("{{\"key\":\"k{at}\",\"value\":\"{at}\"}}\n")).collect();
    let input = folder.path().join("input.jsonl");
    std::fs::write(&input, format!("{text}{many}")).expect("written");
    for table in ["hash", "range"] {
        let path = input.to_str().expect("text");
        let ended = dev.run(1, &["--output", "json", "import", table, path, "-c", "all"]).expect_code(0);
        assert_eq!(ended.json()["stored"], 3_007);
        let before = held(&dev, table);
        assert_eq!(before.len(), 3_005, "one key twice, and one that is over");
        assert_eq!(before["again"]["value"], "second");
        assert_eq!(before["_w"]["value_b64"], "AP_-");
        assert_eq!(before["text"]["content_type"], "text/html");
        assert_eq!(before["a/../b"]["expires_at"], "2099-12-31T23:59:59.123Z");
        // In parts, and a line for each; then into another table.
        let to = folder.path().join(table);
        let path = to.to_str().expect("text");
        let said = dev.run(2, &["export", table, "--to", path, "--parallel", "3"]).expect_code(0);
        assert!(said.text().starts_with("3,005 keys exported, "), "{said:?}");
        assert_eq!(std::fs::read_to_string(&to).expect("written").lines().count(), 3_005);
        assert!(!folder.path().join(format!("{table}.progress")).exists());
        dev.run(2, &["export", table, "--to", path]).expect_code(4);
        dev.run(0, &["import", "copy", path]).expect_code(0);
        assert_eq!(held(&dev, "copy"), before);
    }
    // A part of a range table's keys; and what a scan has listed.
    let some = dev.run(0, &["export", "range", "--start", "k10", "--end", "k11"]).expect_code(0);
    assert_eq!(some.text().lines().count(), 111);
    let listed = dev.run(0, &["--output", "jsonl", "scan", "range", "--values", "--prefix", "k77"]);
    std::fs::write(&input, &listed.expect_code(0).stdout).expect("written");
    // Below the table's w, where no line has an operation id.
    let ended = dev.run(0, &["import", "copy", input.to_str().expect("text"), "-c", "one"]).expect_code(0);
    assert!(ended.text().starts_with("11 keys stored, "), "{ended:?}");
}

#[test]
fn an_import_that_meets_a_bad_line_says_which_and_where_to_go_on() {
    let folder = tempfile::tempdir().expect("a folder");
    let dev = Dev::start(&folder.path().join("dev"), 1);
    dev.run(0, &["table", "create", "t", "-n", "1"]).expect_code(0);
    let input = folder.path().join("input.jsonl");
    let line = |at: u32| format!("{{\"key\":\"k{at}\",\"value\":\"v\"}}\n");
    let lines = |range: std::ops::Range<u32>| range.map(line).collect::<String>();
    std::fs::write(&input, format!("{}no line\n{}", lines(0..700), lines(700..900))).expect("written");
    let path = input.to_str().expect("text");
    let ended = dev.run(0, &["import", "t", path]).expect_code(2);
    assert!(ended.stderr.contains("line 701 is not stored"), "{ended:?}");
    assert!(
        ended.stderr.contains("the first 500 lines are stored")
            && ended.stderr.contains("--skip 500 --run i")
    );
    dev.run(0, &["import", "t", path, "--skip", "701"]).expect_code(0);
    let long = format!("{{\"key\":\"{}\",\"value\":\"v\"}}\n", "x".repeat(3_000));
    std::fs::write(&input, format!("{}{long}", line(0))).expect("written");
    let ended = dev.run(0, &["import", "t", path]).expect_code(2);
    assert!(ended.stderr.contains("2048"), "{ended:?}");
    dev.run(0, &["import", "no-such", path]).expect_code(3);
    dev.run(0, &["import", "t", "no-such-file"]).expect_code(2);
}

#[test]
fn a_run_that_goes_on_stores_no_line_twice() {
    let folder = tempfile::tempdir().expect("a folder");
    let dev = Dev::start(&folder.path().join("dev"), 1);
    dev.run(0, &["table", "create", "t", "-n", "1"]).expect_code(0);
    let input = folder.path().join("input.jsonl");
    let line = |value: &str| format!("{{\"key\":\"k\",\"value\":\"{value}\"}}\n");
    std::fs::write(&input, format!("{}{}", line("first"), line("second"))).expect("written");
    let import = |more: &[&str]| {
        dev.run(0, &[&["import", "t", input.to_str().expect("text")], more].concat()).expect_code(0)
    };
    let value = || dev.run(0, &["get", "t", "k"]).expect_code(0).stdout;
    import(&["--run", "one"]);
    assert_eq!(value(), b"second");
    dev.run(0, &["put", "t", "k", "another's"]).expect_code(0);
    import(&["--run", "one"]);
    assert_eq!(value(), b"another's", "its lines are stored already");
    import(&["--skip", "1", "--run", "one"]);
    assert_eq!(value(), b"another's");
    import(&[]);
    assert_eq!(value(), b"second", "another run stores what it is given");
    std::fs::write(&input, format!("{}{}", line("first"), line("of another file"))).expect("written");
    import(&["--run", "two"]);
    std::fs::write(&input, format!("{}{}", line("first"), line("second"))).expect("written");
    let ended = dev.run(0, &["import", "t", input.to_str().expect("text"), "--run", "two"]).expect_code(2);
    assert!(ended.stderr.contains("line 2 is not stored"), "that run had another file: {ended:?}");
}

/// A server of a hash table of two pages, of which the second comes only where `is_whole`.
fn two_pages(is_whole: bool) -> String {
    server(move |head| {
        if head.starts_with("GET /v1/tables/t ") {
            return Some(answer("200 OK", r#"{"name":"t","sharding":"hash"}"#));
        }
        if !head.contains("/keys?") {
            return Some(answer("404 Not Found", "{}"));
        }
        let last = r#"{"items":[{"key":"k2","version":"1-1.1.1","size":1,"value":"v"}],"next_cursor":null}"#;
        if !head.contains("cursor=c1") {
            return Some(page("k1", "c1"));
        }
        is_whole.then(|| answer("200 OK", last))
    })
}

fn export(address: &str, to: &Path, more: &[&str]) -> std::process::Command {
    let mut command = quorate();
    command.args(["--endpoint", address, "--timeout", "20s", "export", "t", "--parallel", "1", "--to"]);
    command.arg(to).args(more);
    command
}

#[test]
fn an_export_that_was_ended_goes_on_where_it_was() {
    let folder = tempfile::tempdir().expect("a folder");
    let to = folder.path().join("t.jsonl");
    let export_of = |address: &str, more: &[&str]| export(address, &to, more);
    let unfinished = Running::start(export_of(&two_pages(false), &[]));
    let written = || std::fs::read_to_string(&to).unwrap_or_default();
    let deadline = std::time::Instant::now() + crate::process::PATIENCE;
    while !written().contains("k1") {
        assert!(std::time::Instant::now() < deadline, "the first page is never written");
        std::thread::sleep(std::time::Duration::from_millis(10));
    }
    let ended = unfinished.interrupt().expect_code(130);
    assert!(ended.stderr.contains("--resume"), "{ended:?}");
    // A line that was begun when the machine lost power.
    std::fs::write(&to, format!("{}{{\"key\":\"k", written())).expect("written");
    let server = two_pages(true);
    let other = Ended::from(export_of(&server, &["--resume", "--prefix", "k"]).output().expect("runs"));
    assert!(other.expect_code(2).stderr.contains("other bounds"));
    Ended::from(export_of(&server, &["--resume"]).output().expect("runs")).expect_code(0);
    let keys: Vec<String> = written().lines().map(|line| line[..11].to_owned()).collect();
    assert_eq!(keys, [r#"{"key":"k1""#, r#"{"key":"k2""#]);
    Ended::from(export_of(&server, &["--resume"]).output().expect("runs")).expect_code(3);
}
