//! The engine: an ordered map of bytes in a few families, with one log, atomic batches and an honest sync.
//!
//! Everything above it (replicas, hints, the consensus log) is written against this trait, and there are two of
//! it: [`RocksEngine`](crate::RocksEngine) on a disk, and [`MemoryEngine`](crate::MemoryEngine) in the simulator,
//! which forgets what was not synced when told to. One conformance suite holds both to the same words:
//!
//! - A batch is all there or not at all, also after a crash.
//! - There is one log for all families: a write with [`Durability::Sync`], or [`Engine::sync`], makes everything
//!   written before it durable too.
//! - What a reader sees of a synced batch is durable: a batch becomes visible after its sync, never before.
//! - An error says what happened to the data ([`EngineError`]).

use crate::doubt::{Cause, Doubt};
use bytes::Bytes;
use quorate_model::{CommitCounter, Durability};
use thiserror::Error;

/// A family of keys: they share the log and the batches, not the files.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Family {
    /// The records of every table.
    Records,
    /// Records kept for other owners.
    Hints,
    /// Small state of this node.
    Meta,
    /// The consensus log.
    Raft,
}

impl Family {
    /// All of them.
    pub const ALL: [Family; 4] = [Family::Records, Family::Hints, Family::Meta, Family::Raft];

    /// Its name on disk; pinned.
    pub fn name(self) -> &'static str {
        match self {
            Family::Records => "records",
            Family::Hints => "hints",
            Family::Meta => "meta",
            Family::Raft => "raft",
        }
    }
}

/// How far a read may go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReadTier {
    /// Memory and block cache only: never waits for a disk, may answer [`Lookup::NotInMemory`].
    BlockCache,
    /// To the disk where needed.
    Disk,
}

/// What a look-up found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Lookup {
    /// The value.
    Found(Bytes),
    /// The key is not there.
    Absent,
    /// Only the disk could tell; ask again with [`ReadTier::Disk`].
    NotInMemory,
}

/// Which way a scan walks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// From the start of the range upwards.
    Forward,
    /// From the end of the range downwards.
    Backward,
}

/// `start <= key < end`; no end means to the end of the family.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyRange {
    /// The first key inside.
    pub start: Vec<u8>,
    /// The first key behind it.
    pub end: Option<Vec<u8>>,
}

impl KeyRange {
    /// All keys that begin with `prefix`.
    pub fn of_prefix(prefix: Vec<u8>) -> Self {
        let mut end = prefix.clone();
        while end.last() == Some(&u8::MAX) {
            end.pop();
        }
        let end = end.last_mut().map(|last| *last += 1).map(|()| end);
        Self { start: prefix, end }
    }

    /// The part of this range behind `key`.
    #[must_use]
    pub fn after(self, key: &[u8]) -> Self {
        let mut start = key.to_vec();
        start.push(0);
        Self { start: start.max(self.start), end: self.end }
    }

    /// Whether a key lies inside.
    pub fn contains(&self, key: &[u8]) -> bool {
        *key >= *self.start && self.end.as_ref().is_none_or(|end| *key < **end)
    }

    /// Whether no key can lie inside.
    pub fn is_empty(&self) -> bool {
        self.end.as_ref().is_some_and(|end| *end <= self.start)
    }
}

/// How much of a range one scan returns: whichever limit is met first ends the page, but a page holds at least
/// one item if there is one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PageLimit {
    /// Most items.
    pub items: usize,
    /// Most bytes of keys and values.
    pub bytes: usize,
}

impl PageLimit {
    /// What walks over whole ranges use: 1,000 items or 8 MiB.
    pub const BULK: PageLimit = PageLimit { items: 1_000, bytes: 8 * 1024 * 1024 };
}

/// One change of a batch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    /// Store a value under a key.
    Put {
        /// In this family.
        family: Family,
        /// The key.
        key: Vec<u8>,
        /// The value.
        value: Bytes,
    },
    /// Remove a key.
    Delete {
        /// From this family.
        family: Family,
        /// The key.
        key: Vec<u8>,
    },
    /// Remove a whole range: for large drops only.
    DeleteRange {
        /// From this family.
        family: Family,
        /// The range.
        range: KeyRange,
    },
}

/// Changes that happen together or not at all, in their order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Batch {
    changes: Vec<Change>,
    housekeeping: bool,
}

impl Batch {
    /// A batch that promises nothing to a caller: it does not count as progress. (Otherwise two nodes that write
    /// down each other's progress would never come to rest.)
    pub fn housekeeping() -> Self {
        Self { housekeeping: true, ..Self::default() }
    }

    /// Whether it does not count as progress.
    pub fn is_housekeeping(&self) -> bool {
        self.housekeeping
    }

    /// Stores a value.
    pub fn put(&mut self, family: Family, key: Vec<u8>, value: impl Into<Bytes>) {
        self.changes.push(Change::Put { family, key, value: value.into() });
    }

    /// Removes a key.
    pub fn delete(&mut self, family: Family, key: Vec<u8>) {
        self.changes.push(Change::Delete { family, key });
    }

    /// Removes a range.
    pub fn delete_range(&mut self, family: Family, range: KeyRange) {
        self.changes.push(Change::DeleteRange { family, range });
    }

    /// The changes, in order.
    pub fn changes(&self) -> &[Change] {
        &self.changes
    }

    /// Whether it changes nothing.
    pub fn is_empty(&self) -> bool {
        self.changes.is_empty()
    }

    /// Bytes of the keys and values it stores; what it removes counts nothing.
    pub fn put_bytes(&self) -> usize {
        self.changes
            .iter()
            .map(|change| match change {
                Change::Put { key, value, .. } => key.len() + value.len(),
                Change::Delete { .. } | Change::DeleteRange { .. } => 0,
            })
            .sum()
    }
}

/// What went wrong below, and what happened to the data.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum EngineError {
    /// No space left for the batch: nothing of it was stored, now or after a restart. Reads go on.
    #[error("the disk is full ({0}); nothing was stored, reads go on; free some space")]
    DiskFull(String),
    /// The operating system has no file, or no memory for one, now: nothing of the batch was stored, now or after a
    /// restart. It passes: the engine goes on by itself.
    #[error("no file can be had now ({0}); nothing was stored; it goes on by itself once there is one")]
    Shortage(String),
    /// What was read is not what was written.
    #[error("the disk returned damaged data ({0}); nothing was changed, the data can't be trusted any more")]
    Corrupt(String),
    /// What was read is whole, and of a form that this version does not know.
    #[error(
        "the data were written by a newer version ({0}); nothing was changed; start the newer version again"
    )]
    Newer(String),
    /// Anything else. A batch that was being written may or may not be there after a restart.
    #[error("the disk failed ({0}); a write that was under way may or may not be there after a restart")]
    Failed(String),
    /// The data were doubted before, for this reason.
    #[error("the data of this node are doubted ({0}); nothing was changed; replace the node")]
    Doubtful(String),
}

impl EngineError {
    /// What it says about the data; `None`: nothing is wrong with them.
    pub fn doubt(&self) -> Option<Doubt> {
        match self {
            EngineError::DiskFull(_) | EngineError::Shortage(_) | EngineError::Newer(_) => None,
            EngineError::Corrupt(_) => Some(Doubt::new(Cause::Damaged, self.to_string())),
            EngineError::Failed(_) | EngineError::Doubtful(_) => {
                Some(Doubt::new(Cause::Failed, self.to_string()))
            }
        }
    }
}

/// Numbers for metrics. An engine without such a thing answers zero.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct EngineStatistics {
    /// Batches written since the start.
    pub writes: u64,
    /// Syncs of the log since the start, by synced writes and by [`Engine::sync`].
    pub syncs: u64,
    /// Bytes of all memtables.
    pub memtable_bytes: u64,
    /// Memtables that wait for being flushed.
    pub memtables_waiting: u64,
    /// Files at level 0, over all families: many of them slow writes down.
    pub level_zero_files: u64,
    /// Bytes that compaction still has to rewrite.
    pub pending_compaction_bytes: u64,
    /// Bytes per second that writes are slowed down to; 0: not slowed down.
    pub delayed_write_rate: u64,
    /// 1 while all writes stand still until compaction catches up.
    pub writes_stopped: u64,
    /// Errors of background work since the start.
    pub background_errors: u64,
    /// Bytes of live data, estimated.
    pub live_bytes: u64,
    /// Bytes in the block cache.
    pub block_cache_bytes: u64,
}

/// Items to be taken in at once, in ascending order of their keys.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Items(pub Vec<(Vec<u8>, Bytes)>);

/// An ordered map of bytes; see the module's essay for what every implementation promises.
pub trait Engine: Send + Sync + 'static {
    /// Items that lie ready on the disk, and are in no family yet. One that is dropped leaves nothing.
    type Ready: Send;

    /// Looks one key up.
    fn get(&self, family: Family, key: &[u8], tier: ReadTier) -> Result<Lookup, EngineError>;

    /// One page of a range, in the order of the walk.
    fn scan(
        &self,
        family: Family,
        range: &KeyRange,
        direction: Direction,
        limit: PageLimit,
    ) -> Result<Vec<(Bytes, Bytes)>, EngineError>;

    /// Writes a batch; returns once it is visible and as durable as asked.
    fn write(&self, batch: Batch, durability: Durability) -> Result<(), EngineError>;

    /// Lays many items ready, as a file of their own for example: durable, and in no reader's sight. No lock is needed meanwhile.
    fn lay_ready(&self, family: Family, items: &Items) -> Result<Self::Ready, EngineError>;

    /// Takes what lies ready into its family: all of it, durably, past the log. `false`: something is, or was a short while
    /// ago, in the range between the first and the last key of one of them, and nothing was changed. So nothing can be hidden
    /// by it, nor hide it.
    fn take_in(&self, family: Family, ready: Vec<Self::Ready>) -> Result<bool, EngineError>;

    /// Gives the space of what was removed from a range back to the disk. It may take as long as writing what lies there
    /// anew, and changes nothing that a reader sees. Where it fails for now, some of it may have come back.
    fn give_back(&self, family: Family, range: &KeyRange) -> Result<(), EngineError>;

    /// Makes everything written so far durable.
    fn sync(&self) -> Result<(), EngineError>;

    /// Free space for this engine's files in bytes; `None`: unknown.
    fn free_bytes(&self) -> Option<u64>;

    /// Up to which change everything is durable: grows with every synced write but those that are only for
    /// housekeeping ([`Batch::housekeeping`]), and no power cut takes it back.
    fn committed(&self) -> CommitCounter;

    /// Why this engine's data were doubted, in this run or an earlier one; `None`: they never were.
    fn doubt(&self) -> Option<Doubt>;

    /// Whether they were.
    fn is_doubtful(&self) -> bool;

    /// Remembers that the data can't be trusted, apart from the data and across restarts. Best effort: a disk that
    /// takes nothing at all can't remember this either. The first doubt stays.
    fn mark_doubtful(&self, doubt: Doubt);

    /// Why writes are refused for a while, if the operating system gives no files; `None`: they are not.
    fn shortage(&self) -> Option<String> {
        None
    }

    /// Numbers for metrics.
    fn statistics(&self) -> EngineStatistics;
}

/// All items of a range, page by page, handed to `visit`. For walks whose length is bounded by other limits.
pub fn for_each(
    engine: &impl Engine,
    family: Family,
    mut range: KeyRange,
    mut visit: impl FnMut(Bytes, Bytes) -> Result<(), EngineError>,
) -> Result<(), EngineError> {
    loop {
        let page = engine.scan(family, &range, Direction::Forward, PageLimit::BULK)?;
        let Some((last, _)) = page.last() else { return Ok(()) };
        range = range.after(last);
        for (key, value) in page {
            visit(key, value)?;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_prefix_range_ends_where_the_prefix_ends() {
        let range = KeyRange::of_prefix(vec![1, 0xff]);
        assert!(range.contains(&[1, 0xff]) && range.contains(&[1, 0xff, 0xff, 0xff]));
        assert!(!range.contains(&[1, 0xfe, 0xff]) && !range.contains(&[2]));
        assert_eq!(KeyRange::of_prefix(vec![0xff, 0xff]).end, None);
        assert_eq!(KeyRange::of_prefix(Vec::new()).end, None);
    }

    #[test]
    fn the_rest_of_a_range_begins_right_behind_a_key() {
        let range = KeyRange::of_prefix(vec![1]).after(&[1, 5]);
        assert!(!range.contains(&[1, 5]) && range.contains(&[1, 5, 0]) && !range.contains(&[2]));
    }
}
