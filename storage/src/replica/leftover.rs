//! Clearing what a node no longer owns: its shard has arrived at its new owners, or has gone back to the old ones.
//!
//! ```text
//!   layout      | copy |  none  |  none  | copy |        a piece without a copy that holds something is a leftover
//!   disk        | #### |  ####  |        | #### |  ──>  | #### |        |        | #### |
//! ```
//!
//! Under the writer's lock, so that no layout gives the piece to the node meanwhile; synced, with what the ledger says of it
//! and the sums of it in the same batch. A shard that comes back is a copy of another name, and begins with nothing.
//!
//! # What is never cleared
//!
//! - A piece of which the layout gives the node a copy.
//! - Anything under a layout that may be older than what this replica has: one that it is behind of, that does not name its
//!   incarnation, or under which it has not closed what was before; and a copy that was given later than the layout is, which
//!   a start from an older catalog does not know of.

use super::floors::put_floors;
use super::peer_book::sealed;
use super::{Replica, Writer};
use crate::engine::{Batch, Direction, Engine, Family, KeyRange, PageLimit};
use crate::keys::{self, DiskKey};
use crate::rules::admission;
use quorate_model::{Durability, Interval, Layout, Refusal, SortKey, TableId, TableLayout};

/// Pieces that are counted at a time.
const PIECES_AT_ONCE: usize = 256;

impl<E: Engine> Replica<E> {
    /// Clears at most so many shards that this node does not own any more and of which it holds something; `false`: there is
    /// none left. Durable when it returns.
    pub fn clear_leftovers(&self, limit: usize) -> Result<bool, Refusal> {
        for _ in 0..limit {
            let mut writer = self.writer();
            self.trusted()?;
            let layout = self.layout();
            if !self.may_clear(&layout) {
                return Ok(false);
            }
            let Some((table, interval)) = self.leftover(&layout)? else { return Ok(false) };
            self.clear(&mut writer, table, &interval)?;
        }
        Ok(true)
    }

    /// Bytes that this node holds of shards that it does not own any more: records before compression, by the sums of chunks
    /// (`sums.rs`). They are exact, but for what is not counted yet after a start, which is left out. Costs a look at
    /// every shard, and waits for no disk.
    pub fn leftover_bytes(&self) -> u64 {
        let layout = self.layout().clone();
        let held = self.table_figures();
        let is_held = |table: TableId| held.get(&table).is_some_and(|figure| figure.total.bytes > 0);
        let mut bytes = 0_u64;
        for (table, known) in layout.tables.iter().filter(|(table, _)| is_held(**table)) {
            // A few at a time: writers wait for the sums.
            for some in without_copy(known).chunks(PIECES_AT_ONCE) {
                let figures = self.interval_figures(*table, some);
                bytes += figures.iter().map(|figure| figure.total.bytes).sum::<u64>();
            }
        }
        bytes
    }

    fn may_clear(&self, layout: &Layout) -> bool {
        self.not_behind(layout).is_ok()
            && admission::is_named(self.rules, layout, self.incarnation)
            && self.closed() >= layout.epoch
    }

    /// The first shard without a copy of which something is held.
    fn leftover(&self, layout: &Layout) -> Result<Option<(TableId, Interval)>, Refusal> {
        for (table, known) in &layout.tables {
            if let Some(interval) = self.leftover_of(layout, *table, known)? {
                return Ok(Some((*table, interval)));
            }
        }
        Ok(None)
    }

    /// One seek for each piece between held ones, and one for each copy that is left alone.
    fn leftover_of(
        &self,
        layout: &Layout,
        table: TableId,
        known: &TableLayout,
    ) -> Result<Option<Interval>, Refusal> {
        let mut at =
            known.shards.iter().find(|shard| shard.copy.is_none()).map(|shard| &shard.interval.start);
        while let Some(from) = at {
            let Some(held) = self.first_held(table, from)? else { return Ok(None) };
            let Some(shard) = known.shard(&held) else { return Ok(None) };
            let is_later = self.ledger().is_given_after(table, &shard.interval, layout.epoch);
            if shard.copy.is_none() && !is_later {
                return Ok(Some(shard.interval.clone()));
            }
            // It owns what it has found: on behind that, where the next piece without a copy begins.
            let behind = known.shards.iter().find(|next| {
                next.copy.is_none()
                    && shard.interval.end.as_ref().is_some_and(|end| next.interval.start >= *end)
            });
            at = behind.map(|next| &next.interval.start);
        }
        Ok(None)
    }

    /// The first key of a table from this one on that a record is held of.
    fn first_held(&self, table: TableId, from: &SortKey) -> Result<Option<SortKey>, Refusal> {
        let behind = keys::records_in(table, &Interval { start: from.clone(), end: None });
        let one = PageLimit { items: 1, bytes: 1 };
        let found = self.engine.scan(Family::Records, &behind, Direction::Forward, one);
        let found = found.map_err(|error| self.refusal(&error))?;
        // A tag and a table stand before the sort key.
        Ok(found.first().map(|(key, _)| SortKey(key.slice(5..))))
    }

    fn clear(&self, writer: &mut Writer, table: TableId, interval: &Interval) -> Result<(), Refusal> {
        let mut batch = Batch::default();
        batch.delete_range(Family::Records, keys::records_in(table, interval));
        let first = self.sums().chunk_at(table, interval.start.as_bytes());
        let rows = |start: &SortKey| DiskKey::ChunkSum { table, start: start.clone() };
        if let Some(first) = first {
            batch.delete(rows(&SortKey(first.clone())).family(), rows(&SortKey(first)).encode());
        }
        let end = match &interval.end {
            Some(end) => Some(rows(end).encode()),
            None => keys::chunk_sums_of(table).end,
        };
        batch.delete_range(Family::Meta, KeyRange { start: rows(&interval.start).encode(), end });
        let (gone, cut) = self.ledger().without(table, interval);
        for start in &gone {
            let key = DiskKey::Copy { table, start: start.clone() };
            batch.delete(key.family(), key.encode());
        }
        for (start, entry) in &cut {
            let key = DiskKey::Copy { table, start: start.clone() };
            batch.put(key.family(), key.encode(), sealed(entry));
        }
        let floors = self.floors().without(table, interval);
        put_floors(&mut batch, table, &floors);
        self.write(writer, batch, Durability::Sync).map_err(|error| self.refusal(&error))?;
        self.emptied().add(keys::records_in(table, interval));
        self.floors_mut().take(table, floors);
        let mut ledger = self.ledger_mut();
        for start in &gone {
            ledger.remove(table, start);
        }
        for (start, entry) in cut {
            ledger.set(table, start, entry);
        }
        drop(ledger);
        self.sums().emptied(table, interval);
        Ok(())
    }
}

/// The pieces of a table between those of which the node has a copy: sums are cut where they end.
fn without_copy(known: &TableLayout) -> Vec<Interval> {
    let mut pieces: Vec<Interval> = Vec::new();
    for shard in known.shards.iter().filter(|shard| shard.copy.is_none()) {
        let Interval { start, end } = &shard.interval;
        match pieces.last_mut() {
            Some(last) if last.end.as_ref() == Some(start) => last.end.clone_from(end),
            Some(_) | None => pieces.push(shard.interval.clone()),
        }
    }
    pieces
}
