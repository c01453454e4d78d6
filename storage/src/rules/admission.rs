//! Admission: which requests a replica answers, and which it may refuse.

use quorate_model::{Durability, Extent, Interval, Layout, Mutant, Place, Refusal, Rules};

/// A replica answers nothing before a catalog names its incarnation. One that was accepted after a loss may have lost
/// the end of its log, and with it all that it knew of newer owners; the catalog that names it is newer than that.
///
/// Rule 13.
#[inline]
pub fn is_named(rules: Rules, layout: &Layout, incarnation: u64) -> bool {
    layout.incarnation == incarnation || rules.broken(Mutant::UnnamedAnswers)
}

/// A replica answers for what it owns, at the epoch at which it does, and refuses every other epoch.
///
/// Rule 6. How durable the table wants records, or why it is refused.
#[inline]
pub fn admit(rules: Rules, layout: &Layout, incarnation: u64, at: &Place) -> Result<Durability, Refusal> {
    if !is_named(rules, layout, incarnation) {
        return Err(Refusal::Behind { current: layout.epoch });
    }
    if rules.broken(Mutant::EpochNotChecked)
        && let Some(shard) = layout.tables.get(&at.table).and_then(|table| table.shard(&at.sort_key))
    {
        return layout.admit(&Place { epoch: shard.epoch, ..at.clone() });
    }
    layout.admit(at)
}

/// A walk over a range is answered for the shard in which it begins, as far as that reaches, at its epoch.
///
/// Rule 6. The shard's interval, or why it is refused.
#[inline]
pub fn admit_walk(
    rules: Rules,
    layout: &Layout,
    incarnation: u64,
    over: &Extent,
    reverse: bool,
) -> Result<Interval, Refusal> {
    let shard = layout.tables.get(&over.table).and_then(|table| {
        let interval = &over.interval;
        if reverse { table.shard_below(interval.end.as_ref()) } else { table.shard(&interval.start) }
    });
    let within = shard.map_or_else(Interval::everything, |shard| shard.interval.clone());
    let sort_key = within.start.clone();
    admit(rules, layout, incarnation, &Place { table: over.table, epoch: over.epoch, sort_key })?;
    Ok(within)
}

/// A replica that doubts its disk answers nothing about a range, least of all to those that compare theirs with it.
///
/// Rule 18.
#[inline]
pub fn is_source(rules: Rules, is_doubtful: bool) -> bool {
    !is_doubtful || rules.broken(Mutant::SyncFromDoubtful)
}

/// A replica that holds something later acknowledges a record all the same: it was written just before that.
///
/// Rule 1.
#[inline]
pub fn acknowledges_earlier(rules: Rules) -> bool {
    !rules.broken(Mutant::HigherVersionRefused)
}
