//! The book of hints: how much is kept for whom, within which limits.
//!
//! What is kept is bounded, per owner and in all, in bytes and in number; what goes over is refused and counted, so that
//! the gap is known and sync can be asked to close it. The counter is piggybacked on the batch that is written anyway, so
//! a crash may forget the last of it. The rest of the book is counted from the hints themselves when a replica begins.

use crate::engine::{Batch, Engine, EngineError, Family, for_each};
use crate::keys::{self, DiskKey};
use crate::limits::ReplicaLimits;
use quorate_model::NodeId;
use std::collections::BTreeMap;

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

/// How much is kept for whom.
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

    /// What is kept for whom, and how much was refused.
    pub(super) fn counts(&self) -> BTreeMap<NodeId, OwnerHints> {
        self.owners.clone()
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

    /// Takes a hint of so many bytes off.
    pub(super) fn remove(&mut self, owner: NodeId, bytes: u64) {
        let hints = self.owners.get_mut(&owner).expect("only what was counted is removed");
        hints.count -= 1;
        hints.bytes -= bytes;
        self.count -= 1;
        self.bytes -= bytes;
    }
}
