//! A replica that doubts its disk takes no part: once it has said so it never answers again, after a restart neither.
//! Only a change of the catalog brings it back, and no history here makes one. A disk that has lost what it called
//! synced is doubted as soon as its node meets a peer that remembers more of it.

use super::{Evidence, Findings};

pub(super) fn judge(evidence: &Evidence<'_>, findings: &mut Findings) {
    for (spot, replica) in &evidence.history.unlearnt {
        findings.broken(*spot, format!("{replica} answered a peer that remembers more of it than it holds"));
    }
    for (spot, replica, reply) in &evidence.history.trusted_again {
        findings.broken(*spot, format!("{replica} doubted its disk, and then it answered: {reply}"));
    }
}
