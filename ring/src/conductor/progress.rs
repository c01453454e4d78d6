//! How far a job is, in bytes: what its plan expected to copy, less what is left to copy.
//!
//! What is left is known shard by shard, from the sizes that owners have counted. So a job of unequal shards is as far as
//! its bytes are, whichever of them arrive first. Where the size of one that is left is not known (it is not counted yet, or
//! its owners have more to say than fits), shards are taken as equal: each that has moved for its part of the whole, those
//! at work for what their receivers hold.
//!
//! Sizes come and go with what owners can say, so that the two ways take turns within one job. [`Told`] remembers what was
//! said last: while a job goes forward, a later look never says less.

use super::facts::{Facts, NodeReport};
use crate::catalog::{Catalog, Job, JobId, JobState, Shard};
use crate::plan::OwnerSet;
use quorate_model::{Epoch, NodeId, Rules, ShardId};
use std::collections::BTreeMap;

/// What was said last of the job that goes on. Losing it costs nothing but that the next look may say less.
#[derive(Debug, Default)]
pub struct Told {
    job: Option<JobId>,
    epoch: Epoch,
    bytes: u64,
    /// The shards that were at work, with their owners.
    moving: BTreeMap<ShardId, OwnerSet>,
}

impl Told {
    /// As [`bytes_done`], and of a job that goes forward never less than before. Where a shard went back, or the job is
    /// aborted, it may be less.
    pub fn bytes_done(
        &mut self,
        catalog: &Catalog,
        reports: &BTreeMap<NodeId, NodeReport>,
        job: &Job,
    ) -> u64 {
        let bytes = bytes_done(catalog, reports, job);
        match &job.state {
            JobState::Gathering { .. } | JobState::Running | JobState::Paused => {}
            JobState::Aborting | JobState::Done | JobState::Aborted => return bytes,
        }
        if self.job != Some(job.id) {
            *self = Self { job: Some(job.id), ..Self::default() };
        } else if catalog.epoch() < self.epoch {
            // Who asks here looked earlier.
            return self.bytes;
        } else if self.went_back(catalog, job) {
            self.bytes = 0;
        }
        let moving = of(catalog, job).map(|shard| (shard.id, shard.owners.clone()));
        (self.epoch, self.moving) = (catalog.epoch(), moving.collect());
        self.bytes = self.bytes.max(bytes);
        self.bytes
    }

    /// Whether a shard that was at work waits again where it was. One that has arrived at a stage in between has other owners.
    fn went_back(&self, catalog: &Catalog, job: &Job) -> bool {
        self.moving.iter().any(|(id, owners)| {
            let wish = job.pending.get(id);
            let table = catalog.table_by_id(id.table);
            let now = table.zip(wish).and_then(|(table, wish)| table.shards().at(&wish.start));
            now.is_some_and(|now| now.id == *id && now.joint.is_none() && now.owners == *owners)
        })
    }
}

/// Bytes that a job has copied, about; no more than its plan expected. Of one that is aborted: the part of the shards that
/// have moved.
pub fn bytes_done(catalog: &Catalog, reports: &BTreeMap<NodeId, NodeReport>, job: &Job) -> u64 {
    let facts = Facts { rules: Rules::INTACT, catalog, reports };
    let left = match &job.state {
        JobState::Running | JobState::Paused => facts.bytes_left(job),
        JobState::Done => Some(0),
        // What waits is not all there yet, or no longer.
        JobState::Gathering { .. } | JobState::Aborting | JobState::Aborted => None,
    };
    match left {
        Some(left) => job.bytes_total.saturating_sub(left),
        None => facts.bytes_by_count(job).min(job.bytes_total),
    }
}

/// The shards that a job moves now.
fn of<'a>(catalog: &'a Catalog, job: &Job) -> impl Iterator<Item = &'a Shard> {
    let id = job.id;
    catalog.moving().filter(move |shard| shard.joint.as_ref().is_some_and(|joint| joint.job == id))
}

impl Facts<'_> {
    /// Bytes that are still to be copied; `None`: the size of some shard is not known.
    fn bytes_left(&self, job: &Job) -> Option<u64> {
        let mut left = 0_u64;
        for shard in of(self.catalog, job).filter(|shard| !job.pending.contains_key(&shard.id)) {
            let next: Vec<NodeId> =
                shard.joint.iter().flat_map(|joint| &joint.next).map(|owner| owner.node).collect();
            left = left.saturating_add(self.bytes_left_of(shard, &next)?);
        }
        // One that goes through a stage is among these, with all that it lacks behind that stage too.
        for (id, wish) in job.pending.iter() {
            let table = self.catalog.table_by_id(id.table);
            let shard = table.and_then(|table| table.shards().at(&wish.start));
            if let Some(shard) = shard.filter(|shard| shard.id == *id) {
                left = left.saturating_add(self.bytes_left_of(shard, &wish.wanted)?);
            }
        }
        Some(left)
    }

    fn bytes_left_of(&self, shard: &Shard, wanted: &[NodeId]) -> Option<u64> {
        let lacking: Vec<NodeId> = wanted.iter().copied().filter(|node| !shard.is_owned_by(*node)).collect();
        if lacking.is_empty() {
            return Some(0);
        }
        let size = self.counted(shard)?;
        let has = |node: NodeId| {
            let copy = shard.receivers().find(|owner| owner.node == node)?;
            let fill = self.report(node)?.fills.get(&shard.id).filter(|fill| fill.since == copy.since)?;
            Some(if fill.is_whole { size } else { fill.bytes })
        };
        let left = lacking.into_iter().map(|node| size.saturating_sub(has(node).unwrap_or(0)));
        Some(left.fold(0, u64::saturating_add))
    }

    /// As if all shards were equal: of the bytes that were expected, the part of those that have moved, and what receivers
    /// hold of those at work.
    fn bytes_by_count(&self, job: &Job) -> u64 {
        let moved = u128::from(job.bytes_total) * u128::from(job.done) / u128::from(job.total.max(1));
        let held = of(self.catalog, job).flat_map(|shard| {
            let fills = shard.receivers().filter_map(|owner| self.report(owner.node)?.fills.get(&shard.id));
            fills.map(|fill| fill.bytes)
        });
        held.fold(u64::try_from(moved).unwrap_or(u64::MAX), u64::saturating_add)
    }
}
