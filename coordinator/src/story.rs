//! Small worlds for the tests of this crate: plans and records made by hand.

use bytes::Bytes;
use quorate_model::{
    Body, Boot, Durability, Epoch, Key, Level, Mode, NodeId, Operations, Owner, Place, Record, ShardId,
    Sharding, SortKey, Stamps, Table, TableId, WallTime,
};
use quorate_ring::{Candidate, OwnerSet, Plan};
use std::sync::Arc;

/// A plan whose sets are these nodes; the table's n is the size of the last.
pub fn plan_of_sets(sets: &[&[u64]]) -> Plan {
    let table = Table {
        id: TableId(1),
        name: "t".into(),
        sharding: Sharding::Hash,
        n: sets.last().map_or(0, |set| set.len() as u8),
        r: Level::Quorum,
        w: Level::Quorum,
        mode: Mode::Register,
        durability: Durability::Sync,
        ttl_ms: None,
        shard_bytes_max: None,
    };
    let sets: Vec<OwnerSet> =
        sets.iter().map(|set| set.iter().map(|id| Owner::unnamed(NodeId(*id))).collect()).collect();
    let mut nodes: Vec<NodeId> = sets.iter().flatten().map(|owner| owner.node).collect();
    nodes.sort();
    nodes.dedup();
    Plan {
        table: Arc::new(table),
        shard: ShardId { table: TableId(1), index: 0 },
        place: Place { table: TableId(1), epoch: Epoch(1), sort_key: SortKey::hashed(&Key::new(&b"k"[..])) },
        sets: sets.into(),
        candidates: nodes.into_iter().map(|node| Candidate { node, alive: true }).collect(),
        has_losses: false,
    }
}

/// A record with this sequence number and text.
pub fn record_of(seq: u64, text: &str) -> Record {
    let mut stamps = Stamps::new(NodeId(9), Boot(9));
    let version = (0..seq).fold(None, |seen, _| stamps.draw().above(seen).ok());
    Record {
        version: version.expect("seq counts from 1"),
        written_at: WallTime(1),
        expires_at: None,
        body: Body::Value { content_type: String::new(), payload: Bytes::copy_from_slice(text.as_bytes()) },
        operations: Operations::default(),
    }
}
