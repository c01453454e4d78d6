//! What shards were seen to be, and since when: what was so for long enough may be split, moved or merged.

use super::said::Said;
use crate::catalog::{CUTS_PER_COMMAND_MAX, Command, Merge, Pair};
use quorate_model::{Instant, Interval, ShardId, Span};
use std::collections::{BTreeMap, BTreeSet};

/// Shards of which owners say something, and since when it is so.
#[derive(Clone, Debug, Default)]
pub(super) struct Steady {
    /// What each of them holds, and since when that is so, if it began to be said later than this leader began to look.
    seen: BTreeMap<ShardId, (Interval, Option<Instant>)>,
    hot: BTreeMap<ShardId, (Interval, Instant)>,
    small: BTreeMap<ShardId, (Pair, Instant)>,
}

impl Steady {
    /// Takes note of what is said; `has_looked`: not for the first time.
    pub fn observe(&mut self, said: &Said<'_>, has_looked: bool, now: Instant) {
        let seen = std::mem::take(&mut self.seen);
        for (report, shard) in said.shards() {
            let before = seen.get(&report.shard);
            let since = match before {
                Some((interval, since)) if *interval == shard.interval => *since,
                Some(_) => Some(now),
                None => has_looked.then_some(now),
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

    /// Whether an owner says something of a shard.
    pub fn is_seen(&self, shard: ShardId) -> bool {
        self.seen.contains_key(&shard)
    }

    /// Whether a shard has been what it is for so long, as far as its owners say.
    pub fn is_settled(&self, shard: ShardId, now: Instant, settles: Span) -> bool {
        let since = self.seen.get(&shard).and_then(|(_, since)| *since);
        since.is_none_or(|since| now - since >= settles)
    }

    /// Whether a shard has been hot for so long.
    pub fn is_hot_for(&self, shard: ShardId, time: Span, now: Instant) -> bool {
        self.hot.get(&shard).is_some_and(|(_, since)| now - *since >= time)
    }

    /// Merges of one table that are due.
    pub fn merge(&self, said: &Said<'_>, now: Instant) -> Option<Command> {
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
}
