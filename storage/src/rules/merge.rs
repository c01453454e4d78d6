//! Merging: what a replica holds after a record came.

use quorate_model::{Mutant, Record, Rules, Stamps, Version, WallTime, record};

/// The greater version wins whole, the expired flag above the version that it flags, and the operation ids of both
/// stay, for the last 16 clients.
///
/// Rule 2. What to hold after `incoming` met what is held.
#[inline]
pub fn merge(rules: Rules, current: Option<Record>, incoming: Record) -> Record {
    let Some(current) = current else { return incoming };
    let is_same = current.version == incoming.version;
    if rules.broken(Mutant::LastArrivalWins) || (is_same && rules.broken(Mutant::ExpiredFlagUndone)) {
        let operations = current.operations.merge(&incoming.operations);
        return Record { operations, ..incoming };
    }
    if rules.broken(Mutant::IdsLostWithLosingRecord) {
        return if incoming.held() > current.held() { incoming } else { current };
    }
    #[cfg(feature = "mutants")]
    if rules.broken(Mutant::NodeBeforeSeq) {
        let operations = current.operations.merge(&incoming.operations);
        let wins = incoming.held().by_node_first() > current.held().by_node_first();
        let winner = if wins { incoming } else { current };
        return Record { operations, ..winner };
    }
    #[cfg(feature = "mutants")]
    if rules.broken(Mutant::ClientsForgottenEarly) {
        let merged = record::merge(current, incoming);
        let operations = merged.operations.latest(FORGETFUL_CLIENTS_MAX);
        return Record { operations, ..merged };
    }
    record::merge(current, incoming)
}

/// How many clients a key remembers where [`Mutant::ClientsForgottenEarly`] holds.
#[cfg(feature = "mutants")]
const FORGETFUL_CLIENTS_MAX: usize = 4;

/// What another owner held is merged by version as any record is, also where it comes long after it was written.
///
/// Rule 18. What to hold after `incoming` met what is held.
#[inline]
pub fn merge_vouched(rules: Rules, current: Option<Record>, incoming: Record) -> Record {
    match current {
        Some(current) if rules.broken(Mutant::SyncLastArrival) => {
            let operations = current.operations.merge(&incoming.operations);
            Record { operations, ..incoming }
        }
        current => merge(rules, current, incoming),
    }
}

/// A replica changes nothing of a record that it is sent: its expiry was set once, by the coordinator.
///
/// Rule 10. What is kept of a record.
#[inline]
pub fn kept(rules: Rules, record: &Record, stamps: &mut Stamps) -> Record {
    let mut record = record.clone();
    if rules.broken(Mutant::ExpiryPerReplica) {
        // By a few milliseconds another than at other nodes, and the same each time.
        let own = stamps.draw().node().0 % 16;
        record.expires_at = record.expires_at.map(|at| WallTime(at.0 / 16 * 16 + own));
    }
    record
}

/// The owner that assigns a version at `one` gives one above what it holds.
///
/// Rule 11. What the version must be above.
#[inline]
pub fn assigned_above(rules: Rules, current: Option<&Record>) -> Option<Version> {
    current.filter(|_| !rules.broken(Mutant::AssignedWithoutLooking)).map(|record| record.version)
}
