//! Writes at `one`, below the table's w: the first owner reached gives the version.

#[cfg(feature = "mutants")]
use super::write::renew;
use crate::machine::Failure;
use quorate_model::{Held, Mutant, Record, Rules, Stamp, Version};

/// Another owner is tried only if the first certainly took nothing: two owners would give one write two versions.
///
/// Rule 11.
#[inline]
pub fn may_try_another(rules: Rules, failure: Failure) -> bool {
    match failure {
        Failure::NotSent | Failure::Refused(_) => true,
        Failure::Lost => rules.broken(Mutant::OneTriedTwice),
    }
}

/// What the first owner assigned goes to all the others.
///
/// Rule 11.
#[inline]
pub fn goes_to_the_others(rules: Rules) -> bool {
    !rules.broken(Mutant::AssignedNotSent)
}

/// What the first owner assigned goes to the others as it is, under the version that it got there.
///
/// Rule 11.
#[inline]
#[cfg_attr(not(feature = "mutants"), expect(unused_variables, reason = "only its mutant changes anything"))]
pub fn sent_on_as_assigned(rules: Rules, record: &mut Record, stamp: Stamp) {
    #[cfg(feature = "mutants")]
    if rules.broken(Mutant::AssignedSentRenewed) {
        renew(record, stamp);
    }
}

/// A read at a quorum does not answer a version that was assigned at `one` if an owner holds something later.
///
/// Rule 11. Such a write asked no other owner, so it may have begun after the later one was acknowledged. Any other
/// version may be answered: its write asked a quorum, so what is above it was written while it was under way, or after
/// it. Two quorums share an owner, so a read that makes it safe hears of the later one.
#[inline]
pub fn is_overtaken(rules: Rules, version: Version, held: Held) -> bool {
    version.is_assigned() && held.version > version && !rules.broken(Mutant::OvertakenAnswered)
}
