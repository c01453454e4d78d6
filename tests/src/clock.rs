//! Wall clocks that are wrong: each node's own, ahead or behind, jumping and stopping.
//!
//! The monotonic clock, which deadlines are made of, is the schedule's. The wall clock may do anything; the
//! protocol lets it decide only *when* a value expires, and the history remembers the furthest any clock ever went.

use quorate_model::WallTime;

/// The true time at which every history begins, in milliseconds since the Unix epoch.
const BEGINNING_MS: u64 = 1_700_000_000_000;

/// One node's wall clock.
#[derive(Clone, Copy, Debug, Default)]
pub struct Clock {
    offset_ms: i64,
    stopped: Option<WallTime>,
}

impl Clock {
    /// A clock that is so many milliseconds ahead.
    pub fn ahead(offset_ms: i64) -> Self {
        Self { offset_ms, stopped: None }
    }

    /// What it shows, `micros` after the beginning.
    pub fn read(&self, micros: u64) -> WallTime {
        self.stopped.unwrap_or_else(|| {
            WallTime((BEGINNING_MS + micros / 1_000).saturating_add_signed(self.offset_ms))
        })
    }

    /// Whether it stands.
    pub fn is_stopped(&self) -> bool {
        self.stopped.is_some()
    }

    /// Jumps by so many milliseconds.
    pub fn jump(&mut self, by_ms: i64) {
        self.offset_ms += by_ms;
        self.stopped = self.stopped.map(|shown| WallTime(shown.0.saturating_add_signed(by_ms)));
    }

    /// Stops where it is.
    pub fn stop(&mut self, micros: u64) {
        self.stopped = Some(self.read(micros));
    }

    /// Shows the true time from now on.
    pub fn set_right(&mut self) {
        *self = Self::default();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stopped_clock_shows_one_time_until_it_is_set_right() {
        let mut clock = Clock::ahead(-20);
        clock.stop(50_000);
        assert_eq!(clock.read(90_000), WallTime(BEGINNING_MS + 30));
        clock.jump(5);
        assert_eq!(clock.read(95_000), WallTime(BEGINNING_MS + 35));
        clock.set_right();
        assert_eq!(clock.read(95_000), WallTime(BEGINNING_MS + 95));
    }
}
