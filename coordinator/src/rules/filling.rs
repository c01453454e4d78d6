//! Filling: how much a replica that has lost something must read before it holds everything again.

use quorate_model::sync::Sum;
use quorate_model::{Mutant, NodeId, Rules, level};

/// A replica that has lost something holds all that was acknowledged once it has merged what
/// `N - min(table's w, quorum) + 1` other owners hold that are whole: one of them has each record that counts.
///
/// Rule 17. How many other owners it reads, of `n` with a write promise of `w`.
#[inline]
pub fn sources(rules: Rules, n: u8, w: u8) -> u8 {
    if rules.broken(Mutant::HealFromOne) {
        return 1;
    }
    if rules.broken(Mutant::CopyUncapped) {
        return n - w + 1;
    }
    level::round_one(n, w)
}

/// Where a shard moves to fewer owners, each that stays has merged what as many old ones hold as a copy is made of, its own
/// among them: of what a quorum of the old ones has, one of the new ones alone may hold something otherwise.
///
/// Rule 20. Whether an owner that stays merges what the others hold.
#[inline]
pub fn stayer_merges(rules: Rules) -> bool {
    !rules.broken(Mutant::StayersNotMerged)
}

/// A source is read unless its sum of the shard is the same as that of one that is read, told before the first page: what
/// the one holds from then on is all that the other held.
///
/// Rule 17. Whether one is, beside the first, with these sums of those that are read.
#[inline]
pub fn is_read(rules: Rules, read: &[(NodeId, Option<Sum>)], other: Option<Sum>) -> bool {
    let is_equal = other.is_some() && read.iter().any(|(_, sum)| *sum == other);
    !is_equal && !rules.broken(Mutant::FillSumsIgnored)
}

/// An owner that gives its copy away is a source of each new one, unless it is gone for good: what was acknowledged at `one`
/// may be with it alone.
///
/// Rule 20. Whether a leaving owner must be read; one that is gone for good is no member.
#[inline]
pub fn asks_leaver(rules: Rules, is_member: bool) -> bool {
    is_member && !rules.broken(Mutant::LeaverNotAsked)
}
