//! Balance: which copies move, so that every member carries its share of copies, and then of requests.
//!
//! ```text
//!   copies    n1 ████████     one copy after the other, from whom has most over its share to whom has least,
//!             n2 ████         as long as that brings the two nearer to each other
//!
//!   requests  n1 ▓▓▓░         a hot copy goes one way and a cold one the other: numbers stay as they are,
//!             n2 ░░░░         and the member that carries most of all carries less
//! ```
//!
//! What is planned is carried over to the figures before the next move is looked for, so one job may hold some.
//!
//! # What is absent
//!
//! Time: for how long it must have been so, [`super::Tending`] knows. Members that own nothing: when one begins to is an
//! operator's decision. Bytes, but for the space that a receiver needs: of a shard of which no owner says how large it is,
//! the mean of its table.

use super::said::Said;
use crate::catalog::{Move, Shard, TableEntry};
use quorate_model::{NodeId, ShardId, TableId};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// Most copies that move by one job.
const MOVES_MAX: usize = 16;

/// So many members that have too much, and so many that have too little, are looked at: zones may be in the way of the first.
const PAIRED_MAX: usize = 4;

/// Shards of a member of which it says nothing, and that are looked at for what it could give in place of a hot one.
const COLD_MAX: usize = 64;

/// A member that carries so many hundredths of its share of requests has too many of them.
pub(super) const LOAD_PERCENT_MAX: u64 = 110;

/// A shard that carries more than such a part of a member's share of requests is in the way of a balance.
const CROWDING_PART: u64 = 8;

/// By so many hundredths of a share a job must relieve the members that carry too much, unless it has as many moves as one
/// may have.
const RELIEF_PERCENT_MIN: u64 = 5;

/// What a member carries, and what it should.
#[derive(Clone, Debug)]
struct Member<'a> {
    id: NodeId,
    zone: &'a str,
    /// Its share, beside those of the others.
    weight: u64,
    copies: u64,
    /// Those of each table.
    by_table: &'a BTreeMap<TableId, u64>,
    /// Requests a second.
    load: u64,
    /// Bytes that it can still take.
    free: u64,
}

/// What all members carry, and what moves.
pub(super) struct Balance<'a> {
    said: &'a Said<'a>,
    members: Vec<Member<'a>>,
    weights: u64,
    copies: u64,
    /// Requests a second of all of them; `None`: one of them does not say.
    load: Option<u64>,
    moves: BTreeMap<ShardId, Move>,
    bytes: u64,
}

/// Shards of each member of which it says nothing.
type Cold<'a> = BTreeMap<NodeId, Vec<&'a Shard>>;

/// Two copies that change places, or one that moves: the shard that one member gives, and the one that it gets.
struct Swap<'a> {
    gives: (&'a Shard, u64),
    gets: Option<(&'a Shard, u64)>,
    to: usize,
    /// What the one of the two that carries more carries after it, in hundredths of its share.
    after: u64,
}

impl<'a> Balance<'a> {
    /// Of the members that can take part: `copies` is what each owns of each table.
    pub fn of(said: &'a Said<'a>, copies: &'a BTreeMap<NodeId, BTreeMap<TableId, u64>>) -> Self {
        let members = said.reports().filter_map(|(id, report)| {
            let node = said.catalog.node(id).filter(|node| node.is_allocatable())?;
            let by_table = copies.get(&id)?;
            let load = report.loads.as_ref().map(|loads| loads.values().sum::<u64>());
            let member = Member {
                id,
                zone: node.zone.as_str(),
                weight: u64::from(node.weight.thousandths()),
                copies: by_table.values().sum(),
                by_table,
                load: load.unwrap_or(0),
                free: report.free_bytes,
            };
            Some((member, load))
        });
        let (members, loads): (Vec<Member<'a>>, Vec<Option<u64>>) = members.unzip();
        let sum = |of: fn(&Member<'a>) -> u64| members.iter().map(of).sum::<u64>();
        let (weights, copies) = (sum(|member| member.weight).max(1), sum(|member| member.copies));
        let load = loads.into_iter().sum();
        Self { said, members, weights, copies, load, moves: BTreeMap::new(), bytes: 0 }
    }

    /// Whether a member has more copies than its share, or fewer, by more than two hundredths and one and a half.
    pub fn is_uneven(&self) -> bool {
        let is_out = |member: &Member<'_>| self.over(member).abs() >= (self.share(member) / 50).max(1_500);
        self.members.iter().any(is_out)
    }

    /// The most that a member carries of requests, in hundredths of its share; 0: too few to be worth a look.
    pub fn busiest(&self) -> u64 {
        let is_much = self.members.iter().any(|member| member.load >= self.said.limits.load_min.max(1));
        let percents = self.members.iter().map(|member| self.percent(member, member.load));
        percents.max().filter(|_| is_much && self.load.is_some()).unwrap_or(0)
    }

    /// Moves that bring all nearer to their shares of copies; the bytes of them.
    pub fn by_copies(mut self) -> (Vec<Move>, u64) {
        while self.moves.len() < MOVES_MAX {
            let found =
                self.apart().into_iter().find_map(|(from, to)| Some((self.movable(from, to)?, from, to)));
            let Some(((shard, load), from, to)) = found else { break };
            self.carry(shard, load, from, to);
        }
        (self.moves.into_values().collect(), self.bytes)
    }

    /// Moves that relieve the members that carry too much of the requests, and leave numbers as they are; the bytes of them.
    /// `may_move`: what is known of a shard is of it as it is, and it has not moved for this lately.
    pub fn by_load(mut self, may_move: impl Fn(ShardId) -> bool) -> (Vec<Move>, u64) {
        let (before, cold) = (self.excess(), self.cold());
        while self.moves.len() + 2 <= MOVES_MAX {
            let percent = |at: &usize| self.percent(&self.members[*at], self.members[*at].load);
            let mut busy: Vec<usize> =
                (0..self.members.len()).filter(|at| percent(at) * 2 > 100 + LOAD_PERCENT_MAX).collect();
            busy.sort_by_key(|at| std::cmp::Reverse(percent(at)));
            let found = busy.into_iter().find_map(|from| Some((from, self.swap(from, &cold, &may_move)?)));
            let Some((from, Swap { gives: (given, given_load), gets, to, .. })) = found else { break };
            self.carry(given, given_load, from, to);
            if let Some((got, got_load)) = gets {
                self.carry(got, got_load, to, from);
            }
        }
        let is_relief = self.excess() + RELIEF_PERCENT_MIN <= before || self.moves.len() + 2 > MOVES_MAX;
        if is_relief { (self.moves.into_values().collect(), self.bytes) } else { (Vec::new(), 0) }
    }

    /// What members carry over their shares of requests, all together, in hundredths of a share.
    fn excess(&self) -> u64 {
        let percents = self.members.iter().map(|member| self.percent(member, member.load));
        percents.map(|percent| percent.saturating_sub(100)).sum()
    }

    /// Shards that carry so much of what a member should that they can't be evened out, but could move if they were smaller.
    pub fn crowding(&self) -> BTreeSet<ShardId> {
        let is_free = |shard: &Shard| self.members.iter().any(|member| !shard.is_held_by(member.id));
        let is_large = |member: &Member<'_>, load: u64| {
            load >= self.said.limits.load_min.max(1) && self.percent(member, load) * CROWDING_PART > 100
        };
        let all = self.members.iter().flat_map(|member| {
            let said = self.said.shards_of(member.id);
            said.filter(move |(report, _)| is_large(member, report.load)).map(|(_, shard)| shard)
        });
        all.filter(|shard| is_free(shard)).map(|shard| shard.id).collect()
    }

    /// A member's share of copies, in thousandths of one.
    fn share(&self, member: &Member<'_>) -> i128 {
        let share = u128::from(self.copies) * u128::from(member.weight) * 1_000 / u128::from(self.weights);
        i128::try_from(share).unwrap_or(i128::MAX)
    }

    /// Its copies over its share, in thousandths of one.
    fn over(&self, member: &Member<'_>) -> i128 {
        i128::from(member.copies) * 1_000 - self.share(member)
    }

    /// So many requests a second, in hundredths of a member's share of them.
    fn percent(&self, member: &Member<'_>, load: u64) -> u64 {
        let share = u128::from(self.load.unwrap_or(0)) * u128::from(member.weight);
        let percent = u128::from(load) * u128::from(self.weights) * 100 / share.max(1);
        u64::try_from(percent).unwrap_or(u64::MAX)
    }

    /// From whom to whom a copy may move, those first that are farthest from their shares: one move brings them nearer.
    fn apart(&self) -> Vec<(usize, usize)> {
        let over: Vec<i128> = self.members.iter().map(|member| self.over(member)).collect();
        let mut sorted: Vec<usize> = (0..self.members.len()).collect();
        sorted.sort_by_key(|at| over[*at]);
        let takes = || sorted.iter().take(PAIRED_MAX);
        let gives = sorted.iter().rev().take(PAIRED_MAX);
        let pairs = gives.flat_map(|from| takes().map(move |to| (*from, *to)));
        pairs.filter(|(from, to)| over[*from] - over[*to] >= 1_500).collect()
    }

    /// A copy that may move from one member to another: of the table of which they differ most, the one that evens out
    /// their requests best; and the requests that go with it.
    fn movable(&self, from: usize, to: usize) -> Option<(&'a Shard, u64)> {
        let (giver, taker) = (&self.members[from], &self.members[to]);
        // As it was before this job: which table is taken first is all that depends on it.
        let differs = |entry: &&Arc<TableEntry>| {
            let of = |member: &Member<'_>| member.by_table.get(&entry.id).copied().unwrap_or(0);
            of(giver).saturating_sub(of(taker))
        };
        let mut tables: Vec<&'a Arc<TableEntry>> = self.said.catalog.tables().collect();
        tables.sort_by_cached_key(|entry| std::cmp::Reverse(differs(entry)));
        let said = self.loads(giver.id);
        let load = |shard: &Shard| said.get(&shard.id).copied().unwrap_or(0);
        let wanted = giver.load.saturating_sub(taker.load) / 2;
        tables.into_iter().find_map(|entry| {
            let shards = entry.shards().iter().filter(|shard| self.may_move(shard, from, to));
            shards.map(|shard| (shard, load(shard))).min_by_key(|(_, load)| wanted.abs_diff(*load))
        })
    }

    /// The swap that relieves a member most.
    fn swap(&self, from: usize, cold: &Cold<'a>, may_move: &impl Fn(ShardId) -> bool) -> Option<Swap<'a>> {
        let giver = &self.members[from];
        let before = self.percent(giver, giver.load);
        let gives = self.known(giver.id);
        let mut best: Option<Swap<'a>> = None;
        for (to, taker) in self.members.iter().enumerate().filter(|(to, _)| *to != from) {
            let gets: Vec<(&Shard, u64)> = self
                .known(taker.id)
                .into_iter()
                .chain(cold.get(&taker.id).into_iter().flatten().map(|shard| (*shard, 0)))
                .filter(|(shard, _)| may_move(shard.id) && self.may_move(shard, to, from))
                .collect();
            let is_alone_enough = self.over(giver) - self.over(taker) >= 1_000;
            for given in
                gives.iter().filter(|(shard, _)| may_move(shard.id) && self.may_move(shard, from, to))
            {
                let alone = std::iter::once(None).filter(|_| is_alone_enough);
                for got in alone.chain(gets.iter().copied().map(Some)) {
                    let moved = given.1.saturating_sub(got.map_or(0, |(_, load)| load));
                    let after = self
                        .percent(giver, giver.load.saturating_sub(moved))
                        .max(self.percent(taker, taker.load + moved));
                    let is_best = after < best.as_ref().map_or(before, |best| best.after);
                    let is_another = got.is_none_or(|(shard, _)| shard.id != given.0.id);
                    if is_best && is_another {
                        best = Some(Swap { gives: *given, gets: got, to, after });
                    }
                }
            }
        }
        best
    }

    /// What a member says of requests of its shards.
    fn loads(&self, node: NodeId) -> BTreeMap<ShardId, u64> {
        let said = self.said.reports().find(|(id, _)| *id == node);
        let said = said.into_iter().flat_map(|(_, report)| &report.shards);
        said.map(|report| (report.shard, report.load)).collect()
    }

    /// The shards of which a member says how many requests they carry.
    fn known(&self, node: NodeId) -> Vec<(&'a Shard, u64)> {
        let reports = self.said.shards_of(node);
        reports.map(|(report, shard)| (shard, report.load)).collect()
    }

    /// Of each member some of which it says nothing: they carry less than those of which it does.
    fn cold(&self) -> Cold<'a> {
        let known = self.members.iter().map(|member| (member.id, self.loads(member.id)));
        let known: BTreeMap<NodeId, BTreeMap<ShardId, u64>> = known.collect();
        let mut cold: Cold<'a> = self.members.iter().map(|member| (member.id, Vec::new())).collect();
        for shard in self.said.catalog.tables().flat_map(|entry| entry.shards()) {
            for node in shard.owner_nodes() {
                let some = cold.get_mut(&node).filter(|some| some.len() < COLD_MAX);
                let is_known = || known.get(&node).is_some_and(|known| known.contains_key(&shard.id));
                if let Some(some) = some.filter(|_| !is_known()) {
                    some.push(shard);
                }
            }
        }
        cold
    }

    /// Whether a copy may move from one member to another, as part of this job.
    fn may_move(&self, shard: &Shard, from: usize, to: usize) -> bool {
        let (from, to) = (&self.members[from], &self.members[to]);
        if self.moves.contains_key(&shard.id)
            || !shard.is_owned_by(from.id)
            || shard.is_held_by(to.id)
            || shard.joint.is_some()
        {
            return false;
        }
        // No zone comes to hold more copies than the one that gives had.
        let zone = |node: NodeId| self.said.catalog.node(node).map(|node| node.zone.as_str());
        let held = |of: &str| shard.owner_nodes().filter(|node| zone(*node) == Some(of)).count();
        let keeps_zones = from.zone == to.zone || held(to.zone) < held(from.zone);
        // Nothing is begun that would have to wait: a job that waits keeps all others away.
        let can_take_part = |node: NodeId| self.members.iter().any(|member| member.id == node);
        keeps_zones
            && shard.owner_nodes().all(can_take_part)
            && self.bytes_of(shard).saturating_mul(2) <= to.free
    }

    /// The most that an owner says; where none says anything, the mean of its table.
    fn bytes_of(&self, shard: &Shard) -> u64 {
        let bytes = shard.owner_nodes().filter_map(|node| {
            let said = self.said.reports.get(&node)?;
            let counted = said.shards.iter().find(|said| said.shard == shard.id && said.bytes > 0);
            let copies =
                self.members.iter().find(|member| member.id == node)?.by_table.get(&shard.id.table)?;
            let mean = || said.bytes.get(&shard.id.table).copied().unwrap_or(0) / (*copies).max(1);
            Some(counted.map_or_else(mean, |counted| counted.bytes))
        });
        bytes.max().unwrap_or_default()
    }

    /// Plans a move: what is looked for next is looked for as if it were done.
    fn carry(&mut self, shard: &Shard, load: u64, from: usize, to: usize) {
        let (giver, taker) = (self.members[from].id, self.members[to].id);
        let wanted = shard.owner_nodes().map(|node| if node == giver { taker } else { node }).collect();
        self.moves.insert(shard.id, Move { shard: shard.id, epoch: shard.epoch, wanted });
        let bytes = self.bytes_of(shard);
        self.bytes += bytes;
        let giver = &mut self.members[from];
        (giver.copies, giver.load) = (giver.copies.saturating_sub(1), giver.load.saturating_sub(load));
        let taker = &mut self.members[to];
        (taker.copies, taker.load) = (taker.copies + 1, taker.load + load);
        taker.free = taker.free.saturating_sub(bytes.saturating_mul(2));
    }
}
