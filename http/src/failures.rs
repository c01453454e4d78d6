//! Requests that failed for want of owners, space or time, summed up for the log.
//!
//! A client can cause them at will: it asks for more owners than are up, or retries in a loop. So each is counted in the
//! metrics and told at `debug`, under its id; and one line an interval says how many there were of each kind, with the
//! last one's id, trace and sentence.

use super::problem::Problem;
use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

/// How often they are summed up.
pub const INTERVAL: Duration = Duration::from_secs(10);

/// Failed requests since they were last summed up.
#[derive(Debug, Default)]
pub struct Failures(Mutex<BTreeMap<&'static str, Kind>>);

/// Those with one code.
#[derive(Debug, Default)]
struct Kind {
    count: u64,
    last: String,
    trace: Option<String>,
    detail: String,
}

impl Failures {
    /// Counts one more.
    pub fn note(&self, problem: &Problem, id: &str, trace: Option<&str>) {
        let detail = problem.detail();
        let mut kinds = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let kind = kinds.entry(problem.code().as_str()).or_default();
        kind.count += 1;
        id.clone_into(&mut kind.last);
        kind.trace = trace.map(str::to_owned);
        kind.detail = detail;
    }

    /// Says what there was since the last time, if anything.
    pub fn sum_up(&self) {
        let kinds = std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner));
        for (code, Kind { count, last, trace, detail }) in kinds {
            tracing::info!(code, count, last, trace, detail, "requests failed");
        }
    }
}
