//! Jobs: plans that are being carried out, as the catalog keeps them.
//!
//! A plan names which nodes should own which shards. It becomes a job when [`Begin`](super::command::planned::Begin) is
//! applied; from then on everything that a leader needs to go on with it stands here, and no process has to stay alive
//! for it. One planned job runs at a time.
//!
//! ```text
//!   Gathering ──last part──> Running <──pause, resume──> Paused
//!       │                       │  └───── nothing left ─────┴──> Done
//!       └────────abort──────────┴──abort──> Aborting ── nothing active ──> Aborted
//! ```
//!
//! A shard of a job is *pending* (wanted owners are named, nothing has happened), *active* (it has two sets of owners),
//! or done. An abort drops what is pending and takes back what is active; what is done stays where it is. Where the job
//! changed a table's number of copies, the table has the number of before again: shards that have moved keep the owners
//! that they have, and later plans leave each shard as many as it has.

use super::RequestId;
use crate::placement::Wanted;
use minicbor::{Decode, Encode};
use quorate_model::{Epoch, Level, NodeId, ShardId, SortKey, TableId};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::Arc;

/// A job's name: that of the request that began it, so that a repeated one finds it.
pub type JobId = RequestId;

/// Ended jobs that a catalog keeps for people: the last ones.
pub const ENDED_JOBS_MAX: usize = 32;

/// What a job is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(index_only)]
pub enum JobKind {
    /// New members get their share.
    #[n(0)]
    Add,
    /// Members give away what they own, and leave.
    #[n(1)]
    Remove,
    /// One member gets what another one owns, which leaves.
    #[n(2)]
    Replace,
    /// A member holds more or less than before.
    #[n(3)]
    Weight,
    /// A table has another number of copies.
    #[n(4)]
    Copies,
    /// Copies lie unevenly.
    #[n(5)]
    Balance,
    /// Single shards, by hand; and a drain, which moves nothing.
    #[n(6)]
    Move,
}

/// How far a job is.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub enum JobState {
    /// Parts of the plan have not been written yet; nothing starts before.
    #[n(0)]
    Gathering {
        /// Their numbers, from 1; part 0 came with the beginning.
        #[n(0)]
        parts_missing: BTreeSet<u32>,
        /// How many parts there are in all.
        #[n(1)]
        parts: u32,
    },
    /// Shards move.
    #[n(1)]
    Running,
    /// Nothing starts; what is active stays as it is.
    #[n(2)]
    Paused,
    /// What is active is taken back.
    #[n(3)]
    Aborting,
    /// Every shard is where it should be.
    #[n(4)]
    Done,
    /// It was aborted: some shards have moved, the others are where they were.
    #[n(5)]
    Aborted,
}

/// A shard that has not started.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pending {
    /// Where it starts, so that it is found.
    pub start: SortKey,
    /// Who should own it, in ring order.
    pub wanted: Wanted,
}

/// What a table was like before a job changed its number of copies.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Former {
    /// Which table.
    #[n(0)]
    pub table: TableId,
    /// Its copies.
    #[n(1)]
    pub n: u8,
    /// Its default level of reads.
    #[n(2)]
    pub r: Level,
    /// Its write promise.
    #[n(3)]
    pub w: Level,
}

/// A plan that is being carried out, or was.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Job {
    /// Its name.
    pub id: JobId,
    /// What it is for.
    pub kind: JobKind,
    /// How far it is.
    pub state: JobState,
    /// Shards that have not started, and who should own each.
    pub pending: Arc<BTreeMap<ShardId, Pending>>,
    /// Shards with two sets of owners now.
    pub active: u32,
    /// Shards that have moved.
    pub done: u32,
    /// Shards that were to move, those of tables that were dropped since included.
    pub total: u32,
    /// Bytes that the plan expected to copy.
    pub bytes_total: u64,
    /// Members that an operator declared gone for good: they are banned, and nothing waits for them.
    pub dead: Vec<NodeId>,
    /// Members of which an operator accepts that what only they hold is lost.
    pub accepted: Vec<NodeId>,
    /// Members that leave by this job; an abort makes them stay.
    pub leaving: Vec<NodeId>,
    /// The epoch of the command that began it.
    pub began: Epoch,
    /// The epoch at which it ended.
    pub ended: Option<Epoch>,
    /// The table of which it changes the number of copies, as it was.
    pub former: Option<Former>,
}

/// A job in a snapshot.
#[derive(Encode, Decode)]
pub(super) struct JobForm {
    #[n(0)]
    id: JobId,
    #[n(1)]
    kind: JobKind,
    #[n(2)]
    state: JobState,
    #[n(3)]
    pending: Vec<(ShardId, SortKey, Vec<NodeId>)>,
    #[n(4)]
    active: u32,
    #[n(5)]
    done: u32,
    #[n(6)]
    total: u32,
    #[n(7)]
    bytes_total: u64,
    #[n(8)]
    dead: Vec<NodeId>,
    #[n(9)]
    accepted: Vec<NodeId>,
    #[n(10)]
    leaving: Vec<NodeId>,
    #[n(11)]
    began: Epoch,
    #[n(12)]
    ended: Option<Epoch>,
    #[n(13)]
    former: Option<Former>,
}

impl JobState {
    /// Its name in documents; pinned.
    pub fn as_str(&self) -> &'static str {
        match self {
            JobState::Gathering { .. } => "gathering",
            JobState::Running => "running",
            JobState::Paused => "paused",
            JobState::Aborting => "aborting",
            JobState::Done => "done",
            JobState::Aborted => "aborted",
        }
    }

    /// Whether nothing will happen any more.
    pub fn is_ended(&self) -> bool {
        match self {
            JobState::Done | JobState::Aborted => true,
            JobState::Gathering { .. } | JobState::Running | JobState::Paused | JobState::Aborting => false,
        }
    }
}

impl fmt::Display for JobState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl JobKind {
    /// Its name in documents; pinned.
    pub fn as_str(self) -> &'static str {
        match self {
            JobKind::Add => "add",
            JobKind::Remove => "remove",
            JobKind::Replace => "replace",
            JobKind::Weight => "weight",
            JobKind::Copies => "copies",
            JobKind::Balance => "balance",
            JobKind::Move => "move",
        }
    }
}

impl Job {
    /// The state in which it ends now, if it does: an aborted one once nothing is active, another one once nothing is
    /// pending either.
    pub(super) fn end(&self) -> Option<JobState> {
        match &self.state {
            JobState::Running | JobState::Paused => {
                (self.active == 0 && self.pending.is_empty()).then_some(JobState::Done)
            }
            JobState::Aborting => (self.active == 0).then_some(JobState::Aborted),
            JobState::Gathering { .. } | JobState::Done | JobState::Aborted => None,
        }
    }
}

impl JobForm {
    pub(super) fn of(job: &Job) -> Self {
        let job = job.clone();
        let pending =
            job.pending.iter().map(|(shard, wish)| (*shard, wish.start.clone(), wish.wanted.to_vec()));
        Self {
            id: job.id,
            kind: job.kind,
            state: job.state,
            pending: pending.collect(),
            active: job.active,
            done: job.done,
            total: job.total,
            bytes_total: job.bytes_total,
            dead: job.dead,
            accepted: job.accepted,
            leaving: job.leaving,
            began: job.began,
            ended: job.ended,
            former: job.former,
        }
    }

    pub(super) fn into_job(self) -> Job {
        let pending = self
            .pending
            .into_iter()
            .map(|(shard, start, wanted)| (shard, Pending { start, wanted: wanted.into_iter().collect() }));
        Job {
            id: self.id,
            kind: self.kind,
            state: self.state,
            pending: Arc::new(pending.collect()),
            active: self.active,
            done: self.done,
            total: self.total,
            bytes_total: self.bytes_total,
            dead: self.dead,
            accepted: self.accepted,
            leaving: self.leaving,
            began: self.began,
            ended: self.ended,
            former: self.former,
        }
    }
}
