//! `backup`: what was kept under load comes back, into a cluster of another size too; what is damaged is refused by name; what
//! was killed goes on.

use crate::load::{self, Load, TABLE, Written};
use crate::nodes::Nodes;
use crate::process::{Dev, Ended, PATIENCE, Running, quorate};
use quorate_client::document::TableSpec;
use serde_json::Value as Json;
use std::path::{Path, PathBuf};
use std::time::Instant;

fn text(path: &Path) -> &str {
    path.to_str().expect("text")
}

/// Lines for an import: so many keys, with values of so many bytes.
fn lines(keys: usize, bytes: usize) -> String {
    let value = "v".repeat(bytes);
    (0..keys).map(|at| format!("{{\"key\":\"k{at:06}\",\"value\":\"{at} {value}\"}}\n")).collect()
}

/// The files of a folder of a repository.
fn files(repository: &Path, folder: &str) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(repository.join(folder)).into_iter().flatten();
    let mut files: Vec<PathBuf> = entries.map(|entry| entry.expect("readable").path()).collect();
    files.sort();
    files
}

/// What the document in a file holds; null: there is none.
fn content(file: &Path) -> Json {
    let text = std::fs::read_to_string(file).unwrap_or_default();
    let line = text.lines().next().unwrap_or_default();
    serde_json::from_str::<Json>(line).map_or(Json::Null, |document| document["content"].clone())
}

/// Kept while clients write, and again once they rest; then brought back into five nodes with five copies.
async fn kept_and_brought_back(keys: u64) {
    quorate_client::install_crypto_provider();
    let folder = tempfile::tempdir().expect("a folder");
    let (repository, input) = (folder.path().join("backup"), folder.path().join("input"));
    let path = text(&repository);
    let three = Nodes::start(3, &[]);
    let client = three.client(&[0]);
    let table = TableSpec { name: TABLE.to_owned(), n: Some(3), ..TableSpec::default() };
    client.create_table(&table).await.expect("made");
    let quiet = ["table", "create", "quiet", "--sharding", "range", "--split-at", "k000500", "--ttl", "1h"];
    three.run(0, &quiet).expect_code(0);
    let ends = r#"{"key":"ends","value":"later","content_type":"text/html","expires_at":"2099-12-31T23:59:59.123Z"}
{"key_b64":"_w","value_b64":"AP_-"}
"#;
    std::fs::write(&input, lines(1_000, 100) + ends).expect("written");
    three.run(0, &["import", "quiet", text(&input), "-c", "all"]).expect_code(0);
    let mut written = Written::new();
    load::fill(&client, keys, &mut written).await;
    let nodes: Vec<_> = (0..3).map(|at| three.client(&[at])).collect();
    let load = Load::start(&written, &nodes);
    let create = ["backup", "create", path, "--output", "json"];
    let first = three.run(0, &create).expect_code(0).json();
    assert_eq!((&first["tables"], &first["parent"]), (&2.into(), &Json::Null), "{first}");
    let second = three.run(1, &create).expect_code(0).json();
    assert_eq!(second["parent"], first["snapshot"]);
    load.end(&mut written).await;
    // Once the owners agree on the other table too, nothing is read any more.
    let read = |made: &Json| made["bytes_read"].as_u64().expect("a number");
    let last = three.until(&create, |made| read(made) == 0);
    assert_eq!(last["keys"].as_u64().expect("a number"), 1_002 + held(&written));
    three.run(2, &["backup", "verify", path, "--against"]).expect_code(0);
    let listed = three.run(0, &["backup", "list", path, "--output", "json"]).expect_code(0).json();
    let listed = listed.as_array().expect("a list");
    assert!(listed.len() >= 3 && listed[0]["snapshot"] == first["snapshot"], "{listed:?}");
    let of_second = |name: &str| {
        let tables = listed[1]["tables"].as_array().expect("tables");
        tables.iter().find(|table| table["table"] == name).cloned().expect("it is there")
    };
    assert_eq!(of_second("quiet")["bytes_read"], 0, "nothing of it has changed");
    assert_eq!(
        [of_second("quiet"), of_second(TABLE)].map(|it| it["consistency"].clone()),
        ["linearizable"; 2]
    );
    let shown = three.run(0, &["backup", "list", path]).expect_code(0);
    assert!(shown.text().lines().all(|line| line.chars().count() <= 100), "{}", shown.text());
    drop(three);

    let five = Nodes::start(5, &[]);
    let restored = five.run(0, &["backup", "restore", path, "-n", "5", "--shards", "16", "--output", "json"]);
    let restored = restored.expect_code(0).json();
    assert_eq!((&restored["restored"], &restored["verified"]), (&last["keys"], &true.into()), "{restored}");
    load::hold(&five.client(&[4]), &written).await;
    for (table, shards) in [(TABLE, 16), ("quiet", 2)] {
        let made = five.run(3, &["table", "describe", table, "--output", "json"]).expect_code(0).json();
        assert_eq!(
            (&made["n"], &made["shards"], &made["w"]),
            (&5.into(), &shards.into(), &"quorum".into()),
            "{made}"
        );
    }
    let ends = five.run(1, &["export", "quiet", "--start", "ends", "--end", "k"]).expect_code(0).json();
    assert_eq!(
        (&ends["content_type"], &ends["expires_at"]),
        (&"text/html".into(), &"2099-12-31T23:59:59.123Z".into())
    );
    let one =
        five.run(1, &["export", "quiet", "--start", "k000001", "--end", "k000002"]).expect_code(0).json();
    assert_eq!(one["expires_at"], Json::Null, "it has no end, though its table gives one to what names none");
    five.run(2, &["backup", "verify", path, "--against"]).expect_code(0);

    // What is there is not written over, and what has changed is named.
    let refused = five.run(0, &["backup", "restore", path]).expect_code(4);
    assert!(refused.stderr.contains("has keys") && refused.stderr.contains("--as"), "{refused:?}");
    let beside = ["backup", "restore", path, "--table", "quiet", "--as", "hashed", "--sharding", "hash"];
    five.run(0, &beside).expect_code(0);
    five.run(0, &["put", "quiet", "k000007", "another"]).expect_code(0);
    five.run(0, &["delete", "quiet", "ends"]).expect_code(0);
    let differs = five.run(1, &["backup", "verify", path, "--table", "quiet", "--against"]).expect_code(8);
    assert!(differs.stderr.contains("1 key missing in the table, 1 key with something else"), "{differs:?}");
    assert!(differs.stderr.contains("k000007"), "{differs:?}");
    let other = five.run(0, &["backup", "create", path]).expect_code(4);
    assert!(other.stderr.contains("keeps the snapshots of cluster nodes"), "{other:?}");
}

/// Keys that a list says are there.
fn held(written: &Written) -> u64 {
    written.values().filter(|value| value.is_some()).count() as u64
}

#[tokio::test(flavor = "multi_thread")]
async fn a_backup_taken_under_load_is_restored_into_five_nodes() {
    kept_and_brought_back(1_000).await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "long: cargo test --release -p quorate --test cli backup -- --ignored --nocapture --test-threads 1"]
async fn with_many_keys_a_backup_taken_under_load_is_restored_into_five_nodes() {
    kept_and_brought_back(500_000).await;
}

#[test]
fn what_is_damaged_cut_off_or_of_another_version_is_refused_by_name() {
    let folder = tempfile::tempdir().expect("a folder");
    let dev = Dev::start(&folder.path().join("dev"), 1);
    let (repository, input) = (folder.path().join("backup"), folder.path().join("input"));
    let path = text(&repository);
    dev.run(0, &["table", "create", "t", "-n", "1"]).expect_code(0);
    std::fs::write(&input, lines(50, 50)).expect("written");
    dev.run(0, &["import", "t", text(&input)]).expect_code(0);
    dev.run(0, &["backup", "list", path]).expect_code(3);
    dev.run(0, &["backup", "create", text(folder.path())]).expect_code(4);
    dev.run(0, &["backup", "create", path, "--table", "no-such"]).expect_code(3);
    dev.run(0, &["backup", "create", path, "--table", "t"]).expect_code(0);
    dev.run(0, &["backup", "verify", path]).expect_code(0);
    dev.run(0, &["backup", "verify", path, "20010101T000000Z-00000000"]).expect_code(3);
    dev.run(0, &["backup", "restore", path, "--table", "u"]).expect_code(3);
    dev.run(0, &["backup", "create", path, "--resume"]).expect_code(3);
    dev.run(0, &["backup", "restore", path, "--table", "t", "--as", "v", "--resume"]).expect_code(3);

    let refused = |file: &Path, bytes: &[u8], why: &str| {
        let good = std::fs::read(file).expect("readable");
        std::fs::write(file, bytes).expect("written");
        let restored = dev.run(0, &["backup", "restore", path, "--table", "t", "--as", "copy"]);
        assert!(restored.code == 1 && restored.stderr.contains(why), "{why}: {restored:?}");
        let verified = dev.run(0, &["backup", "verify", path]);
        assert!(matches!(verified.code, 1 | 8) && verified.stderr.contains(why), "{why}: {verified:?}");
        std::fs::write(file, good).expect("written");
        let copied = dev.run(0, &["scan", "copy", "--count"]);
        assert!(copied.code == 3 || copied.text().trim() == "0", "nothing of it is stored: {copied:?}");
    };
    let [segment] = files(&repository, "segments").try_into().expect("one segment");
    let [snapshot] = files(&repository, "snapshots").try_into().expect("one snapshot");
    let page = repository.join("quorate-backup.json");
    for file in [&segment, &snapshot, &page] {
        let good = std::fs::read(file).expect("readable");
        refused(file, &good[..good.len() - 10], "cut off");
        refused(file, &good[..good.len() / 2], "cut off");
        let mut flipped = good.clone();
        flipped[good.len() / 3] ^= 1;
        refused(file, &flipped, "damaged");
    }
    refused(&segment, &std::fs::read(&snapshot).expect("readable"), "no segment");
    let listed = dev.run(0, &["backup", "list", path]).expect_code(0);
    assert!(listed.text().contains("SNAPSHOT"), "{listed:?}");
    std::fs::write(&snapshot, "").expect("written");
    let listed = dev.run(0, &["backup", "list", path]).expect_code(8);
    assert!(listed.stderr.contains("cut off"), "{listed:?}");
    std::fs::remove_file(&segment).expect("removed");
    let again = dev.run(0, &["backup", "create", path, "--table", "t"]).expect_code(0);
    assert!(again.stderr.contains("nothing is taken over"), "{again:?}");
    dev.run(0, &["backup", "verify", path]).expect_code(0);
}

/// Runs until a condition holds; then it is killed, as by a power cut.
fn kill_once(running: Running, holds: impl Fn() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !holds() {
        assert!(Instant::now() < deadline, "it never comes so far");
        std::thread::sleep(std::time::Duration::from_millis(10));
    }
    drop(running);
}

#[test]
fn what_was_killed_goes_on_from_what_is_durable() {
    let folder = tempfile::tempdir().expect("a folder");
    let dev = Dev::start(&folder.path().join("dev"), 1);
    let (repository, input) = (folder.path().join("backup"), folder.path().join("input"));
    let path = text(&repository);
    dev.run(0, &["table", "create", "t", "-n", "1", "--durability", "os"]).expect_code(0);
    std::fs::write(&input, lines(2_000, 10_000)).expect("written");
    dev.run(0, &["import", "t", text(&input)]).expect_code(0);
    let begin = |arguments: &[&str]| {
        let mut command = quorate();
        command.args(["--endpoint", dev.endpoint(0)]).args(arguments);
        command.args(["--parallel", "1", "--bytes-per-second", "3MiB"]);
        Running::start(command)
    };
    let unfinished = || content(&repository.join("unfinished/snapshot.json"));
    let units = |note: &Json| note["tables"][0]["units"].as_array().cloned().unwrap_or_default();
    kill_once(begin(&["backup", "create", path, "--table", "t"]), || {
        units(&unfinished()).iter().any(|unit| unit["is_over"] == true)
    });
    let noted = units(&unfinished());
    assert!(noted.iter().any(|unit| unit["is_over"] == false), "it was killed in the middle");
    assert!(files(&repository, "snapshots").is_empty(), "what is not finished is none");
    dev.run(0, &["backup", "verify", path]).expect_code(3);
    let before = files(&repository, "segments");
    let made = dev.run(0, &["backup", "create", path, "--resume", "--output", "json"]).expect_code(0).json();
    assert_eq!((&made["keys"], files(&repository, "snapshots").len()), (&2_000.into(), 1));
    assert!(before.iter().all(|segment| segment.exists()), "what was read stays");
    assert_eq!(unfinished(), Json::Null);
    dev.run(0, &["backup", "verify", path, "--against"]).expect_code(0);

    let restore = ["backup", "restore", path, "--table", "t", "--as", "copy"];
    let stored = || {
        let note = files(&repository, "unfinished").into_iter().map(|file| content(&file)).next();
        note.and_then(|note| note["tables"][0]["stored"].as_u64()).unwrap_or(0)
    };
    kill_once(begin(&restore), || stored() > 0);
    let refused = dev.run(0, &restore).expect_code(4);
    assert!(refused.stderr.contains("--resume"), "{refused:?}");
    let resumed =
        dev.run(0, &[&restore[..], &["--resume", "--output", "json"]].concat()).expect_code(0).json();
    assert!(
        resumed["restored"].as_u64().is_some_and(|keys| keys < 2_000),
        "not all is sent again: {resumed}"
    );
    dev.run(0, &["backup", "verify", path, "--table", "t", "--against=copy"]).expect_code(0);
    assert!(files(&repository, "unfinished").is_empty());

    // A table that was made anew is not the one that was begun.
    kill_once(begin(&["backup", "restore", path, "--table", "t", "--as", "other"]), || {
        dev.run(0, &["scan", "other", "--limit", "1"]).text().contains('k')
    });
    dev.run(0, &["table", "drop", "other", "--accept-data-loss=other"]).expect_code(0);
    dev.run(0, &["table", "create", "other", "-n", "1"]).expect_code(0);
    let other =
        dev.run(0, &["backup", "restore", path, "--table", "t", "--as", "other", "--resume"]).expect_code(4);
    assert!(other.stderr.contains("not the one that this restore has made"), "{other:?}");
}

#[test]
fn old_snapshots_go_and_what_the_others_name_stays() {
    let folder = tempfile::tempdir().expect("a folder");
    let dev = Dev::start(&folder.path().join("dev"), 1);
    let repository = folder.path().join("backup");
    let path = text(&repository);
    dev.run(0, &["table", "create", "t", "-n", "1"]).expect_code(0);
    for value in ["one", "two", "three"] {
        dev.run(0, &["put", "t", "k", value]).expect_code(0);
        dev.run(0, &["backup", "create", path, "--table", "t"]).expect_code(0);
    }
    let pruned =
        dev.run(0, &["backup", "prune", path, "--keep", "2", "--output", "json"]).expect_code(0).json();
    assert_eq!(
        (pruned["removed"].as_array().map(Vec::len), &pruned["segments"]),
        (Some(1), &0.into()),
        "{pruned}"
    );
    assert_eq!(files(&repository, "snapshots").len(), 2);
    dev.run(0, &["backup", "verify", path]).expect_code(0);
}

/// The same in a bucket: `scripts/s3` starts a server that speaks S3, and names it.
#[test]
#[ignore = "needs a server that speaks S3: scripts/s3"]
fn a_bucket_keeps_a_backup_as_a_folder_does() {
    let endpoint = std::env::var("S3_ENDPOINT").expect("scripts/s3 says where the server is");
    let folder = tempfile::tempdir().expect("a folder");
    let dev = Dev::start(&folder.path().join("dev"), 1);
    let input = folder.path().join("input");
    dev.run(0, &["table", "create", "t", "-n", "1", "--durability", "os"]).expect_code(0);
    std::fs::write(&input, lines(2_000, 2_000)).expect("written");
    dev.run(0, &["import", "t", text(&input)]).expect_code(0);
    let place = format!("s3://quorate/{}/deep", std::process::id());
    let asked = |act: &str, more: &[&str]| -> Ended {
        let mut command = quorate();
        command.env("AWS_ACCESS_KEY_ID", "test").env("AWS_SECRET_ACCESS_KEY", "test");
        command.args(["--endpoint", dev.endpoint(0), "backup", act, &place, "--s3-endpoint", &endpoint]);
        command.args(more).output().expect("runs").into()
    };
    asked("list", &[]).expect_code(3);
    for number in 0..2 {
        let made = asked("create", &["--table", "t", "--output", "json"]).expect_code(0).json();
        assert_eq!(made["keys"], 2_000);
        assert_eq!(made["bytes_read"] == 0, number == 1, "the second takes all of it over: {made}");
    }
    asked("verify", &["--against"]).expect_code(0);
    asked("restore", &["--table", "t", "--as", "copy"]).expect_code(0);
    let listed = asked("list", &["--output", "json"]).expect_code(0).json();
    assert_eq!(listed.as_array().map(Vec::len), Some(2), "{listed}");
    asked("prune", &["--keep", "1"]).expect_code(0);
    asked("verify", &[]).expect_code(0);
}
