//! Converges: after everything is healed, hints reach their owners, operations succeed, and replicas become equal.

use super::{Evidence, Findings};
use crate::brief;
use crate::history::{Outcome, Spot};
use quorate_model::{Held, NodeId, Record};

pub(super) fn judge(evidence: &Evidence<'_>, findings: &mut Findings) {
    for (spot, what) in &evidence.ending.stuck {
        findings.broken(*spot, what.clone());
    }
    if evidence.ending.at_end.is_empty() {
        return;
    }
    hints_arrived(evidence, findings);
    hints_were_left(evidence, findings);
    replicas_agree(evidence, findings);
}

fn held(evidence: &Evidence<'_>, spot: Spot, owner: NodeId) -> Option<Held> {
    evidence.ending.after_hints.get(&(spot, owner))?.as_ref().map(Record::held)
}

/// Every hint that was kept reached its owner, before any read could have repaired it.
fn hints_arrived(evidence: &Evidence<'_>, findings: &mut Findings) {
    let ending = evidence.ending;
    for hint in &evidence.history.hints[..ending.hints] {
        let forgotten = evidence.may_forget(hint.spot);
        let is_out =
            forgotten || ending.doubtful.contains(&hint.keeper) || ending.doubtful.contains(&hint.owner);
        let purged = ending
            .after_hints
            .get(&(hint.spot, hint.owner))
            .is_some_and(|record| evidence.is_as_late(hint.spot, record.as_ref(), hint.held.version));
        if !is_out && !purged && held(evidence, hint.spot, hint.owner) < Some(hint.held) {
            let what =
                format!("{} kept a hint for {} that never came: {:?}", hint.keeper, hint.owner, hint.held);
            findings.broken(hint.spot, what);
        }
    }
}

/// Every write that ended in peace is at each owner, or a hint for that owner was asked for. The one exception: a
/// coordinator whose own replica failed, and which knows of no other owner that took the record, has nobody to keep
/// the hint; then the write was not acknowledged either.
fn hints_were_left(evidence: &Evidence<'_>, findings: &mut Findings) {
    for (id, attempt, _) in evidence.history.writes() {
        let forgotten = evidence.may_forget(attempt.spot);
        let is_acknowledged = matches!(attempt.outcome, Outcome::Stored(_));
        let knew_it = attempt.spread || is_acknowledged;
        let at_peace = !forgotten && attempt.lived.is_some() && knew_it && !attempt.closing;
        for version in attempt.made.iter().filter(|_| at_peace) {
            if !evidence.history.stored.contains(&(attempt.spot, *version)) {
                continue;
            }
            for owner in &evidence.ending.owners[&attempt.spot] {
                let Some(record) = evidence.ending.after_hints.get(&(attempt.spot, *owner)) else { continue };
                let nobody_keeps = *owner == attempt.coordinator && !is_acknowledged;
                let is_there = evidence.is_as_late(attempt.spot, record.as_ref(), *version);
                if !is_there && !nobody_keeps && !evidence.history.hinted.contains(&(id, *owner)) {
                    findings.broken(
                        attempt.spot,
                        format!("{version} is missing at {owner}, and no hint was left"),
                    );
                }
            }
        }
    }
}

fn replicas_agree(evidence: &Evidence<'_>, findings: &mut Findings) {
    // What a replica remembers of operations is part of what it holds: a retry may ask any quorum.
    let content = |record: &Option<Record>| {
        record.as_ref().map(|record| (record.held(), record.digest(), brief::operations(&record.operations)))
    };
    for (spot, owners) in &evidence.ending.owners {
        let mut held = owners
            .iter()
            .filter_map(|owner| Some((owner, content(evidence.ending.at_end.get(&(*spot, *owner))?))));
        let Some((by, expected)) = held.next() else { continue };
        for (owner, found) in held.filter(|(_, found)| *found != expected) {
            findings.broken(*spot, format!("{by} holds {expected:?}, {owner} holds {found:?}"));
        }
    }
}
