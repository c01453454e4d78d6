//! The ttl workload. Values must have the time to expire, so these runs are longer.

use std::time::Duration;

use crate::server::Manner;
use crate::{assert_passed, assert_violated, run_for};

const TIME: Duration = Duration::from_secs(4);

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_lets_values_expire_passes() {
    let report = run_for(TIME, "ttl", Manner::Right).await;
    assert_passed(&report);
    let expired = report.judgement.measures.iter().find(|measure| measure.name == "values seen to expire");
    assert!(expired.is_some_and(|measure| measure.value >= 20.0), "{:?}", report.judgement.measures);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_expired_value_that_is_shown_again_is_a_violation() {
    assert_violated(&run_for(TIME, "ttl", Manner::RevivesTheExpired).await, "came back");
}

#[tokio::test(flavor = "multi_thread")]
async fn lost_writes_are_a_violation() {
    assert_violated(&run_for(TIME, "ttl", Manner::LosesWrites).await, "has no order");
}
