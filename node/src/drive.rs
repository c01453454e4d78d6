//! The driver: runs any operation's machine, over a transport, to its end.
//!
//! What decides is a session ([`quorate_coordinator::session`]) and the machine in it; here messages are sent, answers
//! awaited and plans looked up. It is the only place on the data path that awaits replies. Each operation is one task
//! with one mailbox: every answer, from a peer or from this node's own replica, lands there, with the call it belongs
//! to.
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

use crate::clock;
use crate::views::Views;
use quorate_coordinator::{Action, ActionOf, Ask, Call, Ended, EndedOf, Failure, Machine, Session};
use quorate_coordinator::{Position, Said, session};
use quorate_model::{Epoch, NodeId, RangeReply, RangeRequest, Reply, Request, Rules, TableId};
use std::fmt::Debug;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use thiserror::Error;
use tokio::sync::{mpsc, oneshot};
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
}

/// What goes over a transport.
pub trait Sent: Ask<Reply: Debug + Send> + Send + Sized {
    /// Sends it.
    fn send(self, over: &dyn Transport, to: NodeId, deadline: Instant, completion: Completion<Self::Reply>);

    /// Bytes of the values that a reply to it brings: its asker may keep them.
    fn value_bytes(reply: &Self::Reply) -> usize;
}

/// The completion callback of one call. Dropped unused, it says that the call is lost.
#[derive(Debug)]
pub struct Completion<R = Reply> {
    mailbox: Option<Mailbox<R>>,
    call: Call,
}

/// Where an operation hears how its calls ended.
type Mailbox<R> = mpsc::UnboundedSender<(Call, Ended<R>)>;

impl<R> Completion<R> {
    /// Completes the call.
    pub fn complete(mut self, ended: Ended<R>) {
        self.post(ended);
    }

    fn post(&mut self, ended: Ended<R>) {
        if let Some(mailbox) = self.mailbox.take() {
            // An operation that is over has closed its mailbox.
            drop(mailbox.send((self.call, ended)));
        }
    }
}

impl<R> Drop for Completion<R> {
    fn drop(&mut self) {
        self.post(Err(Failure::Lost));
    }
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

    /// Runs a machine in a task of its own and waits for its answer. Dropping the returned future does not stop it.
    pub async fn run<M>(self: &Arc<Self>, machine: M, subject: Subject) -> Result<M::Answer, Panicked>
    where
        M: Machine<Request: Sent> + Send + 'static,
        M::Answer: Send + 'static,
    {
        let (answer, answered) = oneshot::channel();
        let mut running = Running::begin(Arc::clone(self), subject.value_bytes);
        tokio::spawn(async move { running.operate(machine, subject, answer).await });
        answered.await.map_err(|_| Panicked)
    }

    /// Asks one node one thing outside any operation; the request is on its way when this returns.
    pub fn ask<Q: Sent>(
        &self,
        to: NodeId,
        request: Q,
        deadline: Instant,
    ) -> impl Future<Output = Result<Q::Reply, Failure>> + use<Q> {
        let (mailbox, mut ends) = mpsc::unbounded_channel();
        request.send(&*self.transport, to, deadline, Completion { mailbox: Some(mailbox), call: Call(0) });
        async move { ends.recv().await.map_or(Err(Failure::Lost), |(_, ended)| ended.map(|said| said.reply)) }
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

    /// Carries out what a session wants; false once it is over.
    fn carry_out<A, Q: Sent>(
        &self,
        actions: &mut Vec<Action<A, Q>>,
        mailbox: &Mailbox<Q::Reply>,
        answer: &mut Option<oneshot::Sender<A>>,
    ) -> bool {
        for action in actions.drain(..) {
            match action {
                Action::Send { call, to, request, deadline } => {
                    let completion = Completion { mailbox: Some(mailbox.clone()), call };
                    request.send(&*self.transport, to, clock::tokio_instant(deadline), completion);
                }
                Action::Respond(answered) => {
                    if let Some(answer) = answer.take() {
                        // The caller may have gone; the operation has not.
                        drop(answer.send(answered));
                    }
                }
                Action::Done => return false,
            }
        }
        true
    }

    /// Waits until a catalog that is awaited has been applied; for ever, if none is.
    async fn caught_up(&self, awaited: Option<Epoch>) {
        match awaited {
            Some(epoch) => self.views.applied(epoch).await,
            None => std::future::pending().await,
        }
    }
}

async fn sleep_until(wake: Option<Instant>) {
    match wake {
        Some(wake) => tokio::time::sleep_until(wake).await,
        None => std::future::pending().await,
    }
}

/// One operation at work, for as long as this exists; counts a panic of its machine.
struct Running {
    driver: Arc<Driver>,
    value_bytes: u64,
}

impl Running {
    fn begin(driver: Arc<Driver>, value_bytes: usize) -> Self {
        driver.running.fetch_add(1, Ordering::Relaxed);
        let mut running = Self { driver, value_bytes: 0 };
        running.holds_more(value_bytes);
        running
    }

    fn holds_more(&mut self, value_bytes: usize) {
        self.value_bytes += value_bytes as u64;
        self.driver.value_bytes.fetch_add(value_bytes as u64, Ordering::Relaxed);
    }

    /// Counts what an owner has sent: the machine may keep it.
    fn holds<M: Machine<Request: Sent>>(&mut self, ended: &EndedOf<M>) {
        if let Ok(Said { reply, .. }) = ended {
            self.holds_more(M::Request::value_bytes(reply));
        }
    }

    async fn operate<M: Machine<Request: Sent>>(
        &mut self,
        machine: M,
        subject: Subject,
        answer: oneshot::Sender<M::Answer>,
    ) {
        let driver = Arc::clone(&self.driver);
        let (mailbox, mut ends) = mpsc::unbounded_channel();
        let mut answer = Some(answer);
        let mut actions: Vec<ActionOf<M>> = Vec::new();
        let subject = session::Subject {
            table: subject.table,
            at: subject.at,
            deadline: clock::instant(subject.deadline),
        };
        let mut session = Session::new(machine, subject, driver.rules);
        session.start(clock::now(), &mut actions);
        while driver.carry_out(&mut actions, &mailbox, &mut answer) {
            let wake = session.wake_at().map(clock::tokio_instant);
            tokio::select! {
                biased;
                ended = ends.recv() => {
                    let (call, ended) = ended.expect("this task holds a sender");
                    self.holds::<M>(&ended);
                    session.ended(clock::now(), call, ended, &*driver.views, &mut actions);
                }
                () = driver.caught_up(session.awaits()) => {
                    session.caught_up(clock::now(), &*driver.views, &mut actions);
                }
                () = sleep_until(wake) => session.tick(clock::now(), &*driver.views, &mut actions),
            }
        }
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

impl Drop for Running {
    fn drop(&mut self) {
        self.driver.running.fetch_sub(1, Ordering::Relaxed);
        self.driver.value_bytes.fetch_sub(self.value_bytes, Ordering::Relaxed);
        if std::thread::panicking() {
            self.driver.panics.fetch_add(1, Ordering::Relaxed);
        }
    }
}

#[cfg(test)]
mod tests;
