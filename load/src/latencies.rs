//! How long requests took.

use hdrhistogram::Histogram;
use std::time::Duration;

/// Longest time that is told apart from longer ones.
const MICROSECONDS_MAX: u64 = 3_600_000_000;

/// How long requests took: every one counts, within a thousandth of its time and a microsecond.
#[derive(Clone, Debug)]
pub struct Latencies(Histogram<u64>);

impl Default for Latencies {
    fn default() -> Self {
        Self(Histogram::new_with_max(MICROSECONDS_MAX, 3).expect("the bounds are lawful"))
    }
}

impl Latencies {
    pub(crate) fn record(&mut self, time: Duration) {
        self.0.saturating_record(u64::try_from(time.as_micros()).unwrap_or(u64::MAX));
    }

    /// How many requests.
    pub fn count(&self) -> u64 {
        self.0.len()
    }

    /// The time within which this part of them was answered: 0.5 is the median. 0 if there are none.
    pub fn quantile(&self, part: f64) -> Duration {
        Duration::from_micros(self.0.value_at_quantile(part))
    }

    /// The longest.
    pub fn longest(&self) -> Duration {
        Duration::from_micros(self.0.max())
    }

    /// The mean.
    pub fn mean(&self) -> Duration {
        Duration::from_secs_f64(self.0.mean() / 1e6)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_are_of_all_that_was_recorded() {
        let mut all = Latencies::default();
        (0..1_000).for_each(|ms| all.record(Duration::from_millis(ms + 1)));
        let near =
            |time: Duration, ms: u128| assert!(time.as_millis().abs_diff(ms) <= 1, "{time:?}, not {ms} ms");
        near(all.quantile(0.5), 500);
        near(all.quantile(0.99), 990);
        near(all.longest(), 1_000);
        near(all.mean(), 500);
        assert_eq!((all.count(), Latencies::default().quantile(0.99)), (1_000, Duration::ZERO));
    }
}
