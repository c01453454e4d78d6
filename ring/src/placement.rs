//! Placement: which nodes should hold which shards, and what must move when the members change.
//!
//! A plain walk around the ring is fair only on average: with 256 virtual nodes each, the fullest of a few nodes is
//! 5 % above the mean, the fullest of thousands 27 %. So owners are planned, and the catalog stores the plan:
//!
//! ```text
//!   weights, zones ──> shares ──> bounds of every node          (share.rs)
//!   today's owners ─┐                │
//!   walks ──────────┴──> draft ──────┴──> balance ──> owners    (draft.rs, balance.rs)
//!                                                └──> why       (explanation.rs)
//! ```
//!
//! It is consistent hashing with bounded loads (Mirrokni, Thorup and Zadimoghaddam, 2018), with weights, several
//! copies and zones, starting from what is there: what is in bounds stays where it is, new shards go where the ring
//! wants them and there is room, and only what is out of bounds afterwards is exchanged.
//!
//! # Laws
//!
//! - Each shard has n distinct owners, spread over zones as evenly as their nodes allow ([`crate::spread`]).
//! - Each node holds, of every table that is planned and of all tables together, its fair share: exactly but for
//!   rounding where copies are new, within 2 % (or one copy, where that is more) where they are there already. A
//!   fair share is proportional to weight, as far as the law above allows.
//! - When nodes join, copies go to them from the others. Nothing moves between two nodes that both stay where there
//!   are as many zones as copies, or one zone; odd zones and weights can cost a copy or two.
//! - The result depends on the arguments alone, so that every node of a cluster plans the same.
//!
//! # What is absent
//!
//! Bytes and heat: a copy counts as one. Time, throttling and the order of moves: those belong to whoever carries a
//! plan out.

mod balance;
mod board;
mod chain;
mod draft;
mod exchange;
mod explanation;
mod share;

pub use explanation::{Explanation, NodeLoad, Why};

use crate::catalog::{Catalog, TableEntry};
use crate::plan::OwnerSet;
use crate::ring::Ring;
use board::Board;
use quorate_model::{NodeId, Token};
use std::collections::BTreeMap;
use std::sync::Arc;

/// A table whose shards are to be placed, or placed anew.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TableWish {
    /// Copies of each shard.
    pub n: u8,
    /// Its shards.
    pub shards: Vec<ShardWish>,
}

/// A shard that is to be placed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ShardWish {
    /// Its position on the ring.
    pub position: Token,
    /// Its owners today, members or not; none for a new shard.
    pub today: OwnerSet,
}

/// What is placed already and stays, but counts towards the load.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Settled {
    /// Copies on each node.
    pub copies: BTreeMap<NodeId, u64>,
    /// How many shards there are with so many copies.
    pub shards_by_copies: BTreeMap<u8, u64>,
}

/// Where everything should be.
#[derive(Clone, Debug, PartialEq)]
pub struct Placement {
    /// Owners in ring order, for each table and each of its shards, in the order of the wishes.
    pub owners: Vec<Vec<OwnerSet>>,
    /// What it costs, and why.
    pub explanation: Explanation,
}

impl TableWish {
    /// A new table with shards at these positions.
    pub fn new(n: u8, positions: impl IntoIterator<Item = Token>) -> Self {
        let shard = |position| ShardWish { position, today: OwnerSet::new() };
        Self { n, shards: positions.into_iter().map(shard).collect() }
    }

    /// A table as it is.
    pub fn of(entry: &TableEntry) -> Self {
        let shard = |shard: &crate::catalog::Shard| ShardWish {
            position: shard.position(entry.sharding),
            today: shard.owners.clone(),
        };
        Self { n: entry.n, shards: entry.shards().iter().map(shard).collect() }
    }

    fn has_owners(&self) -> bool {
        self.shards.iter().any(|shard| !shard.today.is_empty())
    }
}

impl Settled {
    /// These tables, staying where they are.
    pub fn of<'a>(tables: impl IntoIterator<Item = &'a Arc<TableEntry>>) -> Self {
        let mut settled = Self::default();
        for entry in tables {
            *settled.shards_by_copies.entry(entry.n).or_default() += entry.shards().len() as u64;
            for owner in entry.shards().iter().flat_map(|shard| &shard.owners) {
                *settled.copies.entry(*owner).or_default() += 1;
            }
        }
        settled
    }
}

/// Places a new table into a catalog, whose other tables stay where they are; `None` with fewer than `n` members.
pub fn place_table(catalog: &Catalog, n: u8, positions: &[Token]) -> Option<Placement> {
    let ring = Ring::of(catalog.members());
    place(&ring, &Settled::of(catalog.tables()), &[TableWish::new(n, positions.iter().copied())])
}

/// Places all tables anew, starting from today's owners: what a plan after a change of members would do. `None` if
/// a table has more copies than there are members.
pub fn rebalance(catalog: &Catalog) -> Option<Placement> {
    let wishes: Vec<TableWish> = catalog.tables().map(|entry| TableWish::of(entry)).collect();
    place(&Ring::of(catalog.members()), &Settled::default(), &wishes)
}

/// Places tables on the members of a ring, next to what is settled; `None` if a table wants more copies than there
/// are members.
pub fn place(ring: &Ring, settled: &Settled, wishes: &[TableWish]) -> Option<Placement> {
    let mut board = Board::of(ring, settled, wishes)?;
    let mut now = board.total.clone();
    for shard in &board.shards {
        shard.today.iter().for_each(|node| now[*node] += 1);
    }
    let forced = draft::draft(&mut board);
    balance::balance(&mut board);
    let explanation = explanation::explain(&board, &now, forced);
    let mut shards = board.shards.iter();
    let owners = wishes
        .iter()
        .map(|wish| shards.by_ref().take(wish.shards.len()).map(|shard| in_ring_order(ring, shard)).collect())
        .collect();
    Some(Placement { owners, explanation })
}

fn in_ring_order(ring: &Ring, shard: &board::ShardBoard) -> OwnerSet {
    let mut holders = shard.holders.clone();
    ring.order(shard.position, &mut holders);
    holders.iter().map(|holder| ring.members().as_slice()[*holder].node).collect()
}

#[cfg(test)]
mod tests;
