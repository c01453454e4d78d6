//! The command that moves shards: some start, some arrive, some go back, all in one epoch.
//!
//! ```text
//!   owners O ──start──> owners O, joint P ──finish──> owners P
//!                              └─────────revert─────> owners O
//! ```
//!
//! A shard that gets several new owners may go through sets in between (`stage.rs`): until it is where it is wanted it waits
//! to be moved again. Each step is an epoch of the shard: what is answered under one stage counts in that stage only. A copy keeps its name
//! for as long as its node is in one of the sets; a node that is new has a copy since the epoch of the start.

use super::Applied;
use super::plan::{check_size, not_allocatable};
use crate::catalog::job::Pending;
use crate::catalog::rejection::plan::PlanRejection;
use crate::catalog::{
    Advance, Catalog, Command, Job, JobState, Joint, Losses, NodeState, Rejection, Shard, TableEntry,
};
use crate::plan::OwnerSet;
use quorate_model::level::{quorum, round_one};
use quorate_model::{AcceptedLoss, Epoch, NodeId, Owner, ShardId, TableId};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

impl Catalog {
    pub(super) fn advance(&self, advance: &Advance, command: &Command) -> Result<Applied, Rejection> {
        check_size(command, advance.shards())?;
        let id = advance.job;
        let job = self.job(id).ok_or(PlanRejection::NoSuchJob { job: id })?;
        let cannot = |cannot: &str| {
            let (state, cannot) = (job.state.to_string(), cannot.to_owned());
            Err(PlanRejection::WrongJobState { job: id, state, cannot }.into())
        };
        if job.state.is_ended() {
            return cannot("moves no shards any more");
        }
        if !advance.start.is_empty() && job.state != JobState::Running {
            return cannot("starts no shards");
        }
        let stepping = advance.finish.iter().chain(&advance.revert).map(|(shard, _)| shard);
        let named: BTreeSet<&ShardId> = stepping.chain(&advance.start).collect();
        if named.len() != advance.shards() {
            return Err(PlanRejection::PlanContradicts { what: "it names a shard twice".to_owned() }.into());
        }
        if named.is_empty() {
            return Ok(self.unchanged());
        }
        for (node, told) in &advance.relied {
            let counts = self.node(*node).ok_or(Rejection::NoSuchNode { node: *node })?.incarnation;
            if counts != *told {
                let node = self.called(*node);
                return Err(PlanRejection::AnotherIncarnation { node, told: *told, counts }.into());
            }
        }
        let mut steps = Steps { next: self.next(), job: Job::clone(job), changed: BTreeMap::new() };
        for shard in &advance.start {
            steps.start(*shard)?;
        }
        for (shard, epoch) in &advance.finish {
            steps.finish(*shard, *epoch)?;
        }
        for (shard, epoch) in &advance.revert {
            steps.revert(*shard, *epoch)?;
        }
        Ok(steps.done().applied())
    }
}

/// The steps of one command, as far as they are made.
struct Steps {
    next: Catalog,
    job: Job,
    changed: BTreeMap<TableId, Vec<Shard>>,
}

impl Steps {
    fn start(&mut self, id: ShardId) -> Result<(), Rejection> {
        let called = || self.next.shard_called(id);
        let wrong =
            |why: &str| Rejection::from(PlanRejection::WrongStage { shard: called(), why: why.to_owned() });
        let no_shard = || PlanRejection::NoSuchShard { shard: called() };
        let Pending { start, wanted } =
            self.job.pending.get(&id).ok_or_else(|| wrong("does not wait to be moved by this job"))?;
        let entry = self.next.table_by_id(id.table).ok_or_else(no_shard)?;
        let shard = entry.shards().at(start).filter(|shard| shard.id == id);
        let shard = shard.ok_or_else(no_shard)?;
        if shard.joint.is_some() {
            return Err(wrong("moves already"));
        }
        let epoch = self.next.epoch;
        let stage = self.next.stage(shard, wanted);
        let is_last = stage.iter().all(|node| wanted.contains(node));
        let mut next = OwnerSet::new();
        for node in wanted {
            let node = self.next.node(*node).ok_or(Rejection::NoSuchNode { node: *node })?;
            match node.state {
                NodeState::Member => {}
                NodeState::Leaving | NodeState::Banned => return Err(not_allocatable(node)),
            }
        }
        for node in stage {
            let stays = shard.owners.iter().find(|owner| owner.node == node).copied();
            next.push(stays.unwrap_or(Owner { node, since: epoch }));
        }
        let joint = Some(Arc::new(Joint { began: epoch, next, job: self.job.id }));
        let (moved, start) = (Shard { epoch, joint, ..shard.clone() }, start.clone());
        self.change(moved);
        Arc::make_mut(&mut self.next.moving).insert(id, start);
        if is_last {
            Arc::make_mut(&mut self.job.pending).remove(&id);
        }
        self.job.active += 1;
        Ok(())
    }

    fn finish(&mut self, id: ShardId, told: Epoch) -> Result<(), Rejection> {
        let (shard, joint) = self.active(id, told)?;
        let losses = self.losses(&shard);
        let arrived =
            Shard { epoch: self.next.epoch, owners: joint.next.clone(), joint: None, losses, ..shard };
        self.change(arrived);
        if !self.job.pending.contains_key(&id) {
            self.job.done += 1;
        }
        Ok(())
    }

    /// The losses that are accepted of a shard when it has arrived: where too few of its old owners were left to hold
    /// everything for certain, those of the ones that are gone.
    fn losses(&self, shard: &Shard) -> Losses {
        let n = shard.owners.len() as u8;
        let w = self.next.table_by_id(shard.id.table).map_or(n, |entry| entry.w.within(n));
        let gone = |node: &NodeId| self.next.gone(*node).is_some();
        let needed = round_one(n, w).max(quorum(n));
        if shard.owner_nodes().filter(|node| !gone(node)).count() >= usize::from(needed) {
            return shard.losses.clone();
        }
        let given_up = shard.owner_nodes().filter(|node| gone(node) && self.job.accepted.contains(node));
        given_up.fold(shard.losses.clone(), |losses, node| {
            losses.with(AcceptedLoss { node, since: self.next.epoch, at: None })
        })
    }

    /// The shard waits to be moved again, unless its job ends.
    fn revert(&mut self, id: ShardId, told: Epoch) -> Result<(), Rejection> {
        let (shard, joint) = self.active(id, told)?;
        let stays = Shard { epoch: self.next.epoch, joint: None, ..shard };
        match self.job.state {
            JobState::Running | JobState::Paused => {
                let wanted = joint.next.iter().map(|owner| owner.node).collect();
                let wish = Pending { start: stays.interval.start.clone(), wanted };
                // Where it went through a stage, it is known already where it should be.
                Arc::make_mut(&mut self.job.pending).entry(id).or_insert(wish);
            }
            JobState::Gathering { .. } | JobState::Aborting | JobState::Done | JobState::Aborted => {}
        }
        self.change(stays);
        Ok(())
    }

    /// A shard that this job moves, at the epoch that the command names; it is active no longer.
    fn active(&mut self, id: ShardId, told: Epoch) -> Result<(Shard, Arc<Joint>), Rejection> {
        let wrong = || {
            Rejection::from(PlanRejection::WrongStage {
                shard: self.next.shard_called(id),
                why: "is not moved by this job now".to_owned(),
            })
        };
        let shard = self.next.moving_shard(id).ok_or_else(wrong)?;
        if shard.epoch != told {
            let now = shard.epoch;
            return Err(PlanRejection::ShardChanged { shard: self.next.shard_called(id), told, now }.into());
        }
        let joint = shard.joint.clone().filter(|joint| joint.job == self.job.id).ok_or_else(wrong)?;
        let shard = shard.clone();
        Arc::make_mut(&mut self.next.moving).remove(&id);
        self.job.active -= 1;
        Ok((shard, joint))
    }

    fn change(&mut self, shard: Shard) {
        self.changed.entry(shard.id.table).or_default().push(shard);
    }

    fn done(self) -> Catalog {
        let Self { mut next, job, changed } = self;
        let tables = Arc::make_mut(&mut next.tables);
        for (table, shards) in changed {
            if let Some(entry) = tables.get_mut(&table) {
                let shards = entry.shards.with(shards);
                *entry = Arc::new(TableEntry { shards, ..TableEntry::clone(entry) });
            }
        }
        next.settle(job);
        next
    }
}
