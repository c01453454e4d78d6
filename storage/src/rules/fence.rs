//! The fence: what a change of the catalog took away is never answered again.

use quorate_model::{Epoch, Mutant, Rules};

/// A replica says that it refuses what a change took away once that is durable: no restart undoes it. What it holds of a
/// table that is raised to `sync` is durable then, too.
///
/// Rule 6. Whether it is noted.
#[inline]
pub fn is_noted(rules: Rules) -> bool {
    !rules.broken(Mutant::FenceVolatile)
}

/// A replica that starts with a catalog older than what it has closed refuses everything until it has caught up.
///
/// Rule 6.
#[inline]
pub fn is_behind(rules: Rules, layout: Epoch, noted: Epoch) -> bool {
    layout < noted && !rules.broken(Mutant::FenceIgnored)
}

/// What a copy is made of is read at a replica that durably refuses everything from before the epoch at which it is asked: it
/// acknowledges nothing any more that the copy would miss.
///
/// Rule 6. Whether it can be read.
#[inline]
pub fn may_be_copied(rules: Rules, closed: Epoch, asked: Epoch) -> bool {
    closed >= asked || rules.broken(Mutant::CopiedUnclosed)
}
