//! How fast copies are filled: as fast as clients do not feel it.
//!
//! Additive increase, multiplicative decrease: what a merge waits for in the committer is what a client's write waits for.
//! Where that takes over one and a half times as long as it did at best within the last minute, the pace is halved; else
//! it grows by a twentieth each quarter of a second.

use std::time::Duration;
use tokio::time::Instant;

/// Bytes in a second, at first and at most.
const MOST: f64 = 64.0 * 1024.0 * 1024.0;

/// Bytes in a second, at least: it comes to an end whatever clients do.
const LEAST: f64 = 1024.0 * 1024.0;

/// How often the pace is changed.
const WINDOW: Duration = Duration::from_millis(250);

/// For so long the best time is remembered.
const MEMORY: Duration = Duration::from_mins(1);

/// What the best time is never below: less than that is no difference.
const FLOOR: Duration = Duration::from_millis(5);

/// See the module's essay.
#[derive(Debug)]
pub struct Pace {
    bytes_per_second: f64,
    /// When the next merge may begin.
    next: Instant,
    best: Duration,
    best_since: Instant,
    worst_of_window: Duration,
    window_since: Instant,
}

impl Pace {
    /// At its fastest.
    pub fn new(now: Instant) -> Self {
        Self {
            bytes_per_second: MOST,
            next: now,
            best: Duration::MAX,
            best_since: now,
            worst_of_window: Duration::ZERO,
            window_since: now,
        }
    }

    /// When a merge of so many bytes may begin.
    pub fn turn(&mut self, now: Instant, bytes: u64) -> Instant {
        let turn = self.next.max(now);
        self.next = turn + Duration::from_secs_f64(bytes as f64 / self.bytes_per_second);
        turn
    }

    /// A merge has taken so long.
    pub fn merged(&mut self, now: Instant, took: Duration) {
        if took < self.best || now.duration_since(self.best_since) > MEMORY {
            (self.best, self.best_since) = (took, now);
        }
        self.worst_of_window = self.worst_of_window.max(took);
        if now.duration_since(self.window_since) < WINDOW {
            return;
        }
        let is_felt = self.worst_of_window > self.best.max(FLOOR).mul_f64(1.5);
        let factor = if is_felt { 0.5 } else { 1.05 };
        self.bytes_per_second = (self.bytes_per_second * factor).clamp(LEAST, MOST);
        (self.worst_of_window, self.window_since) = (Duration::ZERO, now);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_gives_way_where_merges_take_long_and_comes_back() {
        let begun = Instant::now();
        let mut pace = Pace::new(begun);
        let mut now = begun;
        let mut merge = |pace: &mut Pace, millis: u64| {
            now += WINDOW;
            pace.merged(now, Duration::from_millis(millis));
        };
        merge(&mut pace, 10);
        let fast = pace.bytes_per_second;
        merge(&mut pace, 100);
        assert!(pace.bytes_per_second <= fast * 0.51, "halved");
        for _ in 0..100 {
            merge(&mut pace, 100);
        }
        assert!(pace.bytes_per_second >= LEAST, "it never stands still");
        for _ in 0..200 {
            merge(&mut pace, 12);
        }
        assert!(pace.bytes_per_second >= MOST * 0.99, "it comes back");
    }

    #[test]
    fn a_turn_comes_after_what_was_merged_before() {
        let begun = Instant::now();
        let mut pace = Pace::new(begun);
        assert_eq!(pace.turn(begun, 64 * 1024 * 1024), begun);
        assert_eq!(pace.turn(begun, 1), begun + Duration::from_secs(1));
    }
}
