//! How fast copies are filled: as fast as clients do not feel it.
//!
//! Merges are made one after the other. While clients use this node, each is followed by a pause as long as it took
//! itself, so that at least half of the time is theirs, and a request of theirs waits for one merge at most. A machine
//! that has little time to give makes merges longer, and the pauses with them. Without requests there
//! is no pause but the one that keeps to the most bytes in a second.
//!
//! Not by what a merge takes compared to the best one of late: on a machine that does other work too, one slow merge in a
//! quarter of a second is the rule, and the pace falls to its least and stays there (9,400 records a second with an eighth
//! of a core in use).

use std::time::Duration;
use tokio::time::Instant;

/// Bytes in a second, at most.
const MOST: f64 = 64.0 * 1024.0 * 1024.0;

/// See the module's essay.
#[derive(Debug)]
pub struct Pace {
    /// When the next merge may begin.
    next: Instant,
    /// The requests of others that this node had begun when the last merge ended.
    requests: u64,
}

impl Pace {
    /// At once.
    pub fn new(now: Instant) -> Self {
        Self { next: now, requests: 0 }
    }

    /// When the next merge may begin.
    pub fn turn(&self) -> Instant {
        self.next
    }

    /// A merge of so many bytes took so long, and ended now; so many requests of others have been begun since the start.
    pub fn merged(&mut self, now: Instant, took: Duration, bytes: u64, requests: u64) {
        let clients = if requests == self.requests { Duration::ZERO } else { took };
        let least = Duration::from_secs_f64(bytes as f64 / MOST).saturating_sub(took);
        self.next = now + clients.max(least);
        self.requests = requests;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn half_of_the_time_is_for_clients_while_there_are_any() {
        let begun = Instant::now();
        let mut pace = Pace::new(begun);
        assert_eq!(pace.turn(), begun);
        pace.merged(begun, Duration::from_millis(7), 1_000, 1);
        assert_eq!(pace.turn(), begun + Duration::from_millis(7));
        pace.merged(begun, Duration::from_millis(7), 1_000, 1);
        assert_eq!(pace.turn(), begun, "no request since");
    }

    #[test]
    fn it_keeps_to_the_most_bytes_in_a_second() {
        let begun = Instant::now();
        let mut pace = Pace::new(begun);
        pace.merged(begun, Duration::from_millis(100), 64 * 1024 * 1024, 0);
        assert_eq!(pace.turn(), begun + Duration::from_millis(900));
    }
}
