//! No flicker: what one read at a quorum saw, no later read that must meet it fails to see; and what one replica
//! said it holds it does not take back.

use super::{Evidence, Findings};
use quorate_model::{Durability, Record};

pub(super) fn judge(evidence: &Evidence<'_>, findings: &mut Findings) {
    for (spot, replica, before, after) in &evidence.history.went_back {
        if !evidence.history.liars.contains(replica) && !evidence.may_forget(*spot) {
            findings.broken(*spot, format!("{replica} held {before:?} and then {after:?}"));
        }
    }
    for (earlier, before) in evidence.history.answered() {
        let (spot, quorum) = (earlier.spot, evidence.quorum_of(earlier.spot, before.n));
        // What a quorum answered under a plan that promises to sync is synced, whatever the table promised before.
        let is_kept = !evidence.may_forget(spot) || earlier.durability == Durability::Sync;
        let binds = before.required >= quorum && is_kept;
        let Some(record) = before.record.as_ref().filter(|_| binds) else { continue };
        for (later, after) in evidence.history.answered() {
            let must_meet = later.spot == spot
                && earlier.precedes(later)
                && evidence.must_meet(
                    after.required,
                    evidence.history.surely(quorum, quorum),
                    evidence.copies(evidence.table(spot).n, after.n),
                );
            let as_late = evidence.is_met(spot, after.record.as_ref(), after.sealed, record.version);
            let held = after.record.as_ref().map(Record::held);
            if must_meet && !(as_late && held.is_none_or(|held| held >= record.held())) {
                findings.broken(spot, format!("one read saw {:?}, a later one {held:?}", record.held()));
            }
        }
    }
}
