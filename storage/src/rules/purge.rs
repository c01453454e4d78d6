//! Purge: what of a key's history may be discarded.

use quorate_model::{Mutant, Rules};

/// What is discarded of the records that a replica holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Discarded {
    /// Nothing.
    Nothing,
    /// Tombstones and what was found expired, by their age.
    RemovalsByAge,
    /// The same, as soon as all owners hold them.
    RemovalsHeldByAll,
    /// Values that have an expiry, due or not.
    Expiring,
}

/// Nothing is discarded because of time: a tombstone goes once every owner is proved to hold it, and leaves a floor
/// behind.
///
/// Rule 9. The purge by proof is not built yet: tombstones stay.
#[inline]
pub fn discarded(rules: Rules) -> Discarded {
    if rules.broken(Mutant::TombstonesDroppedByAge) {
        return Discarded::RemovalsByAge;
    }
    if rules.broken(Mutant::TombstonesDroppedUnfloored) {
        return Discarded::RemovalsHeldByAll;
    }
    if rules.broken(Mutant::ExpiringDropped) {
        return Discarded::Expiring;
    }
    Discarded::Nothing
}
