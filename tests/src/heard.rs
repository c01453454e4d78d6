//! What a node has heard of the catalog, as the real machines look plans up in it.

use crate::world::World;
use quorate_coordinator::Plans;
use quorate_model::{Epoch, Interval, NodeId, Place, ShardNow, SortKey, TableId};
use quorate_ring::Plan;
use std::sync::Arc;

/// One node's view at one moment.
pub(crate) struct Heard<'a> {
    /// The world.
    pub world: &'a World,
    /// Which node.
    pub on: NodeId,
    /// The stream of chance for who seems down.
    pub whom: [u64; 2],
}

impl Plans for Heard<'_> {
    fn epoch(&self) -> Epoch {
        self.world.cluster.epoch(self.world.peek(self.on).heard)
    }

    fn plan(&self, table: TableId, sort_key: &SortKey) -> Option<Plan> {
        let place = Place { table, epoch: Epoch(0), sort_key: sort_key.clone() };
        let spot = self.world.spot_of(&place)?;
        self.world.plan_of(self.on, spot, self.whom).map(Arc::unwrap_or_clone)
    }

    fn plan_of_range(&self, table: TableId, range: &Interval, reverse: bool) -> Option<Plan> {
        self.world.plan_of_range(self.on, (table, range, reverse), self.whom)
    }

    fn plan_by(&self, table: TableId, sort_key: &SortKey, now: &ShardNow) -> Option<Plan> {
        let heard = self.world.peek(self.on).heard;
        let down = self.world.seem_down(self.whom);
        self.world.cluster.plan_by(heard, (table, sort_key, now), self.on, down)
    }

    fn is_dropped(&self, table: TableId) -> bool {
        self.world.cluster.is_dropped(self.world.peek(self.on).heard, table)
    }
}
