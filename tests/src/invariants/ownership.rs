//! Ownership follows the catalog: only an owner answers, and only at the epoch at which it is one; what decides an
//! operation was answered under one plan; and a coordinator that was refused takes the newer plan, by what it is told or
//! by the catalog, for which it waits.

use super::{Evidence, Findings};
use crate::history::{Asked, Attempt};
use quorate_model::level;

pub(super) fn judge(evidence: &Evidence<'_>, findings: &mut Findings) {
    for (spot, what) in &evidence.history.strays {
        findings.broken(*spot, what.clone());
    }
    for (spot, attempt) in &evidence.history.ignored_plans {
        findings.broken(
            *spot,
            format!("op {} went on by a plan older than the one that it was given", attempt.0),
        );
    }
    for (spot, attempt) in &evidence.history.not_awaited {
        let what = format!(
            "op {} was refused as stale, and its coordinator did not wait for the newer catalog",
            attempt.0
        );
        findings.broken(*spot, what);
    }
    for (spot, attempt) in &evidence.history.unheeded {
        let what = format!("op {} was told what is in force, and did not go on by it", attempt.0);
        findings.broken(*spot, what);
    }
    for (number, attempt) in evidence.history.attempts.iter().enumerate() {
        let Some(based_on) = attempt.based_on else { continue };
        if evidence.asks_all_that_there_are(attempt) {
            continue;
        }
        let needed = needed(evidence, attempt);
        if based_on < needed {
            let what =
                format!("op {number} went on with {based_on} answers under its plan, and needs {needed}");
            findings.broken(attempt.spot, what);
        }
    }
}

/// How many owners must have answered before an attempt may go on.
fn needed(evidence: &Evidence<'_>, attempt: &Attempt) -> u8 {
    let (at_first, table_w) = (evidence.table(attempt.spot).n, evidence.table_w(attempt.spot));
    // Of as many copies as there were at some time.
    let fewest =
        |of: &dyn Fn(u8) -> u8| evidence.history.copies.iter().map(|n| of(*n)).fold(of(at_first), u8::min);
    match &attempt.asked {
        Asked::Read { required } | Asked::Walk { required } => {
            fewest(&|n| evidence.required(attempt, *required, n))
        }
        // The first owner gives the version, and no other is asked.
        Asked::Write(write) if write.required == 1 && table_w > 1 && !evidence.setting.changes_copies() => 0,
        Asked::Write(_) => fewest(&|n| level::round_one(n, evidence.table_w_of(attempt.spot, n))),
    }
}
