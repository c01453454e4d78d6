//! Sums: what makes a chunk's sum, and when it may be believed.

use quorate_model::{Mutant, Rules};

/// The sum of a chunk changes with each record of it, by what the record was and what it became.
///
/// Rule 15. Whether a change of a record that was held before is counted.
#[inline]
pub fn counts_change(rules: Rules, was_held: bool) -> bool {
    !(was_held && rules.broken(Mutant::SumNotUpdated))
}

/// Two records are the same to a sum only if they remember the same operations.
///
/// Rule 15. What of a record's operation ids goes into its sum.
#[inline]
pub fn counted_ids(rules: Rules, ids: &[u8]) -> &[u8] {
    if rules.broken(Mutant::SumWithoutIds) { &[] } else { ids }
}

/// A sum that lies on the disk is deleted by the batch that changes a record of its chunk: one that is there is right.
///
/// Rule 15. Whether the batch deletes it.
#[inline]
pub fn deletes_row(rules: Rules) -> bool {
    !rules.broken(Mutant::RowKept)
}

/// A chunk in which a shard begins from now on is counted before it is cut: no part of it gets a sum that is not its own.
///
/// Rule 15. Whether it is.
#[inline]
pub fn counts_parts(rules: Rules) -> bool {
    !rules.broken(Mutant::SplitMovesSums)
}
