//! Newer plans: what a coordinator does that was refused because the owners have changed.

#[cfg(feature = "mutants")]
use super::write::renew;
use quorate_model::{Epoch, Mutant, Owner, Record, Rules, Stamp};

/// A coordinator that was refused goes on by the newer plan.
///
/// Rule 6.
#[inline]
pub fn takes_newer(rules: Rules, in_force: Epoch, offered: Epoch) -> bool {
    offered > in_force && !rules.broken(Mutant::NewerPlanIgnored)
}

/// A coordinator goes on by what an owner that refused it says is in force, if that is newer than what it knows: it needs
/// no consensus to learn where a key is.
///
/// Rule 6. `asked_under` is the epoch that was refused.
#[inline]
pub fn goes_by_refusal(rules: Rules, asked_under: Epoch, said: Epoch) -> bool {
    said > asked_under && !rules.broken(Mutant::RefusalNotHeeded)
}

/// A coordinator that is behind, and was not told what is in force, waits for the catalog that an owner knows already.
///
/// Rule 6. Whether a refusal waits.
#[inline]
pub fn awaits_catalog(rules: Rules, applied: Epoch, known_to_owner: Epoch) -> bool {
    applied < known_to_owner && !rules.broken(Mutant::CatalogNotAwaited)
}

/// After a newer plan, answers that were given under the old one do not count: what was asked is asked again.
///
/// Rule 6.
#[inline]
pub fn asks_again(rules: Rules, is_replanned: bool) -> bool {
    is_replanned && !rules.broken(Mutant::OldAnswersCounted)
}

/// A newer plan changes where a record goes, never what it is: it keeps its version.
///
/// Rule 6.
#[inline]
#[cfg_attr(not(feature = "mutants"), expect(unused_variables, reason = "only its mutant changes anything"))]
pub fn sent_on_as_it_is(rules: Rules, record: &mut Record, stamp: Stamp) {
    #[cfg(feature = "mutants")]
    if rules.broken(Mutant::NewVersionOnReplan) {
        renew(record, stamp);
    }
}

/// An acknowledgement is of the copy that gave it. It counts under a newer plan while its owner has that copy, and no
/// more once the owner has given it away, also if it has become an owner again since.
///
/// Rule 6. Whether what a copy acknowledged is acknowledged by an owner of the plan in force.
#[inline]
pub fn counts_as(rules: Rules, acknowledged: Owner, owner: Owner) -> bool {
    acknowledged == owner || (rules.broken(Mutant::FormerCopyCounted) && acknowledged.node == owner.node)
}
