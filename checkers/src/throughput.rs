//! How much a run did: the difference between a proof and an idle cluster that broke no promise.

use std::collections::BTreeSet;

use crate::history::History;
use crate::operation::{Kind, Operation, Status};

/// How much was done in a stretch of time.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Throughput {
    /// Operations that completed with success.
    pub completed: u64,
    /// The same per second.
    pub per_second: f64,
    /// The longest time in which nothing completed with success, in nanoseconds.
    pub longest_gap: u64,
}

/// Measures what returned with success from one moment to another, both in nanoseconds of the history.
pub fn measure(history: &History, from: u64, to: u64) -> Throughput {
    let mut returns: Vec<u64> =
        successes(history).map(|(_, ret)| ret).filter(|ret| (from..=to).contains(ret)).collect();
    returns.sort_unstable();
    let completed = returns.len() as u64;
    let mut longest_gap = 0;
    let mut last = from;
    for ret in returns.into_iter().chain([to]) {
        longest_gap = longest_gap.max(ret.saturating_sub(last));
        last = ret;
    }
    let seconds = to.saturating_sub(from) as f64 / 1e9;
    let per_second = if seconds > 0.0 { completed as f64 / seconds } else { 0.0 };
    Throughput { completed, per_second, longest_gap }
}

/// Whether clients got on after a moment: a read, and a write or a delete, that were called after it returned with
/// success within a time, both in nanoseconds. The closing reads are not the clients' work.
pub fn progressed(history: &History, after: u64, within: u64) -> bool {
    let is_in_time = |operation: &Operation| {
        operation.call >= after && operation.ret.is_some_and(|ret| ret <= after.saturating_add(within))
    };
    let done = || {
        let done = history.operations.iter().filter(|operation| operation.status == Status::Ok);
        done.filter(|operation| !operation.closing && is_in_time(operation))
    };
    let is_read = |operation: &Operation| matches!(operation.kind, Kind::Read { .. });
    done().any(is_read) && done().any(|operation| !is_read(operation))
}

/// Calls and returns of the requests that succeeded. A client has one request under way at a time, so operations of
/// one client with one call are one request.
fn successes(history: &History) -> impl Iterator<Item = (u64, u64)> {
    let mut counted = BTreeSet::new();
    history
        .operations
        .iter()
        .filter(|operation| operation.status == Status::Ok)
        .filter(move |operation| counted.insert((operation.client, operation.call)))
        .filter_map(|operation| operation.ret.map(|ret| (operation.call, ret)))
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: u64 = 1_000_000_000;

    fn history(returns: &[(u64, Status)]) -> History {
        let operation = |(client, (ret, status)): (u32, &(u64, Status))| {
            Operation::new(client, "k", Kind::Delete, ret.saturating_sub(SECOND), Some(*ret), *status)
        };
        History { operations: (1..).zip(returns).map(operation).collect() }
    }

    #[test]
    fn only_success_counts_and_the_edges_are_gaps_too() {
        let history = history(&[
            (SECOND, Status::Ok),
            (2 * SECOND, Status::Ok),
            (3 * SECOND, Status::Unknown),
            (4 * SECOND, Status::Fail),
            (5 * SECOND, Status::Ok),
            (20 * SECOND, Status::Ok),
        ]);
        let found = measure(&history, 0, 10 * SECOND);
        assert_eq!(found, Throughput { completed: 3, per_second: 0.3, longest_gap: 5 * SECOND });
        assert_eq!(measure(&history, 10 * SECOND, 19 * SECOND).longest_gap, 9 * SECOND);
    }

    #[test]
    fn progress_is_a_read_and_a_write_after_the_moment_and_in_time() {
        let mut history = history(&[(10 * SECOND, Status::Ok), (11 * SECOND, Status::Fail)]);
        assert!(!progressed(&history, 9 * SECOND, SECOND), "no read");
        history
            .operations
            .push(Operation { kind: Kind::Read { value: None }, ..history.operations[0].clone() });
        assert!(progressed(&history, 9 * SECOND, SECOND));
        assert!(!progressed(&history, 9 * SECOND + 1, SECOND));
        assert!(!progressed(&history, 8 * SECOND, SECOND));
        history.operations.iter_mut().for_each(|operation| operation.closing = true);
        assert!(!progressed(&history, 9 * SECOND, SECOND), "closing reads are none of it");
    }
}
