//! The engine of the simulator: a sorted map that behaves like a disk on its worst day, on demand.
//!
//! It is deterministic: what it does depends on the calls alone. [`MemoryEngine::crash`] is a power cut: what was
//! not synced is gone (or, with [`MemoryEngine::crash_keeping`], only the last of it, as when the operating system
//! had written some of it back by itself). Errors, damage and a full disk are injected by name. The engine is the
//! disk, not the process: a restart is a new replica over the same engine.
//!
//! Left out: torn batches. A batch is atomic in RocksDB's log (a torn one fails its checksum and is the tail), and
//! the conformance suite checks that on real files.

use crate::doubt::Doubt;
use crate::engine::{
    Batch, Change, Direction, Engine, EngineError, EngineStatistics, Family, Items, KeyRange, Lookup,
    PageLimit, ReadTier,
};
use bytes::Bytes;
use quorate_model::{CommitCounter, Durability};
use std::collections::{BTreeMap, BTreeSet};
use std::ops::Bound;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// An error to come, once.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Fault {
    /// The next read fails.
    Read,
    /// The next write fails and leaves nothing.
    Write,
    /// The next sync (of a synced write too) fails: the write is not visible, what was unsynced stays so.
    Sync,
    /// The next sync (of a synced write too) reports an error although everything reached the disk.
    SyncKept,
}

/// See the module's essay.
#[derive(Debug, Default)]
pub struct MemoryEngine {
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    items: BTreeMap<(Family, Vec<u8>), Bytes>,
    used_bytes: u64,
    /// For each batch that was not synced, oldest first: what to put back, in the order of its changes.
    unsynced: Vec<Unsynced>,
    faults: BTreeSet<Fault>,
    capacity_bytes: Option<u64>,
    cold: bool,
    doubt: Option<Doubt>,
    /// Batches that are there, but for those that were only for housekeeping.
    sequence: u64,
    /// Whether syncs are only pretended.
    lying: bool,
    /// How many of them are synced.
    committed: u64,
    writes: u64,
    syncs: u64,
}

/// A batch that a crash would forget.
#[derive(Debug)]
struct Unsynced {
    undos: Vec<Undo>,
    /// What the sequence was before it.
    sequence: u64,
}

#[derive(Debug)]
struct Undo {
    family: Family,
    key: Vec<u8>,
    before: Option<Bytes>,
}

impl MemoryEngine {
    /// An empty disk without bounds.
    pub fn new() -> Self {
        Self::default()
    }

    /// Power cut: forgets everything that was not synced.
    pub fn crash(&self) {
        self.crash_keeping(0);
    }

    /// Power cut after the operating system wrote back the first so many of the unsynced batches.
    pub fn crash_keeping(&self, batches: usize) {
        let mut state = self.state();
        while state.unsynced.len() > batches {
            let Unsynced { undos, sequence } = state.unsynced.pop().expect("longer than what is kept");
            for undo in undos.into_iter().rev() {
                state.set(undo.family, undo.key, undo.before);
            }
            state.sequence = sequence;
        }
        state.unsynced.clear();
        state.faults.clear();
        state.lying = false;
        // What was kept is on the disk.
        state.committed = state.sequence;
    }

    /// From now on syncs are only pretended, as by a disk that keeps in its own memory what it calls written: the next
    /// power cut forgets what they were for.
    pub fn lie(&self) {
        self.state().lying = true;
    }

    /// How many batches a crash would forget now.
    pub fn unsynced_batches(&self) -> usize {
        self.state().unsynced.len()
    }

    /// A new, empty disk in the place of this one.
    pub fn wipe(&self) {
        *self.state() = State::default();
    }

    /// Takes what is there for the whole: what was missing was accepted as lost, and the disk works again.
    pub fn begin_anew(&self) {
        let mut state = self.state();
        (state.doubt, state.lying) = (None, false);
        state.faults.clear();
    }

    /// Lets the next operation of that kind fail.
    pub fn fail_next(&self, fault: Fault) {
        self.state().faults.insert(fault);
    }

    /// Flips one bit of a stored value; whether there was a value to damage.
    pub fn corrupt(&self, family: Family, key: &[u8]) -> bool {
        let mut state = self.state();
        let Some(value) = state.items.get_mut(&(family, key.to_vec())).filter(|value| !value.is_empty())
        else {
            return false;
        };
        let mut damaged = value.to_vec();
        let middle = damaged.len() / 2;
        damaged[middle] ^= 1;
        *value = damaged.into();
        true
    }

    /// How much fits; `None`: anything. Writes past it are refused as [`EngineError::DiskFull`].
    pub fn set_capacity(&self, bytes: Option<u64>) {
        self.state().capacity_bytes = bytes;
    }

    /// Whether reads at [`ReadTier::BlockCache`] find nothing, as after a restart.
    pub fn set_cold(&self, cold: bool) {
        self.state().cold = cold;
    }

    /// Bytes of keys and values.
    pub fn used_bytes(&self) -> u64 {
        self.state().used_bytes
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // A panic elsewhere does not make the map less true: every change of it is complete.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// Whether this fault was due; it is used up.
    fn strikes(&mut self, fault: Fault) -> bool {
        self.faults.remove(&fault)
    }

    fn set(&mut self, family: Family, key: Vec<u8>, value: Option<Bytes>) -> Option<Bytes> {
        let key_bytes = key.len();
        let after = value.as_ref().map_or(0, |value| key_bytes + value.len());
        let before = match value {
            Some(value) => self.items.insert((family, key), value),
            None => self.items.remove(&(family, key)),
        };
        self.used_bytes += after as u64;
        self.used_bytes -= before.as_ref().map_or(0, |value| key_bytes + value.len()) as u64;
        before
    }

    fn change(&mut self, family: Family, key: Vec<u8>, value: Option<Bytes>, undos: &mut Vec<Undo>) {
        let before = self.set(family, key.clone(), value);
        undos.push(Undo { family, key, before });
    }

    fn range(
        &self,
        family: Family,
        range: &KeyRange,
    ) -> impl DoubleEndedIterator<Item = (&Vec<u8>, &Bytes)> + use<'_> {
        // An inverted range would panic in the map.
        let start = range.start.clone();
        let end = match range.end.clone() {
            Some(end) if end < start => Bound::Excluded((family, start.clone())),
            Some(end) => Bound::Excluded((family, end)),
            None => match Family::ALL.iter().find(|next| **next > family) {
                Some(next) => Bound::Excluded((*next, Vec::new())),
                None => Bound::Unbounded,
            },
        };
        self.items.range((Bound::Included((family, start)), end)).map(|((_, key), value)| (key, value))
    }

    fn apply(&mut self, batch: Batch) -> Vec<Undo> {
        let mut undos = Vec::new();
        for change in batch.changes() {
            match change {
                Change::Put { family, key, value } => {
                    self.change(*family, key.clone(), Some(value.clone()), &mut undos);
                }
                Change::Delete { family, key } => self.change(*family, key.clone(), None, &mut undos),
                Change::DeleteRange { family, range } => {
                    let keys: Vec<Vec<u8>> = self.range(*family, range).map(|(key, _)| key.clone()).collect();
                    for key in keys {
                        self.change(*family, key, None, &mut undos);
                    }
                }
            }
        }
        undos
    }

    /// Whether something lies between the first and the last of these keys, or did and a crash may bring it back.
    fn is_in_the_way(&self, family: Family, items: &Items) -> bool {
        let (Some((first, _)), Some((last, _))) = (items.0.first(), items.0.last()) else { return false };
        let is_between = |key: &Vec<u8>| key >= first && key <= last;
        let from = KeyRange { start: first.clone(), end: None };
        let mut undos = self.unsynced.iter().flat_map(|batch| &batch.undos);
        self.range(family, &from).next().is_some_and(|(key, _)| is_between(key))
            || undos.any(|undo| undo.family == family && is_between(&undo.key))
    }

    fn synced(&mut self) {
        if !self.lying {
            self.unsynced.clear();
        }
        self.committed = self.sequence;
        self.syncs += 1;
    }
}

impl Engine for MemoryEngine {
    type Ready = Items;

    fn get(&self, family: Family, key: &[u8], tier: ReadTier) -> Result<Lookup, EngineError> {
        let mut state = self.state();
        if state.cold && tier == ReadTier::BlockCache {
            return Ok(Lookup::NotInMemory);
        }
        if state.strikes(Fault::Read) {
            return Err(EngineError::Failed("injected: read".into()));
        }
        Ok(state.items.get(&(family, key.to_vec())).cloned().map_or(Lookup::Absent, Lookup::Found))
    }

    fn scan(
        &self,
        family: Family,
        range: &KeyRange,
        direction: Direction,
        limit: PageLimit,
    ) -> Result<Vec<(Bytes, Bytes)>, EngineError> {
        let mut state = self.state();
        if state.strikes(Fault::Read) {
            return Err(EngineError::Failed("injected: read".into()));
        }
        let mut bytes = 0;
        let mut page = Vec::new();
        let mut items = state.range(family, range);
        while page.len() < limit.items && (page.is_empty() || bytes < limit.bytes) {
            let next = match direction {
                Direction::Forward => items.next(),
                Direction::Backward => items.next_back(),
            };
            let Some((key, value)) = next else { break };
            bytes += key.len() + value.len();
            page.push((Bytes::copy_from_slice(key), value.clone()));
        }
        Ok(page)
    }

    fn write(&self, batch: Batch, durability: Durability) -> Result<(), EngineError> {
        let mut state = self.state();
        if state.strikes(Fault::Write) {
            return Err(EngineError::Failed("injected: write".into()));
        }
        let growth = batch.put_bytes() as u64;
        if growth > 0 && state.capacity_bytes.is_some_and(|capacity| state.used_bytes + growth > capacity) {
            return Err(EngineError::DiskFull("injected: capacity".into()));
        }
        let sync = durability == Durability::Sync;
        if sync && state.strikes(Fault::Sync) {
            return Err(EngineError::Failed("injected: sync".into()));
        }
        let sequence = state.sequence;
        if !batch.is_housekeeping() {
            state.sequence += 1;
        }
        let undos = state.apply(batch);
        state.unsynced.push(Unsynced { undos, sequence });
        state.writes += 1;
        if sync {
            state.synced();
            if state.strikes(Fault::SyncKept) {
                return Err(EngineError::Failed("injected: sync, kept".into()));
            }
        }
        Ok(())
    }

    fn lay_ready(&self, _: Family, items: &Items) -> Result<Items, EngineError> {
        if self.state().strikes(Fault::Write) {
            return Err(EngineError::Failed("injected: write".into()));
        }
        Ok(items.clone())
    }

    fn take_in(&self, family: Family, ready: Vec<Items>) -> Result<bool, EngineError> {
        let mut state = self.state();
        let items = ready.iter().flat_map(|Items(items)| items);
        let growth = items.map(|(key, value)| key.len() + value.len()).sum::<usize>() as u64;
        if state.capacity_bytes.is_some_and(|capacity| state.used_bytes + growth > capacity) {
            return Err(EngineError::DiskFull("injected: capacity".into()));
        }
        if state.strikes(Fault::Sync) {
            return Err(EngineError::Failed("injected: sync".into()));
        }
        if ready.iter().any(|items| state.is_in_the_way(family, items)) {
            return Ok(false);
        }
        let mut undos = Vec::new();
        for (key, value) in ready.into_iter().flat_map(|Items(items)| items) {
            state.change(family, key, Some(value), &mut undos);
        }
        // What lies in files of its own outlives the power, unless the disk lies.
        if state.lying {
            let sequence = state.sequence;
            state.unsynced.push(Unsynced { undos, sequence });
        }
        Ok(true)
    }

    fn sync(&self) -> Result<(), EngineError> {
        let mut state = self.state();
        if state.strikes(Fault::Sync) {
            return Err(EngineError::Failed("injected: sync".into()));
        }
        state.synced();
        if state.strikes(Fault::SyncKept) {
            return Err(EngineError::Failed("injected: sync, kept".into()));
        }
        Ok(())
    }

    fn free_bytes(&self) -> Option<u64> {
        let state = self.state();
        state.capacity_bytes.map(|capacity| capacity.saturating_sub(state.used_bytes))
    }

    fn committed(&self) -> CommitCounter {
        CommitCounter(self.state().committed)
    }

    fn doubt(&self) -> Option<Doubt> {
        self.state().doubt.clone()
    }

    fn give_back(&self, _family: Family, _range: &KeyRange) -> Result<(), EngineError> {
        Ok(())
    }

    fn is_doubtful(&self) -> bool {
        self.state().doubt.is_some()
    }

    fn mark_doubtful(&self, doubt: Doubt) {
        self.state().doubt.get_or_insert(doubt);
    }

    fn statistics(&self) -> EngineStatistics {
        let state = self.state();
        EngineStatistics {
            writes: state.writes,
            syncs: state.syncs,
            live_bytes: state.used_bytes,
            ..EngineStatistics::default()
        }
    }
}
