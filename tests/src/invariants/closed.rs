//! A drop and the keys of its table are in one order: once the drop is closed, nothing that promises anything is read from
//! the table or acknowledged on it; and until then the next table of that name answers nothing.
//!
//! What begins before the drop is closed and ends after it may still be of either side: it was under way.

use super::{Evidence, Findings};
use crate::history::{Asked, Attempt, Outcome};

pub(super) fn judge(evidence: &Evidence<'_>, findings: &mut Findings) {
    let Some(dropped) = evidence.setting.dropped() else { return };
    let closed = evidence.history.drop_closed;
    for (number, attempt) in evidence.history.attempts.iter().enumerate() {
        let is_done =
            matches!(attempt.outcome, Outcome::Got(_) | Outcome::Stored(_) | Outcome::Walked(Ok(_)));
        if !is_done {
            continue;
        }
        if attempt.spot.table == dropped {
            if closed.is_some_and(|closed| attempt.call > closed) && promises(evidence, attempt) {
                let what = format!("op {number} was answered by a table whose drop had been closed before");
                findings.broken(attempt.spot, what);
            }
        } else if attempt.spot.table == dropped + 1 {
            let Some(ret) = attempt.ret else { continue };
            if closed.is_none_or(|closed| ret < closed) {
                let what = format!("op {number} was answered before the drop of the table before was closed");
                findings.broken(attempt.spot, what);
            }
        }
    }
}

/// Whether the answer says more than "eventually".
fn promises(evidence: &Evidence<'_>, attempt: &Attempt) -> bool {
    let (n, table_w) = (evidence.table(attempt.spot).n, evidence.table_w(attempt.spot));
    match &attempt.asked {
        Asked::Read { required } | Asked::Walk { required } => required + table_w > n,
        Asked::Write(write) => write.required >= table_w.min(evidence.quorum(attempt.spot)),
    }
}
