//! The set workload.

use crate::server::Manner;
use crate::{assert_passed, assert_violated, run_against};

#[tokio::test(flavor = "multi_thread")]
async fn a_right_set_passes() {
    assert_passed(&run_against("set", Manner::Right).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn honest_doubt_passes() {
    assert_passed(&run_against("set", Manner::HonestlyUnsure).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_acknowledged_element_that_is_not_there_is_lost() {
    assert_violated(&run_against("set", Manner::LosesWrites).await, "lost");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_element_that_is_there_and_not_there_flickers() {
    assert_violated(&run_against("set", Manner::StaleReads).await, "flickers");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_element_that_failed_or_was_never_added_is_a_phantom() {
    assert_violated(&run_against("set", Manner::DoesWhatItRefuses).await, "no client can have added it");
    assert_violated(&run_against("set", Manner::Invents).await, "no client can have added it");
}
