//! When a second node is asked because the first one is slow, and how often at most.
//!
//! With [`Hedge::P95`] that is after the time within which 95 of the last 100 reads or so were answered, so that about one
//! read in twenty is hedged. Whatever the delay, hedges are at most one in five reads: where everything is slow, asking
//! twice makes it slower.

use std::collections::VecDeque;
use std::time::Duration;

/// After what time a read that has no answer is sent to a second node too. Writes never are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Hedge {
    /// It is not.
    Never,
    /// After this time.
    After(Duration),
    /// After the time that 95 of 100 reads take.
    P95,
}

/// Reads whose latencies are known before any is hedged, and that are remembered.
const SAMPLES: std::ops::RangeInclusive<usize> = 32..=128;

/// After so many reads the 95th percentile is found anew.
const RENEWED_EVERY: u32 = 16;

/// The shortest delay.
const DELAY_MIN: Duration = Duration::from_millis(1);

/// What a read adds to the budget of hedges, of which each takes 1, and the most that is saved up.
const BUDGET_PER_READ: f64 = 0.2;
const BUDGET_MAX: f64 = 10.0;

/// The latencies of the reads of late, and what is left of the budget.
#[derive(Debug)]
pub(crate) struct Hedging {
    hedge: Hedge,
    samples: VecDeque<Duration>,
    p95: Option<Duration>,
    since: u32,
    budget: f64,
}

impl Hedging {
    /// Nothing is known yet.
    pub fn new(hedge: Hedge) -> Self {
        Self { hedge, samples: VecDeque::new(), p95: None, since: 0, budget: BUDGET_MAX }
    }

    /// After what time the read that begins now is hedged, if it is.
    pub fn delay(&mut self) -> Option<Duration> {
        self.budget = BUDGET_MAX.min(self.budget + BUDGET_PER_READ);
        let delay = match self.hedge {
            Hedge::Never => None,
            Hedge::After(delay) => Some(delay),
            Hedge::P95 => self.p95,
        };
        delay.filter(|_| self.budget >= 1.0)
    }

    /// A second node was asked.
    pub fn hedged(&mut self) {
        self.budget -= 1.0;
    }

    /// A read took so long.
    pub fn took(&mut self, time: Duration) {
        if self.hedge != Hedge::P95 {
            return;
        }
        if self.samples.len() == *SAMPLES.end() {
            self.samples.pop_front();
        }
        self.samples.push_back(time);
        self.since += 1;
        if SAMPLES.contains(&self.samples.len()) && (self.p95.is_none() || self.since >= RENEWED_EVERY) {
            let mut ordered: Vec<Duration> = self.samples.iter().copied().collect();
            ordered.sort_unstable();
            self.p95 = Some(ordered[ordered.len() * 95 / 100].max(DELAY_MIN));
            self.since = 0;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn p95_is_known_after_some_reads_and_follows_them() {
        let mut hedging = Hedging::new(Hedge::P95);
        for read in 0..*SAMPLES.start() {
            assert_eq!(hedging.delay(), None, "{read}");
            hedging.took(Duration::from_millis(if read % 10 == 0 { 90 } else { 10 }));
        }
        assert_eq!(hedging.delay(), Some(Duration::from_millis(90)));
        for _ in 0..200 {
            hedging.took(Duration::from_micros(10));
        }
        assert_eq!(hedging.delay(), Some(DELAY_MIN));
    }

    #[test]
    fn hedges_are_at_most_one_in_five_reads() {
        let mut hedging = Hedging::new(Hedge::After(Duration::from_millis(5)));
        let hedges = (0..1_000).filter(|_| hedging.delay().inspect(|_| hedging.hedged()).is_some()).count();
        assert!((200..=211).contains(&hedges), "{hedges}");
        assert_eq!(Hedging::new(Hedge::Never).delay(), None);
    }
}
