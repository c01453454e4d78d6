//! What consensus keeps: bytes whose meaning only consensus knows, in the same log and batches as the records.
//!
//! The log is one key per entry, by index; the vote, the committed position, the purged position and the snapshot
//! are one key each. Every value carries a checksum. What Raft's promises rest on (vote, entries, truncation) is
//! synced before the call returns.
//!
//! A folder that is doubted is doubted here too: a node that lost data must not vote as if it had not. Every method
//! refuses then, and an error here makes the replica doubtful over the same engine. Only what is opened for looking
//! ([`RaftStore::of_doubted`]) reads on: the last known catalog tells a doubted node where it belongs.

use crate::doubt::Doubt;
use crate::engine::{Batch, Direction, Engine, EngineError, Family, Lookup, PageLimit, ReadTier};
use crate::keys::{self, DiskKey};
use bytes::Bytes;
use quorate_model::Durability;
use std::sync::Arc;

/// See the module's essay.
#[derive(Debug)]
pub struct RaftStore<E> {
    engine: Arc<E>,
    /// Whether it reads what is doubted.
    reads_doubted: bool,
}

/// One entry of the log: its index and its bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RaftEntry {
    /// Its index.
    pub index: u64,
    /// What consensus made of it.
    pub bytes: Bytes,
}

const CHECKSUM_BYTES: usize = 4;

impl<E> Clone for RaftStore<E> {
    fn clone(&self) -> Self {
        Self { engine: Arc::clone(&self.engine), reads_doubted: self.reads_doubted }
    }
}

impl<E: Engine> RaftStore<E> {
    /// The store over an engine; any number of them may stand over one engine.
    pub fn new(engine: Arc<E>) -> Self {
        Self { engine, reads_doubted: false }
    }

    /// The store for looking at what a doubted folder still has. It reads in spite of the doubt, so nothing may be
    /// promised on what it says; it refuses to write.
    pub fn of_doubted(engine: Arc<E>) -> Self {
        Self { engine, reads_doubted: true }
    }

    /// Appends entries, overwriting any at the same indices. Synced.
    pub fn append(&self, entries: &[RaftEntry]) -> Result<(), EngineError> {
        let mut batch = Batch::default();
        for entry in entries {
            batch.put(Family::Raft, DiskKey::RaftEntry { index: entry.index }.encode(), sealed(&entry.bytes));
        }
        self.write(batch, Durability::Sync)
    }

    /// Removes the entries at `index` and above. Synced.
    pub fn truncate_from(&self, index: u64) -> Result<(), EngineError> {
        let mut batch = Batch::default();
        batch.delete_range(Family::Raft, keys::raft_entries(index, None));
        self.write(batch, Durability::Sync)
    }

    /// Removes the entries up to and including `index`, and remembers `purged` as the position they ended at, in
    /// one batch. Synced.
    pub fn cut_up_to(&self, index: u64, purged: &[u8]) -> Result<(), EngineError> {
        let mut batch = Batch::default();
        batch.delete_range(Family::Raft, keys::raft_entries(0, index.checked_add(1)));
        batch.put(Family::Meta, DiskKey::RaftPurged.encode(), sealed(purged));
        self.write(batch, Durability::Sync)
    }

    /// One page of the entries from one index up to, not including, another (`None`: to the end).
    pub fn entries(
        &self,
        from: u64,
        until: Option<u64>,
        limit: PageLimit,
    ) -> Result<Vec<RaftEntry>, EngineError> {
        self.scan(from, until, Direction::Forward, limit)
    }

    /// The last entry of the log.
    pub fn last(&self) -> Result<Option<RaftEntry>, EngineError> {
        let one = PageLimit { items: 1, bytes: 1 };
        Ok(self.scan(0, None, Direction::Backward, one)?.pop())
    }

    /// The vote.
    pub fn vote(&self) -> Result<Option<Bytes>, EngineError> {
        self.get(&DiskKey::RaftVote)
    }

    /// Replaces the vote. Synced.
    pub fn set_vote(&self, vote: &[u8]) -> Result<(), EngineError> {
        self.put(&DiskKey::RaftVote, vote, Durability::Sync)
    }

    /// The position up to which the log was known to be committed.
    pub fn committed(&self) -> Result<Option<Bytes>, EngineError> {
        self.get(&DiskKey::RaftCommitted)
    }

    /// Replaces the committed position. Not synced: it may lag, and Raft finds it again.
    pub fn set_committed(&self, committed: &[u8]) -> Result<(), EngineError> {
        self.put(&DiskKey::RaftCommitted, committed, Durability::Os)
    }

    /// The position up to which the log was purged.
    pub fn purged(&self) -> Result<Option<Bytes>, EngineError> {
        self.get(&DiskKey::RaftPurged)
    }

    /// The last snapshot of the state machine.
    pub fn snapshot(&self) -> Result<Option<Bytes>, EngineError> {
        self.get(&DiskKey::RaftSnapshot)
    }

    /// Replaces the snapshot. Synced.
    pub fn set_snapshot(&self, snapshot: &[u8]) -> Result<(), EngineError> {
        self.put(&DiskKey::RaftSnapshot, snapshot, Durability::Sync)
    }

    fn scan(
        &self,
        from: u64,
        until: Option<u64>,
        direction: Direction,
        limit: PageLimit,
    ) -> Result<Vec<RaftEntry>, EngineError> {
        let range = keys::raft_entries(from, until);
        let read = self.readable().and_then(|()| self.engine.scan(Family::Raft, &range, direction, limit));
        let entries = read.and_then(|page| page.into_iter().map(entry).collect());
        self.watched(entries)
    }

    fn get(&self, key: &DiskKey) -> Result<Option<Bytes>, EngineError> {
        let read =
            self.readable().and_then(|()| self.engine.get(key.family(), &key.encode(), ReadTier::Disk));
        let value = read.and_then(|lookup| match lookup {
            Lookup::Found(value) => opened(value).map(Some),
            Lookup::Absent => Ok(None),
            Lookup::NotInMemory => Err(EngineError::Failed("a read from the disk did not reach it".into())),
        });
        self.watched(value)
    }

    fn put(&self, key: &DiskKey, value: &[u8], durability: Durability) -> Result<(), EngineError> {
        let mut batch = Batch::default();
        batch.put(key.family(), key.encode(), sealed(value));
        self.write(batch, durability)
    }

    fn write(&self, batch: Batch, durability: Durability) -> Result<(), EngineError> {
        let written = self.trusted().and_then(|()| self.engine.write(batch, durability));
        self.watched(written)
    }

    fn readable(&self) -> Result<(), EngineError> {
        if self.reads_doubted { Ok(()) } else { self.trusted() }
    }

    fn trusted(&self) -> Result<(), EngineError> {
        self.engine.doubt().map_or(Ok(()), |doubt| Err(EngineError::Doubtful(doubt.reason)))
    }

    /// Passes a result on; an error of the disk becomes a doubt about the whole folder.
    fn watched<T>(&self, result: Result<T, EngineError>) -> Result<T, EngineError> {
        match &result {
            Ok(_)
            | Err(
                EngineError::DiskFull(_)
                | EngineError::Shortage(_)
                | EngineError::Newer(_)
                | EngineError::Doubtful(_),
            ) => {}
            Err(error @ (EngineError::Corrupt(_) | EngineError::Failed(_))) => {
                if let Some(Doubt { cause, reason }) = error.doubt() {
                    self.engine.mark_doubtful(Doubt::new(cause, format!("the consensus log: {reason}")));
                }
            }
        }
        result
    }
}

fn sealed(value: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(value.len() + CHECKSUM_BYTES);
    out.extend_from_slice(value);
    out.extend_from_slice(&crc32fast::hash(value).to_be_bytes());
    out
}

/// Whether these bytes are a value of consensus; for the test of every decoder of outside bytes.
pub fn takes(bytes: &[u8]) -> bool {
    let Ok(value) = opened(Bytes::copy_from_slice(bytes)) else { return false };
    assert_eq!(sealed(&value), bytes, "a value has one form");
    true
}

fn opened(sealed: Bytes) -> Result<Bytes, EngineError> {
    match sealed.split_last_chunk::<CHECKSUM_BYTES>() {
        Some((value, checksum)) if crc32fast::hash(value).to_be_bytes() == *checksum => {
            Ok(sealed.slice(..sealed.len() - CHECKSUM_BYTES))
        }
        _ => Err(EngineError::Corrupt("a checksum of consensus does not match".into())),
    }
}

fn entry((key, value): (Bytes, Bytes)) -> Result<RaftEntry, EngineError> {
    match DiskKey::decode(&key) {
        Some(DiskKey::RaftEntry { index }) => Ok(RaftEntry { index, bytes: opened(value)? }),
        _ => Err(EngineError::Corrupt("a key that is no log entry's".into())),
    }
}
