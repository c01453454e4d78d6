//! Sync: what owners bring each other without being asked by a client.

use quorate_model::{Record, Rules, record};

/// What a sync brings is the whole record, with its operation ids: a record that is there without them is not the same.
///
/// Rule 18. The record as it is sent on.
#[inline]
pub fn brought(_: Rules, record: Record) -> Record {
    record
}

/// Of two owners' records of one key each takes the other's, unless that would change nothing of its own.
///
/// Rule 18. Whether an owner that holds `held` takes `other`.
#[inline]
pub fn takes(held: &Record, other: &Record) -> bool {
    record::merge(held.clone(), other.clone()) != *held
}
