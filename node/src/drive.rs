//! The driver: runs any operation's machine, over a transport, to its end.
//!
//! A machine decides and never does ([`quorate_coordinator::machine`]); this is the only place on the data path that
//! awaits replies. Each operation is one task with one mailbox: every answer, from a peer or from this node's own
//! replica, lands there, with the call it belongs to.
//!
//! ```text
//!            ┌────────── Send ──> Transport ──┬─> this node's replica
//!   machine ─┤                                └─> a peer's
//!      ^     └── Respond ──> the caller                │
//!      └──────── Reply | Failed | Tick <── mailbox <───┘
//! ```
//!
//! # Invariants
//!
//! - Each call that a machine sends gets exactly one input back, whatever happens to the transport.
//! - A caller that goes away takes nothing with it: the machine lives on until it is done.
//! - A refusal for reasons of the catalog comes with the newest plan, if it differs from what was refused.

use crate::clock;
use crate::views::Views;
use quorate_coordinator::{Call, Effect, Failure, Input, Machine};
use quorate_model::{Epoch, NodeId, Refusal, Reply, Request, SortKey, TableId};
use quorate_ring::Plan;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use tokio::sync::{mpsc, oneshot};
use tokio::time::Instant;

/// A call may take this long even when the client has been answered: late acknowledgements and repairs are worth
/// waiting for, since the alternative is a hint.
const CALL_TIMEOUT_MIN: Duration = Duration::from_millis(1_500);

/// How long a stale coordinator waits for the catalog that its owner knows already.
const CATALOG_WAIT: Duration = Duration::from_millis(500);

/// What became of a call.
pub type Fate = Result<Reply, Failure>;

/// How requests reach owners, this node's own replica among them.
pub trait Transport: Send + Sync + 'static {
    /// Sends a request; the sink hears its fate at `deadline` at the latest.
    fn send(&self, to: NodeId, request: Request, deadline: Instant, sink: FateSink);
}

/// Where the fate of one call goes. Dropped unused, it says that the call is lost.
#[derive(Debug)]
pub struct FateSink {
    mailbox: Option<mpsc::UnboundedSender<Letter>>,
    call: Call,
}

/// The fate of one call, and whether a newer catalog has been waited for already.
#[derive(Debug)]
struct Letter {
    call: Call,
    fate: Fate,
    waited: bool,
}

impl FateSink {
    /// Tells it. Refusals and broken disks may come as replies; the driver knows what they mean.
    pub fn deliver(mut self, fate: Fate) {
        self.post(fate);
    }

    fn post(&mut self, fate: Fate) {
        if let Some(mailbox) = self.mailbox.take() {
            // A machine that is done has closed its mailbox: nobody wants to know any more.
            drop(mailbox.send(Letter { call: self.call, fate, waited: false }));
        }
    }
}

impl Drop for FateSink {
    fn drop(&mut self) {
        self.post(Err(Failure::Lost));
    }
}

/// The key that an operation is about: what a newer plan is made from.
#[derive(Clone, Debug)]
pub struct Subject {
    /// Its table.
    pub table: TableId,
    /// Where it stands in the table.
    pub sort_key: SortKey,
    /// Until when the client waits.
    pub deadline: Instant,
    /// Bytes of the value that it writes; 0 for a read.
    pub value_bytes: usize,
}

/// What drives operations. One per node.
pub struct Driver {
    transport: Arc<dyn Transport>,
    views: Arc<Views>,
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

/// The machine panicked: a bug. What it had sent is sent; nobody knows more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Panicked;

impl Panicked {
    /// Lets the caller panic too: there is no answer, and the edge turns a panic into "500, a bug" with the
    /// request's id.
    pub fn propagate(self) -> ! {
        panic!("the operation's machine has panicked; its outcome is unknown")
    }
}

impl Driver {
    /// Over this transport, replanning from these views.
    pub fn new(transport: Arc<dyn Transport>, views: Arc<Views>) -> Arc<Self> {
        Arc::new(Self {
            transport,
            views,
            running: AtomicU64::new(0),
            value_bytes: AtomicU64::new(0),
            panics: AtomicU64::new(0),
        })
    }

    /// Runs a machine in a task of its own and waits for its answer. Dropping the returned future does not stop it.
    pub async fn run<M>(self: &Arc<Self>, machine: M, subject: Subject) -> Result<M::Answer, Panicked>
    where
        M: Machine + Send + 'static,
        M::Answer: Send + 'static,
    {
        let (answer, answered) = oneshot::channel();
        let mut running = Running::begin(Arc::clone(self), subject.value_bytes);
        tokio::spawn(async move { running.operate(machine, subject, answer).await });
        answered.await.map_err(|_| Panicked)
    }

    /// Asks one node one thing outside any operation; the request is on its way when this returns.
    pub fn ask(&self, to: NodeId, request: Request, deadline: Instant) -> impl Future<Output = Fate> + use<> {
        let (mailbox, mut letters) = mpsc::unbounded_channel();
        self.transport.send(to, request, deadline, FateSink { mailbox: Some(mailbox), call: Call(0) });
        async move { letters.recv().await.map_or(Err(Failure::Lost), |letter| letter.fate) }
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

    /// What a letter means to the machine; `None`: it has to wait for a newer catalog first.
    fn open_letter(
        &self,
        letter: Letter,
        open: &mut BTreeMap<Call, Epoch>,
        subject: &Subject,
        mailbox: &mpsc::UnboundedSender<Letter>,
    ) -> Option<Input> {
        let Letter { call, fate, waited } = letter;
        let sent_under = *open.get(&call)?;
        let failure = match fate {
            Ok(Reply::Refused(refusal)) => Failure::Refused(refusal),
            Ok(Reply::Broken) => Failure::Lost,
            Ok(
                reply @ (Reply::Known { .. }
                | Reply::Record(_)
                | Reply::Digest { .. }
                | Reply::Written { .. }
                | Reply::Assigned { .. }
                | Reply::Hinted
                | Reply::Inspected(_)),
            ) => {
                open.remove(&call);
                return Some(Input::Reply { call, reply });
            }
            Err(failure) => failure,
        };
        let newer = match failure {
            Failure::NotSent | Failure::Lost => None,
            Failure::Refused(refusal) => match refusal {
                Refusal::Stale { current } => {
                    let newer = self.newer_plan(subject, sent_under);
                    if newer.is_none() && !waited && self.views.epoch() < current {
                        self.wait_for_catalog(current, call, refusal, mailbox.clone());
                        return None;
                    }
                    newer
                }
                Refusal::Behind { .. } | Refusal::NotOwner => self.newer_plan(subject, sent_under),
                Refusal::Doubtful
                | Refusal::DiskFull
                | Refusal::Overloaded
                | Refusal::Late
                | Refusal::Exhausted => None,
            },
        };
        open.remove(&call);
        Some(Input::Failed { call, failure, newer })
    }

    /// The key's plan in the newest view, unless its shard is as it was.
    fn newer_plan(&self, subject: &Subject, sent_under: Epoch) -> Option<Arc<Plan>> {
        let plan = self.views.plan(subject.table, &subject.sort_key)?;
        (plan.place.epoch != sent_under).then(|| Arc::new(plan))
    }

    /// The owner knows a catalog that this node has not applied yet: it comes within moments, or not at all.
    fn wait_for_catalog(
        &self,
        epoch: Epoch,
        call: Call,
        refusal: Refusal,
        mailbox: mpsc::UnboundedSender<Letter>,
    ) {
        let views = Arc::clone(&self.views);
        tokio::spawn(async move {
            views.reached(epoch, Instant::now() + CATALOG_WAIT).await;
            drop(mailbox.send(Letter { call, fate: Err(Failure::Refused(refusal)), waited: true }));
        });
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
    fn holds(&mut self, fate: &Fate) {
        if let Ok(Reply::Record(Some(record))) = fate {
            self.holds_more(record.body.value_bytes());
        }
    }

    async fn operate<M: Machine>(
        &mut self,
        mut machine: M,
        subject: Subject,
        answer: oneshot::Sender<M::Answer>,
    ) {
        let (mailbox, mut letters) = mpsc::unbounded_channel();
        let mut answer = Some(answer);
        let mut effects = Vec::new();
        // The shard epoch under which each open call was sent.
        let mut open: BTreeMap<Call, Epoch> = BTreeMap::new();
        machine.step(clock::now(), Input::Start, &mut effects);
        loop {
            for effect in effects.drain(..) {
                match effect {
                    Effect::Send { call, to, request } => {
                        open.insert(call, request.place().epoch);
                        let deadline = subject.deadline.max(Instant::now() + CALL_TIMEOUT_MIN);
                        let sink = FateSink { mailbox: Some(mailbox.clone()), call };
                        self.driver.transport.send(to, request, deadline, sink);
                    }
                    Effect::Respond(answered) => {
                        if let Some(answer) = answer.take() {
                            // The caller may have gone; the operation has not.
                            drop(answer.send(answered));
                        }
                    }
                    Effect::Done => return,
                }
            }
            let wake = machine.wake_at().map(clock::tokio_instant);
            let input = tokio::select! {
                biased;
                letter = letters.recv() => {
                    let letter = letter.expect("this task holds a sender");
                    self.holds(&letter.fate);
                    match self.driver.open_letter(letter, &mut open, &subject, &mailbox) {
                        Some(input) => input,
                        None => continue,
                    }
                }
                () = sleep_until(wake) => Input::Tick,
            };
            machine.step(clock::now(), input, &mut effects);
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
