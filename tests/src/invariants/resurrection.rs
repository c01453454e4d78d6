//! No resurrection: a value that was deleted, or seen expired at a quorum, never comes back unless it is rewritten.
//!
//! Judged by values as well as versions: however it is done, the text of a removed value must not be seen again by
//! a read that must meet the removal, or be there at the end.

use super::{Evidence, Findings};
use crate::history::{Asked, Attempt, Moment, Spot, seen};
use quorate_model::{Body, Version};

/// Something that was certainly removed.
struct Removal {
    spot: Spot,
    version: Version,
    known_at: Moment,
    holders: u8,
}

pub(super) fn judge(evidence: &Evidence<'_>, findings: &mut Findings) {
    for removal in removals(evidence).into_iter().filter(|removal| !evidence.may_forget(removal.spot)) {
        for (read, answer) in evidence.history.answered() {
            let n = evidence.copies(evidence.table(removal.spot).n, answer.n);
            let holders = evidence.history.surely(removal.holders, evidence.counts(removal.spot));
            let must_meet = read.spot == removal.spot
                && removal.known_at < read.call
                && evidence.must_meet(answer.required, holders, n);
            let Some(record) = answer.record.as_ref().filter(|_| must_meet) else { continue };
            if seen(Some(record)).is_some() && record.version <= removal.version {
                let what = format!("{} was removed, and then {} was read", removal.version, record.version);
                findings.broken(removal.spot, what);
            }
        }
        for ((spot, owner), record) in &evidence.ending.at_end {
            let back = record.as_ref().filter(|record| seen(Some(record)).is_some());
            if *spot == removal.spot && back.is_some_and(|record| record.version <= removal.version) {
                findings.broken(*spot, format!("{} was removed, and {owner} has a value", removal.version));
            }
        }
    }
}

fn removals(evidence: &Evidence<'_>) -> Vec<Removal> {
    let mut removals = Vec::new();
    for (attempt, write, answer) in evidence.history.acknowledged() {
        let quorum = evidence.quorum_of(attempt.spot, answer.n);
        if write.value.is_none() && answer.required >= quorum {
            removals.extend(removal(attempt, answer.version, answer.required));
        }
    }
    for (attempt, answer) in evidence.history.answered() {
        let quorum = evidence.quorum_of(attempt.spot, answer.n);
        let Some(record) = answer.record.as_ref().filter(|_| answer.required >= quorum) else { continue };
        let is_read = matches!(attempt.asked, Asked::Read { .. });
        if is_read && matches!(record.body, Body::Tombstone | Body::Expired) {
            removals.extend(removal(attempt, record.version, quorum));
        }
    }
    removals
}

fn removal(attempt: &Attempt, version: Version, holders: u8) -> Option<Removal> {
    let known_at = attempt.ret?;
    Some(Removal { spot: attempt.spot, version, known_at, holders })
}
