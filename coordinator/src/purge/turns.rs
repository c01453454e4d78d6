//! Which shards a node runs the purge of, and what holds back the others.
//!
//! As with the sync it is the first owner in ring order, and here all of them must be up and hold everything.

use crate::rules::sync;
use crate::sync::Shard;
use quorate_model::{Extent, Interval, NodeId, ShardId, TableId};
use quorate_ring::{Shard as Placed, View};

/// The level of the catalog below which nothing is purged: a member may speak a version that knows of no floors.
const LEVEL_MIN: u32 = 3;

/// A shard whose purge is held back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HeldBack {
    /// Its table.
    pub table: TableId,
    /// What it spans.
    pub interval: Interval,
    /// The owner that can't be asked; `None`: it moves, or is about to.
    pub by: Option<NodeId>,
}

/// The shards of which `local` runs the purge, and those that it would run the purge of if something did not hold it back.
/// `can_be_asked`: whether a node, this one too, is up, trusts its disk and holds everything of the shard, as far as is known
/// here.
pub fn turns(
    view: &View,
    local: NodeId,
    can_be_asked: impl Fn(NodeId, ShardId) -> bool,
) -> (Vec<Shard>, Vec<HeldBack>) {
    let (mut turns, mut held) = (Vec::new(), Vec::new());
    let catalog = view.catalog();
    if catalog.level() < LEVEL_MIN {
        return (turns, held);
    }
    for table in catalog.tables() {
        for shard in table.shards() {
            let owners = shard.owners.iter().map(|owner| owner.node);
            let up = |node: &NodeId| can_be_asked(*node, shard.id);
            if !sync::runs(owners.clone(), local, up) {
                continue;
            }
            let interval = shard.interval.clone();
            if let Some(by) = held_back(view, shard, &can_be_asked) {
                held.push(HeldBack { table: table.id, interval, by });
                continue;
            }
            let over = Extent { table: table.id, epoch: shard.epoch, interval };
            let others = owners.filter(|node| *node != local).collect();
            turns.push(Shard { over, others, is_short: false });
        }
    }
    (turns, held)
}

/// What holds back the purge of a shard: an owner that can't be asked, or `Some(None)`: it moves, or is about to.
pub fn held_back(
    view: &View,
    shard: &Placed,
    can_be_asked: impl Fn(NodeId, ShardId) -> bool,
) -> Option<Option<NodeId>> {
    let away = shard.owner_nodes().find(|node| !can_be_asked(*node, shard.id));
    let is_pending = || view.catalog().running_job().is_some_and(|job| job.pending.contains_key(&shard.id));
    (away.is_some() || shard.joint.is_some() || is_pending()).then_some(away)
}
