//! Where an operation hears how its calls ended: what was posted waits here, and wakes the one task that reads.

use quorate_coordinator::{Call, Ended, Failure};
use quorate_model::Reply;
use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

/// See the module's essay.
#[derive(Debug)]
pub(super) struct Mailbox<R>(Mutex<Posted<R>>);

#[derive(Debug)]
struct Posted<R> {
    ended: VecDeque<(Call, Ended<R>)>,
    reader: Option<Waker>,
}

/// The completion callback of one call. Dropped unused, it says that the call is lost.
#[derive(Debug)]
pub struct Completion<R = Reply> {
    mailbox: Option<Arc<Mailbox<R>>>,
    call: Call,
}

impl<R> Completion<R> {
    /// Completes the call.
    pub fn complete(mut self, ended: Ended<R>) {
        self.post(ended);
    }

    fn post(&mut self, ended: Ended<R>) {
        if let Some(mailbox) = self.mailbox.take() {
            mailbox.post(self.call, ended);
        }
    }
}

impl<R> Drop for Completion<R> {
    fn drop(&mut self) {
        self.post(Err(Failure::Lost));
    }
}

impl<R> Mailbox<R> {
    /// An empty one.
    pub(super) fn new() -> Arc<Self> {
        Arc::new(Self(Mutex::new(Posted { ended: VecDeque::new(), reader: None })))
    }

    /// What completes this call.
    pub(super) fn completion(self: &Arc<Self>, call: Call) -> Completion<R> {
        Completion { mailbox: Some(Arc::clone(self)), call }
    }

    fn post(&self, call: Call, ended: Ended<R>) {
        let reader = {
            let mut posted = self.posted();
            posted.ended.push_back((call, ended));
            posted.reader.take()
        };
        if let Some(reader) = reader {
            reader.wake();
        }
    }

    /// The next call that has ended. One task reads: the last that asked is woken.
    pub(super) fn poll(&self, cx: &mut Context<'_>) -> Poll<(Call, Ended<R>)> {
        let mut posted = self.posted();
        if let Some(ended) = posted.ended.pop_front() {
            return Poll::Ready(ended);
        }
        match &mut posted.reader {
            Some(reader) => reader.clone_from(cx.waker()),
            none => *none = Some(cx.waker().clone()),
        }
        Poll::Pending
    }

    fn posted(&self) -> MutexGuard<'_, Posted<R>> {
        // Every change of it is complete, even after a panic elsewhere.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
