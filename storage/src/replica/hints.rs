//! Hints: records kept for owners that could not be reached.
//!
//! There is at most one hint per owner and place: a second one is merged into it. How much is kept for whom is in the
//! book of hints (`hint_book.rs`).
//!
//! Erasing is not synced: a hint that comes back after a power cut is merged again, which changes nothing.

use super::hint_book::OwnerHints;
use super::{Replica, Writer};
use crate::engine::{Batch, Direction, Engine, EngineError, Family, Lookup, PageLimit, ReadTier};
use crate::keys::{self, DiskKey};
use bytes::Bytes;
use quorate_model::{Durability, Hint, NodeId, Refusal, SortKey, TableId, record};
use std::collections::BTreeMap;

/// Hints that are erased at a time: writers wait for one such step at most.
const ERASE_STEP: usize = 64;

impl<E: Engine> Replica<E> {
    /// What is kept for whom, and how much was refused.
    pub fn hint_counts(&self) -> BTreeMap<NodeId, OwnerHints> {
        self.hints().counts()
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
