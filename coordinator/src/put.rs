//! A write: put and delete, at every level.
//!
//! ```text
//!  Start ──> round one ──> round two ──> Respond ──> settle ──> Done
//!              │    │          ▲            ▲          late acks, hints
//!              │    └─ retry ──┘ (its id was found: fetch, send on, repeat the first answer)
//!              └─ `one` below the table's w: assign ┘ (the first owner gives the version)
//! ```
//!
//! 1. *Round one* asks owners for the key's version and recent operation ids and waits for
//!    `N - min(table w, quorum) + 1` answers, whatever the request's own w.
//! 2. *Round two* sends the record, one above the highest version found, to all N owners, and answers at W durable
//!    acknowledgements. From here on the write has one version for ever.
//! 3. *Settle*: owners that did not acknowledge get a hint.
//!
//! Until a record was sent, a failure is *not applied*. Afterwards it is *unknown*, unless every send certainly had
//! no effect.
//!
//! Where every owner refuses a record because of a floor, and none can have it, the write begins anew with another version:
//! the first one is nowhere, and can never come.
//!
//! Left out: conditions on writes (a `consensus` table's).

mod assign;
mod found;
mod retry;
mod round_one;
mod round_two;
mod settle;

use crate::answer::{PutAnswer, PutError};
use crate::calls::Purpose;
use crate::context::Context;
use crate::course::{Course, Failed, Taken};
use crate::few::Nodes;
use crate::gather::Gather;
use crate::machine::{Effect, Input, Machine};
use crate::order::Order;
use crate::owners::Tally;
use crate::round_two::RoundTwo;
use crate::rules::{self, loss, outcome};
use crate::settling::Settling;
use quorate_model::{Guarantee, Instant, NodeId, Now, Owner, Reply, Request, Version};
use quorate_ring::Plan;
use std::sync::Arc;

use found::{Found, Known};

/// What a write's client is told.
pub type Answer = Result<PutAnswer, PutError>;

/// A write on its way.
#[derive(Debug)]
pub struct Put {
    order: Order,
    course: Course,
    phase: Phase,
    /// Whether the client's operation was found: its version and that this is a replay.
    found: Option<Found>,
}

#[derive(Debug)]
enum Phase {
    /// Not started.
    Idle,
    /// Asking for versions and operation ids.
    RoundOne(Gather<Known>),
    /// An earlier attempt was found, and the record that holds it is being fetched.
    Fetching,
    /// At `one`: these owners certainly did not take it; one is being tried.
    Assigning(Nodes),
    /// The record is on its way, and the client waits.
    RoundTwo(RoundTwo),
    /// The client is answered.
    Settling(Settling),
    /// Nothing more will happen.
    Done,
}

type Effects = Vec<Effect<Answer>>;

impl Put {
    /// A write by this plan. It does nothing until it is told to start.
    pub fn new(plan: Arc<Plan>, order: Order, context: Context) -> Self {
        Self { order, course: Course::new(plan, context), phase: Phase::Idle, found: None }
    }

    fn start(&mut self, now: Now, effects: &mut Effects) {
        if let Some(error) = self.id_below_table() {
            self.finish(error, effects);
        } else if self.is_assigned() {
            self.phase = Phase::Assigning(Nodes::default());
            self.try_assign(now, effects);
        } else {
            self.start_round_one(now, effects);
        }
    }

    /// An operation id is found again only if it is where every later round one looks.
    fn id_below_table(&self) -> Option<PutError> {
        let attempt = self.order.attempt.as_ref()?;
        let (level, promised) = (self.order.level, self.course.plan.table.w);
        let rules = self.course.context.rules;
        let refused = |n: &u8| !rules::retry::takes_id(rules, level.within(*n), promised.within(*n));
        let n = self.course.plan.sizes().find(refused)?;
        let (required, table_w, retried) = (level.within(n), promised.within(n), attempt.is_retry);
        Some(PutError::IdempotencyBelowTable { required, table_w, retried })
    }

    /// Whether its first owner gives the version: at `one`, if the table promises more in each set.
    fn is_assigned(&self) -> bool {
        let (level, promised) = (self.order.level, self.course.plan.table.w);
        self.course.plan.sizes().all(|n| level.within(n) == 1 && promised.within(n) > 1)
    }

    fn on_reply(&mut self, now: Now, to: NodeId, purpose: Purpose, reply: Reply, effects: &mut Effects) {
        match (purpose, reply) {
            (Purpose::Ask, Reply::Known { held, operations, floor, forgot }) => {
                if let Phase::RoundOne(gather) = &mut self.phase {
                    gather.answer(to, Known { held, operations, floor, forgot });
                    self.advance_round_one(now, effects);
                }
            }
            (Purpose::Fetch, Reply::Record(record)) => self.on_fetched(now, to, record, effects),
            // The earlier attempt was removed since, and may be purged: its answer can't be repeated any more.
            (Purpose::Fetch, Reply::Absent { .. }) => {
                if matches!(self.phase, Phase::Fetching) {
                    self.finish(PutError::IdempotencyExpired, effects);
                }
            }
            (Purpose::Assign, Reply::Assigned { record }) => self.on_assigned(now, to, record, effects),
            (Purpose::Write(since), Reply::Written { held }) => match &mut self.phase {
                Phase::RoundTwo(round_two) => {
                    round_two.acknowledge(Owner { node: to, since }, Some(held));
                    self.advance_round_two(now, effects);
                }
                Phase::Settling(settling) => {
                    settling.acknowledge(Owner { node: to, since }, Some(held));
                    self.advance_settle(effects);
                }
                Phase::Idle | Phase::RoundOne(_) | Phase::Fetching | Phase::Assigning(_) | Phase::Done => {}
            },
            (Purpose::Hint(_), Reply::Hinted) => self.advance_settle(effects),
            (purpose, _) => self.on_failed(now, Failed::nonsense(to, purpose), effects),
        }
    }

    fn on_failed(&mut self, now: Now, failed: Failed, effects: &mut Effects) {
        let Failed { to, purpose, failure, .. } = failed;
        let begins_anew = self.course.begins_anew(&failed);
        match &mut self.phase {
            Phase::RoundOne(_) | Phase::Fetching if begins_anew => self.replan(now, effects),
            Phase::RoundOne(gather) if purpose == Purpose::Ask => {
                gather.fail(to);
                self.advance_round_one(now, effects);
            }
            Phase::Fetching if purpose == Purpose::Fetch => self.fetch_next(now, effects),
            Phase::Assigning(_) if purpose == Purpose::Assign => {
                self.on_assign_failed(now, failed, effects);
            }
            Phase::RoundTwo(_) => self.on_round_two_failed(now, failed, effects),
            Phase::Settling(_) => self.on_failed_settling(now, to, purpose, failure, effects),
            Phase::Idle | Phase::RoundOne(_) | Phase::Fetching | Phase::Assigning(_) | Phase::Done => {}
        }
    }

    /// A newer plan is in force. Where no record was sent, all begins anew: what the old owners remember does not count
    /// for the new ones. A record that was sent stays what it is.
    fn replan(&mut self, now: Now, effects: &mut Effects) {
        match &mut self.phase {
            Phase::RoundOne(_) | Phase::Fetching => {
                self.course.calls.forget();
                self.found = None;
                self.start_round_one(now, effects);
            }
            Phase::Assigning(tried) => *tried = Nodes::default(),
            Phase::RoundTwo(_) => self.resend(now, effects),
            Phase::Idle | Phase::Settling(_) | Phase::Done => {}
        }
    }

    fn on_tick(&mut self, now: Now, effects: &mut Effects) {
        if now.instant >= self.deadline() && self.fail_at_deadline(now, effects) {
            return;
        }
        match &mut self.phase {
            Phase::RoundOne(gather) => {
                let more = gather.on_tick(now, &self.course);
                self.ask(now, &more, effects);
                self.advance_round_one(now, effects);
            }
            Phase::RoundTwo(_) => self.on_round_two_tick(now, effects),
            Phase::Settling(_) => self.on_settle_tick(now, effects),
            Phase::Idle | Phase::Fetching | Phase::Assigning(_) | Phase::Done => {}
        }
    }

    /// Answers the client at its deadline; false if it has been answered.
    fn fail_at_deadline(&mut self, now: Now, effects: &mut Effects) -> bool {
        match std::mem::replace(&mut self.phase, Phase::Done) {
            Phase::Idle => self.finish(self.unavailable(now, self.tally(&Nodes::default())), effects),
            Phase::RoundOne(gather) => {
                self.finish(self.unavailable(now, gather.tally(&self.course)), effects);
            }
            // An earlier attempt was found, or one owner was sent the draft and is silent.
            Phase::Fetching | Phase::Assigning(_) => {
                self.finish(self.unknown(now, &Nodes::default(), true), effects);
            }
            Phase::RoundTwo(round_two) => self.fail_round_two(now, round_two, true, effects),
            phase @ (Phase::Settling(_) | Phase::Done) => {
                self.phase = phase;
                return false;
            }
        }
        true
    }

    fn deadline(&self) -> Instant {
        self.course.context.deadline(self.order.deadline)
    }

    fn finish(&mut self, error: PutError, effects: &mut Effects) {
        effects.push(Effect::Respond(Err(error)));
        effects.push(Effect::Done);
        self.phase = Phase::Done;
    }

    fn done(&self, now: Now, version: Version, acks: u8) -> PutAnswer {
        let (plan, level) = (&self.course.plan, self.order.level);
        let (w, r) = (plan.table.w, plan.table.r);
        let in_set = |n| Guarantee::of_write(level.within(n), w.within(n), r.within(n), n);
        let (rules, by_levels) = (self.course.context.rules, plan.sizes().map(in_set).min());
        let (guarantee, lowered) =
            loss::claimed(rules, by_levels.unwrap_or(Guarantee::Eventual), plan.has_losses);
        PutAnswer {
            version,
            guarantee,
            lowered,
            acks,
            required: level.within(plan.n()),
            n: plan.n(),
            replayed: self.found.is_some(),
            replicas: self.course.reports(now),
        }
    }

    /// How far `nodes` are, of as many owners as the request asks for.
    fn tally(&self, nodes: &Nodes) -> Tally {
        self.course.owners.tally(nodes, &self.course.plan.quota(self.order.level))
    }

    fn unavailable(&self, now: Now, tally: Tally) -> PutError {
        let Tally { acks, required, n } = tally;
        let retried = self.order.attempt.as_ref().is_some_and(|attempt| attempt.is_retry);
        PutError::Unavailable { required, acks, n, replicas: self.course.reports(now), retried }
    }

    /// Records were sent, and these owners are known to have it.
    fn unknown(&self, now: Now, holders: &Nodes, timed_out: bool) -> PutError {
        let tally = self.tally(holders);
        if !outcome::may_be_unknown(self.course.context.rules) {
            return self.unavailable(now, tally);
        }
        let Tally { acks, required, n } = tally;
        PutError::Unknown { required, acks, n, replicas: self.course.reports(now), timed_out }
    }
}

impl Machine for Put {
    type Request = Request;
    type Answer = Answer;

    fn step(&mut self, now: Now, input: Input, effects: &mut Effects) {
        match self.course.take(now, input) {
            Taken::Start => self.start(now, effects),
            Taken::Reply { to, purpose, reply } => self.on_reply(now, to, purpose, reply, effects),
            Taken::Failed(failed) => self.on_failed(now, failed, effects),
            Taken::Newer => self.replan(now, effects),
            Taken::Tick => self.on_tick(now, effects),
            Taken::Nothing => {}
        }
    }

    fn wake_at(&self) -> Option<Instant> {
        let phase = match &self.phase {
            Phase::RoundOne(gather) => gather.wake_at(),
            Phase::RoundTwo(round_two) => round_two.wake_at(),
            Phase::Settling(settling) => return Some(settling.wake_at()),
            Phase::Idle | Phase::Fetching | Phase::Assigning(_) => None,
            Phase::Done => return None,
        };
        Some(phase.map_or(self.deadline(), |at| at.min(self.deadline())))
    }
}
