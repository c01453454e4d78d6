//! The mark of doubt: a file beside the data that says why they can't be trusted.
//!
//! A replica that doubted its disk must not vote after a mere restart, although the damaged block may not be read
//! again for months. So the doubt is kept apart from the data, in the file `doubtful` of the folder: its presence is
//! what counts. Its first line names the cause, which decides what an operator can do about it; the rest is for
//! people:
//!
//! ```text
//! cause behind
//! the database ends at change 812, but node n2 remembers change 900 of it: ...
//! ```
//!
//! The mark goes with the folder, or when an operator accepts the loss ([`acceptance`](crate::acceptance)).

use crate::file;
use std::fmt;
use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, OnceLock};

pub(crate) const FILE: &str = "doubtful";

/// What the first line begins with.
const CAUSE: &str = "cause ";

/// Why the data of a folder can't be trusted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Doubt {
    /// What kind of thing happened.
    pub cause: Cause,
    /// What exactly, in one sentence.
    pub reason: String,
}

/// What kind of thing makes a replica doubt its disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cause {
    /// What was read is not what was written, or a file is gone: any key may be damaged.
    Damaged,
    /// The disk failed an operation, or the process lost track of one: it is unknown what reached the disk.
    Failed,
    /// The data end before something that was durable once: acknowledged records are missing at the end.
    Behind,
    /// The machine stopped without warning while acknowledged records were only in its memory.
    MachineStopped,
}

impl Cause {
    const ALL: [Cause; 4] = [Cause::Damaged, Cause::Failed, Cause::Behind, Cause::MachineStopped];

    /// Its name in files, documents and metrics; pinned.
    pub fn as_str(self) -> &'static str {
        match self {
            Cause::Damaged => "damaged",
            Cause::Failed => "failed",
            Cause::Behind => "behind",
            Cause::MachineStopped => "machine-stopped",
        }
    }

    fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|cause| cause.as_str() == text)
    }
}

impl Doubt {
    /// For this cause and reason.
    pub fn new(cause: Cause, reason: impl Into<String>) -> Self {
        Self { cause, reason: reason.into() }
    }

    /// The text of its file.
    pub fn encode(&self) -> String {
        format!("{CAUSE}{}\n{}\n", self.cause.as_str(), self.reason)
    }

    /// Total: a mark that is damaged itself is still a doubt, of the worst kind.
    pub fn decode(bytes: &[u8]) -> Self {
        let text = String::from_utf8_lossy(bytes);
        let text = text.trim_end();
        let known = text
            .split_once('\n')
            .and_then(|(first, rest)| Some(Self::new(Cause::parse(first.strip_prefix(CAUSE)?)?, rest)));
        known.unwrap_or_else(|| Self::new(Cause::Damaged, text.escape_debug().to_string()))
    }
}

impl fmt::Display for Doubt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.reason)
    }
}

/// The doubt about one folder.
#[derive(Debug)]
pub(crate) struct DoubtMark {
    folder: PathBuf,
    doubt: OnceLock<Doubt>,
    /// Opened beforehand: a doubt may come because no file can be opened any more.
    ready: Mutex<Option<Ready>>,
}

/// What it takes to write the mark without opening a file.
#[derive(Debug)]
struct Ready {
    beside: File,
    folder: File,
}

impl DoubtMark {
    /// Reads what an earlier run left. A mark that can't be read counts as one.
    pub(crate) fn read(folder: &Path) -> Self {
        let doubt = OnceLock::new();
        let found = match fs::read(folder.join(FILE)) {
            Ok(bytes) => Some(Doubt::decode(&bytes)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            Err(error) => {
                Some(Doubt::new(Cause::Damaged, format!("the mark of doubt can't be read: {error}")))
            }
        };
        if let Some(found) = found {
            doubt.set(found).expect("it is empty");
        }
        Self { folder: folder.into(), doubt, ready: Mutex::default() }
    }

    /// Why the mark can't be looked at now, where the operating system only has no file for it: it is unknown whether
    /// there is one.
    pub(crate) fn read_in_vain(folder: &Path) -> Option<io::Error> {
        File::open(folder.join(FILE)).err().filter(file::is_shortage)
    }

    /// Opens now what setting the mark will need. Called once the folder is this process's own.
    pub(crate) fn prepare(&self) {
        if self.doubt().is_some() {
            return;
        }
        let open = || {
            Ok::<_, io::Error>(Ready {
                beside: File::create(self.folder.join(format!("{FILE}.new")))?,
                folder: File::open(&self.folder)?,
            })
        };
        match open() {
            Ok(ready) => *self.ready.lock().expect("nothing panics while it holds this lock") = Some(ready),
            Err(error) => {
                tracing::warn!(%error, "a mark of doubt could not be prepared; it is made when it is needed");
            }
        }
    }

    /// Sets the mark, unless there is one. If the disk refuses even this, the doubt lasts until the process ends.
    pub(crate) fn set(&self, doubt: Doubt) {
        let text = doubt.encode();
        let reason = doubt.reason.clone();
        if self.doubt.set(doubt).is_err() {
            return;
        }
        tracing::error!(reason, "the data of this node can't be trusted any more; everything is refused");
        let ready = self.ready.lock().expect("nothing panics while it holds this lock").take();
        let written = match ready {
            Some(ready) => self.write(ready, text.as_bytes()),
            None => file::replace(&self.folder, FILE, text.as_bytes()),
        };
        if let Err(error) = written {
            tracing::error!(%error, "the doubt can't be written down: do not restart this node, replace it");
        }
    }

    fn write(&self, mut ready: Ready, bytes: &[u8]) -> io::Result<()> {
        ready.beside.write_all(bytes)?;
        ready.beside.sync_all()?;
        fs::rename(self.folder.join(format!("{FILE}.new")), self.folder.join(FILE))?;
        ready.folder.sync_all()
    }

    /// Writes the mark down once more: a disk that fails may have refused it when it was set. Durable when it returns.
    pub(crate) fn write_again(&self) -> io::Result<()> {
        self.doubt().map_or(Ok(()), |doubt| file::replace(&self.folder, FILE, doubt.encode().as_bytes()))
    }

    /// The first doubt.
    pub(crate) fn doubt(&self) -> Option<&Doubt> {
        self.doubt.get()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_prepared_mark_is_the_same_mark() {
        for prepared in [true, false] {
            for cause in Cause::ALL {
                let folder = tempfile::tempdir().expect("a folder");
                let mark = DoubtMark::read(folder.path());
                if prepared {
                    mark.prepare();
                }
                assert_eq!(DoubtMark::read(folder.path()).doubt(), None, "preparing says nothing yet");
                let doubt = Doubt::new(cause, "the disk lied");
                mark.set(doubt.clone());
                mark.set(Doubt::new(Cause::Damaged, "a later one"));
                assert_eq!(DoubtMark::read(folder.path()).doubt(), Some(&doubt));
            }
        }
    }

    #[test]
    fn a_mark_that_the_disk_refused_is_written_again() {
        let folder = tempfile::tempdir().expect("a folder");
        let mark = DoubtMark::read(folder.path());
        mark.write_again().expect("nothing to write");
        assert_eq!(DoubtMark::read(folder.path()).doubt(), None);
        let doubt = Doubt::new(Cause::Failed, "a sync failed");
        mark.set(doubt.clone());
        fs::remove_file(folder.path().join(FILE)).expect("as if it had never reached the disk");
        mark.write_again().expect("written");
        assert_eq!(DoubtMark::read(folder.path()).doubt(), Some(&doubt));
    }

    #[test]
    fn a_damaged_mark_is_still_a_doubt_and_never_a_milder_one() {
        let whole = Doubt::new(Cause::Behind, "it ends too early").encode().into_bytes();
        for length in 0..whole.len() {
            let folder = tempfile::tempdir().expect("a folder");
            fs::write(folder.path().join(FILE), &whole[..length]).expect("written");
            let mark = DoubtMark::read(folder.path());
            assert!(mark.doubt().is_some(), "{length} bytes of it");
        }
        for at in 0..whole.len() {
            let mut flipped = whole.clone();
            flipped[at] ^= 0x10;
            let doubt = Doubt::decode(&flipped);
            assert!(matches!(doubt.cause, Cause::Behind | Cause::Damaged), "{doubt:?}");
        }
    }
}
