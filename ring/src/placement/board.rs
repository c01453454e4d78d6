//! The board on which a placement is worked out: who holds what, how much of it, and the laws of one exchange.

use super::share::{Bounds, Shares, Slack};
use super::wish::{Settled, TableWish};
use crate::ring::{Members, Ring};
use crate::spread::Spread;
use quorate_model::{NodeId, Token};
use smallvec::SmallVec;
use std::collections::{BTreeMap, BTreeSet};

/// Members as indices, in no particular order.
pub(super) type Holders = SmallVec<[usize; 5]>;

/// Everything that changes while a placement is worked out. Nodes, tables and shards are indices.
pub(super) struct Board<'a> {
    pub(super) ring: &'a Ring,
    pub(super) tables: Vec<TableBoard>,
    pub(super) shards: Vec<ShardBoard>,
    /// The shards of the plan that each node holds.
    pub(super) held: Vec<Vec<usize>>,
    /// Shards of which one of today's owners (a member) holds no copy.
    pub(super) displaced: BTreeSet<usize>,
    /// Copies on each node, those that are settled elsewhere included.
    pub(super) total: Vec<u64>,
    /// Nodes that hold nothing today.
    pub(super) newcomers: Vec<bool>,
    /// How many copies each node should hold in all.
    pub(super) total_bounds: Vec<Bounds>,
}

/// One table of the plan.
pub(super) struct TableBoard {
    pub(super) spread: Spread,
    /// Copies of this table on each node.
    pub(super) load: Vec<u64>,
    /// How many copies of this table each node should hold.
    pub(super) bounds: Vec<Bounds>,
}

/// One shard of the plan.
pub(super) struct ShardBoard {
    pub(super) table: usize,
    pub(super) n: u8,
    pub(super) position: Token,
    pub(super) holders: Holders,
    /// Those of today's owners that are still members; empty for a new shard.
    pub(super) today: Holders,
    /// Whether it has owners today, members or not.
    pub(super) is_new: bool,
}

/// What is balanced: one table's copies, or all copies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Scale {
    Table(usize),
    Total,
}

impl<'a> Board<'a> {
    /// An empty board; `None` if a table wants more copies than there are members.
    pub(super) fn of(ring: &'a Ring, settled: &Settled, wishes: &[TableWish]) -> Option<Self> {
        let members = ring.members();
        let copy_counts = wishes.iter().map(|wish| wish.n);
        let mut shares = BTreeMap::new();
        for n in copy_counts {
            shares.insert(n, Shares::of(members, n)?);
        }
        for n in settled.shards_by_copies.keys() {
            // A settled table with more copies than members has no fair share; its copies still count.
            if let (false, Some(of_n)) = (shares.contains_key(n), Shares::of(members, *n)) {
                shares.insert(*n, of_n);
            }
        }
        let tables = wishes.iter().map(|wish| TableBoard::of(members, &shares[&wish.n], wish)).collect();
        let planned = wishes.iter().map(|wish| (wish.n, wish.shards.len() as u64));
        let all = planned.chain(settled.shards_by_copies.iter().map(|(n, shards)| (*n, *shards)));
        let mut total_share = vec![0; members.len()];
        for (n, shards) in all {
            let Some(of_n) = shares.get(&n) else { continue };
            for (sum, share) in total_share.iter_mut().zip(&of_n.per_shard) {
                *sum += share * u128::from(shards);
            }
        }
        let slack =
            if wishes.iter().any(TableWish::has_owners) { Slack::TwoPercent } else { Slack::Rounding };
        let settled_on = |node: NodeId| settled.copies.get(&node).copied().unwrap_or(0);
        let total: Vec<u64> = members.as_slice().iter().map(|member| settled_on(member.node)).collect();
        let shards: Vec<ShardBoard> =
            wishes.iter().enumerate().flat_map(|(at, wish)| shard_boards(members, at, wish)).collect();
        let mut newcomers: Vec<bool> = total.iter().map(|copies| *copies == 0).collect();
        shards.iter().flat_map(|shard| &shard.today).for_each(|node| newcomers[*node] = false);
        Some(Self {
            ring,
            tables,
            shards,
            held: vec![Vec::new(); members.len()],
            displaced: BTreeSet::new(),
            total,
            newcomers,
            total_bounds: total_share.into_iter().map(|share| Bounds::around(share, slack)).collect(),
        })
    }

    /// How many nodes there are.
    pub(super) fn nodes(&self) -> usize {
        self.held.len()
    }

    pub(super) fn zone(&self, node: usize) -> usize {
        self.ring.members().as_slice()[node].zone
    }

    pub(super) fn load(&self, scale: Scale, node: usize) -> u64 {
        match scale {
            Scale::Table(table) => self.tables[table].load[node],
            Scale::Total => self.total[node],
        }
    }

    pub(super) fn bounds(&self, scale: Scale, node: usize) -> Bounds {
        match scale {
            Scale::Table(table) => self.tables[table].bounds[node],
            Scale::Total => self.total_bounds[node],
        }
    }

    /// How full a node is, for comparing.
    pub(super) fn fullness(&self, scale: Scale, node: usize) -> u128 {
        self.bounds(scale, node).relative(self.load(scale, node))
    }

    /// Whether a node may hold one copy less of a table.
    pub(super) fn may_give(&self, table: usize, node: usize) -> bool {
        let table = &self.tables[table];
        table.load[node] > table.bounds[node].least
    }

    /// Whether a node may hold one copy more of a table.
    pub(super) fn may_take(&self, table: usize, node: usize) -> bool {
        let table = &self.tables[table];
        table.load[node] < table.bounds[node].most
    }

    /// Today's owners of a shard that do not hold it on the board.
    pub(super) fn absent(&self, shard: usize) -> impl Iterator<Item = usize> + '_ {
        let shard = &self.shards[shard];
        shard.today.iter().copied().filter(|node| !shard.holders.contains(node))
    }

    pub(super) fn put(&mut self, shard: usize, node: usize) {
        let state = &mut self.shards[shard];
        assert!(!state.holders.contains(&node), "a node holds at most one copy of a shard");
        state.holders.push(node);
        self.held[node].push(shard);
        self.tables[state.table].load[node] += 1;
        self.total[node] += 1;
        if self.absent(shard).next().is_none() {
            self.displaced.remove(&shard);
        }
    }

    pub(super) fn take(&mut self, shard: usize, node: usize) {
        let state = &mut self.shards[shard];
        state.holders.retain(|holder| *holder != node);
        self.held[node].retain(|held| *held != shard);
        self.tables[state.table].load[node] -= 1;
        self.total[node] -= 1;
        if self.absent(shard).next().is_some() {
            self.displaced.insert(shard);
        }
    }

    /// Copies of a shard in each zone.
    pub(super) fn in_zones(&self, shard: usize) -> SmallVec<[usize; 8]> {
        let mut in_zone = SmallVec::from_elem(0, self.ring.members().zones().len());
        for holder in &self.shards[shard].holders {
            in_zone[self.zone(*holder)] += 1;
        }
        in_zone
    }

    /// Whether one more copy of an incomplete shard may be on a node.
    pub(super) fn may_put(&self, shard: usize, in_zone: &[usize], node: usize) -> bool {
        let state = &self.shards[shard];
        !state.holders.contains(&node) && self.tables[state.table].spread.admits(in_zone, self.zone(node))
    }

    /// Whether a complete shard may have a copy on one node instead of another.
    pub(super) fn may_exchange(&self, shard: usize, from: usize, to: usize) -> bool {
        let state = &self.shards[shard];
        let (from_zone, to_zone) = (self.zone(from), self.zone(to));
        let held = |zone| state.holders.iter().filter(|holder| self.zone(**holder) == zone).count();
        !state.holders.contains(&to)
            && (from_zone == to_zone
                || self.tables[state.table].spread.admits_swap(
                    from_zone,
                    held(from_zone),
                    to_zone,
                    held(to_zone),
                ))
    }
}

impl TableBoard {
    fn of(members: &Members, shares: &Shares, wish: &TableWish) -> Self {
        let slack = if wish.has_owners() { Slack::TwoPercent } else { Slack::Rounding };
        let shards = wish.shards.len() as u128;
        Self {
            spread: members.spread(wish.n).expect("there are shares, so there are enough nodes"),
            load: vec![0; members.len()],
            bounds: shares.per_shard.iter().map(|share| Bounds::around(share * shards, slack)).collect(),
        }
    }
}

fn shard_boards<'w>(
    members: &'w Members,
    table: usize,
    wish: &'w TableWish,
) -> impl Iterator<Item = ShardBoard> + 'w {
    wish.shards.iter().map(move |shard| ShardBoard {
        table,
        n: wish.n,
        position: shard.position,
        holders: Holders::new(),
        today: shard.today.iter().filter_map(|node| members.index_of(*node)).collect(),
        is_new: shard.today.is_empty(),
    })
}
