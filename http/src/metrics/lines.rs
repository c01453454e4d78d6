//! What became of this process's log lines. They belong to the process, not to a node: in `dev` several nodes share them.

use std::sync::atomic::{AtomicU64, Ordering};

/// Lines that no sink took: it failed, or it was slower than they came.
pub static DROPPED: Lines = Lines(AtomicU64::new(0));

/// Lines that were counted instead of written, because the same place in the code had just written many.
pub static HELD_BACK: Lines = Lines(AtomicU64::new(0));

/// A number of lines since the process began.
#[derive(Debug)]
pub struct Lines(AtomicU64);

impl Lines {
    /// Counts one more.
    pub fn count(&self) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }

    /// How many there were.
    pub fn total(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}
