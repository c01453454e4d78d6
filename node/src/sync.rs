//! Sync, carried out: this node looks after the shards whose first reachable owner it is.
//!
//! ```text
//!   every 10 min | an owner returned | a hint did not fit | an order ──> rounds ──> what is equal, and since when
//! ```
//!
//! What is asked of whom, merged where, and when a shard is done, is decided by [`quorate_coordinator::sync`]. Here are the
//! driver that carries its requests on the lane of what can wait, and the pace; what became of it goes into the books
//! ([`crate::jobs`]).

pub use quorate_coordinator::sync::SyncLimits;

use crate::clock;
use crate::drive::Driver;
use crate::jobs::{Books, Cause, Found, Kind, Order};
use crate::owners::Owners;
use crate::peer::Local;
use quorate_coordinator::sync::{Counts, Input, Outcome, Round, RoundAction, Shard, Throttle, Way, turns};
use quorate_coordinator::{Call, Failure};
use quorate_model::{NodeId, Place, RangeReply, RangeRequest, Request, Rules, SortKey, Span, TableId};
use quorate_ring::Catalog;
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

/// How long an order waits for owners that count, or do not answer.
const ORDER_PATIENCE: Duration = Duration::from_mins(1);

/// How often it looks meanwhile.
const ORDER_PAUSE: Duration = Duration::from_secs(1);

/// How often the committer is probed while a round runs.
const PROBE: Duration = Duration::from_millis(250);

/// What sync needs of its node.
pub struct Sync {
    /// Who can be asked.
    pub owners: Owners,
    /// For the requests.
    pub driver: Arc<Driver>,
    /// The replica.
    pub local: Arc<Local>,
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
        let mut changes = self.owners.links.changes();
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
                    let now_up = self.owners.up();
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
                    self.books.begin_unordered(cause);
                }
            }
            while let Some(order) = self.books.begin() {
                let is_open = self.run(order).await;
                self.books.end();
                if order.kind == Kind::Sync && order.table.is_none() {
                    let pause = if is_open { self.limits.retry_after } else { self.limits.every };
                    due = Instant::now() + duration(Span(pause.0.min(self.limits.every.0)));
                    cause = Cause::Time;
                }
            }
        }
    }

    /// Hints that were refused for want of room, for owners that are up: the others are compared once they return.
    fn overflow(&self) -> u64 {
        let (counts, up) = (self.local.replica().hint_counts(), self.owners.up());
        counts.iter().filter(|(owner, _)| up.contains(owner)).map(|(_, hints)| hints.refused).sum()
    }

    /// Does this node's part of a job; whether a shard was left open.
    async fn run(&self, order: Order) -> bool {
        if self.local.replica().is_doubtful() || self.owners.links.is_duplicate() {
            self.books.says(Some("it doubts its disk, and compares nothing".to_owned()));
            return true;
        }
        let mut throttle = Throttle::new(self.limits.bytes_per_second_max as u64);
        let patience = if order.cause == Cause::Order { ORDER_PATIENCE } else { Duration::ZERO };
        let (mut left, until): (Option<BTreeSet<_>>, _) = (None, Instant::now() + patience);
        loop {
            let mut shards = self.turns();
            shards.retain(|shard| order.table.is_none_or(|table| shard.over.table == table));
            match &left {
                None => self.books.found(None, Found { shards: shards.len() as u64, ..Found::default() }),
                Some(left) => {
                    shards.retain(|shard| left.contains(&place(shard)));
                    // Another member runs their sync now, or they are gone.
                    let gone = left.len().saturating_sub(shards.len()) as u64;
                    self.books.found(None, Found { open: gone, ..Found::default() });
                }
            }
            let mut open = Vec::new();
            for some in shards.chunks(ROUND_SHARDS) {
                self.round(some, order.kind, &mut throttle, &mut open).await;
            }
            let view = self.owners.views.current();
            let reason = open.last().map(|(_, outcome)| words(*outcome, view.catalog()));
            self.books.says(reason);
            if open.is_empty() || Instant::now() >= until {
                for (shard, outcome) in &open {
                    self.concluded(shard, *outcome);
                }
                return !open.is_empty();
            }
            left = Some(open.iter().map(|(shard, _)| place(shard)).collect());
            tokio::time::sleep(ORDER_PAUSE).await;
        }
    }

    /// The shards whose sync this node runs now. Of one owner there is nothing to compare.
    fn turns(&self) -> Vec<Shard> {
        let view = self.owners.views.current();
        let mut shards = turns(&view, self.owners.node, self.owners.can_be_asked());
        shards.retain(|shard| shard.is_short || !shard.others.is_empty());
        self.books.retain(shards.iter().map(|shard| (shard.over.table, shard.over.interval.clone())));
        shards
    }

    /// Compares some shards; those that are left open are added to `open`.
    async fn round(
        &self,
        shards: &[Shard],
        kind: Kind,
        throttle: &mut Throttle,
        open: &mut Vec<(Shard, Outcome)>,
    ) {
        let way = match kind {
            Kind::Sync => Way::Both,
            Kind::Verify => Way::Look,
        };
        let mut round =
            Round::new(self.owners.node, shards.to_vec(), way, self.limits.exchange(), self.rules);
        let mut calls: JoinSet<Called> = JoinSet::new();
        let (mut actions, mut input) = (Vec::new(), Input::Start);
        let mut probe_at = Instant::now();
        let mut pending: BTreeSet<usize> = (0..shards.len()).collect();
        loop {
            round.step(clock::now(), input, &mut actions);
            let mut is_done = false;
            for action in actions.drain(..) {
                match action {
                    RoundAction::Ask { call, to, request, deadline } => {
                        calls.spawn(self.ask(call, to, request, clock::tokio_instant(deadline)));
                    }
                    RoundAction::Shard(at, outcome, counts) => {
                        let shard = &shards[at];
                        pending.remove(&at);
                        self.books.found(Some(shard.over.table), moved(counts));
                        match outcome {
                            Outcome::NotCounted(_) | Outcome::Open(..) => open.push((shard.clone(), outcome)),
                            Outcome::Equal | Outcome::Brought | Outcome::Differs => {
                                self.concluded(shard, outcome);
                            }
                        }
                    }
                    RoundAction::Done => is_done = true,
                }
            }
            let called = if is_done { None } else { calls.join_next().await };
            // A call that panicked, a bug, is lost with its round.
            let Some(Ok((call, ended, bytes))) = called else {
                let lost = |at: usize| (shards[at].clone(), Outcome::Open(self.owners.node, Failure::Lost));
                return open.extend(pending.into_iter().map(lost));
            };
            self.books.found(None, Found { bytes, ..Found::default() });
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

    /// Notes what came of a shard.
    fn concluded(&self, shard: &Shard, outcome: Outcome) {
        let one = |is: bool| u64::from(is);
        self.books.found(
            Some(shard.over.table),
            Found {
                equal: one(outcome == Outcome::Equal),
                brought: one(outcome == Outcome::Brought),
                differing: one(outcome == Outcome::Differs),
                not_counted: one(matches!(outcome, Outcome::NotCounted(_))),
                open: one(matches!(outcome, Outcome::Open(..))),
                short: one(shard.is_short),
                ..Found::default()
            },
        );
        if matches!(outcome, Outcome::Equal | Outcome::Brought) && !shard.is_short {
            self.books.proved(shard.over.table, &shard.over.interval);
        }
    }

    fn ask(
        &self,
        call: Call,
        to: NodeId,
        request: RangeRequest,
        deadline: Instant,
    ) -> impl Future<Output = Called> + use<> {
        let is_here = to == self.owners.node;
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

/// Which shard it is, whatever its epoch.
fn place(shard: &Shard) -> (TableId, SortKey) {
    (shard.over.table, shard.over.interval.start.clone())
}

/// The records that an exchange found and brought.
fn moved(counts: Counts) -> Found {
    let Counts { differing: differences, pulled, pushed, value_bytes: _ } = counts;
    Found { differences, pulled, pushed, ..Found::default() }
}

/// Why a shard is left open.
fn words(outcome: Outcome, catalog: &Catalog) -> String {
    match outcome {
        Outcome::NotCounted(node) => format!("{} is still counting what it holds", catalog.called(node)),
        Outcome::Open(node, Failure::NotSent) => {
            format!("{}: there is no connection to it", catalog.called(node))
        }
        Outcome::Open(node, Failure::Lost) => format!("{}: no answer in time", catalog.called(node)),
        Outcome::Open(node, Failure::Refused(refusal)) => format!("{}: {refusal}", catalog.called(node)),
        Outcome::Equal | Outcome::Brought | Outcome::Differs => "it is compared".to_owned(),
    }
}
