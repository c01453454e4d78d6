//! The retries workload.

use crate::server::Manner;
use crate::{assert_passed, assert_violated, run_against};

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_remembers_passes() {
    assert_passed(&run_against("retries", Manner::Right).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn doubt_that_a_retry_settles_passes() {
    let report = run_against("retries", Manner::HonestlyUnsure).await;
    assert_passed(&report);
    let name = "writes of unknown outcome that a retry settled";
    let settled = report.judgement.measures.iter().find(|measure| measure.name == name);
    assert!(settled.is_some_and(|measure| measure.value > 0.0), "{:?}", report.judgement.measures);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_retry_that_is_applied_again_is_a_violation() {
    assert_violated(&run_against("retries", Manner::AppliesRetriesAgain).await, "applied again");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_retry_that_is_applied_again_in_secret_is_seen_in_the_values() {
    assert_violated(&run_against("retries", Manner::AppliesRetriesSecretly).await, "has no order");
}

#[tokio::test(flavor = "multi_thread")]
async fn another_answer_to_a_retry_is_a_violation() {
    assert_violated(&run_against("retries", Manner::AnswersRetriesDifferently).await, "another answer");
}

#[tokio::test(flavor = "multi_thread")]
async fn lost_writes_are_a_violation() {
    assert_violated(&run_against("retries", Manner::LosesWrites).await, "has no order");
}
