//! Hints: records kept for owners that did not acknowledge them.

use crate::machine::Failure;
use quorate_model::{Mutant, Rules};

/// An owner that did not acknowledge a record gets a hint, also if its call only ended without an answer.
///
/// Rule 12. Whether a call that failed after the client's answer is one that needs no hint.
#[inline]
pub fn needs_none(rules: Rules, failure: Failure) -> bool {
    failure == Failure::Lost && rules.broken(Mutant::ExpiredCallCounts)
}

/// Hints are handed over to their owners; nothing is erased before.
///
/// Rule 12.
#[inline]
pub fn handed_over(rules: Rules) -> bool {
    !rules.broken(Mutant::HintsDropped)
}

/// A hint is erased when its owner has acknowledged it, or another member keeps it for one that leaves; not when it is sent.
///
/// Rule 12. Whether it is erased as it is sent.
#[inline]
pub fn erased_unanswered(rules: Rules) -> bool {
    rules.broken(Mutant::HintErasedUnanswered)
}

/// A hint whose owner holds something higher is erased once all owners agree.
///
/// Rule 12. Whether it is erased at once.
#[inline]
pub fn erased_unrepaired(rules: Rules) -> bool {
    rules.broken(Mutant::HintErasedUnrepaired)
}

/// What a read made final at a quorum before it answered reaches every owner as a write does: who did not acknowledge it
/// gets a hint.
///
/// Rule 12.
#[inline]
pub fn left_by_reads(rules: Rules) -> bool {
    !rules.broken(Mutant::FinalLeftUnhinted)
}
