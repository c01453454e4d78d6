//! Keys that are used for a while and then left for fresh ones.
//!
//! The search of the checker explodes on long histories, so a key gets a bounded share of operations. Few keys at once
//! mean much contention on each, which is where linearizability breaks.

use std::sync::{Mutex, PoisonError};

use rand::Rng;
use rand_chacha::ChaCha8Rng;

/// The most operations that a checker is asked to judge on one key.
pub(super) const OPERATIONS_PER_KEY_MAX: u32 = 2_000;

/// Keys in use, and keys that have had their share.
#[derive(Debug)]
pub(super) struct RotatingKeys {
    share: u32,
    keys: Mutex<Keys>,
}

#[derive(Debug)]
struct Keys {
    /// The number of each key in use, and the operations left for it.
    current: Vec<(u32, u32)>,
    /// How many keys there are; they are numbered from 0.
    count: u32,
}

/// A key, for one operation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Taken {
    pub(super) key: String,
    /// Whether this is the last operation of its share.
    pub(super) is_last: bool,
}

impl RotatingKeys {
    /// So many keys at once, each for so many operations.
    pub(super) fn new(share: u32, at_once: usize) -> RotatingKeys {
        let share = share.clamp(1, OPERATIONS_PER_KEY_MAX);
        let slots = u32::try_from(at_once.max(1)).unwrap_or(u32::MAX);
        let current = (0..slots).map(|number| (number, share)).collect();
        RotatingKeys { share, keys: Mutex::new(Keys { current, count: slots }) }
    }

    /// Some key in use, for one operation.
    pub(super) fn take(&self, random: &mut ChaCha8Rng) -> Taken {
        let mut keys = self.keys.lock().unwrap_or_else(PoisonError::into_inner);
        let slot = random.random_range(0..keys.current.len());
        let next = keys.count;
        let (number, left) = &mut keys.current[slot];
        *left -= 1;
        let taken = Taken { key: name(*number), is_last: *left == 0 };
        if taken.is_last {
            (*number, *left) = (next, self.share);
            keys.count += 1;
        }
        taken
    }

    /// Every key that was or may be in use.
    pub(super) fn all(&self) -> Vec<String> {
        let keys = self.keys.lock().unwrap_or_else(PoisonError::into_inner);
        (0..keys.count).map(name).collect()
    }
}

fn name(number: u32) -> String {
    format!("key-{number}")
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use rand::SeedableRng as _;

    use super::*;

    #[test]
    fn keys_are_left_after_their_share_and_all_are_known_at_the_end() {
        let keys = RotatingKeys::new(7, 3);
        let mut random = ChaCha8Rng::seed_from_u64(1);
        let mut counts: BTreeMap<String, u32> = BTreeMap::new();
        for _ in 0..1_000 {
            let taken = keys.take(&mut random);
            let count = counts.entry(taken.key).or_default();
            *count += 1;
            assert_eq!(taken.is_last, *count == 7);
        }
        assert!(counts.values().all(|count| *count <= 7), "{counts:?}");
        assert!(counts.values().filter(|count| **count == 7).count() > 100);
        let all = keys.all();
        assert!(counts.keys().all(|key| all.contains(key)));
    }

    #[test]
    fn no_key_gets_more_than_a_checker_can_bear() {
        let keys = RotatingKeys::new(1_000_000, 1);
        let mut random = ChaCha8Rng::seed_from_u64(1);
        let first = (0..5_000).filter(|_| keys.take(&mut random).key == "key-0").count();
        assert_eq!(first, 2_000);
    }
}
