//! What is found in a store.

use std::time::SystemTime;

/// A file of a store.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listed {
    /// Its name in its folder.
    pub name: String,
    /// Its bytes.
    pub bytes: u64,
    /// When it was written.
    pub written_at: SystemTime,
}

/// What came of reading.
#[derive(Debug)]
pub enum Read {
    /// All of the file.
    Whole(Vec<u8>),
    /// There is none.
    Absent,
    /// It has more bytes than were wanted.
    TooLarge {
        /// How many.
        bytes: u64,
    },
}
