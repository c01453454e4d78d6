//! Placement: which nodes should hold which shards, and what must move when the members change.
//!
//! A plain walk around the ring is fair only on average: with 256 virtual nodes each, the fullest of a few nodes is
//! 5 % above the mean, the fullest of thousands 27 %. So owners are planned, and the catalog stores the plan:
//!
//! ```text
//!   weights, zones ──> shares ──> bounds of every node          (share.rs)
//!   today's owners ─┐                │
//!   walks ──────────┴──> draft ──────┴──> balance ──> owners    (draft.rs, balance.rs)
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
//! Bytes and heat: a copy counts as one. Time, throttling and the order of moves: those belong to the job that carries
//! a plan out.

mod balance;
mod board;
mod chain;
mod draft;
mod exchange;
mod share;
mod wish;

pub use wish::{Settled, ShardWish, TableWish, Wanted};

use crate::ring::Ring;
use board::Board;

/// Owners in ring order, for each table and each of its shards, in the order of the wishes: on the members of a ring,
/// next to what is settled. `None` if a table wants more copies than there are members.
pub fn place(ring: &Ring, settled: &Settled, wishes: &[TableWish]) -> Option<Vec<Vec<Wanted>>> {
    let mut board = Board::of(ring, settled, wishes)?;
    draft::draft(&mut board);
    balance::balance(&mut board);
    let mut shards = board.shards.iter();
    let mut owners_of = |wish: &TableWish| {
        shards.by_ref().take(wish.shards.len()).map(|shard| in_ring_order(ring, shard)).collect()
    };
    Some(wishes.iter().map(&mut owners_of).collect())
}

/// The fewest copies that must come to a node that does not have them today, so that each shard has n owners on the ring
/// and each member holds what it should: none less than its least, none more than its most. `None` as above.
pub fn moves_min(ring: &Ring, wishes: &[TableWish]) -> Option<u64> {
    let board = Board::of(ring, &Settled::default(), wishes)?;
    let mut held = vec![0u64; board.nodes()];
    let (mut missing, mut given_up) = (0, false);
    for shard in &board.shards {
        shard.today.iter().for_each(|node| held[*node] += 1);
        missing += u64::from(shard.n).saturating_sub(shard.today.len() as u64);
        given_up |= shard.today.len() > usize::from(shard.n);
    }
    // Where no shard has a copy to give up, one that a node holds too much has to come to another one.
    let excess = held.iter().zip(&board.total_bounds).map(|(held, bounds)| held.saturating_sub(bounds.most));
    let leaving = if given_up { missing } else { missing + excess.sum::<u64>() };
    let lacking =
        held.iter().zip(&board.total_bounds).map(|(held, bounds)| bounds.least.saturating_sub(*held));
    Some(leaving.max(lacking.sum()))
}

fn in_ring_order(ring: &Ring, shard: &board::ShardBoard) -> Wanted {
    let mut holders = shard.holders.clone();
    ring.order(shard.position, &mut holders);
    holders.iter().map(|holder| ring.members().as_slice()[*holder].node).collect()
}

#[cfg(test)]
mod tests;
