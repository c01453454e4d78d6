//! What a member says of shards that move: the facts on which the conductor decides ([`quorate_ring::conductor`]).

use super::tended::{Tended, bytes_of};
use crate::engine::Replica;
use minicbor::{Decode, Encode};
use quorate_coordinator::fill::Waiting;
use quorate_model::{CopyState, Epoch, NodeId, ShardId};
use quorate_ring::catalog::{Catalog, Shard};
use quorate_ring::conductor::{FillReport, NodeReport};
use quorate_storage::Standing;
use std::collections::BTreeMap;

/// So many copies are told of, and the sizes of so many shards.
pub const SAID_MAX: usize = 1_024;

/// What one member says.
#[derive(Clone, Debug, Default, PartialEq, Eq, Encode, Decode)]
pub struct Moving {
    /// Which of its replicas says it.
    #[n(0)]
    pub incarnation: u32,
    /// The epoch of which it durably refuses all earlier ones.
    #[n(1)]
    pub closed: Epoch,
    /// Bytes that it can still take, if it can say.
    #[n(2)]
    pub free_bytes: Option<u64>,
    /// Whether it keeps hints for others.
    #[n(3)]
    pub keeps_hints: bool,
    /// Its copies of shards that move, 1,024 at most.
    #[n(4)]
    pub copies: Vec<CopySaid>,
    /// Bytes of shards that it owns and that move or are to, counted exactly, 1,024 at most.
    #[n(5)]
    pub sizes: Vec<(ShardId, u64)>,
    /// Copies that moves give to it and that are not whole yet.
    #[n(6)]
    pub receiving: u64,
    /// Which shards may have to change. `None`: an earlier version, or one that leaves that to operators.
    #[n(7)]
    pub tended: Option<Tended>,
    /// Bytes that it holds of shards that it does not own any more, as far as they are counted. `None`: an earlier version, or
    /// they are not counted yet.
    #[n(8)]
    pub leftover_bytes: Option<u64>,
}

/// What it says of one copy.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct CopySaid {
    /// The shard.
    #[n(0)]
    pub shard: ShardId,
    /// Since when it has it.
    #[n(1)]
    pub since: Epoch,
    /// Whether it holds everything that it should.
    #[n(2)]
    pub is_whole: bool,
    /// Bytes that it holds of it.
    #[n(3)]
    pub bytes: u64,
    /// Why it does not go on, half a sentence.
    #[n(4)]
    pub error: Option<String>,
    /// The epoch of the shard at which it has merged what the other owners hold, where they become fewer. `None`: it has not.
    #[n(5)]
    pub merged: Option<Epoch>,
}

impl Moving {
    /// Of this node. A replica that doubts its disk has closed nothing and holds nothing.
    pub fn of(
        node: NodeId,
        incarnation: u64,
        replica: &Replica,
        waiting: &[Waiting],
        catalog: &Catalog,
    ) -> Self {
        let incarnation = u32::try_from(incarnation).unwrap_or(u32::MAX);
        if replica.is_doubtful() {
            return Self { incarnation, ..Self::default() };
        }
        let held = || catalog.moving().filter(|shard| shard.is_held_by(node));
        // The replica may have the next layout already: then it says nothing of this one.
        let copy_of = |shard: &Shard| replica.copy_in(shard.id.table, &shard.interval);
        let waiting: BTreeMap<ShardId, String> =
            waiting.iter().map(|it| (it.shard, it.cause.says(catalog))).collect();
        let copies = held().take(SAID_MAX).filter_map(|shard| {
            let Standing { since, state, merged } = copy_of(shard)?;
            let is_whole = state == CopyState::Whole;
            let merged = (merged > Epoch(0)).then_some(merged);
            let is_done = is_whole && (merged.is_some() || !shard.becomes_smaller());
            let bytes = bytes_of(replica, shard).0;
            let error = waiting.get(&shard.id).filter(|_| !is_done).cloned();
            Some(CopySaid { shard: shard.id, since, is_whole, bytes, error, merged })
        });
        let lacks = |shard: &Shard| copy_of(shard).is_some_and(|copy| copy.state != CopyState::Whole);
        Self {
            incarnation,
            closed: replica.closed(),
            free_bytes: replica.free_bytes(),
            keeps_hints: replica.hint_counts().values().any(|hints| hints.count > 0),
            copies: copies.collect(),
            sizes: sizes(node, replica, catalog),
            receiving: held().filter(|shard| !shard.is_owned_by(node) && lacks(shard)).count() as u64,
            tended: None,
            leftover_bytes: None,
        }
    }

    /// The same for the conductor.
    pub fn report(&self, is_up: bool) -> NodeReport {
        let fill = |said: &CopySaid| FillReport {
            since: said.since,
            is_whole: said.is_whole,
            merged: said.merged.unwrap_or(Epoch(0)),
            bytes: said.bytes,
            error: said.error.clone(),
        };
        NodeReport {
            incarnation: self.incarnation,
            closed: self.closed,
            free_bytes: self.free_bytes.unwrap_or(u64::MAX),
            is_up,
            fills: self.copies.iter().map(|said| (said.shard, fill(said))).collect(),
            sizes: self.sizes.iter().copied().collect(),
            keeps_hints: self.keeps_hints,
            leftover_bytes: self.leftover_bytes,
            ..self.tended.as_ref().map(Tended::report).unwrap_or_default()
        }
    }
}

/// Bytes of the shards of the running job that this node owns, as far as they are counted.
fn sizes(node: NodeId, replica: &Replica, catalog: &Catalog) -> Vec<(ShardId, u64)> {
    let Some(job) = catalog.running_job() else { return Vec::new() };
    let pending = job.pending.iter().filter_map(|(id, wish)| {
        let shard = catalog.table_by_id(id.table)?.shards().at(&wish.start)?;
        (shard.id == *id).then_some(shard)
    });
    let owned = catalog.moving().chain(pending).filter(|shard| shard.is_owned_by(node));
    let counted = owned.take(SAID_MAX).filter_map(|shard| {
        let (bytes, is_exact) = bytes_of(replica, shard);
        is_exact.then_some((shard.id, bytes))
    });
    counted.collect()
}
