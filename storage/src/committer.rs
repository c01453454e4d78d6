//! The committer: one thread that turns whatever waits into one batch and one sync.
//!
//! A sync costs 0.1 to 12 ms, a request a few microseconds. While one batch is being synced the next one gathers, so
//! that the number of requests per sync grows with the load by itself, without any timer.
//!
//! ```text
//! submit ─> queue (bounded in items and bytes) ─> up to one batch ─> Replica::apply ─> callbacks
//! ```
//!
//! The queue is bounded twice: a full one refuses at once, and a request whose deadline passed while it waited is
//! refused instead of being stored for nobody. Both refusals promise that nothing was stored.
//!
//! This is the only place of this crate that looks at a clock, and only for deadlines.

use crate::engine::Engine;
use crate::limits::CommitterLimits;
use crate::replica::Replica;
use quorate_model::message::Draft;
use quorate_model::{Body, Record, Refusal, Reply, Request};
use std::collections::VecDeque;
use std::io;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Instant;

#[cfg(test)]
mod tests;

/// What is called with the reply, on the committer's thread: it must neither block nor panic. It is dropped without
/// being called if the committer is abandoned, which means that the outcome is unknown.
pub type Complete = Box<dyn FnOnce(Reply) + Send>;

/// See the module's essay.
#[derive(Debug)]
pub struct Committer {
    shared: Arc<Shared>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

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

#[derive(Debug)]
struct Shared {
    limits: CommitterLimits,
    queue: Mutex<Queue>,
    /// Rung when something was queued or the queue was closed.
    bell: Condvar,
}

#[derive(Default)]
struct Queue {
    jobs: VecDeque<Job>,
    bytes: usize,
    closed: bool,
    statistics: CommitterStatistics,
}

struct Job {
    request: Request,
    bytes: usize,
    deadline: Option<Instant>,
    complete: Complete,
}

impl Committer {
    /// Starts the thread. The error is the operating system's, if it can't start one.
    pub fn start<E: Engine>(replica: Arc<Replica<E>>, limits: CommitterLimits) -> io::Result<Self> {
        let shared = Arc::new(Shared { limits, queue: Mutex::default(), bell: Condvar::new() });
        let worker = Arc::clone(&shared);
        let thread = std::thread::Builder::new().name("committer".into()).spawn(move || {
            // However the loop ends, nobody may go on queueing for it.
            let _closing = Closing { shared: &worker, replica: &replica };
            while let Some(batch) = worker.next_batch() {
                commit(&replica, batch);
            }
        })?;
        Ok(Self { shared, thread: Mutex::new(Some(thread)) })
    }

    /// Queues a request. `complete` gets the reply: at once, on the caller's thread, if the queue is full or closed
    /// (`Overloaded`), otherwise on the committer's thread. A request whose `deadline` passes while it waits is
    /// refused as `Late`.
    pub fn submit(&self, request: Request, deadline: Option<Instant>, complete: Complete) {
        let bytes = request_bytes(&request);
        let mut queue = self.shared.queue();
        let limits = &self.shared.limits;
        let fits = queue.jobs.is_empty()
            || (queue.jobs.len() < limits.queue_items_max && queue.bytes + bytes <= limits.queue_bytes_max);
        if queue.closed || !fits {
            queue.statistics.overloaded += 1;
            drop(queue);
            complete(Reply::Refused(Refusal::Overloaded));
            return;
        }
        queue.bytes += bytes;
        queue.jobs.push_back(Job { request, bytes, deadline, complete });
        drop(queue);
        self.shared.bell.notify_one();
    }

    /// Refuses what comes from now on, carries out what waits, and returns when the thread has ended. Again: nothing.
    pub fn stop(&self) {
        self.shared.close();
        self.join();
    }

    /// Refuses what comes from now on, drops what waits without calling anybody back, and returns when the batch
    /// under way is done: as near to a killed process as a live one gets.
    pub fn abandon(&self) {
        self.shared.close();
        let dropped = std::mem::take(&mut self.shared.queue().jobs);
        drop(dropped);
        self.join();
    }

    /// Counts, and the queue as it is now.
    pub fn statistics(&self) -> CommitterStatistics {
        let queue = self.shared.queue();
        CommitterStatistics { queue_items: queue.jobs.len(), queue_bytes: queue.bytes, ..queue.statistics }
    }

    fn join(&self) {
        let thread = self.thread.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(Err(_)) = thread.map(JoinHandle::join) {
            tracing::error!("the committer had ended in a panic");
        }
    }
}

impl Drop for Committer {
    fn drop(&mut self) {
        self.stop();
    }
}

impl Shared {
    /// Waits for work and takes one batch of it; `None` once the queue is closed and empty.
    fn next_batch(&self) -> Option<Vec<Job>> {
        let mut queue = self.queue();
        loop {
            let batch = queue.take_batch(&self.limits, Instant::now());
            if !batch.late.is_empty() {
                drop(queue);
                for job in batch.late {
                    (job.complete)(Reply::Refused(Refusal::Late));
                }
                queue = self.queue();
            }
            if !batch.jobs.is_empty() {
                return Some(batch.jobs);
            }
            if queue.jobs.is_empty() {
                if queue.closed {
                    return None;
                }
                queue = self.bell.wait(queue).unwrap_or_else(PoisonError::into_inner);
            }
        }
    }

    fn close(&self) {
        self.queue().closed = true;
        self.bell.notify_all();
    }

    fn queue(&self) -> MutexGuard<'_, Queue> {
        // Every change of the queue is complete, whoever panicked elsewhere.
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Closes the queue and drops what waits in it when the thread ends. Ended in a panic, it poisons the replica: nobody
/// knows what became of the batch, and nothing will be stored any more.
struct Closing<'a, E: Engine> {
    shared: &'a Shared,
    replica: &'a Replica<E>,
}

impl<E: Engine> Drop for Closing<'_, E> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.replica.doubt("the committer has ended in a panic");
        }
        self.shared.close();
        let dropped = std::mem::take(&mut self.shared.queue().jobs);
        drop(dropped);
    }
}

#[derive(Default)]
struct Taken {
    jobs: Vec<Job>,
    late: Vec<Job>,
}

impl Queue {
    fn take_batch(&mut self, limits: &CommitterLimits, now: Instant) -> Taken {
        let mut taken = Taken::default();
        let mut bytes = 0;
        while let Some(job) = self.jobs.front() {
            let late = job.deadline.is_some_and(|deadline| deadline <= now);
            let full = taken.jobs.len() >= limits.batch_items_max.max(1)
                || (!taken.jobs.is_empty() && bytes + job.bytes > limits.batch_bytes_max);
            if full && !late {
                break;
            }
            let job = self.jobs.pop_front().expect("it was looked at");
            self.bytes -= job.bytes;
            if late {
                self.statistics.late += 1;
                taken.late.push(job);
            } else {
                bytes += job.bytes;
                taken.jobs.push(job);
            }
        }
        if !taken.jobs.is_empty() {
            self.statistics.batches += 1;
            self.statistics.requests += taken.jobs.len() as u64;
            self.statistics.batch_items_peak = self.statistics.batch_items_peak.max(taken.jobs.len());
        }
        taken
    }
}

impl std::fmt::Debug for Queue {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Queue")
            .field("jobs", &self.jobs.len())
            .field("bytes", &self.bytes)
            .finish_non_exhaustive()
    }
}

fn commit<E: Engine>(replica: &Replica<E>, batch: Vec<Job>) {
    let (requests, completes): (Vec<Request>, Vec<Complete>) =
        batch.into_iter().map(|job| (job.request, job.complete)).unzip();
    let replies = replica.apply(&requests);
    for (complete, reply) in completes.into_iter().zip(replies) {
        complete(reply);
    }
}

/// What a request weighs in the queue: its key, its value and a flat rate for the rest.
fn request_bytes(request: &Request) -> usize {
    const FLAT: usize = 256;
    let body = |body: &Body| body.value_bytes();
    let record = |record: &Record| body(&record.body);
    let draft = |draft: &Draft| body(&draft.body);
    let value = match request {
        Request::Ask { .. } | Request::Read { .. } | Request::Inspect { .. } => 0,
        Request::Write { record: it, .. } | Request::Hint { record: it, .. } => record(it),
        Request::Assign { draft: it, .. } => draft(it),
    };
    FLAT + request.place().sort_key.as_bytes().len() + value
}
