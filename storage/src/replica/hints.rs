//! Hints: records kept for owners that could not be reached, and the books about them.
//!
//! There is at most one hint per owner and place: a second one is merged into it. What is kept is bounded, per owner
//! and in all, in bytes and in number; what goes over is refused and counted, so that the gap is known and sync can
//! be asked to close it. The counter is piggybacked on the batch that is written anyway, so a crash may forget the
//! last of it.
//!
//! Erasing is not synced: a hint that comes back after a power cut is merged again, which changes nothing.

use super::{Replica, Writer};
use crate::engine::{Batch, Direction, Engine, EngineError, Family, Lookup, PageLimit, ReadTier, for_each};
use crate::keys::{self, DiskKey};
use crate::limits::ReplicaLimits;
use bytes::Bytes;
use quorate_model::{Durability, Hint, NodeId, Refusal, SortKey, TableId, record};
use std::collections::BTreeMap;

/// Hints that are erased at a time: writers wait for one such step at most.
const ERASE_STEP: usize = 64;

/// What is kept for one owner.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct OwnerHints {
    /// Number of hints.
    pub count: u64,
    /// Bytes of their keys and records.
    pub bytes: u64,
    /// Hints that were refused because of the limits, since this folder exists.
    pub refused: u64,
}

/// The books: how much is kept for whom.
#[derive(Clone, Debug, Default)]
pub(super) struct HintBook {
    owners: BTreeMap<NodeId, OwnerHints>,
    count: u64,
    bytes: u64,
}

/// How many hints were refused, as it is kept on the disk.
fn refused(bytes: &[u8]) -> Option<u64> {
    bytes.try_into().ok().map(u64::from_be_bytes)
}

/// Whether these bytes are such a number; for the test of every decoder of outside bytes.
pub fn takes(bytes: &[u8]) -> bool {
    refused(bytes).is_some_and(|count| count.to_be_bytes() == *bytes)
}

impl HintBook {
    /// Counts what is on the disk.
    pub(super) fn load(engine: &impl Engine) -> Result<Self, EngineError> {
        let mut book = Self::default();
        for_each(engine, Family::Hints, keys::hints(), |key, value| {
            let Some(DiskKey::Hint { owner, .. }) = DiskKey::decode(&key) else {
                return Err(EngineError::Corrupt("a key that is no hint's".into()));
            };
            book.add(owner, (key.len() + value.len()) as u64);
            Ok(())
        })?;
        for_each(engine, Family::Meta, keys::hint_overflows(), |key, value| {
            let (Some(DiskKey::HintOverflow { owner }), Some(count)) =
                (DiskKey::decode(&key), refused(&value))
            else {
                return Err(EngineError::Corrupt("a damaged counter of refused hints".into()));
            };
            book.owners.entry(owner).or_default().refused = count;
            Ok(())
        })?;
        Ok(book)
    }

    /// Owners for whom hints are kept.
    pub(super) fn owners(&self) -> Vec<NodeId> {
        self.owners.iter().filter(|(_, hints)| hints.count > 0).map(|(owner, _)| *owner).collect()
    }

    /// Notes that a hint of `before` bytes (or none) becomes one of `after` bytes; `false`, with the refusal
    /// counted, if that is over a limit.
    pub(super) fn replace(
        &mut self,
        owner: NodeId,
        before: Option<u64>,
        after: u64,
        limits: &ReplicaLimits,
    ) -> bool {
        let hints = self.owners.entry(owner).or_default();
        let before_bytes = before.unwrap_or(0);
        let fits = hints.bytes - before_bytes + after <= limits.hint_bytes_per_owner_max
            && self.bytes - before_bytes + after <= limits.hint_bytes_max
            && (before.is_some() || self.count < limits.hints_max);
        if !fits {
            hints.refused += 1;
            return false;
        }
        if let Some(before) = before {
            self.remove(owner, before);
        }
        self.add(owner, after);
        true
    }

    /// Adds the counter of an owner's refused hints to a batch.
    pub(super) fn put_refused(&self, owner: NodeId, batch: &mut Batch) {
        let refused = self.owners.get(&owner).map_or(0, |hints| hints.refused);
        let key = DiskKey::HintOverflow { owner };
        batch.put(key.family(), key.encode(), refused.to_be_bytes().to_vec());
    }

    fn add(&mut self, owner: NodeId, bytes: u64) {
        let hints = self.owners.entry(owner).or_default();
        hints.count += 1;
        hints.bytes += bytes;
        self.count += 1;
        self.bytes += bytes;
    }

    fn remove(&mut self, owner: NodeId, bytes: u64) {
        let hints = self.owners.get_mut(&owner).expect("only what was counted is removed");
        hints.count -= 1;
        hints.bytes -= bytes;
        self.count -= 1;
        self.bytes -= bytes;
    }
}

impl<E: Engine> Replica<E> {
    /// What is kept for whom, and how much was refused.
    pub fn hint_counts(&self) -> BTreeMap<NodeId, OwnerHints> {
        self.hints().owners.clone()
    }

    /// One page of the hints for an owner, ordered by table and position, behind `after` (from the first if `None`).
    /// Ask again behind the last one until the page is empty.
    pub fn hints_for(
        &self,
        owner: NodeId,
        after: Option<(TableId, &SortKey)>,
        limit: PageLimit,
    ) -> Result<Vec<Hint>, Refusal> {
        self.trusted()?;
        let mut range = keys::hints_of(owner);
        if let Some((table, sort_key)) = after {
            range = range.after(&keys::hint(owner, table, sort_key));
        }
        let page = self.engine.scan(Family::Hints, &range, Direction::Forward, limit);
        let page = page.map_err(|error| self.refusal(&error))?;
        page.iter().map(|(key, value)| self.decoded_hint(key, value)).collect()
    }

    /// Erases the hints that an owner has acknowledged; returns how many. A hint that has grown since it was read
    /// stays: the owner does not know the rest of it. Writers go on meanwhile: each step is short.
    pub fn erase_hints(&self, owner: NodeId, acknowledged: &[Hint]) -> Result<usize, Refusal> {
        self.trusted()?;
        // Read and compared without the lock, so that no request waits for the disk.
        let mut known = BTreeMap::new();
        for hint in acknowledged {
            let key = keys::hint(owner, hint.table, &hint.sort_key);
            let Some(bytes) = self.stored_hint(&key)? else { continue };
            let stored = self.decoded(&bytes)?;
            if record::merge(hint.record.clone(), stored) == hint.record {
                known.insert(key, bytes);
            }
        }
        let known: Vec<(Vec<u8>, Bytes)> = known.into_iter().collect();
        let mut erased = 0;
        for step in known.chunks(ERASE_STEP) {
            erased += self.erase_unchanged(owner, step)?;
        }
        Ok(erased)
    }

    /// Erases those of these hints that are still what they were; returns how many.
    fn erase_unchanged(&self, owner: NodeId, known: &[(Vec<u8>, Bytes)]) -> Result<usize, Refusal> {
        let mut writer = self.writer();
        self.trusted()?;
        let mut batch = Batch::default();
        let mut erased = Vec::new();
        for (key, bytes) in known {
            if self.stored_hint(key)?.is_some_and(|stored| stored == *bytes) {
                erased.push((key.len() + bytes.len()) as u64);
                batch.delete(Family::Hints, key.clone());
            }
        }
        let count = erased.len();
        if !batch.is_empty() {
            self.forget(&mut writer, owner, batch, erased.into_iter())?;
        }
        Ok(count)
    }

    /// Writes a batch that deletes hints of these sizes, and takes them off the books.
    pub(super) fn forget(
        &self,
        writer: &mut Writer,
        owner: NodeId,
        batch: Batch,
        erased: impl Iterator<Item = u64>,
    ) -> Result<(), Refusal> {
        self.write(writer, batch, Durability::Os).map_err(|error| self.refusal(&error))?;
        let mut hints = self.hints();
        for bytes in erased {
            hints.remove(owner, bytes);
        }
        Ok(())
    }

    /// A hint as it lies on the disk.
    fn stored_hint(&self, key: &[u8]) -> Result<Option<Bytes>, Refusal> {
        match self.engine.get(Family::Hints, key, ReadTier::Disk) {
            Ok(Lookup::Found(bytes)) => Ok(Some(bytes)),
            Ok(Lookup::Absent) => Ok(None),
            Ok(Lookup::NotInMemory) => {
                Err(self.refusal(&EngineError::Failed("a read from the disk did not reach it".into())))
            }
            Err(error) => Err(self.refusal(&error)),
        }
    }

    fn decoded_hint(&self, key: &[u8], value: &Bytes) -> Result<Hint, Refusal> {
        let record = self.decoded(value)?;
        match DiskKey::decode(key) {
            Some(DiskKey::Hint { table, sort_key, .. }) => Ok(Hint { table, sort_key, record }),
            _ => Err(self.refusal(&EngineError::Corrupt("a key that is no hint's".into()))),
        }
    }
}
