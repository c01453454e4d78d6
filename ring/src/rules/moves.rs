//! Moves: when a shard is with its new owners.

use quorate_model::level::{quorum, round_one};
use quorate_model::{Mutant, Rules};

/// A shard is with its new owners once so many of the old ones durably refuse what was before that nothing can complete
/// among the others: no quorum, no round one, no promised write, and no read that relies on one.
///
/// Rule 20. How many of `n` old owners, with a write promise of `w`.
#[inline]
pub fn owners_to_close(rules: Rules, n: u8, w: u8) -> u8 {
    if rules.broken(Mutant::FenceNotAwaited) {
        return 0;
    }
    if rules.broken(Mutant::FenceByRoundOne) {
        return round_one(n, w);
    }
    quorum(n).max(round_one(n, w)).max(w)
}

/// A shard is with its new owners once each of them holds all that counts.
///
/// Rule 20. Whether a new owner that says so much of itself does.
#[inline]
pub fn has_arrived(rules: Rules, is_whole: bool) -> bool {
    is_whole || rules.broken(Mutant::FinishUnfilled)
}
