//! What holds back the purge of removals, as of now: for people, who want to know which node to start, and how much waits.

use super::Core;
use crate::owners::Owners;
use quorate_coordinator::purge::{held_back, turns};
use quorate_model::{Interval, NodeId, TableId};
use quorate_ring::{Shard, View};
use std::collections::BTreeMap;
use std::sync::Arc;

/// Removals that could go but for something.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HeldBack {
    /// Of which table.
    pub table: TableId,
    /// The owner that is away, doubts its disk or is not whole; `None`: the shards move, or are about to.
    pub by: Option<NodeId>,
    /// Shards.
    pub shards: u64,
    /// Removals in them, as this node holds them, young ones too.
    pub removals: u64,
}

impl Core {
    /// Removals in the shards of which this node runs the purge, or would run it. Each shard is run by one node.
    pub fn purge_held_back(&self) -> Vec<HeldBack> {
        let view = self.views.current();
        let (_, held) = turns(&view, self.node, self.owners().can_be_asked());
        let mut found: BTreeMap<(TableId, Option<NodeId>), Vec<Interval>> = BTreeMap::new();
        for shard in held {
            found.entry((shard.table, shard.by)).or_default().push(shard.interval);
        }
        let held = found.into_iter().map(|((table, by), intervals)| {
            let figures = self.local.replica().interval_figures(table, &intervals);
            let removals =
                figures.iter().map(|figure| figure.total.removals).filter(|removals| *removals > 0);
            HeldBack { table, by, shards: removals.clone().count() as u64, removals: removals.sum() }
        });
        held.filter(|held| held.removals > 0).collect()
    }

    /// What holds back the purge of a shard, as far as this node knows: an owner, or `Some(None)`: a move.
    pub fn purge_of(&self, view: &View) -> impl Fn(&Shard) -> Option<Option<NodeId>> {
        let can_be_asked = self.owners().can_be_asked();
        move |shard| held_back(view, shard, &can_be_asked)
    }

    fn owners(&self) -> Owners {
        Owners {
            node: self.node,
            views: Arc::clone(&self.views),
            links: Arc::clone(&self.links),
            recollection: Arc::clone(&self.recollection),
        }
    }
}
