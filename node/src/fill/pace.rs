//! How fast copies are filled at most, so that a disk and a network are left for others.
//!
//! How much of the processor it takes is not decided here: it works on a thread that gives way to requests. (Two ways before
//! that did not hold: by what a merge takes compared to the best one of late, the pace fell to its least on any busy machine,
//! 9,400 records a second with an eighth of a core in use; with a pause as long as each merge half of an idle machine was
//! left idle.)

use std::time::Duration;
use tokio::time::Instant;

/// Bytes in a second, at most.
pub const BYTES_PER_SECOND_MAX: u64 = 64 << 20;

/// See the module's essay.
#[derive(Debug)]
pub struct Pace {
    /// When the next ones may be taken in.
    next: Instant,
}

impl Pace {
    /// At once.
    pub fn new(now: Instant) -> Self {
        Self { next: now }
    }

    /// When the next ones may be taken in.
    pub fn turn(&self) -> Instant {
        self.next
    }

    /// So many bytes were begun to be taken in then.
    pub fn took(&mut self, begun: Instant, bytes: u64) {
        self.next = begun + Duration::from_secs_f64(bytes as f64 / BYTES_PER_SECOND_MAX as f64);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_keeps_to_the_most_bytes_in_a_second() {
        let begun = Instant::now();
        let mut pace = Pace::new(begun);
        assert_eq!(pace.turn(), begun);
        pace.took(begun, 16 * 1024 * 1024);
        assert_eq!(pace.turn(), begun + Duration::from_millis(250));
    }
}
