//! What can go wrong when a database is opened, and one plain sentence for each.

use crate::file;
use std::io;
use std::path::{Path, PathBuf};
use thiserror::Error;

/// Why the database of a folder was not opened. The data were not changed.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum OpenError {
    /// Another process has it open.
    #[error("another process uses the folder {}; stop it first, or use another folder", .0.display())]
    Locked(PathBuf),
    /// A newer version wrote it.
    #[error("the data in {} were written by a newer version ({reason}); start that version again", folder.display())]
    Newer {
        /// The folder.
        folder: PathBuf,
        /// What was not understood.
        reason: String,
    },
    /// The database should be there and is not.
    #[error(
        "the folder {} belongs to a node but its database is gone; the node lost its data: replace it, or restore \
         the folder",
        .0.display()
    )]
    Missing(PathBuf),
    /// It is damaged. The folder is marked, and stays doubtful even if a later open should succeed.
    #[error(
        "the data in {} are damaged ({reason}); they can't be trusted and were left as they are: replace the node",
        folder.display()
    )]
    Doubtful {
        /// The folder.
        folder: PathBuf,
        /// What RocksDB says.
        reason: String,
    },
    /// The operating system has no file, or no memory for one, now.
    #[error(
        "no file can be had to open the data in {} ({reason}); nothing was lost: it goes on once one can, after some are \
         closed or more are allowed (LimitNOFILE)",
        folder.display()
    )]
    Shortage {
        /// The folder.
        folder: PathBuf,
        /// What RocksDB or the operating system says.
        reason: String,
    },
    /// There is no space to open it.
    #[error("there is no space left to open the data in {}; nothing was lost: free some space", .0.display())]
    DiskFull(PathBuf),
    /// Anything else the operating system says: rights, limits, a failing disk.
    #[error("the data in {} can't be opened ({reason}); nothing was changed", folder.display())]
    Failed {
        /// The folder.
        folder: PathBuf,
        /// What RocksDB or the operating system says.
        reason: String,
    },
}

/// The error of an open, from one of the operating system.
pub(super) fn not_opened(folder: &Path, error: &io::Error) -> OpenError {
    let (folder, reason) = (folder.to_owned(), error.to_string());
    if file::is_shortage(error) {
        OpenError::Shortage { folder, reason }
    } else {
        OpenError::Failed { folder, reason }
    }
}
