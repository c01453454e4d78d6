//! The plan of one request: who owns the key, in what order to ask them, under which epoch.
//!
//! A shard at rest has one set of owners; one that moves has two, the old one first, and what counts must count in
//! each. The two may differ in size while a table's N changes, so a level becomes a number for each set by itself, and
//! as late as possible: after a newer plan it is another number. What is said to a client is the last set's.

use crate::liveness::Liveness;
use quorate_model::{Level, NodeId, Owner, Place, ShardId, Table, level};
use smallvec::SmallVec;
use std::sync::Arc;

/// The owners of one stage of a shard, in ring order. A shard at rest has one set; one that moves has two, and a quorum
/// must be met in each.
pub type OwnerSet = SmallVec<[Owner; 3]>;

/// How many owners: one number for each set of a plan, in their order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Quota(SmallVec<[u8; 2]>);

/// Everything that a coordinator needs to know about where one key lives, taken from one immutable view.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Plan {
    /// The table, with its N, levels and durability.
    pub table: Arc<Table>,
    /// The shard that holds the key.
    pub shard: ShardId,
    /// Table, shard epoch and sort key, as every request to an owner carries them.
    pub place: Place,
    /// The sets in which quorums are counted: the owners, or the old ones and the new ones.
    pub sets: SmallVec<[OwnerSet; 2]>,
    /// Every owner once, in the order in which they should be asked: this node if it is in every set, then those that
    /// seem alive and are in every set, then those alive in one, then the others; each in ring order, which begins elsewhere
    /// for another shard and another coordinator. So shards on the same nodes, and one that many ask for, are read everywhere.
    pub candidates: SmallVec<[Candidate; 5]>,
    /// Whether an owner went on after a loss that was accepted: then no answer about the key is more than eventual.
    pub has_losses: bool,
}

/// One owner, as the view sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Candidate {
    /// The owner.
    pub node: NodeId,
    /// Whether it seems alive. This orders and skips candidates; it never changes who counts.
    pub alive: bool,
}

impl Candidate {
    /// The owners of a plan in the order in which a coordinator on `local` asks them. An owner that is in every set comes
    /// first: its answer counts in each, so that fewer are asked. To itself this node is alive. `turn`: where ring order begins.
    pub fn in_order(
        sets: &[OwnerSet],
        local: NodeId,
        liveness: &Liveness,
        turn: u64,
    ) -> SmallVec<[Candidate; 5]> {
        let mut candidates: SmallVec<[Candidate; 5]> = SmallVec::new();
        for Owner { node, .. } in sets.iter().flatten() {
            if candidates.iter().all(|known| known.node != *node) {
                let alive = *node == local || liveness.is_alive(*node);
                candidates.push(Candidate { node: *node, alive });
            }
        }
        let first = turn.checked_rem(candidates.len() as u64).unwrap_or(0);
        candidates.rotate_left(first as usize);
        let is_in_all = |node| sets.iter().all(|set| set.iter().any(|owner| owner.node == node));
        // The sort is stable: within each group the ring order stays.
        candidates.sort_by_key(|Candidate { node, alive }| {
            let (is_local, is_in_all) = (*node == local, is_in_all(*node));
            let is_late = !is_local && liveness.is_late(*node);
            (!alive, is_late, !is_in_all, !is_local)
        });
        candidates
    }
}

impl Quota {
    /// For each set its number.
    pub fn numbers(&self) -> impl Iterator<Item = u8> + '_ {
        self.0.iter().copied()
    }
}

impl Plan {
    /// How many owners each set has.
    pub fn sizes(&self) -> impl Iterator<Item = u8> + '_ {
        self.sets.iter().map(|set| set.len() as u8)
    }

    /// Copies of the key, as its client is told: those of the last set.
    pub fn n(&self) -> u8 {
        self.sizes().last().unwrap_or(self.table.n)
    }

    /// What a rule that counts by the number of copies asks for in each set.
    pub fn quota_by(&self, required: impl Fn(u8) -> u8) -> Quota {
        Quota(self.sizes().map(required).collect())
    }

    /// So many owners as a level means.
    pub fn quota(&self, level: Level) -> Quota {
        self.quota_by(|n| level.within(n))
    }

    /// A write quorum.
    pub fn quorum(&self) -> Quota {
        self.quota_by(level::quorum)
    }

    /// Answers that round one of a write waits for.
    pub fn round_one(&self) -> Quota {
        self.quota_by(|n| level::round_one(n, self.table.w.within(n)))
    }
}
