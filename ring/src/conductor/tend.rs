//! Shards that change by themselves: those that are too large or too hot are split, small cold neighbours are merged, and
//! copies move where they, or the requests for them, lie unevenly.
//!
//! ```text
//!   bytes > most                     ──> split where chunks halve it, at once
//!   load  > least, and far over the mean of its table, for a while ──> split at the key that halves the requests
//!   two neighbours, small and cold, unchanged for long             ──> merged
//!   one node has more copies than its share, another one fewer, for a while ──> copies move
//!   copies lie evenly, and one node carries far more requests, for a while  ──> hot copies and cold ones change places
//! ```
//!
//! Nothing oscillates: a pair that is merged is a quarter of what is split, in bytes and in load, and what has changed is left
//! alone for long. A split moves nothing; it is what gives the balance something to move. A balance begins when it is over a
//! bound, ends well below it, and waits until what it has done can be seen; where that was no help, ever longer.
//!
//! All of it stands back while a job runs. A job that was begun here and comes to wait is aborted: it keeps all others away.
//!
//! # What is absent
//!
//! A shard with one hot key, or whose keys only grow, is not split for its load: that would leave all of it in one part. A
//! member that owns nothing gets nothing: when it begins to is an operator's decision.

mod balance;
mod limits;
mod said;

pub use limits::TendLimits;

use super::facts::NodeReport;
use crate::catalog::{
    Begin, CUTS_PER_COMMAND_MAX, Catalog, Command, Job, JobId, JobKind, JobState, Merge, Move, Order, Pair,
    RequestId, Shard,
};
use balance::{Balance, LOAD_PERCENT_MAX};
use quorate_model::{Epoch, Instant, Interval, NodeId, ShardId, Span, TableId};
use said::Said;
use std::collections::{BTreeMap, BTreeSet};

/// The level of the catalog that has splits and merges.
const LEVEL_MIN: u32 = 4;

/// How long what is said of a shard that was changed may still be of what it was: some times as long as a report is under way.
const SETTLING: Span = Span::from_millis(5_000);

/// The lower half of the names of jobs that were begun here; an operator's are drawn at random.
const BY_ITSELF: u64 = u64::from_be_bytes(*b"balance.");

/// Longest pause between jobs that are no help, in pauses.
const PAUSES_MAX: u64 = 8;

/// Since when what is so is so: all that a leader remembers of it. A new one begins with nothing, and waits as after a job.
#[derive(Clone, Debug, Default)]
pub struct Tending {
    /// Shards of which an owner says something: what they hold, and since when that is so, if it began to say so later
    /// than this leader began to look.
    seen: BTreeMap<ShardId, (Interval, Option<Instant>)>,
    hot: BTreeMap<ShardId, (Interval, Instant)>,
    small: BTreeMap<ShardId, (Pair, Instant)>,
    copies: Copies,
    uneven: Option<Instant>,
    busy: Option<Instant>,
    /// When a job was seen last, or when this leader began to look.
    worked: Option<Instant>,
    /// When nothing was found that could move, and in which catalog.
    fruitless: Option<(Epoch, Instant)>,
    relieved: Relieved,
    own: Option<Own>,
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

/// A job that was begun here: how far it is, since when, and since when one is away that it needs.
#[derive(Clone, Debug)]
struct Own {
    job: JobId,
    done: u32,
    bytes: u64,
    since: Instant,
    away: Option<Instant>,
}

impl Tending {
    /// What should be done next, if something is due; to be called again and again.
    pub fn next(
        &mut self,
        catalog: &Catalog,
        reports: &BTreeMap<NodeId, NodeReport>,
        now: Instant,
        limits: &TendLimits,
    ) -> Option<Command> {
        if catalog.level() < LEVEL_MIN {
            return None;
        }
        let said = Said { catalog, reports, limits };
        if let Some(job) = catalog.running_job() {
            // What lies unevenly then is looked at anew.
            (self.uneven, self.busy, self.worked) = (None, None, Some(now));
            return self.abort(job, &said, now);
        }
        self.observe(&said, now);
        self.worked = self.worked.or(Some(now));
        let hot = |id: ShardId| self.hot.get(&id).is_some_and(|(_, since)| now - *since >= limits.hot_for);
        // What is said of a shard that was split just now is still of the whole.
        said.split(hot, |id| self.is_settled(id, now, SETTLING))
            .or_else(|| self.merge(&said, now))
            .or_else(|| self.balance(&said, now))
    }

    fn observe(&mut self, said: &Said<'_>, now: Instant) {
        let seen = std::mem::take(&mut self.seen);
        for (report, shard) in said.shards() {
            let before = seen.get(&report.shard);
            let since = match before {
                Some((interval, since)) if *interval == shard.interval => *since,
                Some(_) => Some(now),
                None => self.worked.map(|_| now),
            };
            self.seen.insert(report.shard, (shard.interval.clone(), since));
        }
        let hot = std::mem::take(&mut self.hot);
        for (report, shard) in said.shards().filter(|(report, shard)| said.is_hot(report, shard)) {
            let before = hot.get(&report.shard).filter(|(interval, _)| *interval == shard.interval);
            let since = before.map_or(now, |(_, since)| *since);
            self.hot.insert(report.shard, (shard.interval.clone(), since));
        }
        let small = std::mem::take(&mut self.small);
        for pair in said.pairs() {
            let id = pair.left.shard;
            let since = small.get(&id).filter(|(before, _)| *before == pair).map_or(now, |(_, since)| *since);
            self.small.insert(id, (pair, since));
        }
    }

    fn merge(&self, said: &Said<'_>, now: Instant) -> Option<Command> {
        let is_due = |since: &Instant| now - *since >= said.limits.merge_after;
        let mut due = self.small.values().filter(|(_, since)| is_due(since)).map(|(pair, _)| pair).peekable();
        let table = due.peek()?.left.shard.table;
        let room = said.catalog.table_by_id(table)?;
        let room = room.shards().len().saturating_sub(room.began_with() as usize);
        let (mut pairs, mut used): (Vec<Pair>, BTreeSet<ShardId>) = (Vec::new(), BTreeSet::new());
        for pair in due.filter(|pair| pair.left.shard.table == table) {
            let ids = [pair.left.shard, pair.right.shard];
            if pairs.len() < room.min(CUTS_PER_COMMAND_MAX) && ids.iter().all(|id| !used.contains(id)) {
                used.extend(ids);
                pairs.push(pair.clone());
            }
        }
        (!pairs.is_empty()).then_some(Command::Merge(Merge { table, pairs }))
    }

    fn balance(&mut self, said: &Said<'_>, now: Instant) -> Option<Command> {
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
        let command = self.relieve(said, busiest, now);
        self.fruitless = command.is_none().then(|| (said.catalog.epoch(), now));
        command
    }

    /// A job for the sake of requests, or splits where shards are too large for one.
    fn relieve(&mut self, said: &Said<'_>, busiest: u64, now: Instant) -> Option<Command> {
        let limits = said.limits;
        self.relieved.shards.retain(|_, moved| now - *moved < limits.rest);
        let balance = Balance::of(said, &self.copies.of);
        let crowding = balance.crowding();
        let is_as_it_was = |shard: ShardId| {
            let cut = self.copies.shards.get(&shard.table).and_then(|(_, since)| *since);
            cut.is_none_or(|since| now - since >= limits.load_settles)
                || self.is_settled(shard, now, limits.load_settles) && self.seen.contains_key(&shard)
        };
        let planned = balance.by_load(|shard| {
            let is_settled = self.is_settled(shard, now, limits.load_settles);
            is_settled && is_as_it_was(shard) && !self.relieved.shards.contains_key(&shard)
        });
        if planned.0.is_empty() {
            let is_due =
                |shard| crowding.contains(&shard) && self.is_settled(shard, now, limits.load_settles);
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

    /// Whether a shard has been what it is for so long, as far as its owners say.
    fn is_settled(&self, shard: ShardId, now: Instant, settles: Span) -> bool {
        let since = self.seen.get(&shard).and_then(|(_, since)| *since);
        since.is_none_or(|since| now - since >= settles)
    }

    fn begin(
        &mut self,
        said: &Said<'_>,
        (moves, bytes_total): (Vec<Move>, u64),
        now: Instant,
    ) -> Option<Command> {
        if moves.is_empty() {
            return None;
        }
        self.worked = Some(now);
        Some(Command::Begin(Begin {
            // No other job begins at this epoch.
            id: RequestId(u128::from(said.catalog.epoch().0) << 64 | u128::from(BY_ITSELF)),
            base: said.catalog.topology(),
            kind: JobKind::Balance,
            changes: Vec::new(),
            moves,
            parts: 1,
            dead: Vec::new(),
            accepted: Vec::new(),
            bytes_total,
        }))
    }

    /// The end of a job that was begun here and waits, for a node that is away or for what else there may be.
    fn abort(&mut self, job: &Job, said: &Said<'_>, now: Instant) -> Option<Command> {
        if !is_by_itself(job) || job.state != JobState::Running {
            self.own = None;
            return None;
        }
        let up: BTreeSet<NodeId> = said.reports().map(|(node, _)| node).collect();
        let moving = said.catalog.moving().flat_map(Shard::holder_nodes);
        let waiting = job.pending.iter().flat_map(|(id, pending)| {
            let entry = said.catalog.table_by_id(id.table);
            let owners = entry.map(|entry| entry.shard_at(&pending.start).owner_nodes());
            owners.into_iter().flatten().chain(pending.wanted.iter().copied())
        });
        let is_away = moving.chain(waiting).any(|node| !up.contains(&node));
        let fills = said.reports().flat_map(|(_, report)| report.fills.values());
        let (done, bytes) = (job.done, fills.map(|fill| fill.bytes).sum());
        let mut own = self.own.take().filter(|own| own.job == job.id).unwrap_or(Own {
            job: job.id,
            done,
            bytes,
            since: now,
            away: None,
        });
        // A shard that goes back and begins again has made no progress before it has more than it had.
        if done > own.done || bytes > own.bytes {
            own.since = now;
            (own.done, own.bytes) = (done, if done > own.done { bytes } else { bytes.max(own.bytes) });
        }
        own.away = is_away.then(|| own.away.unwrap_or(now));
        let is_late = now - own.since >= said.limits.still_for
            || own.away.is_some_and(|since| now - since >= said.limits.away_for);
        self.own = Some(own);
        if !is_late {
            return None;
        }
        self.gave_up = Some(now);
        Some(Command::SetJob { job: job.id, to: Order::Abort })
    }
}

/// Whether a job was begun without an operator.
fn is_by_itself(job: &Job) -> bool {
    job.kind == JobKind::Balance && job.id.0 as u64 == BY_ITSELF
}

#[cfg(test)]
mod tests;
