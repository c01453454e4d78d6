//! The driver: runs any operation's machine, over a transport, to its end.
//!
//! What decides is a session ([`quorate_coordinator::session`]) and the machine in it; here messages are sent, answers
//! awaited and plans looked up. It is the only place on the data path that awaits replies. Each operation has one
//! mailbox: every answer, from a peer or from this node's own replica, lands there, with the call it belongs to.
//!
//! An operation runs in its caller's task until it has answered; what it does then, and all of it where its caller goes
//! away, it does in a task of its own. So a read that this node answers alone needs no second task.
//!
//! ```text
//!            ┌────────── Send ──> Transport ──┬─> this node's replica
//!   session ─┤                                └─> a peer's
//!      ^     └── Respond ──> the caller                │
//!      └─────── ended | caught_up | tick <── mailbox <─┘
//! ```
//!
//! # Invariants
//!
//! - Each call is completed once, whatever happens to the transport.
//! - A caller that goes away takes nothing with it: the session lives on until it is done.

mod mailbox;
mod operation;
mod together;

pub use mailbox::Completion;

use crate::views::Views;
use mailbox::Mailbox;
use quorate_coordinator::{Ask, Call, Failure, Position};
use quorate_model::{NodeId, RangeReply, RangeRequest, Reply, Request, Rules, TableId};
use std::fmt::Debug;
use std::future::poll_fn;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use thiserror::Error;
use tokio::time::Instant;

/// How requests reach owners, this node's own replica among them.
pub trait Transport: Send + Sync + 'static {
    /// Sends a request; the call is completed at `deadline` at the latest.
    fn send(&self, to: NodeId, request: Request, deadline: Instant, completion: Completion);

    /// The same for a request about a range.
    fn send_range(
        &self,
        to: NodeId,
        request: RangeRequest,
        deadline: Instant,
        completion: Completion<RangeReply>,
    );

    /// Does some work; what it sends may go together where it goes to the same node.
    fn gather(&self, work: &mut dyn FnMut()) {
        work();
    }
}

/// What goes over a transport.
pub trait Sent: Ask<Reply: Debug + Send> + Send + Sized {
    /// Sends it.
    fn send(self, over: &dyn Transport, to: NodeId, deadline: Instant, completion: Completion<Self::Reply>);

    /// Bytes of the values that a reply to it brings: its asker may keep them.
    fn value_bytes(reply: &Self::Reply) -> usize;
}

/// What an operation is about: what a newer plan is made from.
#[derive(Clone, Debug)]
pub struct Subject {
    /// Its table.
    pub table: TableId,
    /// Where in the table.
    pub at: Position,
    /// Until when the client waits.
    pub deadline: Instant,
    /// Bytes of the value that it writes; 0 for a read.
    pub value_bytes: usize,
}

/// What drives operations. One per node.
pub struct Driver {
    transport: Arc<dyn Transport>,
    views: Arc<Views>,
    rules: Rules,
    running: AtomicU64,
    value_bytes: AtomicU64,
    panics: AtomicU64,
}

/// What the operations at work hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Load {
    /// How many are at work, those among them that have answered and wait for slow owners.
    pub running: u64,
    /// Bytes of the values that they write, or have been sent by owners.
    pub value_bytes: u64,
}

/// The machine panicked: a bug. What it had sent is sent; no more is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("the operation's machine has panicked; its outcome is unknown")]
pub struct Panicked;

impl Panicked {
    /// Lets the caller panic too: there is no answer, and the edge turns a panic into "500, a bug" with the
    /// request's id.
    pub fn propagate(self) -> ! {
        panic!("{self}")
    }
}

impl Driver {
    /// Over this transport, replanning from these views, by these rules.
    pub fn new(transport: Arc<dyn Transport>, views: Arc<Views>, rules: Rules) -> Arc<Self> {
        Arc::new(Self {
            transport,
            views,
            rules,
            running: AtomicU64::new(0),
            value_bytes: AtomicU64::new(0),
            panics: AtomicU64::new(0),
        })
    }

    /// Asks one node one thing outside any operation; the request is on its way when this returns.
    pub fn ask<Q: Sent>(
        &self,
        to: NodeId,
        request: Q,
        deadline: Instant,
    ) -> impl Future<Output = Result<Q::Reply, Failure>> + use<Q> {
        let mailbox = Mailbox::new();
        request.send(&*self.transport, to, deadline, mailbox.completion(Call(0)));
        async move {
            let (_, ended) = poll_fn(|cx| mailbox.poll(cx)).await;
            ended.map(|said| said.reply)
        }
    }

    /// What the operations hold whose machines are still at work.
    pub fn load(&self) -> Load {
        let of = |count: &AtomicU64| count.load(Ordering::Relaxed);
        Load { running: of(&self.running), value_bytes: of(&self.value_bytes) }
    }

    /// Machines that panicked.
    pub fn panics(&self) -> u64 {
        self.panics.load(Ordering::Relaxed)
    }
}

impl Sent for Request {
    fn send(self, over: &dyn Transport, to: NodeId, deadline: Instant, completion: Completion) {
        over.send(to, self, deadline, completion);
    }

    fn value_bytes(reply: &Reply) -> usize {
        match reply {
            Reply::Record(Some(record)) => record.body.value_bytes(),
            Reply::Record(None)
            | Reply::Known { .. }
            | Reply::Digest { .. }
            | Reply::Written { .. }
            | Reply::Assigned { .. }
            | Reply::Hinted
            | Reply::Inspected(_)
            | Reply::Absent { .. }
            | Reply::Refused(_)
            | Reply::Broken => 0,
        }
    }
}

impl Sent for RangeRequest {
    fn send(self, over: &dyn Transport, to: NodeId, deadline: Instant, completion: Completion<RangeReply>) {
        over.send_range(to, self, deadline, completion);
    }

    fn value_bytes(reply: &RangeReply) -> usize {
        match reply {
            RangeReply::Scanned(scanned) => {
                let records = scanned.entries.iter().filter_map(|entry| entry.record.as_ref());
                records.map(|record| record.body.value_bytes()).sum()
            }
            RangeReply::Fetched(fetched) => {
                fetched.records.iter().map(|keyed| keyed.record.body.value_bytes()).sum()
            }
            RangeReply::Paged(paged) => paged.records.iter().map(|raw| raw.record.len()).sum(),
            RangeReply::Refused(_)
            | RangeReply::Sums(_)
            | RangeReply::Parted(_)
            | RangeReply::Listed(_)
            | RangeReply::Merged
            | RangeReply::Floored(_)
            | RangeReply::Removals(_)
            | RangeReply::Confirmed(_)
            | RangeReply::Dropped(_)
            | RangeReply::Broken => 0,
        }
    }
}

#[cfg(test)]
mod tests;
