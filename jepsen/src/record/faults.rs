//! What each kind of fault cost: how long nothing worked, and how long until all was well again.
//!
//! A fault is in force from its strike to the end of its recovery; of several faults at once, each is charged with
//! what happened while it was in force. The longest gap is the longest time without a success that touches that
//! stretch. Recovery is counted twice: from each healing until the first success that was called after it, which is
//! what clients feel, and from the last healing of a round until all nodes said that they were ready.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{EventKind, EventRecord};
use quorate_checkers::history::History;
use quorate_checkers::operation::Status;

/// The figures of one kind of fault.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FaultRecord {
    /// The name of the fault.
    pub fault: String,
    /// How often it struck.
    pub strikes: u32,
    /// The longest time in which nothing succeeded, in milliseconds, while it was in force.
    pub longest_gap_ms: f64,
    /// From each healing to the return of the first success that was called after it, in milliseconds. A healing
    /// after which nothing succeeded has no entry here.
    pub progress_ms: Vec<f64>,
    /// From the last healing of each round that it was part of to the moment when all nodes that could be were ready, in
    /// milliseconds. A round without a recovery has no entry here.
    pub ready_ms: Vec<f64>,
    /// From its healing to the moment when a node that had lost something held everything again, in milliseconds, for each
    /// strike after which one had.
    #[serde(default)]
    pub whole_ms: Vec<f64>,
    /// How often something did not happen as it should.
    pub troubles: u32,
}

/// The figures of each fault of a segment, in the order of their names.
pub fn of_faults(history: &History, events: &[EventRecord]) -> Vec<FaultRecord> {
    let mut by_fault: BTreeMap<&str, Vec<(&EventRecord, u64)>> = BTreeMap::new();
    let mut last_heal = 0;
    for event in events {
        if event.kind == EventKind::Heal {
            last_heal = event.at;
        }
        by_fault.entry(&event.fault).or_default().push((event, last_heal));
    }
    let successes = Successes::of(history);
    by_fault.into_iter().map(|(fault, events)| of_fault(fault, &events, &successes)).collect()
}

/// The figures of one fault, of its events, each with the last healing of any fault before it.
fn of_fault(fault: &str, events: &[(&EventRecord, u64)], successes: &Successes) -> FaultRecord {
    let mut record = FaultRecord { fault: fault.to_owned(), ..FaultRecord::default() };
    let (mut since, mut is_healed, mut healed) = (None, false, None);
    for (event, last_heal) in events {
        match event.kind {
            EventKind::Strike => {
                record.strikes += 1;
                since = since.or(Some(event.at));
            }
            EventKind::Heal => {
                is_healed = true;
                healed = Some(event.at);
                record
                    .progress_ms
                    .extend(successes.first_called_after(event.at).map(|ret| milliseconds(ret - event.at)));
            }
            EventKind::Recovered => {
                // Of several faults in a round no node can be expected to be ready before the last is healed.
                if std::mem::take(&mut is_healed) {
                    record.ready_ms.push(milliseconds(event.at.saturating_sub(*last_heal)));
                }
                if let Some(since) = since.take() {
                    record.longest_gap_ms = record.longest_gap_ms.max(successes.longest_gap(since, event.at));
                }
            }
            EventKind::Whole => record.whole_ms.extend(healed.map(|healed| milliseconds(event.at - healed))),
            EventKind::Trouble => record.troubles += 1,
        }
    }
    if let Some(since) = since {
        record.longest_gap_ms = record.longest_gap_ms.max(successes.longest_gap(since, u64::MAX));
    }
    record
}

/// The calls and returns of what succeeded.
struct Successes {
    /// In order.
    returns: Vec<u64>,
    /// In the order of the calls; beside each the earliest return of it and all later ones.
    calls: Vec<(u64, u64)>,
}

impl Successes {
    fn of(history: &History) -> Successes {
        let is_success = |status: Status| matches!(status, Status::Ok | Status::Mismatch);
        let mut calls: Vec<(u64, u64)> = history
            .operations
            .iter()
            .filter(|operation| is_success(operation.status))
            .filter_map(|operation| operation.ret.map(|ret| (operation.call, ret)))
            .collect();
        let mut returns: Vec<u64> = calls.iter().map(|(_, ret)| *ret).collect();
        returns.sort_unstable();
        calls.sort_unstable();
        let mut earliest = u64::MAX;
        for (_, ret) in calls.iter_mut().rev() {
            earliest = earliest.min(*ret);
            *ret = earliest;
        }
        Successes { returns, calls }
    }

    fn first_called_after(&self, moment: u64) -> Option<u64> {
        let at = self.calls.partition_point(|(call, _)| *call < moment);
        self.calls.get(at).map(|(_, ret)| *ret)
    }

    /// The longest time between two successes that touches this stretch, in milliseconds. Where the history begins or
    /// ends is no success, and is no gap.
    fn longest_gap(&self, from: u64, to: u64) -> f64 {
        let first = self.returns.partition_point(|ret| *ret <= from).saturating_sub(1);
        let after = self.returns.partition_point(|ret| *ret < to);
        let touching = &self.returns[first..(after + 1).min(self.returns.len()).max(first)];
        touching.windows(2).map(|pair| milliseconds(pair[1] - pair[0])).fold(0.0, f64::max)
    }
}

fn milliseconds(nanoseconds: u64) -> f64 {
    nanoseconds as f64 / 1e6
}

#[cfg(test)]
mod tests {
    use super::*;
    use quorate_checkers::operation::{Kind, Operation};

    const SECOND: u64 = 1_000_000_000;

    fn history(returns: &[u64]) -> History {
        let operation = |ret: &u64| {
            Operation::new(1, "k", Kind::Delete, ret * SECOND - SECOND / 2, Some(ret * SECOND), Status::Ok)
        };
        History { operations: returns.iter().map(operation).collect() }
    }

    fn event(at: u64, kind: EventKind, fault: &str) -> EventRecord {
        EventRecord {
            at: at * SECOND,
            kind,
            fault: fault.into(),
            nodes: Vec::new(),
            majority: Vec::new(),
            what: String::new(),
        }
    }

    #[test]
    fn gaps_are_charged_to_the_faults_in_force() {
        use EventKind::{Heal, Recovered, Strike};
        let history = history(&[1, 2, 3, 9, 10, 11, 30, 31]);
        let events = [
            event(4, Strike, "kill"),
            event(7, Heal, "kill"),
            event(10, Recovered, "kill"),
            event(10, Strike, "loss"),
            event(10, Heal, "loss"),
            event(11, Recovered, "loss"),
        ];
        let found = of_faults(&history, &events);
        let kill = FaultRecord {
            fault: "kill".into(),
            strikes: 1,
            longest_gap_ms: 6_000.0,
            progress_ms: vec![2_000.0],
            ready_ms: vec![3_000.0],
            whole_ms: Vec::new(),
            troubles: 0,
        };
        assert_eq!(found[0], kill);
        assert_eq!((found[1].fault.as_str(), found[1].longest_gap_ms), ("loss", 1_000.0));
    }

    #[test]
    fn readiness_counts_from_the_last_healing_of_a_round() {
        use EventKind::{Heal, Recovered, Strike};
        let events = [
            event(4, Strike, "kill"),
            event(5, Strike, "loss"),
            event(7, Heal, "kill"),
            event(10, Heal, "loss"),
            event(11, Recovered, "kill"),
            event(11, Recovered, "loss"),
        ];
        let found = of_faults(&history(&[1, 2, 12]), &events);
        assert_eq!(found[0].ready_ms, [1_000.0]);
        assert_eq!(found[1].ready_ms, [1_000.0]);
    }

    #[test]
    fn wholeness_counts_from_the_healing_of_the_fault_that_took_something() {
        use EventKind::{Heal, Recovered, Strike, Whole};
        let events = [
            event(3, Strike, "cut"),
            event(4, Strike, "loss"),
            event(5, Heal, "cut"),
            event(7, Heal, "loss"),
            event(8, Recovered, "cut"),
            event(8, Recovered, "loss"),
            event(14, Whole, "cut"),
        ];
        let found = of_faults(&history(&[1, 2, 12]), &events);
        assert_eq!((found[0].whole_ms.as_slice(), found[1].whole_ms.as_slice()), (&[9_000.0][..], &[][..]));
    }

    #[test]
    fn a_fault_that_never_recovered_is_charged_until_the_end() {
        let history = history(&[1, 2, 30]);
        let found =
            of_faults(&history, &[event(2, EventKind::Strike, "kill"), event(3, EventKind::Trouble, "kill")]);
        assert_eq!((found[0].longest_gap_ms, found[0].troubles), (28_000.0, 1));
        let of_nothing = of_faults(&History::default(), &[event(2, EventKind::Strike, "kill")]);
        assert!(of_nothing[0].longest_gap_ms <= 0.0);
    }
}
