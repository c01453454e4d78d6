//! One segment of a page: the owners of one shard walk over the same range, and their answers are laid side by side.

use super::page::{Item, Request};
use super::wanted::Action;
use crate::answer::GetError;
use crate::calls::{Closed, Purpose};
use crate::context::Context;
use crate::course::Course;
use crate::gather::{Gather, Progress};
use crate::machine::{Call, Failure};
use crate::need::Need;
use crate::rules::{expiry, replan, scan};
use crate::session::CATALOG_WAIT;
use quorate_model::range::{ENTRIES_MAX, Entry, Extent, Scanned, Walk};
use quorate_model::{
    Epoch, Instant, Interval, NodeId, Now, RangeRequest, Record, Refusal, ShardId, SortKey, WallTime,
};
use quorate_ring::Plan;
use std::collections::BTreeMap;
use std::sync::Arc;

/// A segment on its way.
#[derive(Debug)]
pub(super) struct Segment {
    course: Course,
    gather: Gather<Scanned>,
    extent: Extent,
    walk: Walk,
    /// What the wall clock showed when owners were asked: see `get.rs`.
    asked_at: WallTime,
    /// The owner that is asked for values.
    whole_from: Option<NodeId>,
    /// Until when a catalog is waited for that an owner knows already.
    catalog_until: Option<Instant>,
    /// Whether an owner has refused for the sake of the catalog since this was last asked.
    refused: bool,
    is_final: bool,
}

/// A key of a segment.
#[derive(Debug)]
pub(super) enum Slot {
    /// Its read has not begun.
    Unread(SortKey),
    /// Its read is under way.
    Reading(SortKey),
    /// It has no value.
    Nothing,
    /// It has one.
    Value(Item),
}

/// What has become of a segment.
#[derive(Debug)]
pub(super) enum Found {
    /// Answers are awaited.
    NotYet,
    /// Too few owners can answer.
    Failed(GetError),
    /// The keys that may have a value, in the order of the walk, and what is left of the range behind them.
    All {
        /// The keys.
        slots: Vec<Slot>,
        /// The rest; `None`: nothing.
        rest: Option<Interval>,
    },
}

impl Segment {
    pub fn new(
        now: Now,
        plan: Arc<Plan>,
        request: &Request,
        range: Interval,
        (items, bytes): (usize, usize),
        context: Context,
    ) -> Self {
        let extent = Extent { table: request.table, epoch: plan.place.epoch, interval: range };
        let walk = Walk {
            reverse: request.reverse,
            items: u32::try_from(items).unwrap_or(u32::MAX).min(ENTRIES_MAX),
            bytes: u32::try_from(bytes).unwrap_or(u32::MAX),
            values: request.values,
        };
        let is_final = expiry::is_made_final(context.rules, request.level.within(plan.n()), plan.n());
        Self {
            course: Course::new(plan, context),
            gather: Gather::new(now, Need::Read(request.level), context.timing),
            extent,
            walk,
            asked_at: now.wall,
            whole_from: None,
            catalog_until: None,
            refused: false,
            is_final,
        }
    }

    pub fn start(&mut self, now: Now, calls: &mut u32, actions: &mut Vec<Action>) {
        let first = self.gather.next(now, &self.course);
        self.ask(now, &first, calls, actions);
    }

    fn ask(&mut self, now: Now, nodes: &[NodeId], calls: &mut u32, actions: &mut Vec<Action>) {
        for to in nodes {
            let values = self.walk.values && *self.whole_from.get_or_insert(*to) == *to;
            let request =
                RangeRequest::Scan { over: self.extent.clone(), walk: Walk { values, ..self.walk } };
            // Calls are numbered through the page: an answer to an earlier segment is none to this one.
            let call = Call(*calls);
            *calls += 1;
            self.course.calls.open(now, call, *to, Purpose::Read);
            actions.push(Action::Ask { call, to: *to, request });
        }
    }

    pub fn answered(
        &mut self,
        now: Now,
        call: Call,
        scanned: Scanned,
        calls: &mut u32,
        actions: &mut Vec<Action>,
    ) {
        let Some(Closed { to, .. }) = self.course.calls.answered(now, call) else { return };
        if self.makes_sense(&scanned) {
            self.gather.answer(to, scanned);
        } else {
            self.gather.fail(to);
        }
        self.advance(now, calls, actions);
    }

    pub fn failed(
        &mut self,
        now: Now,
        call: Call,
        failure: Failure,
        epoch: Epoch,
        calls: &mut u32,
        actions: &mut Vec<Action>,
    ) {
        let Some(Closed { to, .. }) = self.course.calls.failed(now, call, failure) else { return };
        if let Failure::Refused(refusal) = failure {
            match refusal {
                Refusal::Stale { current } => {
                    self.refused = true;
                    if replan::awaits_catalog(self.course.context.rules, epoch, current) {
                        self.catalog_until.get_or_insert(now.instant + CATALOG_WAIT);
                    }
                }
                Refusal::Behind { .. } | Refusal::NotOwner => self.refused = true,
                Refusal::Doubtful
                | Refusal::DiskFull
                | Refusal::Overloaded
                | Refusal::Late
                | Refusal::Exhausted
                | Refusal::NotUnderstood
                | Refusal::Unfamiliar => {}
            }
        }
        self.gather.fail(to);
        if self.whole_from == Some(to) {
            self.whole_from = None;
        }
        self.advance(now, calls, actions);
    }

    pub fn tick(&mut self, now: Now, calls: &mut u32, actions: &mut Vec<Action>) {
        let more = self.gather.on_tick(now, &self.course);
        self.ask(now, &more, calls, actions);
        self.refused |= self.catalog_until.is_some();
        self.advance(now, calls, actions);
    }

    fn advance(&mut self, now: Now, calls: &mut u32, actions: &mut Vec<Action>) {
        let more = self.gather.next(now, &self.course);
        self.ask(now, &more, calls, actions);
    }

    /// Whether an owner has refused for the sake of the catalog since this was last asked.
    pub fn was_refused(&mut self) -> bool {
        std::mem::take(&mut self.refused)
    }

    pub fn waits_for_catalog(&self) -> bool {
        self.catalog_until.is_some()
    }

    pub fn epoch(&self) -> Epoch {
        self.course.plan.place.epoch
    }

    pub fn shard(&self) -> ShardId {
        self.course.plan.shard
    }

    pub fn wake_at(&self) -> Option<Instant> {
        self.gather.wake_at().into_iter().chain(self.catalog_until).min()
    }

    /// The deadline has come.
    pub fn timeout(&self, now: Now) -> GetError {
        let tally = self.gather.tally(&self.course);
        let replicas = self.course.reports(now);
        GetError::Timeout { required: tally.required, acks: tally.acks, n: tally.n, replicas }
    }

    pub fn found(&mut self, now: Now) -> Found {
        match self.gather.progress(now, &self.course) {
            Progress::Waiting => Found::NotYet,
            Progress::Impossible if self.catalog_until.is_some_and(|until| now.instant < until) => {
                Found::NotYet
            }
            Progress::Impossible => {
                let tally = self.gather.tally(&self.course);
                let replicas = self.course.reports(now);
                let (required, acks, n) = (tally.required, tally.acks, tally.n);
                Found::Failed(GetError::Unavailable { required, acks, n, replicas })
            }
            Progress::Enough => self.side_by_side(now),
        }
    }

    /// Lays the answers side by side.
    fn side_by_side(&self, now: Now) -> Found {
        let reverse = self.walk.reverse;
        let answers = self.gather.answers();
        let bound = scan::bound(answers.iter().map(|(_, scanned)| scanned.until.clone()), reverse);
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
        let mut room = (self.walk.items as usize, self.walk.bytes as usize);
        let mut slots = Vec::new();
        let mut last = None;
        let mut in_order: Vec<_> = keys.into_iter().collect();
        if reverse {
            in_order.reverse();
        }
        for (key, entries) in in_order {
            if room.0 == 0 || room.1 == 0 {
                return Found::All { slots, rest: last.and_then(|last| self.rest(Some(last))) };
            }
            let slot = self.slot(now, key, &entries, answers.len());
            let bytes = match &slot {
                Slot::Value(item) => item.bytes(),
                Slot::Unread(key) | Slot::Reading(key) => key.as_bytes().len(),
                Slot::Nothing => 0,
            };
            room = (room.0 - usize::from(!matches!(slot, Slot::Nothing)), room.1.saturating_sub(bytes));
            last = Some(if reverse { key.clone() } else { key.successor() });
            slots.push(slot);
        }
        Found::All { slots, rest: self.rest(bound) }
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
        if first.is_due(now.wall.min(self.asked_at)) {
            return if self.is_final { Slot::Unread(key.clone()) } else { Slot::Nothing };
        }
        let record: Option<Record> = entries.iter().find_map(|entry| entry.record.clone());
        if self.walk.values && record.is_none() {
            return Slot::Unread(key.clone());
        }
        Slot::Value(Item {
            sort_key: key.clone(),
            version: first.held.version,
            value_bytes,
            expires_at: first.expires_at,
            record: record.filter(|_| self.walk.values),
        })
    }

    /// What is left of the range behind a place; `None`: nothing.
    fn rest(&self, bound: Option<SortKey>) -> Option<Interval> {
        let Interval { start, end } = &self.extent.interval;
        let bound = bound?;
        if self.walk.reverse {
            (bound > *start).then(|| Interval { start: start.clone(), end: Some(bound) })
        } else {
            let is_behind = end.as_ref().is_some_and(|end| bound >= *end);
            (!is_behind).then(|| Interval { start: bound, end: end.clone() })
        }
    }

    /// Whether an answer goes on from where the walk began and stays within the range, in order.
    fn makes_sense(&self, scanned: &Scanned) -> bool {
        let Interval { start, end } = &self.extent.interval;
        let until = scanned.until.as_ref();
        let moves = if self.walk.reverse {
            until.is_some_and(|until| until >= start && end.as_ref().is_none_or(|end| until < end))
        } else {
            until.is_none_or(|until| until > start)
        };
        let keys = || scanned.entries.iter().map(|entry| &entry.sort_key);
        let in_order = if self.walk.reverse {
            keys().is_sorted_by(|a, b| a > b)
        } else {
            keys().is_sorted_by(|a, b| a < b)
        };
        moves && in_order && keys().all(|key| self.extent.interval.contains(key))
    }
}
