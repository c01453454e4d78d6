//! Outcomes: what may be said of a write that did not reach its W.

use crate::machine::Failure;
use quorate_model::{Mutant, Rules};

/// A write that an owner may hold, and that did not reach W, is of *unknown* outcome, never *not applied*.
///
/// Rule 7.
#[inline]
pub fn may_be_unknown(rules: Rules) -> bool {
    !rules.broken(Mutant::UnknownCalledFailed)
}

/// A record whose call broke off may have arrived: it is not taken for one that was never sent.
///
/// Rule 7. What is known of a record's call that failed.
#[inline]
pub fn known_of_record(rules: Rules, failure: Failure) -> Failure {
    match failure {
        Failure::Lost if rules.broken(Mutant::LostCalledNotSent) => Failure::NotSent,
        failure @ (Failure::NotSent | Failure::Lost | Failure::Refused(_)) => failure,
    }
}
