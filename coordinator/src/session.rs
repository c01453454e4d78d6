//! The session of one operation: what stands between its machine and the world.
//!
//! A machine (`machine.rs`) says what to send and is told what came of it. The session keeps its calls: under
//! which epoch each was sent, how long it may take, and what its end means. It is a machine without I/O too, so that
//! the process and the simulator run the same one; they only send, wait and look up plans.
//!
//! ```text
//!            ┌── Send, with a deadline ──> transport ──┐
//!   session ─┼── Respond ──> the caller                │
//!      ^     └── Done                                  │
//!      ├──── ended(call, a reply, or why there is none) <┘
//!      ├──── caught_up: a newer catalog was applied
//!      └──── tick: `wake_at` has come
//! ```
//!
//! # Invariants
//!
//! - Each call that the machine makes ends once for it; what comes for a call that has ended is dropped.
//! - A refusal for reasons of the catalog comes with the newest plan, if that differs from what was refused: this node's
//!   own, or one by what the owner says is in force. So a coordinator that consensus can't reach goes on. What an owner
//!   said is for this operation only.
//! - Where an owner of an earlier version says nothing, and knows a catalog that this node has not applied, the refusal
//!   waits for it, a moment at most ([`CATALOG_WAIT`]): it is on its way, or does not come at all.
//! - A call may outlive the client's deadline ([`CALL_TIMEOUT_MIN`]): late acknowledgements and repairs are worth
//!   waiting for, since the alternative is a hint. When the machine is done nothing is waited for any more.

use crate::machine::{Ask, Call, Effect, EffectOf, Failure, Input, InputOf, Machine};
use crate::plans::Plans;
use crate::rules::replan;
use quorate_model::{
    Epoch, Instant, Interval, NodeId, Now, Refusal, Reply, Request, Rules, ShardNow, SortKey, Span, TableId,
};
use quorate_ring::Plan;
use smallvec::SmallVec;
use std::sync::Arc;

/// A call may take this long even when the client has been answered.
pub const CALL_TIMEOUT_MIN: Span = Span::from_millis(1_500);

/// How long a refusal waits for the catalog that its owner knows already.
pub const CATALOG_WAIT: Span = Span::from_millis(500);

/// How a call ended, as the transport saw it. Refusals and broken disks may come as replies: the session knows what
/// they mean.
pub type Ended<R = Reply> = Result<Said<R>, Failure>;

/// What a node answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Said<R = Reply> {
    /// Its reply.
    pub reply: R,
    /// With a refusal for reasons of the catalog: what is in force of the shard, as that node knows it.
    pub newer: Option<ShardNow>,
}

impl<R> From<R> for Said<R> {
    fn from(reply: R) -> Self {
        Self { reply, newer: None }
    }
}

/// What an operation is about: what a newer plan is looked up by.
#[derive(Clone, Debug)]
pub struct Subject {
    /// Its table.
    pub table: TableId,
    /// Where in the table.
    pub at: Position,
    /// Until when the client waits.
    pub deadline: Instant,
}

/// Where in a table an operation is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Position {
    /// At one key.
    Key(SortKey),
    /// Where a walk over a range begins: at its start, or in reverse below its end.
    Range {
        /// The range.
        range: Interval,
        /// Whether the walk goes from its end downwards.
        reverse: bool,
    },
}

/// What a session wants done.
#[derive(Clone, Debug)]
pub enum Action<A, Q = Request> {
    /// Send this to that node (possibly this one), and report how the call ended, at `deadline` at the latest.
    Send {
        /// Which call.
        call: Call,
        /// To whom.
        to: NodeId,
        /// What.
        request: Q,
        /// When it is lost.
        deadline: Instant,
    },
    /// Answer the client.
    Respond(A),
    /// The operation is over.
    Done,
}

/// What a session of such a machine wants done.
pub type ActionOf<M> = Action<<M as Machine>::Answer, <M as Machine>::Request>;

/// How a call of such a machine ended.
pub type EndedOf<M> = Ended<<<M as Machine>::Request as Ask>::Reply>;

/// See the module's essay.
#[derive(Debug)]
pub struct Session<M> {
    machine: M,
    subject: Subject,
    rules: Rules,
    /// The shard epoch under which each open call was sent.
    open: SmallVec<[(Call, Epoch); 4]>,
    waiting: Vec<Waiting>,
    done: bool,
}

/// A refusal that waits for a newer catalog.
#[derive(Clone, Copy, Debug)]
struct Waiting {
    call: Call,
    sent_under: Epoch,
    refusal: Refusal,
    needed: Epoch,
    until: Instant,
}

impl<M: Machine> Session<M> {
    /// Of an operation that has not begun.
    pub fn new(machine: M, subject: Subject, rules: Rules) -> Self {
        Self { machine, subject, rules, open: SmallVec::new(), waiting: Vec::new(), done: false }
    }

    /// Begins the operation. Exactly once, first.
    pub fn start(&mut self, now: Now, actions: &mut Vec<ActionOf<M>>) {
        self.feed(now, Input::Start, actions);
    }

    /// A call has ended.
    pub fn ended(
        &mut self,
        now: Now,
        call: Call,
        ended: EndedOf<M>,
        plans: &impl Plans,
        actions: &mut Vec<ActionOf<M>>,
    ) {
        let Some(at) = self.open.iter().position(|(open, _)| *open == call) else { return };
        let (_, sent_under) = self.open.swap_remove(at);
        let (failure, said) = match ended {
            Ok(Said { reply, newer }) => match M::Request::heard(reply) {
                Ok(reply) => return self.feed(now, Input::Reply { call, reply }, actions),
                Err(failure) => (failure, newer),
            },
            Err(failure) => (failure, None),
        };
        let newer = match failure {
            Failure::NotSent | Failure::Lost => None,
            Failure::Refused(refusal) => match refusal {
                Refusal::Stale { current } => {
                    let newer = self.newest_plan(sent_under, said.as_ref(), plans);
                    if newer.is_none() && replan::awaits_catalog(self.rules, plans.epoch(), current) {
                        let until = now.instant + CATALOG_WAIT;
                        self.waiting.push(Waiting { call, sent_under, refusal, needed: current, until });
                        return;
                    }
                    newer
                }
                Refusal::Behind { .. } | Refusal::NotOwner => {
                    self.newest_plan(sent_under, said.as_ref(), plans)
                }
                Refusal::Doubtful
                | Refusal::DiskFull
                | Refusal::Overloaded
                | Refusal::Late
                | Refusal::Exhausted
                | Refusal::NotUnderstood
                | Refusal::Unfamiliar
                | Refusal::Filling
                | Refusal::Below { .. } => None,
            },
        };
        self.feed(now, Input::Failed { call, failure, newer }, actions);
    }

    /// This node has applied a newer catalog: the refusals that waited for it go on.
    pub fn caught_up(&mut self, now: Now, plans: &impl Plans, actions: &mut Vec<ActionOf<M>>) {
        let epoch = plans.epoch();
        self.end_waiting(now, |waiting| waiting.needed <= epoch, plans, actions);
    }

    /// The time of [`Session::wake_at`] has come (or passed).
    pub fn tick(&mut self, now: Now, plans: &impl Plans, actions: &mut Vec<ActionOf<M>>) {
        self.end_waiting(now, |waiting| waiting.until <= now.instant, plans, actions);
        if self.machine.wake_at().is_some_and(|at| at <= now.instant) {
            self.feed(now, Input::Tick, actions);
        }
    }

    /// When it wants its next tick; `None`: only the end of a call or a newer catalog can move it.
    pub fn wake_at(&self) -> Option<Instant> {
        if self.done {
            return None;
        }
        let waiting = self.waiting.iter().map(|waiting| waiting.until);
        waiting.chain(self.machine.wake_at()).min()
    }

    /// The catalog that it waits for, if it waits for one.
    pub fn awaits(&self) -> Option<Epoch> {
        self.waiting.iter().map(|waiting| waiting.needed).min()
    }

    /// The operation's machine, for its observer.
    pub fn machine_mut(&mut self) -> &mut M {
        &mut self.machine
    }

    fn end_waiting(
        &mut self,
        now: Now,
        is_over: impl Fn(&Waiting) -> bool,
        plans: &impl Plans,
        actions: &mut Vec<ActionOf<M>>,
    ) {
        let (over, waiting): (Vec<Waiting>, Vec<Waiting>) = self.waiting.drain(..).partition(is_over);
        self.waiting = waiting;
        for Waiting { call, sent_under, refusal, .. } in over {
            let newer = self.newest_plan(sent_under, None, plans);
            self.feed(now, Input::Failed { call, failure: Failure::Refused(refusal), newer }, actions);
        }
    }

    /// The plan in the newest catalog, or by what an owner says if that is newer; `None`: the shard is as it was.
    fn newest_plan(
        &self,
        sent_under: Epoch,
        said: Option<&ShardNow>,
        plans: &impl Plans,
    ) -> Option<Arc<Plan>> {
        let Subject { table, at, .. } = &self.subject;
        let own = at.plan(*table, plans).filter(|plan| plan.place.epoch != sent_under);
        let known = own.as_ref().map_or(sent_under, |plan| plan.place.epoch.max(sent_under));
        let said = said.filter(|now| replan::goes_by_refusal(self.rules, known, now.epoch));
        said.and_then(|now| plans.plan_by(*table, &at.within(now)?, now)).or(own).map(Arc::new)
    }

    fn feed(&mut self, now: Now, input: InputOf<M>, actions: &mut Vec<ActionOf<M>>) {
        if self.done {
            return;
        }
        let mut effects: Vec<EffectOf<M>> = Vec::new();
        self.machine.step(now, input, &mut effects);
        for effect in effects {
            actions.push(match effect {
                Effect::Send { call, to, request } => {
                    self.open.push((call, request.epoch()));
                    let deadline = self.subject.deadline.max(now.instant + CALL_TIMEOUT_MIN);
                    Action::Send { call, to, request, deadline }
                }
                Effect::Respond(answer) => Action::Respond(answer),
                Effect::Done => {
                    self.done = true;
                    self.open.clear();
                    self.waiting.clear();
                    Action::Done
                }
            });
        }
    }
}

impl Position {
    /// The plan of the shard that it is in; `None`: this catalog has no such table.
    fn plan(&self, table: TableId, plans: &impl Plans) -> Option<Plan> {
        match self {
            Position::Key(sort_key) => plans.plan(table, sort_key),
            Position::Range { range, reverse } => plans.plan_of_range(table, range, *reverse),
        }
    }

    /// A place of the shard that this says is in force, by which to look it up; `None`: it is another shard.
    fn within(&self, now: &ShardNow) -> Option<SortKey> {
        let Interval { start, end } = &now.interval;
        match self {
            Position::Key(sort_key) => Some(sort_key.clone()),
            Position::Range { range, reverse: false } => Some(range.start.clone()),
            Position::Range { range, reverse: true } => {
                let is_last = match &range.end {
                    Some(behind) => start < behind && end.as_ref().is_none_or(|end| behind <= end),
                    None => end.is_none(),
                };
                is_last.then(|| start.clone())
            }
        }
    }
}

#[cfg(test)]
mod tests;
