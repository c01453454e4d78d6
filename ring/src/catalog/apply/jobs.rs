//! Commands about jobs: a plan begins, grows by its parts, pauses, ends.
//!
//! A plan is checked as a whole against the catalog in which it is applied: it was made from an earlier one, by any node.
//! Two things tell whether it still holds: the topology it was made from, and the epoch of each shard it names. The epoch
//! of the catalog would not do: it moves with every restart of a node.

use super::Applied;
use super::plan::check_size;
use crate::catalog::command::planned::{Change, PARTS_MAX};
use crate::catalog::job::ENDED_JOBS_MAX;
use crate::catalog::rejection::plan::PlanRejection;
use crate::catalog::{
    Begin, Catalog, Command, Extend, Job, JobId, JobState, NodeState, Order, Rejection, TableEntry,
};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

impl Catalog {
    pub(super) fn begin(&self, begin: &Begin, command: &Command) -> Result<Applied, Rejection> {
        if self.jobs.contains_key(&begin.id) {
            return Ok(self.unchanged());
        }
        check_size(command, begin.moves.len())?;
        if begin.base != self.topology {
            return Err(PlanRejection::TopologyChanged { base: begin.base, now: self.topology }.into());
        }
        if let Some(job) = self.running_job() {
            return Err(PlanRejection::JobRuns { job: job.id }.into());
        }
        let parts = begin.parts.max(1);
        if parts > PARTS_MAX {
            return Err(PlanRejection::NoSuchPart { part: parts - 1, last: PARTS_MAX - 1 }.into());
        }
        let former = begin.changes.iter().find_map(|change| self.former(change));
        let mut next = self.next().with_other_topology();
        next.change(begin)?;
        let pending = next.pending(&begin.moves, &BTreeMap::new())?;
        let leaving = begin.changes.iter().filter_map(|change| match change {
            Change::Leave { node } => Some(*node),
            Change::Weight { .. } | Change::Drain { .. } | Change::Copies { .. } => None,
        });
        let parts_missing: BTreeSet<u32> = (1..parts).collect();
        let job = Job {
            id: begin.id,
            kind: begin.kind,
            state: if parts_missing.is_empty() {
                JobState::Running
            } else {
                JobState::Gathering { parts_missing, parts }
            },
            active: 0,
            done: 0,
            total: pending.len() as u32,
            pending: Arc::new(pending),
            bytes_total: begin.bytes_total,
            dead: begin.dead.clone(),
            accepted: begin.accepted.clone(),
            leaving: leaving.collect(),
            began: next.epoch,
            ended: None,
            former,
        };
        next.check_whole(&job)?;
        next.settle(job);
        Ok(next.applied())
    }

    pub(super) fn extend(&self, extend: &Extend, command: &Command) -> Result<Applied, Rejection> {
        let Extend { job: id, part, moves } = extend;
        let job = self.job(*id).ok_or(PlanRejection::NoSuchJob { job: *id })?;
        check_size(command, moves.len())?;
        let (parts_missing, parts) = match &job.state {
            JobState::Gathering { parts_missing, parts } => (parts_missing, *parts),
            // All parts are there: it is a repetition.
            JobState::Running | JobState::Paused | JobState::Done => return Ok(self.unchanged()),
            JobState::Aborting | JobState::Aborted => {
                let (state, cannot) = (job.state.to_string(), "takes no more of its plan".to_owned());
                return Err(PlanRejection::WrongJobState { job: *id, state, cannot }.into());
            }
        };
        if !(1..parts).contains(part) {
            return Err(PlanRejection::NoSuchPart { part: *part, last: parts.saturating_sub(1) }.into());
        }
        if !parts_missing.contains(part) {
            return Ok(self.unchanged());
        }
        let mut next = self.next();
        let mut job = Job::clone(job);
        let more = next.pending(moves, &job.pending)?;
        job.total = job.total.saturating_add(more.len() as u32);
        Arc::make_mut(&mut job.pending).extend(more);
        let left: BTreeSet<u32> = parts_missing.iter().copied().filter(|it| it != part).collect();
        job.state = if left.is_empty() {
            JobState::Running
        } else {
            JobState::Gathering { parts_missing: left, parts }
        };
        next.check_whole(&job)?;
        next.settle(job);
        Ok(next.applied())
    }

    pub(super) fn set_job(&self, id: JobId, to: Order) -> Result<Applied, Rejection> {
        let job = self.job(id).ok_or(PlanRejection::NoSuchJob { job: id })?;
        let cannot = |cannot: &str| {
            let (state, cannot) = (job.state.to_string(), cannot.to_owned());
            Err(PlanRejection::WrongJobState { job: id, state, cannot }.into())
        };
        let state = match (&job.state, to) {
            (JobState::Running, Order::Pause) => JobState::Paused,
            (JobState::Paused, Order::Resume) => JobState::Running,
            (JobState::Gathering { .. } | JobState::Running | JobState::Paused, Order::Abort) => {
                JobState::Aborting
            }
            (JobState::Running, Order::Resume)
            | (JobState::Paused, Order::Pause)
            | (JobState::Aborting | JobState::Aborted, Order::Abort) => return Ok(self.unchanged()),
            (JobState::Done, Order::Abort) => {
                return cannot("can't be aborted: every shard has moved; make a plan for the way back");
            }
            (JobState::Gathering { .. }, Order::Pause | Order::Resume) => {
                return cannot("can't be paused or resumed: wait for the rest of its plan, or abort it");
            }
            (JobState::Aborting | JobState::Done | JobState::Aborted, Order::Pause | Order::Resume) => {
                return cannot("can't be paused or resumed any more; make a new plan for what is left");
            }
        };
        let mut next = self.next();
        let mut job = Job::clone(job);
        if state == JobState::Aborting {
            job.pending = Arc::default();
            for node in &job.leaving {
                next.set_node(*node, |node| {
                    if node.state == NodeState::Leaving {
                        node.state = NodeState::Member;
                    }
                });
            }
        }
        job.state = state;
        next.settle(job);
        Ok(next.applied())
    }

    pub(super) fn forget(&self, id: JobId) -> Result<Applied, Rejection> {
        let Some(job) = self.job(id) else { return Ok(self.unchanged()) };
        if !job.state.is_ended() {
            let (state, cannot) =
                (job.state.to_string(), "can't be forgotten: abort it, or wait for its end".to_owned());
            return Err(PlanRejection::WrongJobState { job: id, state, cannot }.into());
        }
        let mut next = self.next();
        Arc::make_mut(&mut next.jobs).remove(&id);
        Ok(next.applied())
    }

    /// Keeps a job as it is now: if nothing is left to do it ends at this epoch, and of the ended ones the last stay.
    pub(super) fn settle(&mut self, mut job: Job) {
        if let Some(end) = job.end() {
            if let (JobState::Aborted, Some(former)) = (&end, job.former) {
                self.take_back(former);
            }
            job.state = end;
            job.ended = Some(self.epoch);
            self.topology = self.epoch;
        }
        let jobs = Arc::make_mut(&mut self.jobs);
        jobs.insert(job.id, Arc::new(job));
        let ended = || jobs.values().filter_map(|job| Some((job.ended?, job.id)));
        if ended().count() > ENDED_JOBS_MAX
            && let Some((_, oldest)) = ended().min()
        {
            jobs.remove(&oldest);
        }
    }

    /// Takes a table that is dropped out of the job that moves it.
    pub(super) fn leave_jobs(&mut self, dropped: &TableEntry) {
        let Some(job) = self.running_job() else { return };
        let mut job = Job::clone(job);
        let moving = Arc::make_mut(&mut self.moving);
        let before = moving.len();
        moving.retain(|shard, _| shard.table != dropped.id);
        job.active -= (before - moving.len()) as u32;
        Arc::make_mut(&mut job.pending).retain(|shard, _| shard.table != dropped.id);
        self.settle(job);
    }
}
