//! Quorums as pure objects: who counts, and whether they are enough.
//!
//! Everything is counted over the *sets* of a plan. A shard at rest has one set of N owners; one that moves has two,
//! and a count is reached only when it is reached in each. Hints and fallback nodes never count: a node outside the
//! sets changes nothing.

use quorate_model::NodeId;
use quorate_ring::{OwnerSet, Plan};
use smallvec::SmallVec;

/// A small ordered set of nodes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Nodes(SmallVec<[NodeId; 5]>);

/// The owners of one key, as one plan names them.
#[derive(Clone, Debug)]
pub struct Owners {
    sets: SmallVec<[OwnerSet; 1]>,
    order: SmallVec<[NodeId; 5]>,
}

impl Nodes {
    /// Adds a node; false if it was there.
    pub fn insert(&mut self, node: NodeId) -> bool {
        match self.0.binary_search(&node) {
            Ok(_) => false,
            Err(at) => {
                self.0.insert(at, node);
                true
            }
        }
    }

    /// Takes a node out; false if it was not there.
    pub fn remove(&mut self, node: NodeId) -> bool {
        match self.0.binary_search(&node) {
            Ok(at) => {
                self.0.remove(at);
                true
            }
            Err(_) => false,
        }
    }

    /// Whether a node is in.
    pub fn contains(&self, node: NodeId) -> bool {
        self.0.binary_search(&node).is_ok()
    }

    /// Whether none is in.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The nodes, in order of their ids.
    pub fn iter(&self) -> impl Iterator<Item = NodeId> + '_ {
        self.0.iter().copied()
    }
}

impl FromIterator<NodeId> for Nodes {
    fn from_iter<I: IntoIterator<Item = NodeId>>(nodes: I) -> Self {
        let mut all = Self::default();
        for node in nodes {
            all.insert(node);
        }
        all
    }
}

impl Owners {
    /// The owners of a plan.
    pub fn of(plan: &Plan) -> Self {
        Self {
            sets: plan.sets.clone(),
            order: plan.candidates.iter().map(|candidate| candidate.node).collect(),
        }
    }

    /// Every owner once, in the order in which to ask them.
    pub fn in_order(&self) -> impl Iterator<Item = NodeId> + '_ {
        self.order.iter().copied()
    }

    /// How many of `nodes` count: in the set where they are fewest.
    pub fn count(&self, nodes: &Nodes) -> u8 {
        let in_set = |set: &OwnerSet| set.iter().filter(|owner| nodes.contains(**owner)).count();
        self.sets.iter().map(in_set).min().unwrap_or(0) as u8
    }

    /// Whether `nodes` are at least `required` in each set.
    pub fn met(&self, nodes: &Nodes, required: u8) -> bool {
        self.count(nodes) >= required
    }

    /// Whether `required` in each set can still be met without `lost`.
    pub fn reachable(&self, lost: &Nodes, required: u8) -> bool {
        let left = |set: &OwnerSet| set.iter().filter(|owner| !lost.contains(**owner)).count();
        self.sets.iter().all(|set| left(set) >= usize::from(required))
    }

    /// Whether one more `node` beside `nodes` would bring a set that lacks `required` closer to it.
    pub fn helps(&self, node: NodeId, nodes: &Nodes, required: u8) -> bool {
        self.sets.iter().any(|set| {
            let have = set.iter().filter(|owner| nodes.contains(**owner)).count();
            have < usize::from(required) && set.contains(&node)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::story::plan_of_sets;
    use smallvec::smallvec;

    fn nodes(ids: &[u64]) -> Nodes {
        ids.iter().map(|id| NodeId(*id)).collect()
    }

    #[test]
    fn a_stranger_never_counts() {
        let owners = Owners::of(&plan_of_sets(&[&[1, 2, 3]]));
        assert_eq!(owners.count(&nodes(&[1, 9])), 1);
        assert!(!owners.met(&nodes(&[1, 8, 9]), 2));
        assert!(owners.met(&nodes(&[1, 3]), 2));
    }

    #[test]
    fn a_moving_shard_needs_the_quorum_in_each_set() {
        let owners = Owners::of(&plan_of_sets(&[&[1, 2, 3], &[2, 3, 4]]));
        assert!(!owners.met(&nodes(&[1, 2]), 2), "only one of the new set");
        assert!(owners.met(&nodes(&[2, 3]), 2));
        assert!(owners.met(&nodes(&[1, 2, 4]), 2));
        assert!(!owners.reachable(&nodes(&[3, 4]), 2));
        assert!(owners.helps(NodeId(4), &nodes(&[1, 2]), 2));
        assert!(!owners.helps(NodeId(1), &nodes(&[2, 3]), 2));
    }

    #[test]
    fn what_is_reachable_shrinks_with_the_lost() {
        let owners = Owners::of(&plan_of_sets(&[&[1, 2, 3]]));
        assert!(owners.reachable(&nodes(&[1]), 2));
        assert!(!owners.reachable(&nodes(&[1, 2]), 2));
        let unused: SmallVec<[NodeId; 1]> = smallvec![];
        assert!(owners.reachable(&unused.into_iter().collect(), 3));
    }
}
