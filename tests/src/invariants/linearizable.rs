//! Linearizable per key: there is an order of all operations at a quorum and above that explains every answer.
//!
//! What the checker is told: reads at a quorum with what they saw, and what pages at a quorum say of each key in them; writes that were acknowledged at a quorum, from
//! the call of the attempt that made the version to the first answer that acknowledged it (perhaps to a retry);
//! every other write that was sent as one of unknown outcome, those below a quorum too. A value with an expiry may
//! become nothing once a clock has come so far: that is a compare-and-set of unknown outcome, called then.
//!
//! An answer that says less than its levels promise, since a loss was accepted, is told as what it says: a read tells
//! nothing, a write may have taken effect.
//!
//! Where a disk has forgotten what it called synced, a quorum may hold what only one owner knows: nothing is judged.

use super::scans::{self, Shown};
use super::{Evidence, Findings};
use crate::history::{Asked, Attempt, Moment, Outcome, PageOutcome, Spot, Write, seen};
use quorate_checkers::linearizable::{Limits, Verdict, check_key};
use quorate_checkers::operation::{Kind, Operation, Status};
use quorate_coordinator::answer::Outcome as Claim;
use quorate_model::{Guarantee, Version};
use std::collections::BTreeMap;

/// The checker has no removal on condition: where values expire, "nothing" is a value of its own.
const NOTHING: &str = "(nothing)";

pub(super) fn judge(evidence: &Evidence<'_>, findings: &mut Findings) {
    if !evidence.history.liars.is_empty() {
        return;
    }
    let mut by_spot: BTreeMap<Spot, Vec<Operation>> = BTreeMap::new();
    let expiring = expiring(evidence);
    for attempt in evidence.history.attempts.iter().filter(|attempt| !evidence.may_forget(attempt.spot)) {
        let operations = by_spot.entry(attempt.spot).or_default();
        let expires = expiring.contains(&attempt.spot);
        match &attempt.asked {
            Asked::Read { .. } => operations.extend(read(evidence, attempt, expires)),
            Asked::Walk { .. } => {}
            Asked::Write(asked) => operations.extend(write(evidence, attempt, asked, expires)),
        }
    }
    for shown in scans::shown(evidence).filter(|shown| !evidence.may_forget(shown.spot)) {
        let expires = expiring.contains(&shown.spot);
        by_spot.entry(shown.spot).or_default().extend(listed(evidence, &shown, expires));
    }
    for (spot, mut operations) in by_spot {
        if expiring.contains(&spot) {
            let kind = Kind::Write { value: NOTHING.to_owned() };
            operations.push(operation(0, Moment(0), Some(Moment(0)), kind, Status::Ok));
        }
        match check_key(&operations, Limits::default()) {
            Verdict::Linearizable => {}
            Verdict::Violation { operations } => {
                let shown: Vec<String> =
                    operations.iter().map(|operation| format!("{operation:?}")).collect();
                findings.broken(spot, format!("no order explains:\n  {}", shown.join("\n  ")));
            }
            Verdict::Undecided => findings.undecided(spot, "the checker could not decide".to_owned()),
        }
    }
}

fn expiring(evidence: &Evidence<'_>) -> Vec<Spot> {
    let expires = |(_, attempt, write): (_, &Attempt, &Write)| write.expires_at.map(|_| attempt.spot);
    evidence.history.writes().filter_map(expires).collect()
}

fn read(evidence: &Evidence<'_>, attempt: &Attempt, expires: bool) -> Option<Operation> {
    let Outcome::Got(answer) = &attempt.outcome else { return None };
    let n = evidence.copies(evidence.table(attempt.spot).n, answer.n);
    let by_levels = Guarantee::of_read(answer.required, evidence.table_w_of(attempt.spot, n), n);
    if answer.required < evidence.quorum_of(attempt.spot, answer.n)
        || evidence.is_lowered(answer.guarantee, by_levels)
    {
        return None;
    }
    let value = seen(answer.record.as_ref()).or_else(|| expires.then(|| NOTHING.to_owned()));
    Some(operation(attempt.client, attempt.call, attempt.ret, Kind::Read { value }, Status::Ok))
}

/// What a page says of a key is a read of it between the page's request and its answer.
fn listed(evidence: &Evidence<'_>, shown: &Shown<'_>, expires: bool) -> Option<Operation> {
    let Shown { scan, page, spot, item } = shown;
    let PageOutcome::Answered(answer) = &page.outcome else { return None };
    let (required, n) = (answer.worth.required, evidence.copies(evidence.table(*spot).n, answer.worth.n));
    let by_levels = Guarantee::of_read(required, evidence.table_w_of(*spot, n), n);
    let is_lowered = evidence.is_lowered(answer.worth.guarantee, by_levels);
    if required < evidence.quorum_of(*spot, n) || is_lowered {
        return None;
    }
    let value = match item {
        // One that no write made is a phantom, which is for others to say.
        Some(item) => Some(scans::value(evidence, *spot, item)?),
        None => expires.then(|| NOTHING.to_owned()),
    };
    Some(operation(scan.client, page.call, page.ret, Kind::Read { value }, Status::Ok))
}

fn write(evidence: &Evidence<'_>, attempt: &Attempt, write: &Write, expires: bool) -> Vec<Operation> {
    let never = matches!(&attempt.outcome, Outcome::PutFailed(error) if error.outcome() == Claim::NotApplied);
    if attempt.made.is_empty() || never {
        return Vec::new();
    }
    let acknowledged =
        attempt.made.iter().filter_map(|version| acknowledged_at(evidence, attempt.spot, *version)).min();
    let kind = match &write.value {
        Some(value) => Kind::Write { value: value.clone() },
        None if expires => Kind::Write { value: NOTHING.to_owned() },
        None => Kind::Delete,
    };
    let status = if acknowledged.is_some() { Status::Ok } else { Status::Unknown };
    let mut operations = vec![operation(attempt.client, attempt.call, acknowledged, kind, status)];
    let reached = write.expires_at.and_then(|at| evidence.history.reached(attempt.call, at));
    if let (Some(value), Some(reached)) = (&write.value, reached) {
        let kind = Kind::Cas { expect: Some(value.clone()), value: NOTHING.to_owned() };
        operations.push(operation(attempt.client, reached, None, kind, Status::Unknown));
    }
    operations
}

/// When a version was first acknowledged as held by a quorum.
fn acknowledged_at(evidence: &Evidence<'_>, spot: Spot, version: Version) -> Option<Moment> {
    evidence
        .history
        .acknowledged()
        .filter(|(attempt, _, answer)| attempt.spot == spot && answer.version == version)
        .filter(|(_, _, answer)| answer.required >= evidence.quorum_of(spot, answer.n) || answer.replayed)
        .filter(|(_, _, answer)| !evidence.is_lowered(answer.guarantee, Guarantee::Linearizable))
        .filter_map(|(attempt, _, _)| attempt.ret)
        .min()
}

fn operation(client: u32, call: Moment, ret: Option<Moment>, kind: Kind, status: Status) -> Operation {
    Operation::new(client, "", kind, call.0, ret.map(|moment| moment.0), status)
}
