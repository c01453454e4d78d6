//! From a history without an order to the few operations that show it.
//!
//! Not every part of a history may be left out: without a write, those who read its value would seem to have seen
//! what was never written. So a part is *fair* if whatever makes a state that an operation in it saw is in it too. A fair
//! part without an order proves that the whole has none (an order of the whole, cut down to the part, would be an
//! order of the part); the search for a small one goes in two steps:
//!
//! 1. The shortest beginning: cut at each possible return, everything after it is left out, and what has not returned
//!    by then counts as unknown. Found by halving, since a longer beginning never gets an order back.
//! 2. Leave out operations, first in large pieces, then one by one, as long as the rest is fair and has no order.
//!    Operations of one value go together.

use std::collections::BTreeSet;

use super::search::{Answer, Limits, answer_key};
use crate::operation::{Kind, Operation, Status};

/// The few operations that have no order, in the order of their calls. The operations given must have none.
pub(super) fn minimize(operations: &[Operation], limits: Limits) -> Vec<Operation> {
    let mut whole = shortest_beginning(operations, limits);
    whole.sort_by(|left, right| (value_of(left), left.call).cmp(&(value_of(right), right.call)));
    let mut kept = vec![true; whole.len()];
    let mut piece = whole.len().div_ceil(2);
    while piece > 0 {
        let before = count(&kept);
        leave_out_pieces(&whole, &mut kept, piece, limits);
        // At single operations, again until nothing goes any more: what was not fair before may be now.
        piece = if piece == 1 && count(&kept) < before { 1 } else { piece / 2 };
    }
    let mut part = select(&whole, &kept);
    part.sort_by_key(|operation| (operation.call, operation.client));
    part
}

/// Leaves out every piece of this many operations without which the rest is fair and still has no order.
fn leave_out_pieces(whole: &[Operation], kept: &mut Vec<bool>, piece: usize, limits: Limits) {
    let candidates: Vec<usize> = (0..whole.len()).filter(|index| kept[*index]).collect();
    for pieces in candidates.chunks(piece) {
        let mut fewer = kept.clone();
        for index in pieces {
            fewer[*index] = false;
        }
        if is_fair(whole, &fewer) && answer_key(&select(whole, &fewer), limits) == Answer::No {
            *kept = fewer;
        }
    }
}

fn count(kept: &[bool]) -> usize {
    kept.iter().filter(|kept| **kept).count()
}

fn select(whole: &[Operation], kept: &[bool]) -> Vec<Operation> {
    whole.iter().zip(kept).filter(|(_, kept)| **kept).map(|(operation, _)| operation.clone()).collect()
}

/// What had been called by the first return after which there is no order, without what only looked and had not
/// returned by then. The statuses are the given ones, which can only make it harder to find an order.
fn shortest_beginning(operations: &[Operation], limits: Limits) -> Vec<Operation> {
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

/// Whether what is kept misses nothing that was left out: no operation in it saw, or expected, what that made, and none
/// found a mismatch, which may be due to anything.
///
/// Values are taken strictly, so that what is shown always tells where a value came from. An absence may be due to
/// many deletes, most of them long ago; those that cannot be its reason are not missed.
fn is_fair(whole: &[Operation], kept: &[bool]) -> bool {
    let (rest, left_out): (Vec<_>, Vec<_>) = whole.iter().zip(kept).partition(|(_, kept)| **kept);
    let rest: Vec<&Operation> = rest.into_iter().map(|(operation, _)| operation).collect();
    let makers: Vec<&Operation> =
        left_out.into_iter().map(|(operation, _)| operation).filter(|one| may_have_made(one)).collect();
    let values: BTreeSet<&str> = makers.iter().filter_map(|maker| value_of(maker)).collect();
    let deletes: Vec<&Operation> = makers.iter().copied().filter(|one| value_of(one).is_none()).collect();
    let misses = |looker: &Operation, looked_for: Option<&str>| match looked_for {
        Some(value) => values.contains(value),
        None => deletes.iter().any(|delete| may_be_reason(delete, looker, &rest)),
    };
    makers.is_empty()
        || rest.iter().all(|operation| match &operation.kind {
            Kind::Read { value } => !misses(operation, value.as_deref()),
            Kind::Cas { expect, .. } => {
                operation.status != Status::Mismatch && !misses(operation, expect.as_deref())
            }
            Kind::Write { .. } | Kind::Delete => true,
        })
}

/// Whether an absence may be due to this delete: not if the looker returned before it, and not if it surely had
/// taken effect before some write, and that one before the looker.
fn may_be_reason(delete: &Operation, looker: &Operation, rest: &[&Operation]) -> bool {
    let is_overwritten = || {
        rest.iter().any(|write| {
            matches!(write.kind, Kind::Write { .. })
                && write.status == Status::Ok
                && delete.precedes(write)
                && write.precedes(looker)
        })
    };
    let is_done_with = looker.precedes(delete) || (delete.status == Status::Ok && is_overwritten());
    !is_done_with
}
