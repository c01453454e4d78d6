//! Sync: what owners bring each other without being asked by a client.

use quorate_model::{Mutant, NodeId, Operations, Record, Rules, record};

/// What a sync brings is the whole record, with its operation ids: a record that is there without them is not the same.
///
/// Rule 18. The record as it is sent on.
#[inline]
pub fn brought(rules: Rules, record: Record) -> Record {
    if rules.broken(Mutant::SyncWithoutIds) {
        return Record { operations: Operations::default(), ..record };
    }
    record
}

/// Of two owners' records of one key each takes the other's, unless that would change nothing of its own.
///
/// Rule 18. Whether an owner that holds `held` takes `other`.
#[inline]
pub fn takes(held: &Record, other: &Record) -> bool {
    record::merge(held.clone(), other.clone()) != *held
}

/// The first owner in ring order that can be asked runs the sync of a shard.
///
/// Rule 18.
#[inline]
pub fn runs(
    owners: impl Iterator<Item = NodeId>,
    local: NodeId,
    can_be_asked: impl Fn(&NodeId) -> bool,
) -> bool {
    let mut up = owners.filter(|node| can_be_asked(node));
    up.next() == Some(local)
}
