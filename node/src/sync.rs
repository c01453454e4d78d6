//! Sync, carried out: this node looks after the shards whose first reachable owner it is.
//!
//! ```text
//!   every 10 min | an owner returned | a hint did not fit | an order ──> rounds ──> what is equal, and since when
//! ```
//!
//! What is asked of whom, merged where, and when a shard is done, is decided by [`quorate_coordinator::sync`]. Here are the
//! driver that carries its requests on the lane of what can wait, the pace, and the books: what became of each round, and
//! when each shard was last found equal at all its owners.

mod books;

pub use books::{Books, Cause, Job, Proofs};
pub use quorate_coordinator::sync::{SyncLimits, Way};

use crate::clock;
use crate::drive::Driver;
use crate::peer::Local;
use crate::recollection::Recollection;
use crate::views::Views;
use quorate_coordinator::sync::{Input, Outcome, Round, RoundAction, Shard, Throttle, turns};
use quorate_coordinator::{Call, Failure};
use quorate_model::{NodeId, Place, RangeReply, RangeRequest, Request, Rules, Span};
use quorate_transport::{Lane, Links};
use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::oneshot;
use tokio::task::JoinSet;
use tokio::time::Instant;

/// Shards of one round.
const ROUND_SHARDS: usize = 256;

/// How often is looked whether a hint did not fit.
const LOOK: Duration = Duration::from_secs(2);

/// How often the committer is probed while a round runs.
const PROBE: Duration = Duration::from_millis(250);

/// What sync needs of its node.
pub struct Sync {
    /// The node.
    pub node: NodeId,
    /// The views.
    pub views: Arc<Views>,
    /// The links.
    pub links: Arc<Links>,
    /// For the requests.
    pub driver: Arc<Driver>,
    /// The replica.
    pub local: Arc<Local>,
    /// Who doubts its disk.
    pub recollection: Arc<Recollection>,
    /// The rules in force.
    pub rules: Rules,
    /// When, and how much.
    pub limits: SyncLimits,
    /// What came of it, and what is ordered.
    pub books: Arc<Books>,
}

/// How a call ended: which one, how, and how many bytes it took.
type Called = (Call, Result<RangeReply, Failure>, u64);

fn duration(span: Span) -> Duration {
    Duration::from_micros(span.0)
}

impl Sync {
    /// Looks after shards until the task is aborted.
    pub async fn keep(self: Arc<Self>) {
        let mut changes = self.links.changes();
        let mut due = Instant::now() + duration(self.limits.after_return);
        let mut cause = Cause::Time;
        let (mut up, mut overflow) = (BTreeSet::new(), self.overflow());
        loop {
            let look = due.min(Instant::now() + LOOK);
            tokio::select! {
                () = self.books.ordered() => {}
                changed = changes.changed() => {
                    if changed.is_err() {
                        return;
                    }
                    let now_up = self.up();
                    if now_up.difference(&up).next().is_some() {
                        let at = Instant::now() + duration(self.limits.after_return);
                        (due, cause) = if at < due { (at, Cause::Returned) } else { (due, cause) };
                    }
                    up = now_up;
                    continue;
                }
                () = tokio::time::sleep_until(look) => {
                    let now = self.overflow();
                    if std::mem::replace(&mut overflow, now) < now {
                        (due, cause) = (due.min(Instant::now() + duration(self.limits.after_return)), Cause::Hints);
                    }
                    if Instant::now() < due {
                        continue;
                    }
                    self.books.order(Way::Both, None, cause);
                }
            }
            while let Some(job) = self.books.begin() {
                let is_open = self.run(&job).await;
                self.books.end();
                if job.way == Way::Both && job.table.is_none() {
                    let pause = if is_open { self.limits.retry_after } else { self.limits.every };
                    due = Instant::now() + duration(Span(pause.0.min(self.limits.every.0)));
                    cause = Cause::Time;
                }
            }
        }
    }

    /// Members to which the lane of what can wait is up, and that do not say that they doubt their disks.
    fn up(&self) -> BTreeSet<NodeId> {
        let view = self.views.current();
        let doubts = self.recollection.disk_states();
        let trusts = |node: &NodeId| doubts.get(node).is_none_or(|disk| disk.doubt.is_none());
        let members = view.catalog().nodes().map(|node| node.id);
        members.filter(|node| self.links.is_lane_up(*node, Lane::Bulk) && trusts(node)).collect()
    }

    /// Hints that were refused for want of room, of this run.
    fn overflow(&self) -> u64 {
        let counts = self.local.replica().hint_counts();
        counts.values().map(|hints| hints.refused).sum()
    }

    /// Runs a job to its end; whether a shard was left open.
    async fn run(&self, job: &Job) -> bool {
        if self.local.replica().is_doubtful() || self.links.is_duplicate() {
            return true;
        }
        let up = self.up();
        let view = self.views.current();
        let mut shards = turns(&view, self.node, |node| up.contains(&node));
        self.books.retain(&shards);
        shards.retain(|shard| job.table.is_none_or(|table| shard.over.table == table));
        let mut throttle = Throttle::new(self.limits.bytes_per_second_max as u64);
        let mut is_open = false;
        for some in shards.chunks(ROUND_SHARDS) {
            is_open |= self.round(some.to_vec(), job.way, &mut throttle).await;
        }
        is_open
    }

    async fn round(&self, shards: Vec<Shard>, way: Way, throttle: &mut Throttle) -> bool {
        let mut round = Round::new(self.node, shards.clone(), way, self.limits.exchange(), self.rules);
        let mut calls: JoinSet<Called> = JoinSet::new();
        let (mut actions, mut input, mut is_open) = (Vec::new(), Input::Start, false);
        let mut probe_at = Instant::now();
        loop {
            round.step(clock::now(), input, &mut actions);
            let mut is_done = false;
            for action in actions.drain(..) {
                match action {
                    RoundAction::Ask { call, to, request, deadline } => {
                        calls.spawn(self.ask(call, to, request, clock::tokio_instant(deadline)));
                    }
                    RoundAction::Shard(at, outcome, counts) => {
                        is_open |= matches!(outcome, Outcome::NotCounted | Outcome::Open(..));
                        self.books.shard(&shards[at], outcome, counts);
                    }
                    RoundAction::Done => is_done = true,
                }
            }
            if is_done {
                return is_open;
            }
            let Some(called) = calls.join_next().await else { return true };
            // A call that panicked, a bug, is lost with its round.
            let Ok((call, ended, bytes)) = called else { return true };
            self.books.moved(bytes);
            if Instant::now() >= probe_at {
                throttle.probed(self.probe(&shards[0]).await);
                probe_at = Instant::now() + PROBE;
            }
            tokio::time::sleep(duration(throttle.pause(bytes))).await;
            input = match ended {
                Ok(reply) => Input::Reply(call, reply),
                Err(failure) => Input::Failed(call, failure),
            };
        }
    }

    fn ask(
        &self,
        call: Call,
        to: NodeId,
        request: RangeRequest,
        deadline: Instant,
    ) -> impl Future<Output = Called> + use<> {
        let is_here = to == self.node;
        let sent = if is_here { 0 } else { encoded(&request) };
        let answer = self.driver.ask(to, request, deadline);
        async move {
            let ended = answer.await;
            let came = ended.as_ref().map_or(0, |reply| if is_here { 0 } else { encoded(reply) });
            (call, ended, sent + came)
        }
    }

    /// How long a question waits behind what the committer has to do.
    async fn probe(&self, shard: &Shard) -> Span {
        let (answered, answer) = oneshot::channel();
        let at = Place {
            table: shard.over.table,
            epoch: shard.over.epoch,
            sort_key: shard.over.interval.start.clone(),
        };
        let begun = Instant::now();
        let complete = move |_| {
            // Its asker may have gone.
            let _gone = answered.send(());
        };
        self.local.committer().submit(Request::Inspect { at }, None, Box::new(complete));
        // Dropped: the committer has ended, and the node with it.
        let _ended = answer.await;
        Span(u64::try_from(begun.elapsed().as_micros()).unwrap_or(u64::MAX))
    }
}

fn encoded<T: minicbor::Encode<()>>(message: &T) -> u64 {
    minicbor::to_vec(message).expect("encoding into memory cannot fail").len() as u64
}
