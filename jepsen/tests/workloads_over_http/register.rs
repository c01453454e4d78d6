//! The register workload, at quorum and at all.

use quorate_jepsen::run::Verdict;

use crate::server::Manner;
use crate::{assert_breach, assert_passed, assert_violated, run_against};

#[tokio::test(flavor = "multi_thread")]
async fn a_right_register_passes() {
    assert_passed(&run_against("register", Manner::Right).await);
    assert_passed(&run_against("register-all", Manner::Right).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn honest_doubt_passes() {
    let report = run_against("register", Manner::HonestlyUnsure).await;
    assert_passed(&report);
    assert!(report.to_string().contains("504 write-timeout"), "{report}");
}

#[tokio::test(flavor = "multi_thread")]
async fn stale_reads_are_a_violation() {
    assert_violated(&run_against("register", Manner::StaleReads).await, "has no order");
    assert_violated(&run_against("register-all", Manner::StaleReads).await, "has no order");
}

#[tokio::test(flavor = "multi_thread")]
async fn lost_writes_are_a_violation() {
    assert_violated(&run_against("register", Manner::LosesWrites).await, "has no order");
}

#[tokio::test(flavor = "multi_thread")]
async fn writes_done_though_refused_are_a_violation() {
    assert_violated(&run_against("register", Manner::DoesWhatItRefuses).await, "has no order");
}

#[tokio::test(flavor = "multi_thread")]
async fn invented_values_are_a_violation() {
    assert_violated(&run_against("register", Manner::Invents).await, "has no order");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_internal_error_is_a_violation_whatever_the_history_says() {
    assert_breach(&run_against("register", Manner::BreaksTheContract).await, "read: 500 bug");
}

#[tokio::test(flavor = "multi_thread")]
async fn too_little_load_is_void() {
    let report = run_against("register", Manner::RefusesMost).await;
    assert_eq!(report.verdict(), Verdict::Void, "{report}");
    assert!(report.to_string().contains("are below 50"), "{report}");
}
