//! Commands that need no node.

use crate::process::{quorate, run};

#[test]
fn the_sample_is_sound_and_comes_out_alone() {
    let folder = tempfile::tempdir().expect("a folder");
    let sample = run(&["config", "init"]).expect_code(0);
    assert!(sample.stderr.is_empty(), "{sample:?}");
    let file = folder.path().join("quorate.toml");
    std::fs::write(&file, &sample.stdout).expect("written");
    run(&["config", "check", "--config", file.to_str().expect("text")]).expect_code(0);
}

#[test]
fn a_check_opens_the_secret_and_the_folder_that_are_named() {
    let folder = tempfile::tempdir().expect("a folder");
    let (secret, data) = (folder.path().join("secret"), folder.path().join("data"));
    let check = || {
        let mut command = quorate();
        command.args(["config", "check"]).env("QUORATE_SECRET_FILE", &secret).env("QUORATE_DATA", &data);
        crate::process::Ended::from(command.output().expect("runs"))
    };
    assert!(check().expect_code(2).stderr.contains("secret"), "there is none");
    std::fs::write(&secret, "too short").expect("written");
    assert!(check().expect_code(2).stderr.contains("9 bytes"));
    std::fs::write(&secret, "long enough for a secret\n").expect("written");
    check().expect_code(0);
    assert!(!data.exists(), "a check begins nothing");
    std::fs::create_dir(&data).expect("made");
    std::fs::write(data.join("identity"), "damaged").expect("written");
    assert!(check().expect_code(1).stderr.contains("identity"));
}

#[test]
fn what_is_in_force_says_where_it_came_from() {
    let ended = quorate()
        .args(["config", "show", "--output", "json"])
        .env("QUORATE_ZONE", "east")
        .output()
        .map(crate::process::Ended::from)
        .expect("runs");
    let shown = ended.expect_code(0).json();
    assert_eq!(shown["zone"]["value"], "east");
    assert_eq!(shown["zone"]["from"], "environment");
    assert_eq!(shown["listen"]["from"], "default");
}

#[test]
fn completions_and_the_manual_page_are_printed() {
    for shell in ["bash", "zsh", "fish"] {
        assert!(run(&["completions", shell]).expect_code(0).text().contains("quorate"));
    }
    assert!(run(&["man"]).expect_code(0).text().contains(".TH quorate"));
    let folder = tempfile::tempdir().expect("a folder");
    run(&["man", "--dir", folder.path().to_str().expect("text")]).expect_code(0);
    assert!(folder.path().join("quorate-get.1").is_file());
}

/// A container without certificates of authorities can still speak plain HTTP.
#[test]
fn no_certificates_are_needed() {
    let mut command = quorate();
    command.args(["--endpoint", "127.0.0.1:1", "status"]);
    command.env("SSL_CERT_FILE", "/nonexistent").env("SSL_CERT_DIR", "/nonexistent");
    crate::process::Ended::from(command.output().expect("runs")).expect_code(5);
}

#[test]
fn the_version_is_one_line() {
    let version = run(&["--version"]).expect_code(0);
    assert_eq!(version.text(), format!("quorate {}\n", env!("CARGO_PKG_VERSION")));
}

#[test]
fn a_command_that_makes_no_sense_is_usage() {
    for arguments in [
        &["frobnicate"][..],
        &["get", "demo"],
        &["get", "demo", "k", "-c", "most"],
        &["put", "demo", "k", "v", "--retry"],
        &["put", "demo", "k", "v", "--ttl", "5"],
        &["put", "demo", "k", "v", "--ttl", "0s"],
        &["put", "demo", "k", "v", "--ttl", "1us"],
        &["put", "demo", "k", "v", "--ttl", "200y"],
        &["--timeout", "0ms", "status"],
        &["table", "alter", "demo"],
        &["--endpoint", "http://u@h", "status"],
        &["dev", "--nodes", "0"],
        &["dev", "--nodes", "2", "--zones", "3"],
    ] {
        let ended = run(arguments).expect_code(2);
        assert!(!ended.stderr.is_empty() && ended.stdout.is_empty(), "{ended:?}");
        for json in [&["--output", "json"][..], &["--output=jsonl"]] {
            let ended = run(&[json, arguments].concat()).expect_code(2);
            let error: serde_json::Value = serde_json::from_str(&ended.stderr).expect("one document of JSON");
            assert_eq!(error["exit"], 2);
            assert!(error["error"].as_str().is_some_and(|text| !text.is_empty()), "{error}");
        }
    }
}

#[test]
fn a_variable_without_a_meaning_is_warned_of() {
    let asked = |arguments: &[&str]| {
        let mut command = quorate();
        command.args(["--endpoint", "127.0.0.1:1"]).args(arguments).arg("status");
        command.env("QUORATE_ENDPOINT", "10.0.0.1:7400").env("QUORATE_DATA", "/nowhere");
        crate::process::Ended::from(command.output().expect("runs")).expect_code(5).stderr
    };
    let said = asked(&[]);
    let warning =
        "warning: the environment variable QUORATE_ENDPOINT has no meaning (did you mean QUORATE_ENDPOINTS?)";
    assert!(said.starts_with(warning), "{said}");
    assert_eq!(said.matches("warning").count(), 1, "what a node reads is no slip: {said}");
    assert!(!asked(&["--quiet"]).contains("warning"));
}

#[test]
fn an_empty_variable_is_none() {
    let mut command = quorate();
    command.args(["--timeout", "200ms", "status"]).env("QUORATE_ENDPOINTS", "").env("QUORATE_CONFIG", "");
    let ended = crate::process::Ended::from(command.output().expect("runs"));
    assert!(!ended.stderr.contains("is not an endpoint"), "{ended:?}");
    let mut command = quorate();
    command.arg("status").env("QUORATE_ENDPOINTS", "127.0.0.1:1,http://u@h");
    let ended = crate::process::Ended::from(command.output().expect("runs")).expect_code(2);
    assert!(ended.stderr.contains("QUORATE_ENDPOINTS") && !ended.stderr.contains("--endpoint"), "{ended:?}");
    let mut command = quorate();
    command.args(["config", "check"]).env("QUORATE_CONFIG", "");
    crate::process::Ended::from(command.output().expect("runs")).expect_code(0);
}
