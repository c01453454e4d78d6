//! Shards that change by themselves: those that are too large or too hot are split, small cold neighbours are merged, and
//! copies that lie unevenly move, one after the other.
//!
//! ```text
//!   bytes > most                     ──> split where chunks halve it, at once
//!   load  > least, and far over the mean of its table, for a while ──> split at the key that halves the requests
//!   two neighbours, small and cold, unchanged for long             ──> merged
//!   one node has more copies than its share, another one fewer, for a while ──> one copy moves
//! ```
//!
//! Nothing oscillates: a pair that is merged is a quarter of what is split, in bytes and in load, and what has changed is left
//! alone for long. A split moves nothing; it is what gives the balance something to move.
//!
//! All of it stands back while a job runs.
//!
//! # What is absent
//!
//! A shard with one hot key, or whose keys only grow, is not split for its load: that would leave all of it in one part. A
//! member that owns nothing gets nothing: when it begins to is an operator's decision. Moves for the sake of load.

use super::facts::{NodeReport, PairReport, ShardReport};
use crate::catalog::{
    Begin, CUTS_PER_COMMAND_MAX, Catalog, Command, Cut, JobKind, Merge, Move, Pair, RequestId, SHARDS_MAX,
    Seen, Shard, Split, TableEntry,
};
use crate::heat::Spot;
use quorate_model::{Instant, Interval, NodeId, ShardId, SortKey, Span, TableId};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// So many nodes that have too much, and so many that have too little, are looked at: zones may be in the way of the first.
const PAIRED_MAX: usize = 4;

/// The level of the catalog that has splits and merges.
const LEVEL_MIN: u32 = 4;

/// How long what is said of a shard that was changed may still be of what it was: some times as long as a report is under way.
const SETTLING: Span = Span::from_millis(5_000);

/// When shards change by themselves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TendLimits {
    /// A shard with more bytes is split. Two with a quarter of it together are merged.
    pub bytes_max: u64,
    /// A shard with fewer requests a second is not split for them. Two with a quarter of it together are merged.
    pub load_min: u64,
    /// How long a shard must be hot.
    pub hot_for: Span,
    /// How long two shards must be small, cold and unchanged.
    pub merge_after: Span,
    /// How long copies must lie unevenly.
    pub uneven_for: Span,
    /// Pause between two moves; an operator's plan has room there.
    pub pause: Span,
}

/// Since when what is so is so: all that a leader remembers of it. A new one begins with nothing, and waits longer.
#[derive(Clone, Debug, Default)]
pub struct Tending {
    /// Shards of which an owner says something: what they hold, and since when that is so, if they held something else
    /// before.
    seen: BTreeMap<ShardId, (Interval, Option<Instant>)>,
    hot: BTreeMap<ShardId, (Interval, Instant)>,
    small: BTreeMap<ShardId, (Pair, Instant)>,
    uneven: Option<Instant>,
    moved: Option<Instant>,
}

impl Default for TendLimits {
    fn default() -> Self {
        Self {
            bytes_max: 256 << 20,
            load_min: 1_000,
            hot_for: Span::from_millis(60_000),
            merge_after: Span::from_millis(30 * 60_000),
            uneven_for: Span::from_millis(60_000),
            pause: Span::from_millis(60_000),
        }
    }
}

impl TendLimits {
    /// Two neighbours with fewer bytes together may be merged.
    pub fn merge_bytes(&self) -> u64 {
        self.bytes_max / 4
    }

    /// Two neighbours with fewer requests a second together may be merged.
    pub fn merge_load(&self) -> u64 {
        self.load_min / 4
    }
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
        if catalog.level() < LEVEL_MIN || catalog.running_job().is_some() {
            // What lies unevenly then is looked at anew.
            self.uneven = None;
            return None;
        }
        let said = Said { catalog, reports, limits };
        self.observe(&said, now);
        let hot = |id: ShardId| self.hot.get(&id).is_some_and(|(_, since)| now - *since >= limits.hot_for);
        // What is said of a shard that was split just now is still of the whole.
        let settled = |id: ShardId| {
            let since = self.seen.get(&id).and_then(|(_, since)| *since);
            since.is_none_or(|since| now - since >= SETTLING)
        };
        said.split(hot, settled).or_else(|| self.merge(&said, now)).or_else(|| self.balance(&said, now))
    }

    fn observe(&mut self, said: &Said<'_>, now: Instant) {
        let seen = std::mem::take(&mut self.seen);
        for (report, shard) in said.shards() {
            let before = seen.get(&report.shard);
            let since = match before {
                Some((interval, since)) if *interval == shard.interval => *since,
                Some(_) => Some(now),
                None => None,
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
        let uneven = said.uneven();
        if uneven.is_empty() {
            self.uneven = None;
            return None;
        }
        let since = *self.uneven.get_or_insert(now);
        let rests = self.moved.is_some_and(|moved| now - moved < said.limits.pause);
        if now - since < said.limits.uneven_for || rests {
            return None;
        }
        let moved = uneven.into_iter().find_map(|(from, to)| said.movable(from, to))?;
        self.moved = Some(now);
        Some(Command::Begin(moved))
    }
}

/// What is known, and the limits.
struct Said<'a> {
    catalog: &'a Catalog,
    reports: &'a BTreeMap<NodeId, NodeReport>,
    limits: &'a TendLimits,
}

impl<'a> Said<'a> {
    /// What counts of what the nodes say: what one that is away said last is of what was.
    fn reports(&self) -> impl Iterator<Item = (NodeId, &'a NodeReport)> {
        let counts = |(node, report): &(&NodeId, &NodeReport)| {
            self.catalog
                .node(**node)
                .is_some_and(|known| known.incarnation == report.incarnation && !known.is_gone())
                && report.is_up
        };
        self.reports.iter().filter(counts).map(|(node, report)| (*node, report))
    }

    fn found(&self, id: ShardId, start: &SortKey) -> Option<(&'a Arc<TableEntry>, &'a Shard)> {
        let entry = self.catalog.table_by_id(id.table)?;
        let shard = entry.shard_at(start);
        (shard.id == id && shard.interval.start == *start && shard.joint.is_none()).then_some((entry, shard))
    }

    /// Shards at rest of which an owner says something.
    fn shards(&self) -> impl Iterator<Item = (&'a ShardReport, &'a Shard)> {
        let all =
            self.reports().flat_map(|(node, report)| report.shards.iter().map(move |shard| (node, shard)));
        all.filter_map(|(node, report)| {
            let (_, shard) = self.found(report.shard, &report.start)?;
            shard.is_owned_by(node).then_some((report, shard))
        })
    }

    /// Whether a shard carries far more than others of its table, and more than is worth a look. Of a table of few shards less
    /// is enough.
    fn is_hot(&self, report: &ShardReport, shard: &Shard) -> bool {
        let Some(entry) = self.catalog.table_by_id(shard.id.table) else { return false };
        let all: u64 = self.reports().filter_map(|(_, report)| report.loads.get(&entry.id)).sum();
        let copies = (entry.shards().len() * shard.owners.len()) as u64;
        let factor = (entry.shards().len() as u64).div_ceil(2).clamp(1, 4);
        let is_over = u128::from(report.load) * u128::from(copies) >= u128::from(all) * u128::from(factor);
        report.load >= self.limits.load_min.max(1) && is_over
    }

    /// Splits of one table that are due.
    fn split(
        &self,
        is_hot_for_long: impl Fn(ShardId) -> bool,
        is_settled: impl Fn(ShardId) -> bool,
    ) -> Option<Command> {
        // Where there is no room for more shards, merges make some.
        let shards: usize = self.catalog.tables().map(|entry| entry.shards().len()).sum();
        let room = (SHARDS_MAX as usize).saturating_sub(shards).min(CUTS_PER_COMMAND_MAX);
        let mut cuts: BTreeMap<ShardId, Cut> = BTreeMap::new();
        for (report, shard) in self.shards().filter(|(report, _)| room > 0 && is_settled(report.shard)) {
            let by_size = report.half.as_ref().filter(|_| report.bytes > self.limits.bytes_max);
            let by_load = match &report.spot {
                Spot::Half(at) => {
                    Some(at).filter(|_| is_hot_for_long(shard.id) && self.is_hot(report, shard))
                }
                Spot::Unknown | Spot::Key(_) | Spot::Grows => None,
            };
            let entry = self.catalog.table_by_id(shard.id.table);
            let place = by_size.or(by_load).zip(entry).map(|(at, entry)| entry.place_near(at));
            let inside = place.filter(|at| *at > shard.interval.start && shard.interval.contains(at));
            if let Some(at) = inside {
                cuts.entry(shard.id).or_insert_with(|| Cut { seen: Seen::of(shard), at });
            }
        }
        let table = cuts.keys().next()?.table;
        let cuts = cuts.into_values().filter(|cut| cut.seen.shard.table == table);
        Some(Command::Split(Split { table, cuts: cuts.take(room).collect() }))
    }

    /// Neighbours on the same nodes that are small and cold, as every owner says: one owner alone may carry all reads, and
    /// one that fills its copy holds little.
    fn pairs(&self) -> impl Iterator<Item = Pair> {
        let mut small: BTreeMap<(ShardId, &SortKey), BTreeSet<NodeId>> = BTreeMap::new();
        for (node, report) in self.reports() {
            let is_small = |pair: &&PairReport| {
                pair.bytes < self.limits.merge_bytes() && pair.load < self.limits.merge_load().max(1)
            };
            for pair in report.pairs.iter().filter(is_small) {
                small.entry((pair.left, &pair.start)).or_default().insert(node);
            }
        }
        small.into_iter().filter_map(|((left, start), say)| {
            let (entry, left) = self.found(left, start)?;
            let right = entry.shard_at(left.interval.end.as_ref()?);
            let nodes = |shard: &Shard| shard.owner_nodes().collect::<BTreeSet<NodeId>>();
            let may_merge = right.joint.is_none()
                && nodes(left).is_subset(&say)
                && nodes(left) == nodes(right)
                && entry.shards().len() > entry.began_with() as usize;
            may_merge.then(|| Pair { left: Seen::of(left), right: Seen::of(right) })
        })
    }

    /// From whom to whom a copy may move, those first that are farthest from their shares; none: all have about theirs.
    fn uneven(&self) -> Vec<(NodeId, NodeId)> {
        let mut copies: BTreeMap<NodeId, u64> = BTreeMap::new();
        for shard in self.catalog.tables().flat_map(|entry| entry.shards()) {
            shard.owner_nodes().for_each(|node| *copies.entry(node).or_default() += 1);
        }
        let is_up = |node: NodeId| self.reports.get(&node).is_some_and(|report| report.is_up);
        let nodes = self.catalog.nodes().filter(|node| node.is_allocatable() && is_up(node.id));
        let nodes: Vec<(NodeId, u64, u64)> = nodes
            .filter_map(|node| Some((node.id, *copies.get(&node.id)?, u64::from(node.weight.thousandths()))))
            .collect();
        let (all, weights): (u64, u64) =
            nodes.iter().fold((0, 0), |(all, weights), (_, copies, weight)| (all + copies, weights + weight));
        let over = |(_, copies, weight): &(NodeId, u64, u64)| -> i128 {
            let share = u128::from(all) * u128::from(*weight) * 1_000 / u128::from(weights.max(1));
            i128::from(*copies) * 1_000 - i128::try_from(share).unwrap_or(i128::MAX)
        };
        let is_out = |node: &(NodeId, u64, u64)| {
            let share = i128::from(node.1) * 1_000 - over(node);
            over(node).abs() > (share / 50).max(2_000)
        };
        if !nodes.iter().any(is_out) {
            return Vec::new();
        }
        // One move must bring both nearer to their shares.
        let mut gives: Vec<&(NodeId, u64, u64)> = nodes.iter().filter(|node| over(node) >= 1_000).collect();
        let mut takes: Vec<&(NodeId, u64, u64)> = nodes.iter().filter(|node| over(node) <= -1_000).collect();
        gives.sort_by_key(|node| std::cmp::Reverse(over(node)));
        takes.sort_by_key(|node| over(node));
        let takes = &takes[..takes.len().min(PAIRED_MAX)];
        let pairs = gives.into_iter().take(PAIRED_MAX).flat_map(|from| takes.iter().map(|to| (from.0, to.0)));
        pairs.collect()
    }

    /// A move of one copy from one node to another, of the table of which they differ most.
    fn movable(&self, from: NodeId, to: NodeId) -> Option<Begin> {
        let zone = |node: NodeId| self.catalog.node(node).map(|node| node.zone.as_str());
        let free = self.reports.get(&to).map_or(0, |report| report.free_bytes);
        let is_there = |node: NodeId| {
            self.catalog.node(node).is_some_and(|known| known.is_allocatable())
                && self.reports().any(|(up, _)| up == node)
        };
        let wanted = |shard: &Shard| -> Vec<NodeId> {
            shard.owner_nodes().map(|node| if node == from { to } else { node }).collect()
        };
        // No zone comes to hold more copies than the one that gives had.
        let keeps_zones = |shard: &Shard| {
            let held = |of: NodeId| shard.owner_nodes().filter(|node| zone(*node) == zone(of)).count();
            zone(from) == zone(to) || held(to) < held(from)
        };
        // Nothing is begun that would have to wait: a job that waits keeps all others away.
        let may_begin = |shard: &Shard| {
            let bytes = shard.owner_nodes().filter_map(|node| self.reports.get(&node)?.sizes.get(&shard.id));
            let bytes = bytes.max().copied().unwrap_or_default();
            shard.owner_nodes().chain([to]).all(is_there) && bytes.saturating_mul(2) <= free
        };
        let may_move = |shard: &&Shard| {
            let is_between = shard.is_owned_by(from) && !shard.is_held_by(to) && shard.joint.is_none();
            is_between && keeps_zones(shard) && may_begin(shard)
        };
        let differs = |entry: &&Arc<TableEntry>| {
            let of = |node: NodeId| entry.shards().iter().filter(|shard| shard.is_owned_by(node)).count();
            of(from).saturating_sub(of(to))
        };
        let mut tables: Vec<&Arc<TableEntry>> = self.catalog.tables().collect();
        tables.sort_by_key(|entry| std::cmp::Reverse(differs(entry)));
        let shard = tables.into_iter().find_map(|entry| entry.shards().iter().find(may_move))?;
        let bytes =
            self.shards().find(|(report, _)| report.shard == shard.id).map_or(0, |(report, _)| report.bytes);
        let name = |table: TableId, index: u32| u128::from(table.0) << 32 | u128::from(index);
        Some(Begin {
            // No other job begins at this epoch.
            id: RequestId(u128::from(self.catalog.epoch().0) << 64 | name(shard.id.table, shard.id.index)),
            base: self.catalog.topology(),
            kind: JobKind::Balance,
            changes: Vec::new(),
            moves: vec![Move { shard: shard.id, epoch: shard.epoch, wanted: wanted(shard) }],
            parts: 1,
            dead: Vec::new(),
            accepted: Vec::new(),
            bytes_total: bytes,
        })
    }
}

#[cfg(test)]
mod tests;
