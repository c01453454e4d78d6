//! Coordinators: carries out what the real machines decide.
//!
//! This is the simulated counterpart of the node's driver, and does no more than that: it sends what a machine asks
//! to be sent, hands back each answer with its call, wakes the machine when it asked to be woken, and gives its
//! answer to the client. A call is answered once; whatever else comes for it is dropped.

use crate::brief;
use crate::coverage::Happening;
use crate::history::{AttemptId, Name, Outcome, Spot};
use crate::parcel::{Asker, Caller, Event};
use crate::world::World;
use quorate_coordinator::answer::Outcome as Claim;
use quorate_coordinator::{Call, Effect, Failure, Get, Input, Machine, Put, PutError};
use quorate_model::{Body, Epoch, Mutant, NodeId, Refusal, Reply, Request};
use quorate_ring::Plan;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// A call may take this long even when its client has been answered, in microseconds: as in the node's driver.
const CALL_TIMEOUT_MIN: u64 = 1_500_000;

/// How long a stale coordinator waits for the catalog that an owner knows already, in microseconds: as in the node's
/// driver.
const CATALOG_WAIT: u64 = 500_000;

/// Steps after which an operation is taken to spin.
pub const STEPS_MAX: u32 = 2_000;

/// An operation under way.
#[derive(Debug)]
pub struct Running {
    /// Which attempt it is.
    pub attempt: AttemptId,
    /// Its name.
    pub name: Name,
    /// The real machine.
    pub machine: Operation,
    /// Of which key.
    pub spot: Spot,
    /// The shard's epoch of the newest plan that it was given.
    pub epoch: Epoch,
    /// Calls without an answer.
    pub open: BTreeMap<Call, Opened>,
    /// Owners that answered what decides (versions, records), each with the epoch that it was asked at.
    pub answered: BTreeSet<(Epoch, NodeId)>,
    /// When it began, in microseconds.
    pub started: u64,
    /// When its client must be answered, in microseconds.
    pub deadline: u64,
    /// When it will be woken.
    pub woken_at: Option<u64>,
    /// Steps so far.
    pub steps: u32,
}

/// A call without an answer.
#[derive(Clone, Copy, Debug)]
pub struct Opened {
    /// Whom it asked.
    to: NodeId,
    /// The epoch that it named.
    epoch: Epoch,
    /// Whether its answer decides something: it asks for a version or a record.
    decides: bool,
    /// When it was refused as stale, in microseconds: it has its answer, which may wait for the catalog.
    stale_at: Option<u64>,
}

/// A refusal that waits for a newer catalog before it is told.
#[derive(Clone, Copy, Debug)]
pub struct Waiting {
    number: u64,
    call: Call,
    refusal: Refusal,
    needed: Epoch,
}

/// A machine of either kind.
#[derive(Debug)]
pub enum Operation {
    /// A read.
    Get(Box<Get>),
    /// A write.
    Put(Box<Put>),
}

/// What a machine wants, of either kind.
enum Wish {
    Send(Call, NodeId, Request),
    Respond(Outcome),
    Done,
}

impl Operation {
    fn step(&mut self, now: quorate_model::Now, input: Input) -> Vec<Wish> {
        match self {
            Operation::Get(get) => {
                let mut effects = Vec::new();
                get.step(now, input, &mut effects);
                let outcome = |answer| match answer {
                    Ok(answer) => Outcome::Got(answer),
                    Err(error) => Outcome::GetFailed(error),
                };
                effects.into_iter().map(|effect| Wish::of(effect, outcome)).collect()
            }
            Operation::Put(put) => {
                let mut effects = Vec::new();
                put.step(now, input, &mut effects);
                let outcome = |answer| match answer {
                    Ok(answer) => Outcome::Stored(answer),
                    Err(error) => Outcome::PutFailed(error),
                };
                effects.into_iter().map(|effect| Wish::of(effect, outcome)).collect()
            }
        }
    }

    fn wake_at(&self) -> Option<u64> {
        match self {
            Operation::Get(get) => get.wake_at(),
            Operation::Put(put) => put.wake_at(),
        }
        .map(|at| at.0)
    }
}

impl Wish {
    fn of<A>(effect: Effect<A>, outcome: impl Fn(A) -> Outcome) -> Self {
        match effect {
            Effect::Send { call, to, request } => Wish::Send(call, to, request),
            Effect::Respond(answer) => Wish::Respond(outcome(answer)),
            Effect::Done => Wish::Done,
        }
    }
}

impl World {
    /// Starts an operation on a living node.
    pub(crate) fn launch(&mut self, on: NodeId, running: Running) {
        let number = self.next_number();
        let process = self.node(on).process.as_mut().expect("clients ask living nodes");
        process.running.insert(number, running);
        self.step(on, number, Input::Start);
    }

    /// An answer came for a call of an operation.
    pub(crate) fn take_reply(&mut self, on: NodeId, life: u32, number: u64, call: Call, reply: Reply) {
        match reply {
            Reply::Refused(refusal) => self.take_failure(on, life, number, call, Failure::Refused(refusal)),
            Reply::Broken => self.take_failure(on, life, number, call, Failure::Lost),
            reply => {
                let Some(running) = self.running(on, life, number) else { return };
                let is_answered = |opened: &Opened| opened.stale_at.is_some();
                if running.open.get(&call).is_none_or(is_answered) {
                    return;
                }
                let Some(opened) = running.open.remove(&call) else { return };
                if opened.decides {
                    running.answered.insert((opened.epoch, opened.to));
                }
                self.step(on, number, Input::Reply { call, reply });
            }
        }
    }

    /// A call of an operation failed. A refusal for reasons of the catalog comes with the newest plan, if that is
    /// another one; one that a newer catalog would explain waits for it.
    pub(crate) fn take_failure(&mut self, on: NodeId, life: u32, number: u64, call: Call, failure: Failure) {
        let now = self.schedule.now();
        let Some(running) = self.running(on, life, number) else { return };
        let Some(opened) = running.open.get_mut(&call).filter(|opened| opened.stale_at.is_none()) else {
            return;
        };
        let newer = match failure {
            Failure::Refused(refusal @ Refusal::Stale { current }) => {
                opened.stale_at = Some(now);
                let sent_under = opened.epoch;
                let newer = self.newer_plan(on, number, sent_under);
                let waits = newer.is_none() && self.catalog_epoch(on) < current;
                if waits && !self.rules.broken(Mutant::CatalogNotAwaited) {
                    return self.await_catalog(on, Waiting { number, call, refusal, needed: current });
                }
                newer
            }
            Failure::Refused(Refusal::Behind { .. } | Refusal::NotOwner) => {
                let sent_under = opened.epoch;
                self.newer_plan(on, number, sent_under)
            }
            Failure::Refused(
                Refusal::Doubtful
                | Refusal::DiskFull
                | Refusal::Overloaded
                | Refusal::Late
                | Refusal::Exhausted,
            )
            | Failure::NotSent
            | Failure::Lost => None,
        };
        self.fail(on, number, call, failure, newer);
    }

    /// An owner knows a catalog that this node has not heard of: it comes in a while, or not at all.
    fn await_catalog(&mut self, on: NodeId, waiting: Waiting) {
        let Waiting { number, call, .. } = waiting;
        let life = self.node(on).life;
        let process = self.node(on).process.as_mut().expect("its operation was just looked at");
        process.waiting.push(waiting);
        self.schedule.after(CATALOG_WAIT, Event::Waited { node: on, life, number, call });
    }

    /// A node has heard of a newer catalog: what waited for it goes on.
    pub(crate) fn wake_waiting(&mut self, on: NodeId) {
        let epoch = self.catalog_epoch(on);
        let Some(process) = self.node(on).process.as_mut() else { return };
        let (awake, waiting): (Vec<Waiting>, Vec<Waiting>) =
            process.waiting.drain(..).partition(|waiting| waiting.needed <= epoch);
        process.waiting = waiting;
        for waiting in awake {
            self.met(Happening::CatalogAwaited);
            self.end_waiting(on, waiting);
        }
    }

    /// A node has waited long enough for a newer catalog.
    pub(crate) fn stop_waiting(&mut self, on: NodeId, life: u32, number: u64, call: Call) {
        let Some(process) = self.node(on).living(life) else { return };
        let is_it = |waiting: &Waiting| waiting.number == number && waiting.call == call;
        let Some(at) = process.waiting.iter().position(is_it) else { return };
        let waiting = process.waiting.remove(at);
        self.met(Happening::CatalogMissed);
        self.end_waiting(on, waiting);
    }

    /// What waited for the catalog is told, with the newest plan.
    fn end_waiting(&mut self, on: NodeId, waiting: Waiting) {
        let Waiting { number, call, refusal, .. } = waiting;
        let life = self.node(on).life;
        let open = self.running(on, life, number).and_then(|running| running.open.get(&call).copied());
        if let Some(opened) = open {
            let newer = self.newer_plan(on, number, opened.epoch);
            self.fail(on, number, call, Failure::Refused(refusal), newer);
        }
    }

    /// A machine is told of a refusal that names a newer catalog, without a newer plan: the catalog was waited for.
    fn note_stale(&mut self, on: NodeId, opened: Opened, who: (Spot, AttemptId), current: Epoch) {
        let waited = opened.stale_at.map_or(0, |at| self.schedule.now() - at);
        if self.catalog_epoch(on) < current && waited < CATALOG_WAIT {
            self.history.not_awaited.push(who);
        }
    }

    /// Tells a machine that one of its calls failed.
    fn fail(&mut self, on: NodeId, number: u64, call: Call, failure: Failure, newer: Option<Arc<Plan>>) {
        let life = self.node(on).life;
        let Some(running) = self.running(on, life, number) else { return };
        let closed = running.open.remove(&call);
        let who = (running.spot, running.attempt);
        if let (Some(opened), Failure::Refused(Refusal::Stale { current }), None) = (closed, failure, &newer)
        {
            self.note_stale(on, opened, who, current);
        }
        let Some(running) = self.running(on, life, number) else { return };
        if let Some(plan) = newer.as_ref().filter(|plan| plan.place.epoch > running.epoch) {
            running.epoch = plan.place.epoch;
            let id = running.attempt;
            let attempt = &mut self.history.attempts[id.0];
            attempt.durability = attempt.durability.min(plan.table.durability);
            attempt.replans += 1;
            if matches!(attempt.outcome, Outcome::Open) {
                self.met(Happening::Replanned);
            }
        }
        self.step(on, number, Input::Failed { call, failure, newer });
    }

    /// The key's plan as this node knows it now, unless its shard is as it was when the call was sent.
    fn newer_plan(&mut self, on: NodeId, number: u64, sent_under: Epoch) -> Option<Arc<Plan>> {
        let process = self.node(on).process.as_ref().expect("its operation was just looked at");
        let running = &process.running[&number];
        let (spot, whom) = (running.spot, [running.name.number(), u64::from(running.steps) + 1]);
        self.plan_of(on, spot, whom).filter(|plan| plan.place.epoch != sent_under)
    }

    fn catalog_epoch(&mut self, on: NodeId) -> Epoch {
        let heard = self.node(on).heard;
        self.cluster.epoch(heard)
    }

    fn running(&mut self, on: NodeId, life: u32, number: u64) -> Option<&mut Running> {
        self.node(on).living(life)?.running.get_mut(&number)
    }

    /// An operation asked to be woken about now.
    pub(crate) fn wake(&mut self, on: NodeId, life: u32, number: u64) {
        let now = self.schedule.now();
        let Some(process) = self.node(on).living(life) else { return };
        let Some(running) = process.running.get_mut(&number) else { return };
        running.woken_at = None;
        match running.machine.wake_at() {
            Some(at) if at <= now => self.step(on, number, Input::Tick),
            Some(_) | None => self.plan_wake(on, number),
        }
    }

    fn step(&mut self, on: NodeId, number: u64, input: Input) {
        let now = self.now_on(on);
        let process = self.node(on).process.as_mut().expect("only living processes are stepped");
        let Some(mut running) = process.running.remove(&number) else { return };
        running.steps += 1;
        let attempt = running.attempt;
        let seen = &mut self.history.attempts[attempt.0];
        seen.wall_min = seen.wall_min.min(now.wall);
        self.tell(|| format!("{on} op {} <- {}", attempt.0, brief::input(&input)));
        let mut done = false;
        for wish in running.machine.step(now, input) {
            match wish {
                Wish::Send(call, to, request) => self.emit(on, number, &mut running, call, to, request),
                Wish::Respond(outcome) => self.respond(&running, outcome),
                Wish::Done => done = true,
            }
        }
        if done {
            let now = self.schedule.now();
            let stood_still = self.node(on).stood_still(running.started, now);
            let seen = &mut self.history.attempts[attempt.0];
            (seen.lived, seen.stood_still.before_end) = (Some(now - running.started), stood_still);
        } else if running.steps < STEPS_MAX {
            let process = self.node(on).process.as_mut().expect("a step does not end its process");
            process.running.insert(number, running);
            self.plan_wake(on, number);
        }
    }

    fn plan_wake(&mut self, on: NodeId, number: u64) {
        let (life, now) = (self.node(on).life, self.schedule.now());
        let Some(process) = self.node(on).process.as_mut() else { return };
        let Some(running) = process.running.get_mut(&number) else { return };
        let Some(at) = running.machine.wake_at() else { return };
        // A timer is never early and often a little late; a spinning machine must not stop time.
        let at = at.max(now + 1);
        if running.woken_at.is_none_or(|planned| planned > at) {
            running.woken_at = Some(at);
            self.schedule.at(at, Event::Tick { node: on, life, number });
        }
    }

    fn emit(
        &mut self,
        on: NodeId,
        number: u64,
        running: &mut Running,
        call: Call,
        to: NodeId,
        request: Request,
    ) {
        let (attempt, spot, epoch) = (running.attempt, running.spot, request.place().epoch);
        let decides = matches!(request, Request::Ask { .. } | Request::Read { .. });
        running.open.insert(call, Opened { to, epoch, decides, stale_at: None });
        let seen = &mut self.history.attempts[attempt.0];
        seen.messages += 1;
        match &request {
            Request::Write { record, .. } => {
                seen.spread = true;
                let operations = record.operations.as_slice().len();
                self.history.operations_max = self.history.operations_max.max(operations);
                self.history.sent(attempt, spot, record);
                self.leave_asking(running);
            }
            Request::Hint { owner, .. } => {
                self.history.hinted.insert((attempt, *owner));
            }
            Request::Read { whole: true, .. } if !running.answered.is_empty() => self.met(Happening::Fetched),
            Request::Ask { .. } | Request::Read { .. } | Request::Assign { .. } | Request::Inspect { .. } => {
            }
        }
        if epoch < running.epoch {
            self.history.ignored_plans.push((spot, attempt));
        }
        let life = self.node(on).life;
        let now = self.schedule.now();
        let remaining = running.deadline.max(now + CALL_TIMEOUT_MIN) - now;
        let asker = Asker::Operation { number, attempt, name: running.name, call };
        self.send(Caller { node: on, life, asker }, to, request, remaining);
    }

    /// An operation has all the answers that it asked for: those that were given under its present plan are counted.
    fn leave_asking(&mut self, running: &Running) {
        let attempt = &mut self.history.attempts[running.attempt.0];
        let counts = running.answered.iter().filter(|(epoch, _)| *epoch == running.epoch).count();
        attempt.based_on.get_or_insert(counts as u8);
    }

    fn respond(&mut self, running: &Running, outcome: Outcome) {
        if matches!(outcome, Outcome::Got(_) | Outcome::Stored(_)) {
            self.leave_asking(running);
        }
        self.note_outcome(running, &outcome);
        let now = self.schedule.now();
        let on = self.history.attempts[running.attempt.0].coordinator;
        let stood_still = self.node(on).stood_still(running.started, now);
        let seen = &mut self.history.attempts[running.attempt.0];
        (seen.answered_after, seen.stood_still.before_answer) = (Some(now - running.started), stood_still);
        self.conclude(running.attempt, outcome);
    }

    fn note_outcome(&mut self, running: &Running, outcome: &Outcome) {
        let deletes = matches!(&self.history.attempts[running.attempt.0].asked,
            crate::history::Asked::Write(write) if write.value.is_none());
        let happening = match outcome {
            Outcome::Got(answer) if answer.repaired > 0 => Happening::Repaired,
            Outcome::Got(answer) => match &answer.record {
                Some(record) if record.body == Body::Expired => Happening::Expired,
                Some(_) | None => return,
            },
            Outcome::Stored(answer) if answer.replayed => Happening::Replayed,
            Outcome::Stored(_) if deletes => Happening::Deleted,
            Outcome::PutFailed(PutError::IdempotencyReused) => Happening::Reused,
            Outcome::PutFailed(PutError::IdempotencyExpired) => Happening::IdExpired,
            Outcome::PutFailed(error) if error.outcome() == Claim::NotApplied => Happening::NotApplied,
            Outcome::PutFailed(_) => Happening::Unknown,
            Outcome::Stored(_) | Outcome::GetFailed(_) | Outcome::Open | Outcome::Vanished => return,
        };
        self.met(happening);
    }
}
