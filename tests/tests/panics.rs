//! A panic of a node is found by the reader of its log.
//!
//! The proofs demand "no panic in any log", and know nothing of the node but its output. So what the node's own hook
//! really writes is given here to the very function that looks for it there. A hook and a logger are a process's, so
//! each way to log gets a process of its own: this test again, told by a variable to panic.

#![allow(clippy::unwrap_used, reason = "a test that can't go on has failed")]

use quorate::process::{LogFormat, log_panics, start_logging};
use quorate_checkers::panics;
use quorate_node::PANICKED;
use std::process::Command;

/// Tells a process of this test how to log before it panics.
const HOW: &str = "QUORATE_TEST_PANIC";

#[test]
fn a_process_that_panics_if_it_is_told_to() {
    let Ok(how) = std::env::var(HOW) else { return };
    match how.as_str() {
        "json" => start_logging("info", LogFormat::Json).unwrap(),
        "text" => start_logging("info", LogFormat::Text).unwrap(),
        "silent" => start_logging("off", LogFormat::Text).unwrap(),
        _ => {}
    }
    log_panics();
    let caught = std::panic::catch_unwind(|| panic!("told to\nin two lines"));
    assert!(caught.is_err());
}

#[test]
fn every_way_to_log_a_panic_is_known_to_the_proofs() {
    for how in ["json", "text", "silent", "no logger"] {
        let output = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "a_process_that_panics_if_it_is_told_to", "--nocapture"])
            .env(HOW, how)
            .output()
            .unwrap();
        assert!(output.status.success(), "{how}: {output:?}");
        let log = String::from_utf8_lossy(&output.stderr);
        assert_eq!(panics::in_log(&log).count(), 1, "{how}: {log}");
    }
}

#[test]
fn the_words_are_the_same_on_both_sides() {
    assert_eq!(panics::in_log(&format!("ERROR {PANICKED}, in a handler\n")).count(), 1);
}
