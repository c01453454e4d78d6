//! Expiry: when a value expires depends on clocks, that it stays expired does not.

use quorate_model::{Mutant, Record, Rules, level};

/// A read at a quorum that finds a value past its expiry makes that final before it answers 404; below a quorum the
/// value is only not shown.
///
/// Rule 10.
#[inline]
pub fn is_made_final(rules: Rules, required: u8, n: u8) -> bool {
    required >= level::quorum(n) && !rules.broken(Mutant::ExpiryNotFlagged)
}

/// That a value has expired is final once a write quorum holds the flag, and not answered before.
///
/// Rule 10. How many owners must hold the flag before the answer.
#[inline]
pub fn flagged_before_answer(rules: Rules, n: u8) -> u8 {
    if rules.broken(Mutant::ExpiryFlaggedAfterAnswer) {
        return 0;
    }
    let quorum = level::quorum(n);
    if rules.broken(Mutant::ExpiryFlaggedAtTooFew) { (quorum - 1).max(1) } else { quorum }
}

/// A value past its expiry is not shown.
///
/// Rule 10. What is shown of a record that is due.
#[inline]
pub fn shown(rules: Rules, due: Record) -> Record {
    if rules.broken(Mutant::ExpiredShown) { due } else { due.into_expired() }
}
