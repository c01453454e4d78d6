//! Opening: what is looked at before, and what an error of RocksDB means there.

use super::manifest::{self, Look, ManifestNote};
use super::open_error::{OpenError, not_opened};
use super::ready;
use super::shortage::{Shortage, is_shortage};
use super::watermark::Watermark;
use super::{Database, Opened, RocksEngine, RocksOptions};
use crate::doubt::{Cause, Doubt, DoubtMark};
use crate::engine::Family;
use crate::file;
use rocksdb::{Cache, ColumnFamilyDescriptor, DEFAULT_COLUMN_FAMILY_NAME, ErrorKind, Options};
use std::path::Path;
use std::sync::RwLock;
use std::sync::atomic::AtomicU64;

/// Families that earlier versions made. Nothing was ever written to them.
const UNUSED: [&str; 1] = ["digests"];

/// Whether a database must be there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OpenMode {
    /// The folder has an identity, so it held a database: if there is none, it was lost.
    Existing,
    /// The folder is being founded: make a database unless an interrupted founding left one.
    Create,
}

impl RocksEngine {
    /// Opens the database in `folder/db`. A folder that was doubted before, or whose database is whole but ends before
    /// what was durable once, is opened too: its engine says so, and the replica over it refuses everything.
    pub fn open(folder: &Path, mode: OpenMode, options: &RocksOptions) -> Result<Self, OpenError> {
        if let Some(error) = DoubtMark::read_in_vain(folder) {
            return Err(not_opened(folder, &error));
        }
        ready::clear(folder);
        let doubt = DoubtMark::read(folder);
        let opened = database(folder, mode, options, &doubt)?;
        doubt.prepare();
        Ok(Self {
            opened: RwLock::new(Some(opened)),
            folder: folder.into(),
            options: options.clone(),
            shortage: Shortage::default(),
            doubt,
            committed: AtomicU64::new(0),
            writes: AtomicU64::new(0),
            syncs: AtomicU64::new(0),
        })
    }
}

/// Opens the database in `folder/db`. What is wrong with it goes into the mark of doubt.
pub(super) fn database(
    folder: &Path,
    mode: OpenMode,
    options: &RocksOptions,
    doubt: &DoubtMark,
) -> Result<Opened, OpenError> {
    let path = folder.join("db");
    let there = path.join("CURRENT").exists();
    match mode {
        OpenMode::Existing if !there => return Err(OpenError::Missing(folder.into())),
        OpenMode::Existing => {}
        OpenMode::Create => {
            file::create_folder(folder).map_err(|error| not_opened(folder, &error))?;
        }
    }
    let cache = Cache::new_lru_cache(options.block_cache_bytes);
    let mut database_options = options.of_database();
    database_options.create_if_missing(mode == OpenMode::Create);
    let unused = if there { unused_families(folder, &path)? } else { Vec::new() };
    let untold = match manifest::look(folder)? {
        Look::Whole => None,
        Look::Untold(reason) => Some(reason),
        Look::Damaged(reason) => {
            // Not opened: that would remove the tables that no manifest names any more.
            doubt.set(Doubt::new(Cause::Damaged, reason.as_str()));
            return Err(OpenError::Doubtful { folder: folder.into(), reason });
        }
    };
    let families = Family::ALL
        .map(|family| ColumnFamilyDescriptor::new(family.name(), options.of_family(family, &cache)));
    let empty = [DEFAULT_COLUMN_FAMILY_NAME].into_iter().chain(unused);
    let empty = empty.map(|name| ColumnFamilyDescriptor::new(name, RocksOptions::of_nothing()));
    let families = families.into_iter().chain(empty);
    let database = Database::open_cf_descriptors(&database_options, &path, families)
        .map_err(|error| explain(folder, &error))
        .inspect_err(|error| {
            if let OpenError::Doubtful { reason, .. } = error {
                doubt.set(Doubt::new(Cause::Damaged, reason.as_str()));
            }
        })?;
    let sequence = database.latest_sequence_number();
    let (watermark, behind) = Watermark::open(folder, sequence, mode == OpenMode::Create)?;
    let manifest = ManifestNote::begin(folder).map_err(|error| not_opened(folder, &error))?;
    if let Some(reason) = behind.or(untold) {
        // The database is whole, only too short: what it has can be looked at.
        doubt.set(Doubt::new(Cause::Behind, reason));
    }
    Ok(Opened { database, cache, watermark, manifest })
}

/// Those of a database's families that earlier versions made and none writes. They are opened as they are, since RocksDB
/// opens all or none. A family that this version does not know is a newer version's.
fn unused_families(folder: &Path, path: &Path) -> Result<Vec<&'static str>, OpenError> {
    // An unreadable list is left to the open itself, which says more.
    let names = Database::list_cf(&Options::default(), path).unwrap_or_default();
    let mut unused = Vec::new();
    for name in names {
        let is_used =
            name == DEFAULT_COLUMN_FAMILY_NAME || Family::ALL.iter().any(|family| family.name() == name);
        match UNUSED.iter().find(|unused| **unused == name) {
            Some(name) => unused.push(*name),
            None if is_used => {}
            None => return Err(OpenError::Newer { folder: folder.into(), reason: format!("family {name}") }),
        }
    }
    Ok(unused)
}

fn explain(folder: &Path, error: &rocksdb::Error) -> OpenError {
    let reason = error.to_string();
    let folder = folder.to_path_buf();
    match error.kind() {
        ErrorKind::Corruption | ErrorKind::NotFound => OpenError::Doubtful { folder, reason },
        ErrorKind::NotSupported => OpenError::Newer { folder, reason },
        ErrorKind::IOError if reason.contains("While lock file") || reason.contains("lock hold by") => {
            OpenError::Locked(folder)
        }
        ErrorKind::IOError if reason.contains("No space left on device") => OpenError::DiskFull(folder),
        ErrorKind::IOError if is_shortage(&reason) => OpenError::Shortage { folder, reason },
        ErrorKind::InvalidArgument if reason.contains("does not exist") => OpenError::Missing(folder),
        // A file of the database that is gone.
        ErrorKind::IOError
            if reason.contains("No such file or directory") || reason.contains("Input/output error") =>
        {
            OpenError::Doubtful { folder, reason }
        }
        ErrorKind::IOError
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
        | ErrorKind::Unknown => OpenError::Failed { folder, reason },
    }
}
