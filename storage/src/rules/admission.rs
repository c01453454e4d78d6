//! Admission: which requests a replica answers, and which it may refuse.

use quorate_model::{Durability, Layout, Mutant, Place, Refusal, Rules};

/// A replica answers for what it owns, at the epoch at which it does, and refuses every other epoch.
///
/// Rule 6. How durable the table wants records, or why it is refused.
#[inline]
pub fn admit(rules: Rules, layout: &Layout, at: &Place) -> Result<Durability, Refusal> {
    if rules.broken(Mutant::EpochNotChecked)
        && let Some(shard) = layout.tables.get(&at.table).and_then(|table| table.shard(&at.sort_key))
    {
        return layout.admit(&Place { epoch: shard.epoch, ..at.clone() });
    }
    layout.admit(at)
}

/// A replica that holds something later acknowledges a record all the same: it was written just before that.
///
/// Rule 1.
#[inline]
pub fn acknowledges_earlier(rules: Rules) -> bool {
    !rules.broken(Mutant::HigherVersionRefused)
}
