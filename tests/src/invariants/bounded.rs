//! Memory and time are bounded: an operation is answered by its deadline, ends soon after and sends so many messages and
//! no more; a replica keeps hints and remembers operation ids up to its limits.
//! A read below a quorum waits for no record that it sends.
//!
//! Left out: how many operations one node runs. The edge bounds that, which is not simulated here; that operations end,
//! and when, is what makes such a limit last.

use super::{Evidence, Findings};
use crate::history::{Asked, Attempt, Spot};
use quorate_coordinator::Timing;
use quorate_coordinator::context::RESEND_AFTER_MAX;
use quorate_model::operation::CLIENTS_MAX;

/// How late a timer may be, in microseconds.
const TIMER_MAX: u64 = 1_000;

/// Times that a record is sent again before its pauses are that long.
const RESENDS_SOONER: u64 = 4;

pub(super) fn judge(evidence: &Evidence<'_>, findings: &mut Findings) {
    let (setting, history) = (evidence.setting, evidence.history);
    let counts = [
        ("hints were kept by one node", history.hints_max, setting.hints_max),
        ("bytes of hints were kept by one node", history.hint_bytes_max, setting.hint_bytes_max),
        ("operation ids were remembered of one key", history.operations_max as u64, CLIENTS_MAX as u64),
    ];
    for (what, most, limit) in counts {
        if most > limit {
            findings.broken(None, format!("{most} {what}, at most {limit}"));
        }
    }
    for (spot, attempt, _) in &history.wrote_first {
        if let Asked::Read { required } = history.attempts[attempt.0].asked
            && !evidence.setting.changes_copies()
            && required < evidence.quorum(*spot)
        {
            let what = format!("op {}, a read below a quorum, wrote before it answered", attempt.0);
            findings.broken(*spot, what);
        }
    }
    for (number, attempt) in history.attempts.iter().enumerate() {
        let most = messages_max(evidence, attempt);
        if u64::from(attempt.messages) > most {
            let what = format!("op {number} sent {} messages, at most {most}", attempt.messages);
            findings.broken(attempt.spot, what);
        }
        let Some(after) = attempt.answered_after else { continue };
        let (timeout, stood_still) = (attempt.timeout, attempt.stood_still);
        if after > timeout + stood_still.before_answer + TIMER_MAX {
            let what =
                format!("op {number} was answered after {after} us, within {timeout} us: {stood_still:?}");
            findings.broken(attempt.spot, what);
        }
        // Late acknowledgements are awaited, and then that hints are kept.
        let longest = after + 2 * Timing::default().settle.0 + stood_still.before_end + TIMER_MAX;
        if !attempt.orphaned && attempt.lived.is_none_or(|lived| lived > longest) {
            let lived = attempt.lived;
            findings.broken(attempt.spot, format!("op {number} lived for {lived:?} us, at most {longest}"));
        }
    }
}

/// How many messages an operation may send: under each plan that it follows, so many rounds to each owner.
fn messages_max(evidence: &Evidence<'_>, attempt: &Attempt) -> u64 {
    let timing = Timing::default();
    let asked = 1 + timing.give_up_after.0 / timing.resend_after.0;
    // Another owner beside a silent one, the record of one that sent a digest, a hint at each of two keepers.
    let beside = 4;
    let sent = 1 + RESENDS_SOONER + attempt.timeout / RESEND_AFTER_MAX.0;
    let begins = 1 + u64::from(attempt.replans + attempt.below) + begun_anew_max(evidence, attempt);
    let most = evidence.history.copies.iter().copied().fold(evidence.table(attempt.spot).n, u8::max);
    u64::from(most) * (asked + beside + sent) * begins
}

/// How often a read may begin anew: when no owner shows what it looks for, and for each version that was assigned without
/// asking, which may have been overtaken.
fn begun_anew_max(evidence: &Evidence<'_>, attempt: &Attempt) -> u64 {
    let is_assigned =
        |(spot, version): &&(Spot, quorate_model::Version)| *spot == attempt.spot && version.is_assigned();
    match attempt.asked {
        Asked::Read { .. } => 1 + evidence.history.makers.keys().filter(is_assigned).count() as u64,
        Asked::Write(_) | Asked::Walk { .. } => 0,
    }
}
