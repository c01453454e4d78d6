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
//! Segments and reads are operations of their own, with sessions like all others; a page begins them, hears of their
//! answers, and asks no owner itself.
//!
//! # The guarantee
//!
//! At `quorum`, in a table whose w is a quorum: what a page says of a key (its value, or that there is none) is what a
//! linearizable read of that key would have answered at one instant between the page's request and its answer. Nothing is
//! promised across keys or pages. Pages cover the range without gap or overlap: a key that existed throughout appears
//! exactly once, one that changed meanwhile at most once. Below a quorum: as a read says.
//!
//! What a range adds up to, by which it is known that nothing has changed there, is asked apart from pages (`sum.rs`).
//!
//! A page may be short, or empty, and is the last one only if it names no place to go on from. A segment that can't be
//! answered fails the page; no page is shorter for that. Where owners differ on so many keys that half of the time is over
//! before all are read, the page ends before the first that is not: a writer of many keys in their order is met again and
//! again, and would keep the page from ever being in time.

mod page;
pub mod segment;
pub mod sum;
mod wanted;

pub use page::{Answer, Error, Item, Page, Request, Worth};
pub use segment::Segment;
pub use wanted::{Action, Input};

use crate::answer::GetError;
use crate::context::Context;
use crate::get::{self, Get};
use crate::plans::Plans;
use crate::rules::scan;
use crate::session::{Position, Subject};
use quorate_model::range::{ENTRIES_MAX, ENTRY_HEAD_BYTES, Walk};
use quorate_model::{Instant, Interval, Now, ShardId, TableId};
use segment::{Found, Slot};
use std::collections::BTreeMap;
use std::sync::Arc;

/// Reads of single keys that run at once.
const READS_MAX: usize = 16;

/// Entries that one page looks at, at most about: a field of removals costs short pages.
const EXAMINED_MAX: usize = 10_000;

/// One page on its way. See the module's essay.
#[derive(Debug)]
pub struct Scan {
    table: TableId,
    request: Request,
    /// When the client must be answered.
    deadline: Instant,
    context: Context,
    /// What is left of the range, from the present segment on.
    rest: Interval,
    phase: Phase,
    items: Vec<Item>,
    bytes: usize,
    examined: usize,
    repaired: u32,
    reads: u32,
    begun: Instant,
    worth: Option<Worth>,
}

#[derive(Debug)]
enum Phase {
    /// Not started.
    Idle,
    /// Owners walk over a segment of this shard.
    Walking(ShardId),
    /// Keys of a segment are read one by one.
    Reading {
        /// What was found, in the order of the walk.
        slots: Vec<Slot>,
        /// Reads that are under way, by number: which slot.
        open: BTreeMap<u32, usize>,
        /// From which slot on none has been begun.
        next: usize,
        /// What is left of the range behind the segment.
        rest: Option<Interval>,
        /// The segment's shard.
        shard: ShardId,
    },
    /// Nothing more will happen.
    Done,
}

impl Scan {
    /// A page of a table, for a client that must be answered by then. It does nothing until it is told to start.
    pub fn new(table: TableId, request: Request, deadline: Instant, context: Context) -> Self {
        Self {
            table,
            rest: request.range.clone(),
            request,
            deadline,
            context,
            phase: Phase::Idle,
            items: Vec::new(),
            bytes: 0,
            examined: 0,
            repaired: 0,
            reads: 0,
            begun: Instant::default(),
            worth: None,
        }
    }

    /// Takes one input at one moment; appends what is to be done.
    pub fn step(&mut self, now: Now, input: Input, plans: &impl Plans, actions: &mut Vec<Action>) {
        match input {
            Input::Start => {
                self.begun = now.instant;
                self.next_segment(plans, actions);
            }
            Input::Walked(answer) => self.on_walked(now, answer, plans, actions),
            Input::Read(number, answer) => self.on_read(now, number, answer, plans, actions),
        }
    }

    /// Goes on with the shard in which the rest of the range begins.
    fn next_segment(&mut self, plans: &impl Plans, actions: &mut Vec<Action>) {
        let Request { reverse, level, items, bytes, values, .. } = self.request;
        let Some(plan) = plans.plan_of_range(self.table, &self.rest, reverse).map(Arc::new) else {
            return self.fail(nothing_known(), None, actions);
        };
        if self.rest.end.as_ref().is_some_and(|end| *end <= self.rest.start) {
            self.worth.get_or_insert(Worth::of(self.context.rules, level, &plan));
            return self.respond(None, actions);
        }
        let (range, room) = (self.rest.clone(), bytes.saturating_sub(self.bytes).max(1));
        let items = u32::try_from(items - self.items.len()).unwrap_or(u32::MAX).min(ENTRIES_MAX);
        // No more keys fit than there are bytes; an owner counts more of each than the page does.
        let heads = room.min(items as usize) * ENTRY_HEAD_BYTES;
        let bytes = u32::try_from(room.saturating_add(heads)).unwrap_or(u32::MAX);
        let walk = Walk { reverse, items, bytes, values };
        let subject = Subject {
            table: self.table,
            at: Position::Range { range: range.clone(), reverse },
            deadline: self.deadline,
        };
        let question = segment::Question { range, walk, room, level, deadline: self.deadline };
        let machine = Box::new(Segment::new(Arc::clone(&plan), question, self.context));
        self.phase = Phase::Walking(plan.shard);
        actions.push(Action::Walk { machine, subject, plan });
    }

    fn on_walked(
        &mut self,
        now: Now,
        answer: Option<segment::Answer>,
        plans: &impl Plans,
        actions: &mut Vec<Action>,
    ) {
        let Phase::Walking(shard) = self.phase else { return };
        match answer.unwrap_or_else(|| Err(nothing_known())) {
            Ok(Found { slots, rest, worth }) => {
                self.examined += slots.len();
                let least = self.worth.unwrap_or(worth);
                self.worth = Some(worth.and(least.guarantee, least.lowered));
                self.phase = Phase::Reading { slots, open: BTreeMap::new(), next: 0, rest, shard };
                self.read_on(now, plans, actions);
            }
            Err(error) => self.fail(error, Some(shard), actions),
        }
    }

    /// Begins reads, as many as may run at once; without any, the segment is complete.
    fn read_on(&mut self, now: Now, plans: &impl Plans, actions: &mut Vec<Action>) {
        let is_late = now.instant >= self.half();
        let Phase::Reading { slots, open, next, shard, .. } = &mut self.phase else { return };
        // A page that goes on has something.
        let begins = !is_late || *next == 0;
        while open.len() < READS_MAX && *next < slots.len() {
            let at = *next;
            let Slot::Unread(sort_key) = &slots[at] else {
                *next += 1;
                continue;
            };
            if !begins {
                break;
            }
            *next += 1;
            let Some(plan) = plans.plan(self.table, sort_key).map(Arc::new) else {
                let shard = *shard;
                return self.fail(nothing_known(), Some(shard), actions);
            };
            let question = get::Question { level: self.request.level, deadline: self.deadline };
            let machine = Box::new(Get::new(Arc::clone(&plan), question, self.context));
            let at_key = Position::Key(sort_key.clone());
            let subject = Subject { table: self.table, at: at_key, deadline: self.deadline };
            actions.push(Action::Read { number: self.reads, machine, subject, plan });
            open.insert(self.reads, at);
            self.reads += 1;
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
        match answer.unwrap_or_else(|| Err(nothing_known())) {
            Ok(answer) => {
                self.repaired += u32::from(answer.repaired > 0);
                // It may have gone by a newer plan than the walk, which can promise less.
                self.worth = self.worth.map(|worth| worth.and(answer.guarantee, answer.lowered));
                let Slot::Unread(sort_key) = &slots[at] else { return };
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

    /// When half of the time is over: nothing more is begun that takes long.
    fn half(&self) -> Instant {
        Instant(self.begun.0 + self.deadline.0.saturating_sub(self.begun.0) / 2)
    }

    /// All keys of a segment are known, or those before the first that has not been read: the next one, or the answer. One
    /// that has no room begins the next page.
    fn end_segment(&mut self, now: Now, plans: &impl Plans, actions: &mut Vec<Action>) {
        let phase = std::mem::replace(&mut self.phase, Phase::Done);
        let Phase::Reading { mut slots, mut rest, next, .. } = phase else { return };
        let mut cut = slots.get(next).and_then(Slot::unread).cloned();
        if cut.is_some() {
            slots.truncate(next);
        }
        for slot in slots {
            match slot {
                Slot::Value(item) => {
                    let bytes = self.bytes + item.bytes();
                    if bytes > self.request.bytes && !self.items.is_empty() {
                        cut = Some(item.sort_key);
                        break;
                    }
                    self.bytes = bytes;
                    self.items.push(item);
                }
                Slot::Unread(_) | Slot::Nothing => {}
            }
        }
        if let Some(key) = &cut {
            let Interval { start, end } = self.rest.clone();
            rest = Some(if self.request.reverse {
                Interval { start, end: Some(key.successor()) }
            } else {
                Interval { start: key.clone(), end }
            });
        }
        let has_room = self.items.len() < self.request.items
            && self.bytes < self.request.bytes
            && self.examined < EXAMINED_MAX
            && now.instant < self.half();
        if !has_room || cut.is_some() {
            return self.respond(rest, actions);
        }
        match scan::goes_on(self.context.rules, rest) {
            Some(rest) => {
                self.rest = rest;
                self.next_segment(plans, actions);
            }
            None => self.respond(None, actions),
        }
    }

    fn respond(&mut self, rest: Option<Interval>, actions: &mut Vec<Action>) {
        self.phase = Phase::Done;
        let worth = self.worth.expect("a page that is answered went by a plan");
        let (items, repaired) = (std::mem::take(&mut self.items), self.repaired);
        actions.push(Action::Respond(Box::new(Ok(Page { items, rest, worth, repaired }))));
    }

    fn fail(&mut self, error: GetError, shard: Option<ShardId>, actions: &mut Vec<Action>) {
        if !scan::fails_as_a_whole(self.context.rules) && self.worth.is_some() {
            return self.respond(None, actions);
        }
        self.phase = Phase::Done;
        actions.push(Action::Respond(Box::new(Err(Error { error, shard }))));
    }
}

/// No owner could be asked.
fn nothing_known() -> GetError {
    GetError::Unavailable { required: 0, acks: 0, n: 0, replicas: Vec::new() }
}

#[cfg(test)]
mod tests;
