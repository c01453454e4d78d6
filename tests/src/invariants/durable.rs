//! Acknowledged is durable: what was acknowledged is met by every later reader that must meet it, stands above what
//! was acknowledged before it, and is there at the end.

use super::{Evidence, Findings};
use crate::history::{Attempt, Write};
use quorate_coordinator::PutAnswer;
use quorate_model::Durability;

pub(super) fn judge(evidence: &Evidence<'_>, findings: &mut Findings) {
    for acknowledged in evidence.history.acknowledged() {
        let (attempt, write, _) = acknowledged;
        let may_forget = evidence.may_forget(attempt.spot);
        if may_forget && write.durability == Durability::Os {
            continue;
        }
        met_by_later_reads(evidence, findings, acknowledged);
        if !may_forget {
            below_later_writes(evidence, findings, acknowledged);
        }
        there_at_the_end(evidence, findings, acknowledged);
    }
}

/// Owners that must have held the version when it was acknowledged, and still do.
fn holders(evidence: &Evidence<'_>, (attempt, _, answer): (&Attempt, &Write, &PutAnswer)) -> u8 {
    let quorum = evidence.quorum_of(attempt.spot, answer.n);
    let said = if answer.replayed { answer.required.max(quorum) } else { answer.required };
    evidence.history.surely(said, evidence.counts(attempt.spot))
}

fn met_by_later_reads(
    evidence: &Evidence<'_>,
    findings: &mut Findings,
    acknowledged: (&Attempt, &Write, &PutAnswer),
) {
    let (attempt, _, answer) = acknowledged;
    let at_first = evidence.table(attempt.spot).n;
    let holders = holders(evidence, acknowledged);
    for (read, found) in evidence.history.answered() {
        let n = evidence.copies(at_first, found.n);
        let must_meet = read.spot == attempt.spot
            && attempt.precedes(read)
            && evidence.must_meet(found.required, holders, n);
        // One that was declared dead, and runs on, shows what it had: at `one`, and calls that eventual.
        let must_meet = must_meet && !evidence.history.dead.contains(&read.coordinator);
        let is_met = evidence.is_met(read.spot, found.record.as_ref(), found.sealed, answer.version);
        if must_meet && !is_met {
            let saw = found.record.as_ref().map(|record| record.version);
            let what = format!("{} was acknowledged, and a later read saw {saw:?}", answer.version);
            findings.broken(read.spot, what);
        }
    }
}

/// A write that is below one acknowledged before it began was lost at birth.
fn below_later_writes(
    evidence: &Evidence<'_>,
    findings: &mut Findings,
    acknowledged: (&Attempt, &Write, &PutAnswer),
) {
    let (earlier, _, before) = acknowledged;
    let spot = earlier.spot;
    let (table_w, quorum) = (evidence.table_w(spot), evidence.quorum(spot));
    if holders(evidence, acknowledged) < table_w.min(quorum) && !evidence.setting.changes_copies() {
        return;
    }
    for (later, write, after) in evidence.history.acknowledged() {
        let asked_no_owner = write.required == 1 && table_w > 1;
        let follows = later.spot == spot && earlier.precedes(later) && !after.replayed && !asked_no_owner;
        if follows && after.version <= before.version {
            let what = format!("{} was acknowledged, and then {} below it", before.version, after.version);
            findings.broken(spot, what);
        }
    }
}

fn there_at_the_end(
    evidence: &Evidence<'_>,
    findings: &mut Findings,
    acknowledged: (&Attempt, &Write, &PutAnswer),
) {
    let (attempt, _, answer) = acknowledged;
    // One that lied counts no more, whether it doubts its disk or not.
    let lost_disks = evidence.ending.doubtful.difference(&evidence.history.liars).count() as u8;
    let is_over = attempt.closing || evidence.is_dropped(attempt.spot);
    if is_over || evidence.ending.at_end.is_empty() || holders(evidence, acknowledged) <= lost_disks {
        return;
    }
    let held = evidence.ending.at_end.iter().filter(|((spot, _), _)| *spot == attempt.spot);
    let greatest = held.filter_map(|(_, record)| record.as_ref()).max_by_key(|record| record.held());
    let floors = evidence.ending.floors.iter().filter(|((spot, _), _)| *spot == attempt.spot);
    let sealed = floors.filter_map(|(_, floors)| floors.sealed).max();
    if !evidence.is_met(attempt.spot, greatest, sealed, answer.version) {
        let there = greatest.map(|record| record.version);
        findings.broken(attempt.spot, format!("{} was acknowledged, at the end {there:?}", answer.version));
    }
}
