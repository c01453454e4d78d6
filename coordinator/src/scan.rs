//! A scan: one page of a table's keys, in the order of its sort space, at every level.
//!
//! ```text
//!   segment: r owners walk the same range ──> bound = the least place up to which all of them are complete
//!              each key before it ──┬─ all of them list the same ──────────> shown, or known to be removed
//!                                   └─ they differ, it is due, no value ───> a read of that key decides
//!   then the next segment from the bound on, while the page has room ──> Respond, with the place to go on from
//! ```
//!
//! A segment is what one shard has of the range. Where the owners that answered agree on a key, a read at this level would
//! have found the same; where they do not, a read ([`Get`]) is run for the key, which repairs, flags and fetches as any.
//!
//! # The guarantee
//!
//! At `quorum`, in a table whose w is a quorum: what a page says of a key (its value, or that there is none) is what a
//! linearizable read of that key would have answered at one instant between the page's request and its answer. Nothing is
//! promised across keys or pages. Pages cover the range without gap or overlap: a key that existed throughout appears
//! exactly once, one that changed meanwhile at most once. Below a quorum: as a read says.
//!
//! A page may be short, or empty, and is the last one only if it names no place to go on from. A segment that can't be
//! answered fails the page; no page is shorter for that.

mod page;
mod segment;
mod wanted;

pub use page::{Answer, Error, Item, Page, Request};
pub use wanted::{Action, Input};

use crate::answer::GetError;
use crate::context::Context;
use crate::get::{self, Get};
use crate::machine::{Call, Failure};
use crate::plans::Plans;
use quorate_model::{Guarantee, Instant, Interval, Now, RangeReply, ShardId};
use quorate_ring::Plan;
use segment::{Found, Segment, Slot};
use std::collections::BTreeMap;
use std::sync::Arc;

/// Reads of single keys that run at once.
const READS_MAX: usize = 16;

/// Entries that one page looks at, at most about: a field of removals costs short pages.
const EXAMINED_MAX: usize = 10_000;

/// One page on its way. See the module's essay.
#[derive(Debug)]
pub struct Scan {
    request: Request,
    context: Context,
    /// What is left of the range, from the present segment on.
    rest: Interval,
    phase: Phase,
    items: Vec<Item>,
    bytes: usize,
    examined: usize,
    repaired: u32,
    calls: u32,
    reads: u32,
    begun: Instant,
    /// The plan of the last segment, for what the answer says of levels.
    plan: Option<Arc<Plan>>,
}

#[derive(Debug)]
enum Phase {
    /// Not started.
    Idle,
    /// Owners walk over a segment.
    Walking(Box<Segment>),
    /// Keys of a segment are read one by one.
    Reading {
        /// What was found, in the order of the walk.
        slots: Vec<Slot>,
        /// Reads that are under way, by number: which slot.
        open: BTreeMap<u32, usize>,
        /// What is left of the range behind the segment.
        rest: Option<Interval>,
        /// The segment's shard.
        shard: ShardId,
    },
    /// Nothing more will happen.
    Done,
}

impl Scan {
    /// A page that does nothing until it is told to start.
    pub fn new(request: Request, context: Context) -> Self {
        Self {
            rest: request.range.clone(),
            request,
            context,
            phase: Phase::Idle,
            items: Vec::new(),
            bytes: 0,
            examined: 0,
            repaired: 0,
            calls: 0,
            reads: 0,
            begun: Instant::default(),
            plan: None,
        }
    }

    /// Takes one input at one moment; appends what is to be done.
    pub fn step(&mut self, now: Now, input: Input, plans: &impl Plans, actions: &mut Vec<Action>) {
        match input {
            Input::Start => {
                self.begun = now.instant;
                self.next_segment(now, plans, actions);
            }
            Input::Reply(call, reply) => self.on_reply(now, call, reply, plans, actions),
            Input::Failed(call, failure) => self.on_failed(now, call, failure, plans, actions),
            Input::Read(number, answer) => self.on_read(now, number, answer, plans, actions),
            Input::Tick => self.on_tick(now, plans, actions),
        }
    }

    /// When it wants a tick.
    pub fn wake_at(&self) -> Option<Instant> {
        let deadline = self.context.deadline(self.request.deadline);
        match &self.phase {
            Phase::Idle | Phase::Done => None,
            Phase::Walking(segment) => Some(segment.wake_at().map_or(deadline, |at| at.min(deadline))),
            Phase::Reading { .. } => Some(deadline),
        }
    }

    /// Whether it waits for a catalog that this node has not applied yet: it wants a tick once there is one.
    pub fn waits_for_catalog(&self) -> bool {
        matches!(&self.phase, Phase::Walking(segment) if segment.waits_for_catalog())
    }

    /// Whether the client is answered.
    pub fn is_done(&self) -> bool {
        matches!(self.phase, Phase::Done)
    }

    /// Goes on with the shard in which the rest of the range begins.
    fn next_segment(&mut self, now: Now, plans: &impl Plans, actions: &mut Vec<Action>) {
        let Some(plan) = plans.plan_of_range(self.request.table, &self.rest, self.request.reverse) else {
            return self.fail(
                GetError::Unavailable { required: 0, acks: 0, n: 0, replicas: Vec::new() },
                None,
                actions,
            );
        };
        let plan = Arc::new(plan);
        self.plan = Some(Arc::clone(&plan));
        if self.rest.end.as_ref().is_some_and(|end| *end <= self.rest.start) {
            return self.respond(None, actions);
        }
        let room = self.request.items - self.items.len();
        let bytes = self.request.bytes.saturating_sub(self.bytes).max(1);
        let mut segment =
            Segment::new(now, plan, &self.request, self.rest.clone(), (room, bytes), self.context);
        segment.start(now, &mut self.calls, actions);
        self.phase = Phase::Walking(Box::new(segment));
    }

    fn on_reply(
        &mut self,
        now: Now,
        call: Call,
        reply: RangeReply,
        plans: &impl Plans,
        actions: &mut Vec<Action>,
    ) {
        match reply {
            RangeReply::Scanned(scanned) => {
                let Phase::Walking(segment) = &mut self.phase else { return };
                segment.answered(now, call, scanned, &mut self.calls, actions);
                self.look(now, plans, actions);
            }
            RangeReply::Refused(refusal) => {
                self.on_failed(now, call, Failure::Refused(refusal), plans, actions);
            }
        }
    }

    fn on_failed(
        &mut self,
        now: Now,
        call: Call,
        failure: Failure,
        plans: &impl Plans,
        actions: &mut Vec<Action>,
    ) {
        let Phase::Walking(segment) = &mut self.phase else { return };
        segment.failed(now, call, failure, plans.epoch(), &mut self.calls, actions);
        self.look(now, plans, actions);
    }

    fn on_tick(&mut self, now: Now, plans: &impl Plans, actions: &mut Vec<Action>) {
        let is_late = now.instant >= self.context.deadline(self.request.deadline);
        match &mut self.phase {
            Phase::Walking(segment) if is_late => {
                let (error, shard) = (segment.timeout(now), segment.shard());
                self.fail(error, Some(shard), actions);
            }
            Phase::Reading { shard, .. } if is_late => {
                let (shard, n) = (*shard, self.plan.as_ref().map_or(0, |plan| plan.n()));
                let required = self.request.level.within(n);
                let error = GetError::Timeout { required, acks: 0, n, replicas: Vec::new() };
                self.fail(error, Some(shard), actions);
            }
            Phase::Walking(segment) => {
                segment.tick(now, &mut self.calls, actions);
                self.look(now, plans, actions);
            }
            Phase::Idle | Phase::Reading { .. } | Phase::Done => {}
        }
    }

    /// What has become of the segment.
    fn look(&mut self, now: Now, plans: &impl Plans, actions: &mut Vec<Action>) {
        let Phase::Walking(segment) = &mut self.phase else { return };
        if segment.was_refused() {
            let newest = plans.plan_of_range(self.request.table, &self.rest, self.request.reverse);
            if newest.is_none_or(|newest| newest.place.epoch != segment.epoch()) {
                return self.next_segment(now, plans, actions);
            }
        }
        match segment.found(now) {
            Found::NotYet => {}
            Found::Failed(error) => {
                let shard = segment.shard();
                self.fail(error, Some(shard), actions);
            }
            Found::All { slots, rest } => {
                let shard = segment.shard();
                self.examined += slots.len();
                let open = BTreeMap::new();
                self.phase = Phase::Reading { slots, open, rest, shard };
                self.read_on(now, plans, actions);
            }
        }
    }

    /// Begins reads, as many as may run at once; without any, the segment is complete.
    fn read_on(&mut self, now: Now, plans: &impl Plans, actions: &mut Vec<Action>) {
        let Phase::Reading { slots, open, shard, .. } = &mut self.phase else { return };
        let shard = *shard;
        for (at, slot) in slots.iter_mut().enumerate() {
            if open.len() >= READS_MAX {
                return;
            }
            let Slot::Unread(sort_key) = slot else { continue };
            let Some(plan) = plans.plan(self.request.table, sort_key) else {
                let error = GetError::Unavailable { required: 0, acks: 0, n: 0, replicas: Vec::new() };
                return self.fail(error, Some(shard), actions);
            };
            let plan = Arc::new(plan);
            let question = get::Question { level: self.request.level, deadline: self.request.deadline };
            let machine = Box::new(Get::new(Arc::clone(&plan), question, self.context));
            actions.push(Action::Read { number: self.reads, machine, plan });
            open.insert(self.reads, at);
            self.reads += 1;
            *slot = Slot::Reading(sort_key.clone());
        }
        if open.is_empty() {
            self.end_segment(now, plans, actions);
        }
    }

    fn on_read(
        &mut self,
        now: Now,
        number: u32,
        answer: Option<get::Answer>,
        plans: &impl Plans,
        actions: &mut Vec<Action>,
    ) {
        let Phase::Reading { slots, open, shard, .. } = &mut self.phase else { return };
        let Some(at) = open.remove(&number) else { return };
        let lost = GetError::Unavailable { required: 0, acks: 0, n: 0, replicas: Vec::new() };
        match answer.unwrap_or(Err(lost)) {
            Ok(answer) => {
                self.repaired += u32::from(answer.repaired > 0);
                let Slot::Reading(sort_key) = &slots[at] else { return };
                let item =
                    answer.record.and_then(|record| Item::of(sort_key.clone(), record, self.request.values));
                slots[at] = item.map_or(Slot::Nothing, Slot::Value);
                self.read_on(now, plans, actions);
            }
            Err(error) => {
                let shard = *shard;
                self.fail(error, Some(shard), actions);
            }
        }
    }

    /// All keys of a segment are known: the next one, or the answer.
    fn end_segment(&mut self, now: Now, plans: &impl Plans, actions: &mut Vec<Action>) {
        let Phase::Reading { slots, rest, .. } = std::mem::replace(&mut self.phase, Phase::Done) else {
            return;
        };
        for slot in slots {
            match slot {
                Slot::Value(item) => {
                    self.bytes += item.bytes();
                    self.items.push(item);
                }
                Slot::Unread(_) | Slot::Reading(_) | Slot::Nothing => {}
            }
        }
        let half = Instant(self.begun.0 + self.request.deadline.0.saturating_sub(self.begun.0) / 2);
        let has_room = self.items.len() < self.request.items
            && self.bytes < self.request.bytes
            && self.examined < EXAMINED_MAX
            && now.instant < half;
        match rest {
            Some(rest) if has_room => {
                self.rest = rest;
                self.next_segment(now, plans, actions);
            }
            rest => self.respond(rest, actions),
        }
    }

    fn respond(&mut self, rest: Option<Interval>, actions: &mut Vec<Action>) {
        let (n, table_w) =
            self.plan.as_ref().map_or((0, 0), |plan| (plan.n(), plan.table.w.within(plan.n())));
        let required = self.request.level.within(n);
        self.phase = Phase::Done;
        actions.push(Action::Respond(Box::new(Ok(Page {
            items: std::mem::take(&mut self.items),
            rest,
            guarantee: Guarantee::of_read(required, table_w, n),
            required,
            n,
            repaired: self.repaired,
        }))));
    }

    fn fail(&mut self, error: GetError, shard: Option<ShardId>, actions: &mut Vec<Action>) {
        self.phase = Phase::Done;
        actions.push(Action::Respond(Box::new(Err(Error { error, shard }))));
    }
}

#[cfg(test)]
mod tests;
