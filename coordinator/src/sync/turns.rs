//! Which shards a node runs the sync of: those whose first owner in ring order it is, of the owners that can be asked.
//!
//! No node is appointed. Two nodes that judge differently who can be asked may both run a shard: that costs some bytes and
//! harms nothing.

use super::round::Shard;
use crate::rules::sync;
use quorate_model::{Extent, NodeId, ShardId};
use quorate_ring::View;

/// The shards of which `local` runs the sync, table by table. `can_be_asked`: whether a node, this one too, is up, trusts
/// its disk and holds everything of the shard, as far as is known here.
pub fn turns(view: &View, local: NodeId, can_be_asked: impl Fn(NodeId, ShardId) -> bool) -> Vec<Shard> {
    let mut turns = Vec::new();
    for table in view.catalog().tables() {
        // One that moves is compared once it has arrived.
        for shard in table.shards().iter().filter(|shard| shard.joint.is_none()) {
            let owners = shard.owners.iter().map(|owner| owner.node);
            let up = |node: &NodeId| can_be_asked(*node, shard.id);
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

#[cfg(test)]
mod tests {
    use super::*;
    use quorate_model::{Boot, ClusterId};
    use quorate_ring::{Catalog, Command, Liveness, NewNode, NewTable, RequestId, Weight};
    use std::sync::Arc;

    fn view() -> View {
        let node = |number: u64| NewNode {
            request: RequestId(number.into()),
            name: format!("n{number}"),
            zone: "z".to_owned(),
            weight: Weight::ONE,
            http_address: format!("127.0.0.1:{number}"),
            peer_address: format!("127.0.0.2:{number}"),
            boot: Boot(number),
        };
        let mut catalog = Catalog::bootstrap("test", ClusterId(7), node(1)).expect("founded");
        let table = Command::CreateTable(NewTable::hash("t", RequestId(9)));
        for command in [Command::AddNode(node(2)), Command::AddNode(node(3)), table] {
            catalog = catalog.apply(&command).expect("accepted").catalog;
        }
        View::new(Arc::new(catalog), Liveness::all_alive())
    }

    /// How many shards each of the three nodes looks after.
    fn counts(view: &View, can_be_asked: impl Fn(NodeId, ShardId) -> bool) -> [usize; 3] {
        [1, 2, 3].map(|node| turns(view, NodeId(node), &can_be_asked).len())
    }

    #[test]
    fn an_owner_that_lacks_something_leaves_its_turn_to_the_next_and_is_not_compared() {
        let view = view();
        let all: usize = view.catalog().tables().map(|table| table.shards().len()).sum();
        let whole = counts(&view, |_, _| true);
        assert_eq!(whole.iter().sum::<usize>(), all, "each shard once");
        assert!(whole.iter().all(|shards| *shards > 0), "{whole:?}");
        let filling = |node: NodeId, shard: ShardId| node != NodeId(2) || shard.index.is_multiple_of(2);
        let counted = counts(&view, filling);
        assert_eq!(counted.iter().sum::<usize>(), all);
        assert!(counted[1] < whole[1], "{counted:?}");
        let shards = turns(&view, NodeId(1), filling);
        assert!(shards.iter().all(|shard| shard.is_short != shard.others.contains(&NodeId(2))));
        assert!(shards.iter().any(|shard| shard.is_short) && shards.iter().any(|shard| !shard.is_short));
    }
}
