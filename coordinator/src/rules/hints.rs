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
