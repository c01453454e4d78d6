//! A passing shortage: the operating system gives no file, or no memory for one, now.
//!
//! A log, a table or a list of tables that could not be *created* or *opened* (EMFILE, ENFILE, ENOMEM, EMLINK) proves
//! nothing about what is on the disk: nothing was written there. Whatever may have changed the disk is no shortage: an
//! error of a sync or of a write, whatever number it has.
//!
//! How the engine goes on afterwards is in `reopen.rs`.

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
    pub(super) fn begin(&self, reason: &str) {
        if !self.is_there.swap(true, Ordering::Relaxed) {
            tracing::warn!(reason, "no file can be had: writes are refused until one can, nothing is lost");
            let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
            reason.clone_into(&mut state.reason);
            state.tried = Some(Instant::now());
        }
    }

    /// Whether it is time to try to go on; if so, the attempt is noted as made.
    pub(super) fn is_attempt_due(&self) -> bool {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let due = state.tried.is_none_or(|tried| tried.elapsed() >= PAUSE);
        if due {
            state.tried = Some(Instant::now());
        }
        due
    }

    /// Whether writes are refused.
    pub(super) fn is_there(&self) -> bool {
        self.is_there.load(Ordering::Relaxed)
    }

    /// Notes that writes go on.
    pub(super) fn end(&self) {
        self.is_there.store(false, Ordering::Relaxed);
    }

    /// Why writes are refused, if they are.
    pub(super) fn reason(&self) -> Option<String> {
        let state = || self.state.lock().unwrap_or_else(PoisonError::into_inner).reason.clone();
        self.is_there().then(state)
    }
}

/// Whether some files can be had now.
pub(super) fn files_are_free() -> io::Result<()> {
    let opened: io::Result<Vec<File>> = (0..FILES_FREE).map(|_| File::open("/dev/null")).collect();
    opened.map(drop)
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
