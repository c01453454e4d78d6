//! The next stage of a shard that gets several new owners: so many of them at once as the new set's quorum can do without.
//!
//! A receiver takes its copy before it answers anything, and may stop at any time. As long as the owners that stay are a
//! quorum of the new set by themselves, no request waits for it. So what has more new owners than that goes through sets in
//! between, in which some that are to leave stay for a while:
//!
//! ```text
//!   n = 3    {1,2,3} ──> {3,4,5}:    {1,2,3} ──> {2,3,4} ──> {3,4,5}
//! ```
//!
//! Each new owner copies once, whichever stage it comes in, so that this costs no bytes.
//!
//! # What is absent
//!
//! One copy or two: there the quorum is all of them, and none can be done without. Owners that are gone for good: none of
//! them stays for a stage, so what they leave is filled at once.

use crate::catalog::{Catalog, NodeState, Shard};
use crate::placement::Wanted;
use quorate_model::NodeId;
use quorate_model::level::quorum;

impl Catalog {
    /// The set that a shard at rest moves to next, on its way to those that are wanted.
    pub(crate) fn stage(&self, shard: &Shard, wanted: &[NodeId]) -> Wanted {
        let n = wanted.len();
        let at_once = (n - usize::from(quorum(n as u8))).max(1);
        let later = wanted.iter().filter(|node| !shard.is_owned_by(**node)).skip(at_once);
        let later: Wanted = later.copied().collect();
        let is_there = |node: &NodeId| self.node(*node).is_some_and(|node| node.state != NodeState::Banned);
        let leaving = shard.owner_nodes().filter(|node| !wanted.contains(node) && is_there(node));
        let stay: Wanted = leaving.take(later.len()).collect();
        if stay.len() < later.len() {
            return wanted.iter().copied().collect();
        }
        let mut stay = stay.into_iter();
        let mut stands_in =
            |node: &NodeId| if later.contains(node) { stay.next().unwrap_or(*node) } else { *node };
        wanted.iter().map(&mut stands_in).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::OwnerSet;
    use crate::catalog::tests::{accept, founded, table};
    use crate::catalog::{Command, NewTable};
    use quorate_model::{Epoch, Owner};

    /// The first shard of a table with so many copies, on the first nodes of seven.
    fn shard(n: u8) -> (Catalog, Shard) {
        let catalog = accept(&founded(7), &Command::CreateTable(NewTable { n, shards: 1, ..table("users") }));
        let made = catalog.table("users").expect("made").shards().iter().next().expect("a shard").clone();
        (catalog, owned(&made, &(1..=n.into()).collect::<Vec<u64>>()))
    }

    fn owned(shard: &Shard, nodes: &[u64]) -> Shard {
        let owner = |node: &u64| Owner { node: NodeId(*node), since: Epoch(1) };
        Shard { owners: nodes.iter().map(owner).collect::<OwnerSet>(), ..shard.clone() }
    }

    /// The sets that a shard goes through.
    fn stages(n: u8, wanted: &[u64]) -> Vec<Vec<u64>> {
        let (catalog, mut shard) = shard(n);
        let wanted: Vec<NodeId> = wanted.iter().copied().map(NodeId).collect();
        let mut stages = Vec::new();
        while !shard.owner_nodes().eq(wanted.iter().copied()) {
            let next: Vec<u64> = catalog.stage(&shard, &wanted).iter().map(|node| node.0).collect();
            shard = owned(&shard, &next);
            stages.push(next);
        }
        stages
    }

    #[test]
    fn the_quorum_of_each_stage_stays() {
        assert_eq!(stages(3, &[1, 2, 4]), [[1, 2, 4]]);
        assert_eq!(stages(3, &[3, 4, 5]), [[3, 4, 1], [3, 4, 5]]);
        assert_eq!(stages(3, &[4, 5, 6]), [[4, 1, 2], [4, 5, 1], [4, 5, 6]]);
        assert_eq!(stages(5, &[1, 2, 3, 6, 7]), [[1, 2, 3, 6, 7]], "three of five stay");
        assert_eq!(stages(1, &[4]), [[4]]);
        assert_eq!(stages(2, &[4, 5]), [[4, 1], [4, 5]]);
        assert_eq!(stages(3, &[1, 2, 3, 4, 5]), [[1, 2, 3, 4, 5]], "none leaves");
    }
}
