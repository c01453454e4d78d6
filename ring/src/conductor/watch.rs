//! Since when shards stand still: the only thing that a conductor remembers.

use super::{Limits, NodeReport};
use crate::catalog::{Catalog, JobState, Shard};
use crate::plan::OwnerSet;
use quorate_model::{Epoch, Instant, NodeId, ShardId};
use std::collections::BTreeMap;

/// Since when each shard that moves has made no progress, and when those that went back did. A leader begins with none.
#[derive(Clone, Debug, Default)]
pub struct Watch {
    still: BTreeMap<ShardId, (Progress, Instant)>,
    back: BTreeMap<ShardId, Instant>,
}

/// How far a shard is, as far as its nodes have said. Another one is progress.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Progress {
    began: Epoch,
    owners: OwnerSet,
    closed: Vec<NodeId>,
    copies: Vec<(NodeId, u64, bool, Epoch)>,
}

impl Progress {
    fn of(shard: &Shard, began: Epoch, reports: &BTreeMap<NodeId, NodeReport>) -> Self {
        let closed = shard
            .holder_nodes()
            .filter(|node| reports.get(node).is_some_and(|report| report.closed >= began));
        let copies = shard.holder_nodes().filter_map(|node| {
            let fill = reports.get(&node)?.fills.get(&shard.id)?;
            Some((node, fill.bytes, fill.is_whole, fill.merged))
        });
        Self { began, owners: shard.owners.clone(), closed: closed.collect(), copies: copies.collect() }
    }
}

impl Watch {
    /// Notes how far every shard is. To be called before each [`super::next`], with what that is given.
    pub fn observe(&mut self, catalog: &Catalog, reports: &BTreeMap<NodeId, NodeReport>, now: Instant) {
        let before = std::mem::take(&mut self.still);
        let job = catalog.running_job();
        // No shard makes progress while a job is paused.
        let is_paused = job.is_some_and(|job| job.state == JobState::Paused);
        for shard in catalog.moving() {
            let Some(joint) = &shard.joint else { continue };
            let progress = Progress::of(shard, joint.began, reports);
            let same = before.get(&shard.id).filter(|(known, _)| *known == progress && !is_paused);
            let since = same.map_or(now, |(_, since)| *since);
            self.still.insert(shard.id, (progress, since));
        }
        let waits = |shard: &ShardId| job.is_some_and(|job| job.pending.contains_key(shard));
        self.back.retain(|shard, _| waits(shard));
        // One that arrived at a stage between waits too, under another set of owners.
        let went_back = |(shard, (progress, _)): &(ShardId, (Progress, Instant))| {
            let wish = job.and_then(|job| job.pending.get(shard));
            let table = catalog.table_by_id(shard.table);
            let now = table.zip(wish).and_then(|(table, wish)| table.shards().at(&wish.start));
            now.is_some_and(|now| now.joint.is_none() && now.owners == progress.owners)
        };
        for (shard, _) in before.into_iter().filter(went_back) {
            self.back.entry(shard).or_insert(now);
        }
    }

    /// Whether a shard has made no progress for longer than there is patience.
    pub(super) fn has_stalled(&self, shard: ShardId, now: Instant, limits: &Limits) -> bool {
        self.still.get(&shard).is_some_and(|(_, since)| now - *since >= limits.move_patience)
    }

    /// Whether a shard went back too short a time ago to be tried again.
    pub(super) fn rests(&self, shard: ShardId, now: Instant, limits: &Limits) -> bool {
        self.back.get(&shard).is_some_and(|since| now - *since < limits.move_patience)
    }
}
