//! What is known of the nodes, and how much may move at once.

use crate::catalog::{Catalog, Shard};
use crate::heat::Spot;
use quorate_model::{Epoch, NodeId, Rules, ShardId, SortKey, Span, TableId};
use std::collections::BTreeMap;

/// What one node says of itself.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NodeReport {
    /// Which of its replicas says it.
    pub incarnation: u32,
    /// The epoch of which it durably refuses all earlier ones.
    pub closed: Epoch,
    /// Bytes that it can still take.
    pub free_bytes: u64,
    /// Whether it can be asked now; otherwise the rest is what was heard last.
    pub is_up: bool,
    /// The shards that move and of which it should have a copy, and those that it fills.
    pub fills: BTreeMap<ShardId, FillReport>,
    /// Bytes of shards that it owns, as far as it has counted them.
    pub sizes: BTreeMap<ShardId, u64>,
    /// Whether it keeps hints for others.
    pub keeps_hints: bool,
    /// Those of its shards that are large, and those that carry most.
    pub shards: Vec<ShardReport>,
    /// Neighbours of which it owns both, and which are small.
    pub pairs: Vec<PairReport>,
    /// Requests a second that it carries out, of each table that has some; `None`: it does not say.
    pub loads: Option<BTreeMap<TableId, u64>>,
    /// Bytes that it holds of each table.
    pub bytes: BTreeMap<TableId, u64>,
    /// Bytes that it holds of shards that it does not own any more; `None`: it does not say.
    pub leftover_bytes: Option<u64>,
}

/// What one owner says of a shard that is large or hot.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ShardReport {
    /// Which.
    pub shard: ShardId,
    /// Where it begins.
    pub start: SortKey,
    /// Its bytes, all of them counted; 0: they are not.
    pub bytes: u64,
    /// Where it is halved by bytes.
    pub half: Option<SortKey>,
    /// Requests a second that this owner carries out for it.
    pub load: u64,
    /// Where these are.
    pub spot: Spot,
}

/// What the owner of two neighbours says of them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PairReport {
    /// The first.
    pub left: ShardId,
    /// Where it begins.
    pub start: SortKey,
    /// Bytes of both, all of them counted.
    pub bytes: u64,
    /// Requests a second of both.
    pub load: u64,
}

/// What one node says of one copy.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FillReport {
    /// Which copy: since when it has it.
    pub since: Epoch,
    /// Whether it holds everything that it should.
    pub is_whole: bool,
    /// The start of the move for which it has merged what the other owners hold; 0: none.
    pub merged: Epoch,
    /// Bytes that it has copied so far.
    pub bytes: u64,
    /// Why it does not go on; `None`: it does.
    pub error: Option<String>,
}

/// How much may move at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Shards of any size, to one receiver or from one source.
    pub shards_max: u32,
    /// Those of them that are large.
    pub large_max: u32,
    /// From so many bytes on a shard is large.
    pub large_bytes: u64,
    /// Bytes of all of them, unless it is one shard.
    pub bytes_max: u64,
    /// Free space that a receiver needs, in hundredths of what it is to copy.
    pub space_percent: u64,
    /// How long a shard may stand still before it goes back, and how long it rests before it is tried again.
    pub move_patience: Span,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            shards_max: 64,
            large_max: 8,
            large_bytes: 16 << 20,
            bytes_max: 2 << 30,
            space_percent: 120,
            move_patience: Span::from_millis(600_000),
        }
    }
}

/// What is known.
pub struct Facts<'a> {
    /// The rules in force.
    pub rules: Rules,
    /// The catalog.
    pub catalog: &'a Catalog,
    /// What each node said last.
    pub reports: &'a BTreeMap<NodeId, NodeReport>,
}

impl<'a> Facts<'a> {
    /// What a node said last, if that was the replica that counts. A banned node is not heard.
    pub fn report(&self, node: NodeId) -> Option<&'a NodeReport> {
        let known = self.catalog.node(node)?;
        let report = self.reports.get(&node)?;
        (!known.is_gone() && report.incarnation == known.incarnation).then_some(report)
    }

    /// Bytes of a shard, as the owner has counted it that holds most; `None`: none has said.
    pub fn counted(&self, shard: &Shard) -> Option<u64> {
        shard.owner_nodes().filter_map(|node| self.report(node)?.sizes.get(&shard.id).copied()).max()
    }

    /// Whether a node can be asked.
    pub fn is_up(&self, node: NodeId) -> bool {
        self.report(node).is_some_and(|report| report.is_up)
    }

    /// Whether it is no member that may be waited for.
    pub fn is_banned(&self, node: NodeId) -> bool {
        self.catalog.node(node).is_none_or(|node| node.is_gone())
    }
}
