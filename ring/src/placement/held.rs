//! Which shards of one table each node holds: written down once, in the order of shards; what changes afterwards stands beside it.
//!
//! One table at a time, since its nodes' places then fit into the cache of a processor while they are filled.

use std::collections::{BTreeMap, BTreeSet};

/// The shards of each node, by their places in the table's wish.
pub(super) struct Held {
    /// Where each node's shards begin; one more, where the last one's end.
    starts: Vec<u32>,
    shards: Vec<u32>,
    /// What a node got later. What it gave away still stands in `shards`.
    gained: BTreeMap<usize, BTreeSet<u32>>,
}

impl Held {
    /// What is held, in the order of shards: a shard and who holds it, of which each node has so many.
    pub(super) fn of(copies: &[u64], held: impl Iterator<Item = (u32, usize)>) -> Self {
        let mut starts = vec![0; copies.len() + 1];
        (0..copies.len()).for_each(|node| starts[node + 1] = starts[node] + copies[node] as u32);
        let mut next = starts.clone();
        let mut shards = vec![0; starts[copies.len()] as usize];
        for (shard, holder) in held {
            shards[next[holder] as usize] = shard;
            next[holder] += 1;
        }
        Self { starts, shards, gained: BTreeMap::new() }
    }

    pub(super) fn gained(&mut self, shard: u32, node: usize) {
        self.gained.entry(node).or_default().insert(shard);
    }

    pub(super) fn lost(&mut self, shard: u32, node: usize) {
        if let Some(gained) = self.gained.get_mut(&node) {
            gained.remove(&shard);
        }
    }

    /// What a node held at the beginning or got later: some of it twice, some of it given away since.
    pub(super) fn by(&self, node: usize) -> impl Iterator<Item = u32> + '_ {
        let from_the_beginning = &self.shards[self.starts[node] as usize..self.starts[node + 1] as usize];
        from_the_beginning.iter().chain(self.gained.get(&node).into_iter().flatten()).copied()
    }
}
