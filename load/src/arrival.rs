//! When requests begin.

use rand::Rng;
use rand::distr::Open01;
use rand_chacha::ChaCha8Rng;
use std::time::{Duration, Instant};

/// When requests begin.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Arrival {
    /// On each connection, when the one before is answered.
    Closed,
    /// At this rate over all connections, at moments that know nothing of each other (Poisson).
    Open {
        /// Requests a second; more than 0.
        per_second: f64,
    },
}

/// The moments at which requests fall due, for all connections together.
#[derive(Debug)]
pub(crate) struct Schedule {
    arrival: Arrival,
    next: Instant,
    random: ChaCha8Rng,
}

impl Schedule {
    pub fn new(arrival: Arrival, begin: Instant, random: ChaCha8Rng) -> Self {
        Self { arrival, next: begin, random }
    }

    /// When the next request falls due.
    pub fn next(&mut self) -> Instant {
        match self.arrival {
            Arrival::Closed => Instant::now(),
            Arrival::Open { per_second } => {
                let chance: f64 = self.random.sample(Open01);
                self.next += Duration::from_secs_f64(-chance.ln() / per_second);
                self.next
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::SeedableRng;

    #[test]
    fn an_open_schedule_keeps_its_rate_and_waits_for_no_answer() {
        let begin = Instant::now();
        let mut schedule =
            Schedule::new(Arrival::Open { per_second: 10_000.0 }, begin, ChaCha8Rng::seed_from_u64(1));
        let due: Vec<Instant> = (0..100_000).map(|_| schedule.next()).collect();
        assert!(due.is_sorted());
        let took = (due[99_999] - begin).as_secs_f64();
        assert!((took - 10.0).abs() < 0.2, "{took} s for 100,000 requests at 10,000 a second");
        // Of a Poisson process the gaps spread as far as their mean.
        let gaps: Vec<f64> = due.windows(2).map(|two| (two[1] - two[0]).as_secs_f64()).collect();
        let above = gaps.iter().filter(|gap| **gap > 0.000_1).count() as f64 / gaps.len() as f64;
        assert!((above - (-1.0_f64).exp()).abs() < 0.01, "{above} of the gaps are over their mean");
    }
}
