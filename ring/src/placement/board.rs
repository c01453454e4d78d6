//! The board on which a placement is worked out: who holds what, how much of it, and the laws of one exchange.
//!
//! It is made for a million shards of which few move: a shard is four bytes for each copy, today's owners stay where the
//! wish has them, and which shards a node holds is written down once, a table at a time ([`super::held`]).

use super::held::Held;
use super::shard::{Scale, Shard};
use super::share::{FairBounds, Shares, Slack};
use super::wish::{Settled, ShardWish, TableWish};
use crate::ring::{Members, Ring};
use crate::spread::Spread;
use quorate_model::NodeId;
use smallvec::SmallVec;
use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet};

/// A seat that no node has.
const FREE: u32 = u32::MAX;

/// Everything that changes while a placement is worked out. Nodes and tables are indices.
pub(super) struct Board<'a> {
    pub(super) ring: &'a Ring,
    pub(super) tables: Vec<TableBoard<'a>>,
    /// The zone of each node, as narrow as can be: it is asked for at every copy.
    zones: Vec<u32>,
    /// Copies on each node, those that are settled elsewhere included.
    pub(super) total: Vec<u64>,
    /// How many copies each node should hold in all.
    pub(super) total_bounds: FairBounds,
    /// Nodes that hold nothing today.
    pub(super) newcomers: Vec<bool>,
    /// For each node the shards that it owns today and holds no copy of; no entry for none.
    pub(super) away: BTreeMap<usize, BTreeSet<Shard>>,
    /// For each node the shards that it holds a copy of and does not own today, but for new shards; no entry for none.
    pub(super) guests: BTreeMap<usize, BTreeSet<Shard>>,
    /// The shards whose owners may be others than today, in no order, some of them twice.
    pub(super) touched: Vec<Shard>,
    /// The shards without owners today, in order.
    pub(super) new: Vec<Shard>,
    /// Copies that shards have too few of today.
    pub(super) missing: u64,
    /// Whether a shard has more copies today than it should.
    pub(super) gives_up: bool,
}

/// One table of the plan.
pub(super) struct TableBoard<'a> {
    pub(super) n: usize,
    pub(super) wish: &'a [ShardWish],
    pub(super) spread: Spread,
    /// Copies of this table on each node.
    pub(super) load: Vec<u64>,
    /// How many copies of this table each node should hold.
    pub(super) bounds: FairBounds,
    /// The holders of each shard, `width` seats for each, those that are taken first.
    seats: Vec<u32>,
    width: usize,
    /// Which of its shards each node holds; not known before it is asked for.
    held: Option<Held>,
}

impl TableBoard<'_> {
    /// Has at least so many seats for each shard from then on.
    fn widen(&mut self, width: usize) {
        if width > self.width {
            let mut seats = vec![FREE; width * self.wish.len()];
            for (wide, narrow) in seats.chunks_mut(width).zip(self.seats.chunks(self.width.max(1))) {
                wide[..narrow.len()].copy_from_slice(narrow);
            }
            (self.seats, self.width) = (seats, width);
        }
    }
}

impl<'a> Board<'a> {
    /// The board of today; `None` if a table wants more copies than there are members.
    pub(super) fn of(ring: &'a Ring, settled: &Settled, wishes: &[&'a TableWish]) -> Option<Self> {
        let members = ring.members();
        let mut shares = BTreeMap::new();
        for wish in wishes {
            if let Entry::Vacant(of_n) = shares.entry(wish.n) {
                of_n.insert(Shares::of(members, wish.n)?);
            }
        }
        for n in settled.shards_by_copies.keys() {
            // A settled table with more copies than members has no fair share; its copies still count.
            if let (false, Some(of_n)) = (shares.contains_key(n), Shares::of(members, *n)) {
                shares.insert(*n, of_n);
            }
        }
        let mut shards_by_copies = settled.shards_by_copies.clone();
        for wish in wishes {
            *shards_by_copies.entry(wish.n).or_default() += wish.shards.len() as u64;
        }
        let mut total_share = vec![0; members.len()];
        for (n, shards) in shards_by_copies {
            let Some(of_n) = shares.get(&n) else { continue };
            for (sum, share) in total_share.iter_mut().zip(&of_n.per_shard) {
                *sum += share * u128::from(shards);
            }
        }
        let has_owners: Vec<bool> = wishes.iter().map(|wish| wish.has_owners()).collect();
        let slack = |has_owners| if has_owners { Slack::TwoPercent } else { Slack::Rounding };
        let settled_on = |node: NodeId| settled.copies.get(&node).copied().unwrap_or(0);
        let total: Vec<u64> = members.as_slice().iter().map(|member| settled_on(member.node)).collect();
        let of_wish = |(wish, has_owners): (&&'a TableWish, &bool)| {
            let of_n = &shares[&wish.n];
            TableBoard {
                n: usize::from(wish.n),
                wish: &wish.shards,
                spread: members.spread(wish.n).expect("there are shares, so there are enough nodes"),
                load: vec![0; members.len()],
                bounds: of_n.bounds(wish.shards.len() as u64, slack(*has_owners)),
                seats: Vec::new(),
                width: usize::from(wish.n),
                held: None,
            }
        };
        let mut board = Self {
            ring,
            tables: wishes.iter().zip(&has_owners).map(of_wish).collect(),
            zones: members.as_slice().iter().map(|member| member.zone as u32).collect(),
            newcomers: Vec::new(),
            away: BTreeMap::new(),
            guests: BTreeMap::new(),
            touched: Vec::new(),
            new: Vec::new(),
            missing: 0,
            gives_up: false,
            total,
            total_bounds: Shares::new(total_share).bounds(1, slack(has_owners.contains(&true))),
        };
        (0..wishes.len()).for_each(|table| board.seat_todays(table, members));
        board.newcomers = board.total.iter().map(|copies| *copies == 0).collect();
        Some(board)
    }

    /// Gives those of today's owners that are members their copies of a table.
    fn seat_todays(&mut self, table: usize, members: &Members) {
        let of_table = &mut self.tables[table];
        of_table.seats = vec![FREE; of_table.width * of_table.wish.len()];
        for (at, wish) in of_table.wish.iter().enumerate() {
            of_table.widen(wish.today.len());
            let seats = &mut of_table.seats[at * of_table.width..][..of_table.width];
            let mut taken = 0;
            for node in wish.today.iter().filter_map(|node| members.index_of(*node)) {
                assert!(!seats[..taken].contains(&(node as u32)), "a node holds at most one copy of a shard");
                seats[taken] = node as u32;
                taken += 1;
                of_table.load[node] += 1;
            }
            self.missing += of_table.n.saturating_sub(taken) as u64;
            self.gives_up |= taken > of_table.n;
            let shard = Shard { table: table as u32, at: at as u32 };
            if wish.today.is_empty() {
                self.new.push(shard);
            } else if taken < wish.today.len() {
                self.touched.push(shard);
            }
        }
        for (total, load) in self.total.iter_mut().zip(&of_table.load) {
            *total += load;
        }
    }

    /// How many nodes there are.
    pub(super) fn nodes(&self) -> usize {
        self.total.len()
    }

    pub(super) fn zone(&self, node: usize) -> usize {
        self.zones[node] as usize
    }

    pub(super) fn table(&self, shard: Shard) -> &TableBoard<'a> {
        &self.tables[shard.table as usize]
    }

    /// What is wished of a shard.
    pub(super) fn wish(&self, shard: Shard) -> &'a ShardWish {
        &self.table(shard).wish[shard.at as usize]
    }

    /// The shards of the plan, in the order of the wishes.
    pub(super) fn shards(&self) -> impl Iterator<Item = Shard> + use<> {
        let sizes: SmallVec<[u32; 8]> = self.tables.iter().map(|table| table.wish.len() as u32).collect();
        sizes.into_iter().zip(0..).flat_map(|(shards, table)| (0..shards).map(move |at| Shard { table, at }))
    }

    /// The nodes that hold a shard.
    pub(super) fn holders(&self, shard: Shard) -> impl DoubleEndedIterator<Item = usize> + Clone + '_ {
        let table = self.table(shard);
        let seats = &table.seats[shard.at as usize * table.width..][..table.width];
        let taken = seats.iter().position(|seat| *seat == FREE).unwrap_or(seats.len());
        seats[..taken].iter().map(|node| *node as usize)
    }

    /// How many nodes hold a shard.
    pub(super) fn copies(&self, shard: Shard) -> usize {
        self.holders(shard).count()
    }

    pub(super) fn holds(&self, shard: Shard, node: usize) -> bool {
        self.holders(shard).any(|holder| holder == node)
    }

    pub(super) fn load(&self, scale: Scale, node: usize) -> u64 {
        match scale {
            Scale::Table(table) => self.tables[table].load[node],
            Scale::Total => self.total[node],
        }
    }

    pub(super) fn bounds(&self, scale: Scale) -> &FairBounds {
        match scale {
            Scale::Table(table) => &self.tables[table].bounds,
            Scale::Total => &self.total_bounds,
        }
    }

    pub(super) fn is_below_least(&self, scale: Scale, node: usize) -> bool {
        self.load(scale, node) < self.bounds(scale).of(node).least
    }

    pub(super) fn is_above_least(&self, scale: Scale, node: usize) -> bool {
        self.load(scale, node) > self.bounds(scale).of(node).least
    }

    pub(super) fn is_below_most(&self, scale: Scale, node: usize) -> bool {
        self.load(scale, node) < self.bounds(scale).of(node).most
    }

    pub(super) fn is_above_most(&self, scale: Scale, node: usize) -> bool {
        self.load(scale, node) > self.bounds(scale).of(node).most
    }

    /// How full a node is, for comparing.
    pub(super) fn fullness(&self, scale: Scale, node: usize) -> u128 {
        self.bounds(scale).of(node).relative(self.load(scale, node))
    }

    /// Whether a node may hold one copy less of a table.
    pub(super) fn may_give(&self, table: u32, node: usize) -> bool {
        self.is_above_least(Scale::Table(table as usize), node)
    }

    /// Whether a node may hold one copy more of a table.
    pub(super) fn may_take(&self, table: u32, node: usize) -> bool {
        self.is_below_most(Scale::Table(table as usize), node)
    }

    /// Whether a node is one of a shard's owners today.
    fn is_todays(&self, shard: Shard, node: usize) -> bool {
        self.wish(shard).today.contains(&self.ring.members().as_slice()[node].node)
    }

    /// The shards that a node owns today and holds no copy of, at a scale.
    pub(super) fn away_from(&self, scale: Scale, node: usize) -> impl Iterator<Item = Shard> + '_ {
        self.away.get(&node).into_iter().flat_map(move |shards| shards.range(scale.shards()).copied())
    }

    /// Today's owners of a shard that do not hold it on the board.
    pub(super) fn absent(&self, shard: Shard) -> impl Iterator<Item = usize> + '_ {
        let today = self.wish(shard).today.iter().filter_map(|node| self.ring.members().index_of(*node));
        today.filter(move |node| !self.holds(shard, *node))
    }

    /// Writes down which shards each node holds at a scale; from then on that is kept.
    pub(super) fn write_down_held(&mut self, scale: Scale) {
        for at in scale.tables(self.tables.len()) {
            let table = &self.tables[at];
            if table.held.is_none() {
                let shards = (0..table.wish.len() as u32).map(|of| Shard { table: at as u32, at: of });
                let holders = shards.flat_map(|shard| self.holders(shard).map(move |node| (shard.at, node)));
                self.tables[at].held = Some(Held::of(&table.load, holders));
            }
        }
    }

    /// The shards of a table that a node holds, once [`Board::write_down_held`] was called: in their order, then those that
    /// it got since; one that it gave away between stands in both.
    pub(super) fn held(&self, table: usize, node: usize) -> impl Iterator<Item = Shard> + '_ {
        let held = self.tables[table].held.as_ref().expect("written down before the first search");
        let shards = held.by(node).map(move |at| Shard { table: table as u32, at });
        shards.filter(move |shard| self.holds(*shard, node))
    }

    pub(super) fn put(&mut self, shard: Shard, node: usize) {
        let table = &mut self.tables[shard.table as usize];
        let seats = &mut table.seats[shard.at as usize * table.width..][..table.width];
        assert!(!seats.contains(&(node as u32)), "a node holds at most one copy of a shard");
        let free = seats.iter_mut().find(|seat| **seat == FREE).expect("a shard has no more than n copies");
        *free = node as u32;
        table.load[node] += 1;
        self.total[node] += 1;
        if let Some(held) = &mut table.held {
            held.gained(shard.at, node);
        }
        if self.is_todays(shard, node) {
            forget(&mut self.away, node, shard);
        } else if !self.wish(shard).today.is_empty() {
            self.guests.entry(node).or_default().insert(shard);
        }
    }

    pub(super) fn take(&mut self, shard: Shard, node: usize) {
        let table = &mut self.tables[shard.table as usize];
        let seats = &mut table.seats[shard.at as usize * table.width..][..table.width];
        let seat = seats.iter().position(|seat| *seat == node as u32).expect("it holds a copy");
        seats[seat] = FREE;
        seats[seat..].rotate_left(1);
        table.load[node] -= 1;
        self.total[node] -= 1;
        self.touched.push(shard);
        if let Some(held) = &mut table.held {
            held.lost(shard.at, node);
        }
        if self.is_todays(shard, node) {
            self.away.entry(node).or_default().insert(shard);
        } else {
            forget(&mut self.guests, node, shard);
        }
    }

    /// Copies of a shard in each zone.
    pub(super) fn in_zones(&self, shard: Shard) -> SmallVec<[usize; 8]> {
        let mut in_zone = SmallVec::from_elem(0, self.ring.members().zones().len());
        for holder in self.holders(shard) {
            in_zone[self.zone(holder)] += 1;
        }
        in_zone
    }

    /// Whether one more copy of an incomplete shard may be on a node.
    pub(super) fn may_put(&self, shard: Shard, in_zone: &[usize], node: usize) -> bool {
        self.table(shard).spread.admits(in_zone, self.zone(node)) && !self.holds(shard, node)
    }

    /// Whether a complete shard may have a copy on one node instead of another.
    pub(super) fn may_exchange(&self, shard: Shard, from: usize, to: usize) -> bool {
        let (from_zone, to_zone) = (self.zone(from), self.zone(to));
        let held = |zone| self.holders(shard).filter(|holder| self.zone(*holder) == zone).count();
        let admits_swap = || {
            let spread = &self.table(shard).spread;
            spread.admits_swap(from_zone, held(from_zone), to_zone, held(to_zone))
        };
        !self.holds(shard, to) && (from_zone == to_zone || admits_swap())
    }
}

fn forget(shards: &mut BTreeMap<usize, BTreeSet<Shard>>, node: usize, shard: Shard) {
    if let Some(of_node) = shards.get_mut(&node) {
        of_node.remove(&shard);
        if of_node.is_empty() {
            shards.remove(&node);
        }
    }
}
