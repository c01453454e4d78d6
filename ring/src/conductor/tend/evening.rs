//! When copies move, for the sake of numbers and of requests: what [`Balance`] plans, once it has been needed for long.

use super::balance::{Balance, LOAD_PERCENT_MAX};
use super::own::Own;
use super::said::Said;
use super::steady::Steady;
use crate::catalog::{Command, Job, Move, Order};
use quorate_model::{Epoch, Instant, NodeId, ShardId, Span, TableId};
use std::collections::BTreeMap;

/// Longest pause between jobs that are no help, in pauses.
const PAUSES_MAX: u64 = 8;

/// Since when copies or requests lie unevenly, and what was done for it.
#[derive(Clone, Debug, Default)]
pub(super) struct Evening {
    copies: Copies,
    uneven: Option<Instant>,
    busy: Option<Instant>,
    /// When a job was seen last, or when this leader began to look.
    worked: Option<Instant>,
    /// When nothing was found that could move, and in which catalog.
    fruitless: Option<(Epoch, Instant)>,
    relieved: Relieved,
    own: Own,
    /// When a job that was begun here was aborted.
    gave_up: Option<Instant>,
}

/// How many copies of each table each node owns, counted when the catalog was this one; and which tables came to have other
/// shards, and when.
#[derive(Clone, Debug, Default)]
struct Copies {
    at: Epoch,
    of: BTreeMap<NodeId, BTreeMap<TableId, u64>>,
    shards: BTreeMap<TableId, (usize, Option<Instant>)>,
}

/// What was done for the sake of requests.
#[derive(Clone, Debug, Default)]
struct Relieved {
    /// Which shards moved for it, and when.
    shards: BTreeMap<ShardId, Instant>,
    /// The last such job: when, and what the member carried then that carried most, in hundredths of its share.
    last: Option<(Instant, u64)>,
    /// How many settling times to wait before the next.
    pauses: u64,
}

impl Evening {
    /// Whether this leader has begun to look.
    pub fn has_looked(&self) -> bool {
        self.worked.is_some()
    }

    /// Takes note that this leader looks.
    pub fn look(&mut self, now: Instant) {
        self.worked = self.worked.or(Some(now));
    }

    /// Stands back while a job runs, but for the end of one that was begun here and waits.
    pub fn stand_back(&mut self, job: &Job, said: &Said<'_>, now: Instant) -> Option<Command> {
        // What lies unevenly then is looked at anew.
        (self.uneven, self.busy, self.worked) = (None, None, Some(now));
        if !self.own.is_late(job, said, now) {
            return None;
        }
        self.gave_up = Some(now);
        Some(Command::SetJob { job: job.id, to: Order::Abort })
    }

    /// What should move, or be split so that it can, if something is due.
    pub fn next(&mut self, said: &Said<'_>, steady: &Steady, now: Instant) -> Option<Command> {
        let limits = said.limits;
        self.count(said, now);
        let balance = Balance::of(said, &self.copies.of);
        let (is_uneven, busiest) = (balance.is_uneven(), balance.busiest());
        let (busy_for, busy) = (limits.uneven_for.0.max(limits.load_settles.0), busiest > LOAD_PERCENT_MAX);
        self.uneven = is_uneven.then(|| self.uneven.unwrap_or(now));
        self.busy = busy.then(|| self.busy.unwrap_or(now));
        let is_over = |since: Option<Instant>, time: Span| since.is_none_or(|since| now - since >= time);
        let has_lasted = |since: Option<Instant>, time: Span| since.is_some_and(|since| now - since >= time);
        let is_known_fruitless = self.fruitless.is_some_and(|(epoch, since)| {
            epoch == said.catalog.epoch() && now - since < Span(limits.pause.0.max(limits.load_settles.0))
        });
        if !is_over(self.gave_up, limits.rest) || !is_over(self.worked, limits.pause) || is_known_fruitless {
            return None;
        }
        if has_lasted(self.uneven, limits.uneven_for) {
            let planned = Balance::of(said, &self.copies.of).by_copies();
            if let Some(begun) = self.begin(said, planned, now) {
                return Some(begun);
            }
        } else if is_uneven {
            return None;
        }
        if !has_lasted(self.busy, Span(busy_for)) {
            self.fruitless = is_uneven.then(|| (said.catalog.epoch(), now));
            return None;
        }
        let is_stale = self.relieved.last.is_some_and(|(at, _)| now - at >= Span(limits.rest.0 * 2));
        if is_stale {
            self.relieved = Relieved::default();
        }
        if !is_over(self.worked, Span(limits.load_settles.0 * self.relieved.pauses.max(1))) {
            return None;
        }
        let command = self.relieve(said, steady, busiest, now);
        self.fruitless = command.is_none().then(|| (said.catalog.epoch(), now));
        command
    }

    /// A job for the sake of requests, or splits where shards are too large for one.
    fn relieve(&mut self, said: &Said<'_>, steady: &Steady, busiest: u64, now: Instant) -> Option<Command> {
        let limits = said.limits;
        self.relieved.shards.retain(|_, moved| now - *moved < limits.rest);
        let balance = Balance::of(said, &self.copies.of);
        let crowding = balance.crowding();
        let is_as_it_was = |shard: ShardId| {
            let cut = self.copies.shards.get(&shard.table).and_then(|(_, since)| *since);
            cut.is_none_or(|since| now - since >= limits.load_settles)
                || steady.is_settled(shard, now, limits.load_settles) && steady.is_seen(shard)
        };
        let planned = balance.by_load(|shard| {
            let is_settled = steady.is_settled(shard, now, limits.load_settles);
            is_settled && is_as_it_was(shard) && !self.relieved.shards.contains_key(&shard)
        });
        if planned.0.is_empty() {
            let is_due =
                |shard| crowding.contains(&shard) && steady.is_settled(shard, now, limits.load_settles);
            let split = said.split_by_load(is_due);
            self.worked = split.as_ref().map(|_| now).or(self.worked);
            return split;
        }
        let moved: Vec<ShardId> = planned.0.iter().map(|planned| planned.shard).collect();
        let begun = self.begin(said, planned, now)?;
        let helped = self.relieved.last.is_none_or(|(_, before)| busiest < before);
        self.relieved.pauses = if helped { 1 } else { (self.relieved.pauses * 2).clamp(2, PAUSES_MAX) };
        self.relieved.last = Some((now, busiest));
        self.relieved.shards.extend(moved.into_iter().map(|shard| (shard, now)));
        Some(begun)
    }

    /// Counts copies anew where the catalog is another one.
    fn count(&mut self, said: &Said<'_>, now: Instant) {
        if self.copies.at == said.catalog.epoch() {
            return;
        }
        let before = std::mem::take(&mut self.copies.shards);
        let shards = said.catalog.tables().map(|entry| {
            let count = entry.shards().len();
            let since = match before.get(&entry.id) {
                Some((same, since)) if *same == count => *since,
                Some(_) => Some(now),
                None => None,
            };
            (entry.id, (count, since))
        });
        let shards = shards.collect();
        self.copies = Copies { at: said.catalog.epoch(), of: said.copies(), shards };
    }

    fn begin(&mut self, said: &Said<'_>, planned: (Vec<Move>, u64), now: Instant) -> Option<Command> {
        if planned.0.is_empty() {
            return None;
        }
        self.worked = Some(now);
        Some(Command::Begin(Own::begin(said.catalog, planned)))
    }
}
