//! The mark of doubt: a file beside the data that says why they can't be trusted.
//!
//! A replica that doubted its disk must not vote after a mere restart, although the damaged block may not be read
//! again for months. So the doubt is kept apart from the data, in the file `doubtful` of the folder: its presence is
//! what counts, its content is for people. It goes only with the folder: a doubted node returns as a new
//! incarnation, with an empty folder.

use crate::file;
use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, OnceLock};

const FILE: &str = "doubtful";

/// The doubt about one folder.
#[derive(Debug)]
pub(crate) struct DoubtMark {
    folder: PathBuf,
    reason: OnceLock<String>,
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
    /// Reads what an earlier life left. A mark that can't be read counts as one.
    pub(crate) fn read(folder: &Path) -> Self {
        let reason = OnceLock::new();
        match fs::read(folder.join(FILE)) {
            Ok(bytes) => reason.get_or_init(|| String::from_utf8_lossy(&bytes).trim_end().to_owned()),
            Err(error) if error.kind() == io::ErrorKind::NotFound => "",
            Err(error) => reason.get_or_init(|| format!("the mark of doubt can't be read: {error}")),
        };
        Self { folder: folder.into(), reason, ready: Mutex::default() }
    }

    /// Opens now what setting the mark will need. Called once the folder is this process's own.
    pub(crate) fn prepare(&self) {
        if self.reason().is_some() {
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
    pub(crate) fn set(&self, reason: &str) {
        if self.reason.set(reason.to_owned()).is_err() {
            return;
        }
        tracing::error!(reason, "the data of this node can't be trusted any more; everything is refused");
        let text = format!("{reason}\n");
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

    /// The first reason.
    pub(crate) fn reason(&self) -> Option<&str> {
        self.reason.get().map(String::as_str)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_prepared_mark_is_the_same_mark() {
        for prepared in [true, false] {
            let folder = tempfile::tempdir().expect("a folder");
            let mark = DoubtMark::read(folder.path());
            if prepared {
                mark.prepare();
            }
            assert_eq!(DoubtMark::read(folder.path()).reason(), None, "preparing says nothing yet");
            mark.set("the disk lied");
            assert_eq!(DoubtMark::read(folder.path()).reason(), Some("the disk lied"));
        }
    }
}
