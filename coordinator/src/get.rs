//! A read, at every level.
//!
//! ```text
//!  Start ──> R answers ──┬─ a write quorum agrees ───────────────> Respond ──> repair the rest ──> Done
//!                        ├─ it does not: repair before the answer ──▲
//!                        ├─ the greatest is past its expiry: make that final at a write quorum ──▲ (404)
//!                        └─ below quorum: answer the greatest ──────▲
//! ```
//!
//! At `quorum` and above nobody is answered a version that a write quorum does not hold: otherwise the next read
//! might find the older one. Below quorum nothing is written before the answer, and an expired record is simply not
//! shown. An owner may answer with what orders its record and a digest instead of the record (large values); the
//! record is then fetched from one that holds it.
//!
//! One exception: what an owner assigned to a write at `one` is not answered if an owner turns out to hold something
//! later. Such a write asked nobody, so it may have begun after the later one was acknowledged; the read starts over.
//!
//! A read has no effect of its own: when it fails, it can be repeated.

mod judge;

use crate::answer::{GetAnswer, GetError};
use crate::calls::{Calls, Purpose};
use crate::context::Context;
use crate::gather::{Gather, Progress};
use crate::machine::{Effect, Failure, Input, Machine};
use crate::owners::{Nodes, Owners};
use crate::spread::Spread;
use quorate_model::{Guarantee, Held, Instant, Mutant, NodeId, Now, Record, Reply, Request, level};
use quorate_ring::Plan;
use std::sync::Arc;

use judge::{Judged, View};

/// What a read's client is told.
pub type Answer = Result<GetAnswer, GetError>;

/// One read as it was asked for, checked by whoever took it.
#[derive(Clone, Copy, Debug)]
pub struct Question {
    /// Owners that must answer: 1 to N.
    pub required: u8,
    /// When the client must be answered.
    pub deadline: Instant,
}

/// A read on its way.
#[derive(Debug)]
pub struct Get {
    plan: Arc<Plan>,
    owners: Owners,
    question: Question,
    context: Context,
    calls: Calls,
    phase: Phase,
    /// Owners that answered with something older than the answer.
    stale: Nodes,
    /// The owner that is asked for the whole record; the others may answer with a digest.
    whole_from: Option<NodeId>,
    /// Whether nobody who held the greatest would show it: now everybody is asked for the whole record.
    begun_anew: bool,
}

#[derive(Debug)]
enum Phase {
    /// Not started.
    Idle,
    /// Asking for records.
    Asking(Gather<View>),
    /// The greatest is known by its digest only; these owners hold it too, and one is asked beside a silent one.
    Fetching { views: Vec<(NodeId, View)>, sources: Vec<NodeId>, hedge_at: Instant },
    /// A write quorum is being made to hold the answer, and the client waits.
    Repairing(Spread),
    /// The client is answered; the other stale owners are being repaired.
    Settling { spread: Option<Spread>, until: Instant },
    /// Nothing more will happen.
    Done,
}

type Effects = Vec<Effect<Answer>>;

impl Get {
    /// A read by this plan. It does nothing until it is told to start.
    pub fn new(plan: Arc<Plan>, question: Question, context: Context) -> Self {
        let owners = Owners::of(&plan);
        let (calls, stale) = (Calls::default(), Nodes::default());
        let (phase, whole_from, begun_anew) = (Phase::Idle, None, false);
        Self { plan, owners, question, context, calls, phase, stale, whole_from, begun_anew }
    }

    fn start(&mut self, now: Now, effects: &mut Effects) {
        let mut gather = Gather::new(now, self.question.required, self.context.timing);
        let first = gather.next(now, &self.owners);
        self.phase = Phase::Asking(gather);
        self.whole_from = None;
        self.ask(now, &first, effects);
    }

    fn ask(&mut self, now: Now, nodes: &[NodeId], effects: &mut Effects) {
        for node in nodes {
            let whole = *self.whole_from.get_or_insert(*node) == *node || self.begun_anew;
            let request = Request::Read { at: self.plan.place.clone(), whole };
            self.calls.send(now, *node, Purpose::Read, request, effects);
        }
    }

    fn on_reply(&mut self, now: Now, to: NodeId, purpose: Purpose, reply: Reply, effects: &mut Effects) {
        let is_overtaken = matches!(&reply, Reply::Written { held } if self.is_overtaken(*held));
        match (purpose, reply) {
            (Purpose::Read, Reply::Record(record)) => self.on_view(now, to, View::whole(record), effects),
            (Purpose::Read, Reply::Digest { held, digest }) => {
                self.on_view(now, to, View::digest(held, digest), effects);
            }
            (Purpose::Fetch, Reply::Record(record)) => self.on_fetched(now, to, record, effects),
            (Purpose::Write, Reply::Written { .. }) => match &mut self.phase {
                Phase::Repairing(_) if is_overtaken => self.begin_anew(now, effects),
                Phase::Repairing(spread) => {
                    spread.acknowledge(to);
                    self.advance_repair(now, effects);
                }
                Phase::Settling { spread: Some(spread), .. } => {
                    spread.acknowledge(to);
                    self.advance_settle(effects);
                }
                Phase::Idle
                | Phase::Asking(_)
                | Phase::Fetching { .. }
                | Phase::Settling { spread: None, .. }
                | Phase::Done => {}
            },
            // An answer of another kind than was asked for: the peer is broken.
            (purpose, _) => self.on_failed(now, to, purpose, Failure::Lost, None, effects),
        }
    }

    fn on_view(&mut self, now: Now, from: NodeId, view: View, effects: &mut Effects) {
        if let Phase::Asking(gather) = &mut self.phase {
            gather.answer(from, view);
            self.advance_asking(now, effects);
        }
    }

    fn advance_asking(&mut self, now: Now, effects: &mut Effects) {
        let Phase::Asking(gather) = &mut self.phase else { return };
        let more = gather.next(now, &self.owners);
        match gather.progress(now, &self.owners) {
            Progress::Waiting => self.ask(now, &more, effects),
            Progress::Enough => {
                let views = gather.answers().to_vec();
                self.judge(now, views, effects);
            }
            Progress::Impossible => {
                let (acks, required) = (gather.count(&self.owners), gather.required());
                let (n, replicas) = (self.plan.table.n, self.calls.reports(now));
                self.finish(Err(GetError::Unavailable { required, acks, n, replicas }), effects);
            }
        }
    }

    /// R owners have answered (and a record that was missing has been fetched).
    fn judge(&mut self, now: Now, views: Vec<(NodeId, View)>, effects: &mut Effects) {
        match judge::judge(&views) {
            Judged::Divergent => {
                let replicas = self.calls.reports(now);
                self.finish(Err(GetError::Divergent { replicas }), effects);
            }
            Judged::Nothing => {
                let acks = self.owners.count(&views.iter().map(|(node, _)| *node).collect());
                self.respond(now, None, acks, 0, effects);
                self.settle(now, None, effects);
            }
            Judged::Fetch { mut sources } => {
                let first = sources.pop();
                let hedge_at = now.instant + self.context.timing.hedge;
                self.phase = Phase::Fetching { views, sources, hedge_at };
                if let Some(first) = first {
                    self.fetch(now, first, effects);
                }
            }
            Judged::Greatest { record, holders, stale } => {
                self.stale = stale;
                self.decide(now, record, holders, effects);
            }
        }
    }

    /// The greatest record found is known whole: answer it, or make it safe to answer first.
    fn decide(&mut self, now: Now, record: Record, holders: Nodes, effects: &mut Effects) {
        let rules = self.context.rules;
        let quorum = level::quorum(self.plan.table.n);
        let is_due = record.is_due(now.wall);
        let acks = self.owners.count(&holders);
        if self.question.required < quorum {
            let shown = if is_due { record.clone().into_expired() } else { record.clone() };
            self.respond(now, Some(shown), acks, 0, effects);
            let needs_repair = !self.stale.is_empty() && !rules.broken(Mutant::NoReadRepair);
            let spread = needs_repair.then(|| self.spread(now, record, holders));
            return self.settle(now, spread, effects);
        }
        if is_due && rules.broken(Mutant::ExpiryNotFlagged) {
            self.respond(now, Some(record.into_expired()), acks, 0, effects);
            return self.settle(now, None, effects);
        }
        // Nobody holds the flag yet: it has to reach a write quorum before anybody is told of it.
        let (record, holders) =
            if is_due { (record.into_expired(), Nodes::default()) } else { (record, holders) };
        let is_held = self.owners.met(&holders, quorum);
        let repairs = !rules.broken(Mutant::NoReadRepair);
        if is_held || !repairs || rules.broken(Mutant::RepairAfterAnswer) {
            self.respond(now, Some(record.clone()), self.owners.count(&holders), 0, effects);
            let needs_repair = repairs && (!self.stale.is_empty() || !is_held);
            let spread = needs_repair.then(|| self.spread(now, record, holders));
            return self.settle(now, spread, effects);
        }
        let mut spread = self.spread(now, record, holders);
        spread.send(now, &self.owners, &self.plan.place, &mut self.calls, effects);
        self.phase = Phase::Repairing(spread);
    }

    fn spread(&self, now: Now, record: Record, holders: Nodes) -> Spread {
        let quorum = level::quorum(self.plan.table.n);
        Spread::new(now, record, self.plan.table.durability, quorum, holders, self.context.timing)
    }

    fn advance_repair(&mut self, now: Now, effects: &mut Effects) {
        let Phase::Repairing(spread) = &self.phase else { return };
        if !spread.is_met(&self.owners) {
            return;
        }
        let Phase::Repairing(spread) = std::mem::replace(&mut self.phase, Phase::Done) else { return };
        let repaired = self.stale.iter().filter(|node| spread.is_held_by(*node)).count() as u8;
        let record = spread.record().clone();
        self.respond(now, Some(record), spread.count(&self.owners), repaired, effects);
        self.settle(now, Some(spread), effects);
    }

    /// Whether the record that is being made safe was assigned at `one` and an owner holds something later. Any other
    /// version may still be answered: its write asked a quorum, so whatever is above it was written while it was under
    /// way or after it. One that was assigned may have begun after the later one was acknowledged. Two quorums share
    /// an owner, so whoever makes it safe hears of that.
    fn is_overtaken(&self, held: Held) -> bool {
        let Phase::Repairing(spread) = &self.phase else { return false };
        let version = spread.record().version;
        let looks = !self.context.rules.broken(Mutant::OvertakenAnswered);
        looks && version.is_assigned() && held.version > version
    }

    fn fetch(&mut self, now: Now, from: NodeId, effects: &mut Effects) {
        let request = Request::Read { at: self.plan.place.clone(), whole: true };
        self.calls.send(now, from, Purpose::Fetch, request, effects);
    }

    /// The owner that was asked to show the greatest record is silent or has failed: the next one, or everybody anew.
    fn fetch_next(&mut self, now: Now, effects: &mut Effects) {
        let Phase::Fetching { views, sources, hedge_at } = &mut self.phase else { return };
        *hedge_at = now.instant + self.context.timing.hedge;
        let acks = views.len() as u8;
        if let Some(next) = sources.pop() {
            self.fetch(now, next, effects);
        } else if !self.begun_anew {
            self.begun_anew = true;
            self.begin_anew(now, effects);
        } else if !self.calls.is_fetching() {
            let (n, replicas) = (self.plan.table.n, self.calls.reports(now));
            let required = self.question.required;
            self.finish(Err(GetError::Unavailable { required, acks, n, replicas }), effects);
        }
    }

    /// Asks again from the beginning. Answers that are still under way no longer count.
    fn begin_anew(&mut self, now: Now, effects: &mut Effects) {
        self.calls.forget();
        self.stale = Nodes::default();
        self.start(now, effects);
    }

    fn on_fetched(&mut self, now: Now, from: NodeId, record: Option<Record>, effects: &mut Effects) {
        let Phase::Fetching { views, .. } = &mut self.phase else { return };
        let mut views = std::mem::take(views);
        // What it holds now may be greater than what it answered before; never less.
        views.retain(|(node, _)| *node != from);
        views.push((from, View::whole(record)));
        self.judge(now, views, effects);
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
            Phase::Asking(_) | Phase::Fetching { .. } if replanned => self.begin_anew(now, effects),
            Phase::Asking(gather) if purpose == Purpose::Read => {
                gather.fail(to);
                if self.whole_from == Some(to) {
                    self.whole_from = None;
                }
                self.advance_asking(now, effects);
            }
            Phase::Fetching { .. } if purpose == Purpose::Fetch => self.fetch_next(now, effects),
            Phase::Repairing(spread) if purpose == Purpose::Write => {
                spread.fail(now, to, failure);
                if replanned {
                    spread.again_now();
                    spread.send(now, &self.owners, &self.plan.place, &mut self.calls, effects);
                }
                let gave_up = spread.is_settled() && spread.wake_at().is_none();
                if gave_up {
                    let (acks, required) = (spread.count(&self.owners), spread.required());
                    let (n, replicas) = (self.plan.table.n, self.calls.reports(now));
                    self.finish(Err(GetError::Unavailable { required, acks, n, replicas }), effects);
                }
            }
            Phase::Settling { spread: Some(spread), .. } if purpose == Purpose::Write => {
                spread.fail(now, to, failure);
                self.advance_settle(effects);
            }
            Phase::Idle
            | Phase::Asking(_)
            | Phase::Fetching { .. }
            | Phase::Repairing(_)
            | Phase::Settling { .. }
            | Phase::Done => {}
        }
    }

    fn on_tick(&mut self, now: Now, effects: &mut Effects) {
        let is_late = now.instant >= self.question.deadline;
        match &mut self.phase {
            Phase::Settling { until, .. } => {
                if *until <= now.instant {
                    self.end(effects);
                }
            }
            Phase::Asking(gather) if is_late => {
                let (acks, required) = (gather.count(&self.owners), gather.required());
                self.time_out(now, acks, required, effects);
            }
            Phase::Repairing(spread) if is_late => {
                let (acks, required) = (spread.count(&self.owners), spread.required());
                self.time_out(now, acks, required, effects);
            }
            Phase::Idle | Phase::Fetching { .. } if is_late => {
                self.time_out(now, 0, self.question.required, effects);
            }
            Phase::Asking(gather) => {
                let more = gather.on_tick(now, &self.owners);
                self.ask(now, &more, effects);
                self.advance_asking(now, effects);
            }
            Phase::Repairing(spread) => {
                if spread.again(now) {
                    spread.send(now, &self.owners, &self.plan.place, &mut self.calls, effects);
                }
            }
            Phase::Fetching { hedge_at, .. } => {
                if *hedge_at <= now.instant {
                    self.fetch_next(now, effects);
                }
            }
            Phase::Idle | Phase::Done => {}
        }
    }

    fn time_out(&mut self, now: Now, acks: u8, required: u8, effects: &mut Effects) {
        let (n, replicas) = (self.plan.table.n, self.calls.reports(now));
        self.finish(Err(GetError::Timeout { required, acks, n, replicas }), effects);
    }

    fn respond(&self, now: Now, record: Option<Record>, acks: u8, repaired: u8, effects: &mut Effects) {
        let table = &self.plan.table;
        let required = self.question.required;
        effects.push(Effect::Respond(Ok(GetAnswer {
            record,
            guarantee: Guarantee::of_read(required, table.w_required(), table.n),
            acks,
            required,
            n: table.n,
            repaired,
            replicas: self.calls.reports(now),
        })));
    }

    /// The client is answered; owners known to be stale are brought up to date.
    fn settle(&mut self, now: Now, mut spread: Option<Spread>, effects: &mut Effects) {
        if let Some(spread) = &mut spread {
            let (owners, place) = (&self.owners, &self.plan.place);
            spread.send_to(now, owners, &self.stale, place, &mut self.calls, effects);
        }
        let until = now.instant + self.context.timing.settle;
        self.phase = Phase::Settling { spread, until };
        self.advance_settle(effects);
    }

    fn advance_settle(&mut self, effects: &mut Effects) {
        let Phase::Settling { spread, .. } = &self.phase else { return };
        if spread.as_ref().is_none_or(Spread::is_settled) {
            self.end(effects);
        }
    }

    fn adopt(&mut self, plan: Arc<Plan>) -> bool {
        let newer = plan.place.epoch > self.plan.place.epoch && plan.table.id == self.plan.table.id;
        if newer {
            self.owners = Owners::of(&plan);
            self.plan = plan;
        }
        newer
    }

    fn finish(&mut self, answer: Answer, effects: &mut Effects) {
        effects.push(Effect::Respond(answer));
        self.end(effects);
    }

    fn end(&mut self, effects: &mut Effects) {
        self.phase = Phase::Done;
        effects.push(Effect::Done);
    }
}

impl Machine for Get {
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
            Phase::Asking(gather) => gather.wake_at(),
            Phase::Repairing(spread) => spread.wake_at(),
            Phase::Fetching { hedge_at, .. } => Some(*hedge_at),
            Phase::Settling { until, .. } => return Some(*until),
            Phase::Idle => None,
            Phase::Done => return None,
        };
        Some(phase.map_or(self.question.deadline, |at| at.min(self.question.deadline)))
    }
}
