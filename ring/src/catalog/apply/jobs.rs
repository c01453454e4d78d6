//! Commands about jobs: a plan begins, grows by its parts, pauses, ends.
//!
//! A plan is checked as a whole against the catalog in which it is applied: it was made from an earlier one, by any node.
//! Two things tell whether it still holds: the topology it was made from, and the epoch of each shard it names. The epoch
//! of the catalog would not do: it moves with every restart of a node.

use super::Applied;
use crate::catalog::checks::check_level;
use crate::catalog::command::planned::{COMMAND_BYTES_MAX, Change, PARTS_MAX, SHARDS_PER_COMMAND_MAX};
use crate::catalog::job::{ENDED_JOBS_MAX, Pending};
use crate::catalog::rejection::plan::PlanRejection;
use crate::catalog::{
    Begin, Catalog, Command, Extend, Job, JobId, JobKind, JobState, Move, Node, NodeState, Order, Rejection,
    Shard, TableEntry,
};
use crate::placement::Wanted;
use quorate_model::{Epoch, Level, NodeId, ShardId, Table, TableId};
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

    /// Makes what a plan changes beside owners.
    fn change(&mut self, begin: &Begin) -> Result<(), Rejection> {
        let twice = |what: String| Err(PlanRejection::PlanContradicts { what }.into());
        let mut named: BTreeSet<(u8, u64)> = BTreeSet::new();
        for change in &begin.changes {
            let key = match change {
                Change::Weight { node, .. } => (0, node.0),
                Change::Drain { node, .. } => (1, node.0),
                Change::Leave { node } => (2, node.0),
                Change::Copies { table, .. } => (3, u64::from(table.0)),
            };
            if !named.insert(key) {
                return twice(format!("it changes one thing twice ({change:?})"));
            }
        }
        for node in begin.accepted.iter().chain(&begin.dead) {
            self.node(*node).ok_or(Rejection::NoSuchNode { node: *node })?;
        }
        let nodes = |change: &&Change| !matches!(change, Change::Copies { .. });
        for change in begin.changes.iter().filter(nodes) {
            self.change_node(change)?;
        }
        for dead in &begin.dead {
            self.set_node(*dead, |node| node.state = NodeState::Banned);
        }
        // How many nodes a table can have copies on is known only now.
        for change in &begin.changes {
            match change {
                Change::Copies { table, n, r, w } => self.change_copies(*table, *n, *r, *w)?,
                Change::Weight { .. } | Change::Drain { .. } | Change::Leave { .. } => {}
            }
        }
        Ok(())
    }

    fn change_node(&mut self, change: &Change) -> Result<(), Rejection> {
        let (Change::Weight { node, .. } | Change::Drain { node, .. } | Change::Leave { node }) = change
        else {
            return Ok(());
        };
        let known = self.node(*node).ok_or(Rejection::NoSuchNode { node: *node })?;
        if known.state == NodeState::Banned {
            return Err(not_allocatable(known));
        }
        match change {
            Change::Weight { weight, .. } if !weight.is_in_range() => {
                return Err(Rejection::WeightOutOfRange { thousandths: weight.thousandths() });
            }
            Change::Weight { weight, .. } => self.set_node(*node, |node| node.weight = *weight),
            Change::Drain { drained, .. } => self.set_node(*node, |node| node.drained = *drained),
            Change::Leave { .. } => self.set_node(*node, |node| node.state = NodeState::Leaving),
            Change::Copies { .. } => {}
        }
        Ok(())
    }

    fn set_node(&mut self, id: NodeId, change: impl FnOnce(&mut Node)) {
        if let Some(node) = Arc::make_mut(&mut self.nodes).get_mut(&id) {
            change(Arc::make_mut(node));
        }
    }

    /// Another number of copies, for the sets of owners from now on. What the table promised so far stays what it is: the
    /// write promise means as many owners of each set of today as before.
    fn change_copies(
        &mut self,
        id: TableId,
        n: u8,
        r: Option<Level>,
        w: Option<Level>,
    ) -> Result<(), Rejection> {
        let entry = self.table_by_id(id).ok_or(Rejection::NoSuchTable { table: id })?;
        self.check_copies(n)?;
        let level = |side: &str, now: Level, given: Option<Level>| {
            let is_number = matches!(now, Level::Count(_));
            if given.is_none() && is_number && n != entry.n {
                let (side, table) = (side.to_owned(), entry.name.clone());
                return Err(PlanRejection::LevelNotNamed { side, table, now, n }.into());
            }
            let level = given.unwrap_or(now);
            check_level(side, level, n).map(|()| level)
        };
        let (r, w) = (level("r", entry.r, r)?, level("w", entry.w, w)?);
        let sizes: BTreeSet<u8> = entry.shards().iter().map(|shard| shard.owners.len() as u8).collect();
        for size in sizes {
            let (today, then) = (entry.w.within(size), w.within(size));
            if today != then {
                return Err(
                    PlanRejection::PromiseChanged { now: entry.w, asked: w, n: size, today, then }.into()
                );
            }
        }
        let table = Arc::new(Table { n, r, w, ..Table::clone(entry.table()) });
        let changed = TableEntry { table, epoch: self.epoch, ..TableEntry::clone(entry) };
        Arc::make_mut(&mut self.tables).insert(id, Arc::new(changed));
        Ok(())
    }

    /// The shards of some moves with their wanted owners, once all of them are known to be possible.
    fn pending(
        &self,
        moves: &[Move],
        already: &BTreeMap<ShardId, Pending>,
    ) -> Result<BTreeMap<ShardId, Pending>, Rejection> {
        let found = self.found_by_id(moves.iter().map(|it| it.shard));
        let mut pending = BTreeMap::new();
        for Move { shard: id, epoch, wanted } in moves {
            let (entry, shard) = found.get(id).ok_or(PlanRejection::NoSuchShard { shard: *id })?;
            self.check_move(entry, shard, *epoch, wanted)?;
            let wanted: Wanted = wanted.iter().copied().collect();
            let wish = Pending { start: shard.interval.start.clone(), wanted };
            if already.contains_key(id) || pending.insert(*id, wish).is_some() {
                return Err(
                    PlanRejection::PlanContradicts { what: format!("it moves shard {id} twice") }.into()
                );
            }
        }
        Ok(pending)
    }

    /// Shards by their numbers: one walk over each table that is named.
    fn found_by_id(
        &self,
        ids: impl Iterator<Item = ShardId>,
    ) -> BTreeMap<ShardId, (&Arc<TableEntry>, &Shard)> {
        let wanted: BTreeSet<ShardId> = ids.collect();
        let tables: BTreeSet<TableId> = wanted.iter().map(|id| id.table).collect();
        let entries = tables.into_iter().filter_map(|table| self.table_by_id(table));
        let shards = entries.flat_map(|entry| entry.shards().iter().map(move |shard| (entry, shard)));
        let named = shards.filter(|(_, shard)| wanted.contains(&shard.id));
        named.map(|(entry, shard)| (shard.id, (entry, shard))).collect()
    }

    fn check_move(
        &self,
        entry: &TableEntry,
        shard: &Shard,
        epoch: Epoch,
        wanted: &[NodeId],
    ) -> Result<(), Rejection> {
        if shard.epoch != epoch {
            return Err(PlanRejection::ShardChanged { shard: shard.id, told: epoch, now: shard.epoch }.into());
        }
        if shard.joint.is_some() {
            let why = "moves already".to_owned();
            return Err(PlanRejection::WrongStage { shard: shard.id, why }.into());
        }
        let distinct: BTreeSet<NodeId> = wanted.iter().copied().collect();
        if distinct.len() != usize::from(entry.n) || wanted.len() != distinct.len() {
            return Err(PlanRejection::WrongOwners {
                shard: shard.id,
                told: distinct.len() as u32,
                n: entry.n,
            }
            .into());
        }
        for node in wanted {
            let node = self.node(*node).ok_or(Rejection::NoSuchNode { node: *node })?;
            let may_have = match node.state {
                // A drained node keeps what it has.
                NodeState::Member => !node.drained || shard.is_owned_by(node.id),
                NodeState::Leaving | NodeState::Banned => false,
            };
            if !may_have {
                return Err(not_allocatable(node));
            }
        }
        if distinct == shard.owner_nodes().collect() {
            let why = "is with these owners already".to_owned();
            return Err(PlanRejection::WrongStage { shard: shard.id, why }.into());
        }
        Ok(())
    }

    /// Whether a plan of which all parts are there leaves nothing on a node that leaves, and no shard of a table whose
    /// number of copies it changes with another number.
    fn check_whole(&self, job: &Job) -> Result<(), Rejection> {
        if matches!(job.state, JobState::Gathering { .. }) {
            return Ok(());
        }
        let leave: BTreeSet<NodeId> = job.leaving.iter().chain(&job.dead).copied().collect();
        for entry in self.tables() {
            let is_of_other_n = job.kind == JobKind::Copies && entry.epoch == job.began;
            if leave.is_empty() && !is_of_other_n {
                continue;
            }
            let left = |wrong: &dyn Fn(&Shard) -> bool| {
                let shards = entry.shards().iter().filter(|shard| wrong(shard));
                shards.filter(|shard| !job.pending.contains_key(&shard.id)).count() as u32
            };
            let behind = left(&|shard| shard.owner_nodes().any(|node| leave.contains(&node)));
            let other_n = left(&|shard| is_of_other_n && shard.owners.len() != usize::from(entry.n));
            let table = entry.name.clone();
            if behind > 0 {
                let why = "on a node that leaves".to_owned();
                return Err(PlanRejection::PlanIncomplete { table, shards: behind, why }.into());
            }
            if other_n > 0 {
                let why = format!("with another number of copies than n = {}", entry.n);
                return Err(PlanRejection::PlanIncomplete { table, shards: other_n, why }.into());
            }
        }
        Ok(())
    }
}

/// Whether a command of plans is within its limits.
pub(super) fn check_size(command: &Command, shards: usize) -> Result<(), Rejection> {
    let bytes = command.encode().len();
    if shards <= SHARDS_PER_COMMAND_MAX && bytes <= COMMAND_BYTES_MAX {
        return Ok(());
    }
    Err(PlanRejection::CommandTooLarge {
        shards: u32::try_from(shards).unwrap_or(u32::MAX),
        bytes: u32::try_from(bytes).unwrap_or(u32::MAX),
        shards_max: SHARDS_PER_COMMAND_MAX as u32,
        bytes_max: COMMAND_BYTES_MAX as u32,
    }
    .into())
}

/// That a node may not get copies.
pub(super) fn not_allocatable(node: &Node) -> Rejection {
    let why = match node.state {
        NodeState::Member => "drained",
        NodeState::Leaving => "leaving",
        NodeState::Banned => "banned",
    };
    Rejection::from(PlanRejection::NotAllocatable { node: node.id, why: why.to_owned() })
}
