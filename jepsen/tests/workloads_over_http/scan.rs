//! The scan workload.

use crate::server::Manner;
use crate::{assert_breach, assert_passed, assert_violated, run_against};

#[tokio::test(flavor = "multi_thread")]
async fn right_scans_pass() {
    assert_passed(&run_against("scan", Manner::Right).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_that_a_scan_leaves_out_is_missing() {
    assert_violated(&run_against("scan", Manner::SkipsWhenItLists).await, "flickers");
    assert_violated(&run_against("scan", Manner::LosesWrites).await, "lost");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_that_is_listed_twice_breaks_the_contract() {
    assert_breach(&run_against("scan", Manner::ListsTwice).await, "scan: ");
}
