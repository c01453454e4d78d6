//! The churn workload.

use crate::server::Manner;
use crate::{assert_passed, assert_violated, run_against};

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_forgets_for_good_passes() {
    assert_passed(&run_against("churn", Manner::Right).await);
    assert_passed(&run_against("churn", Manner::HonestlyUnsure).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deleted_value_that_comes_back_is_a_violation() {
    assert_violated(&run_against("churn", Manner::UndoesDeletes).await, "came back");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stale_read_shows_what_is_over() {
    assert_violated(&run_against("churn", Manner::StaleReads).await, "came back");
}

#[tokio::test(flavor = "multi_thread")]
async fn lost_writes_are_a_violation() {
    assert_violated(&run_against("churn", Manner::LosesWrites).await, "has no order");
}
