//! The books of sync: what is ordered, what became of it, and when each shard was last found equal.

use quorate_coordinator::sync::{Counts, Outcome, Shard, Way};
use quorate_model::{SortKey, TableId, WallTime};
use std::collections::{BTreeMap, VecDeque};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use tokio::sync::Notify;
use tokio::time::Instant;

/// Jobs that are remembered.
const JOBS_MAX: usize = 16;

/// Why a job was begun.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cause {
    /// It was time.
    Time,
    /// An owner returned.
    Returned,
    /// A hint did not fit.
    Hints,
    /// A person or a program ordered it.
    Order,
}

/// One walk over the shards whose sync this node runs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Job {
    /// Counts from 1 with the process.
    pub id: u64,
    /// Whether differences are brought together, or only counted.
    pub way: Way,
    /// Of this table only.
    pub table: Option<TableId>,
    /// Why.
    pub cause: Cause,
    /// When it began; `None`: it waits.
    pub began_at: Option<WallTime>,
    /// When it ended.
    pub ended_at: Option<WallTime>,
    /// Shards that were found equal at all owners that were asked.
    pub equal: u64,
    /// Shards of which all owners were brought to what any of them held, while traffic went on.
    pub brought: u64,
    /// Shards that differ.
    pub differing: u64,
    /// Shards of which one owner is still counting.
    pub not_counted: u64,
    /// Shards of which an owner did not answer, or refused.
    pub open: u64,
    /// Shards of which an owner is away.
    pub short: u64,
    /// Why the last of the open ones is.
    pub reason: Option<String>,
    /// What was found and brought.
    pub counts: Counts,
    /// Bytes that came from other nodes or went to them.
    pub bytes: u64,
}

/// When the shards of a table were last found equal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Proofs {
    /// Shards whose sync this node runs.
    pub shards: u64,
    /// Those of them that were never found equal at all their owners in this run.
    pub never: u64,
    /// Milliseconds since the oldest of the others; 0: there are none.
    pub oldest_ms: u64,
}

/// See the module's essay.
#[derive(Debug, Default)]
pub struct Books {
    state: Mutex<State>,
    bell: Notify,
    counts: Totals,
}

#[derive(Debug, Default)]
struct State {
    jobs: VecDeque<Job>,
    last_id: u64,
    /// By table and where the shard begins.
    proven: BTreeMap<(TableId, SortKey), Option<Instant>>,
}

/// Counts since the start.
#[derive(Debug, Default)]
struct Totals {
    pulled: AtomicU64,
    pushed: AtomicU64,
    differing: AtomicU64,
    bytes: AtomicU64,
}

impl Books {
    /// Orders a job; the same one that waits already is taken for it. Its id.
    pub fn order(&self, way: Way, table: Option<TableId>, cause: Cause) -> u64 {
        let mut state = self.state();
        let is_same = |job: &&Job| job.began_at.is_none() && (job.way, job.table) == (way, table);
        if let Some(waiting) = state.jobs.iter().find(is_same) {
            return waiting.id;
        }
        state.last_id += 1;
        let job = Job {
            id: state.last_id,
            way,
            table,
            cause,
            began_at: None,
            ended_at: None,
            equal: 0,
            brought: 0,
            differing: 0,
            not_counted: 0,
            open: 0,
            short: 0,
            reason: None,
            counts: Counts::default(),
            bytes: 0,
        };
        let id = job.id;
        state.jobs.push_back(job);
        while state.jobs.len() > JOBS_MAX {
            state.jobs.pop_front();
        }
        drop(state);
        self.bell.notify_one();
        id
    }

    /// Waits until something is ordered.
    pub async fn ordered(&self) {
        self.bell.notified().await;
    }

    /// The next job that waits, begun.
    pub(super) fn begin(&self) -> Option<Job> {
        let mut state = self.state();
        let job = state.jobs.iter_mut().find(|job| job.began_at.is_none())?;
        job.began_at = Some(crate::clock::wall());
        Some(job.clone())
    }

    /// The job under way is done.
    pub(super) fn end(&self) {
        let mut state = self.state();
        let Some(job) = state.running() else { return };
        job.ended_at = Some(crate::clock::wall());
        let Job { way, counts, bytes, open, not_counted, .. } = job.clone();
        drop(state);
        if counts != Counts::default() || open + not_counted > 0 {
            let Counts { differing, pulled, pushed, .. } = counts;
            tracing::info!(?way, differing, pulled, pushed, bytes, open, not_counted, "owners were compared");
        }
    }

    /// What came of a shard.
    pub(super) fn shard(&self, shard: &Shard, outcome: Outcome, counts: Counts) {
        let mut state = self.state();
        let is_proven = matches!(outcome, Outcome::Equal | Outcome::Brought) && !shard.is_short;
        if is_proven && !shard.others.is_empty() {
            let key = (shard.over.table, shard.over.interval.start.clone());
            state.proven.insert(key, Some(Instant::now()));
        }
        let Some(job) = state.running() else { return };
        match outcome {
            Outcome::Equal => job.equal += 1,
            Outcome::Brought => job.brought += 1,
            Outcome::Differs => job.differing += 1,
            Outcome::NotCounted => job.not_counted += 1,
            Outcome::Open(node, failure) => {
                job.open += 1;
                job.reason = Some(format!("{node}: {}", words(failure)));
            }
        }
        job.short += u64::from(shard.is_short);
        job.counts += counts;
        drop(state);
        self.counts.pulled.fetch_add(counts.pulled, Ordering::Relaxed);
        self.counts.pushed.fetch_add(counts.pushed, Ordering::Relaxed);
        self.counts.differing.fetch_add(counts.differing, Ordering::Relaxed);
    }

    /// So many bytes were moved.
    pub(super) fn moved(&self, bytes: u64) {
        self.counts.bytes.fetch_add(bytes, Ordering::Relaxed);
        if let Some(job) = self.state().running() {
            job.bytes += bytes;
        }
    }

    /// These are the shards whose sync this node runs now.
    pub(super) fn retain(&self, shards: &[Shard]) {
        let mut state = self.state();
        let mut known = std::mem::take(&mut state.proven);
        let keys = shards.iter().map(|shard| (shard.over.table, shard.over.interval.start.clone()));
        state.proven = keys.map(|key| (key.clone(), known.remove(&key).flatten())).collect();
    }

    /// Jobs that are remembered, the newest first.
    pub fn jobs(&self) -> Vec<Job> {
        self.state().jobs.iter().rev().cloned().collect()
    }

    /// When the shards of each table were last found equal.
    pub fn proofs(&self) -> BTreeMap<TableId, Proofs> {
        let now = Instant::now();
        let mut proofs: BTreeMap<TableId, Proofs> = BTreeMap::new();
        for ((table, _), proven) in &self.state().proven {
            let of = proofs.entry(*table).or_insert(Proofs { shards: 0, never: 0, oldest_ms: 0 });
            of.shards += 1;
            match proven {
                Some(at) => {
                    let age = u64::try_from(now.duration_since(*at).as_millis()).unwrap_or(u64::MAX);
                    of.oldest_ms = of.oldest_ms.max(age);
                }
                None => of.never += 1,
            }
        }
        proofs
    }

    /// Since the start: records pulled, pushed, found at one owner only; bytes.
    pub fn totals(&self) -> [u64; 4] {
        let of = |total: &AtomicU64| total.load(Ordering::Relaxed);
        let Totals { pulled, pushed, differing, bytes } = &self.counts;
        [of(pulled), of(pushed), of(differing), of(bytes)]
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // Every change of it is complete, even after a panic elsewhere.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn running(&mut self) -> Option<&mut Job> {
        self.jobs.iter_mut().find(|job| job.began_at.is_some() && job.ended_at.is_none())
    }
}

fn words(failure: quorate_coordinator::Failure) -> String {
    match failure {
        quorate_coordinator::Failure::NotSent => "there is no connection to it".to_owned(),
        quorate_coordinator::Failure::Lost => "no answer in time".to_owned(),
        quorate_coordinator::Failure::Refused(refusal) => refusal.to_string(),
    }
}
