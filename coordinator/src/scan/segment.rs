//! One segment of a page: the owners of one shard walk over the same range, and their answers are laid side by side.
//!
//! It is an operation like a read, with a range instead of a key: the same owners are asked in the same order, an owner
//! that refuses for the sake of the catalog brings the newest plan, and what was answered under an older one does not
//! count. It writes nothing; a key that owners differ on is left to a read.

use super::page::{Item, Worth};
use crate::answer::GetError;
use crate::calls::Purpose;
use crate::context::Context;
use crate::course::{Course, Failed, Taken};
use crate::gather::{Gather, Progress};
use crate::machine::{Effect, Input, Machine};
use crate::need::Need;
use crate::rules::{expiry, scan};
use quorate_model::range::{Entry, Extent, Scanned, Walk};
use quorate_model::{
    Instant, Interval, Level, NodeId, Now, RangeReply, RangeRequest, Record, SortKey, WallTime,
};
use quorate_ring::Plan;
use std::collections::BTreeMap;
use std::sync::Arc;

/// What a segment is asked for.
#[derive(Clone, Debug)]
pub struct Question {
    /// What is left of the range. It may reach past the shard.
    pub range: Interval,
    /// How owners walk.
    pub walk: Walk,
    /// Bytes of keys and values that its page has room for.
    pub room: usize,
    /// How many of them must answer.
    pub level: Level,
    /// When the page's client must be answered.
    pub deadline: Instant,
}

/// A key of a segment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Slot {
    /// A read decides.
    Unread(SortKey),
    /// It has no value.
    Nothing,
    /// It has one.
    Value(Item),
}

impl Slot {
    /// The key that a read decides about.
    pub fn unread(&self) -> Option<&SortKey> {
        match self {
            Slot::Unread(key) => Some(key),
            Slot::Nothing | Slot::Value(_) => None,
        }
    }
}

/// What was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    /// The keys that may have a value, in the order of the walk.
    pub slots: Vec<Slot>,
    /// What is left of the range behind them; `None`: nothing.
    pub rest: Option<Interval>,
    /// What that promises.
    pub worth: Worth,
}

/// What a page hears of a segment.
pub type Answer = Result<Found, GetError>;

type Effects = Vec<Effect<Answer, RangeRequest>>;

/// A segment on its way.
#[derive(Debug)]
pub struct Segment {
    question: Question,
    course: Course,
    /// The answers so far; `None`: it has not begun, or is over.
    gather: Option<Gather<Scanned>>,
    /// What the wall clock showed when owners were asked: see `get.rs`.
    asked_at: WallTime,
    /// The owner that is asked for values.
    whole_from: Option<NodeId>,
}

impl Segment {
    /// A walk by this plan. It does nothing until it is told to start.
    pub(super) fn new(plan: Arc<Plan>, question: Question, context: Context) -> Self {
        let course = Course::new(plan, context);
        Self { question, course, gather: None, asked_at: WallTime::default(), whole_from: None }
    }

    fn start(&mut self, now: Now, effects: &mut Effects) {
        let asked_at = scan::asked_at(self.course.context.rules, self.question.level);
        let mut gather = Gather::new(now, Need::Read(asked_at), self.course.context.timing);
        let first = gather.next(now, &self.course);
        (self.gather, self.whole_from, self.asked_at) = (Some(gather), None, now.wall);
        self.ask(now, &first, effects);
    }

    /// Asks again from the beginning, by a newer plan. Answers that are still under way no longer count.
    fn begin_anew(&mut self, now: Now, effects: &mut Effects) {
        if self.gather.is_some() {
            self.course.calls.forget();
            self.start(now, effects);
        }
    }

    fn ask(&mut self, now: Now, nodes: &[NodeId], effects: &mut Effects) {
        for to in nodes {
            let Question { range, walk, .. } = &self.question;
            let place = &self.course.plan.place;
            let over = Extent { table: place.table, epoch: place.epoch, interval: range.clone() };
            let values = walk.values && *self.whole_from.get_or_insert(*to) == *to;
            let request = RangeRequest::Scan { over, walk: Walk { values, ..*walk } };
            self.course.calls.send(now, *to, Purpose::Read, request, effects);
        }
    }

    fn on_reply(&mut self, now: Now, to: NodeId, reply: RangeReply, effects: &mut Effects) {
        match (&mut self.gather, reply) {
            (Some(gather), RangeReply::Scanned(scanned))
                if scanned.is_sound(&self.question.range, self.question.walk.reverse) =>
            {
                gather.answer(to, scanned);
                self.advance(now, effects);
            }
            (
                _,
                RangeReply::Scanned(_)
                | RangeReply::Refused(_)
                | RangeReply::Sums(_)
                | RangeReply::Parted(_)
                | RangeReply::Listed(_)
                | RangeReply::Fetched(_)
                | RangeReply::Paged(_)
                | RangeReply::Floored(_)
                | RangeReply::Removals(_)
                | RangeReply::Confirmed(_)
                | RangeReply::Dropped(_)
                | RangeReply::Merged
                | RangeReply::Broken,
            ) => {
                self.on_failed(now, Failed::nonsense(to, Purpose::Read), effects);
            }
        }
    }

    fn on_failed(&mut self, now: Now, failed: Failed, effects: &mut Effects) {
        if self.course.begins_anew(&failed) {
            return self.begin_anew(now, effects);
        }
        let Some(gather) = &mut self.gather else { return };
        gather.fail(failed.to);
        if self.whole_from == Some(failed.to) {
            self.whole_from = None;
        }
        self.advance(now, effects);
    }

    fn on_tick(&mut self, now: Now, effects: &mut Effects) {
        let Some(gather) = &mut self.gather else { return };
        if now.instant >= self.course.context.deadline(self.question.deadline) {
            let (tally, replicas) = (gather.tally(&self.course), self.course.reports(now));
            let (required, acks, n) = (tally.required, tally.acks, tally.n);
            return self.finish(Err(GetError::Timeout { required, acks, n, replicas }), effects);
        }
        let more = gather.on_tick(now, &self.course);
        self.ask(now, &more, effects);
        self.advance(now, effects);
    }

    fn advance(&mut self, now: Now, effects: &mut Effects) {
        let Some(gather) = &mut self.gather else { return };
        let more = gather.next(now, &self.course);
        match gather.progress(now, &self.course) {
            Progress::Waiting => self.ask(now, &more, effects),
            Progress::Enough => {
                let found = self.gather.take().map(|gather| self.side_by_side(now, gather.answers()));
                self.finish(Ok(found.expect("it was looked at above")), effects);
            }
            Progress::Impossible => {
                let (tally, replicas) = (gather.tally(&self.course), self.course.reports(now));
                let (required, acks, n) = (tally.required, tally.acks, tally.n);
                self.finish(Err(GetError::Unavailable { required, acks, n, replicas }), effects);
            }
        }
    }

    fn finish(&mut self, answer: Answer, effects: &mut Effects) {
        self.gather = None;
        effects.extend([Effect::Respond(answer), Effect::Done]);
    }

    /// Lays the answers side by side.
    fn side_by_side(&self, now: Now, answers: &[(NodeId, Scanned)]) -> Found {
        let Walk { reverse, items, values, .. } = self.question.walk;
        let worth = Worth::of(self.course.context.rules, self.question.level, &self.course.plan);
        let bound = scan::bound(
            self.course.context.rules,
            answers.iter().map(|(_, scanned)| scanned.until.clone()),
            reverse,
        );
        let is_before = |key: &SortKey| match (&bound, reverse) {
            (None, _) => true,
            (Some(bound), false) => key < bound,
            (Some(bound), true) => key >= bound,
        };
        let mut keys: BTreeMap<&SortKey, Vec<&Entry>> = BTreeMap::new();
        for entry in answers.iter().flat_map(|(_, scanned)| &scanned.entries) {
            if is_before(&entry.sort_key) {
                keys.entry(&entry.sort_key).or_default().push(entry);
            }
        }
        let mut room = (items as usize, self.question.room);
        let mut slots = Vec::new();
        let mut last = None;
        let mut in_order: Vec<_> = keys.into_iter().collect();
        if reverse {
            in_order.reverse();
        }
        for (key, entries) in in_order {
            if room.0 == 0 || room.1 == 0 {
                return Found { slots, rest: self.question.rest(last), worth };
            }
            let slot = self.slot(now, key, &entries, answers.len());
            let bytes = match &slot {
                Slot::Value(item) => item.bytes(),
                // What its read will bring is about as large as what owners hold.
                Slot::Unread(key) => {
                    let held = entries.iter().filter_map(|entry| entry.value_bytes.filter(|_| values)).max();
                    key.as_bytes().len().saturating_add(held.unwrap_or_default() as usize)
                }
                Slot::Nothing => 0,
            };
            room = (room.0 - usize::from(!matches!(slot, Slot::Nothing)), room.1.saturating_sub(bytes));
            last = Some(if reverse { key.clone() } else { key.successor() });
            slots.push(slot);
        }
        Found { slots, rest: self.question.rest(bound), worth }
    }

    /// What is known of a key that some of the owners list.
    fn slot(&self, now: Now, key: &SortKey, entries: &[&Entry], answers: usize) -> Slot {
        let first = entries[0];
        let alike = |entry: &&Entry| {
            (entry.held, entry.digest, entry.operations) == (first.held, first.digest, first.operations)
        };
        if entries.len() < answers || !entries.iter().all(alike) {
            return Slot::Unread(key.clone());
        }
        let Some(value_bytes) = first.value_bytes else { return Slot::Nothing };
        let Course { plan, context, .. } = &self.course;
        if scan::hides_due(context.rules, first.is_due(now.wall.min(self.asked_at))) {
            let level = self.question.level;
            let is_final = plan.sizes().any(|n| expiry::is_made_final(context.rules, level.within(n), n));
            return if is_final { Slot::Unread(key.clone()) } else { Slot::Nothing };
        }
        let values = self.question.walk.values;
        let record: Option<Record> = entries.iter().find_map(|entry| entry.record.clone());
        if values && record.is_none() {
            return Slot::Unread(key.clone());
        }
        Slot::Value(Item {
            sort_key: key.clone(),
            version: first.held.version,
            value_bytes,
            expires_at: first.expires_at,
            record: record.filter(|_| values),
        })
    }
}

impl Question {
    /// What is left of the range behind a place; `None`: nothing.
    fn rest(&self, bound: Option<SortKey>) -> Option<Interval> {
        let Interval { start, end } = &self.range;
        let bound = bound?;
        if self.walk.reverse {
            (bound > *start).then(|| Interval { start: start.clone(), end: Some(bound) })
        } else {
            let is_behind = end.as_ref().is_some_and(|end| bound >= *end);
            (!is_behind).then(|| Interval { start: bound, end: end.clone() })
        }
    }
}

impl Machine for Segment {
    type Request = RangeRequest;
    type Answer = Answer;

    fn step(&mut self, now: Now, input: Input<RangeReply>, effects: &mut Effects) {
        match self.course.take(now, input) {
            Taken::Start => self.start(now, effects),
            Taken::Reply { to, reply, .. } => self.on_reply(now, to, reply, effects),
            Taken::Failed(failed) => self.on_failed(now, failed, effects),
            Taken::Newer => self.begin_anew(now, effects),
            Taken::Tick => self.on_tick(now, effects),
            Taken::Nothing => {}
        }
    }

    fn wake_at(&self) -> Option<Instant> {
        let deadline = self.course.context.deadline(self.question.deadline);
        self.gather.as_ref().map(|gather| gather.wake_at().map_or(deadline, |at| at.min(deadline)))
    }
}
