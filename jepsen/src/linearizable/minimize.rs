//! From a history without an order to the few operations that show it.
//!
//! Not every part of a history may be left out: without a write, those who read its value would seem to have seen
//! what was never written. So a part is *fair* if whatever makes a state that somebody in it saw is in it too. A fair
//! part without an order proves that the whole has none (an order of the whole, cut down to the part, would be an
//! order of the part); the search for a small one goes in two steps:
//!
//! 1. The shortest beginning: cut at each possible return, everything after it is left out, and what has not returned
//!    by then counts as unknown. Found by halving, since a longer beginning never gets an order back.
//! 2. Leave out operations, first in large pieces, then one by one, as long as the rest is fair and has no order.
//!    Operations of one value go together.

use std::collections::BTreeSet;

use super::{Answer, Limits, answer_key};
use crate::operation::{Kind, Operation, Status};

/// The few operations that have no order, in the order of their calls. The operations given must have none.
pub(super) fn minimize(operations: &[Operation], limits: &Limits) -> Vec<Operation> {
    let mut part = shortest_beginning(operations, limits);
    part.sort_by(|left, right| (value_of(left), left.call).cmp(&(value_of(right), right.call)));
    let mut piece = part.len().div_ceil(2);
    while piece > 0 {
        let before = part.len();
        leave_out_pieces(&mut part, piece, limits);
        // At single operations, again until nothing goes any more: what was not fair before may be now.
        piece = if piece == 1 && part.len() < before { 1 } else { piece / 2 };
    }
    part.sort_by_key(|operation| (operation.call, operation.client));
    part
}

/// Leaves out every piece of this many operations without which the rest is fair and still has no order.
fn leave_out_pieces(part: &mut Vec<Operation>, piece: usize, limits: &Limits) {
    let mut start = 0;
    while start < part.len() {
        let end = (start + piece).min(part.len());
        let rest: Vec<Operation> = part[..start].iter().chain(&part[end..]).cloned().collect();
        if is_fair(&rest, &part[start..end]) && answer_key(&rest, limits) == Answer::No {
            *part = rest;
        } else {
            start = end;
        }
    }
}

/// What had been called by the first return after which there is no order, without what only looked and had not
/// returned by then. The statuses are the given ones, which can only make it harder to find an order.
fn shortest_beginning(operations: &[Operation], limits: &Limits) -> Vec<Operation> {
    let returns: BTreeSet<u64> = operations.iter().filter_map(|operation| operation.ret).collect();
    let returns: Vec<u64> = returns.into_iter().collect();
    let has_order = |end: &u64| {
        let cut: Vec<Operation> =
            called_by(operations, *end).map(|operation| cut_at(operation, *end)).collect();
        answer_key(&cut, limits) != Answer::No
    };
    match returns.get(returns.partition_point(has_order)) {
        Some(end) => called_by(operations, *end)
            .filter(|operation| says_something(&cut_at(operation, *end)))
            .cloned()
            .collect(),
        None => operations.iter().filter(|operation| says_something(operation)).cloned().collect(),
    }
}

fn called_by(operations: &[Operation], end: u64) -> impl Iterator<Item = &Operation> {
    operations.iter().filter(move |operation| operation.call <= end)
}

/// The operation as it is known at that moment: unknown, if it has not returned.
fn cut_at(operation: &Operation, end: u64) -> Operation {
    let is_under_way = operation.ret.is_none_or(|ret| ret > end);
    let status = match operation.status {
        Status::Ok | Status::Mismatch if is_under_way => Status::Unknown,
        status @ (Status::Ok | Status::Mismatch | Status::Unknown | Status::Fail) => status,
    };
    Operation { status, ..operation.clone() }
}

/// Whether it took part in the judgement at all, or, having failed, explains where a value came from.
fn says_something(operation: &Operation) -> bool {
    match (&operation.kind, operation.status) {
        (Kind::Read { .. }, Status::Fail | Status::Unknown | Status::Mismatch) => false,
        (Kind::Read { .. }, Status::Ok) | (Kind::Write { .. } | Kind::Delete | Kind::Cas { .. }, _) => true,
    }
}

/// The value by which operations belong together: what was written or seen; `None` is that there is no such key.
fn value_of(operation: &Operation) -> Option<&str> {
    match &operation.kind {
        Kind::Read { value } => value.as_deref(),
        Kind::Write { value } | Kind::Cas { value, .. } => Some(value),
        Kind::Delete => None,
    }
}

/// Whether it may have made what [`value_of`] says.
fn may_have_made(operation: &Operation) -> bool {
    match &operation.kind {
        Kind::Read { .. } => false,
        Kind::Write { .. } | Kind::Cas { .. } | Kind::Delete => true,
    }
}

/// Whether the rest misses nothing that was left out: nobody in it saw, or expected, what that made, and nobody
/// found a mismatch, which may be owed to anything.
fn is_fair(rest: &[Operation], left_out: &[Operation]) -> bool {
    let makers = left_out.iter().filter(|operation| may_have_made(operation));
    let missing: BTreeSet<Option<&str>> = makers.map(value_of).collect();
    missing.is_empty()
        || rest.iter().all(|operation| match &operation.kind {
            Kind::Read { value } => !missing.contains(&value.as_deref()),
            Kind::Cas { expect, .. } => {
                operation.status != Status::Mismatch && !missing.contains(&expect.as_deref())
            }
            Kind::Write { .. } | Kind::Delete => true,
        })
}
