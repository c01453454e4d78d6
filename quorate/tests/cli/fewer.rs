//! Copies of a table become fewer, by the command.

use crate::process::Dev;

#[test]
fn copies_become_fewer_and_every_key_stays() {
    let folder = tempfile::tempdir().expect("a folder");
    let dev = Dev::start(folder.path(), 5);
    dev.run(0, &["table", "create", "t", "-n", "5", "--shards", "8"]).expect_code(0);
    let keys: Vec<String> = (0..20).map(|number| format!("k{number}")).collect();
    for key in &keys {
        dev.run(0, &["put", "t", key, key]).expect_code(0);
    }
    let shown =
        dev.run(0, &["cluster", "plan", "copies", "t", "3", "--output", "json"]).expect_code(0).json();
    assert_eq!((&shown["type"], &shown["moves"]), (&"copies".into(), &0.into()), "{shown}");
    for n in ["3", "1"] {
        let fewer = ["--yes", "cluster", "plan", "copies", "t", n, "--apply", "--wait"];
        dev.run(1, &fewer).expect_code(0);
        let described = dev.run(2, &["table", "describe", "t", "--output", "json"]).expect_code(0).json();
        assert_eq!(described["n"], n.parse::<u8>().expect("a number"), "{described}");
        for key in &keys {
            assert_eq!(dev.run(3, &["get", "t", key]).expect_code(0).text(), *key);
        }
    }
    dev.run(0, &["status", "--check"]).expect_code(0);
}
