//! Memory and queues are bounded: an operation sends so many messages and no more, and ends; a replica queues, keeps
//! hints and remembers operation ids up to its limits. A read below a quorum waits for no record that it sends.

use super::{Evidence, Findings};
use crate::history::{Asked, Attempt};
use quorate_model::operation::CLIENTS_MAX;

/// Retries happen at most so often, in microseconds: the default of the coordinator's timing.
const AGAIN: u64 = 50_000;

/// How long an operation may live after its deadline: two times the coordinator's time to settle, and a bit.
const AFTERLIFE_MAX: u64 = 2_500_000;

/// How long a process may have stood still meanwhile.
const STANDSTILL_MAX: u64 = 8_000_000;

pub(super) fn judge(evidence: &Evidence<'_>, findings: &mut Findings) {
    let (setting, history) = (evidence.setting, evidence.history);
    let counts = [
        ("requests waited for one disk", history.queue_max as u64, setting.queue_max as u64),
        ("hints were kept by one node", history.hints_max, setting.hints_max),
        ("operation ids were remembered of one key", history.operations_max as u64, CLIENTS_MAX as u64),
    ];
    for (what, most, limit) in counts {
        if most > limit {
            findings.broken(None, format!("{most} {what}, at most {limit}"));
        }
    }
    for (spot, attempt) in &history.wrote_first {
        if let Asked::Read { required } = history.attempts[attempt.0].asked
            && required < evidence.quorum(*spot)
        {
            let what = format!("op {}, a read below a quorum, wrote before it answered", attempt.0);
            findings.broken(*spot, what);
        }
    }
    for (number, attempt) in evidence.history.attempts.iter().enumerate() {
        let n = u64::from(evidence.table(attempt.spot).n);
        let messages_max = n * (8 + 2 * attempt.timeout / AGAIN);
        if u64::from(attempt.messages) > messages_max {
            let what = format!("op {number} sent {} messages, at most {messages_max}", attempt.messages);
            findings.broken(attempt.spot, what);
        }
        let standstill = if attempt.closing { 0 } else { STANDSTILL_MAX };
        if attempt.answered_after.is_some_and(|after| after > attempt.timeout + standstill + 1_000) {
            findings.broken(attempt.spot, format!("op {number} was answered after its deadline"));
        }
        if !ended(attempt, attempt.timeout + AFTERLIFE_MAX + standstill) {
            findings.broken(attempt.spot, format!("op {number} did not end in time: {:?}", attempt.lived));
        }
    }
}

fn ended(attempt: &Attempt, lifetime_max: u64) -> bool {
    attempt.orphaned || attempt.lived.is_some_and(|lived| lived <= lifetime_max)
}
