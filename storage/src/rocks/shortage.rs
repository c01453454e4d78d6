//! A passing shortage: the operating system gives no file, or no memory for one, now.
//!
//! A log, a table or a list of tables that could not be *created* or *opened* (EMFILE, ENFILE, ENOMEM, EMLINK) proves
//! nothing about what is on the disk: nothing was written there. RocksDB judges otherwise. It keeps the first such
//! error of a new log or table as a fatal one and refuses every later write with it, for as long as it is open. So the
//! engine refuses writes while the shortage lasts ([`EngineError::Shortage`]), and once the files that it needs can be
//! had it closes the database and opens it anew, in place. What was acknowledged is in the log; what was refused was
//! never written. The database is opened as at any start: what is missing, or damaged, is found as it would be there.
//!
//! Whatever may have changed the disk is no shortage: an error of a sync or of a write, whatever number it has.

use super::{EngineError, OpenError, RocksEngine, open};
use crate::file;
use std::fs::File;
use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// So long after one attempt to go on the next one is made.
const PAUSE: Duration = Duration::from_secs(1);

/// Files that must be free before a database is closed to be opened anew: closed and not opened it could not even be
/// read. Its own, which it gives back when it closes, come on top.
const FILES_FREE: usize = 16;

/// How these errors are worded by the operating system.
const WORDS: [&str; 4] =
    ["Too many open files", "Too many open files in system", "Cannot allocate memory", "Too many links"];

/// What RocksDB was doing when it needed a new file, in lower case.
const CREATING: [&str; 4] = ["while open", "while reopen", "while mkdir", "while link"];

/// Whether an error of RocksDB says only that a file could not be had.
pub(super) fn is_shortage(text: &str) -> bool {
    let doing = text.to_ascii_lowercase();
    let syncing = ["while fdatasync", "while fsync", "while sync"].iter().any(|words| doing.contains(words));
    WORDS.iter().any(|words| text.contains(words))
        && CREATING.iter().any(|words| doing.contains(words))
        && !syncing
}

/// Whether, since when and why the engine waits for files.
#[derive(Debug, Default)]
pub(super) struct Shortage {
    is_there: AtomicBool,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    reason: String,
    tried: Option<Instant>,
}

impl Shortage {
    /// Notes that RocksDB refuses writes from now on.
    fn begin(&self, reason: &str) {
        if !self.is_there.swap(true, Ordering::Relaxed) {
            tracing::warn!(reason, "no file can be had: writes are refused until one can, nothing is lost");
            let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
            reason.clone_into(&mut state.reason);
            state.tried = Some(Instant::now());
        }
    }

    /// Why writes are refused, if they are.
    pub(super) fn reason(&self) -> Option<String> {
        let state = || self.state.lock().unwrap_or_else(PoisonError::into_inner).reason.clone();
        self.is_there.load(Ordering::Relaxed).then(state)
    }
}

impl RocksEngine {
    /// Passes on what a write has come to. One that RocksDB could not begin for want of a file stops it.
    pub(super) fn begun<T>(&self, written: Result<T, EngineError>) -> Result<T, EngineError> {
        if let Err(EngineError::Shortage(reason)) = &written {
            self.shortage.begin(reason);
        }
        written
    }

    /// Before a write: goes on after a shortage, if it is over.
    pub(super) fn go_on(&self) -> Result<(), EngineError> {
        let Some(reason) = self.shortage.reason() else { return Ok(()) };
        {
            let mut state = self.shortage.state.lock().unwrap_or_else(PoisonError::into_inner);
            if state.tried.is_some_and(|tried| tried.elapsed() < PAUSE) {
                return Err(EngineError::Shortage(reason));
            }
            state.tried = Some(Instant::now());
        }
        if let Err(error) = files_are_free() {
            return Err(EngineError::Shortage(error.to_string()));
        }
        self.open_anew()
    }

    /// Closes the database and opens it again.
    fn open_anew(&self) -> Result<(), EngineError> {
        // Reads under way are waited for; later ones wait.
        let mut slot = self.opened.write().unwrap_or_else(PoisonError::into_inner);
        if !self.shortage.is_there.load(Ordering::Relaxed) {
            return Ok(());
        }
        if let Some(opened) = slot.take() {
            opened.database.cancel_all_background_work(true);
        }
        match open::database(&self.folder, open::OpenMode::Existing, &self.options, &self.doubt) {
            Ok(opened) => {
                *slot = Some(opened);
                self.shortage.is_there.store(false, Ordering::Relaxed);
                tracing::warn!("files can be had again: the database was opened anew, writes go on");
                match self.doubt.doubt() {
                    None => Ok(()),
                    Some(doubt) => Err(EngineError::Doubtful(doubt.to_string())),
                }
            }
            // Tried again: until then there is nothing to read from either.
            Err(error @ (OpenError::Shortage { .. } | OpenError::DiskFull(_) | OpenError::Locked(_))) => {
                Err(EngineError::Shortage(error.to_string()))
            }
            Err(
                error @ (OpenError::Newer { .. }
                | OpenError::Missing(_)
                | OpenError::Doubtful { .. }
                | OpenError::Failed { .. }),
            ) => Err(EngineError::Failed(error.to_string())),
        }
    }
}

/// Whether some files can be had now.
fn files_are_free() -> io::Result<()> {
    let opened: io::Result<Vec<File>> = (0..FILES_FREE).map(|_| File::open("/dev/null")).collect();
    opened.map(drop)
}

/// The error of an open, from one of the operating system.
pub(super) fn not_opened(folder: &std::path::Path, error: &io::Error) -> OpenError {
    let (folder, reason) = (folder.to_owned(), error.to_string());
    if file::is_shortage(error) {
        OpenError::Shortage { folder, reason }
    } else {
        OpenError::Failed { folder, reason }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_file_that_could_not_be_had_is_a_shortage() {
        for text in [
            "IO error: While open a file for appending: /d/db/000012.log: Too many open files",
            "IO error: While open a file for random read: /d/db/000012.sst: Too many open files in system",
            "IO error: While open a file for appending: /d/db/MANIFEST-000005: Cannot allocate memory",
            "IO error: while link file to /d/b: /d/a: Too many links",
        ] {
            assert!(is_shortage(text), "{text}");
        }
        for text in [
            "IO error: While fdatasync: /d/db/000012.log: Input/output error",
            "IO error: While fdatasync: /d/db/000012.log: Cannot allocate memory",
            "IO error: While appending to file: /d/db/000012.log: Cannot allocate memory",
            "IO error: While pread offset 0 len 10: /d/db/000012.sst: Cannot allocate memory",
            "IO error: While open a file for appending: /d/db/000012.log: Input/output error",
            "IO error: While open a file for appending: /d/db/000012.log: Permission denied",
            "IO error: No space left on device: While open a file for appending: /d/db/000012.log",
            "Corruption: block checksum mismatch",
        ] {
            assert!(!is_shortage(text), "{text}");
        }
    }
}
