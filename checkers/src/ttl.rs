//! Values that expire, judged exactly: each may become nothing once, at any time after its write was called.
//!
//! *When* a value expires depends on clocks, *that* it stays expired does not. So for the search for an order (see
//! [`crate::linearizable`]) each write with a time to live brings along another operation of unknown outcome: if the
//! value is there, it is replaced by nothing. That is a compare-and-set, and the search knows no other removal on a
//! condition; so "nothing" becomes a value of its own, which is there from the beginning, which deletes write and
//! which reads see.
//!
//! How far values strayed from their time is measured. It is no promise: a run may set clocks wrong on purpose.

use std::collections::BTreeMap;

use crate::history::History;
use crate::judgement::Measure;
use crate::linearizable::{self, Limits, Verdict};
use crate::operation::{ClientId, Kind, Operation, Status};

/// How "nothing" is called during the search.
const NOTHING: &str = "(nothing)";

/// Judges the order of a history of unique values, of which some have a time to live.
pub fn check(history: &History, limits: Limits) -> linearizable::Report {
    let mut by_key: BTreeMap<&str, Vec<Operation>> = BTreeMap::new();
    for operation in &history.operations {
        let of_key = by_key.entry(&operation.key).or_insert_with(|| vec![beginning(&operation.key)]);
        of_key.push(with_nothing_as_a_value(operation));
        of_key.extend(expiry(operation));
    }
    let by_key = by_key.into_iter().map(|(key, operations)| (key.to_owned(), operations));
    let mut keys = linearizable::check_keys(by_key, limits);
    for verdict in keys.values_mut() {
        if let Verdict::Violation { operations } = verdict {
            *operations = std::mem::take(operations).into_iter().filter_map(as_it_was).collect();
        }
    }
    linearizable::Report { operations: history.operations.len(), keys }
}

/// Before everything, nothing is there.
fn beginning(key: &str) -> Operation {
    Operation::new(0, key, Kind::Write { value: NOTHING.to_owned() }, 0, Some(0), Status::Ok)
}

/// What may make an end of the value, if it has a time to live.
fn expiry(operation: &Operation) -> Option<Operation> {
    let Kind::Write { value } = &operation.kind else { return None };
    operation.detail.ttl_ms?;
    let may_be_there = matches!(operation.status, Status::Ok | Status::Unknown);
    let kind = Kind::Cas { expect: Some(value.clone()), value: NOTHING.to_owned() };
    may_be_there.then(|| Operation::new(0, &operation.key, kind, operation.call, None, Status::Unknown))
}

fn with_nothing_as_a_value(operation: &Operation) -> Operation {
    let kind = match &operation.kind {
        Kind::Read { value: None } => Kind::Read { value: Some(NOTHING.to_owned()) },
        Kind::Delete => Kind::Write { value: NOTHING.to_owned() },
        kind @ (Kind::Read { value: Some(_) } | Kind::Write { .. } | Kind::Cas { .. }) => kind.clone(),
    };
    // Nothing is called before the beginning is over.
    Operation {
        kind,
        call: operation.call.max(1),
        ret: operation.ret.map(|ret| ret.max(1)),
        ..operation.clone()
    }
}

/// The operation as a client did it; `None` if it was made up here.
fn as_it_was(operation: Operation) -> Option<Operation> {
    let kind = match operation.kind {
        Kind::Read { value: Some(value) } if value == NOTHING => Kind::Read { value: None },
        Kind::Write { value } if value == NOTHING && operation.client == ClientId(0) => return None,
        Kind::Write { value } if value == NOTHING => Kind::Delete,
        Kind::Cas { .. } => return None,
        kind @ (Kind::Read { .. } | Kind::Write { .. } | Kind::Delete) => kind,
    };
    Some(Operation { kind, ..operation })
}

/// When values were seen to expire.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Timing {
    /// Values that were acknowledged, and seen to be gone though no client can have deleted or overwritten them.
    pub expired: usize,
    /// The longest time, in nanoseconds, by which one of them was gone before its time was up.
    pub earliest: u64,
    /// The longest time, in nanoseconds, for which a value was seen after its time was up.
    pub latest: u64,
}

/// Measures when values expired, by the clock of the clients.
pub fn timing(history: &History) -> Timing {
    let mut timing = Timing::default();
    for operations in history.by_key(|one| one.status != Status::Fail).values() {
        for write in operations.iter().filter(|one| one.status == Status::Ok) {
            if let (Kind::Write { value }, Some(ttl), Some(ret)) =
                (&write.kind, write.detail.ttl_ms, write.ret)
            {
                measure(write, value, ttl.saturating_mul(1_000_000), ret, operations, &mut timing);
            }
        }
    }
    timing
}

fn measure(
    write: &Operation,
    value: &str,
    ttl: u64,
    acknowledged: u64,
    operations: &[&Operation],
    timing: &mut Timing,
) {
    let changes = |one: &&&Operation| match &one.kind {
        Kind::Read { .. } => false,
        Kind::Write { .. } | Kind::Delete | Kind::Cas { .. } => true,
    };
    // The first moment at which another may have made an end of it.
    let disturbed = operations
        .iter()
        .filter(changes)
        .filter(|one| one.call != write.call || one.client != write.client)
        .filter(|one| one.status != Status::Ok || one.ret.is_none_or(|ret| ret >= write.call))
        .map(|one| one.call)
        .min()
        .unwrap_or(u64::MAX);
    for read in operations.iter().filter(|one| one.status == Status::Ok) {
        match (&read.kind, read.ret) {
            (Kind::Read { value: Some(seen) }, _) if seen == value => {
                timing.latest = timing.latest.max(read.call.saturating_sub(acknowledged.saturating_add(ttl)));
            }
            (Kind::Read { value: None }, Some(ret)) if read.call > acknowledged && ret < disturbed => {
                timing.expired += 1;
                timing.earliest = timing.earliest.max((write.call + ttl).saturating_sub(ret));
                return;
            }
            (Kind::Read { .. } | Kind::Write { .. } | Kind::Delete | Kind::Cas { .. }, _) => {}
        }
    }
}

impl Timing {
    /// As figures of a report.
    pub fn measures(&self) -> Vec<Measure> {
        vec![
            Measure::count("values seen to expire", self.expired),
            Measure::time("expired before their time by at most", self.earliest),
            Measure::time("seen after their time by at most", self.latest),
        ]
    }
}

#[cfg(test)]
mod tests;
