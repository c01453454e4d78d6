//! Which shards start: as many as the windows of their receivers and sources, and the space of the receivers, take.

use super::arrival::copying;
use super::facts::Facts;
use super::facts::Limits;
use super::wait::Wait;
use crate::catalog::{Job, JobState, Pending, Shard};
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
        for (id, wish) in self.job.pending.iter() {
            if chosen.len() == room {
                break;
            }
            let Some(shard) = self.shard(*id, wish).filter(|_| !rests(*id)) else { continue };
            let wanted = self.facts.catalog.stage(shard, &wish.wanted);
            if self.check(shard, &wanted).is_ok() {
                self.add(shard, &wanted, |_| 0);
                chosen.push(*id);
            }
        }
        chosen
    }

    /// Those that have not begun, with what each waits for.
    pub(super) fn pending(&self) -> impl Iterator<Item = (ShardId, Wait)> + '_ {
        self.job.pending.iter().filter_map(|(id, wish)| {
            let shard = self.shard(*id, wish)?;
            let wait = match &self.job.state {
                JobState::Paused => Wait::Paused,
                // What is about to begin waits for nothing else.
                JobState::Gathering { .. }
                | JobState::Running
                | JobState::Aborting
                | JobState::Done
                | JobState::Aborted => {
                    let wanted = self.facts.catalog.stage(shard, &wish.wanted);
                    self.check(shard, &wanted).err().unwrap_or(Wait::Turn)
                }
            };
            Some((*id, wait))
        })
    }

    /// A shard that waits and does not go through a stage just now.
    fn shard(&self, id: ShardId, wish: &Pending) -> Option<&'a Shard> {
        let entry = self.facts.catalog.table_by_id(id.table);
        let shard = entry.and_then(|entry| entry.shards().at(&wish.start));
        shard.filter(|shard| shard.id == id && shard.joint.is_none())
    }

    /// Whether a shard may start now, or what it waits for.
    fn check(&self, shard: &Shard, wanted: &[NodeId]) -> Result<(), Wait> {
        let bytes = self.bytes(shard);
        self.check_sources(shard)?;
        let receivers = copying(&shard.owners, wanted);
        receivers.iter().try_for_each(|node| self.check_receiver(shard, *node, bytes))?;
        let has_window = |loads: &BTreeMap<NodeId, Load>, node: NodeId| {
            loads.get(&node).copied().unwrap_or_default().takes(bytes, self.limits)
        };
        let is_read = self.source(shard, wanted).is_none_or(|source| has_window(&self.from, source));
        let is_taken = receivers.iter().all(|node| has_window(&self.to, *node));
        if is_read && is_taken { Ok(()) } else { Err(Wait::Turn) }
    }

    /// Whether a receiver can be asked, goes on with what it has, and has space.
    fn check_receiver(&self, shard: &Shard, node: NodeId, bytes: u64) -> Result<(), Wait> {
        let report = self.facts.report(node).filter(|report| report.is_up).ok_or(Wait::Away { node })?;
        if let Some(error) = report.fills.values().find_map(|fill| fill.error.clone()) {
            return Err(Wait::Receiving { node, error: Some(error) });
        }
        if shard.is_owned_by(node) {
            return Ok(());
        }
        let (bytes, free) =
            (self.coming.get(&node).copied().unwrap_or(0).saturating_add(bytes), report.free_bytes);
        let fits = u128::from(bytes) * u128::from(self.limits.space_percent) <= u128::from(free) * 100;
        if fits { Ok(()) } else { Err(Wait::Space { node, bytes, free }) }
    }

    /// Whether as many old owners can be asked as a copy needs sources. Where an operator accepts what is lost with the
    /// others, that may be none.
    fn check_sources(&self, shard: &Shard) -> Result<(), Wait> {
        let n = shard.owners.len() as u8;
        let accepted = shard.owner_nodes().filter(|node| self.job.accepted.contains(node)).count() as u8;
        let needed = round_one(n, self.facts.promised(shard, n)).min(n - accepted);
        let (up, down): (Vec<NodeId>, Vec<NodeId>) =
            shard.owner_nodes().partition(|node| self.facts.is_up(*node));
        let missing = usize::from(needed).saturating_sub(up.len()) as u8;
        if missing == 0 { Ok(()) } else { Err(Wait::Sources { missing, nodes: down }) }
    }

    /// From whom most of the shard will be read: an owner that leaves it, if one can be asked.
    fn source(&self, shard: &Shard, wanted: &[NodeId]) -> Option<NodeId> {
        let up = || shard.owner_nodes().filter(|node| self.facts.is_up(*node));
        up().find(|node| !wanted.contains(node)).or_else(|| up().next())
    }

    /// Bytes of a shard: what its owners have counted, or what is usual in this job.
    fn bytes(&self, shard: &Shard) -> u64 {
        let usual = || self.job.bytes_total / u64::from(self.job.total.max(1));
        self.facts.counted(shard).unwrap_or_else(usual)
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
