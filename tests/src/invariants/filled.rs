//! Filled: every copy that was lost is whole in the end, where enough other owners hold everything; and a copy that was said
//! to be whole stays so.

use super::{Evidence, Findings};

pub(super) fn judge(evidence: &Evidence<'_>, findings: &mut Findings) {
    for what in evidence.ending.unfilled.iter().chain(&evidence.history.unwhole) {
        findings.broken(None, what.clone());
    }
}
