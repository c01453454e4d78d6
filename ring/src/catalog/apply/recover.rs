//! The command by which a catalog goes on without a majority of its voters.
//!
//! The members that were given up are banned. A shard of which enough owners are left keeps its set: what was promised is
//! with them, and a plan gives it other owners in the place of those that are gone. Of any other shard the set becomes
//! what is left of it, so that requests go on; what only the others held is lost, which is kept with the shard. One of
//! which none is left begins anew, empty, on members that there are.

use super::Applied;
use crate::catalog::command::planned::Recover;
use crate::catalog::rejection::plan::PlanRejection;
use crate::catalog::{
    Catalog, Job, JobState, Losses, Node, NodeState, RECOVERIES_MAX, Recovery, Rejection, Shard, TableEntry,
};
use crate::placement::{Settled, TableWish, place};
use crate::plan::OwnerSet;
use crate::ring::{Members, Ring};
use quorate_model::level::{quorum, round_one};
use quorate_model::{AcceptedLoss, NodeId};
use std::collections::BTreeSet;
use std::sync::Arc;

impl Catalog {
    pub(super) fn recover(&self, recover: &Recover) -> Result<Applied, Rejection> {
        if self.recoveries.iter().any(|known| known.request == recover.request) {
            return Ok(self.unchanged());
        }
        let lost: BTreeSet<NodeId> = recover.lost.iter().copied().collect();
        for node in lost.iter().chain([&recover.by]) {
            self.node(*node).ok_or(Rejection::NoSuchNode { node: *node })?;
        }
        if lost.is_empty() || lost.contains(&recover.by) {
            let what = "it gives up no member, or the one that goes on".to_owned();
            return Err(PlanRejection::PlanContradicts { what }.into());
        }
        let mut next = self.next().with_other_topology();
        next.ban(&lost);
        next.end_job();
        next.leave_lost_owners();
        let recovery = Recovery {
            request: recover.request,
            lost: lost.into_iter().collect(),
            by: recover.by,
            at: recover.at,
            epoch: next.epoch,
        };
        let known = self.recoveries.len().saturating_sub(RECOVERIES_MAX - 1);
        next.recoveries = self.recoveries[known..].iter().cloned().chain([recovery]).collect();
        Ok(next.applied())
    }

    fn ban(&mut self, lost: &BTreeSet<NodeId>) {
        let nodes = Arc::make_mut(&mut self.nodes);
        for node in nodes.values_mut().filter(|node| lost.contains(&node.id)) {
            *node = Arc::new(Node { state: NodeState::Banned, ..Node::clone(node) });
        }
    }

    /// Ends the job that runs: what is active goes back, since some of its receivers or sources may be gone.
    fn end_job(&mut self) {
        let Some(job) = self.running_job().cloned() else { return };
        let epoch = self.epoch;
        self.moving = Arc::default();
        self.change_shards(|shard| {
            shard.joint.as_ref().map(|_| Shard { epoch, joint: None, ..shard.clone() })
        });
        for node in &job.leaving {
            self.set_node(*node, |node| {
                if node.state == NodeState::Leaving {
                    node.state = NodeState::Member;
                }
            });
        }
        self.settle(Job {
            state: JobState::Aborting,
            active: 0,
            pending: Arc::default(),
            ..Job::clone(&job)
        });
    }

    /// Gives each shard that has lost too many owners a set of those that are left.
    fn leave_lost_owners(&mut self) {
        let gone: BTreeSet<NodeId> = self.nodes().filter(|node| node.is_gone()).map(|node| node.id).collect();
        let left = |shard: &Shard| -> OwnerSet {
            shard.owners.iter().filter(|owner| !gone.contains(&owner.node)).copied().collect()
        };
        let mut anew: Vec<OwnerSet> = Vec::new();
        for entry in self.tables() {
            let empty: Vec<&Shard> = entry.shards().iter().filter(|shard| left(shard).is_empty()).collect();
            anew.extend(self.placed_anew(entry, &empty));
        }
        let (epoch, tables, mut anew) = (self.epoch, Arc::clone(&self.tables), anew.into_iter());
        self.change_shards(|shard| {
            let (n, owners) = (shard.owners.len() as u8, left(shard));
            let w = tables.get(&shard.id.table).map_or(n, |entry| entry.w.within(n));
            if owners.len() >= usize::from(quorum(n).max(round_one(n, w))) {
                return None;
            }
            let given_up = shard.owner_nodes().filter(|node| gone.contains(node));
            let losses = given_up.fold(shard.losses.clone(), |losses: Losses, node| {
                losses.with(AcceptedLoss { node, since: epoch, at: None })
            });
            let owners = if owners.is_empty() { anew.next()? } else { owners };
            Some(Shard { epoch, owners, losses, ..shard.clone() })
        });
    }

    /// Owners of shards of a table of which none is left, in the order of the shards.
    fn placed_anew(&self, entry: &TableEntry, shards: &[&Shard]) -> Vec<OwnerSet> {
        if shards.is_empty() {
            return Vec::new();
        }
        let nodes = self.nodes().filter(|node| !node.is_gone());
        let members = Members::of(nodes.map(|node| (node.id, node.zone.as_str(), node.weight)));
        let n = usize::from(entry.n).min(members.len()) as u8;
        let wish = TableWish::new(n, shards.iter().map(|shard| shard.position(entry.sharding)));
        let placed = place(&Ring::of(members), &Settled::default(), &[wish]);
        let owners = placed.into_iter().flatten().flatten();
        owners.map(|(_, wanted)| wanted.into_iter().map(|node| self.copy_of(node)).collect()).collect()
    }

    /// Changes the shards for which `change` says something.
    fn change_shards(&mut self, mut change: impl FnMut(&Shard) -> Option<Shard>) {
        for entry in Arc::make_mut(&mut self.tables).values_mut() {
            let changed: Vec<Shard> = entry.shards.iter().filter_map(&mut change).collect();
            if !changed.is_empty() {
                let shards = entry.shards.with(changed);
                *entry = Arc::new(TableEntry { shards, ..TableEntry::clone(entry) });
            }
        }
    }
}
