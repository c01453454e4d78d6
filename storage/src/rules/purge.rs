//! Purge: what of a key's history may be discarded, and what is refused in its place.

use quorate_model::{Body, Floors, Held, Mutant, Origin, Record, Rules, Version};

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
/// Rule 9.
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

/// What a copy is filled with is exempt from floors: no run seals while it is filled. A write that was begun then and comes
/// when the copy is whole is a record that another owner held once, and no more.
///
/// Rule 9. What a write counts as.
#[inline]
pub fn origin_here(origin: Origin, is_filling: bool) -> Origin {
    match origin {
        Origin::Filling if !is_filling => Origin::Vouched,
        Origin::Fresh | Origin::Vouched | Origin::Filling => origin,
    }
}

/// What may not be taken any more because of a floor: the floor, if there is one.
#[inline]
pub fn below(
    rules: Rules,
    floors: Floors,
    origin: Origin,
    current: Option<&Record>,
    record: &Record,
) -> Option<Version> {
    let is_below = |floor: Option<Version>| floor.filter(|floor| record.version <= *floor);
    if current.is_some_and(|current| current.held() >= record.held()) {
        return None;
    }
    match origin {
        Origin::Fresh => is_below(floors.highest()).filter(|_| refuses_fresh(rules, current)),
        Origin::Vouched => is_below(floors.sealed).filter(|_| refuses_vouched(rules, current)),
        Origin::Filling => None,
    }
}

/// An owner that has closed takes no new write up to that version where it holds nothing or a removal: what it took before
/// is all that there will ever be.
///
/// Rule 9. Whether such a write is refused; over a value it is merged as ever.
#[inline]
fn refuses_fresh(rules: Rules, current: Option<&Record>) -> bool {
    current.is_none_or(is_removal) && !rules.broken(Mutant::CloseRefusesNothing)
}

/// An owner that has sealed takes nothing up to that version where it holds nothing, from whomever it comes: it was removed.
///
/// Rule 9. Whether a record that another owner held is refused.
#[inline]
fn refuses_vouched(rules: Rules, current: Option<&Record>) -> bool {
    current.is_none() && !rules.broken(Mutant::PushPassesFloor)
}

/// A copy that is being filled has the floors of its sources, and not yet their records: what it lacks need not be removed.
///
/// Rule 9. Whether a copy says how far it is sealed, where it lacks a record.
#[inline]
pub fn tells_sealed(rules: Rules, holds_everything: bool) -> bool {
    holds_everything || rules.broken(Mutant::FillingSealed)
}

/// A removal may go only if every owner has closed and holds exactly that removal, or has dropped it before: nothing up to
/// the floor can come to any of them then.
///
/// Rule 9. Whether an owner that holds this, and has sealed so far, confirms that.
#[inline]
pub fn confirms(held: Option<Held>, sealed: Option<Version>, listed: Held) -> bool {
    held == Some(listed) || (held.is_none() && sealed >= Some(listed.version))
}

/// What is dropped was listed, and is held exactly so: an expired flag has the version of its value, so a version alone
/// proves nothing.
///
/// Rule 9. Whether a record is dropped that was not listed.
#[inline]
#[cfg(feature = "mutants")]
pub fn goes_unlisted(rules: Rules, record: &Record) -> bool {
    is_removal(record) && rules.broken(Mutant::DroppedByVersion)
}

/// Operation ids go with a removal only where that is remembered, and nothing goes that is not sealed.
///
/// Rule 9. Whether a listed removal may go.
#[inline]
pub fn may_go(record: &Record, floors: Floors) -> bool {
    let is_remembered = record.operations.is_empty() || floors.forgot.is_some();
    let is_sealed = floors.sealed >= Some(record.version);
    is_removal(record) && is_sealed && is_remembered
}

fn is_removal(record: &Record) -> bool {
    match record.body {
        Body::Value { .. } => false,
        Body::Tombstone | Body::Expired => true,
    }
}
