//! One write has one version; an acknowledged operation id is never applied again, and gets the same answer.
//!
//! *The same* is exactly this: where other attempts at the id were of unknown outcome, or at work at the same time, each may
//! have left a version of its own. Then a repeated answer names the version of one of the attempts that had begun before
//! the first acknowledgement, and never an earlier version than an answer before it. Everything else is a broken promise.

use super::{Evidence, Findings};
use crate::history::{Attempt, AttemptId, Moment, Outcome, Write};
use quorate_coordinator::PutAnswer;
use quorate_model::{OperationId, Version};

pub(super) fn judge(evidence: &Evidence<'_>, findings: &mut Findings) {
    for (_, attempt, _) in evidence.history.writes() {
        // One that no owner ever took, and that all refused because of a floor, is nowhere.
        let is_nowhere =
            |made: &&Version| !evidence.history.stored.contains(&(attempt.spot, **made)) && attempt.below > 0;
        let earlier = attempt.made.split_last().map_or(&[][..], |(_, earlier)| earlier);
        if !earlier.iter().all(|made| is_nowhere(&made)) {
            findings.broken(attempt.spot, format!("one write under several versions: {:?}", attempt.made));
        }
    }
    if !evidence.history.liars.is_empty() {
        // With the record a disk forgets its ids, and a quorum that knows them is one owner short.
        return;
    }
    for (spot, what) in &evidence.history.unknown_ids {
        if !evidence.may_forget(*spot) {
            findings.broken(*spot, what.clone());
        }
    }
    for (id, attempt, write) in evidence.history.writes() {
        // A table that may forget records may forget their ids.
        if let Some(operation) = write.id.as_ref().filter(|_| !evidence.may_forget(attempt.spot)) {
            judge_attempt(evidence, findings, (id, attempt, write), operation);
        }
    }
}

fn judge_attempt(
    evidence: &Evidence<'_>,
    findings: &mut Findings,
    (id, attempt, write): (AttemptId, &Attempt, &Write),
    operation: &OperationId,
) {
    let same_client = |other: &OperationId| other.client == operation.client;
    let earlier = || {
        evidence.history.acknowledged().filter_map(|(other, write, answer)| {
            let other_id = write.id.as_ref().filter(|other| same_client(other))?;
            (other.spot == attempt.spot && other.precedes(attempt)).then_some((write, answer, other_id))
        })
    };
    let stored = match &attempt.outcome {
        Outcome::Stored(answer) => Some(answer),
        Outcome::Open
        | Outcome::Got(_)
        | Outcome::GetFailed(_)
        | Outcome::Walked(_)
        | Outcome::PutFailed(_)
        | Outcome::Vanished => None,
    };
    let number = id.0;
    if earlier().any(|(_, _, other)| other.sequence > operation.sequence) {
        // Where the later one may be forgotten with a removal, the earlier one gets its own answer again.
        let is_repeated = evidence.setting.purges && stored.is_some_and(|answer| answer.replayed);
        if (stored.is_some() && !is_repeated) || !attempt.made.is_empty() {
            findings.broken(attempt.spot, format!("op {number}: {operation} after a later sequence"));
        }
        return;
    }
    let same = || earlier().filter(|(_, _, other)| other.sequence == operation.sequence);
    if same().next().is_none() {
        return;
    }
    if !attempt.made.is_empty() {
        findings.broken(attempt.spot, format!("op {number}: {operation} was acknowledged and applied again"));
    }
    let Some(answer) = stored else { return };
    if same().any(|(other, _, _)| other.value != write.value) {
        findings.broken(attempt.spot, format!("op {number}: {operation} repeated with another body"));
    }
    // Where ids go with removals, what is known of an id in the end may be another attempt's.
    let is_later = |other: &PutAnswer| other.version > answer.version && !evidence.setting.purges;
    if let Some((_, earlier, _)) = same().find(|(_, other, _)| is_later(other)) {
        let what = format!(
            "op {number}: {operation} names {} after it named {}: answers went back",
            answer.version, earlier.version
        );
        findings.broken(attempt.spot, what);
    }
    let repeats = same().any(|(_, other, _)| other.version == answer.version);
    if !answer.replayed || !(repeats || may_have_won(evidence, attempt, operation, answer)) {
        let what =
            format!("op {number}: {operation} got another answer: {} {}", answer.version, answer.replayed);
        findings.broken(attempt.spot, what);
    }
}

/// Whether the version is that of another attempt of the same operation which had begun before the first was
/// acknowledged: an attempt of unknown outcome may surface once more.
fn may_have_won(
    evidence: &Evidence<'_>,
    attempt: &Attempt,
    operation: &OperationId,
    answer: &PutAnswer,
) -> bool {
    let maker = maker_of(evidence, attempt, answer.version);
    let Some(maker) = maker else { return false };
    let is_same = evidence
        .history
        .writes()
        .any(|(_, other, write)| std::ptr::eq(other, maker) && write.id.as_ref() == Some(operation));
    let first = first_acknowledged(evidence, attempt, operation);
    is_same && first.is_some_and(|first| maker.call < first)
}

fn maker_of<'a>(evidence: &'a Evidence<'_>, attempt: &Attempt, version: Version) -> Option<&'a Attempt> {
    let maker = evidence.history.makers.get(&(attempt.spot, version))?;
    Some(&evidence.history.attempts[maker.0])
}

fn first_acknowledged(evidence: &Evidence<'_>, attempt: &Attempt, operation: &OperationId) -> Option<Moment> {
    evidence
        .history
        .acknowledged()
        .filter(|(other, write, _)| other.spot == attempt.spot && write.id.as_ref() == Some(operation))
        .filter_map(|(other, _, _)| other.ret)
        .min()
}
