//! The committer: one thread that turns whatever waits into one batch and one sync.
//!
//! A sync costs 0.1 to 12 ms, a request a few microseconds. While one batch is being synced the next one gathers, so
//! that the number of requests per sync grows with the load by itself, without any timer.
//!
//! ```text
//! submit ─> CommitQueue ─> up to one batch ─> Replica::apply ─> callbacks
//! ```
//!
//! What waits, what becomes a batch and who is told what is decided by [`queue`], plain code that the simulator calls
//! too. Here are the thread, the lock and the clock.
//!
//! The queue is bounded twice: a full one refuses at once, and a request whose deadline passed while it waited is
//! refused instead of being stored for no caller. Both refusals promise that nothing was stored.
//!
//! This is the only place of this crate that looks at a clock, and only for deadlines.

pub mod queue;

use crate::engine::Engine;
use crate::limits::CommitterLimits;
use crate::replica::Replica;
use quorate_model::{Refusal, Reply, Request};
use std::io;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Instant;

use queue::Batch;
pub use queue::{CommitQueue, CommitterStatistics};

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

type Queue = CommitQueue<Instant, Complete>;

struct Shared {
    queue: Mutex<Queue>,
    /// Rung when something was queued or the queue was closed.
    bell: Condvar,
}

impl Committer {
    /// Starts the thread. The error is the operating system's, if it can't start one.
    pub fn start<E: Engine>(replica: Arc<Replica<E>>, limits: CommitterLimits) -> io::Result<Self> {
        let shared = Arc::new(Shared { queue: Mutex::new(CommitQueue::new(limits)), bell: Condvar::new() });
        let worker = Arc::clone(&shared);
        let thread = std::thread::Builder::new().name("committer".into()).spawn(move || {
            // However the loop ends, no caller may go on queueing for it.
            let _closing = Closing { shared: &worker, replica: &replica };
            while let Some(batch) = worker.next_batch() {
                batch.carry_out(&replica, |complete, reply| complete(reply));
            }
        })?;
        Ok(Self { shared, thread: Mutex::new(Some(thread)) })
    }

    /// Queues a request. `complete` gets the reply: at once, on the caller's thread, if the queue is full or closed
    /// (`Overloaded`), otherwise on the committer's thread. A request whose `deadline` passes while it waits is
    /// refused as `Late`.
    pub fn submit(&self, request: Request, deadline: Option<Instant>, complete: Complete) {
        let offered = self.shared.queue().offer(request, deadline, complete);
        match offered {
            Ok(()) => self.shared.bell.notify_one(),
            Err(complete) => complete(Reply::Refused(Refusal::Overloaded)),
        }
    }

    /// Refuses what comes from now on, carries out what waits, and returns when the thread has ended. Again: nothing.
    pub fn stop(&self) {
        self.shared.close();
        self.join();
    }

    /// Refuses what comes from now on, drops what waits without completing any call, and returns when the batch
    /// under way is done: as near to a killed process as a live one gets.
    pub fn abandon(&self) {
        self.shared.abandon();
        self.join();
    }

    /// Counts, and the queue as it is now.
    pub fn statistics(&self) -> CommitterStatistics {
        self.shared.queue().statistics()
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
    fn next_batch(&self) -> Option<Batch<Complete>> {
        let mut queue = self.queue();
        loop {
            let batch = queue.take(Instant::now());
            if !batch.is_empty() {
                return Some(batch);
            }
            if queue.is_closed() {
                return None;
            }
            queue = self.bell.wait(queue).unwrap_or_else(PoisonError::into_inner);
        }
    }

    fn close(&self) {
        self.queue().close();
        self.bell.notify_all();
    }

    fn abandon(&self) {
        let abandoned = self.queue().abandon();
        self.bell.notify_all();
        // Without the lock: what is dropped may say so.
        drop(abandoned);
    }

    fn queue(&self) -> MutexGuard<'_, Queue> {
        // Every change of the queue is complete, even after a panic elsewhere.
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Closes the queue and drops what waits in it when the thread ends.
struct Closing<'a, E: Engine> {
    shared: &'a Shared,
    replica: &'a Replica<E>,
}

impl<E: Engine> Drop for Closing<'_, E> {
    fn drop(&mut self) {
        queue::ended(self.replica, std::thread::panicking());
        self.shared.abandon();
    }
}

impl std::fmt::Debug for Shared {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Shared").field("statistics", &self.queue().statistics()).finish_non_exhaustive()
    }
}
