//! Coordinators: carries out what the real machines decide.
//!
//! This is the simulated counterpart of the node's driver, and does no more than that: it sends what a machine asks
//! to be sent, hands back each answer with its call, wakes the machine when it asked to be woken, and gives its
//! answer to the client. A call is answered once; whatever else comes for it is dropped.

use crate::brief;
use crate::history::{AttemptId, Outcome, Spot};
use crate::parcel::{Asker, Caller, Event};
use crate::world::World;
use quorate_coordinator::{Call, Effect, Failure, Get, Input, Machine, Put};
use quorate_model::{Epoch, NodeId, Refusal, Reply, Request};
use std::collections::BTreeSet;

/// Steps after which an operation is taken to spin.
pub const STEPS_MAX: u32 = 2_000;

/// An operation under way.
#[derive(Debug)]
pub struct Running {
    /// Which attempt it is.
    pub attempt: AttemptId,
    /// The real machine.
    pub machine: Operation,
    /// Of which key.
    pub spot: Spot,
    /// The shard's epoch under which it began.
    pub epoch: Epoch,
    /// Calls without an answer.
    pub open: BTreeSet<Call>,
    /// When it began, in microseconds.
    pub started: u64,
    /// When it will be woken.
    pub woken_at: Option<u64>,
    /// Steps so far.
    pub steps: u32,
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
                if self.close(on, life, number, call).is_some() {
                    self.step(on, number, Input::Reply { call, reply });
                }
            }
        }
    }

    /// A call of an operation failed.
    pub(crate) fn take_failure(&mut self, on: NodeId, life: u32, number: u64, call: Call, failure: Failure) {
        let Some((spot, epoch)) = self.close(on, life, number, call) else { return };
        let newer = match failure {
            Failure::Refused(Refusal::Stale { .. } | Refusal::Behind { .. } | Refusal::NotOwner) => {
                self.plan_of(on, spot).filter(|plan| plan.place.epoch > epoch)
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
        self.step(on, number, Input::Failed { call, failure, newer });
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

    /// Closes a call, once; tells what the operation is about.
    fn close(&mut self, on: NodeId, life: u32, number: u64, call: Call) -> Option<(Spot, Epoch)> {
        let running = self.node(on).living(life)?.running.get_mut(&number)?;
        running.open.remove(&call).then_some((running.spot, running.epoch))
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
                Wish::Send(call, to, request) => {
                    running.open.insert(call);
                    self.emit(on, number, attempt, running.spot, call, to, request);
                }
                Wish::Respond(outcome) => self.respond(attempt, running.started, outcome),
                Wish::Done => done = true,
            }
        }
        if done {
            let lived = self.schedule.now() - running.started;
            self.history.attempts[attempt.0].lived = Some(lived);
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

    #[expect(clippy::too_many_arguments, reason = "one message: who, for what, whom, what")]
    fn emit(
        &mut self,
        on: NodeId,
        number: u64,
        attempt: AttemptId,
        spot: Spot,
        call: Call,
        to: NodeId,
        request: Request,
    ) {
        self.history.attempts[attempt.0].messages += 1;
        match &request {
            Request::Write { record, .. } => {
                self.history.sent(attempt, spot, record);
                self.history.attempts[attempt.0].spread = true;
            }
            Request::Hint { owner, .. } => {
                self.history.hinted.insert((attempt, *owner));
            }
            Request::Ask { .. } | Request::Read { .. } | Request::Assign { .. } | Request::Inspect { .. } => {
            }
        }
        let life = self.node(on).life;
        let caller = Caller { node: on, life, asker: Asker::Operation { number, attempt, call } };
        self.send(caller, to, request);
    }

    fn respond(&mut self, attempt: AttemptId, started: u64, outcome: Outcome) {
        let took = self.schedule.now() - started;
        self.history.attempts[attempt.0].answered_after = Some(took);
        self.conclude(attempt, outcome);
    }
}
