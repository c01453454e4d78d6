//! Which shards each node holds: written down once, in the order of shards; what changes afterwards stands beside it.

use super::shard::{Scale, Shard};
use std::collections::{BTreeMap, BTreeSet};

/// The shards of each node.
pub(super) struct Held {
    /// Where each node's shards begin; one more, where the last one's end.
    starts: Vec<usize>,
    shards: Vec<Shard>,
    /// What a node got later. What it gave away still stands in `shards`.
    gained: BTreeMap<usize, BTreeSet<Shard>>,
}

impl Held {
    /// What is held, in the order of shards: a shard and who holds it, of which each node has so many.
    pub(super) fn of(copies: &[usize], held: impl Iterator<Item = (Shard, usize)>) -> Self {
        let mut starts = vec![0; copies.len() + 1];
        (0..copies.len()).for_each(|node| starts[node + 1] = starts[node] + copies[node]);
        let mut next = starts.clone();
        let mut shards = vec![Shard { table: 0, at: 0 }; starts[copies.len()]];
        for (shard, holder) in held {
            shards[next[holder]] = shard;
            next[holder] += 1;
        }
        Self { starts, shards, gained: BTreeMap::new() }
    }

    pub(super) fn gained(&mut self, shard: Shard, node: usize) {
        self.gained.entry(node).or_default().insert(shard);
    }

    pub(super) fn lost(&mut self, shard: Shard, node: usize) {
        if let Some(gained) = self.gained.get_mut(&node) {
            gained.remove(&shard);
        }
    }

    /// What a node held at the beginning or got later, at a scale: some of it twice, some of it given away since.
    pub(super) fn by(&self, scale: Scale, node: usize) -> impl Iterator<Item = Shard> + '_ {
        let all = &self.shards[self.starts[node]..self.starts[node + 1]];
        let range = scale.shards();
        let first = all.partition_point(|shard| *shard < range.start);
        let end = first + all[first..].partition_point(|shard| *shard < range.end);
        let gained = self.gained.get(&node).into_iter().flat_map(move |gained| gained.range(range.clone()));
        all[first..end].iter().chain(gained).copied()
    }
}
