//! Items that lie ready: a table of RocksDB's own form beside the database, which is linked into it as it is.
//!
//! That is several times cheaper than the way through log, memtable, flush and compaction. RocksDB is told to refuse a file
//! in whose range any key or deletion lies, in memory or in another file: so a bug above can't hide a newer record, nor can
//! a deletion from before swallow what is taken in. The file is synced before the manifest names it, and the manifest before
//! the call returns.

use crate::engine::Items;
use rocksdb::{ColumnFamily, DBWithThreadMode, ErrorKind, IngestExternalFileOptions, Options, SstFileWriter};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

/// Where such files lie, inside the node's folder.
const FOLDER: &str = "incoming";

/// Items that are written before others get their turn of the processor: some 50 us. A thread of low priority is not
/// interrupted by one that wakes before its slice of milliseconds is over (Linux since 6.6).
const ITEMS_AT_ONCE: usize = 64;

/// A file that lies ready. It goes when this does: what was taken in has a name of its own.
#[derive(Debug)]
pub struct Ready {
    path: PathBuf,
}

/// Why a file could not be made.
pub(super) enum NotReady {
    /// Its folder could not.
    Folder(io::Error),
    /// The table could not.
    Table(rocksdb::Error),
}

impl Drop for Ready {
    fn drop(&mut self) {
        // One that stays is deleted by the next start.
        drop(std::fs::remove_file(&self.path));
    }
}

/// Deletes what an earlier run left. Nothing of this run may lie ready yet.
pub(super) fn clear(folder: &Path) {
    drop(std::fs::remove_dir_all(folder.join(FOLDER)));
}

/// Writes a file with the options of its family.
pub(super) fn write(folder: &Path, options: &Options, items: &Items) -> Result<Ready, NotReady> {
    static NUMBER: AtomicU64 = AtomicU64::new(0);
    let folder = folder.join(FOLDER);
    let number = NUMBER.fetch_add(1, Ordering::Relaxed);
    let ready = Ready { path: folder.join(format!("{number}.sst")) };
    std::fs::create_dir_all(&folder).map_err(NotReady::Folder)?;
    let mut file = SstFileWriter::create(options);
    let written = file.open(&ready.path).and_then(|()| {
        for some in items.0.chunks(ITEMS_AT_ONCE) {
            some.iter().try_for_each(|(key, value)| file.put(key, value))?;
            std::thread::yield_now();
        }
        file.finish()
    });
    written.map(|()| ready).map_err(NotReady::Table)
}

/// Links files into a family, all or none; `false`: none, since something is in the range of one.
pub(super) fn take_in<T: rocksdb::ThreadMode>(
    database: &DBWithThreadMode<T>,
    family: &ColumnFamily,
    ready: &[Ready],
) -> Result<bool, rocksdb::Error> {
    let mut options = IngestExternalFileOptions::default();
    options.set_move_files(true);
    // No reader holds a snapshot, and no key may be there that a sequence number would have to beat.
    options.set_snapshot_consistency(false);
    options.set_allow_global_seqno(false);
    options.set_allow_blocking_flush(false);
    let paths: Vec<&Path> = ready.iter().map(|ready| ready.path.as_path()).collect();
    match database.ingest_external_file_cf_opts(family, &options, paths) {
        Ok(()) => Ok(true),
        // What it answers where something is in the way; nothing was changed.
        Err(error) if error.kind() == ErrorKind::InvalidArgument => Ok(false),
        Err(error) => Err(error),
    }
}
