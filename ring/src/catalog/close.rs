//! Commands about what a change leaves behind: it is kept from level 2 on, and goes once it is closed.

use super::closing::owners_to_close;
use super::{Applied, Catalog, Closing, Shard, TableEntry};
use quorate_model::{Epoch, NodeId, TableId};
use std::sync::Arc;

impl Catalog {
    pub(super) fn enable(&self, level: u32) -> Applied {
        if level <= self.level {
            return self.unchanged();
        }
        let mut next = Self { level, ..self.next() };
        if self.level < 3 && level >= 3 {
            next.topology = next.epoch;
        }
        // Below level 2 a node becomes another incarnation only where a loss is accepted: none fills itself there.
        let lost = self.nodes().filter(|node| self.level < 2 && node.incarnation > 1).map(|node| node.id);
        let catalog = lost.fold(next, |catalog, node| catalog.with_accepted_loss(node, None));
        Applied { catalog, created: None, repeated: false }
    }

    pub(super) fn closed(&self, table: TableId, since: Epoch) -> Applied {
        if self.closing_of(table).is_none_or(|closing| closing.since != since) {
            return self.unchanged();
        }
        let mut next = self.next();
        Arc::make_mut(&mut next.closing).remove(&table);
        Applied { catalog: next, created: None, repeated: false }
    }

    /// Keeps what this epoch changed about a table until enough owners have closed it. An earlier change of it is closed
    /// by the same owners at the same time.
    pub(super) fn left_behind(&mut self, before: &TableEntry, dropped: bool) {
        if self.level < 2 {
            return;
        }
        let nodes = |shard: &Shard| shard.owner_nodes().collect();
        let mut sets: Vec<Vec<NodeId>> = before.shards().iter().map(nodes).collect();
        sets.sort_unstable();
        sets.dedup();
        let needed = owners_to_close(before.table(), before.n);
        let each: Vec<u8> = sets.iter().map(|set| owners_to_close(before.table(), set.len() as u8)).collect();
        let closing = Closing {
            table: before.id,
            name: before.name.clone(),
            since: self.epoch,
            dropped,
            needed,
            needed_each: each.iter().any(|each| *each != needed).then_some(each),
            sets,
        };
        Arc::make_mut(&mut self.closing).insert(before.id, Arc::new(closing));
    }
}
