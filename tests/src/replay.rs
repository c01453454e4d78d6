//! Hints on their way to their owners: the real replay, as the node carries it out.
//!
//! What is sent when, and erased when, the machine decides ([`quorate_coordinator::replay`]). Here its pages are read, its
//! batches sent, its reads begun and its hints erased. A batch travels as its single requests, each with a delivery of its
//! own; it is answered when all of them are, and lost with the first that is.

use crate::coverage::Happening;
use crate::drive::Operation;
use crate::event::{Asker, Caller, Event};
use crate::heard::Heard;
use crate::history::{Asked, AttemptId, Hinted, Outcome, Spot};
use crate::message::Message;
use crate::random::For;
use crate::world::World;
use quorate_coordinator::replay::{Action, Input, Look};
use quorate_coordinator::{Context, Position, Replay, ReplayLimits};
use quorate_model::{Epoch, Hint, NodeId, Place, Reply, Request, SortKey, Span, TableId};
use quorate_storage::engine::PageLimit;

/// The client number of reads that replay asks for.
pub const REPLAYER: u32 = u32::MAX;

/// How often a node looks through its hints, in microseconds: more often than a real one, for histories are short.
const LOOK_EVERY: u64 = 80_000;

/// Hints in one page of those that are only looked at.
const PAGE: PageLimit = PageLimit { items: 64, bytes: 1024 * 1024 };

/// The limits of a simulated replay: small, so that they are met.
const LIMITS: ReplayLimits = ReplayLimits {
    batch_items_max: 4,
    batch_bytes_max: 64 * 1024,
    batch_timeout: Span::from_millis(1_500),
    repairs_running_max: 2,
    repair_timeout: Span::from_millis(1_500),
};

/// A batch of hints on its way.
#[derive(Debug)]
pub struct Batch {
    number: u64,
    requests: Vec<Request>,
    replies: Vec<Option<Reply>>,
}

/// A read at all owners that decides what becomes of a hint.
#[derive(Clone, Copy, Debug)]
pub struct Repair {
    node: NodeId,
    run: u32,
    owner: NodeId,
    number: u32,
}

/// The replay of a node that starts.
pub fn of_node(context: Context) -> Replay {
    Replay::new(context, LIMITS).looking_every(Span(LOOK_EVERY))
}

impl World {
    /// Plans the next look of a process through its hints: a timer is a little late.
    pub(crate) fn plan_replay(&mut self, node: NodeId) {
        let (run, now) = (self.node(node).run, self.schedule.now());
        self.node(node).replays += 1;
        let whom = [node.0, self.node(node).replays];
        let late = self.random(For::Replay, whom).below(LOOK_EVERY / 2);
        let process = self.node(node).process.as_ref().expect("only a living process replays");
        let at = process.replay.as_ref().map_or(now, |replay| replay.wake_at().0.max(now));
        self.schedule.at(at + late, Event::Replay { node, run });
    }

    /// A process looks through its hints.
    pub(crate) fn replay(&mut self, on: NodeId, run: u32) {
        let Some(process) = self.node(on).living(run) else { return };
        let counts = process.replica.hint_counts();
        let waiting = counts.into_iter().filter(|(_, hints)| hints.count > 0).map(|(owner, _)| owner);
        let reachable = if process.replica.is_doubtful() { Vec::new() } else { waiting.collect() };
        #[cfg(feature = "mutants")]
        self.sweep(on);
        self.keep_sums(on);
        self.step_replay(on, run, Input::Look(Look::of(reachable)));
        self.plan_replay(on);
    }

    /// Tells the replay of a process something, and does what it wants done.
    fn step_replay(&mut self, on: NodeId, run: u32, input: Input) {
        let mut inputs = vec![input];
        while let Some(input) = inputs.pop() {
            let now = self.now_on(on);
            self.node(on).replays += 1;
            let whom = [on.0, self.node(on).replays];
            let Some(process) = self.node(on).living(run) else { return };
            // Out of its process, so that it can look plans up in the world.
            let Some(mut replay) = process.replay.take() else { return };
            let mut actions = Vec::new();
            replay.step(now, input, &Heard { world: self, on, whom }, &mut actions);
            self.node(on).living(run).expect("a step does not end its process").replay = Some(replay);
            for action in actions {
                inputs.extend(self.carry_out(on, run, action));
            }
        }
    }

    /// Does what a replay wants done; what came of it, if that is known at once.
    fn carry_out(&mut self, on: NodeId, run: u32, action: Action) -> Option<Input> {
        let process = self.node(on).process.as_ref().expect("only a living process replays");
        match action {
            Action::Page { owner, after, items, bytes } => {
                let after = after.as_ref().map(|(table, sort_key)| (*table, sort_key));
                Some(Input::Page(owner, process.replica.hints_for(owner, after, PageLimit { items, bytes })))
            }
            Action::Erase { owner, hints } => {
                Some(Input::Erased(owner, process.replica.erase_hints(owner, &hints)))
            }
            Action::Send { owner, to, requests, deadline } => {
                self.send_batch(on, run, (owner, to), requests, deadline.0);
                None
            }
            Action::Read { owner, number, machine, plan, deadline } => {
                let spot = self.spot_of(&plan.place).expect("a hint is of a key");
                let name = self.own_name(REPLAYER);
                let (asked, timeout) = (Asked::Read { required: plan.n() }, deadline.0 - self.schedule.now());
                let (at, machine) = (Position::Key(plan.place.sort_key.clone()), Operation::Get(machine));
                let read = self.begin(name, on, spot, asked, timeout, machine, &plan, at);
                self.repairs.insert(read, Repair { node: on, run, owner, number });
                None
            }
            Action::Ended { .. } => None,
        }
    }

    fn send_batch(
        &mut self,
        on: NodeId,
        run: u32,
        (owner, to): (NodeId, NodeId),
        requests: Vec<Request>,
        deadline: u64,
    ) {
        let remaining = deadline - self.schedule.now();
        let first = self.node(on).replays + 1;
        self.node(on).replays += requests.len() as u64;
        let batch = Batch { number: first, replies: vec![None; requests.len()], requests: requests.clone() };
        let process = self.node(on).process.as_mut().expect("only a living process replays");
        process.batches_sent.insert(owner, batch);
        for (number, request) in (first..).zip(requests) {
            let asker = Asker::Replay { number, owner };
            self.send(Caller { node: on, run, asker }, to, Message::Key(request), remaining);
        }
    }

    /// A request of a batch was answered, or will not be. What comes for another batch than the present one is dropped.
    pub(crate) fn end_replayed(
        &mut self,
        on: NodeId,
        run: u32,
        (owner, number): (NodeId, u64),
        reply: Option<Reply>,
    ) {
        let Some(process) = self.node(on).living(run) else { return };
        let Some(batch) = process.batches_sent.get_mut(&owner) else { return };
        let Some(at) = number.checked_sub(batch.number).filter(|at| *at < batch.replies.len() as u64) else {
            return;
        };
        let is_lost = reply.is_none();
        batch.replies[at as usize] = batch.replies[at as usize].take().or(reply);
        if !is_lost && batch.replies.iter().any(Option::is_none) {
            return;
        }
        let Some(Batch { requests, replies, .. }) = process.batches_sent.remove(&owner) else { return };
        let replies: Option<Vec<Reply>> = if is_lost { None } else { replies.into_iter().collect() };
        for (request, reply) in requests.iter().zip(replies.iter().flatten()) {
            self.note_handed_over(on, owner, request, reply);
        }
        self.step_replay(on, run, Input::Replies(owner, replies));
    }

    /// What the history must know of a hint that was answered.
    fn note_handed_over(&mut self, keeper: NodeId, owner: NodeId, request: &Request, reply: &Reply) {
        let (Request::Write { record, at, .. }, Reply::Written { held }) = (request, reply) else { return };
        let (Some(spot), hinted) = (self.spot_of(at), record.held()) else { return };
        if *held >= hinted {
            self.met(Happening::HintReplayed);
        }
        if *held > hinted {
            self.met(Happening::HintOvertaken);
            self.history.overtaken.push(Hinted { keeper, owner, spot, held: *held });
        }
    }

    /// A read that was to bring owners together is over.
    pub(crate) fn repaired(&mut self, read: AttemptId, outcome: &Outcome) {
        let Some(Repair { node, run, owner, number }) = self.repairs.remove(&read) else { return };
        let answer = match outcome {
            Outcome::Got(answer) => Some(Ok(answer.clone())),
            Outcome::GetFailed(error) => Some(Err(error.clone())),
            Outcome::Open
            | Outcome::Stored(_)
            | Outcome::PutFailed(_)
            | Outcome::Walked(_)
            | Outcome::Vanished => None,
        };
        self.schedule.after(0, Event::Repaired { node, run, owner, number, answer: answer.map(Box::new) });
    }

    /// A replay hears what came of one of its reads.
    pub(crate) fn hear_repaired(
        &mut self,
        (node, run): (NodeId, u32),
        (owner, number): (NodeId, u32),
        answer: Option<quorate_coordinator::get::Answer>,
    ) {
        self.step_replay(node, run, Input::Read(owner, number, answer));
    }

    /// All hints that a node keeps for an owner; none if it doubts its disk.
    pub(crate) fn hints_of(&mut self, on: NodeId, owner: NodeId) -> Vec<Hint> {
        let Some(process) = self.node(on).process.as_ref() else { return Vec::new() };
        let mut hints: Vec<Hint> = Vec::new();
        loop {
            let after: Option<(TableId, &SortKey)> = hints.last().map(|hint| (hint.table, &hint.sort_key));
            match process.replica.hints_for(owner, after, PAGE) {
                Ok(page) if !page.is_empty() => hints.extend(page),
                Ok(_) | Err(_) => return hints,
            }
        }
    }

    /// Which key a hint is of.
    pub(crate) fn spot_of_hint(&self, hint: &Hint) -> Option<Spot> {
        let place = Place { table: hint.table, epoch: Epoch(0), sort_key: hint.sort_key.clone() };
        self.cluster.spot_of(&place)
    }
}
