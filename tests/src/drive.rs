//! Coordinators: the real sessions of the real machines, as the node's driver runs them.
//!
//! It sends what a session wants sent, hands back how each call ended, wakes it when it asked to be woken or has heard of
//! a newer catalog, and gives its answer to the client. Between a session and its machine stands a [`Watched`], which
//! writes down what the machine is told: the judges look at that, and nothing is decided by it.

use crate::brief;
use crate::coverage::Happening;
use crate::event::{Asker, Caller, Event};
use crate::heard::Heard;
use crate::history::{AttemptId, Name, Outcome, Spot};
use crate::message::{Message, Told};
use crate::world::World;
use quorate_coordinator::answer::Outcome as Claim;
use quorate_coordinator::scan::Segment;
use quorate_coordinator::session::{Action, CATALOG_WAIT, Ended, Said, Session};
use quorate_coordinator::{Ask as _, Call, Effect, Failure, Get, Input, Machine, Put, PutError};
use quorate_model::operation::Recall;
use quorate_model::{Body, Epoch, Instant, NodeId, Now, RangeReply, Refusal, Reply, Request, SortKey, level};
use quorate_storage::ReadTier;
use std::collections::{BTreeMap, BTreeSet};

/// Steps after which an operation is taken to spin.
pub const STEPS_MAX: u32 = 2_000;

/// An operation under way.
#[derive(Debug)]
pub struct Running {
    /// Which attempt it is.
    pub attempt: AttemptId,
    /// Its name.
    pub name: Name,
    /// The real session.
    pub session: Session<Watched>,
    /// Of which key.
    pub spot: Spot,
    /// The shard's epoch of the newest plan that it was given.
    pub epoch: Epoch,
    /// Calls of which the machine has not been told yet how they ended.
    pub asked: BTreeMap<Call, Asked>,
    /// Owners that answered what decides (versions, records), each with the epoch that it was asked at.
    pub answered: BTreeSet<(Epoch, NodeId)>,
    /// Up to where the first answer to a walk was complete.
    pub until: Option<Option<SortKey>>,
    /// When it began, in microseconds.
    pub started: u64,
    /// When it will be woken.
    pub woken_at: Option<u64>,
    /// Steps so far.
    pub steps: u32,
}

/// A call of which the machine has not been told yet how it ended.
#[derive(Clone, Copy, Debug)]
pub struct Asked {
    /// Whom it asked.
    to: NodeId,
    /// The epoch that it named.
    epoch: Epoch,
    /// Whether its answer decides something: it asks for a version or a record.
    decides: bool,
    /// When it was refused as stale, in microseconds.
    stale_at: Option<u64>,
    /// What a refusal said is in force: the shard's epoch.
    said: Option<Epoch>,
}

/// An operation whose machine is watched: each input is written down.
#[derive(Debug)]
pub struct Watched {
    operation: Operation,
    told: Vec<Input<Told>>,
}

/// A machine of any kind.
#[derive(Debug)]
pub enum Operation {
    /// A read.
    Get(Box<Get>),
    /// A write.
    Put(Box<Put>),
    /// A walk over a segment of a scan.
    Walk(Box<Segment>),
}

impl Watched {
    /// Watches an operation.
    pub fn new(operation: Operation) -> Self {
        Self { operation, told: Vec::new() }
    }
}

impl Machine for Watched {
    type Request = Message;
    type Answer = Outcome;

    fn step(&mut self, now: Now, input: Input<Told>, effects: &mut Vec<Effect<Outcome, Message>>) {
        self.told.push(input.clone());
        match &mut self.operation {
            Operation::Get(get) => {
                let mut own = Vec::new();
                get.step(now, of_key(input), &mut own);
                let outcome = |answer| match answer {
                    Ok(answer) => Outcome::Got(answer),
                    Err(error) => Outcome::GetFailed(error),
                };
                effects.extend(own.into_iter().map(|effect| of_any(effect, Message::Key, outcome)));
            }
            Operation::Put(put) => {
                let mut own = Vec::new();
                put.step(now, of_key(input), &mut own);
                let outcome = |answer| match answer {
                    Ok(answer) => Outcome::Stored(answer),
                    Err(error) => Outcome::PutFailed(error),
                };
                effects.extend(own.into_iter().map(|effect| of_any(effect, Message::Key, outcome)));
            }
            Operation::Walk(walk) => {
                let mut own = Vec::new();
                walk.step(now, of_range(input), &mut own);
                effects.extend(own.into_iter().map(|effect| of_any(effect, Message::Range, Outcome::Walked)));
            }
        }
    }

    fn wake_at(&self) -> Option<Instant> {
        match &self.operation {
            Operation::Get(get) => get.wake_at(),
            Operation::Put(put) => put.wake_at(),
            Operation::Walk(walk) => walk.wake_at(),
        }
    }
}

/// What a machine of keys is told.
fn of_key(input: Input<Told>) -> Input {
    told(input, |told| match told {
        Told::Key(reply) => reply,
        Told::Range(reply) => panic!("a request of one key was answered {reply:?}"),
    })
}

/// What a machine of ranges is told.
fn of_range(input: Input<Told>) -> Input<RangeReply> {
    told(input, |told| match told {
        Told::Range(reply) => reply,
        Told::Key(reply) => panic!("a request about a range was answered {reply:?}"),
    })
}

fn told<R>(input: Input<Told>, reply_of: impl Fn(Told) -> R) -> Input<R> {
    match input {
        Input::Start => Input::Start,
        Input::Reply { call, reply } => Input::Reply { call, reply: reply_of(reply) },
        Input::Failed { call, failure, newer } => Input::Failed { call, failure, newer },
        Input::Tick => Input::Tick,
    }
}

/// What a machine wants, with the request and the outcome of any kind.
fn of_any<A, Q>(
    effect: Effect<A, Q>,
    message: impl Fn(Q) -> Message,
    outcome: impl Fn(A) -> Outcome,
) -> Effect<Outcome, Message> {
    match effect {
        Effect::Send { call, to, request } => Effect::Send { call, to, request: message(request) },
        Effect::Respond(answer) => Effect::Respond(outcome(answer)),
        Effect::Done => Effect::Done,
    }
}

impl World {
    /// Starts an operation on a living node.
    pub(crate) fn launch(&mut self, on: NodeId, running: Running) {
        let number = self.next_number();
        let process = self.node(on).process.as_mut().expect("clients ask living nodes");
        process.running.insert(number, running);
        self.step(on, number, |session, now, _, actions| session.start(now, actions));
    }

    /// A call of an operation has ended.
    pub(crate) fn end_call(&mut self, on: NodeId, run: u32, number: u64, call: Call, ended: Ended<Told>) {
        let now = self.schedule.now();
        let Some(process) = self.node(on).living(run) else { return };
        let Some(running) = process.running.get_mut(&number) else { return };
        if let (Some(asked), Ok(Said { reply, newer })) = (running.asked.get_mut(&call), &ended)
            && let Err(Failure::Refused(refusal)) = Message::heard(reply.clone())
        {
            if matches!(refusal, Refusal::Stale { .. }) {
                asked.stale_at.get_or_insert(now);
            }
            asked.said = asked.said.max(newer.as_ref().map(|newer| newer.epoch));
        }
        self.step(on, number, |session, now, plans, actions| session.ended(now, call, ended, plans, actions));
    }

    /// A node has heard of a newer catalog: what waited for it goes on.
    pub(crate) fn catch_up(&mut self, on: NodeId) {
        let Some(process) = self.node(on).process.as_ref() else { return };
        let waits = |(_, running): &(&u64, &Running)| running.session.awaits().is_some();
        let waiting: Vec<u64> = process.running.iter().filter(waits).map(|(number, _)| *number).collect();
        for number in waiting {
            self.step(on, number, |session, now, plans, actions| session.caught_up(now, plans, actions));
        }
    }

    /// An operation asked to be woken about now.
    pub(crate) fn wake(&mut self, on: NodeId, run: u32, number: u64) {
        let now = self.schedule.now();
        let Some(process) = self.node(on).living(run) else { return };
        let Some(running) = process.running.get_mut(&number) else { return };
        running.woken_at = None;
        match running.session.wake_at() {
            Some(at) if at.0 <= now => {
                self.step(on, number, |session, now, plans, actions| session.tick(now, plans, actions));
            }
            Some(_) | None => self.plan_wake(on, number),
        }
    }

    /// Lets a session take one step, looks at what its machine was told, and does what it wants done.
    fn step(
        &mut self,
        on: NodeId,
        number: u64,
        step: impl FnOnce(&mut Session<Watched>, Now, &Heard<'_>, &mut Vec<Action<Outcome, Message>>),
    ) {
        let now = self.now_on(on);
        let process = self.node(on).process.as_mut().expect("only living processes are stepped");
        let Some(mut running) = process.running.remove(&number) else { return };
        let attempt = running.attempt;
        let whom = [running.name.number(), u64::from(running.steps) + 1];
        let mut actions = Vec::new();
        step(&mut running.session, now, &Heard { world: self, on, whom }, &mut actions);
        let told = std::mem::take(&mut running.session.machine_mut().told);
        if !told.is_empty() {
            let seen = &mut self.history.attempts[attempt.0];
            seen.wall_min = seen.wall_min.min(now.wall);
        }
        for input in told {
            running.steps += 1;
            self.tell(|| format!("{on} op {} <- {}", attempt.0, brief::input(&input)));
            self.note_told(on, &mut running, &input);
        }
        let mut done = false;
        for action in actions {
            match action {
                Action::Send { call, to, request, deadline } => {
                    self.emit(on, number, &mut running, (call, to, deadline), request);
                }
                Action::Respond(outcome) => self.respond(&running, outcome),
                Action::Done => done = true,
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

    /// What the history must know of what a machine was told.
    fn note_told(&mut self, on: NodeId, running: &mut Running, input: &Input<Told>) {
        match input {
            Input::Reply { call, reply } => {
                if let Told::Range(RangeReply::Scanned(scanned)) = reply
                    && running.until.get_or_insert_with(|| scanned.until.clone()) != &scanned.until
                {
                    self.met(Happening::WalkUneven);
                }
                if let Some(asked) = running.asked.remove(call).filter(|asked| asked.decides) {
                    running.answered.insert((asked.epoch, asked.to));
                }
            }
            Input::Failed { call, failure, newer } => {
                let asked = running.asked.remove(call);
                let given = newer.as_ref().map(|plan| plan.place.epoch);
                if let Some(said) = asked.and_then(|asked| asked.said) {
                    self.met(Happening::RefusalSaid);
                    // Where the coordinator knows that the table is dropped, nothing is in force.
                    let table = self.cluster.table(running.spot.table);
                    let is_dropped = self.cluster.is_dropped(self.peek(on).heard, table);
                    if given < Some(said) && !is_dropped {
                        self.history.unheeded.push((running.spot, running.attempt));
                    }
                }
                if matches!(failure, Failure::Refused(Refusal::Below { .. })) {
                    self.history.attempts[running.attempt.0].below += 1;
                }
                if let (Some(asked), Failure::Refused(Refusal::Stale { current })) = (asked, failure) {
                    self.note_stale(on, running, asked, *current, newer.is_some());
                }
                let Some(plan) = newer.as_ref().filter(|plan| plan.place.epoch > running.epoch) else {
                    return;
                };
                running.epoch = plan.place.epoch;
                let attempt = &mut self.history.attempts[running.attempt.0];
                attempt.durability = attempt.durability.min(plan.table.durability);
                attempt.replans += 1;
                if matches!(attempt.outcome, Outcome::Open) {
                    self.met(Happening::Replanned);
                }
            }
            Input::Start | Input::Tick => {}
        }
    }

    /// A machine is told of a refusal that names a newer catalog: without a newer plan, the catalog was waited for.
    fn note_stale(&mut self, on: NodeId, running: &Running, asked: Asked, current: Epoch, has_newer: bool) {
        let waited = asked.stale_at.map_or(0, |at| self.schedule.now() - at);
        let has_caught_up = self.catalog_epoch(on) >= current;
        if !has_newer && !has_caught_up && waited < CATALOG_WAIT.0 {
            self.history.not_awaited.push((running.spot, running.attempt));
        }
        if waited > 0 {
            self.met(if has_caught_up { Happening::CatalogAwaited } else { Happening::CatalogMissed });
        }
    }

    fn catalog_epoch(&self, on: NodeId) -> Epoch {
        self.cluster.epoch(self.peek(on).heard)
    }

    fn plan_wake(&mut self, on: NodeId, number: u64) {
        let (run, now) = (self.node(on).run, self.schedule.now());
        let Some(process) = self.node(on).process.as_mut() else { return };
        let Some(running) = process.running.get_mut(&number) else { return };
        let Some(at) = running.session.wake_at() else { return };
        // A timer is never early and often a little late; a spinning machine must not stop time.
        let at = at.0.max(now + 1);
        if running.woken_at.is_none_or(|planned| planned > at) {
            running.woken_at = Some(at);
            self.schedule.at(at, Event::Tick { node: on, run, number });
        }
    }

    fn emit(
        &mut self,
        on: NodeId,
        number: u64,
        running: &mut Running,
        (call, to, deadline): (Call, NodeId, Instant),
        request: Message,
    ) {
        let (attempt, spot, epoch) = (running.attempt, running.spot, request.epoch());
        let decides = match &request {
            Message::Key(request) => matches!(request, Request::Ask { .. } | Request::Read { .. }),
            Message::Range(_) => true,
        };
        running.asked.insert(call, Asked { to, epoch, decides, stale_at: None, said: None });
        let seen = &mut self.history.attempts[attempt.0];
        seen.messages += 1;
        match &request {
            Message::Key(Request::Write { record, .. }) => {
                seen.sent = true;
                let operations = record.operations.as_slice().len();
                self.history.operations_max = self.history.operations_max.max(operations);
                self.history.sent(attempt, spot, record);
                let seen = &self.history.attempts[attempt.0];
                if seen.below > 0 && seen.made.len() > 1 && seen.made.last() == Some(&record.version) {
                    self.met(Happening::BegunAbove);
                }
                self.leave_asking(running);
            }
            Message::Key(Request::Hint { owner, .. }) => {
                self.history.hinted.insert((attempt, *owner));
            }
            Message::Key(Request::Read { whole: true, .. }) if !running.answered.is_empty() => {
                self.met(Happening::Fetched);
            }
            Message::Key(
                Request::Ask { .. } | Request::Read { .. } | Request::Assign { .. } | Request::Inspect { .. },
            )
            | Message::Range(_) => {}
        }
        if epoch < running.epoch {
            self.history.ignored_plans.push((spot, attempt));
        }
        let run = self.node(on).run;
        let now = self.schedule.now();
        let remaining = deadline.0 - now;
        let asker = Asker::Operation { number, attempt, name: running.name, call };
        self.send(Caller { node: on, run, asker }, to, request, remaining);
    }

    /// An operation has all the answers that it asked for: those that were given under its present plan are counted.
    fn leave_asking(&mut self, running: &Running) {
        let attempt = &mut self.history.attempts[running.attempt.0];
        let counts = running.answered.iter().filter(|(epoch, _)| *epoch == running.epoch).count();
        attempt.based_on.get_or_insert(counts as u8);
    }

    fn respond(&mut self, running: &Running, outcome: Outcome) {
        if matches!(outcome, Outcome::Got(_) | Outcome::Stored(_) | Outcome::Walked(Ok(_))) {
            self.leave_asking(running);
        }
        self.note_outcome(running, &outcome);
        self.note_known_as(running, &outcome);
        let now = self.schedule.now();
        let on = self.history.attempts[running.attempt.0].coordinator;
        let stood_still = self.node(on).stood_still(running.started, now);
        let seen = &mut self.history.attempts[running.attempt.0];
        (seen.answered_after, seen.stood_still.before_answer) = (Some(now - running.started), stood_still);
        self.conclude(running.attempt, outcome);
    }

    /// An answer that names a version of an operation id: so many owners know the id as that version, or as a later one, that
    /// every retry meets one of them. Owners that can't be asked are believed.
    fn note_known_as(&mut self, running: &Running, outcome: &Outcome) {
        let (Outcome::Stored(answer), spot) = (outcome, running.spot) else { return };
        let crate::history::Asked::Write(write) = &self.history.attempts[running.attempt.0].asked else {
            return;
        };
        let Some(id) = write.id.clone() else { return };
        let Some(plan) = self.cluster.plan(self.cluster.commands(), spot, NodeId(1), Vec::new()) else {
            return;
        };
        let changes = self.setting.changes_copies();
        // Where copies become more and fewer: a quorum of those that there are now, by the newest catalog. Of the new owners
        // while the shard moves there may be none yet.
        let sets = if changes { &plan.sets[..1] } else { &plan.sets[..] };
        let owners: Vec<NodeId> = sets.iter().flatten().map(|owner| owner.node).collect();
        let quorum = if answer.replayed { level::quorum(answer.n) } else { 1 };
        let needed = if changes { level::quorum(owners.len() as u8) } else { quorum.max(answer.required) };
        let knows = |owner: &&NodeId| {
            let Some(plan) = self.cluster.plan(self.peek(**owner).heard, spot, **owner, Vec::new()) else {
                return true;
            };
            let Some(process) = self.peek(**owner).process.as_ref() else { return true };
            let floors = process.replica.floors_at(plan.place.table, &plan.place.sort_key);
            let request = Request::Read { at: plan.place.clone(), whole: true };
            match process.replica.read(&request, ReadTier::Disk) {
                Some(Reply::Record(Some(record))) => match record.operations.recall(&id) {
                    Recall::Found(known) if known.version >= answer.version => true,
                    // One that forgot the later attempt with what was removed may have learnt of the earlier one since.
                    Recall::Found(_) => floors.forgot_ids(Some(record.held())).is_some(),
                    Recall::Unknown | Recall::Next if floors.forgot_ids(Some(record.held())).is_some() => {
                        true
                    }
                    Recall::Unknown => record.operations.may_have_forgotten(),
                    Recall::Next => false,
                    Recall::Passed => true,
                },
                Some(Reply::Record(None)) => false,
                Some(Reply::Absent { .. }) => floors.forgot_ids(None).is_some(),
                _ => true,
            }
        };
        let count = owners.iter().filter(knows).count();
        if count < usize::from(needed) {
            let what =
                format!("{id} was answered as {}, which {count} owners know, not {needed}", answer.version);
            self.history.unknown_ids.push((spot, what));
        }
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
            Outcome::Stored(_)
            | Outcome::Walked(_)
            | Outcome::GetFailed(_)
            | Outcome::Open
            | Outcome::Vanished => return,
        };
        self.met(happening);
    }
}
