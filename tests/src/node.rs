//! One simulated node: a disk that outlives its processes, and at most one process at a time.
//!
//! The disk is the memory engine, which forgets what was not synced when the power is cut. The process is the real
//! replica over that engine, the operations that it coordinates, and a source of stamps with its own boot. A new
//! process is a new *run*: whatever was on its way to the old one is dropped.

use crate::clock::Clock;
use crate::drive::Running;
use crate::event::Job;
use crate::purge::Purging;
use crate::replay::Batch;
use crate::scan::RunningPage;
use crate::sync::Syncing;
use quorate_coordinator::Replay;
use quorate_coordinator::fill::Filling;
use quorate_model::{Boot, ClusterId, NodeId, Reply, Rules, Run, Stamps};
use quorate_storage::{
    CommitQueue, CommitterLimits, MemoryEngine, Recollection, Replica, ReplicaLimits, SumsSetting,
};
use std::collections::BTreeMap;
use std::sync::Arc;

/// One node.
#[derive(Debug)]
pub struct Node {
    /// Its id.
    pub id: NodeId,
    /// Its disk.
    pub engine: Arc<MemoryEngine>,
    /// Its wall clock.
    pub clock: Clock,
    /// How many processes it has had: tells the present one from those before.
    pub run: u32,
    /// The process; `None` while it is down.
    pub process: Option<Process>,
    /// When every node knows that it is down, in microseconds.
    pub down_known_at: u64,
    /// It stands still until then, in microseconds.
    pub paused_until: u64,
    /// From when until when it stood still, in microseconds: one after the other.
    standstills: Vec<(u64, u64)>,
    /// How much of the catalog it has heard of: a number of commands.
    pub heard: usize,
    /// Whether it hears nothing new of the catalog for now.
    pub deaf: bool,
    /// Whether its disk failed: until it comes back as another incarnation.
    pub broken: bool,
    /// Which of its replicas this is.
    pub incarnation: u64,
    /// Whether its disk was lost, and it knows; it comes back as another incarnation.
    pub lost: bool,
    /// Whether it goes on then with what its disk still holds.
    pub goes_on: bool,
    /// Shards that a process of it was filling when it ended.
    pub was_filling: bool,
    /// Whether its replica said that it doubts its disk.
    pub doubted: bool,
    /// Batches take long until then, in microseconds.
    pub slow_until: u64,
    /// Looks through its hints, and hints sent: names for streams of chance.
    pub replays: u64,
    /// Rounds of sync that it began: names for streams of chance.
    pub rounds: u64,
}

/// What dies with a process.
#[derive(Debug)]
pub struct Process {
    /// The real replica.
    pub replica: Arc<Replica<MemoryEngine>>,
    /// What it and its peers remember of each other, by the real rules.
    pub recollection: Recollection<MemoryEngine>,
    /// Where its versions come from.
    pub stamps: Stamps,
    /// Operations that it coordinates, by number.
    pub running: BTreeMap<u64, Running>,
    /// Pages of scans that it coordinates, by number.
    pub pages: BTreeMap<u64, RunningPage>,
    /// The real queue of the committer, in microseconds.
    pub queue: CommitQueue<u64, Job>,
    /// Batches that it began: names for streams of chance.
    pub batches: u64,
    /// The real replay of its hints; it is out while it takes a step.
    pub replay: Option<Replay>,
    /// Batches of hints on their way, by owner.
    pub batches_sent: BTreeMap<NodeId, Batch>,
    /// The real filling of its copies; it is out while it takes a step.
    pub filling: Option<Filling>,
    /// What its filling waits for that is made of several requests, by number.
    pub fetches: BTreeMap<u64, Vec<Option<Reply>>>,
    /// Whether a batch is being written.
    pub committing: bool,
    /// The round of sync that it runs.
    pub syncing: Option<Syncing>,
    /// The run of the purge that it runs.
    pub purging: Option<Purging>,
}

impl Node {
    /// A node that never ran.
    pub fn new(id: NodeId, clock: Clock) -> Self {
        Self {
            id,
            engine: Arc::new(MemoryEngine::new()),
            clock,
            run: 0,
            process: None,
            down_known_at: 0,
            paused_until: 0,
            standstills: Vec::new(),
            heard: 0,
            deaf: false,
            broken: false,
            incarnation: 1,
            lost: false,
            goes_on: false,
            was_filling: false,
            doubted: false,
            slow_until: 0,
            replays: 0,
            rounds: 0,
        }
    }

    /// Starts a process. Both boots are random bits that no other process of this node had.
    pub fn start(
        &mut self,
        boot: Boot,
        replica_boot: Boot,
        rules: Rules,
        (limits, committer): (ReplicaLimits, CommitterLimits),
        (replay, filling, stamps): (Replay, Filling, Stamps),
    ) {
        self.run += 1;
        let incarnation = self.incarnation;
        let engine = Arc::clone(&self.engine);
        // Small, so that chunks are cut and joined.
        let sums = SumsSetting { chunk_keys: 2, ..SumsSetting::of(ClusterId(1)) };
        let replica = Arc::new(Replica::new(
            engine,
            self.id,
            Run { incarnation, boot: replica_boot },
            rules,
            limits,
            sums,
        ));
        self.process = Some(Process {
            recollection: Recollection::new(Arc::clone(&replica), self.id, Run { incarnation, boot }),
            replica,
            stamps,
            running: BTreeMap::new(),
            pages: BTreeMap::new(),
            queue: CommitQueue::new(committer),
            batches: 0,
            replay: Some(replay),
            batches_sent: BTreeMap::new(),
            filling: Some(filling),
            fetches: BTreeMap::new(),
            committing: false,
            syncing: None,
            purging: None,
        });
    }

    /// Its process stands still from now on.
    pub fn stand_still(&mut self, now: u64, until: u64) {
        let until = until.max(self.paused_until);
        match self.standstills.last_mut().filter(|(_, end)| *end >= now) {
            Some((_, end)) => *end = until,
            None => self.standstills.push((now, until)),
        }
        self.paused_until = until;
    }

    /// Its process goes on, or has ended.
    pub fn go_on(&mut self, now: u64) {
        self.paused_until = 0;
        if let Some((_, end)) = self.standstills.last_mut() {
            *end = now.min(*end);
        }
    }

    /// How long it stood still between two times, in microseconds.
    pub fn stood_still(&self, from: u64, until: u64) -> u64 {
        let overlap = |(begin, end): &(u64, u64)| end.min(&until).saturating_sub(*begin.max(&from));
        self.standstills.iter().map(overlap).sum()
    }

    /// The process of that run, if it still lives.
    pub fn living(&mut self, run: u32) -> Option<&mut Process> {
        if self.run == run { self.process.as_mut() } else { None }
    }
}
