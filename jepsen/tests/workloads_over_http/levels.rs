//! The workloads below the quorum: at one alone, and mixed with others.

use std::time::Duration;

use crate::server::Manner;
use crate::{assert_breach, assert_passed, assert_violated, run_against, run_for};

#[tokio::test(flavor = "multi_thread")]
async fn a_right_server_passes() {
    assert_passed(&run_against("register-one", Manner::Right).await);
    assert_passed(&run_against("mixed", Manner::Right).await);
    assert_passed(&run_against("regular", Manner::Right).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_regular_read_that_misses_what_was_acknowledged_is_a_violation() {
    assert_passed(&run_against("regular", Manner::HonestlyUnsure).await);
    assert_violated(&run_against("regular", Manner::StaleReads).await, "where none may be stale");
    // Few writes are below the quorum, and fewer are read before they are overwritten.
    let longer = run_for(Duration::from_secs(3), "regular", Manner::LosesWritesBelowTheQuorum).await;
    assert_violated(&longer, "where none may be stale");
    assert_violated(&run_against("regular", Manner::Invents).await, "no client can have written");
}

#[tokio::test(flavor = "multi_thread")]
async fn staleness_at_one_is_measured_and_is_no_violation() {
    let report = run_against("register-one", Manner::StaleReadsBelowTheQuorum).await;
    assert_passed(&report);
    let stale = report.judgement.measures.iter().find(|measure| measure.name == "of them were stale");
    assert!(stale.is_some_and(|measure| measure.value > 0.0), "{:?}", report.judgement.measures);
    assert_passed(&run_against("mixed", Manner::StaleReadsBelowTheQuorum).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn writes_at_one_may_be_lost() {
    assert_passed(&run_against("register-one", Manner::LosesWritesBelowTheQuorum).await);
    assert_passed(&run_against("mixed", Manner::LosesWritesBelowTheQuorum).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_no_client_wrote_is_a_violation_at_every_level() {
    assert_violated(&run_against("register-one", Manner::Invents).await, "no client can have written");
    assert_violated(&run_against("mixed", Manner::Invents).await, "invented");
}

#[tokio::test(flavor = "multi_thread")]
async fn owners_that_never_agree_are_a_violation() {
    assert_violated(&run_against("register-one", Manner::NeverAgrees).await, "still differ in the end");
}

#[tokio::test(flavor = "multi_thread")]
async fn stale_reads_and_lost_writes_at_a_quorum_are_a_violation_in_the_mixture() {
    assert_violated(&run_against("mixed", Manner::StaleReads).await, "has no order");
    assert_violated(&run_against("mixed", Manner::LosesWrites).await, "has no order");
}

#[tokio::test(flavor = "multi_thread")]
async fn to_promise_more_than_the_level_does_is_a_breach() {
    let breach = "read at one: says that it is \"linearizable";
    assert_breach(&run_against("register-one", Manner::PromisesTooMuch).await, breach);
}
