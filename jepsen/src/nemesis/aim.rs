//! Whom a fault strikes.
//!
//! Chance alone would spare some node in most short runs. So those that were struck least often come first, and chance
//! decides among them.

use rand::Rng as _;
use rand::seq::SliceRandom as _;
use rand_chacha::ChaCha8Rng;

use super::{Fault, Struck};
use crate::cluster::{Cluster, Error};

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

/// What happened, in the words of a timeline.
pub type Told = Result<String, Error>;

/// What happens to nodes that were chosen, and how it is undone.
pub trait Effect: Send {
    /// The name under which it claims nodes, of which only free ones are chosen then; `None` if it needs no claim.
    fn claims(&self) -> Option<&'static str> {
        None
    }

    /// At most so many nodes.
    fn limit(&self, _cluster: &Cluster) -> usize {
        usize::MAX
    }

    /// Whether the other nodes must go on serving meanwhile.
    fn spares_others(&self) -> bool {
        false
    }

    /// Does it to these nodes, of which there is one at least, and says what.
    fn strike(&mut self, cluster: &mut Cluster, nodes: &[usize], random: &mut ChaCha8Rng) -> Told;

    /// Undoes it, and says what.
    fn heal(&mut self, cluster: &mut Cluster, nodes: &[usize]) -> Told;
}

/// A fault that chooses its nodes anew each time.
pub struct Aimed<E> {
    effect: E,
    aim: Aim,
    struck: Vec<usize>,
}

/// This effect on so many nodes at once.
pub fn aimed<E: Effect + 'static>(extent: Extent, effect: E) -> Box<dyn Fault> {
    Box::new(Aimed { effect, aim: Aim::new(extent), struck: Vec::new() })
}

impl<E: Effect> Fault for Aimed<E> {
    fn strike(&mut self, cluster: &mut Cluster, random: &mut ChaCha8Rng) -> Result<Option<Struck>, Error> {
        let claims = self.effect.claims();
        let among = if claims.is_some() { cluster.free() } else { (0..cluster.nodes().len()).collect() };
        self.struck = self.aim.choose(&among, cluster, self.effect.limit(cluster), random);
        if self.struck.is_empty() {
            return Ok(None);
        }
        for index in &self.struck {
            if let Some(name) = claims {
                cluster.claim(*index, name);
            }
        }
        let what = self.effect.strike(cluster, &self.struck, random)?;
        let struck = Struck::of(cluster, &self.struck, &what);
        Ok(struck
            .map(|struck| if self.effect.spares_others() { struck.others_serve(cluster) } else { struck }))
    }

    fn heal(&mut self, cluster: &mut Cluster) -> Result<String, Error> {
        let struck = std::mem::take(&mut self.struck);
        if self.effect.claims().is_some() {
            cluster.release_all(&struck);
        }
        self.effect.heal(cluster, &struck)
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
