//! Purge: how it is proved that removals may go, and what floors mean to reads and writes.

use quorate_model::floors::Floored;
use quorate_model::{Mutant, Rules, Version};

/// The version of a write is above the floors that round one is told, as it is above all that is held.
///
/// Rule 9. What a version must be above.
#[inline]
pub fn above_floor(rules: Rules, highest: Option<Version>, floor: Option<Version>) -> Option<Version> {
    if rules.broken(Mutant::FloorNotAsked) { highest } else { highest.max(floor) }
}

/// To a read an owner that holds nothing, and has sealed up to a version, holds a removal of that version.
///
/// Rule 9. Whether the greatest that an owner shows was removed since, by what is sealed at another.
#[inline]
pub fn is_removed(rules: Rules, greatest: Version, sealed: Option<Version>) -> bool {
    sealed >= Some(greatest) && !rules.broken(Mutant::FloorNotJudged)
}

/// A retry whose id may have gone with a purged removal is refused: one of a client of which nothing later is known than what
/// may be forgotten.
///
/// Rule 9. Whether it may be forgotten, if ids are up to `forgot` and `last` is the client's last known write.
#[inline]
pub fn heeds_forgotten(rules: Rules, forgot: Option<Version>, last: Option<Version>) -> bool {
    forgot.is_some() && last <= forgot && !rules.broken(Mutant::IdsForgottenSilently)
}

/// A purge has every owner refuse what is older first, and compares then: what is equal while older writes are still taken
/// proves nothing.
///
/// Rule 9.
#[inline]
pub fn closes_first(rules: Rules) -> bool {
    !rules.broken(Mutant::ClosedAfterCompare)
}

/// A purge goes twice over all owners: what any of them has is fetched, and what any of them lacks is brought to it. Then no
/// owner holds nothing where another holds a value up to the floor.
///
/// Rule 9. Whether it brings the others what they lack.
#[inline]
pub fn brings(rules: Rules) -> bool {
    !rules.broken(Mutant::OnePass)
}

/// A copy begins with the floors of all its sources: what every one of them refuses must not be taken by it.
///
/// Rule 9. The floors that a copy is begun with.
#[inline]
pub fn carried(rules: Rules, floors: Vec<Floored>) -> Vec<Floored> {
    if rules.broken(Mutant::FloorsNotCopied) { Vec::new() } else { floors }
}
