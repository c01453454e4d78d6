//! Scans: what a page must have seen before it says what there is, and where the next one goes on.

use quorate_model::{Interval, Level, Mutant, Rules, SortKey};

/// A page asks as many owners as a read at its level asks for a key.
///
/// Rule 16. The level that a segment is asked at.
#[inline]
pub fn asked_at(rules: Rules, level: Level) -> Level {
    if rules.broken(Mutant::ScanFromOne) { Level::One } else { level }
}

/// A page goes as far as every owner whose answer it counts has answered: what lies behind is not known to be absent.
///
/// Rule 16. Up to where answers are complete together that are complete up to these places; forward `None` is the end of
/// the space.
#[inline]
pub fn bound(rules: Rules, untils: impl Iterator<Item = Option<SortKey>>, reverse: bool) -> Option<SortKey> {
    let takes_furthest = rules.broken(Mutant::ScanBoundIgnored);
    if reverse != takes_furthest {
        // In reverse each has a place; forward `None` is behind every place.
        return untils.max_by_key(|until| (until.is_none(), until.clone())).flatten();
    }
    untils.min_by_key(|until| (until.is_none(), until.clone())).flatten()
}

/// What is past its expiry is not listed.
///
/// Rule 16. Whether a value that is due is left to a read, or left out.
#[inline]
pub fn hides_due(rules: Rules, is_due: bool) -> bool {
    is_due && !rules.broken(Mutant::ScanShowsDue)
}

/// The end of a shard is not the end of the range: a page goes on in the next one while it has room.
///
/// Rule 16. What is left of the range behind a segment, for a page that has room for more.
#[inline]
pub fn goes_on(rules: Rules, rest: Option<Interval>) -> Option<Interval> {
    rest.filter(|_| !rules.broken(Mutant::ScanSkipsSegment))
}

/// A range that can't be answered fails the page; no page is shorter for that.
///
/// Rule 16. Whether a page fails of which a segment or a key failed.
#[inline]
pub fn fails_as_a_whole(rules: Rules) -> bool {
    !rules.broken(Mutant::ScanErrorEndsQuietly)
}
