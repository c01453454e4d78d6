//! Which shards a node runs the sync of: those whose first owner in ring order it is, of the owners that can be asked.
//!
//! No node is appointed. Two nodes that judge differently who can be asked may both run a shard: that costs some bytes and
//! harms nothing.

use super::round::Shard;
use crate::rules::sync;
use quorate_model::{Extent, NodeId};
use quorate_ring::View;

/// The shards of which `local` runs the sync, table by table. `can_be_asked`: whether a node is up and trusts its disk, as
/// far as is known here.
pub fn turns(view: &View, local: NodeId, can_be_asked: impl Fn(NodeId) -> bool) -> Vec<Shard> {
    let mut turns = Vec::new();
    for table in view.catalog().tables() {
        for shard in table.shards() {
            let owners = shard.owners.iter().map(|owner| owner.node);
            let up = |node: &NodeId| *node == local || can_be_asked(*node);
            if !sync::runs(owners.clone(), local, up) {
                continue;
            }
            let interval = shard.interval.clone();
            let over = Extent { table: table.id, epoch: shard.epoch, interval };
            let others: Vec<NodeId> = owners.clone().filter(|node| *node != local && up(node)).collect();
            let is_short = others.len() + 1 < shard.owners.len();
            turns.push(Shard { over, others, is_short });
        }
    }
    turns
}
