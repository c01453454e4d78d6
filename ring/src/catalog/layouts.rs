//! From a catalog to what one node owns.
//!
//! A catalog may have a million shards, and a node makes a layout for each of its epochs. What it made for the one before
//! is kept, and only what differs is made again: a table that is another one, and of that the pieces that are.

use super::{Catalog, Shard, TableEntry};
use quorate_model::layout::{Copy, Layout, ShardLayout, TableLayout};
use quorate_model::{NodeId, Pieces, TableId};
use std::sync::Arc;

/// The layouts of one node, each made from the one before.
#[derive(Debug)]
pub struct Layouts {
    node: NodeId,
    last: Option<(Arc<Catalog>, Layout)>,
}

impl Layouts {
    /// Of a node, for which none was made yet.
    pub fn new(node: NodeId) -> Self {
        Self { node, last: None }
    }

    /// Whose they are.
    pub fn node(&self) -> NodeId {
        self.node
    }

    /// What the node owns by a catalog, which may be any: the nearer it is to the last one, the less there is to do.
    pub fn of(&mut self, catalog: &Arc<Catalog>) -> Layout {
        let before = self.last.as_ref().map(|(catalog, layout)| (catalog.as_ref(), layout));
        let layout = catalog.layout_after(before, self.node);
        self.last = Some((Arc::clone(catalog), layout.clone()));
        layout
    }
}

impl Catalog {
    /// What one node owns, and what it does not: the part of the catalog by which its storage refuses.
    pub fn layout(&self, node: NodeId) -> Layout {
        self.layout_after(None, node)
    }

    fn layout_after(&self, before: Option<(&Catalog, &Layout)>, node: NodeId) -> Layout {
        let known = |table: TableId| {
            let (catalog, layout) = before?;
            Some((catalog.table_by_id(table)?, layout.tables.get(&table)?))
        };
        let tables = self.tables().map(|entry| (entry.id, table_layout(entry, known(entry.id), node)));
        let incarnation = self.node(node).map_or(0, |node| node.incarnation.into());
        Layout { epoch: self.epoch(), incarnation, tables: tables.collect() }
    }
}

fn table_layout(
    entry: &Arc<TableEntry>,
    before: Option<(&Arc<TableEntry>, &TableLayout)>,
    node: NodeId,
) -> TableLayout {
    let before = before.map(|(entry, layout)| (entry.shards(), &layout.shards));
    let shards = Pieces::made_of(entry.shards(), before, |shard| shard_layout(shard, node));
    TableLayout { durability: entry.durability, shards }
}

fn shard_layout(shard: &Shard, node: NodeId) -> ShardLayout {
    let copy = shard.copy_of(node).map(|(owner, role)| Copy { role, since: owner.since });
    ShardLayout { interval: shard.interval.clone(), epoch: shard.epoch, copy }
}
