//! What a member says of shards that may have to change: those that are large or hot, and neighbours that are small.

use crate::engine::Replica;
use crate::heat::Meter;
use minicbor::{Decode, Encode};
use quorate_model::{NodeId, ShardId, SortKey, TableId};
use quorate_ring::catalog::{Catalog, Shard};
use quorate_ring::conductor::{NodeReport, PairReport, ShardReport, TendLimits};
use quorate_ring::heat::Spot;
use std::collections::BTreeSet;

/// So many shards are told of because they are large, because they are hot, and as pairs.
const SAID_MAX: usize = 32;

/// See the module's essay.
#[derive(Clone, Debug, Default, PartialEq, Eq, Encode, Decode)]
pub struct Tended {
    /// Its shards that are large, and those that carry most.
    #[n(0)]
    pub shards: Vec<ShardSaid>,
    /// Neighbours that it owns both, and that are small and cold together.
    #[n(1)]
    pub pairs: Vec<PairSaid>,
    /// Requests a second that it carries out, of each table that has some.
    #[n(2)]
    pub loads: Vec<(TableId, u64)>,
    /// Bytes that it holds of each table; `None`: a version before that did not say.
    #[n(3)]
    pub bytes: Option<Vec<(TableId, u64)>>,
}

/// What it says of one shard.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct ShardSaid {
    /// Which.
    #[n(0)]
    pub shard: ShardId,
    /// Where it begins.
    #[n(1)]
    pub start: SortKey,
    /// Its bytes, if all are counted.
    #[n(2)]
    pub bytes: Option<u64>,
    /// Where it is halved by bytes.
    #[n(3)]
    pub half: Option<SortKey>,
    /// Requests a second.
    #[n(4)]
    pub load: u64,
    /// The key that halves them.
    #[n(5)]
    pub load_half: Option<SortKey>,
}

/// What it says of two neighbours.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct PairSaid {
    /// The first.
    #[n(0)]
    pub left: ShardId,
    /// Where it begins.
    #[n(1)]
    pub start: SortKey,
    /// Bytes of both.
    #[n(2)]
    pub bytes: u64,
    /// Requests a second of both.
    #[n(3)]
    pub load: u64,
}

impl Tended {
    /// Of this node.
    pub fn of(
        node: NodeId,
        replica: &Replica,
        meter: &Meter,
        catalog: &Catalog,
        limits: &TendLimits,
    ) -> Self {
        if replica.is_doubtful() {
            return Self::default();
        }
        let rates = meter.rates();
        let load = |shard: ShardId| rates.get(&shard).copied().unwrap_or(0);
        let loads = meter.loads();
        let (large, pairs) = sizes(node, replica, catalog, limits, load);
        let mut hot: Vec<(u64, ShardId)> = rates.iter().map(|(shard, rate)| (*rate, *shard)).collect();
        hot.retain(|(rate, _)| *rate > 0);
        hot.sort_unstable_by_key(|(rate, _)| std::cmp::Reverse(*rate));
        let told: BTreeSet<ShardId> =
            hot.into_iter().take(SAID_MAX).map(|(_, shard)| shard).chain(large).collect();
        let shards = told.into_iter().filter_map(|id| {
            let entry = catalog.table_by_id(id.table)?;
            let shard = entry.shards().iter().find(|shard| shard.id == id && shard.is_owned_by(node))?;
            let (bytes, is_exact) = bytes_of(replica, shard);
            let load_half = match meter.spot(id) {
                Spot::Half(at) => Some(at),
                Spot::Unknown | Spot::Key(_) | Spot::Grows => None,
            };
            Some(ShardSaid {
                shard: id,
                start: shard.interval.start.clone(),
                bytes: is_exact.then_some(bytes),
                half: replica.half(id.table, &shard.interval),
                load: load(id),
                load_half,
            })
        });
        let bytes = replica.table_figures().into_iter().map(|(table, figure)| (table, figure.total.bytes));
        Self {
            shards: shards.collect(),
            pairs,
            loads: loads.into_iter().collect(),
            bytes: Some(bytes.collect()),
        }
    }

    /// The same for the conductor, beside what a member says otherwise.
    pub fn report(&self) -> NodeReport {
        let shard = |said: &ShardSaid| ShardReport {
            shard: said.shard,
            start: said.start.clone(),
            bytes: said.bytes.unwrap_or(0),
            half: said.half.clone(),
            load: said.load,
            spot: said.load_half.clone().map_or(Spot::Unknown, Spot::Half),
        };
        let pair = |said: &PairSaid| PairReport {
            left: said.left,
            start: said.start.clone(),
            bytes: said.bytes,
            load: said.load,
        };
        NodeReport {
            shards: self.shards.iter().map(shard).collect(),
            pairs: self.pairs.iter().map(pair).collect(),
            loads: Some(self.loads.iter().copied().collect()),
            bytes: self.bytes.iter().flatten().copied().collect(),
            ..NodeReport::default()
        }
    }
}

/// The shards that are too large, and the pairs that may be merged: of tables that hold enough for either, or have more
/// shards than they were made with.
fn sizes(
    node: NodeId,
    replica: &Replica,
    catalog: &Catalog,
    limits: &TendLimits,
    load: impl Fn(ShardId) -> u64,
) -> (Vec<ShardId>, Vec<PairSaid>) {
    let (mut large, mut pairs) = (Vec::new(), Vec::new());
    let held = replica.table_figures();
    for entry in catalog.tables() {
        let bytes_max = limits.split_bytes(entry);
        let may_be_large = held.get(&entry.id).is_some_and(|figure| figure.total.bytes > bytes_max);
        let may_merge = entry.shards().len() > entry.began_with() as usize;
        if !may_be_large && !may_merge {
            continue;
        }
        let mut before: Option<(&Shard, u64)> = None;
        for shard in entry.shards() {
            let (bytes, is_exact) =
                if shard.is_owned_by(node) { bytes_of(replica, shard) } else { (0, false) };
            // What can't be halved, such as one large record, leaves the place to others.
            let has_half = || replica.half(entry.id, &shard.interval).is_some();
            if is_exact && bytes > bytes_max && large.len() < SAID_MAX && has_half() {
                large.push(shard.id);
            }
            if let Some((left, left_bytes)) =
                before.filter(|_| is_exact && may_merge && pairs.len() < SAID_MAX)
            {
                let (bytes, load) = (left_bytes + bytes, load(left.id) + load(shard.id));
                if bytes < limits.merge_bytes(entry) && load < limits.merge_load().max(1) {
                    pairs.push(PairSaid { left: left.id, start: left.interval.start.clone(), bytes, load });
                }
            }
            before = is_exact.then_some((shard, bytes));
        }
    }
    (large, pairs)
}

/// Bytes of a shard that this node holds, and whether all of them are counted.
pub(super) fn bytes_of(replica: &Replica, shard: &Shard) -> (u64, bool) {
    let figures = replica.interval_figures(shard.id.table, std::slice::from_ref(&shard.interval));
    figures.first().map_or((0, false), |figure| (figure.total.bytes, figure.is_exact))
}
