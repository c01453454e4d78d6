//! Accepting a loss: how a replica that doubts its disk counts again, without pretending that nothing was lost.
//!
//! A replica that has lost something comes back as a *new incarnation*: what peers remember of the earlier one no longer
//! counts against it, and the earlier one is refused should a copy of it turn up. What becomes of its data is one of two:
//!
//! - *lossy*: nothing of it is believed, and nothing deleted yet. The replica fills itself from other owners before it
//!   answers again (`ledger.rs`). That is what a node decides by itself.
//! - *kept*: it counts as it is. An operator decides that, where too few other owners hold everything; and it is possible
//!   only for data that are whole, only too short: damage could hide behind a key that reads as "not found", so every
//!   block is read before ([`Replica::read_all`]).
//!
//! The decision is written down as a file and carried out by the next start, before anything is served: each step may
//! be repeated, so a crash in between is harmless. The first line says what becomes of the data; a version that does not
//! know *lost data* refuses the file.
//!
//! ```text
//! quorate accepted loss        kept; lossy: quorate lost data
//! incarnation 2
//! consensus forgotten          or kept
//! crc32 89abcdef
//! ```
//!
//! Consensus is *kept* where the data can only have lost what was never synced: its log always is. In all other cases a
//! vote may be among what was lost, so it is *forgotten*, and this node begins in it as a member that has never voted;
//! the others must have taken its vote away before.

use crate::doubt;
use crate::engine::{Engine, EngineError, Family, KeyRange, for_each};
use crate::file;
use crate::identity::{Identity, IdentityError};
use crate::keys::{self, DiskKey};
use crate::replica::{Replica, ledger};
use crate::rocks::{OpenError, OpenMode, RocksEngine, RocksOptions};
use crate::run_note::RunNote;
use quorate_model::{Durability, Record, WallTime};
use std::io;
use std::path::Path;
use thiserror::Error;

const FILE: &str = "accepted";
/// First lines, by what becomes of the data.
const KEPT: &str = "quorate accepted loss";
const LOSSY: &str = "quorate lost data";

/// What was decided about a loss.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Acceptance {
    /// The incarnation from now on.
    pub incarnation: u64,
    /// What becomes of the log and the vote of consensus.
    pub consensus: ConsensusFate,
    /// What becomes of the records.
    pub data: DataFate,
}

/// What becomes of the records when a loss is accepted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DataFate {
    /// They count as they are.
    Kept,
    /// They count for nothing until they are filled up from other owners.
    Lossy,
}

/// What becomes of the log and the vote of consensus when a loss is accepted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ConsensusFate {
    /// They are what they were.
    Kept,
    /// They begin anew: the others have taken this node's vote away.
    Forgotten,
}

/// Why an accepted loss could not be carried out. The folder is as doubtful as before; starting again tries again.
#[derive(Debug, Error)]
pub enum AcceptanceError {
    /// The note about it.
    #[error("the file accepted in {0} is damaged: remove it and accept the loss again")]
    Damaged(String),
    /// The identity.
    #[error("{0}")]
    Identity(#[from] IdentityError),
    /// The database.
    #[error("{0}")]
    Open(#[from] OpenError),
    /// Something in it.
    #[error("the accepted loss can't be carried out: {0}")]
    Engine(#[from] EngineError),
    /// A file.
    #[error("the accepted loss can't be carried out: {0}")]
    Io(#[from] io::Error),
}

/// What a whole reading of a replica's data has seen.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ReadAll {
    /// Records.
    pub records: u64,
    /// Bytes of their keys and values.
    pub bytes: u64,
}

impl<E: Engine> Replica<E> {
    /// Reads every record, hint and note that is held, in spite of a doubt, and checks each checksum. The error is the
    /// first thing that can't be read: then the data are not only too short. Blocks on the disk for as long as it takes.
    pub fn read_all(&self) -> Result<ReadAll, EngineError> {
        let mut seen = ReadAll::default();
        let everything = || KeyRange { start: Vec::new(), end: None };
        for family in Family::ALL {
            for_each(&**self.engine(), family, everything(), |key, value| {
                let known = DiskKey::decode(&key).filter(|known| known.family() == family);
                match known {
                    None => return Err(EngineError::Corrupt("a key of no known kind".into())),
                    Some(DiskKey::Record { .. } | DiskKey::Hint { .. }) => {
                        Record::decode(&value).map_err(|error| EngineError::Corrupt(error.to_string()))?;
                    }
                    Some(
                        DiskKey::HintOverflow { .. }
                        | DiskKey::PeerCommitted { .. }
                        | DiskKey::ChunkSum { .. }
                        | DiskKey::SumsKept
                        | DiskKey::Fence
                        | DiskKey::Lost
                        | DiskKey::Copy { .. }
                        | DiskKey::Floors { .. }
                        | DiskKey::RaftVote
                        | DiskKey::RaftCommitted
                        | DiskKey::RaftPurged
                        | DiskKey::RaftSnapshot
                        | DiskKey::RaftEntry { .. },
                    ) => {}
                }
                if family == Family::Records {
                    seen.records += 1;
                    seen.bytes += (key.len() + value.len()) as u64;
                }
                Ok(())
            })?;
        }
        Ok(seen)
    }
}

impl Acceptance {
    /// Writes the decision down; the next start carries it out.
    pub fn write(self, folder: &Path) -> io::Result<()> {
        let consensus = match self.consensus {
            ConsensusFate::Kept => "kept",
            ConsensusFate::Forgotten => "forgotten",
        };
        let first_line = match self.data {
            DataFate::Kept => KEPT,
            DataFate::Lossy => LOSSY,
        };
        let text = format!("{first_line}\nincarnation {}\nconsensus {consensus}\n", self.incarnation);
        file::replace(folder, FILE, file::sealed(&text).as_bytes())
    }

    /// Of the bytes of its file. Total.
    pub fn decode(bytes: &[u8]) -> Option<Self> {
        let mut lines = file::unsealed(bytes)?.lines();
        let data = match lines.next()? {
            KEPT => DataFate::Kept,
            LOSSY => DataFate::Lossy,
            _ => return None,
        };
        let incarnation = lines.next()?.strip_prefix("incarnation ")?.parse().ok()?;
        let consensus = match lines.next()?.strip_prefix("consensus ")? {
            "kept" => ConsensusFate::Kept,
            "forgotten" => ConsensusFate::Forgotten,
            _ => return None,
        };
        Some(Self { incarnation, consensus, data })
    }

    /// Writes down in the data what was decided about them, synced: the part of carrying it out that any engine knows.
    pub fn note(self, engine: &impl Engine) -> Result<(), EngineError> {
        let mut batch = match self.data {
            DataFate::Kept => ledger::kept_as_it_is(engine, self.incarnation)?,
            DataFate::Lossy => ledger::lossy_all(self.incarnation),
        };
        // They were right of what was lost.
        batch.delete_range(Family::Meta, keys::chunk_sums());
        match self.consensus {
            ConsensusFate::Kept => {}
            ConsensusFate::Forgotten => {
                batch.delete_range(Family::Raft, keys::raft_entries(0, None));
                batch.delete_range(Family::Meta, keys::raft_meta());
            }
        }
        engine.write(batch, Durability::Sync)
    }

    /// Carries out at this time what was decided about a folder, if anything was; returns it. The identity is of the new
    /// incarnation then.
    pub fn carry_out(
        folder: &Path,
        identity: &mut Identity,
        options: &RocksOptions,
        now: WallTime,
    ) -> Result<Option<Self>, AcceptanceError> {
        let bytes = match std::fs::read(folder.join(FILE)) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error.into()),
        };
        let damaged = || AcceptanceError::Damaged(folder.display().to_string());
        let acceptance = Self::decode(&bytes).ok_or_else(damaged)?;
        let engine = RocksEngine::open(folder, OpenMode::Existing, options)?;
        acceptance.note(&engine)?;
        engine.begin_anew()?;
        drop(engine);
        RunNote::forget(folder)?;
        identity.incarnation = acceptance.incarnation;
        identity.accepted = match acceptance.data {
            DataFate::Kept => Some(now),
            DataFate::Lossy => None,
        };
        identity.write(folder)?;
        file::remove(folder, doubt::FILE)?;
        file::remove(folder, FILE)?;
        Ok(Some(acceptance))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_decision_is_read_as_it_was_written_or_not_at_all() {
        let fates = [
            (ConsensusFate::Kept, DataFate::Kept),
            (ConsensusFate::Forgotten, DataFate::Kept),
            (ConsensusFate::Forgotten, DataFate::Lossy),
        ];
        for (consensus, data) in fates {
            let folder = tempfile::tempdir().expect("a folder");
            let acceptance = Acceptance { incarnation: 7, consensus, data };
            acceptance.write(folder.path()).expect("written");
            let whole = std::fs::read(folder.path().join(FILE)).expect("readable");
            assert_eq!(Acceptance::decode(&whole), Some(acceptance));
            for at in 0..whole.len() {
                let mut flipped = whole.clone();
                flipped[at] ^= 1;
                assert_eq!(Acceptance::decode(&flipped), None, "byte {at}");
                assert_eq!(Acceptance::decode(&whole[..at]), None, "{at} bytes");
            }
        }
    }
}
