//! How far an export is, in a file beside its own: so that one that was ended goes on.
//!
//! ```text
//!   users.jsonl            lines, up to `bytes` and maybe some behind it
//!   users.jsonl.progress   {"bytes": .., "parts": [{"cursor": ..}, ..], ..}
//! ```
//!
//! The lines are written before the note that counts them, so what stands behind `bytes` is exported again and cut off first.

use crate::exit::{Exit, Failure};
use serde::{Deserialize, Serialize};
use std::ffi::OsString;
use std::fs::File;
use std::io::{ErrorKind, Seek as _, SeekFrom, Write as _};
use std::path::{Path, PathBuf};

/// What the note says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Progress {
    /// The table's name.
    pub table: String,
    /// The range, as the command line said it: base64url.
    pub bounds: [Option<String>; 3],
    /// Bytes of the file that are whole lines, and counted.
    pub bytes: u64,
    /// The keys in them.
    pub keys: u64,
    /// The parts of the table.
    pub parts: Vec<Part>,
}

/// A part of the table.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Part {
    /// Of a hash table: which, as `2/8`.
    pub tokens: Option<String>,
    /// Of a range table: its first key, base64url.
    pub start: Option<String>,
    /// And the first key behind it.
    pub end: Option<String>,
    /// Where to go on; `None`: at its beginning.
    pub cursor: Option<String>,
    /// Whether nothing of it is left.
    pub is_over: bool,
}

/// The file of an export, and the note beside it.
pub struct Target {
    path: PathBuf,
    file: File,
}

impl Target {
    /// A new file.
    pub fn create(path: &Path) -> Result<Self, Failure> {
        match File::create_new(path) {
            Ok(file) => Ok(Self { path: path.to_owned(), file }),
            Err(error) if error.kind() == ErrorKind::AlreadyExists => {
                let sentence = format!("{} is there already; nothing was done", path.display());
                let next =
                    "give another --to, or go on with what an export that was ended has left: --resume";
                Err(Failure::new(Exit::Conflict, sentence).next(next))
            }
            Err(error) => Err(not_written(path, &error)),
        }
    }

    /// The file of an export that was ended, and how far it was.
    pub fn resume(path: &Path) -> Result<(Self, Progress), Failure> {
        let note = note_of(path);
        let text = std::fs::read(&note).map_err(|error| {
            let sentence = format!("there is no export to resume: {} can't be read: {error}", note.display());
            Failure::new(Exit::NotFound, sentence).next("begin it anew, without --resume and to another file")
        })?;
        let progress: Progress = serde_json::from_slice(&text).map_err(|error| {
            Failure::new(Exit::Other, format!("{} is damaged: {error}", note.display()))
                .next("begin the export anew, without --resume and to another file")
        })?;
        let cut = || {
            let mut file = File::options().write(true).open(path)?;
            if file.metadata()?.len() < progress.bytes {
                return Err(std::io::Error::other("it is shorter than what was exported"));
            }
            file.set_len(progress.bytes)?;
            file.seek(SeekFrom::End(0))?;
            Ok(file)
        };
        let file = cut().map_err(|error| {
            Failure::new(Exit::Other, format!("{} can't be continued: {error}", path.display()))
                .next("begin the export anew, without --resume and to another file")
        })?;
        Ok((Self { path: path.to_owned(), file }, progress))
    }

    /// Appends lines.
    pub fn append(&mut self, text: &[u8]) -> Result<(), Failure> {
        self.file.write_all(text).map_err(|error| not_written(&self.path, &error))
    }

    /// Notes how far it is: the old note or the new one is there, whatever happens.
    pub fn note(&mut self, progress: &Progress) -> Result<(), Failure> {
        let (note, mut new) = (note_of(&self.path), note_of(&self.path).into_os_string());
        new.push(".new");
        let write = || {
            self.file.sync_data()?;
            let mut file = File::create(&new)?;
            file.write_all(&serde_json::to_vec(progress)?)?;
            file.sync_all()?;
            std::fs::rename(&new, &note)
        };
        write().map_err(|error: std::io::Error| not_written(&note, &error))
    }

    /// It is whole: its note goes.
    pub fn end(self) -> Result<(), Failure> {
        self.file.sync_all().map_err(|error| not_written(&self.path, &error))?;
        match std::fs::remove_file(note_of(&self.path)) {
            Err(error) if error.kind() != ErrorKind::NotFound => {
                Err(not_written(&note_of(&self.path), &error))
            }
            _ => Ok(()),
        }
    }
}

fn note_of(path: &Path) -> PathBuf {
    let mut name = OsString::from(path);
    name.push(".progress");
    name.into()
}

fn not_written(path: &Path, error: &std::io::Error) -> Failure {
    Failure::new(Exit::Other, format!("{} can't be written: {error}", path.display()))
}
