//! Work that can wait: reading, hashing and writing in bulk, on one thread that gives way to all others.
//!
//! Filling a copy, serving one that fills, counting sums: each is many milliseconds of processor in a row. On the threads of
//! the requests they would take turns with them as equals; here the operating system gives them what requests leave, on a
//! machine without anything left about a tenth. One piece of work at a time, in the order in which it came.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::mpsc;
use tokio::sync::oneshot;

/// How much less than a request's thread this one gets (`nice`, 0 to 19).
const NICENESS: i32 = 10;

type Work = Box<dyn FnOnce() + Send>;

/// See the module's essay. The thread ends when this is dropped and its work is done.
#[derive(Debug)]
pub struct Background {
    work: mpsc::Sender<Work>,
}

/// The work panicked: a bug. Nothing is known of what it was about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Panicked;

impl Background {
    /// With a thread of its own.
    pub fn start() -> std::io::Result<Self> {
        let (work, queue) = mpsc::channel::<Work>();
        let thread = std::thread::Builder::new().name("background".into());
        thread.spawn(move || {
            // Of this thread alone. Where it is not allowed, work is only less polite.
            if let Err(error) = rustix::process::setpriority_process(None, NICENESS) {
                tracing::warn!("the thread of background work can't step back behind requests: {error}");
            }
            for work in queue {
                work();
            }
        })?;
        Ok(Self { work })
    }

    /// Does something after all that was begun before; for its result, `run`.
    pub fn begin(&self, work: impl FnOnce() + Send + 'static) {
        let caught = move || drop(catch_unwind(AssertUnwindSafe(work)));
        drop(self.work.send(Box::new(caught)));
    }

    /// Waits for the result of something.
    pub async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, Panicked> {
        let (done, result) = oneshot::channel();
        self.begin(move || drop(done.send(work())));
        result.await.map_err(|_| Panicked)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn work_is_done_in_order_behind_all_other_threads_and_outlives_a_panic() {
        let background = Background::start().expect("a thread");
        let nice = || rustix::process::getpriority_process(None).expect("known");
        let here = nice();
        assert_eq!(background.run(nice).await, Ok(here.max(NICENESS)));
        assert_eq!(nice(), here, "this thread's own is as it was");
        assert_eq!(background.run(|| panic!("on purpose")).await, Err::<(), _>(Panicked));
        let (said, heard) = mpsc::channel();
        for number in 0..3 {
            let said = said.clone();
            background.begin(move || said.send(number).expect("heard"));
        }
        assert_eq!(background.run(|| 4).await, Ok(4));
        assert_eq!(heard.try_iter().collect::<Vec<i32>>(), [0, 1, 2]);
    }
}
