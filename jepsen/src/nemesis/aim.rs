//! Whom a fault strikes.
//!
//! Chance alone would spare some node in most short runs. So those that were struck least often come first, and chance
//! decides among them.

use rand::Rng as _;
use rand::seq::SliceRandom as _;
use rand_chacha::ChaCha8Rng;

use crate::cluster::Cluster;

/// How many nodes a fault strikes at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Extent {
    /// One.
    One,
    /// Some, and fewer than half.
    Minority,
    /// Some, or all.
    Some,
    /// All.
    All,
}

/// Chooses nodes, and remembers how often each was chosen.
#[derive(Debug)]
pub struct Aim {
    extent: Extent,
    strikes: Vec<u32>,
}

impl Aim {
    /// An aim that has not chosen yet.
    pub fn new(extent: Extent) -> Aim {
        Aim { extent, strikes: Vec::new() }
    }

    /// Chooses among these nodes of a cluster, at most as many as the limit; none if there are none.
    pub fn choose(
        &mut self,
        among: &[usize],
        cluster: &Cluster,
        limit: usize,
        random: &mut ChaCha8Rng,
    ) -> Vec<usize> {
        self.choose_of(among, cluster.nodes().len(), limit, random)
    }

    fn choose_of(
        &mut self,
        among: &[usize],
        nodes: usize,
        limit: usize,
        random: &mut ChaCha8Rng,
    ) -> Vec<usize> {
        self.strikes.resize(nodes, 0);
        let minority = ((nodes - 1) / 2).max(1);
        let count = match self.extent {
            Extent::One => 1,
            Extent::Minority => random.random_range(1..=minority),
            Extent::Some => random.random_range(1..=nodes),
            Extent::All => nodes,
        };
        let mut order = among.to_vec();
        order.shuffle(random);
        order.sort_by_key(|index| self.strikes[*index]);
        order.truncate(count.min(limit));
        for index in &order {
            self.strikes[*index] += 1;
        }
        order
    }
}

#[cfg(test)]
mod tests {
    use rand::SeedableRng as _;

    use super::*;

    #[test]
    fn everyone_is_struck_before_anyone_is_struck_twice() {
        let mut random = ChaCha8Rng::seed_from_u64(1);
        let mut aim = Aim::new(Extent::One);
        let mut struck: Vec<usize> =
            (0..5).flat_map(|_| aim.choose_of(&[0, 1, 2, 3, 4], 5, 5, &mut random)).collect();
        struck.sort_unstable();
        assert_eq!(struck, [0, 1, 2, 3, 4]);
    }

    #[test]
    fn an_extent_bounds_how_many() {
        let mut random = ChaCha8Rng::seed_from_u64(2);
        for (extent, bounds) in
            [(Extent::One, 1..=1), (Extent::Minority, 1..=2), (Extent::Some, 1..=5), (Extent::All, 5..=5)]
        {
            let mut aim = Aim::new(extent);
            for _ in 0..100 {
                let chosen = aim.choose_of(&[0, 1, 2, 3, 4], 5, 9, &mut random);
                assert!(bounds.contains(&chosen.len()), "{extent:?}: {chosen:?}");
            }
            assert!(aim.choose_of(&[0, 1, 2, 3, 4], 5, 0, &mut random).is_empty());
            assert!(aim.choose_of(&[], 5, 9, &mut random).is_empty());
        }
    }
}
