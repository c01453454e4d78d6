//! Going on after a passing shortage of files (`shortage.rs`): the database is closed and opened anew, in place.
//!
//! RocksDB keeps the first error of a new log or table as a fatal one and refuses every later write with it, for as long
//! as it is open. So the engine refuses writes while the shortage lasts ([`EngineError::Shortage`]), and once the files
//! that it needs can be had it opens the database anew. What was acknowledged is in the log; what was refused was never
//! written. The database is opened as at any start: what is missing, or damaged, is found as it would be there.

use super::open::{self, OpenMode};
use super::open_error::OpenError;
use super::shortage::files_are_free;
use super::{EngineError, RocksEngine};
use std::sync::PoisonError;

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
        if !self.shortage.is_attempt_due() {
            return Err(EngineError::Shortage(reason));
        }
        if let Err(error) = files_are_free() {
            return Err(EngineError::Shortage(error.to_string()));
        }
        self.open_anew()
    }

    /// Ends the background work of a database that is about to be closed. A range that is being given back keeps it open for as
    /// long as that takes, which may be minutes: nothing but that is lost, and it is tried again.
    fn end_background_work(&self) {
        let slot = self.slot();
        // Looked at under the lock: one that was opened anew since keeps its own.
        if let Some(opened) = slot.as_ref().filter(|_| self.shortage.is_there()) {
            opened.database.cancel_all_background_work(false);
        }
    }

    /// Closes the database and opens it again.
    fn open_anew(&self) -> Result<(), EngineError> {
        self.end_background_work();
        // Reads under way are waited for; later ones wait.
        let mut slot = self.opened.write().unwrap_or_else(PoisonError::into_inner);
        if !self.shortage.is_there() {
            return Ok(());
        }
        if let Some(opened) = slot.take() {
            opened.database.cancel_all_background_work(true);
        }
        match open::database(&self.folder, OpenMode::Existing, &self.options, &self.doubt) {
            Ok(opened) => {
                *slot = Some(opened);
                self.shortage.end();
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
