//! `shard`: split, merged, and what is refused.

use crate::process::Dev;

#[test]
fn shards_are_split_and_merged_by_hand() {
    let folder = tempfile::tempdir().expect("a folder");
    let dev = Dev::start(folder.path(), 1);
    dev.run(0, &["table", "create", "log", "--sharding", "range", "-n", "1"]).expect_code(0);
    for key in ["a", "m", "z"] {
        dev.run(0, &["put", "log", key, key]).expect_code(0);
    }
    let split = dev.run(0, &["shard", "split", "log", "--at", "m"]).expect_code(0);
    assert!(split.text().contains("log/1") && split.stderr.contains("two shards"), "{split:?}");
    // The shard that holds the key is found.
    dev.run(0, &["shard", "split", "log", "--at", "_w", "--b64"]).expect_code(0);
    let listed = dev.run(0, &["shard", "list", "log", "--output", "jsonl"]);
    assert_eq!(listed.text().lines().count(), 3, "{listed:?}");
    let outside = dev.run(0, &["shard", "split", "log", "--shard", "log/0", "--at", "z"]).expect_code(2);
    assert!(outside.stderr.contains("can't be split at \"z\" in shard log/0"), "{outside:?}");
    assert_eq!(outside.stderr.matches("nothing was changed").count(), 1, "{outside:?}");
    dev.run(0, &["shard", "split", "log"]).expect_code(2);
    dev.run(0, &["shard", "merge", "log", "x"]).expect_code(2);
    dev.run(0, &["shard", "merge", "log", "9"]).expect_code(3);
    dev.run(0, &["shard", "merge", "log", "log/1"]).expect_code(0);
    dev.run(0, &["shard", "merge", "log", "0", "--with", "1"]).expect_code(0);
    assert_eq!(dev.run(0, &["scan", "log", "--output", "jsonl"]).text().lines().count(), 3);
    let alone = dev.run(0, &["shard", "move", "log", "0", "--from", "n1", "--to", "n1"]).expect_code(4);
    assert!(alone.stderr.contains("owns shard log/0 already"), "{alone:?}");
}
