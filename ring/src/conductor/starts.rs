//! Which shards start: as many as the windows of their receivers and sources, and the space of the receivers, take.

use super::arrival::copying;
use super::facts::Facts;
use super::facts::Limits;
use crate::catalog::{Job, Pending, Shard};
use quorate_model::level::round_one;
use quorate_model::{NodeId, ShardId};
use std::collections::BTreeMap;

/// What moves to or from one node.
#[derive(Clone, Copy, Debug, Default)]
struct Load {
    shards: u32,
    large: u32,
    bytes: u64,
}

/// Everything that moves, as far as it is decided.
pub(super) struct Starts<'a> {
    facts: &'a Facts<'a>,
    job: &'a Job,
    limits: &'a Limits,
    to: BTreeMap<NodeId, Load>,
    from: BTreeMap<NodeId, Load>,
    /// Bytes that each receiver still has to write.
    coming: BTreeMap<NodeId, u64>,
}

impl Load {
    fn takes(&self, bytes: u64, limits: &Limits) -> bool {
        let is_large = bytes >= limits.large_bytes;
        self.shards < limits.shards_max
            && (!is_large || self.large < limits.large_max)
            && (self.shards == 0 || self.bytes.saturating_add(bytes) <= limits.bytes_max)
    }

    fn add(&mut self, bytes: u64, limits: &Limits) {
        self.shards += 1;
        self.large += u32::from(bytes >= limits.large_bytes);
        self.bytes = self.bytes.saturating_add(bytes);
    }
}

impl<'a> Starts<'a> {
    /// Beside these shards, which move already.
    pub(super) fn beside(facts: &'a Facts<'a>, job: &'a Job, moving: &[&Shard], limits: &'a Limits) -> Self {
        let (to, from, coming) = (BTreeMap::new(), BTreeMap::new(), BTreeMap::new());
        let mut starts = Self { facts, job, limits, to, from, coming };
        for shard in moving {
            let Some(joint) = &shard.joint else { continue };
            let next: Vec<NodeId> = joint.next.iter().map(|owner| owner.node).collect();
            let done = |node: NodeId| {
                let fill = facts.report(node).and_then(|report| report.fills.get(&shard.id));
                fill.map_or(0, |fill| fill.bytes)
            };
            starts.add(shard, &next, done);
        }
        starts
    }

    /// The shards that start, `room` at most.
    pub(super) fn chosen(mut self, rests: impl Fn(ShardId) -> bool, room: usize) -> Vec<ShardId> {
        let mut chosen = Vec::new();
        for (id, Pending { start, wanted }) in self.job.pending.iter() {
            if chosen.len() == room {
                break;
            }
            let entry = self.facts.catalog.table_by_id(id.table);
            let shard = entry.and_then(|entry| entry.shards().at(start)).filter(|shard| shard.id == *id);
            if let Some(shard) = shard.filter(|_| !rests(*id))
                && self.can_start(shard, wanted)
            {
                self.add(shard, wanted, |_| 0);
                chosen.push(*id);
            }
        }
        chosen
    }

    fn can_start(&self, shard: &Shard, wanted: &[NodeId]) -> bool {
        let bytes = self.bytes(shard);
        let Some(source) = self.source(shard, wanted) else { return false };
        let has_window = |loads: &BTreeMap<NodeId, Load>, node: NodeId| {
            loads.get(&node).copied().unwrap_or_default().takes(bytes, self.limits)
        };
        let takes = |node: NodeId| {
            let Some(report) = self.facts.report(node).filter(|report| report.is_up) else { return false };
            let goes_on = report.fills.values().all(|fill| fill.error.is_none());
            goes_on && has_window(&self.to, node) && self.has_space(shard, node, bytes, report.free_bytes)
        };
        has_window(&self.from, source)
            && self.has_sources(shard)
            && copying(&shard.owners, wanted).into_iter().all(takes)
    }

    fn has_space(&self, shard: &Shard, node: NodeId, bytes: u64, free: u64) -> bool {
        if shard.is_owned_by(node) {
            return true;
        }
        let coming = self.coming.get(&node).copied().unwrap_or(0).saturating_add(bytes);
        u128::from(coming) * u128::from(self.limits.space_percent) <= u128::from(free) * 100
    }

    /// Whether as many old owners can be asked as a copy needs sources.
    fn has_sources(&self, shard: &Shard) -> bool {
        let n = shard.owners.len() as u8;
        let accepted = shard.owner_nodes().filter(|node| self.job.accepted.contains(node)).count() as u8;
        let needed = round_one(n, self.facts.promised(shard, n)).min(n - accepted);
        shard.owner_nodes().filter(|node| self.facts.is_up(*node)).count() >= usize::from(needed)
    }

    /// From whom most of the shard will be read: an owner that leaves it, if one can be asked.
    fn source(&self, shard: &Shard, wanted: &[NodeId]) -> Option<NodeId> {
        let up = || shard.owner_nodes().filter(|node| self.facts.is_up(*node));
        up().find(|node| !wanted.contains(node)).or_else(|| up().next())
    }

    /// Bytes of a shard: what its owners have counted, or what is usual in this job.
    fn bytes(&self, shard: &Shard) -> u64 {
        let sizes = shard.owner_nodes().filter_map(|node| self.facts.report(node)?.sizes.get(&shard.id));
        let usual = || self.job.bytes_total / u64::from(self.job.total.max(1));
        sizes.max().copied().unwrap_or_else(usual)
    }

    fn add(&mut self, shard: &Shard, wanted: &[NodeId], done: impl Fn(NodeId) -> u64) {
        let bytes = self.bytes(shard);
        for node in copying(&shard.owners, wanted) {
            self.to.entry(node).or_default().add(bytes, self.limits);
            if !shard.is_owned_by(node) {
                let coming = self.coming.entry(node).or_default();
                *coming = coming.saturating_add(bytes.saturating_sub(done(node)));
            }
        }
        if let Some(source) = self.source(shard, wanted) {
            self.from.entry(source).or_default().add(bytes, self.limits);
        }
    }
}
