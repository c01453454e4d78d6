//! A write: put and delete, at every level.
//!
//! ```text
//!  Start ──> round one ──> round two ──> Respond ──> settle ──> Done
//!              │    │          ▲            ▲          late acks, hints
//!              │    └─ retry ──┘ (its id was found: fetch, spread, repeat the first answer)
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
//! Left out: conditions on writes (a `consensus` table's), and floors (with the purge of tombstones).

mod assign;
mod retry;
mod round_one;
mod settle;

use crate::answer::{PutAnswer, PutError};
use crate::calls::{Calls, Purpose};
use crate::context::Context;
use crate::gather::Gather;
use crate::machine::{Effect, Failure, Input, Machine};
use crate::owners::{Nodes, Owners};
use crate::spread::Spread;
use quorate_model::message::Draft;
use quorate_model::{
    Durability, Guarantee, Instant, Mutant, NodeId, Now, OperationId, Record, Reply, Stamp, Version,
};
use quorate_ring::Plan;
use std::sync::Arc;

use retry::Found;
use round_one::Known;
use settle::Settle;

/// What a write's client is told.
pub type Answer = Result<PutAnswer, PutError>;

/// One write as it was asked for, checked by whoever took it.
#[derive(Clone, Debug)]
pub struct Order {
    /// The value or tombstone, the coordinator's clock, and the expiry.
    pub draft: Draft,
    /// Owners that must acknowledge: 1 to N.
    pub required: u8,
    /// What an acknowledgement means: at least the table's.
    pub durability: Durability,
    /// The client's id for it, if it gave one. Only at the table's w and above.
    pub attempt: Option<Attempt>,
    /// The unique part of the version it will get.
    pub stamp: Stamp,
    /// When the client must be answered.
    pub deadline: Instant,
}

/// One attempt of a write that its client can repeat.
#[derive(Clone, Debug)]
pub struct Attempt {
    /// `<client>:<sequence>`.
    pub id: OperationId,
    /// Digest of everything that the client said: another body under the same id is refused.
    pub digest: u64,
    /// Whether the client says that this is not the first attempt.
    pub is_retry: bool,
}

/// A write on its way.
#[derive(Debug)]
pub struct Put {
    plan: Arc<Plan>,
    owners: Owners,
    order: Order,
    context: Context,
    calls: Calls,
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
    Spreading(Spread),
    /// The client is answered.
    Settling(Settle),
    /// Nothing more will happen.
    Done,
}

type Effects = Vec<Effect<Answer>>;

impl Put {
    /// A write by this plan. It does nothing until it is told to start.
    pub fn new(plan: Arc<Plan>, order: Order, context: Context) -> Self {
        let owners = Owners::of(&plan);
        Self { plan, owners, order, context, calls: Calls::default(), phase: Phase::Idle, found: None }
    }

    fn start(&mut self, now: Now, effects: &mut Effects) {
        if self.order.required == 1 && self.plan.table.w_required() > 1 {
            self.phase = Phase::Assigning(Nodes::default());
            self.try_assign(now, effects);
        } else {
            self.start_round_one(now, effects);
        }
    }

    fn on_reply(&mut self, now: Now, to: NodeId, purpose: Purpose, reply: Reply, effects: &mut Effects) {
        match (purpose, reply) {
            (Purpose::Ask, Reply::Known { held, operations }) => {
                if let Phase::RoundOne(gather) = &mut self.phase {
                    gather.answer(to, Known { held, operations });
                    self.advance_round_one(now, effects);
                }
            }
            (Purpose::Fetch, Reply::Record(record)) => self.on_fetched(now, to, record, effects),
            (Purpose::Assign, Reply::Assigned { record }) => self.on_assigned(now, to, record, effects),
            (Purpose::Write, Reply::Written { .. }) => match &mut self.phase {
                Phase::Spreading(spread) => {
                    spread.acknowledge(to);
                    self.advance_spread(now, effects);
                }
                Phase::Settling(settle) => {
                    settle.spread.acknowledge(to);
                    self.advance_settle(now, effects);
                }
                Phase::Idle | Phase::RoundOne(_) | Phase::Fetching | Phase::Assigning(_) | Phase::Done => {}
            },
            (Purpose::Hint(_), Reply::Hinted) => self.advance_settle(now, effects),
            // An answer of another kind than was asked for: the peer is broken, and its fate unknown.
            (purpose, _) => self.on_failed(now, to, purpose, Failure::Lost, None, effects),
        }
    }

    fn on_failed(
        &mut self,
        now: Now,
        to: NodeId,
        purpose: Purpose,
        failure: Failure,
        newer: Option<Arc<Plan>>,
        effects: &mut Effects,
    ) {
        let replanned = newer.is_some_and(|plan| self.adopt(plan));
        match &mut self.phase {
            Phase::RoundOne(gather) if purpose == Purpose::Ask => {
                if replanned {
                    self.calls.forget();
                    self.start_round_one(now, effects);
                } else {
                    gather.fail(to);
                    self.advance_round_one(now, effects);
                }
            }
            // What the old owners remember does not count for the new ones: nothing was sent, so begin anew.
            Phase::Fetching if replanned => {
                self.calls.forget();
                self.found = None;
                self.start_round_one(now, effects);
            }
            Phase::Fetching if purpose == Purpose::Fetch => self.fetch_next(now, effects),
            Phase::Assigning(_) if purpose == Purpose::Assign => {
                self.on_assign_failed(now, to, failure, effects);
            }
            Phase::Spreading(spread) if purpose == Purpose::Write => {
                spread.fail(now, to, failure);
                if self.context.rules.broken(Mutant::HintsCount) {
                    spread.acknowledge(to);
                }
                if replanned {
                    spread.again_now();
                    spread.send(now, &self.owners, &self.plan.place, &mut self.calls, effects);
                }
                self.advance_spread(now, effects);
            }
            Phase::Settling(_) => self.on_failed_settling(now, to, purpose, failure, effects),
            Phase::Idle
            | Phase::RoundOne(_)
            | Phase::Fetching
            | Phase::Assigning(_)
            | Phase::Spreading(_)
            | Phase::Done => {}
        }
    }

    fn on_tick(&mut self, now: Now, effects: &mut Effects) {
        if now.instant >= self.order.deadline && self.fail_at_deadline(now, effects) {
            return;
        }
        match &mut self.phase {
            Phase::RoundOne(gather) => {
                let more = gather.on_tick(now, &self.owners);
                self.ask(now, &more, effects);
                self.advance_round_one(now, effects);
            }
            Phase::Spreading(spread) => {
                if spread.again(now) {
                    #[cfg(feature = "mutants")]
                    if self.context.rules.broken(Mutant::SecondVersion) {
                        let second = spread.record().version;
                        let second = self.order.stamp.above(Some(second)).expect("far from the end");
                        let record = Record { version: second, ..spread.record().clone() };
                        spread.replace_record(record);
                    }
                    spread.send(now, &self.owners, &self.plan.place, &mut self.calls, effects);
                }
                self.advance_spread(now, effects);
            }
            Phase::Settling(_) => self.on_settle_tick(now, effects),
            Phase::Idle | Phase::Fetching | Phase::Assigning(_) | Phase::Done => {}
        }
    }

    /// Answers the client at its deadline; false if it has been answered.
    fn fail_at_deadline(&mut self, now: Now, effects: &mut Effects) -> bool {
        match std::mem::replace(&mut self.phase, Phase::Done) {
            Phase::Idle => self.finish(self.unavailable(now, 0, self.order.required), effects),
            Phase::RoundOne(gather) => {
                let error = self.unavailable(now, gather.count(&self.owners), gather.required());
                self.finish(error, effects);
            }
            // An earlier attempt was found, or one owner was sent the draft and is silent.
            Phase::Fetching | Phase::Assigning(_) => self.finish(self.unknown(now, 0, true), effects),
            Phase::Spreading(spread) => self.fail_spread(now, spread, true, effects),
            phase @ (Phase::Settling(_) | Phase::Done) => {
                self.phase = phase;
                return false;
            }
        }
        true
    }

    /// Sends a record to all owners; `holders` have it (or something later) already.
    fn spread(&mut self, now: Now, record: Record, required: u8, holders: Nodes, effects: &mut Effects) {
        let too_few = u8::from(self.context.rules.broken(Mutant::OneAckTooFew));
        let required = (required - too_few).max(1);
        let mut spread =
            Spread::new(now, record, self.order.durability, required, holders, self.context.timing);
        spread.send(now, &self.owners, &self.plan.place, &mut self.calls, effects);
        self.phase = Phase::Spreading(spread);
        self.advance_spread(now, effects);
    }

    fn advance_spread(&mut self, now: Now, effects: &mut Effects) {
        let Phase::Spreading(spread) = &self.phase else { return };
        if spread.is_met(&self.owners) {
            let Phase::Spreading(spread) = std::mem::replace(&mut self.phase, Phase::Done) else { return };
            let version =
                self.found.as_ref().map_or(spread.record().version, |found| found.operation.version);
            let answer = self.done(now, version, spread.count(&self.owners));
            effects.push(Effect::Respond(Ok(answer)));
            self.settle(now, spread, effects);
        } else if spread.is_not_applied() && spread.wake_at().is_none() {
            let Phase::Spreading(spread) = std::mem::replace(&mut self.phase, Phase::Done) else { return };
            self.fail_spread(now, spread, false, effects);
        }
    }

    /// Owners that failed get a hint as soon as the client is answered: the answer says so.
    fn announce_hints(&mut self, spread: &Spread) {
        for owner in spread.failed().iter() {
            self.calls.hinted(owner);
        }
    }

    /// Round two ended without its W.
    fn fail_spread(&mut self, now: Now, spread: Spread, timed_out: bool, effects: &mut Effects) {
        let acks = spread.count(&self.owners);
        let called_failed = self.context.rules.broken(Mutant::UnknownCalledFailed);
        if self.found.is_none() && spread.is_not_applied() {
            return self.finish(self.unavailable(now, acks, spread.required()), effects);
        }
        self.announce_hints(&spread);
        let error = if called_failed {
            self.unavailable(now, acks, spread.required())
        } else {
            self.unknown(now, acks, timed_out)
        };
        effects.push(Effect::Respond(Err(error)));
        self.settle(now, spread, effects);
    }

    /// Takes a newer plan of the same key; false if it is not newer.
    fn adopt(&mut self, plan: Arc<Plan>) -> bool {
        let newer = plan.place.epoch > self.plan.place.epoch && plan.table.id == self.plan.table.id;
        if newer {
            self.owners = Owners::of(&plan);
            self.plan = plan;
        }
        newer
    }

    fn finish(&mut self, error: PutError, effects: &mut Effects) {
        effects.push(Effect::Respond(Err(error)));
        effects.push(Effect::Done);
        self.phase = Phase::Done;
    }

    fn done(&self, now: Now, version: Version, acks: u8) -> PutAnswer {
        let table = &self.plan.table;
        let (w, table_w, table_r) = (self.order.required, table.w_required(), table.r_required());
        PutAnswer {
            version,
            guarantee: Guarantee::of_write(w, table_w, table_r, table.n),
            acks,
            required: w,
            n: table.n,
            replayed: self.found.is_some(),
            replicas: self.calls.reports(now),
        }
    }

    fn unavailable(&self, now: Now, acks: u8, required: u8) -> PutError {
        let retried = self.order.attempt.as_ref().is_some_and(|attempt| attempt.is_retry);
        PutError::Unavailable {
            required,
            acks,
            n: self.plan.table.n,
            replicas: self.calls.reports(now),
            retried,
        }
    }

    fn unknown(&self, now: Now, acks: u8, timed_out: bool) -> PutError {
        PutError::Unknown {
            required: self.order.required,
            acks,
            n: self.plan.table.n,
            replicas: self.calls.reports(now),
            timed_out,
        }
    }
}

impl Machine for Put {
    type Answer = Answer;

    fn step(&mut self, now: Now, input: Input, effects: &mut Effects) {
        match input {
            Input::Start => self.start(now, effects),
            Input::Reply { call, reply } => {
                if let Some(closed) = self.calls.answered(now, call) {
                    self.on_reply(now, closed.to, closed.purpose, reply, effects);
                }
            }
            Input::Failed { call, failure, newer } => {
                if let Some(closed) = self.calls.failed(now, call, failure) {
                    self.on_failed(now, closed.to, closed.purpose, failure, newer, effects);
                }
            }
            Input::Tick => self.on_tick(now, effects),
        }
    }

    fn wake_at(&self) -> Option<Instant> {
        let phase = match &self.phase {
            Phase::RoundOne(gather) => gather.wake_at(),
            Phase::Spreading(spread) => spread.wake_at(),
            Phase::Settling(settle) => return settle.wake_at(),
            Phase::Idle | Phase::Fetching | Phase::Assigning(_) => None,
            Phase::Done => return None,
        };
        Some(phase.map_or(self.order.deadline, |at| at.min(self.order.deadline)))
    }
}
