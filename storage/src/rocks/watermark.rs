//! The watermark: how far this folder once was, so that a log that was cut short is noticed.
//!
//! A log that ends too early looks like one whose last write was torn: nothing in it says that synced records are
//! missing behind its end. So after each sync the sequence number that is durable by then is noted in a small file
//! of its own, in place and *without* a sync. The note may lag behind after a power cut, which only makes it less
//! watchful (what peers remember is the second line); it is never ahead of what was durable. A database that opens
//! below it has lost acknowledged records.
//!
//! ```text
//! 0          8       12
//! sequence   crc32
//! u64        u32       big-endian
//! ```

use super::open_error::{OpenError, not_opened};
use crate::file;
use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::{Mutex, PoisonError};

const FILE: &str = "watermark";
const BYTES: usize = 12;

/// What a watermark that can't be read leaves open.
const UNTOLD: &str = "so that it cannot be known whether the database ends too early";

#[derive(Debug)]
pub(super) struct Watermark {
    noted: Mutex<Noted>,
}

#[derive(Debug)]
struct Noted {
    file: File,
    sequence: u64,
}

impl Watermark {
    /// Opens the note of a folder whose database has come to `sequence`, and says why that may be too little, if it
    /// may. A folder that is being founded may have none yet (`may_be_missing`).
    pub(super) fn open(
        folder: &Path,
        sequence: u64,
        may_be_missing: bool,
    ) -> Result<(Self, Option<String>), OpenError> {
        let failed = |error: io::Error| not_opened(folder, &error);
        let behind = match std::fs::read(folder.join(FILE)) {
            Ok(bytes) => match decode(&bytes) {
                None => Some(format!("the watermark is damaged, {UNTOLD}")),
                Some(noted) => (sequence < noted).then(|| {
                    format!(
                        "the database ends at change {sequence}, but change {noted} was durable once: acknowledged \
                         records are missing"
                    )
                }),
            },
            Err(error) if error.kind() == io::ErrorKind::NotFound && may_be_missing => {
                file::replace(folder, FILE, &encode(sequence)).map_err(failed)?;
                None
            }
            // An empty one takes its place, which the next start finds damaged: the doubt is not forgotten.
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                Some(format!("the watermark is gone, {UNTOLD}"))
            }
            Err(error) => return Err(failed(error)),
        };
        let file = OpenOptions::new().write(true).create(true).truncate(false).open(folder.join(FILE));
        let file = file.map_err(failed)?;
        Ok((Self { noted: Mutex::new(Noted { file, sequence }) }, behind))
    }

    /// Begins anew at `sequence`: what was missing below the old note was accepted as lost.
    pub(super) fn reset(folder: &Path, sequence: u64) -> io::Result<()> {
        file::replace(folder, FILE, &encode(sequence))
    }

    /// Notes that everything up to `sequence` is durable.
    pub(super) fn note(&self, sequence: u64) -> io::Result<()> {
        let mut noted = self.noted.lock().unwrap_or_else(PoisonError::into_inner);
        if sequence > noted.sequence {
            noted.file.write_all_at(&encode(sequence), 0)?;
            noted.sequence = sequence;
        }
        Ok(())
    }
}

fn encode(sequence: u64) -> [u8; BYTES] {
    let mut bytes = [0; BYTES];
    let number = sequence.to_be_bytes();
    bytes[..8].copy_from_slice(&number);
    bytes[8..].copy_from_slice(&crc32fast::hash(&number).to_be_bytes());
    bytes
}

/// Whether these bytes are a note; for the test of every decoder of outside bytes.
pub fn takes(bytes: &[u8]) -> bool {
    let Some(sequence) = decode(bytes) else { return false };
    assert_eq!(encode(sequence)[..], *bytes, "a note has one form");
    true
}

fn decode(bytes: &[u8]) -> Option<u64> {
    let (number, checksum) = bytes.split_first_chunk::<8>()?;
    (crc32fast::hash(number).to_be_bytes() == checksum).then(|| u64::from_be_bytes(*number))
}
