//! What the nodes say of their shards, held against the catalog: what may be split, and what may be merged.

use super::limits::TendLimits;
use crate::catalog::{
    CUTS_PER_COMMAND_MAX, Catalog, Command, Cut, Pair, SHARDS_MAX, Seen, Shard, Split, TableEntry,
};
use crate::conductor::facts::{NodeReport, PairReport, ShardReport};
use quorate_model::{NodeId, ShardId, SortKey, TableId};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// What is known, and the limits.
pub(super) struct Said<'a> {
    pub catalog: &'a Catalog,
    pub reports: &'a BTreeMap<NodeId, NodeReport>,
    pub limits: &'a TendLimits,
}

impl<'a> Said<'a> {
    /// What counts of what the nodes say: what one that is away said last is of what was.
    pub fn reports(&self) -> impl Iterator<Item = (NodeId, &'a NodeReport)> {
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
    pub fn shards(&self) -> impl Iterator<Item = (&'a ShardReport, &'a Shard)> {
        self.reports().flat_map(|(node, _)| self.shards_of(node))
    }

    /// Those of which this one does.
    pub fn shards_of(&self, node: NodeId) -> impl Iterator<Item = (&'a ShardReport, &'a Shard)> {
        let said = self.reports().find(|(id, _)| *id == node);
        said.into_iter().flat_map(|(_, report)| &report.shards).filter_map(move |report| {
            let (_, shard) = self.found(report.shard, &report.start)?;
            shard.is_owned_by(node).then_some((report, shard))
        })
    }

    /// How many copies of each table each node owns that owns some.
    pub fn copies(&self) -> BTreeMap<NodeId, BTreeMap<TableId, u64>> {
        let mut copies: BTreeMap<NodeId, BTreeMap<TableId, u64>> = BTreeMap::new();
        for shard in self.catalog.tables().flat_map(|entry| entry.shards()) {
            for node in shard.owner_nodes() {
                *copies.entry(node).or_default().entry(shard.id.table).or_default() += 1;
            }
        }
        copies
    }

    /// Whether a shard carries far more than others of its table, and more than is worth a look. Of a table of few shards less
    /// is enough.
    pub fn is_hot(&self, report: &ShardReport, shard: &Shard) -> bool {
        let Some(entry) = self.catalog.table_by_id(shard.id.table) else { return false };
        let all: u64 = self.reports().filter_map(|(_, report)| report.loads.as_ref()?.get(&entry.id)).sum();
        let copies = (entry.shards().len() * shard.owners.len()) as u64;
        let factor = (entry.shards().len() as u64).div_ceil(2).clamp(1, 4);
        let is_over = u128::from(report.load) * u128::from(copies) >= u128::from(all) * u128::from(factor);
        report.load >= self.limits.load_min.max(1) && is_over
    }

    /// Splits of one table that are due: of what is too large, and of what has been hot for long.
    pub fn split(
        &self,
        is_hot_for_long: impl Fn(ShardId) -> bool,
        is_settled: impl Fn(ShardId) -> bool,
    ) -> Option<Command> {
        let said = self.shards().filter(|(report, _)| is_settled(report.shard));
        self.cut(said.filter_map(|(report, shard)| {
            let entry = self.catalog.table_by_id(shard.id.table)?;
            let by_size = report.half.as_ref().filter(|_| report.bytes > self.limits.split_bytes(entry));
            let is_hot = || is_hot_for_long(shard.id) && self.is_hot(report, shard);
            Some((shard, by_size.or_else(|| report.spot.half().filter(|_| is_hot()))?))
        }))
    }

    /// Splits of one table at the keys that halve the requests.
    pub fn split_by_load(&self, which: impl Fn(ShardId) -> bool) -> Option<Command> {
        let said = self.shards().filter(|(report, _)| which(report.shard));
        self.cut(said.filter_map(|(report, shard)| Some((shard, report.spot.half()?))))
    }

    /// Splits of one table; of a shard that is named more than once, the first.
    fn cut(&self, wanted: impl Iterator<Item = (&'a Shard, &'a SortKey)>) -> Option<Command> {
        // Where there is no room for more shards, merges make some.
        let shards: usize = self.catalog.tables().map(|entry| entry.shards().len()).sum();
        let room = (SHARDS_MAX as usize).saturating_sub(shards).min(CUTS_PER_COMMAND_MAX);
        let mut cuts: BTreeMap<ShardId, Cut> = BTreeMap::new();
        for (shard, at) in wanted {
            let Some(entry) = self.catalog.table_by_id(shard.id.table) else { continue };
            let at = entry.place_near(at);
            if at > shard.interval.start && shard.interval.contains(&at) {
                cuts.entry(shard.id).or_insert_with(|| Cut { seen: Seen::of(shard), at });
            }
        }
        let table = cuts.keys().next().filter(|_| room > 0)?.table;
        let cuts = cuts.into_values().filter(|cut| cut.seen.shard.table == table);
        Some(Command::Split(Split { table, cuts: cuts.take(room).collect() }))
    }

    /// Neighbours on the same nodes that are small and cold, as every owner says: one owner alone may carry all reads, and
    /// one that fills its copy holds little.
    pub fn pairs(&self) -> impl Iterator<Item = Pair> {
        let mut small: BTreeMap<(ShardId, &SortKey), BTreeSet<NodeId>> = BTreeMap::new();
        for (node, report) in self.reports() {
            let is_small = |pair: &&PairReport| {
                let entry = self.catalog.table_by_id(pair.left.table);
                entry.is_some_and(|entry| pair.bytes < self.limits.merge_bytes(entry))
                    && pair.load < self.limits.merge_load().max(1)
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
}
