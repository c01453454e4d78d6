//! Each workload against a tiny server that plays a cluster: a right one must pass, and each way of being wrong must be
//! seen. What is tested is the whole way from requests to the verdict.

mod churn;
mod dropped;
mod levels;
mod register;
mod retries;
mod scan;
mod server;
mod set;
mod ttl;

use std::time::Duration;

use quorate_jepsen::run::{self, Report, Settings, Verdict};
use quorate_jepsen::workload::{Options, WORKLOADS};
use server::Manner;

/// A short run of a workload against a server of that manner.
async fn run_against(workload: &str, manner: Manner) -> Report {
    run_for(Duration::from_secs(1), workload, manner).await
}

async fn run_for(time: Duration, workload: &str, manner: Manner) -> Report {
    // The only way that this fails is a provider that is there already, which is just as good.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let serving = server::start(manner).await;
    let entry = WORKLOADS.iter().find(|entry| entry.name == workload).expect("it is in the table");
    let workload = (entry.make)(Options { operations_per_key: 200, keys_at_once: 3, ..Options::default() });
    let settings = Settings { clients: 5, time, seed: 7 };
    run::run(workload, serving.endpoints(), None, settings).await
}

#[track_caller]
fn assert_passed(report: &Report) {
    assert_eq!(report.verdict(), Verdict::Passed, "{report}");
    assert!(report.throughput.completed > 50, "{report}");
    assert!(report.history.operations.iter().any(|operation| operation.closing), "no closing reads");
}

/// The judge must say it, not the contract, and show it by few operations.
#[track_caller]
fn assert_violated(report: &Report, because: &str) {
    assert_eq!(report.verdict(), Verdict::Violated, "{report}");
    assert_eq!(report.counts.breaches_count, 0, "{report}");
    assert!(report.judgement.text.contains(because), "{report}");
    assert!(!report.judgement.findings.is_empty(), "{report}");
    let shortest = report.judgement.findings.iter().map(|finding| finding.operations.len()).min();
    assert!(shortest.is_some_and(|shortest| shortest < 10), "{report}");
}

/// An answer by itself must show it.
#[track_caller]
fn assert_breach(report: &Report, breach: &str) {
    assert_eq!(report.verdict(), Verdict::Violated, "{report}");
    assert!(report.to_string().contains(&format!("breach of the contract: {breach}")), "{report}");
}
