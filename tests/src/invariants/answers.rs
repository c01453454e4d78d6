//! Answers are true: what an answer claims of itself is so, what is said not to have happened never happens, and what
//! a replica refuses it does not store.

use super::{Evidence, Findings};
use crate::history::{Asked, Attempt, Outcome, Write};
use quorate_coordinator::answer::Outcome as Claim;
use quorate_coordinator::{GetAnswer, PutAnswer};
use quorate_model::{Body, Guarantee};

pub(super) fn judge(evidence: &Evidence<'_>, findings: &mut Findings) {
    for (spot, replica, version) in &evidence.history.refused_yet_stored {
        findings.broken(*spot, format!("{replica} refused {version}, and stored it"));
    }
    for attempt in &evidence.history.attempts {
        match (&attempt.asked, &attempt.outcome) {
            (Asked::Read { .. }, Outcome::Got(answer)) => read(evidence, findings, attempt, answer),
            (Asked::Write(asked), Outcome::Stored(answer)) => {
                written(evidence, findings, (attempt, asked, answer));
            }
            (Asked::Write(_), Outcome::PutFailed(error)) if error.outcome() == Claim::NotApplied => {
                not_applied(evidence, findings, attempt);
            }
            (Asked::Write(_), Outcome::PutFailed(_))
            | (Asked::Read { .. }, Outcome::GetFailed(_))
            | (Asked::Walk { .. }, Outcome::Walked(_))
            | (_, Outcome::Vanished) => {}
            (_, Outcome::Open) => {
                if !attempt.orphaned {
                    findings.broken(attempt.spot, "an operation was never answered".to_owned());
                }
            }
            (Asked::Read { .. } | Asked::Walk { .. }, Outcome::Stored(_) | Outcome::PutFailed(_))
            | (Asked::Write(_) | Asked::Walk { .. }, Outcome::Got(_) | Outcome::GetFailed(_))
            | (Asked::Read { .. } | Asked::Write(_), Outcome::Walked(_)) => {
                findings.broken(attempt.spot, "an answer to another question".to_owned());
            }
        }
    }
}

fn read(evidence: &Evidence<'_>, findings: &mut Findings, attempt: &Attempt, answer: &GetAnswer) {
    let table = evidence.table(attempt.spot);
    let Asked::Read { required } = attempt.asked else { return };
    if evidence.asks_all_that_there_are(attempt) {
        return;
    }
    let n = evidence.copies(table.n, answer.n);
    let required = evidence.required(attempt, required, n);
    let claim = Guarantee::of_read(required, evidence.table_w_of(attempt.spot, n), n);
    let is_claim = answer.guarantee == claim || evidence.is_lowered(answer.guarantee, claim);
    if !is_claim || answer.required != required || answer.n != n {
        findings.broken(attempt.spot, format!("a read at {required} of {} claims {answer:?}", table.n));
    }
    // What a read must find is for others to judge: durable, flicker.
    let Some((record, expires_at)) = answer.record.as_ref().and_then(|r| Some((r, r.expires_at?))) else {
        return;
    };
    match &record.body {
        Body::Value { .. } if expires_at <= attempt.wall_min => {
            let what = format!("{} was shown although its coordinator knew it expired", record.version);
            findings.broken(attempt.spot, what);
        }
        Body::Expired => {
            let since = evidence.expired_since(attempt.spot, record.version, expires_at);
            if since.is_none_or(|since| attempt.ret.is_some_and(|ret| ret < since)) {
                let what = format!("{} was called expired before any clock said so", record.version);
                findings.broken(attempt.spot, what);
            }
        }
        Body::Value { .. } | Body::Tombstone => {}
    }
}

fn written(
    evidence: &Evidence<'_>,
    findings: &mut Findings,
    (attempt, asked, answer): (&Attempt, &Write, &PutAnswer),
) {
    let table = evidence.table(attempt.spot);
    let n = evidence.copies(table.n, answer.n);
    let table_r = table.r.required(n).expect("levels are drawn within n");
    let table_w = evidence.table_w_of(attempt.spot, n);
    let required = evidence.required(attempt, asked.required, n);
    let claim = Guarantee::of_write(required, table_w, table_r, n);
    let is_claim = answer.guarantee == claim || evidence.is_lowered(answer.guarantee, claim);
    if !is_claim || answer.required != required || answer.n != n {
        findings.broken(attempt.spot, format!("a write at {required} of {n} claims {answer:?}"));
    }
    if answer.acks < required {
        findings.broken(attempt.spot, format!("acknowledged with {} of {required}", answer.acks));
    }
    let maker = evidence.history.makers.get(&(attempt.spot, answer.version));
    let made_by = maker.map(|maker| &evidence.history.attempts[maker.0]);
    let is_own = made_by.is_some_and(|maker| std::ptr::eq(maker, attempt));
    let is_same = made_by.is_some_and(
        |maker| matches!(&maker.asked, Asked::Write(made) if made.id.is_some() && made.id == asked.id),
    );
    if answer.replayed == is_own || !(is_own || is_same) {
        findings.broken(attempt.spot, format!("the answer names a version of another write: {answer:?}"));
    }
}

/// Whatever was reported as not applied is not on any replica, now or ever.
fn not_applied(evidence: &Evidence<'_>, findings: &mut Findings, attempt: &Attempt) {
    for version in &attempt.made {
        if evidence.history.stored.contains(&(attempt.spot, *version)) {
            findings.broken(attempt.spot, format!("{version} was called not applied, and was stored"));
        }
    }
}
