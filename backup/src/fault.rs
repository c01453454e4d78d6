//! Why a backup can't be used, by name.

use crate::FORMAT;
use thiserror::Error;

/// What is wrong with the bytes of one file.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum Fault {
    /// The end is missing.
    #[error("it was cut off: its end is missing")]
    CutOff,
    /// A checksum does not fit.
    #[error("it is damaged: its checksum does not fit what begins at byte {at}")]
    Damaged {
        /// Where what is damaged begins.
        at: u64,
    },
    /// Each checksum fits, and all of it is another file than the one that is named.
    #[error("it is not the file that the snapshot names: its digest is another one")]
    Exchanged,
    /// Of a version that this one does not know.
    #[error("it has format {found}, and this version reads format {known} alone: use the version that wrote it", known = FORMAT)]
    OtherVersion {
        /// Its format.
        found: u64,
    },
    /// Something else.
    #[error("it is no {wanted} of a backup, or its beginning is damaged")]
    Foreign {
        /// What it should be.
        wanted: &'static str,
    },
    /// More bytes than any may have.
    #[error("it has {bytes} bytes, and none has more than {limit}")]
    TooLarge {
        /// How many it has.
        bytes: u64,
        /// The most.
        limit: u64,
    },
    /// Its checksums fit, and what it says can't be.
    #[error("its checksums fit, and what it says can't be: {0}")]
    Impossible(String),
}

/// Why something could not be done with a repository.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum Error {
    /// There is none.
    #[error("there is no backup repository in {place}")]
    NoRepository {
        /// Where it was looked for.
        place: String,
    },
    /// A folder of something else.
    #[error("{place} is not empty, and no backup repository; nothing was written")]
    Occupied {
        /// Where.
        place: String,
    },
    /// A file that should be there.
    #[error("{name} is missing in {place}")]
    Missing {
        /// Which.
        name: String,
        /// Where.
        place: String,
    },
    /// A file that can't be used.
    #[error("{name} in {place}: {fault}")]
    Bad {
        /// Which.
        name: String,
        /// Where.
        place: String,
        /// Why.
        fault: Fault,
    },
    /// A name that no snapshot can have.
    #[error("\"{name}\" is no name of a snapshot")]
    NoName {
        /// As it was given, escaped.
        name: String,
    },
    /// It can't be read.
    #[error("{name} can't be read: {cause}")]
    Unreadable {
        /// What.
        name: String,
        /// Why.
        cause: String,
    },
    /// It can't be written.
    #[error("{name} can't be written: {cause}")]
    Unwritable {
        /// What.
        name: String,
        /// Why.
        cause: String,
    },
}

impl Error {
    /// What is wrong with a file's bytes, if that is the matter.
    pub fn fault(&self) -> Option<&Fault> {
        match self {
            Error::Bad { fault, .. } => Some(fault),
            Error::NoRepository { .. }
            | Error::Occupied { .. }
            | Error::Missing { .. }
            | Error::NoName { .. }
            | Error::Unreadable { .. }
            | Error::Unwritable { .. } => None,
        }
    }
}
