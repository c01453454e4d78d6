//! The workload that drops its table.

use std::time::Duration;

use crate::server::Manner;
use crate::{assert_passed, assert_violated, run_for};

/// Long enough for some drops.
const TIME: Duration = Duration::from_secs(4);

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_drops_all_or_does_not_know_passes() {
    assert_passed(&run_for(TIME, "dropped", Manner::Right).await);
    assert_passed(&run_for(TIME, "dropped", Manner::HonestlyUnsureOfDrops).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_read_after_its_table_was_dropped_is_a_violation() {
    assert_violated(&run_for(TIME, "dropped", Manner::KeepsWhatIsDropped).await, "has no order");
}

#[tokio::test(flavor = "multi_thread")]
async fn stale_reads_and_lost_writes_are_a_violation() {
    assert_violated(&run_for(TIME, "dropped", Manner::StaleReads).await, "has no order");
    assert_violated(&run_for(TIME, "dropped", Manner::LosesWrites).await, "has no order");
}
