//! Converges: after everything is healed, hints reach their owners, operations succeed, and replicas become equal.
//!
//! Owners are compared as the hints alone have left them, where enough hints were kept for that; after a sync, before any
//! client has read anything; and after they were read at all owners.

use super::{Evidence, Findings, is_as_late};
use crate::brief;
use crate::heal::Holdings;
use crate::history::{Attempt, AttemptId, Hinted, Outcome, Spot};
use crate::sync::Proven;
use quorate_model::{Body, Held, NodeId, Record, Version};

/// Bytes of the request and the answer that prove a shard equal at one other owner.
const PROOF_BYTES_MAX: usize = 64;

pub(super) fn judge(evidence: &Evidence<'_>, findings: &mut Findings) {
    for (spot, what) in &evidence.ending.stuck {
        findings.broken(*spot, what.clone());
    }
    if evidence.ending.at_end.is_empty() {
        return;
    }
    hints_arrived(evidence, findings);
    hints_were_left(evidence, findings);
    reads_left_hints(evidence, findings);
    overtaken_hints_brought_owners_together(evidence, findings);
    hints_alone_made_owners_agree(evidence, findings);
    sync_alone_made_owners_equal(evidence, findings);
    replicas_agree(&evidence.ending.at_end, evidence, findings);
}

/// Whether a hint may be forgotten, or may have been in vain: where unsynced writes may be lost, and where the disk of
/// its keeper or its owner has failed or lied.
fn is_excused(evidence: &Evidence<'_>, hint: &Hinted) -> bool {
    let is_out = |node| evidence.ending.doubtful.contains(node) || evidence.history.has_lost(*node);
    evidence.is_dropped(hint.spot)
        || evidence.may_forget(hint.spot)
        || is_out(&hint.keeper)
        || is_out(&hint.owner)
}

/// What an owner held when hints were delivered. A floor stands for what it refuses.
fn held(evidence: &Evidence<'_>, spot: Spot, owner: NodeId) -> Option<Held> {
    let record = evidence.ending.after_hints.get(&(spot, owner))?.as_ref();
    let floors = evidence.ending.floors_after_hints.get(&(spot, owner)).copied().unwrap_or_default();
    let floor = floors.highest().map(|version| Held { version, expired: true });
    record.map(Record::held).max(floor)
}

/// Every hint that was kept reached its owner, before any read could have repaired it.
fn hints_arrived(evidence: &Evidence<'_>, findings: &mut Findings) {
    let ending = evidence.ending;
    for hint in &evidence.history.hints[..ending.hints] {
        let is_owner = ending.owners[&hint.spot].contains(&hint.owner);
        if is_owner && !is_excused(evidence, hint) && held(evidence, hint.spot, hint.owner) < Some(hint.held)
        {
            let what =
                format!("{} kept a hint for {} that never came: {:?}", hint.keeper, hint.owner, hint.held);
            findings.broken(hint.spot, what);
        }
    }
}

/// Every write that ended in peace is at each owner, or a hint for that owner was asked for. The one exception: a
/// coordinator whose own replica failed, and which knows of no other owner that took the record, has no owner to keep
/// the hint; then the write was not acknowledged either.
fn hints_were_left(evidence: &Evidence<'_>, findings: &mut Findings) {
    if evidence.setting.moves > 0 {
        // An owner at the end may be none that lacked it then.
        return;
    }
    for (id, attempt, version) in stored(evidence) {
        let is_judged = !evidence.may_forget(attempt.spot) && ended_at_peace(attempt);
        if is_judged {
            let is_acknowledged = matches!(attempt.outcome, Outcome::Stored(_));
            for owner in &evidence.ending.owners[&attempt.spot] {
                if evidence.history.has_lost(*owner) {
                    continue;
                }
                let Some(record) = evidence.ending.after_hints.get(&(attempt.spot, *owner)) else { continue };
                let has_no_keeper = *owner == attempt.coordinator && !is_acknowledged;
                let is_there = is_as_late(record.as_ref(), version)
                    || held(evidence, attempt.spot, *owner) >= Some(Held::live(version));
                if !is_there && !has_no_keeper && !evidence.history.hinted.contains(&(id, *owner)) {
                    findings.broken(
                        attempt.spot,
                        format!("{version} is missing at {owner}, and no hint was left"),
                    );
                }
            }
        }
    }
}

/// What a read made final before it answered (that a value has expired, or a record that few owners had) is at each
/// owner, or a hint for that owner was asked for: no other node knows that this owner lacks it.
fn reads_left_hints(evidence: &Evidence<'_>, findings: &mut Findings) {
    if evidence.setting.moves > 0 {
        return;
    }
    for (spot, id, sent) in &evidence.history.wrote_first {
        let attempt = &evidence.history.attempts[id.0];
        let Outcome::Got(answer) = &attempt.outcome else { continue };
        let is_answered = answer.record.as_ref().map(Record::held) == Some(*sent);
        if attempt.closing || attempt.lived.is_none() || !is_answered || evidence.may_forget(*spot) {
            continue;
        }
        for owner in &evidence.ending.owners[spot] {
            let is_out = evidence.history.has_lost(*owner) || evidence.ending.doubtful.contains(owner);
            let was_asked = evidence.history.hinted.contains(&(*id, *owner));
            if !is_out && !was_asked && held(evidence, *spot, *owner) < Some(*sent) {
                let what = format!("op {} made {sent:?} final, {owner} lacks it, and no hint was left", id.0);
                findings.broken(*spot, what);
            }
        }
    }
}

/// Versions that some owner acknowledged to hold, before the second phase made its own, with who made them.
fn stored<'a>(evidence: &'a Evidence<'_>) -> impl Iterator<Item = (AttemptId, &'a Attempt, Version)> {
    evidence.history.writes().filter(|(_, attempt, _)| !attempt.closing).flat_map(|(id, attempt, _)| {
        let is_stored = |version: &&Version| evidence.history.stored.contains(&(attempt.spot, **version));
        attempt.made.iter().filter(is_stored).map(move |version| (id, attempt, *version))
    })
}

/// Whether a write ended with its coordinator alive and aware of the version that it had got.
fn ended_at_peace(attempt: &Attempt) -> bool {
    attempt.lived.is_some() && (attempt.sent || matches!(attempt.outcome, Outcome::Stored(_)))
}

/// An owner held something later than the hint that it was brought. Perhaps no other owner knew, so the hint was all that
/// told that owners differ: it may not go before all of them hold what the owner held.
fn overtaken_hints_brought_owners_together(evidence: &Evidence<'_>, findings: &mut Findings) {
    let ending = evidence.ending;
    for hint in &evidence.history.overtaken[..ending.overtaken] {
        let owners = &ending.owners[&hint.spot];
        let is_one_out =
            |owner: &NodeId| ending.doubtful.contains(owner) || evidence.history.has_lost(*owner);
        // The hint itself became what its owner holds: then the operation that made that settles it, and leaves hints
        // for all.
        let has_grown = |kept: &Hinted| {
            (kept.keeper, kept.owner, kept.spot) == (hint.keeper, hint.owner, hint.spot)
                && kept.held >= hint.held
        };
        let is_told = evidence.history.hints.iter().any(has_grown);
        if is_told || is_excused(evidence, hint) || owners.iter().any(is_one_out) {
            continue;
        }
        for owner in owners.iter().filter(|owner| held(evidence, hint.spot, **owner) < Some(hint.held)) {
            let what = format!(
                "a hint of {} for {} met {:?}, and was erased before {owner} had that",
                hint.keeper, hint.owner, hint.held
            );
            findings.broken(hint.spot, what);
        }
    }
}

/// Where every write that was stored anywhere ended at peace, and every hint that it asked for was kept, all owners
/// hold the same version before any read. (That a version is expired is for readers to find, who leave hints of
/// their own: see above.)
fn hints_alone_made_owners_agree(evidence: &Evidence<'_>, findings: &mut Findings) {
    let ending = evidence.ending;
    if !ending.doubtful.is_empty() || !evidence.history.liars.is_empty() || !evidence.history.lost.is_empty()
    {
        return;
    }
    if evidence.setting.moves > 0 {
        // No hint was asked for an owner that was none then.
        return;
    }
    for (spot, owners) in &ending.owners {
        let mut stored = stored(evidence).filter(|(_, attempt, _)| attempt.spot == *spot);
        let is_whole = stored.all(|(id, attempt, _)| {
            let owes_no_hint = |owner: &NodeId| {
                let asked = evidence.history.hinted.contains(&(id, *owner));
                asked <= evidence.history.kept.contains(&(id, *owner))
            };
            ended_at_peace(attempt) && owners.iter().all(owes_no_hint) && !keeps_none(attempt, owners)
        });
        if !is_whole || evidence.may_forget(*spot) || evidence.setting.purges {
            continue;
        }
        let versions: Vec<Option<Version>> =
            owners.iter().map(|owner| held(evidence, *spot, *owner).map(|held| held.version)).collect();
        if versions.windows(2).any(|pair| pair[0] != pair[1]) {
            findings.broken(*spot, format!("hints alone leave {owners:?} with {versions:?}"));
        }
    }
}

/// Whether a write may have found no owner to keep the hint for its own coordinator.
fn keeps_none(attempt: &Attempt, owners: &[NodeId]) -> bool {
    owners.contains(&attempt.coordinator) && !matches!(attempt.outcome, Outcome::Stored(_))
}

/// A sync makes owners equal without any read: versions, flags and operation ids. What is equal costs next to nothing.
fn sync_alone_made_owners_equal(evidence: &Evidence<'_>, findings: &mut Findings) {
    let Some(holdings) = &evidence.ending.after_sync else { return };
    replicas_agree(holdings, evidence, findings);
    let Proven { all, pairs, bytes } = evidence.ending.proven;
    if !all {
        findings.broken(None, "owners are not proven equal although all is healed".to_owned());
    } else if bytes > pairs * PROOF_BYTES_MAX {
        findings.broken(None, format!("{bytes} bytes prove that {pairs} pairs of shards are equal"));
    }
}

fn replicas_agree(holdings: &Holdings, evidence: &Evidence<'_>, findings: &mut Findings) {
    // What a replica remembers of operations is part of what it holds: a retry may ask any quorum.
    let content = |spot: Spot, record: &Option<Record>| {
        // A removal that one of them has sealed and dropped is one to all.
        let floors = evidence.ending.floors.iter().filter(|((of, _), _)| *of == spot);
        let sealed = floors.filter_map(|(_, floors)| floors.sealed).max();
        let is_gone = |record: &&Record| {
            let is_removal = matches!(record.body, Body::Tombstone | Body::Expired);
            !(is_removal && sealed >= Some(record.version))
        };
        record
            .as_ref()
            .filter(is_gone)
            .map(|record| (record.held(), record.digest(), brief::operations(&record.operations)))
    };
    for (spot, owners) in &evidence.ending.owners {
        let mut held =
            owners.iter().filter_map(|owner| Some((owner, content(*spot, holdings.get(&(*spot, *owner))?))));
        let Some((by, expected)) = held.next() else { continue };
        for (owner, found) in held.filter(|(_, found)| *found != expected) {
            findings.broken(*spot, format!("{by} holds {expected:?}, {owner} holds {found:?}"));
        }
    }
}
