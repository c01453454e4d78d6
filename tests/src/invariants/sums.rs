//! Sums: each chunk that is counted, and each row that lies on a disk, is what its records add up to.

use super::{Evidence, Findings};

pub(super) fn judge(evidence: &Evidence<'_>, findings: &mut Findings) {
    for (node, wrong) in &evidence.ending.sums {
        findings.broken(None, format!("{node}: {wrong}"));
    }
}
