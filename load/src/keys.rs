//! Which keys are asked for, and what for.

use crate::request::Request;
use rand::Rng;
use rand_chacha::ChaCha8Rng;
use rand_distr::{Distribution, Zipf};

/// Which keys are asked for, by number.
#[derive(Clone, Copy, Debug)]
pub struct Keys {
    count: u64,
    ranks: Option<Zipf<f64>>,
    /// How far the keys of two ranks that follow each other lie apart: it has no divisor with the count in common, so that each
    /// rank is another key.
    step: u64,
}

/// Which keys are asked for, and what for.
#[derive(Clone, Copy, Debug)]
pub struct Mix {
    /// Which keys.
    pub keys: Keys,
    /// Reads in a hundred requests; the others are writes.
    pub reads_percent: u8,
}

impl Keys {
    /// So many, each as often as any other.
    pub fn even(count: u64) -> Self {
        Self { count: count.max(1), ranks: None, step: 1 }
    }

    /// So many; the one of rank k is asked for 1 / k^`exponent` times as often as the first (Zipf). Ranks are spread over the
    /// numbers, so that neighbours are no more alike than others. `exponent` is at least 0; 0.99 is what YCSB has.
    pub fn skewed(count: u64, exponent: f64) -> Self {
        let count = count.max(1);
        // Near the golden ratio, neighbours in rank come to lie far apart.
        let near = count / 1_618 * 1_000 + count % 1_618 * 1_000 / 1_618;
        let step =
            (near.max(1)..=count + 1).find(|step| divisor(*step, count) == 1).expect("the last is one");
        let ranks = (exponent > 0.0).then(|| Zipf::new(count as f64, exponent).ok()).flatten();
        Self { count, ranks, step }
    }

    fn draw(&self, random: &mut ChaCha8Rng) -> u64 {
        let Some(ranks) = &self.ranks else { return random.random_range(0..self.count) };
        let rank = u128::from(whole(ranks.sample(random))) * u128::from(self.step);
        (rank % u128::from(self.count)) as u64
    }
}

impl Mix {
    pub(crate) fn draw(&self, random: &mut ChaCha8Rng) -> Request {
        let is_read = random.random_range(0..100) < self.reads_percent;
        let key = self.keys.draw(random);
        if is_read { Request::Read { key } } else { Request::Write { key } }
    }
}

/// The greatest common one.
fn divisor(one: u64, other: u64) -> u64 {
    if other == 0 { one } else { divisor(other, one % other) }
}

#[expect(clippy::cast_sign_loss, reason = "a rank is at least 1")]
fn whole(rank: f64) -> u64 {
    rank as u64
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::SeedableRng;
    use std::collections::BTreeMap;

    fn drawn(keys: Keys) -> BTreeMap<u64, u64> {
        let mut random = ChaCha8Rng::seed_from_u64(7);
        let mut times = BTreeMap::new();
        (0..100_000).for_each(|_| *times.entry(keys.draw(&mut random)).or_default() += 1);
        times
    }

    #[test]
    fn even_keys_are_asked_for_alike_and_skewed_ones_by_rank() {
        let even = drawn(Keys::even(100));
        assert_eq!(even.len(), 100);
        assert!(even.values().all(|times| (800..1_200).contains(times)), "{even:?}");
        let skewed = drawn(Keys::skewed(1_000, 0.99));
        let mut times: Vec<u64> = skewed.values().copied().collect();
        times.sort_unstable_by_key(|times| std::cmp::Reverse(*times));
        assert!(skewed.keys().all(|key| *key < 1_000));
        // The first of a thousand has 1 / 7.7 of all at this exponent, and twice as much as the second.
        assert!((11_000..15_500).contains(&times[0]), "{}", times[0]);
        assert!((1.7..2.4).contains(&(times[0] as f64 / times[1] as f64)), "{times:?}");
    }

    #[test]
    fn each_rank_is_another_key() {
        for count in [1, 2, 3, 7, 10, 100, 1_618, 99_991] {
            let keys = Keys::skewed(count, 0.5);
            let of = |rank: u64| u128::from(rank) * u128::from(keys.step) % u128::from(count);
            let all: std::collections::BTreeSet<u128> = (1..=count).map(of).collect();
            assert_eq!(all.len() as u64, count, "{keys:?}");
        }
    }

    #[test]
    fn a_mix_has_as_many_reads_as_it_says() {
        let mut random = ChaCha8Rng::seed_from_u64(3);
        for (percent, expected) in [(0, 0..1), (95, 94_000..96_000), (100, 100_000..100_001)] {
            let mix = Mix { keys: Keys::even(10), reads_percent: percent };
            let is_read = |_: &u32| matches!(mix.draw(&mut random), Request::Read { .. });
            let reads = (0..100_000).filter(is_read).count();
            assert!(expected.contains(&reads), "{reads} of 100,000 at {percent} %");
        }
    }
}
