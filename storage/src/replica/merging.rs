//! Owners that stay while a shard moves to fewer: what the other old owners hold is merged into their copies.
//!
//! Such a copy answers like any other meanwhile. That it is merged is known to this run alone: what it rests on is durable, and
//! a later run finds in sums that there is nothing to do.

use super::{Replica, Writer};
use crate::engine::Engine;
use crate::rules::filling;
use quorate_model::{CopyState, Durability, Epoch, Fill, Gap, Interval, Layout, Refusal, TableId};

/// What a replica says of the copy that it should have of a shard.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Standing {
    /// Since when it has it.
    pub since: Epoch,
    /// How much it holds of it.
    pub state: CopyState,
    /// The epoch of the shard at which it has merged what the other owners hold, where they become fewer; 0: it has not.
    pub merged: Epoch,
}

impl<E: Engine> Replica<E> {
    /// The copy that this node should have of a shard, by its interval. `None`: none, or the shard is another one by its
    /// layout.
    pub fn copy_in(&self, table: TableId, interval: &Interval) -> Option<Standing> {
        let layout = self.layout();
        if self.is_doubtful() || self.not_behind(&layout).is_err() {
            return None;
        }
        let shard = layout.tables.get(&table)?.shard(&interval.start);
        let copy = shard.filter(|shard| shard.interval == *interval)?.copy?;
        let ledger = self.ledger();
        let (state, merged) = (ledger.within(table, interval, copy), ledger.merged(table, &interval.start));
        Some(Standing { since: copy.since, state, merged })
    }

    /// The shards into which it has to merge what others hold, and of which it holds everything itself.
    pub(super) fn unmerged_in<'a>(&'a self, layout: &'a Layout) -> impl Iterator<Item = Gap> + 'a {
        layout.tables.iter().flat_map(move |(table, known)| {
            let stayed_in = known.shards.sought().filter(|shard| shard.is_stayed_in());
            stayed_in.filter_map(move |shard| {
                let ledger = self.ledger();
                let state = ledger.within(*table, &shard.interval, shard.copy?);
                let is_due =
                    state == CopyState::Whole && ledger.merged(*table, &shard.interval.start) != shard.epoch;
                let (epoch, interval) = (shard.epoch, shard.interval.clone());
                is_due.then(|| Gap { table: *table, epoch, interval, state, fill: Fill::default() })
            })
        })
    }

    /// What the others hold is merged into a shard: durable when it returns. Of a piece that was filled by itself, and is whole
    /// already, nothing is noted: the rest of its shard may not be merged yet.
    pub(super) fn merged(&self, writer: &mut Writer, gap: &Gap) -> Result<(), Refusal> {
        let layout = self.layout();
        let shard = layout.tables.get(&gap.table).and_then(|table| table.shard(&gap.interval.start));
        if shard.is_none_or(|shard| shard.interval != gap.interval) {
            return Ok(());
        }
        match filling::noted_whole(self.rules) {
            Durability::Sync => self.sync(writer).map_err(|error| self.refusal(&error))?,
            Durability::Os => {}
        }
        self.ledger_mut().set_merged(gap.table, gap.interval.start.clone(), gap.epoch);
        Ok(())
    }
}
