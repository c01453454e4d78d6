//! The plan of one request: who owns the key, in what order to ask them, under which epoch.

use quorate_model::{NodeId, Place, ShardId, Table};
use smallvec::SmallVec;
use std::sync::Arc;

/// The owners of one stage of a shard. A shard at rest has one set; one that moves has two, and a quorum must be
/// met in each.
pub type OwnerSet = SmallVec<[NodeId; 5]>;

/// Everything a coordinator needs to know about where one key lives, taken from one immutable view.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Plan {
    /// The table, with its N, levels and durability.
    pub table: Arc<Table>,
    /// The shard that holds the key.
    pub shard: ShardId,
    /// Table, shard epoch and sort key, as every request to an owner carries them.
    pub place: Place,
    /// The sets in which quorums are counted; each has N owners.
    pub sets: SmallVec<[OwnerSet; 1]>,
    /// Every owner once, in the order in which they should be asked: this node first, then those that seem alive
    /// in ring order, then those that may be down, then the others.
    pub candidates: SmallVec<[Candidate; 5]>,
}

/// One owner, as the view sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Candidate {
    /// The owner.
    pub node: NodeId,
    /// Whether it seems alive. This orders and skips candidates; it never changes who counts.
    pub alive: bool,
}
