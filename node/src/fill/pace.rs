//! How fast copies are filled at most, so that a disk and a network are left for others.
//!
//! How much of the processor it takes is not decided here: it works on a thread that gives way to requests. (Two ways before
//! that did not hold: by what a merge takes compared to the best one of late, the pace fell to its least on any busy machine,
//! 9,400 records a second with an eighth of a core in use; with a pause as long as each merge half of an idle machine was
//! left idle.)

use std::time::Duration;
use tokio::time::Instant;

/// How fast copies are filled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FillLimits {
    /// Bytes of keys and records that a node takes in a second, at most. Default 128 MiB: a network of 1 Gbit/s.
    pub bytes_per_second_max: usize,
}

impl Default for FillLimits {
    fn default() -> Self {
        Self { bytes_per_second_max: 128 << 20 }
    }
}

/// See the module's essay.
#[derive(Debug)]
pub struct Pace {
    limits: FillLimits,
    /// When the next ones may be taken in.
    next: Instant,
}

impl Pace {
    /// At once.
    pub fn new(now: Instant, limits: FillLimits) -> Self {
        Self { limits, next: now }
    }

    /// When the next ones may be taken in.
    pub fn turn(&self) -> Instant {
        self.next
    }

    /// So many bytes were begun to be taken in then.
    pub fn took(&mut self, begun: Instant, bytes: u64) {
        let in_a_second = self.limits.bytes_per_second_max.max(1) as f64;
        self.next = begun + Duration::from_secs_f64(bytes as f64 / in_a_second);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_keeps_to_the_most_bytes_in_a_second() {
        let begun = Instant::now();
        let mut pace = Pace::new(begun, FillLimits::default());
        assert_eq!(pace.turn(), begun);
        pace.took(begun, 32 * 1024 * 1024);
        assert_eq!(pace.turn(), begun + Duration::from_millis(250));
    }
}
