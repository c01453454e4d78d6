//! Floors and removals on the replica's side: closing, sealing, finding removals that may go, and dropping them.
//!
//! A run of the purge asks for these one after the other (`coordinator/src/purge`); each is safe by itself, whenever it
//! comes. A floor is raised in one synced batch, so everything that was merged before it is durable with it. A removal is
//! dropped only where it is held exactly as listed and its floor is sealed.

use super::peer_book::{opened, sealed};
use super::scan::cut;
use super::sums::item;
use super::{Replica, Writer};
use crate::engine::{Batch, Engine, EngineError, Family, PageLimit, for_each};
use crate::floors::{Change, Entry, FloorMap};
use crate::keys::{self, DiskKey};
use crate::rules::purge;
use quorate_model::floors::{Floored, REMOVALS_MAX, Raise, Removal, Removals, Wanted};
use quorate_model::sync::Keyed;
use quorate_model::{
    Body, Durability, Extent, Floors, Interval, Record, Refusal, SortKey, TableId, Version, WallTime,
};
use std::collections::BTreeMap;
use std::sync::{PoisonError, RwLockReadGuard, RwLockWriteGuard};

/// Records that are looked through at a time, and their bytes.
const STEP: PageLimit = PageLimit { items: 1_000, bytes: 1024 * 1024 };

/// Removals that are dropped in one batch: a client's write waits for one such batch at most.
const DROPPED_AT_ONCE: usize = 256;

impl<E: Engine> Replica<E> {
    /// What is on the disk.
    pub(super) fn load_floors(engine: &E) -> Result<FloorMap, EngineError> {
        let mut entries = BTreeMap::new();
        for_each(engine, Family::Meta, keys::floors(), |key, value| {
            let (Some(DiskKey::Floors { table, start }), Some(entry)) =
                (DiskKey::decode(&key), opened::<Entry>(&value))
            else {
                return Err(EngineError::Corrupt("a damaged note of floors".into()));
            };
            entries.insert((table, start), entry);
            Ok(())
        })?;
        Ok(FloorMap::load(entries))
    }

    /// Raises the floors of a piece of one shard, and says what they are then.
    pub(super) fn raise(&self, over: &Extent, raise: Raise) -> Result<Vec<Floored>, Refusal> {
        if raise != Raise::Nothing {
            let mut writer = self.writer();
            self.trusted()?;
            self.admit_source(over)?;
            if self.is_disk_full() {
                return Err(Refusal::DiskFull);
            }
            self.raise_by(&mut writer, over, |floors| raise.over(floors))?;
        }
        // The guard lives until the floors are read: a copy that is given away meanwhile is not cleared before.
        let layout = self.layout();
        self.admit_with(&layout, over)?;
        Ok(self.floors().within(over.table, &over.interval))
    }

    fn raise_by(
        &self,
        writer: &mut Writer,
        over: &Extent,
        raised: impl Fn(Floors) -> Floors,
    ) -> Result<(), Refusal> {
        let change = self.floors().raised(over.table, &over.interval, raised);
        let Some(change) = change else { return Ok(()) };
        let mut batch = Batch::housekeeping();
        put_floors(&mut batch, over.table, &change);
        self.write(writer, batch, Durability::Sync).map_err(|error| self.refusal(&error))?;
        self.floors_mut().take(over.table, change);
        Ok(())
    }

    /// What becomes of the floors where a copy is begun with those of its sources.
    pub(super) fn begun_with(
        &self,
        batch: &mut Batch,
        table: TableId,
        interval: &Interval,
        pieces: &[Floored],
    ) -> Vec<Change> {
        // Pieces of several sources lie over each other: one after the other is raised.
        let mut floors = self.floors().clone();
        let mut changes = Vec::new();
        for piece in pieces {
            let interval = cut(&piece.interval, interval.clone());
            let Some(change) = floors.raised(table, &interval, |floors| floors.join(piece.floors)) else {
                continue;
            };
            put_floors(batch, table, &change);
            changes.push(Change { gone: change.gone.clone(), come: change.come.clone() });
            floors.take(table, change);
        }
        changes
    }

    /// The removals of a piece of one shard that are looked for, and values whose time has come; so many of both together.
    /// Reads only where there may be such.
    pub(super) fn removals(
        &self,
        over: &Extent,
        wanted: Wanted,
        is_over: &mut impl FnMut() -> bool,
    ) -> Result<Removals, Refusal> {
        let most = (wanted.items as usize).clamp(1, REMOVALS_MAX);
        let mut removals = Removals::default();
        let mut at = over.interval.start.clone();
        loop {
            let end = over.interval.end.as_ref().map(SortKey::as_bytes);
            let piece = self.sums().piece(over.table, at.as_bytes(), end);
            let mut until = piece.end.map(SortKey);
            if piece.may_go {
                let rest = Extent { interval: Interval { start: at, end: until.clone() }, ..*over };
                let (read, is_whole) = self.read_step(&rest, STEP)?;
                for (sort_key, bytes) in read {
                    if removals.found.len() + removals.due.len() == most {
                        removals.until = Some(sort_key);
                        return Ok(removals);
                    }
                    let record = self.decoded(&bytes)?;
                    if !is_whole {
                        until = Some(sort_key.successor());
                    }
                    take_removal(&mut removals, sort_key, record, wanted);
                }
            } else {
                self.admit_source(over)?;
            }
            match until {
                Some(until) if Some(&until) != over.interval.end.as_ref() => at = until,
                Some(_) | None => {
                    removals.until.clone_from(&over.interval.end);
                    return Ok(removals);
                }
            }
            if is_over() {
                removals.until = Some(at);
                return Ok(removals);
            }
        }
    }

    /// The places of those removals that are not held exactly so, nor were dropped before.
    pub(super) fn unconfirmed(&self, over: &Extent, removals: &[Removal]) -> Result<Vec<u32>, Refusal> {
        let layout = self.layout();
        self.admit_with(&layout, over)?;
        let mut others = Vec::new();
        for (place, removal) in (0..).zip(removals.iter().take(REMOVALS_MAX)) {
            let key = keys::record(over.table, &removal.sort_key);
            let held = self.held(Family::Records, &key)?.map(|(record, _)| record.held());
            let sealed = self.floors().at(over.table, &removal.sort_key).sealed;
            if !over.interval.contains(&removal.sort_key) || !purge::confirms(held, sealed, removal.held) {
                others.push(place);
            }
        }
        Ok(others)
    }

    /// Drops removals that are held exactly so, where that is sealed; how many.
    pub(super) fn drop_removals(
        &self,
        over: &Extent,
        up_to: Version,
        removals: &[Removal],
    ) -> Result<u32, Refusal> {
        let mut dropped = 0;
        for some in removals[..removals.len().min(REMOVALS_MAX)].chunks(DROPPED_AT_ONCE) {
            dropped += self.drop_some(over, up_to, some)?;
        }
        #[cfg(feature = "mutants")]
        self.drop_unlisted(over, up_to)?;
        Ok(u32::try_from(dropped).unwrap_or(u32::MAX))
    }

    fn drop_some(&self, over: &Extent, up_to: Version, removals: &[Removal]) -> Result<usize, Refusal> {
        let mut writer = self.writer();
        self.trusted()?;
        self.admit_source(over)?;
        let (mut batch, mut sums, hasher) = (Batch::default(), self.batch_sums(), self.sums().hasher());
        let mut dropped = 0;
        for removal in removals.iter().filter(|removal| over.interval.contains(&removal.sort_key)) {
            let floors = self.floors().at(over.table, &removal.sort_key);
            let key = keys::record(over.table, &removal.sort_key);
            let Some((record, bytes)) = self.held(Family::Records, &key)? else { continue };
            let is_listed = record.held() == removal.held && removal.held.version <= up_to;
            if is_listed && purge::may_go(&record, floors) {
                sums.note(&key, item(hasher, &key, &bytes), None);
                batch.delete(Family::Records, key);
                dropped += 1;
            }
        }
        if batch.is_empty() {
            return Ok(0);
        }
        sums.delete_rows(&self.sums(), &mut batch);
        // A removal that comes back after a power cut is one that goes with the next run.
        self.write(&mut writer, batch, Durability::Os).map_err(|error| self.refusal(&error))?;
        sums.count(&mut self.sums());
        Ok(dropped)
    }

    /// What broken rules let go beside that.
    #[cfg(feature = "mutants")]
    fn drop_unlisted(&self, over: &Extent, up_to: Version) -> Result<(), Refusal> {
        let mut listed = Vec::new();
        let (read, _) = self.read_step(over, PageLimit::BULK)?;
        for (sort_key, bytes) in read {
            let record = self.decoded(&bytes)?;
            if record.version <= up_to && purge::goes_unlisted(self.rules(), &record) {
                listed.push(Removal { sort_key, held: record.held(), has_ids: false });
            }
        }
        self.drop_some(over, up_to, &listed).map(|_| ())
    }

    pub(super) fn floors(&self) -> RwLockReadGuard<'_, FloorMap> {
        // Every change of it is complete, even after a panic elsewhere.
        self.floors.read().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn floors_mut(&self) -> RwLockWriteGuard<'_, FloorMap> {
        self.floors.write().unwrap_or_else(PoisonError::into_inner)
    }

    /// The floors of a key; for tests.
    pub fn floors_at(&self, table: TableId, sort_key: &SortKey) -> Floors {
        self.floors().at(table, sort_key)
    }
}

/// Notes what becomes of the floors of a table.
pub(super) fn put_floors(batch: &mut Batch, table: TableId, change: &Change) {
    for start in &change.gone {
        let key = DiskKey::Floors { table, start: start.clone() };
        batch.delete(key.family(), key.encode());
    }
    for (start, entry) in &change.come {
        let key = DiskKey::Floors { table, start: start.clone() };
        batch.put(key.family(), key.encode(), sealed(entry));
    }
}

/// Takes what is looked for.
fn take_removal(removals: &mut Removals, sort_key: SortKey, record: Record, wanted: Wanted) {
    let is_wanted = |held: &Record, since: WallTime| {
        let before = if held.operations.is_empty() { wanted.before } else { wanted.with_ids_before };
        since <= before && wanted.up_to.is_none_or(|up_to| held.version <= up_to)
    };
    match record.body {
        Body::Value { .. } => {
            if record.is_due(wanted.before) {
                removals.due.push(Keyed { sort_key, record: record.into_expired() });
            }
        }
        Body::Tombstone | Body::Expired => {
            let since = record.written_at.max(record.expires_at.unwrap_or_default());
            if is_wanted(&record, since) {
                let has_ids = !record.operations.is_empty();
                removals.found.push(Removal { sort_key, held: record.held(), has_ids });
            }
        }
    }
}

/// Whether these bytes are the floors of a piece; for the test of every decoder of outside bytes.
pub fn takes(bytes: &[u8]) -> bool {
    let Some(entry) = opened::<Entry>(bytes) else { return false };
    assert_eq!(opened(&sealed(&entry)), Some(entry));
    true
}
