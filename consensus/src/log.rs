//! The log of consensus in this node's engine.
//!
//! Every call leaves the reactor: an append waits for a synced write. An error stops consensus on this node, and the
//! replica on the same disk becomes doubtful, since nothing on that disk can be trusted any more.

use crate::codec::Coded;
use crate::types::{Entry, LogId, StorageError, Types, Vote};
use openraft::storage::{LogFlushed, LogState, RaftLogStorage};
use openraft::{AnyError, RaftLogReader, StorageIOError};
use quorate_storage::disk::{Engine, Replica};
use quorate_storage::{EngineError, PageLimit, RaftEntry, RaftStore};
use std::fmt::Debug;
use std::io;
use std::ops::{Bound, RangeBounds};
use std::sync::Arc;
use std::time::Duration;

/// Most entries read at once; the library asks again for the rest where it may.
const ENTRIES_PER_READ: usize = 4_096;

/// Pause before a full disk is tried again.
const DISK_FULL_PAUSE: Duration = Duration::from_secs(1);

/// The log. Cheap to clone: readers are clones.
#[derive(Clone)]
pub struct Log {
    store: RaftStore<Engine>,
    replica: Arc<Replica>,
}

impl Log {
    /// Over this store; `replica` lives on the same disk.
    pub fn new(store: RaftStore<Engine>, replica: Arc<Replica>) -> Self {
        Self { store, replica }
    }

    /// Runs blocking work off the reactor. While the disk is full, or no file can be had, it waits: nothing is lost by
    /// that, and consensus goes on by itself afterwards. Until then this node neither votes nor acknowledges.
    pub(super) async fn blocking<T: Send + 'static>(
        &self,
        work: impl Fn(&RaftStore<Engine>) -> Result<T, EngineError> + Send + Sync + 'static,
    ) -> Result<T, EngineError> {
        let work = Arc::new(work);
        let result = loop {
            let (store, work) = (self.store.clone(), Arc::clone(&work));
            let done = tokio::task::spawn_blocking(move || work(&store)).await;
            let done = match done {
                Ok(done) => done,
                // The runtime ends, and this task with it: nothing was done, and nothing is wrong with the disk.
                Err(error) if error.is_cancelled() => std::future::pending().await,
                Err(panicked) => Err(EngineError::Failed(format!("its thread ended: {panicked}"))),
            };
            match done {
                Err(EngineError::DiskFull(why) | EngineError::Shortage(why)) => {
                    tracing::warn!("the consensus log waits for space, or for a file: {why}");
                    tokio::time::sleep(DISK_FULL_PAUSE).await;
                }
                result => break result,
            }
        };
        if let Err(error @ (EngineError::Corrupt(_) | EngineError::Failed(_))) = &result {
            self.replica.doubt(&format!("the consensus log: {error}"));
        }
        result
    }
}

/// An engine's error, as the library wants to be told.
pub(super) fn writing(error: &EngineError) -> StorageError {
    StorageIOError::write(AnyError::new(error)).into()
}

pub(super) fn reading(error: &EngineError) -> StorageError {
    StorageIOError::read(AnyError::new(error)).into()
}

/// What can't be read although its checksum is right: a newer version wrote it. Nothing of it is applied, and nothing
/// is held against the disk.
pub(super) fn malformed(error: &impl std::fmt::Display) -> EngineError {
    EngineError::Newer(error.to_string())
}

impl RaftLogReader<Types> for Log {
    async fn try_get_log_entries<RB: RangeBounds<u64> + Clone + Debug + Send>(
        &mut self,
        range: RB,
    ) -> Result<Vec<Entry>, StorageError> {
        let from = match range.start_bound() {
            Bound::Included(index) => *index,
            Bound::Excluded(index) => index.saturating_add(1),
            Bound::Unbounded => 0,
        };
        let until = match range.end_bound() {
            Bound::Included(index) => Some(index.saturating_add(1)),
            Bound::Excluded(index) => Some(*index),
            Bound::Unbounded => None,
        };
        let entries = self
            .blocking(move |store| {
                let mut entries = Vec::new();
                let mut from = from;
                loop {
                    let page = store.entries(from, until, PageLimit::BULK)?;
                    let Some(last) = page.last() else { return Ok(entries) };
                    from = last.index + 1;
                    for entry in page {
                        entries.push(Entry::decode(&entry.bytes).map_err(|error| malformed(&error))?);
                    }
                }
            })
            .await;
        entries.map_err(|error| reading(&error))
    }

    async fn limited_get_log_entries(&mut self, start: u64, end: u64) -> Result<Vec<Entry>, StorageError> {
        let end = end.min(start.saturating_add(ENTRIES_PER_READ as u64));
        self.try_get_log_entries(start..end).await
    }
}

impl RaftLogStorage<Types> for Log {
    type LogReader = Self;

    async fn get_log_state(&mut self) -> Result<LogState<Types>, StorageError> {
        let state = self.blocking(|store| {
            let purged = store.purged()?.map(|bytes| LogId::decode(&bytes)).transpose();
            let purged = purged.map_err(|error| malformed(&error))?;
            let last = store.last()?.map(|entry| Entry::decode(&entry.bytes)).transpose();
            let last = last.map_err(|error| malformed(&error))?.map(|entry| entry.log_id);
            Ok(LogState { last_purged_log_id: purged, last_log_id: last.max(purged) })
        });
        state.await.map_err(|error| reading(&error))
    }

    async fn get_log_reader(&mut self) -> Self {
        self.clone()
    }

    async fn save_vote(&mut self, vote: &Vote) -> Result<(), StorageError> {
        let bytes = vote.encode();
        self.blocking(move |store| store.set_vote(&bytes)).await.map_err(|error| writing(&error))
    }

    async fn read_vote(&mut self) -> Result<Option<Vote>, StorageError> {
        let vote = self.blocking(|store| {
            store.vote()?.map(|bytes| Vote::decode(&bytes)).transpose().map_err(|error| malformed(&error))
        });
        vote.await.map_err(|error| reading(&error))
    }

    async fn save_committed(&mut self, committed: Option<LogId>) -> Result<(), StorageError> {
        let Some(committed) = committed else { return Ok(()) };
        let bytes = committed.encode();
        self.blocking(move |store| store.set_committed(&bytes)).await.map_err(|error| writing(&error))
    }

    async fn read_committed(&mut self) -> Result<Option<LogId>, StorageError> {
        let committed = self.blocking(|store| {
            let committed = store.committed()?.map(|bytes| LogId::decode(&bytes)).transpose();
            committed.map_err(|error| malformed(&error))
        });
        committed.await.map_err(|error| reading(&error))
    }

    async fn append<I>(&mut self, entries: I, callback: LogFlushed<Types>) -> Result<(), StorageError>
    where
        I: IntoIterator<Item = Entry> + Send,
        I::IntoIter: Send,
    {
        let stored = |entry: Entry| RaftEntry { index: entry.log_id.index, bytes: entry.encode().into() };
        let entries: Vec<RaftEntry> = entries.into_iter().map(stored).collect();
        let appended = self.blocking(move |store| store.append(&entries)).await;
        callback.log_io_completed(appended.clone().map_err(io::Error::other));
        appended.map_err(|error| writing(&error))
    }

    async fn truncate(&mut self, at: LogId) -> Result<(), StorageError> {
        self.blocking(move |store| store.truncate_from(at.index)).await.map_err(|error| writing(&error))
    }

    async fn purge(&mut self, at: LogId) -> Result<(), StorageError> {
        let bytes = at.encode();
        self.blocking(move |store| store.cut_up_to(at.index, &bytes)).await.map_err(|error| writing(&error))
    }
}
