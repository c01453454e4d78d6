//! Owners: which node should hold a shard, since when, and what it went on without; and what a replica says of a shard
//! that it refuses.

use crate::ids::{Epoch, NodeId};
use crate::key::Interval;
use crate::level::N_MAX;
use crate::time::WallTime;
use minicbor::{Decode, Encode};

/// One copy of one shard: whose it is, and since which command. A node that gives its copy away and becomes an owner
/// again has another copy.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Encode, Decode)]
pub struct Owner {
    /// Who should hold it.
    #[n(0)]
    pub node: NodeId,
    /// The epoch of the command that gave it to the node; 0 for the copies of a table that was made before they were
    /// told apart.
    #[n(1)]
    pub since: Epoch,
}

/// That an owner of a shard went on with what its disk still held, or is gone for good, and that an operator accepted what
/// was lost with it. What was
/// acknowledged before may be missing from then on, or stand above what is acknowledged later: until the table is gone
/// no answer about the shard is more than eventual.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Encode, Decode)]
pub struct AcceptedLoss {
    /// Whose loss it was.
    #[n(0)]
    pub node: NodeId,
    /// The epoch of the command that told of it.
    #[n(1)]
    pub since: Epoch,
    /// When the node went on, by its clock; `None`: it did not say.
    #[n(2)]
    pub at: Option<WallTime>,
}

/// What is in force of a shard, as a node knows it that refused a request because of it: the coordinator that asked can
/// go on by that, also if it is cut off from the catalog.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct ShardNow {
    /// Its number within its table.
    #[n(0)]
    pub index: u32,
    /// Its piece of the table's sort space.
    #[n(1)]
    pub interval: Interval,
    /// When its owners, or what they promise, last changed.
    #[n(2)]
    pub epoch: Epoch,
    /// Its owners: one set, or the old and the new one.
    #[n(3)]
    pub sets: Vec<Vec<Owner>>,
    /// Whether an owner went on after a loss that was accepted. `None`: no, or the node does not know of such.
    #[n(4)]
    pub has_losses: Option<bool>,
}

impl Owner {
    /// The copy of a node on a table that was made before copies were told apart.
    pub fn unnamed(node: NodeId) -> Self {
        Self { node, since: Epoch(0) }
    }
}

impl ShardNow {
    /// Whether it can be gone by: one set or two, each of 1 to 15 distinct nodes. It comes from outside.
    pub fn is_sound(&self) -> bool {
        let is_set = |set: &Vec<Owner>| {
            let distinct =
                set.iter().enumerate().all(|(at, owner)| set[..at].iter().all(|it| it.node != owner.node));
            (1..=usize::from(N_MAX)).contains(&set.len()) && distinct
        };
        (1..=2).contains(&self.sets.len()) && self.sets.iter().all(is_set)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_no_shard_can_be_is_not_sound() {
        let set = |nodes: &[u64]| nodes.iter().map(|node| Owner::unnamed(NodeId(*node))).collect::<Vec<_>>();
        let now = |sets| ShardNow {
            index: 0,
            interval: Interval::everything(),
            epoch: Epoch(1),
            sets,
            has_losses: None,
        };
        assert!(now(vec![set(&[1, 2, 3])]).is_sound() && now(vec![set(&[1]), set(&[1, 2])]).is_sound());
        let many: Vec<u64> = (1..=16).collect();
        for sets in [vec![], vec![set(&[])], vec![set(&[1, 1])], vec![set(&many)], vec![set(&[1]); 3]] {
            assert!(!now(sets.clone()).is_sound(), "{sets:?}");
        }
    }
}
