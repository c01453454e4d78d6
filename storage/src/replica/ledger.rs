//! The ledger on the replica's side: what is noted when, and what is deleted with it.
//!
//! ```text
//! lossy ── take: old records deleted, noted as filling, one synced batch ──> filling
//! filling ── filled: how far, in the order of the log behind what was merged ─> filling
//! filling ── whole: noted, synced, and with it all that was merged ───────────> whole
//! ```
//!
//! There is one log for everything, so a note of how far a shard is filled outlives a power cut only together with the
//! records before it.

use super::install::wants_something;
use super::peer_book::{opened, sealed};
use super::{Replica, Writer};
use crate::engine::{Batch, Direction, Engine, EngineError, Family, Lookup, PageLimit, ReadTier, for_each};
use crate::keys::{self, DiskKey};
use crate::ledger::{Entry, Ledger, Lost};
use crate::rules::admission;
use crate::rules::filling::{self, Wants};
use quorate_model::floors::Floored;
use quorate_model::layout::Role;
use quorate_model::{
    CopyState, Durability, Epoch, Fill, Gap, Interval, Layout, Place, Refusal, Rules, ShardLayout, SortKey,
    TableId,
};
use std::collections::BTreeMap;
use std::sync::atomic::Ordering;
use std::sync::{PoisonError, RwLockReadGuard, RwLockWriteGuard};

impl<E: Engine> Replica<E> {
    /// What is on the disk.
    pub(super) fn load_ledger(engine: &E, rules: Rules) -> Result<Ledger, EngineError> {
        let damaged = || EngineError::Corrupt("a damaged note about lost records".into());
        let lost = match engine.get(Family::Meta, &DiskKey::Lost.encode(), ReadTier::Disk)? {
            Lookup::Found(bytes) => Some(opened::<Lost>(&bytes).ok_or_else(damaged)?),
            Lookup::Absent => None,
            Lookup::NotInMemory => {
                return Err(EngineError::Failed("a read from the disk did not reach it".into()));
            }
        };
        let mut entries = BTreeMap::new();
        for_each(engine, Family::Meta, keys::copies(), |key, value| {
            let (Some(DiskKey::Copy { table, start }), Some(entry)) =
                (DiskKey::decode(&key), opened::<Entry>(&value))
            else {
                return Err(damaged());
            };
            entries.insert((table, start), entry);
            Ok(())
        })?;
        Ok(Ledger::load(rules, lost, entries))
    }

    /// Whether a request for a place may be answered, by what is held there.
    pub(super) fn holds(&self, layout: &Layout, at: &Place, wants: Wants) -> Result<(), Refusal> {
        if self.is_whole.load(Ordering::Acquire) {
            return Ok(());
        }
        let shard = layout.tables.get(&at.table).and_then(|table| table.shard(&at.sort_key));
        let Some(copy) = shard.and_then(|shard| shard.copy) else { return Ok(()) };
        filling::admit(self.rules, copy.role, self.ledger().at(at.table, &at.sort_key, copy), wants)
    }

    /// Whether the copy of a place is being filled.
    pub(super) fn is_filling(&self, layout: &Layout, at: &Place) -> bool {
        if self.is_whole.load(Ordering::Acquire) {
            return false;
        }
        let shard = layout.tables.get(&at.table).and_then(|table| table.shard(&at.sort_key));
        let copy = shard.and_then(|shard| shard.copy);
        copy.is_some_and(|copy| self.ledger().at(at.table, &at.sort_key, copy) == CopyState::Filling)
    }

    /// Whether enough is held in a piece of one shard for others to be told what there is.
    pub(super) fn holds_all(
        &self,
        layout: &Layout,
        table: TableId,
        piece: &Interval,
        wants: Wants,
    ) -> Result<(), Refusal> {
        if self.is_whole.load(Ordering::Acquire) {
            return Ok(());
        }
        let shard = layout.tables.get(&table).and_then(|table| table.shard(&piece.start));
        let Some(copy) = shard.and_then(|shard| shard.copy) else { return Ok(()) };
        filling::admit(self.rules, copy.role, self.ledger().within(table, piece, copy), wants)
    }

    /// The first layout that names this incarnation is noted: what it gives the node later was not lost. False: it can't be
    /// noted now, and everything counts as lost until it is.
    pub(super) fn note_began(&self, writer: &mut Writer, layout: &Layout) -> bool {
        let Some(lost) = self.ledger().lost().filter(|lost| lost.began.is_none()) else { return true };
        if !admission::is_named(self.rules, layout, self.incarnation) || self.is_doubtful() {
            return true;
        }
        let lost = Lost { began: Some(layout.epoch), ..lost };
        let mut batch = Batch::housekeeping();
        batch.put(Family::Meta, DiskKey::Lost.encode(), sealed(&lost));
        match self.write(writer, batch, Durability::Sync) {
            Ok(()) => {
                self.ledger_mut().set_lost(Some(lost));
                true
            }
            Err(error) => {
                self.judge(&error);
                false
            }
        }
    }

    /// The pieces of this node's shards of which it does not hold everything, then the shards into which it has to merge what others hold, at
    /// most so many; none before its layout names this incarnation. Forgets that there was a loss once there is none left.
    pub fn gaps(&self, most: usize) -> Vec<Gap> {
        if self.is_whole.load(Ordering::Acquire) || self.is_doubtful() {
            return Vec::new();
        }
        let is_named = |layout: &Layout| {
            admission::is_named(self.rules, layout, self.incarnation) && self.not_behind(layout).is_ok()
        };
        if !is_named(&self.layout()) {
            return Vec::new();
        }
        let gaps: Vec<Gap> = {
            let layout = self.layout();
            self.pieces_in(&layout).chain(self.unmerged_in(&layout)).take(most).collect()
        };
        let lost = self.ledger().lost();
        let Some(lost) = lost else { return gaps };
        let is_loss_left = self.gaps_in(&self.layout(), |shard| !shard.is_received()).next().is_some();
        if lost.began.is_some() && is_loss_left {
            return gaps;
        }
        let mut writer = self.writer();
        if !is_named(&self.layout()) || !self.note_began(&mut writer, &self.layout()) {
            return Vec::new();
        }
        // With the writer's lock no layout comes between the look and the end.
        if self.gaps_in(&self.layout(), |shard| !shard.is_received()).next().is_none() {
            self.forget_loss(&mut writer);
        }
        gaps
    }

    /// How many shards this node owns by its layout, and of how many of them it holds everything.
    pub fn wholeness(&self) -> (u64, u64) {
        let (owned, gaps) = self.lacking();
        (owned, owned - gaps.len() as u64)
    }

    /// How many shards this node owns by its layout, and those of which it does not hold everything. Looks only; to fill
    /// them, ask for the [`gaps`](Self::gaps).
    pub fn lacking(&self) -> (u64, Vec<Gap>) {
        let layout = self.layout();
        let shards = layout.tables.values().flat_map(|table| table.shards.iter());
        let owned = shards.filter(|shard| shard.copy.is_some() && !shard.is_received()).count() as u64;
        if self.is_whole.load(Ordering::Acquire) {
            return (owned, Vec::new());
        }
        (owned, self.gaps_in(&layout, |shard| !shard.is_received()).collect())
    }

    fn gaps_in<'a>(
        &'a self,
        layout: &'a Layout,
        counts: impl Fn(&ShardLayout) -> bool + std::marker::Copy + 'a,
    ) -> impl Iterator<Item = Gap> + 'a {
        layout.tables.iter().flat_map(move |(table, known)| {
            known.shards.iter().filter(move |shard| counts(shard)).filter_map(move |shard| {
                let ledger = self.ledger();
                let state = ledger.within(*table, &shard.interval, shard.copy?);
                let fill = ledger.fill(*table, &shard.interval);
                let (epoch, interval) = (shard.epoch, shard.interval.clone());
                (state != CopyState::Whole).then_some(Gap { table: *table, epoch, interval, state, fill })
            })
        })
    }

    /// The same piece by piece, of all shards.
    fn pieces_in<'a>(&'a self, layout: &'a Layout) -> impl Iterator<Item = Gap> + 'a {
        layout.tables.iter().flat_map(move |(table, known)| {
            known.shards.iter().flat_map(move |shard| {
                let ledger = self.ledger();
                let pieces = shard.copy.map(|copy| ledger.pieces(*table, &shard.interval, copy));
                let gap = |(interval, state): (Interval, CopyState)| {
                    let fill = ledger.fill(*table, &interval);
                    Gap { table: *table, epoch: shard.epoch, interval, state, fill }
                };
                let gaps = pieces.into_iter().flatten().filter(|(_, state)| *state != CopyState::Whole);
                gaps.map(gap).collect::<Vec<Gap>>()
            })
        })
    }

    /// Everything is held again: the notes go.
    fn forget_loss(&self, writer: &mut Writer) {
        let mut batch = Batch::housekeeping();
        batch.delete(Family::Meta, DiskKey::Lost.encode());
        for (table, start) in self.ledger().of_loss() {
            let key = DiskKey::Copy { table, start };
            batch.delete(key.family(), key.encode());
        }
        match self.write(writer, batch, Durability::Sync) {
            Ok(()) => {
                self.ledger_mut().set_lost(None);
                self.is_whole.store(!wants_something(&self.layout()), Ordering::Release);
            }
            // It is tried again with the next look.
            Err(error) => self.judge(&error),
        }
    }

    /// Begins to fill a lossy shard: what is held of it is deleted, the floors of its sources are its own too, and from here
    /// on it acknowledges writes. Durable when it returns. A shard that is taken already stays as it is.
    pub fn take(&self, gap: &Gap, floors: &[Floored]) -> Result<(), Refusal> {
        let mut writer = self.writer();
        let (since, state) = self.copy_of(gap)?;
        if state != CopyState::Lossy {
            return Ok(());
        }
        if self.is_disk_full() {
            return Err(Refusal::DiskFull);
        }
        let mut batch = Batch::default();
        if filling::wipes_first(self.rules) {
            self.wipe(gap, &mut batch)?;
        }
        let changes = self.begun_with(&mut batch, gap.table, &gap.interval, floors);
        let entry = Entry { state: CopyState::Filling, since, ..Self::entry(gap, Fill::default()) };
        self.note(&mut writer, gap, entry, batch, Durability::Sync)?;
        let mut floors = self.floors_mut();
        for change in changes {
            floors.take(gap.table, change);
        }
        drop(floors);
        self.sums().anew(gap.table, &self.layout());
        Ok(())
    }

    /// Notes how far a shard is filled, behind everything that was merged before.
    pub fn filled(&self, gap: &Gap, fill: Fill) -> Result<(), Refusal> {
        let mut writer = self.writer();
        let (since, state) = self.copy_of(gap)?;
        if state != CopyState::Filling {
            return Err(Refusal::Filling);
        }
        let mut batch = Batch::housekeeping();
        let is_first = self.ledger().fill(gap.table, &gap.interval).up_to.is_none();
        if is_first && !filling::wipes_first(self.rules) {
            self.wipe(gap, &mut batch)?;
            self.sums().anew(gap.table, &self.layout());
        }
        let entry = Entry { state: CopyState::Filling, since, ..Self::entry(gap, fill) };
        self.note(&mut writer, gap, entry, batch, Durability::Os)
    }

    /// Notes that a shard that was filled is whole, or merged if it was that. Durable when it returns, with all that was merged
    /// into it.
    pub fn whole(&self, gap: &Gap) -> Result<(), Refusal> {
        let mut writer = self.writer();
        let (since, state) = self.copy_of(gap)?;
        match state {
            CopyState::Lossy => return Err(Refusal::Filling),
            CopyState::Whole => return self.merged(&mut writer, gap),
            CopyState::Filling => {}
        }
        let entry = Entry { state: CopyState::Whole, fill: None, since, ..Self::entry(gap, Fill::default()) };
        self.note(&mut writer, gap, entry, Batch::default(), filling::noted_whole(self.rules))
    }

    /// Deletes what is held of a shard. Where nothing is, no deletion is left behind: it would be in the way of files.
    fn wipe(&self, gap: &Gap, batch: &mut Batch) -> Result<(), Refusal> {
        let records = keys::records_in(gap.table, &gap.interval);
        let one = PageLimit { items: 1, bytes: 1 };
        let held = self.engine.scan(Family::Records, &records, Direction::Forward, one);
        if !held.map_err(|error| self.refusal(&error))?.is_empty() {
            batch.delete_range(Family::Records, records);
        }
        batch.delete_range(Family::Meta, keys::chunk_sums_of(gap.table));
        Ok(())
    }

    /// What is held of a piece of one shard, while the layout has that at the gap's epoch; and which copy of a move it is. A copy
    /// that a move gives is one piece.
    pub(super) fn copy_of(&self, gap: &Gap) -> Result<(Option<Epoch>, CopyState), Refusal> {
        self.trusted()?;
        let layout = self.layout();
        let Gap { table, epoch, interval, .. } = gap;
        let sort_key = interval.start.clone();
        self.not_behind(&layout)?;
        admission::admit(
            self.rules,
            &layout,
            self.incarnation,
            &Place { table: *table, epoch: *epoch, sort_key },
        )?;
        let shard = layout.tables.get(table).and_then(|table| table.shard(&interval.start));
        let shard = shard.ok_or(Refusal::NotOwner)?;
        let copy = shard.copy.ok_or(Refusal::NotOwner)?;
        let is_of_it = match copy.role {
            Role::Owner | Role::Stayer => shard.interval.covers(interval),
            Role::Receiver => shard.interval == *interval,
        };
        if !is_of_it {
            return Err(Refusal::NotOwner);
        }
        let since = (copy.role == Role::Receiver).then_some(copy.since);
        Ok((since, self.ledger().within(*table, interval, copy)))
    }

    fn entry(gap: &Gap, fill: Fill) -> Entry {
        Entry { end: gap.interval.end.clone(), state: gap.state, fill: Some(fill), since: None }
    }

    fn note(
        &self,
        writer: &mut Writer,
        gap: &Gap,
        entry: Entry,
        mut batch: Batch,
        durability: Durability,
    ) -> Result<(), Refusal> {
        let (table, start): (TableId, SortKey) = (gap.table, gap.interval.start.clone());
        let (mut gone, mut rest) = self.ledger().without(table, &gap.interval);
        gone.retain(|other| *other != start);
        if !filling::keeps_rest(self.rules) {
            rest.clear();
        }
        for start in &gone {
            let key = DiskKey::Copy { table, start: start.clone() };
            batch.delete(key.family(), key.encode());
        }
        rest.push((start, entry));
        for (start, entry) in &rest {
            let key = DiskKey::Copy { table, start: start.clone() };
            batch.put(key.family(), key.encode(), sealed(entry));
        }
        self.write(writer, batch, durability).map_err(|error| self.refusal(&error))?;
        let mut ledger = self.ledger_mut();
        for start in &gone {
            ledger.remove(table, start);
        }
        for (start, entry) in rest {
            ledger.set(table, start, entry);
        }
        Ok(())
    }

    pub(super) fn ledger(&self) -> RwLockReadGuard<'_, Ledger> {
        // Every change of it is complete, even after a panic elsewhere.
        self.ledger.read().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn ledger_mut(&self) -> RwLockWriteGuard<'_, Ledger> {
        self.ledger.write().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What a replica whose incarnation is this one writes down before it serves: everything that is held is lossy.
pub(crate) fn lossy_all(incarnation: u64) -> Batch {
    let mut batch = Batch::default();
    batch.delete_range(Family::Meta, keys::copies());
    batch.put(Family::Meta, DiskKey::Lost.encode(), sealed(&Lost { incarnation, began: None, kept: None }));
    batch
}

/// What a replica writes down whose data count as they are. What it had begun to fill does not: of that it had deleted what
/// it held, and it goes on filling it.
pub(crate) fn kept_as_it_is(engine: &impl Engine, incarnation: u64) -> Result<Batch, EngineError> {
    let mut is_filling = false;
    for_each(engine, Family::Meta, keys::copies(), |_, value| {
        is_filling |= opened::<Entry>(&value).is_none_or(|entry| entry.state == CopyState::Filling);
        Ok(())
    })?;
    let mut batch = Batch::default();
    if is_filling {
        let lost = Lost { incarnation, began: None, kept: Some(true) };
        batch.put(Family::Meta, DiskKey::Lost.encode(), sealed(&lost));
    } else {
        batch.delete_range(Family::Meta, keys::copies());
        batch.delete(Family::Meta, DiskKey::Lost.encode());
    }
    Ok(batch)
}

/// Whether these bytes are what is noted of a piece of a table; for the test of every decoder of outside bytes.
pub fn takes(bytes: &[u8]) -> bool {
    let Some(entry) = opened::<Entry>(bytes) else { return false };
    assert_eq!(opened(&sealed(&entry)), Some(entry));
    true
}

/// Whether these bytes are the note of a loss.
pub fn takes_lost(bytes: &[u8]) -> bool {
    let Some(lost) = opened::<Lost>(bytes) else { return false };
    assert_eq!(opened(&sealed(&lost)), Some(lost));
    true
}
