//! A read, at every level.
//!
//! ```text
//!  Start ──> R answers ──┬─ a write quorum agrees ───────────────> Respond ──> repair the rest ──> Done
//!                        ├─ it does not: repair before the answer ──▲
//!                        ├─ the greatest is past its expiry: make that final at a write quorum ──▲ (404)
//!                        └─ below quorum: answer the greatest ──────▲
//! ```
//!
//! At `quorum` and above no client is answered a version that a write quorum does not hold: otherwise the next read
//! might find the older one. Below quorum nothing is written before the answer, and an expired record is simply not
//! shown. An owner may answer with what orders its record and a digest instead of the record (large values); the
//! record is then fetched from one that holds it.
//!
//! To a read an owner that holds nothing and has sealed up to a version holds a removal of that version: where that is at
//! least the greatest that another shows, the key has no value, and nothing is repaired.
//!
//! One exception: what an owner assigned to a write at `one` is not answered if an owner turns out to hold something
//! later. Such a write asked no other owner, so it may have begun after the later one was acknowledged; the read starts
//! over.
//!
//! A read has no effect of its own: when it fails, it can be repeated.

mod asking;
mod fetching;
mod judge;
mod repairing;

use crate::answer::{GetAnswer, GetError};
use crate::calls::Purpose;
use crate::context::Context;
use crate::course::{Course, Failed, Taken};
use crate::few::Nodes;
use crate::gather::Gather;
use crate::machine::{Effect, Failure, Input, Machine};
use crate::owners::Tally;
use crate::round_two::RoundTwo;
use crate::rules::{loss, purge};
use crate::settling::Settling;
use quorate_model::{
    Guarantee, Instant, Level, NodeId, Now, Owner, Record, Refusal, Reply, Request, Version, WallTime,
};
use quorate_ring::Plan;
use std::sync::Arc;

use judge::View;

/// What a read's client is told.
pub type Answer = Result<GetAnswer, GetError>;

/// One read as it was asked for, checked by the node that took it.
#[derive(Clone, Copy, Debug)]
pub struct Question {
    /// How many owners must answer, in each set of them; at most N, as the client's node knew it.
    pub level: Level,
    /// When the client must be answered.
    pub deadline: Instant,
}

/// A read on its way.
#[derive(Debug)]
pub struct Get {
    question: Question,
    course: Course,
    phase: Phase,
    /// What the wall clock showed when owners were asked. A value is expired only if its time had come before any of
    /// them answered: otherwise it may have been replaced in time by one that they did not hold yet.
    asked_at: WallTime,
    /// Owners that answered with something older than the answer.
    stale: Nodes,
    /// Owners that hold the answer and lack an operation id that another owner knows.
    unlearned: Nodes,
    /// The owner that is asked for the whole record; the others may answer with a digest.
    whole_from: Option<NodeId>,
    /// Whether no holder of the greatest would show it: now every owner is asked for the whole record.
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
    Repairing(RoundTwo),
    /// The client is answered; the other stale owners are being repaired.
    Settling { round_two: Option<RoundTwo>, until: Instant },
    /// The client is answered with what this read has made final: every owner gets it, or a hint.
    Finishing(Settling),
    /// Nothing more will happen.
    Done,
}

type Effects = Vec<Effect<Answer>>;

impl Get {
    /// A read by this plan. It does nothing until it is told to start.
    pub fn new(plan: Arc<Plan>, question: Question, context: Context) -> Self {
        let course = Course::new(plan, context);
        let (stale, unlearned) = (Nodes::default(), Nodes::default());
        let (phase, whole_from, begun_anew) = (Phase::Idle, None, false);
        let asked_at = WallTime::default();
        Self { question, course, phase, asked_at, stale, unlearned, whole_from, begun_anew }
    }

    fn on_reply(&mut self, now: Now, to: NodeId, purpose: Purpose, reply: Reply, effects: &mut Effects) {
        match (purpose, reply) {
            (Purpose::Read, Reply::Record(record)) => self.on_view(now, to, View::whole(record), effects),
            (Purpose::Read, Reply::Digest { held, digest, operations }) => {
                self.on_view(now, to, View::digest(held, digest, operations), effects);
            }
            (Purpose::Read, Reply::Absent { sealed }) => self.on_view(now, to, View::absent(sealed), effects),
            (Purpose::Fetch, Reply::Record(record)) => self.on_fetched(now, to, View::whole(record), effects),
            (Purpose::Fetch, Reply::Absent { sealed }) => {
                self.on_fetched(now, to, View::absent(sealed), effects);
            }
            (Purpose::Write(since), Reply::Written { held }) => {
                self.on_repaired(now, Owner { node: to, since }, held, effects);
            }
            (Purpose::Hint(_), Reply::Hinted) => self.advance_settle(effects),
            (purpose, _) => self.on_failed(now, Failed::nonsense(to, purpose), effects),
        }
    }

    fn on_failed(&mut self, now: Now, failed: Failed, effects: &mut Effects) {
        let Failed { to, purpose, failure, replanned } = failed;
        let begins_anew = self.course.begins_anew(&failed);
        match &mut self.phase {
            Phase::Asking(_) | Phase::Fetching { .. } if begins_anew => self.replan(now, effects),
            Phase::Asking(gather) if purpose == Purpose::Read => {
                gather.fail(to);
                if self.whole_from == Some(to) {
                    self.whole_from = None;
                }
                self.advance_asking(now, effects);
            }
            Phase::Fetching { .. } if purpose == Purpose::Fetch => self.fetch_next(now, effects),
            Phase::Repairing(round_two) => {
                let Purpose::Write(since) = purpose else { return };
                round_two.fail(now, Owner { node: to, since }, failure);
                if let Failure::Refused(Refusal::Below { floor }) = failure
                    && purge::is_removed(self.course.context.rules, round_two.record().version, Some(floor))
                {
                    // An owner that holds nothing has sealed it: as if it had answered the read so.
                    let answered = self.course.owners.count(&round_two.held_by(&self.course));
                    return self.answer_removed(now, answered, Some(floor), effects);
                }
                if replanned {
                    self.replan(now, effects);
                }
                let Phase::Repairing(round_two) = &self.phase else { return };
                let gave_up = round_two.is_settled() && round_two.wake_at().is_none();
                if gave_up {
                    let tally = round_two.tally(&self.course);
                    self.give_up(now, tally, effects);
                }
            }
            Phase::Settling { round_two: Some(round_two), .. } => {
                let Purpose::Write(since) = purpose else { return };
                round_two.fail(now, Owner { node: to, since }, failure);
                self.advance_settle(effects);
            }
            Phase::Finishing(settling) => {
                settling.fail(now, (to, purpose, failure), &mut self.course, effects);
                self.advance_settle(effects);
            }
            Phase::Idle
            | Phase::Asking(_)
            | Phase::Fetching { .. }
            | Phase::Settling { round_two: None, .. }
            | Phase::Done => {}
        }
    }

    /// A newer plan is in force: what was asked is asked again, and what is being repaired goes to the new owners.
    fn replan(&mut self, now: Now, effects: &mut Effects) {
        match &mut self.phase {
            Phase::Asking(_) | Phase::Fetching { .. } => self.begin_anew(now, effects),
            Phase::Repairing(round_two) => {
                round_two.resend_now();
                round_two.send(now, &mut self.course, effects);
            }
            Phase::Idle | Phase::Settling { .. } | Phase::Finishing(_) | Phase::Done => {}
        }
    }

    fn on_tick(&mut self, now: Now, effects: &mut Effects) {
        if now.instant >= self.deadline()
            && let Some(Tally { acks, required, n }) = self.unanswered()
        {
            let replicas = self.course.reports(now);
            return self.finish(Err(GetError::Timeout { required, acks, n, replicas }), effects);
        }
        match &mut self.phase {
            Phase::Asking(gather) => {
                let more = gather.on_tick(now, &self.course);
                self.ask(now, &more, effects);
                self.advance_asking(now, effects);
            }
            Phase::Repairing(round_two) => {
                if round_two.is_resend_due(now) {
                    round_two.send(now, &mut self.course, effects);
                }
            }
            Phase::Fetching { hedge_at, .. } => {
                if *hedge_at <= now.instant {
                    self.fetch_next(now, effects);
                }
            }
            Phase::Settling { until, .. } => {
                if *until <= now.instant {
                    if self.course.context.settles() {
                        return self.end(effects);
                    }
                    *until = now.instant + self.course.context.timing.settle;
                }
            }
            Phase::Finishing(settling) => {
                if settling.tick(now, &mut self.course, effects) {
                    self.end(effects);
                }
            }
            Phase::Idle | Phase::Done => {}
        }
    }

    /// How many owners have done what the client waits for, of how many; `None`: it has its answer.
    fn unanswered(&self) -> Option<Tally> {
        match &self.phase {
            Phase::Asking(gather) => Some(gather.tally(&self.course)),
            Phase::Repairing(round_two) => Some(round_two.tally(&self.course)),
            Phase::Idle | Phase::Fetching { .. } => Some(self.tally(&Nodes::default())),
            Phase::Settling { .. } | Phase::Finishing(_) | Phase::Done => None,
        }
    }

    /// What owners show was removed, or none of them holds anything: nothing is to be repaired.
    fn answer_removed(&mut self, now: Now, acks: u8, sealed: Option<Version>, effects: &mut Effects) {
        (self.stale, self.unlearned) = (Nodes::default(), Nodes::default());
        self.respond(now, (None, sealed), acks, 0, effects);
        self.settle(now, None, effects);
    }

    fn respond(
        &self,
        now: Now,
        (record, sealed): (Option<Record>, Option<Version>),
        acks: u8,
        repaired: u8,
        effects: &mut Effects,
    ) {
        let (plan, level) = (&self.course.plan, self.question.level);
        let in_set = |n| Guarantee::of_read(level.within(n), plan.table.w.within(n), n);
        let (rules, by_levels) = (self.course.context.rules, plan.sizes().map(in_set).min());
        let (guarantee, lowered) =
            loss::claimed(rules, by_levels.unwrap_or(Guarantee::Eventual), plan.has_losses);
        effects.push(Effect::Respond(Ok(GetAnswer {
            record,
            sealed,
            guarantee,
            lowered,
            acks,
            required: level.within(plan.n()),
            n: plan.n(),
            repaired,
            replicas: self.course.reports(now),
        })));
    }

    /// How far `nodes` are, of as many owners as the request asks for.
    fn tally(&self, nodes: &Nodes) -> Tally {
        self.course.owners.tally(nodes, &self.course.plan.quota(self.question.level))
    }

    /// Too few owners can answer.
    fn give_up(&mut self, now: Now, tally: Tally, effects: &mut Effects) {
        let (Tally { acks, required, n }, replicas) = (tally, self.course.reports(now));
        self.finish(Err(GetError::Unavailable { required, acks, n, replicas }), effects);
    }

    fn deadline(&self) -> Instant {
        self.course.context.deadline(self.question.deadline)
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
            Phase::Asking(gather) => gather.wake_at(),
            Phase::Repairing(round_two) => round_two.wake_at(),
            Phase::Fetching { hedge_at, .. } => Some(*hedge_at),
            Phase::Settling { until, .. } => return Some(*until),
            Phase::Finishing(settling) => return Some(settling.wake_at()),
            Phase::Idle => None,
            Phase::Done => return None,
        };
        Some(phase.map_or(self.deadline(), |at| at.min(self.deadline())))
    }
}
