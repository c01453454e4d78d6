//! Accepted losses: what may be said of a shard of which an owner has gone on without something that it had acknowledged.

use crate::answer::Lowered;
use quorate_model::{Guarantee, Mutant, Rules};

/// An answer about a shard of which an owner went on after an accepted loss says `eventual`, whatever was asked for: a
/// quorum may hold nothing of what was acknowledged before, and it may stand above what is acknowledged later. It says so
/// at every coordinator that goes by the epoch of that loss, and at an earlier one no quorum answers together with that
/// owner.
///
/// Rule 19.
#[inline]
pub fn claimed(rules: Rules, by_levels: Guarantee, has_losses: bool) -> (Guarantee, Option<Lowered>) {
    if has_losses && !rules.broken(Mutant::AcceptedLossForgotten) {
        let is_lowered = by_levels > Guarantee::Eventual;
        (Guarantee::Eventual, is_lowered.then_some(Lowered::AcceptedLoss))
    } else {
        (by_levels, None)
    }
}
