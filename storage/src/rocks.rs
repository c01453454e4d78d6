//! The engine on a disk: one RocksDB, with one log and the four families.
//!
//! What RocksDB must be told, because its defaults would break the promise:
//!
//! - **Recovery.** Its default drops everything behind the first damaged byte of the log and says OK. Here only a
//!   torn tail is tolerated (a write that was never acknowledged); any other damage fails the open, and
//!   [`OpenError::Doubtful`] leaves the mark of doubt, so that no later open is believed either.
//! - **A log that was cut short** looks like one with a torn tail. The watermark (a file) tells them apart: a write
//!   that was synced is no tail.
//! - **A list of tables that was cut short** looks like one with a torn tail too. A note of the manifest (another file)
//!   tells of it: see `manifest.rs`.
//! - **A lost database.** A folder that should hold one is opened with [`OpenMode::Existing`], or RocksDB would make a
//!   new, empty one in its place.
//! - **Sync** is per write; the log is handed to the operating system with every write.
//!
//! # A full disk
//!
//! A write whose bytes do not fit into the log is [`EngineError::DiskFull`]: the log's last record is torn then, the
//! batch is not applied, and RocksDB refuses every later write before touching the log, reads going on. The same
//! holds after a flush or compaction that found no space. RocksDB looks at the free space every five seconds and
//! resumes, with a new log, once the largest memtable fits ([`RocksOptions::memtable_bytes`] / 4); until then all
//! writes are `DiskFull`. A *sync* that fails for want of space is a failure like any other, since it is unknown what
//! reached the disk. Replicas refuse writes before any of this, while [`Engine::free_bytes`] is below their reserve.
//!
//! # No files
//!
//! A log or a table that could not be created, because the operating system has no file for it, is a passing shortage
//! and no doubt: writes are refused until there is one, and then the database is opened anew in place. See
//! `shortage.rs` and `reopen.rs`.
//!
//! # A database that can't be opened
//!
//! A node must be able to say what is wrong with it, so there is an engine over a folder whose database is damaged or
//! gone too ([`RocksEngine::without_database`]): it is doubtful from the start, and every call says so.
//!
//! # Errors of background work
//!
//! A flush or compaction that meets an error or a bad checksum makes RocksDB refuse the next write with it, which
//! makes the replica doubtful. Reads verify the checksum of every block.

pub(crate) mod manifest;
mod open;
mod open_error;
mod options;
mod ready;
mod reopen;
mod shortage;
mod statistics;
pub(crate) mod watermark;

pub use open::OpenMode;
pub use open_error::OpenError;
pub use options::{FreeBytes, Probe, RocksOptions};

use crate::doubt::{Doubt, DoubtMark};
use crate::engine::{
    Batch, Change, Direction, Engine, EngineError, EngineStatistics, Family, Items, KeyRange, Lookup,
    PageLimit, ReadTier,
};
use crate::file;
use bytes::Bytes;
use manifest::ManifestNote;
use quorate_model::{CommitCounter, Durability};
use ready::{NotReady, Ready};
use rocksdb::{
    Cache, ColumnFamily, CompactOptions, DBCompressionType, DBWithThreadMode, ErrorKind, ReadOptions,
    SingleThreaded, WriteBatch, WriteOptions,
};
use shortage::Shortage;
use std::io;
use std::ops::Deref;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{PoisonError, RwLock, RwLockReadGuard};
use watermark::Watermark;

/// Families are fixed when it is opened, so that no lock is needed to find one.
type Database = DBWithThreadMode<SingleThreaded>;

/// See the module's essay.
pub struct RocksEngine {
    /// `None`: it could not be opened, and the folder is doubted; or it can't be opened anew yet.
    opened: RwLock<Option<Opened>>,
    folder: PathBuf,
    options: RocksOptions,
    shortage: Shortage,
    doubt: DoubtMark,
    /// See [`Engine::committed`].
    committed: AtomicU64,
    writes: AtomicU64,
    syncs: AtomicU64,
}

/// A database at work.
struct Opened {
    database: Database,
    cache: Cache,
    watermark: Watermark,
    manifest: ManifestNote,
}

impl RocksEngine {
    /// The engine of a folder whose database can't be opened: doubtful, now and later.
    pub fn without_database(folder: &Path, doubt: Doubt, options: &RocksOptions) -> Self {
        let mark = DoubtMark::read(folder);
        mark.set(doubt);
        Self {
            opened: RwLock::new(None),
            folder: folder.into(),
            options: options.clone(),
            shortage: Shortage::default(),
            doubt: mark,
            committed: AtomicU64::new(0),
            writes: AtomicU64::new(0),
            syncs: AtomicU64::new(0),
        }
    }

    /// Writes the mark of doubt down once more, if there is a doubt: a disk that failed may have refused it. Before a start
    /// that must find it.
    pub fn write_doubt_again(&self) -> std::io::Result<()> {
        self.doubt.write_again()
    }

    /// Takes what is there for the whole: what was missing was accepted as lost.
    pub(crate) fn begin_anew(&self) -> Result<(), EngineError> {
        let opened = self.opened()?;
        opened.database.flush_wal(true).map_err(|error| judge(&error))?;
        let sequence = opened.database.latest_sequence_number();
        Watermark::reset(&self.folder, sequence)
            .map_err(|error| EngineError::Failed(format!("the watermark: {error}")))
    }

    fn slot(&self) -> RwLockReadGuard<'_, Option<Opened>> {
        self.opened.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// The database, for as long as the result lives: it is not opened anew meanwhile.
    fn opened(&self) -> Result<InUse<'_>, EngineError> {
        let slot = self.slot();
        if slot.is_some() || self.shortage.reason().is_none() {
            return self.in_use(slot);
        }
        drop(slot);
        self.go_on()?;
        self.in_use(self.slot())
    }

    fn in_use<'a>(&self, slot: RwLockReadGuard<'a, Option<Opened>>) -> Result<InUse<'a>, EngineError> {
        if slot.is_some() {
            return Ok(InUse(slot));
        }
        Err(match (self.doubt.doubt(), self.shortage.reason()) {
            (None, Some(reason)) => EngineError::Shortage(reason),
            (doubt, _) => EngineError::Doubtful(doubt.map_or_else(String::new, ToString::to_string)),
        })
    }

    /// Keeps the books about a sync: everything up to this sequence number is durable.
    fn synced(&self, opened: &Opened, sequence: u64) -> Result<(), EngineError> {
        self.syncs.fetch_add(1, Ordering::Relaxed);
        Self::noted("the watermark", opened.watermark.note(sequence))?;
        Self::noted("the manifest", opened.manifest.note())
    }

    /// What came of a note about the database. Without space, or a file to look at, it lags behind, which is allowed.
    fn noted(name: &str, noted: io::Result<()>) -> Result<(), EngineError> {
        match noted {
            Err(error) if error.kind() != io::ErrorKind::StorageFull && !file::is_shortage(&error) => {
                Err(EngineError::Failed(format!("{name}: {error}")))
            }
            Ok(()) | Err(_) => Ok(()),
        }
    }
}

/// The database, kept open for as long as this exists.
struct InUse<'a>(RwLockReadGuard<'a, Option<Opened>>);

impl Deref for InUse<'_> {
    type Target = Opened;

    fn deref(&self) -> &Opened {
        self.0.as_ref().expect("it was looked at when this was made")
    }
}

impl Opened {
    fn family(&self, family: Family) -> &ColumnFamily {
        self.database.cf_handle(family.name()).expect("every family is opened or made when the database is")
    }
}

impl Engine for RocksEngine {
    type Ready = Ready;

    fn get(&self, family: Family, key: &[u8], tier: ReadTier) -> Result<Lookup, EngineError> {
        let mut options = ReadOptions::default();
        options.set_read_tier(match tier {
            ReadTier::BlockCache => rocksdb::ReadTier::BlockCache,
            ReadTier::Disk => rocksdb::ReadTier::All,
        });
        let opened = match tier {
            ReadTier::Disk => self.opened()?,
            // While it is being opened anew, who must not wait does not wait for that either.
            ReadTier::BlockCache => match self.opened.try_read() {
                Ok(slot) if slot.is_some() || self.is_doubtful() => self.in_use(slot)?,
                Ok(_) | Err(_) => return Ok(Lookup::NotInMemory),
            },
        };
        match opened.database.get_pinned_cf_opt(opened.family(family), key, &options) {
            Ok(Some(value)) => Ok(Lookup::Found(Bytes::copy_from_slice(&value))),
            Ok(None) => Ok(Lookup::Absent),
            Err(error) if error.kind() == ErrorKind::Incomplete && tier == ReadTier::BlockCache => {
                Ok(Lookup::NotInMemory)
            }
            Err(error) => Err(judge(&error)),
        }
    }

    fn scan(
        &self,
        family: Family,
        range: &KeyRange,
        direction: Direction,
        limit: PageLimit,
    ) -> Result<Vec<(Bytes, Bytes)>, EngineError> {
        if range.is_empty() {
            return Ok(Vec::new());
        }
        let mut options = ReadOptions::default();
        options.set_iterate_lower_bound(range.start.clone());
        if let Some(end) = &range.end {
            options.set_iterate_upper_bound(end.clone());
        }
        let opened = self.opened()?;
        let mut items = opened.database.raw_iterator_cf_opt(opened.family(family), options);
        match direction {
            Direction::Forward => items.seek_to_first(),
            Direction::Backward => items.seek_to_last(),
        }
        let mut bytes = 0;
        let mut page = Vec::new();
        while page.len() < limit.items && (page.is_empty() || bytes < limit.bytes) {
            let Some((key, value)) = items.item() else { break };
            bytes += key.len() + value.len();
            page.push((Bytes::copy_from_slice(key), Bytes::copy_from_slice(value)));
            match direction {
                Direction::Forward => items.next(),
                Direction::Backward => items.prev(),
            }
        }
        // An iterator that ends says why only here: an error must never look like the end of the data.
        items.status().map_err(|error| judge(&error))?;
        Ok(page)
    }

    fn write(&self, batch: Batch, durability: Durability) -> Result<(), EngineError> {
        self.go_on()?;
        let opened = self.opened()?;
        let mut changes = WriteBatch::default();
        for change in batch.changes() {
            match change {
                Change::Put { family, key, value } => changes.put_cf(opened.family(*family), key, value),
                Change::Delete { family, key } => changes.delete_cf(opened.family(*family), key),
                Change::DeleteRange { range, .. } if range.is_empty() => {}
                Change::DeleteRange { family, range } => {
                    // No key begins with this byte: it is no key's tag.
                    let end = range.end.clone().unwrap_or_else(|| vec![u8::MAX]);
                    changes.delete_range_cf(opened.family(*family), &range.start, &end);
                }
            }
        }
        let mut options = WriteOptions::default();
        options.set_sync(durability == Durability::Sync);
        // The log is in order: with this batch all before it is synced, also with other writers meanwhile.
        let durable = opened.database.latest_sequence_number() + changes.len() as u64;
        self.begun(opened.database.write_opt(changes, &options).map_err(|error| judge(&error)))?;
        self.writes.fetch_add(1, Ordering::Relaxed);
        match durability {
            Durability::Os => Ok(()),
            Durability::Sync => {
                if !batch.is_housekeeping() {
                    self.committed.fetch_max(durable, Ordering::Relaxed);
                }
                self.synced(&opened, durable)
            }
        }
    }

    fn lay_ready(&self, family: Family, items: &Items) -> Result<Ready, EngineError> {
        self.go_on()?;
        // Blocks that are written are in no cache: one that holds nothing is enough.
        let mut options = self.options.of_family(family, &Cache::new_lru_cache(0));
        // As tables above the last level: zstd took half of the time of a whole filling, at its fastest level too. The next
        // compaction of the range saves that space.
        options.set_bottommost_compression_type(DBCompressionType::Lz4);
        let written = ready::write(&self.folder, &options, items).map_err(|error| match error {
            NotReady::Table(error) => judge(&error),
            NotReady::Folder(error) if error.kind() == io::ErrorKind::StorageFull => {
                EngineError::DiskFull(error.to_string())
            }
            NotReady::Folder(error) if file::is_shortage(&error) => EngineError::Shortage(error.to_string()),
            NotReady::Folder(error) => {
                EngineError::Failed(format!("the folder of files that lie ready: {error}"))
            }
        });
        self.begun(written)
    }

    fn take_in(&self, family: Family, ready: Vec<Ready>) -> Result<bool, EngineError> {
        self.go_on()?;
        let opened = self.opened()?;
        let is_taken = ready::take_in(&opened.database, opened.family(family), &ready);
        let is_taken = self.begun(is_taken.map_err(|error| judge(&error)))?;
        if is_taken {
            // The list of tables has grown, and no sync of the log follows that would note it.
            Self::noted("the manifest", opened.manifest.note())?;
        }
        Ok(is_taken)
    }

    fn give_back(&self, family: Family, range: &KeyRange) -> Result<(), EngineError> {
        self.go_on()?;
        let opened = self.opened()?;
        let mut options = CompactOptions::default();
        // Others go on beside it.
        options.set_exclusive_manual_compaction(false);
        let end = range.end.as_deref();
        opened.database.compact_range_cf_opt(opened.family(family), Some(&range.start), end, &options);
        // It does not say how it ended: a database that must be opened anew does not wait for it (`reopen.rs`).
        if let Some(reason) = self.shortage.reason() {
            return Err(EngineError::Shortage(reason));
        }
        // The list of tables has changed, and no sync of the log follows that would note it.
        Self::noted("the manifest", opened.manifest.note())
    }

    fn sync(&self) -> Result<(), EngineError> {
        self.go_on()?;
        let opened = self.opened()?;
        let durable = opened.database.latest_sequence_number();
        self.begun(opened.database.flush_wal(true).map_err(|error| judge(&error)))?;
        self.committed.fetch_max(durable, Ordering::Relaxed);
        self.synced(&opened, durable)
    }

    fn free_bytes(&self) -> Option<u64> {
        (self.options.free_bytes.0)(&self.folder).ok()
    }

    fn committed(&self) -> CommitCounter {
        CommitCounter(self.committed.load(Ordering::Relaxed))
    }

    fn doubt(&self) -> Option<Doubt> {
        self.doubt.doubt().cloned()
    }

    fn is_doubtful(&self) -> bool {
        self.doubt.doubt().is_some()
    }

    fn mark_doubtful(&self, doubt: Doubt) {
        self.doubt.set(doubt);
    }

    fn shortage(&self) -> Option<String> {
        self.shortage.reason()
    }

    fn statistics(&self) -> EngineStatistics {
        self.read_statistics()
    }
}

impl Drop for RocksEngine {
    fn drop(&mut self) {
        // Background work first, the database (a field) last.
        if let Some(opened) = &*self.slot() {
            opened.database.cancel_all_background_work(true);
        }
    }
}

impl std::fmt::Debug for RocksEngine {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("RocksEngine").field("folder", &self.folder).finish_non_exhaustive()
    }
}

/// What an error of RocksDB means for the data.
fn judge(error: &rocksdb::Error) -> EngineError {
    let text = error.to_string();
    let full = ["No space left on device", "Disk quota exceeded"].iter().any(|words| text.contains(words));
    let syncing = ["While fdatasync", "While fsync", "While sync"].iter().any(|words| text.contains(words));
    match error.kind() {
        ErrorKind::Corruption => EngineError::Corrupt(text),
        ErrorKind::IOError if full && !syncing => EngineError::DiskFull(text),
        ErrorKind::IOError if shortage::is_shortage(&text) => EngineError::Shortage(text),
        ErrorKind::IOError
        | ErrorKind::NotFound
        | ErrorKind::NotSupported
        | ErrorKind::InvalidArgument
        | ErrorKind::MergeInProgress
        | ErrorKind::Incomplete
        | ErrorKind::ShutdownInProgress
        | ErrorKind::TimedOut
        | ErrorKind::Aborted
        | ErrorKind::Busy
        | ErrorKind::Expired
        | ErrorKind::TryAgain
        | ErrorKind::CompactionTooLarge
        | ErrorKind::ColumnFamilyDropped
        | ErrorKind::Unknown => EngineError::Failed(text),
    }
}
