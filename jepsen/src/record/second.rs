//! How much each node did in each second.
//!
//! An operation belongs to the second in which it returned, and to the node that was asked. Several operations of one
//! request (a read of many keys) are one.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use quorate_checkers::history::History;
use quorate_checkers::operation::Status;

const SECOND_NS: u64 = 1_000_000_000;

/// One line of `throughput.jsonl`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SecondRecord {
    /// The second of the history, from 0.
    pub second: u64,
    /// The node that was asked.
    pub node: String,
    /// Requests that succeeded.
    pub ok: u64,
    /// Requests that certainly had no effect.
    pub fail: u64,
    /// Requests of unknown outcome.
    pub unknown: u64,
    /// The median time of those that succeeded, in milliseconds; 0 if none did.
    pub p50_ms: f64,
    /// The time that 99 % of them kept below, in milliseconds; 0 if none succeeded.
    pub p99_ms: f64,
}

/// Counts a history by second and node. Seconds in which a node gave no answer are there too, with zeroes.
pub fn by_second(history: &History, nodes: &[String]) -> Vec<SecondRecord> {
    let mut cells: BTreeMap<(u64, u16), Vec<(Status, u64)>> = BTreeMap::new();
    let mut counted = BTreeSet::new();
    for operation in &history.operations {
        let (Some(node), Some(ret)) = (operation.detail.node, operation.ret) else { continue };
        if counted.insert((operation.client, operation.call, node)) {
            let cell = cells.entry((ret / SECOND_NS, node)).or_default();
            cell.push((operation.status, ret.saturating_sub(operation.call)));
        }
    }
    let seconds = cells.last_key_value().map_or(0, |((second, _), _)| second + 1);
    let line = |second: u64, (number, node): (u16, &String)| {
        let cell = cells.get(&(second, number)).map(Vec::as_slice).unwrap_or_default();
        of_cell(second, node, cell)
    };
    (0..seconds)
        .flat_map(|second| (1..).zip(nodes).map(move |node| (second, node)))
        .map(|(second, node)| line(second, node))
        .collect()
}

fn of_cell(second: u64, node: &str, cell: &[(Status, u64)]) -> SecondRecord {
    let mut record = SecondRecord { second, node: node.to_owned(), ..SecondRecord::default() };
    let mut latencies = Vec::new();
    for (status, latency) in cell {
        match status {
            Status::Ok | Status::Mismatch => {
                record.ok += 1;
                latencies.push(*latency);
            }
            Status::Fail => record.fail += 1,
            Status::Unknown => record.unknown += 1,
        }
    }
    latencies.sort_unstable();
    let below = |percent: usize| {
        let at = (latencies.len() * percent / 100).min(latencies.len().saturating_sub(1));
        latencies.get(at).map_or(0.0, |latency| *latency as f64 / 1e6)
    };
    (record.p50_ms, record.p99_ms) = (below(50), below(99));
    record
}

/// The share of requests that succeeded at one node, in percent; `None` if there were none.
pub fn availability<'a>(seconds: impl Iterator<Item = &'a SecondRecord>) -> Option<f64> {
    let (ok, all) = seconds
        .fold((0, 0), |(ok, all), second| (ok + second.ok, all + second.ok + second.fail + second.unknown));
    (all > 0).then(|| 100.0 * ok as f64 / all as f64)
}

#[cfg(test)]
mod tests {
    use super::*;
    use quorate_checkers::operation::{Detail, Kind, Operation};

    fn operation(client: u32, node: u16, call_ms: u64, ret_ms: u64, status: Status) -> Operation {
        Operation {
            detail: Detail { node: Some(node), ..Detail::default() },
            ..Operation::new(client, "k", Kind::Delete, call_ms * 1_000_000, Some(ret_ms * 1_000_000), status)
        }
    }

    #[test]
    fn each_second_of_each_node_is_a_line() {
        let history = History {
            operations: vec![
                operation(1, 1, 0, 10, Status::Ok),
                operation(2, 1, 0, 30, Status::Ok),
                operation(3, 1, 0, 40, Status::Fail),
                operation(4, 2, 900, 2_100, Status::Unknown),
            ],
        };
        let lines = by_second(&history, &["n1".into(), "n2".into()]);
        assert_eq!(lines.len(), 6);
        assert_eq!(
            lines[0],
            SecondRecord {
                second: 0,
                node: "n1".into(),
                ok: 2,
                fail: 1,
                unknown: 0,
                p50_ms: 30.0,
                p99_ms: 30.0
            }
        );
        assert_eq!(lines[3], SecondRecord { second: 1, node: "n2".into(), ..SecondRecord::default() });
        assert_eq!((lines[5].second, lines[5].unknown), (2, 1));
        assert_eq!(availability(lines.iter().filter(|line| line.node == "n1")), Some(200.0 / 3.0));
        assert_eq!(availability(lines.iter().filter(|line| line.node == "n3")), None);
    }

    #[test]
    fn a_request_for_many_keys_is_one() {
        let mut operations = vec![operation(1, 1, 0, 10, Status::Ok), operation(1, 1, 0, 10, Status::Ok)];
        operations[1].key = "other".into();
        let lines = by_second(&History { operations }, &["n1".into()]);
        assert_eq!(lines.iter().map(|line| line.ok).sum::<u64>(), 1);
    }
}
