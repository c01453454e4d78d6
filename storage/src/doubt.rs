//! The mark of doubt: a file beside the data that says why they can't be trusted.
//!
//! A replica that doubted its disk must not vote after a mere restart, although the damaged block may not be read
//! again for months. So the doubt is kept apart from the data, in the file `doubtful` of the folder: its presence is
//! what counts, its content is for people. It goes only with the folder: a doubted node returns as a new
//! incarnation, with an empty folder.

use crate::file;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

const FILE: &str = "doubtful";

/// The doubt about one folder.
#[derive(Debug)]
pub(crate) struct DoubtMark {
    folder: PathBuf,
    reason: OnceLock<String>,
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
        Self { folder: folder.into(), reason }
    }

    /// Sets the mark, unless there is one. If the disk refuses even this, the doubt lasts until the process ends.
    pub(crate) fn set(&self, reason: &str) {
        if self.reason.set(reason.to_owned()).is_err() {
            return;
        }
        tracing::error!(reason, "the data of this node can't be trusted any more; everything is refused");
        if let Err(error) = file::replace(&self.folder, FILE, format!("{reason}\n").as_bytes()) {
            tracing::error!(%error, "the doubt can't be written down: do not restart this node, replace it");
        }
    }

    /// The first reason.
    pub(crate) fn reason(&self) -> Option<&str> {
        self.reason.get().map(String::as_str)
    }
}
