//! Why a placement is as it is: what an operator reads before trusting a plan.

use super::board::{Board, Scale};
use super::share::{Limit, ONE};
use quorate_model::NodeId;
use std::fmt;

/// What a placement costs, what the least possible cost is, and each node's part.
#[derive(Clone, Debug, PartialEq)]
pub struct Explanation {
    /// Copies of new shards.
    pub placed: u64,
    /// Copies that go to a node that does not own the shard today.
    pub moved: u64,
    /// No placement within the bounds moves fewer copies than this.
    pub moved_min: u64,
    /// Every node that may own shards, ordered by id.
    pub nodes: Vec<NodeLoad>,
}

/// One node's part of a placement.
#[derive(Clone, Debug, PartialEq)]
pub struct NodeLoad {
    /// The node.
    pub node: NodeId,
    /// Its zone.
    pub zone: String,
    /// Copies that it owns today.
    pub now: u64,
    /// Copies that it will own.
    pub after: u64,
    /// Its fair share in copies: for display, since the bounds are exact.
    pub share: f64,
    /// The fewest copies that count as balanced.
    pub least: u64,
    /// The most copies that count as balanced.
    pub most: u64,
    /// Why it gains, loses or stays.
    pub why: Why,
}

/// Why a node holds what it will hold. The sentence follows the node's name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Why {
    /// It gains copies.
    BelowShare,
    /// It loses copies.
    AboveShare,
    /// It stays as it is.
    WithinBounds,
    /// Its share is less than its weight asks for: no shard has two copies on one node.
    EveryShard,
    /// Its share is less than its weight asks for: its zone holds as many copies of each shard as a zone may.
    ZoneFull,
    /// Its share is more than its weight asks for: each shard needs copies in its zone.
    ZoneNeeded,
    /// It is out of bounds because copies that this placement may not move hold it there.
    SettledElsewhere,
}

impl Why {
    /// The sentence about a node.
    pub fn as_str(self) -> &'static str {
        match self {
            Why::BelowShare => "gains copies because it holds less than its share",
            Why::AboveShare => "loses copies because it holds more than its share",
            Why::WithinBounds => "holds its share, so nothing changes",
            Why::EveryShard => {
                "holds less than its weight asks for: it has a copy of every shard, and cannot hold two of one"
            }
            Why::ZoneFull => {
                "holds less than its weight asks for: copies spread evenly over zones, and its zone has its part"
            }
            Why::ZoneNeeded => {
                "holds more than its weight asks for: every shard needs a copy in its zone, which has few nodes"
            }
            Why::SettledElsewhere => {
                "is out of balance because of copies of other tables, which do not move for this change"
            }
        }
    }
}

impl fmt::Display for Why {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Explains a finished board. `now` is what each node held before; `forced` copies had to leave for their zones' sake.
pub(super) fn explain(board: &Board, now: &[u64], forced: u64) -> Explanation {
    let (new, old): (Vec<_>, Vec<_>) = board.shards.iter().partition(|shard| shard.is_new);
    let moved = |shard: &&super::board::ShardBoard| {
        shard.holders.iter().filter(|node| !shard.today.contains(node)).count() as u64
    };
    let homeless: u64 = old.iter().map(|shard| (shard.holders.len() - shard.today.len()) as u64).sum();
    let members = board.ring.members();
    let nodes = (0..board.nodes()).map(|node| {
        let bounds = board.total_bounds[node];
        let member = members.as_slice()[node];
        NodeLoad {
            node: member.node,
            zone: members.zones()[member.zone].clone(),
            now: now[node],
            after: board.total[node],
            share: bounds.share as f64 / ONE as f64,
            least: bounds.least,
            most: bounds.most,
            why: why(board, node, now[node]),
        }
    });
    Explanation {
        placed: new.iter().map(|shard| shard.holders.len() as u64).sum(),
        moved: old.iter().map(moved).sum(),
        moved_min: if old.is_empty() { 0 } else { homeless.max(forced).max(out_of_bounds(board, now)) },
        nodes: nodes.collect(),
    }
}

/// Copies that have to leave full nodes, or to reach empty ones, whichever is more.
fn out_of_bounds(board: &Board, now: &[u64]) -> u64 {
    let bounds = || (0..board.nodes()).map(|node| (now[node], board.bounds(Scale::Total, node)));
    let above: u64 = bounds().map(|(now, bounds)| now.saturating_sub(bounds.most)).sum();
    let below: u64 = bounds().map(|(now, bounds)| bounds.least.saturating_sub(now)).sum();
    above.max(below)
}

fn why(board: &Board, node: usize, now: u64) -> Why {
    let (after, bounds) = (board.total[node], board.total_bounds[node]);
    if !(bounds.least..=bounds.most).contains(&after) {
        return Why::SettledElsewhere;
    }
    // Tables with other numbers of copies may be limited otherwise; the first limit found is named.
    let limit =
        board.shares.values().map(|shares| shares.limits[node]).find(|limit| *limit != Limit::Nothing);
    match limit {
        Some(Limit::EveryShard) => Why::EveryShard,
        Some(Limit::ZoneFull) => Why::ZoneFull,
        Some(Limit::ZoneNeeded) => Why::ZoneNeeded,
        Some(Limit::Nothing) | None => match after.cmp(&now) {
            std::cmp::Ordering::Greater => Why::BelowShare,
            std::cmp::Ordering::Less => Why::AboveShare,
            std::cmp::Ordering::Equal => Why::WithinBounds,
        },
    }
}
