//! The body of the committer's loop: what waits, what becomes one batch, what is refused, and who is told what.
//!
//! ```text
//! offer ─> [ queue, bounded in items and bytes ] ─> take(now) ─> Batch ─> carry_out ─> completions
//!    └─ Err: full or closed                            └─ what is late is refused
//! ```
//!
//! It is plain, single-threaded code that knows neither threads nor clocks: the committer's thread calls it under a
//! lock, the simulator calls it from an event. `T` is the time in which deadlines are told, `C` is what is completed
//! with a reply.
//!
//! # Invariants
//!
//! - A request that was taken in is completed exactly once, or dropped when the queue is abandoned: then its outcome is
//!   unknown.
//! - What is refused, whether at the door or as too late, is never stored.
//! - A batch has one request at least, whatever its size.

use crate::engine::Engine;
use crate::limits::CommitterLimits;
use crate::replica::Replica;
use crate::rules::committing;
use quorate_model::{Refusal, Reply, Request};
use std::collections::VecDeque;

/// Counts since the start, and the queue as it is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CommitterStatistics {
    /// Batches applied.
    pub batches: u64,
    /// Requests in them.
    pub requests: u64,
    /// Requests refused because the queue was full or closed.
    pub overloaded: u64,
    /// Requests refused because their deadline had passed.
    pub late: u64,
    /// Requests that wait now.
    pub queue_items: usize,
    /// Bytes of the requests that wait now.
    pub queue_bytes: usize,
    /// The most requests that one batch held.
    pub batch_items_peak: usize,
}

/// See the module's essay.
#[derive(Debug)]
pub struct CommitQueue<T, C> {
    limits: CommitterLimits,
    jobs: VecDeque<Job<T, C>>,
    bytes: usize,
    closed: bool,
    statistics: CommitterStatistics,
}

#[derive(Debug)]
struct Job<T, C> {
    request: Request,
    bytes: usize,
    deadline: Option<T>,
    completion: C,
}

/// What is carried out together, and what came too late for it.
#[derive(Debug)]
pub struct Batch<C> {
    due: Vec<(Request, C)>,
    late: Vec<(Request, C)>,
}

impl<T: Copy + Ord, C> CommitQueue<T, C> {
    /// An empty queue with these limits.
    pub fn new(limits: CommitterLimits) -> Self {
        Self {
            limits,
            jobs: VecDeque::new(),
            bytes: 0,
            closed: false,
            statistics: CommitterStatistics::default(),
        }
    }

    /// Takes a request in. The error is its completion: the queue is full or closed, and the reply is `Overloaded`.
    pub fn offer(&mut self, request: Request, deadline: Option<T>, completion: C) -> Result<(), C> {
        let bytes = request_bytes(&request);
        let fits = self.jobs.is_empty()
            || (self.jobs.len() < self.limits.queue_items_max
                && self.bytes + bytes <= self.limits.queue_bytes_max);
        if self.closed || !fits {
            self.statistics.overloaded += 1;
            return Err(completion);
        }
        self.bytes += bytes;
        self.jobs.push_back(Job { request, bytes, deadline, completion });
        Ok(())
    }

    /// Takes what is to be carried out next: the oldest requests that are in time, as many as one batch holds, and
    /// whatever before them is too late. Both are empty only if nothing waits.
    pub fn take(&mut self, now: T) -> Batch<C> {
        let mut batch = Batch { due: Vec::new(), late: Vec::new() };
        let mut bytes = 0;
        while let Some(job) = self.jobs.front() {
            let late = job.deadline.is_some_and(|deadline| deadline <= now);
            let full = batch.due.len() >= self.limits.batch_items_max.max(1)
                || (!batch.due.is_empty() && bytes + job.bytes > self.limits.batch_bytes_max);
            if full && !late {
                break;
            }
            let job = self.jobs.pop_front().expect("it was looked at");
            self.bytes -= job.bytes;
            if late {
                self.statistics.late += 1;
                batch.late.push((job.request, job.completion));
            } else {
                bytes += job.bytes;
                batch.due.push((job.request, job.completion));
            }
        }
        if !batch.due.is_empty() {
            self.statistics.batches += 1;
            self.statistics.requests += batch.due.len() as u64;
            self.statistics.batch_items_peak = self.statistics.batch_items_peak.max(batch.due.len());
        }
        batch
    }

    /// Takes nothing in from now on. What waits is still to be carried out.
    pub fn close(&mut self) {
        self.closed = true;
    }

    /// Takes nothing in from now on, and hands back what waits: to be dropped, which leaves its outcome unknown.
    pub fn abandon(&mut self) -> Vec<C> {
        self.closed = true;
        self.bytes = 0;
        self.jobs.drain(..).map(|job| job.completion).collect()
    }

    /// Whether nothing waits.
    pub fn is_empty(&self) -> bool {
        self.jobs.is_empty()
    }

    /// Whether nothing is taken in any more.
    pub fn is_closed(&self) -> bool {
        self.closed
    }

    /// Counts, and the queue as it is now.
    pub fn statistics(&self) -> CommitterStatistics {
        CommitterStatistics { queue_items: self.jobs.len(), queue_bytes: self.bytes, ..self.statistics }
    }
}

impl<C> Batch<C> {
    /// Whether there is nothing to do.
    pub fn is_empty(&self) -> bool {
        self.due.is_empty() && self.late.is_empty()
    }

    /// The requests that will be carried out, and those that will be refused as late.
    pub fn requests(&self) -> impl Iterator<Item = &Request> {
        self.due.iter().chain(&self.late).map(|(request, _)| request)
    }

    /// Refuses what is late, then applies the rest as one batch; completes each with its reply.
    pub fn carry_out<E: Engine>(self, replica: &Replica<E>, mut complete: impl FnMut(C, Reply)) {
        for (request, completion) in self.late {
            if committing::is_carried_out(replica.rules(), true) {
                replica.apply(std::slice::from_ref(&request));
            }
            complete(completion, Reply::Refused(Refusal::Late));
        }
        if self.due.is_empty() {
            return;
        }
        let (requests, completions): (Vec<Request>, Vec<C>) = self.due.into_iter().unzip();
        let replies = replica.apply(&requests);
        for (completion, reply) in completions.into_iter().zip(replies) {
            complete(completion, reply);
        }
    }
}

/// The committer has ended, in order or in a panic. After a panic it is unknown what became of the batch under way, and
/// nothing will be stored any more: the replica is doubtful.
pub fn ended<E: Engine>(replica: &Replica<E>, panicked: bool) {
    if panicked {
        replica.doubt("the committer has ended in a panic");
    }
}

/// What a request weighs in the queue: its key, its value and a flat rate for the rest.
fn request_bytes(request: &Request) -> usize {
    const FLAT: usize = 256;
    FLAT + request.place().sort_key.as_bytes().len() + request.value_bytes()
}
