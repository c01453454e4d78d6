//! How RocksDB is set up: what can be chosen, and what is fixed because a promise depends on it.

use crate::engine::Family;
use rocksdb::{
    BlockBasedOptions, Cache, DBCompressionType, DBRecoveryMode, LogLevel, Options, WriteBufferManager,
};
use std::io;
use std::path::Path;
use std::sync::Arc;

/// What may be chosen.
#[derive(Clone, Debug)]
pub struct RocksOptions {
    /// Memory for blocks, indexes and filters, in bytes. Default 256 MiB. Raise it first when reads wait for the disk.
    pub block_cache_bytes: usize,
    /// Memory for what is not flushed yet, over all families, in bytes. Default 128 MiB. Raise it when many small
    /// files pile up at level 0; what is here is also what the log is replayed for at a start.
    pub memtable_bytes: usize,
    /// Bytes per second that flushes and compactions may write. Default 256 MiB. Lower it on disks that are shared.
    pub background_bytes_per_second: u32,
    /// Threads for flushes and compactions. Default 2.
    pub background_jobs: u16,
    /// Files that may be open. Default 1,024; must fit into the process's limit beside its connections.
    pub open_files_max: u16,
    /// How the free space of a folder is found out.
    pub free_bytes: FreeBytes,
}

/// A probe of the free space of a folder's disk, in bytes.
#[derive(Clone)]
pub struct FreeBytes(pub Arc<Probe>);

/// What a [`FreeBytes`] asks.
pub type Probe = dyn Fn(&Path) -> io::Result<u64> + Send + Sync;

const MIB: usize = 1024 * 1024;

/// A file in which so many of so many entries in a row are deletions, or half of all, is compacted soon.
const DELETIONS_WINDOW: usize = 8 * 1024;
const DELETIONS_MANY: usize = 4 * 1024;

impl Default for RocksOptions {
    fn default() -> Self {
        Self {
            block_cache_bytes: 256 * MIB,
            memtable_bytes: 128 * MIB,
            background_bytes_per_second: 256 * MIB as u32,
            background_jobs: 2,
            open_files_max: 1_024,
            free_bytes: FreeBytes::default(),
        }
    }
}

impl Default for FreeBytes {
    /// Asks the operating system.
    fn default() -> Self {
        Self(Arc::new(|folder| {
            let disk = rustix::fs::statvfs(folder)?;
            Ok(disk.f_bavail.saturating_mul(disk.f_frsize))
        }))
    }
}

impl std::fmt::Debug for FreeBytes {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("FreeBytes")
    }
}

impl RocksOptions {
    /// Options of the whole database.
    pub(super) fn of_database(&self) -> Options {
        let mut options = Options::default();
        // Fixed: what the promises rest on.
        options.set_wal_recovery_mode(DBRecoveryMode::TolerateCorruptedTailRecords);
        options.set_track_and_verify_wals_in_manifest(true);
        options.set_recycle_log_file_num(0);
        options.set_manual_wal_flush(false);
        options.set_paranoid_checks(true);
        options.create_missing_column_families(true);
        // Memory: all families share one cache and one budget.
        let budget = WriteBufferManager::new_write_buffer_manager(self.memtable_bytes, false);
        options.set_write_buffer_manager(&budget);
        options.set_max_total_wal_size(2 * self.memtable_bytes as u64);
        // Background work and files.
        options.set_ratelimiter(i64::from(self.background_bytes_per_second), 100_000, 10);
        options.set_max_background_jobs(i32::from(self.background_jobs.max(1)));
        options.set_bytes_per_sync(MIB as u64);
        options.set_max_open_files(i32::from(self.open_files_max));
        options.set_keep_log_file_num(4);
        options.set_max_log_file_size(16 * MIB);
        options.set_log_level(LogLevel::Warn);
        options
    }

    /// Options of RocksDB's own family and of those that no version writes any more, which stay empty. Left to itself it would claim a memtable of 64 MiB, and
    /// the largest memtable is how much free space RocksDB wants to see before it writes again after a full disk.
    pub(super) fn of_nothing() -> Options {
        let mut options = Options::default();
        options.set_write_buffer_size(MIB / 16);
        options
    }

    /// Options of one family.
    pub(super) fn of_family(&self, family: Family, cache: &Cache) -> Options {
        let mut options = Options::default();
        options.set_write_buffer_size(match family {
            Family::Records => self.memtable_bytes / 4,
            Family::Hints | Family::Meta | Family::Raft => self.memtable_bytes / 16,
        });
        options.set_compression_type(DBCompressionType::Lz4);
        options.set_bottommost_compression_type(DBCompressionType::Zstd);
        options.set_level_compaction_dynamic_level_bytes(true);
        if family == Family::Records {
            // Files full of removals are compacted soon, so that the space of what a purge drops comes back.
            options.add_compact_on_deletion_collector_factory(DELETIONS_WINDOW, DELETIONS_MANY, 0.5);
        }
        let mut blocks = BlockBasedOptions::default();
        blocks.set_block_cache(cache);
        blocks.set_block_size(8 * 1024);
        // Filters over whole keys: with prefix filters plain iterators miss keys.
        blocks.set_bloom_filter(10.0, false);
        blocks.set_whole_key_filtering(true);
        blocks.set_cache_index_and_filter_blocks(true);
        blocks.set_cache_index_and_filter_blocks_with_high_priority(true);
        blocks.set_pin_l0_filter_and_index_blocks_in_cache(true);
        options.set_block_based_table_factory(&blocks);
        options
    }
}
