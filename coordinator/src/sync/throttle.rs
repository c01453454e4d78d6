//! How fast a sync goes: as fast as it may, until others wait longer because of it.
//!
//! Additive increase and multiplicative decrease would be too slow to find a rate that may be a hundred times another; so
//! each quarter of a second the rate grows by a twentieth, and is halved where a probe of the committer has waited longer
//! than usual. What is usual is the least of the last minute or two.

use quorate_model::Span;

/// Bytes a second below which it never goes.
const RATE_MIN: u64 = 1024 * 1024;

/// Probes after which the least is found anew: about a minute.
const WINDOW: u32 = 240;

/// A wait that is no longer than this beyond the usual one is none.
const TOLERATED: Span = Span::from_millis(2);

/// See the module's essay.
#[derive(Clone, Copy, Debug)]
pub struct Throttle {
    rate: u64,
    rate_max: u64,
    /// The least wait of this window, and of the one before.
    least: [Option<Span>; 2],
    probes: u32,
}

impl Throttle {
    /// One that begins at the lowest rate. In bytes a second.
    pub fn new(rate_max: u64) -> Self {
        let rate_max = rate_max.max(RATE_MIN);
        Self { rate: RATE_MIN, rate_max, least: [None; 2], probes: 0 }
    }

    /// Bytes a second, now.
    pub fn rate(&self) -> u64 {
        self.rate
    }

    /// How long so many bytes take at that rate.
    pub fn pause(&self, bytes: u64) -> Span {
        Span(bytes.saturating_mul(1_000_000) / self.rate)
    }

    /// A probe has waited so long.
    pub fn probed(&mut self, wait: Span) {
        if self.probes == WINDOW {
            self.least = [None, self.least[0]];
            self.probes = 0;
        }
        self.probes += 1;
        let usual = self.least.into_iter().flatten().min().unwrap_or(wait).min(wait);
        self.least[0] = Some(self.least[0].unwrap_or(wait).min(wait));
        let tolerated = Span((usual.0 / 2).max(TOLERATED.0));
        self.rate = if wait.0 > usual.0 + tolerated.0 {
            (self.rate / 2).max(RATE_MIN)
        } else {
            (self.rate + self.rate / 20).min(self.rate_max)
        };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_grows_while_nobody_waits_and_falls_at_once() {
        let mut throttle = Throttle::new(16 << 20);
        (0..200).for_each(|_| throttle.probed(Span(300)));
        assert_eq!(throttle.rate(), 16 << 20);
        throttle.probed(Span(9_000));
        assert_eq!(throttle.rate(), 8 << 20);
        (0..20).for_each(|_| throttle.probed(Span(9_000)));
        assert_eq!(throttle.rate(), RATE_MIN, "and no further");
    }

    #[test]
    fn what_is_usual_is_found_anew() {
        let mut throttle = Throttle::new(16 << 20);
        throttle.probed(Span(300));
        (0..3 * WINDOW).for_each(|_| throttle.probed(Span(9_000)));
        assert_eq!(throttle.rate(), 16 << 20, "a disk that is slow for good is no sign of a burden");
    }

    #[test]
    fn a_pause_is_the_time_that_the_bytes_take() {
        assert_eq!(Throttle::new(1).pause(RATE_MIN), Span::from_millis(1_000));
    }
}
