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
mod held;
mod queue;
mod search;
mod shard;
mod share;
mod wish;

pub use wish::{Placed, Settled, ShardWish, TableWish, Wanted};

use crate::ring::Ring;
use board::Board;
use shard::Shard;
use share::Bounds;
use smallvec::SmallVec;
use std::borrow::Borrow;

/// Of each table, in the order of the wishes, the shards whose owners are to be others than today (by their places in the
/// wish, in order), with their owners in ring order: on the members of a ring, next to what is settled. `None` if a table
/// wants more copies than there are members.
pub fn place<W: Borrow<TableWish>>(ring: &Ring, settled: &Settled, wishes: &[W]) -> Option<Vec<Placed>> {
    let wishes: Vec<&TableWish> = wishes.iter().map(Borrow::borrow).collect();
    let mut board = Board::of(ring, settled, &wishes)?;
    draft::draft(&mut board);
    balance::balance(&mut board);
    let mut placed: Vec<Placed> = vec![Placed::new(); wishes.len()];
    for (shard, is_walked) in changed(&mut board) {
        let mut holders: SmallVec<[usize; 5]> = board.holders(shard).collect();
        // A walk meets nodes in ring order.
        if !is_walked {
            ring.order(board.wish(shard).position, &mut holders);
        }
        let owners = holders.iter().map(|holder| ring.members().as_slice()[*holder].node).collect();
        placed[shard.table as usize].push((shard.at as usize, owners));
    }
    Some(placed)
}

/// The shards that are new or have been touched, in order, and whether each has its copies from a walk alone.
fn changed(board: &mut Board) -> Vec<(Shard, bool)> {
    let (mut touched, new) = (std::mem::take(&mut board.touched), std::mem::take(&mut board.new));
    touched.sort_unstable();
    touched.dedup();
    let walked = new.into_iter().filter(|shard| touched.binary_search(shard).is_err());
    let mut changed: Vec<(Shard, bool)> = walked.map(|shard| (shard, true)).collect();
    changed.extend(touched.into_iter().map(|shard| (shard, false)));
    changed.sort_unstable();
    changed
}

/// The fewest copies that must come to a node that does not have them today, so that each shard has n owners on the ring
/// and each member holds what it should: none less than its least, none more than its most. `None` as above.
pub fn moves_min<W: Borrow<TableWish>>(ring: &Ring, wishes: &[W]) -> Option<u64> {
    let wishes: Vec<&TableWish> = wishes.iter().map(Borrow::borrow).collect();
    let board = Board::of(ring, &Settled::default(), &wishes)?;
    let of_all = |more: fn(u64, &Bounds) -> u64| -> u64 {
        let nodes = board.total.iter().enumerate();
        nodes.map(|(node, held)| more(*held, board.total_bounds.of(node))).sum()
    };
    // Where no shard has a copy to give up, one that a node holds too much has to come to another one.
    let excess = of_all(|held, bounds| held.saturating_sub(bounds.most));
    let leaving = if board.gives_up { board.missing } else { board.missing + excess };
    Some(leaving.max(of_all(|held, bounds| bounds.least.saturating_sub(held))))
}

#[cfg(test)]
mod tests;
