//! The note of the manifest: how long RocksDB's list of its tables once was, and what was in it.
//!
//! The manifest tells which tables there are, and from which log on records are in no table yet. One whose end is
//! missing looks like one whose last entry was torn, and is believed: the tables that its end named are removed as
//! leftovers, the log that held their records before is long gone, and the newest log ends where it should. So records
//! would be missing from the middle, without a word (a cut of a few hundred bytes lost half of the records, and the
//! open said OK). So after each sync of the log the length and the checksum of the manifest are noted in a small file
//! of its own, in place; before an open, the manifest must have at least that, unless it is a newer one.
//!
//! ```text
//! 0        8        16      20      24
//! number   length   crc32   crc32                big-endian
//! u64      u64      u32     u32
//! of the manifest   of it   of the 20 bytes before
//! ```
//!
//! The note is never ahead of what is durable: what the manifest has gained is synced before it is noted. It may lag
//! behind: by what was flushed after the last sync of the log. A loss of just that takes the database back to before
//! the last sync, which the watermark sees. A folder without a note is one of an older version, or new.

use super::open_error::{OpenError, not_opened};
use crate::file;
use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

const FILE: &str = "manifest-mark";
const BYTES: usize = 24;

/// A manifest, as far as it was durable once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Mark {
    /// The number in its name; a newer manifest has a higher one.
    number: u64,
    /// Its length, in bytes.
    length: u64,
    /// The checksum of as many of its bytes.
    content: u32,
}

/// The note of a database that is open, and the manifest that it is about.
#[derive(Debug)]
pub(super) struct ManifestNote {
    noted: Mutex<Noted>,
}

#[derive(Debug)]
struct Noted {
    note: File,
    database: PathBuf,
    manifest: Manifest,
}

/// What is known of the present manifest. It is only ever added to.
#[derive(Debug)]
struct Manifest {
    file: File,
    number: u64,
    length: u64,
    content: crc32fast::Hasher,
}

/// What a look at the manifest before an open says.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Look {
    /// It has all that is known to have been in it, or nothing is known of it.
    Whole,
    /// The note itself can't be read: the manifest may be short: it cannot be known.
    Untold(String),
    /// Something that was in it is missing or different, with a sentence: tables may be missing.
    Damaged(String),
}

/// Compares the manifest of a folder's database with the note about it. Changes nothing.
pub(super) fn look(folder: &Path) -> Result<Look, OpenError> {
    let failed = |error: io::Error| not_opened(folder, &error);
    let bytes = match std::fs::read(folder.join(FILE)) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Look::Whole),
        Err(error) => return Err(failed(error)),
    };
    let Some(mark) = decode(&bytes) else {
        let what =
            "the note of the manifest is damaged, so that it cannot be known whether tables are missing";
        return Ok(Look::Untold(what.to_owned()));
    };
    // Of a manifest that can't be found RocksDB itself says more.
    let named = current(&folder.join("db")).map_err(failed)?;
    let Some((number, path)) = named.filter(|(_, path)| path.exists()) else {
        return Ok(Look::Whole);
    };
    if number > mark.number {
        return Ok(Look::Whole);
    }
    if number < mark.number {
        return Ok(Look::Damaged(format!(
            "the database names manifest {number} as its last, but there was {} already: tables may be missing",
            mark.number
        )));
    }
    let manifest = std::fs::read(&path).map_err(failed)?;
    let known = usize::try_from(mark.length).unwrap_or(usize::MAX);
    let is_whole = manifest.get(..known).is_some_and(|known| crc32fast::hash(known) == mark.content);
    Ok(if is_whole {
        Look::Whole
    } else {
        let length = manifest.len();
        Look::Damaged(format!(
            "the manifest {} has {length} bytes and is not as it was when it had {}: tables that it named may be missing",
            path.display(),
            mark.length
        ))
    })
}

/// The manifest that a database names as its own, and the number of it. The error: no file can be had now, so that
/// it is not known.
fn current(database: &Path) -> io::Result<Option<(u64, PathBuf)>> {
    let name = match std::fs::read_to_string(database.join("CURRENT")) {
        Ok(name) => name,
        Err(error) if file::is_shortage(&error) => return Err(error),
        Err(_) => return Ok(None),
    };
    let name = name.trim_end();
    let number = name.strip_prefix("MANIFEST-").and_then(|number| number.parse().ok());
    Ok(number.map(|number| (number, database.join(name))))
}

impl ManifestNote {
    /// Notes the manifest of a folder whose database has just been opened.
    pub(super) fn begin(folder: &Path) -> io::Result<Self> {
        let database = folder.join("db");
        let mut manifest = Manifest::open(&database)?;
        manifest.catch_up()?;
        file::replace(folder, FILE, &encode(manifest.mark()))?;
        let note = OpenOptions::new().write(true).open(folder.join(FILE))?;
        Ok(Self { noted: Mutex::new(Noted { note, database, manifest }) })
    }

    /// Notes what the manifest has gained, if it has: one look at its length where it has not.
    pub(super) fn note(&self) -> io::Result<()> {
        let mut noted = self.noted.lock().unwrap_or_else(PoisonError::into_inner);
        let facts = noted.manifest.file.metadata()?;
        if facts.nlink() == 0 {
            // A new one has taken its place.
            noted.manifest = Manifest::open(&noted.database)?;
        } else if facts.len() == noted.manifest.length {
            return Ok(());
        }
        noted.manifest.catch_up()?;
        noted.note.write_all_at(&encode(noted.manifest.mark()), 0)
    }
}

impl Manifest {
    fn open(database: &Path) -> io::Result<Self> {
        let missing = || io::Error::new(io::ErrorKind::NotFound, "the database names no manifest");
        let (number, path) = current(database)?.ok_or_else(missing)?;
        Ok(Self { file: File::open(path)?, number, length: 0, content: crc32fast::Hasher::new() })
    }

    /// Reads what was added, and makes it durable before it is relied on.
    fn catch_up(&mut self) -> io::Result<()> {
        let length = self.file.metadata()?.len();
        let added = usize::try_from(length.saturating_sub(self.length)).map_err(io::Error::other)?;
        let mut bytes = vec![0; added];
        self.file.read_exact_at(&mut bytes, self.length)?;
        self.file.sync_data()?;
        self.content.update(&bytes);
        self.length = length;
        Ok(())
    }

    fn mark(&self) -> Mark {
        Mark { number: self.number, length: self.length, content: self.content.clone().finalize() }
    }
}

fn encode(mark: Mark) -> [u8; BYTES] {
    let mut bytes = [0; BYTES];
    bytes[..8].copy_from_slice(&mark.number.to_be_bytes());
    bytes[8..16].copy_from_slice(&mark.length.to_be_bytes());
    bytes[16..20].copy_from_slice(&mark.content.to_be_bytes());
    let checksum = crc32fast::hash(&bytes[..20]);
    bytes[20..].copy_from_slice(&checksum.to_be_bytes());
    bytes
}

fn decode(bytes: &[u8]) -> Option<Mark> {
    let bytes: &[u8; BYTES] = bytes.try_into().ok()?;
    let (number, rest) = bytes.split_first_chunk::<8>()?;
    let (length, rest) = rest.split_first_chunk::<8>()?;
    let (content, checksum) = rest.split_first_chunk::<4>()?;
    (crc32fast::hash(&bytes[..20]).to_be_bytes() == checksum).then(|| Mark {
        number: u64::from_be_bytes(*number),
        length: u64::from_be_bytes(*length),
        content: u32::from_be_bytes(*content),
    })
}

/// Whether these bytes are a note; for the test of every decoder of outside bytes.
pub fn takes(bytes: &[u8]) -> bool {
    let Some(mark) = decode(bytes) else { return false };
    assert_eq!(encode(mark)[..], *bytes, "a note has one form");
    true
}
