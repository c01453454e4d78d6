//! Scans: what a page must have seen before it says what there is, and where the next one goes on.

use quorate_model::SortKey;

/// A page goes as far as every owner whose answer it counts has answered: what lies behind is not known to be absent.
///
/// Rule 16. Up to where answers are complete together that are complete up to these places; forward `None` is the end of
/// the space.
#[inline]
pub fn bound(untils: impl Iterator<Item = Option<SortKey>>, reverse: bool) -> Option<SortKey> {
    if reverse {
        return untils.max().flatten();
    }
    // `None` is behind every place.
    untils.min_by_key(|until| (until.is_none(), until.clone())).flatten()
}
