//! What a wish means: who holds copies from then on, of which tables how many, and so which shards move.

use super::asked::{Known, NoPlan, Wish};
use crate::catalog::{Catalog, Change, JobKind, Move, Node, NodeState, Shard, TableEntry};
use crate::placement::{Settled, ShardWish, TableWish, Wanted, place};
use crate::ring::{Members, Ring};
use crate::weight::Weight;
use quorate_model::level::{quorum, round_one};
use quorate_model::{Level, NodeId, ShardId, TableId};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// The cluster as it is wished.
pub(super) struct Target {
    pub(super) kind: JobKind,
    pub(super) changes: Vec<Change>,
    pub(super) dead: Vec<NodeId>,
    /// Members that give away all they have.
    pub(super) leave: BTreeSet<NodeId>,
    /// Members that keep what they have and get nothing.
    pub(super) keep: BTreeSet<NodeId>,
    /// The members that hold copies and get some, with their weights from then on.
    pub(super) ring: Ring,
    /// All members that hold copies, for the order of owners.
    order: Ring,
    copies: Option<(TableId, u8)>,
    /// One member in the place of another one like it.
    substitute: Option<(NodeId, NodeId)>,
}

/// A table's shards that keep one number of copies where they are.
struct Group<'a> {
    /// Copies of each.
    n: u8,
    shards: Vec<&'a Shard>,
    wish: TableWish,
}

impl Target {
    pub(super) fn of(catalog: &Catalog, wish: &Wish, known: &Known) -> Result<Self, NoPlan> {
        let node = |id: NodeId| catalog.node(id).ok_or(NoPlan::NoSuchNode { node: id });
        let (mut changes, mut dead, mut leave) = (Vec::new(), Vec::new(), BTreeSet::new());
        let (mut copies, mut substitute, mut weighed) = (None, None, None);
        let mut goes = |id: NodeId, is_dead: bool| {
            let is_banned = node(id)?.state == NodeState::Banned;
            match (is_dead, known.away.contains(&id) || is_banned) {
                (false, true) => return Err(NoPlan::Unreachable { node: id }),
                (true, false) => return Err(NoPlan::NotDead { node: id }),
                (true, true) => dead.push(id),
                (false, false) => changes.push(Change::Leave { node: id }),
            }
            leave.insert(id);
            Ok(())
        };
        let kind = match wish {
            Wish::Add { nodes } => {
                for id in nodes {
                    gets(node(*id)?)?;
                }
                JobKind::Add
            }
            Wish::Remove { node, dead } => {
                goes(*node, *dead)?;
                JobKind::Remove
            }
            Wish::Replace { old, new, dead } => {
                let (old, new) = (node(*old)?, node(*new)?);
                gets(new)?;
                goes(old.id, *dead)?;
                // Not where its shards need other owners, too: since n has changed in part only, or since one of them is gone.
                let stays = |id: NodeId| {
                    let state = catalog.node(id).map(|node| node.state);
                    id == old.id || state == Some(NodeState::Member)
                };
                let is_empty = || {
                    catalog.tables().all(|entry| {
                        let is_of_n = |shard: &Shard| shard.owners.len() == usize::from(entry.n);
                        let all_stay = |shard: &Shard| shard.owner_nodes().all(stays);
                        let is_as_usual = |shard: &Shard| is_of_n(shard) && all_stay(shard);
                        entry.shards().iter().all(|shard| is_as_usual(shard) && !shard.is_held_by(new.id))
                    })
                };
                if old.id != new.id && old.zone == new.zone && old.weight == new.weight && is_empty() {
                    substitute = Some((old.id, new.id));
                }
                JobKind::Replace
            }
            Wish::Weight { node: id, weight } => {
                gets(node(*id)?)?;
                changes.push(Change::Weight { node: *id, weight: *weight });
                weighed = Some((*id, *weight));
                JobKind::Weight
            }
            Wish::Copies { table, n, r, w } => {
                let entry = catalog.table_by_id(*table).ok_or(NoPlan::NoSuchTable { table: *table })?;
                check_levels(entry, *n, *r, *w)?;
                changes.push(Change::Copies { table: *table, n: *n, r: *r, w: *w });
                copies = Some((*table, *n));
                JobKind::Copies
            }
            Wish::Drain { node: id, drained } => {
                let known = node(*id)?;
                if known.state == NodeState::Banned {
                    return Err(NoPlan::NotAllocatable { node: *id });
                }
                changes.push(Change::Drain { node: *id, drained: *drained });
                JobKind::Move
            }
            Wish::Balance => JobKind::Balance,
        };
        let weight = |node: &Node| match weighed {
            Some((id, weight)) if id == node.id => weight,
            Some(_) | None => node.weight,
        };
        let members = |keep: &dyn Fn(&Node) -> bool| -> Members {
            let nodes = catalog.nodes().filter(|node| keep(node) && !leave.contains(&node.id));
            let nodes: Vec<(NodeId, &str, Weight)> =
                nodes.map(|node| (node.id, node.zone.as_str(), weight(node))).collect();
            Members::of(nodes)
        };
        let keep = catalog.nodes().filter(|node| node.state == NodeState::Member && node.drained);
        let keep = keep.map(|node| node.id).filter(|node| !leave.contains(node)).collect();
        let ring = Ring::of(members(&Node::is_allocatable));
        let order = Ring::of(members(&|node| node.state == NodeState::Member));
        Ok(Self { kind, changes, dead, leave, keep, ring, order, copies, substitute })
    }

    /// Copies of a table from then on.
    pub(super) fn n(&self, entry: &TableEntry) -> u8 {
        self.copies.filter(|(table, _)| *table == entry.id).map_or(entry.n, |(_, n)| n)
    }

    /// The shards that move, in the order of tables and of their intervals.
    pub(super) fn moves(&self, catalog: &Catalog) -> Result<Vec<Move>, NoPlan> {
        let wanted: BTreeMap<_, Wanted> = match self.kind {
            // A drain moves nothing.
            JobKind::Move => BTreeMap::new(),
            JobKind::Add
            | JobKind::Remove
            | JobKind::Replace
            | JobKind::Weight
            | JobKind::Copies
            | JobKind::Balance => {
                self.check_room(catalog)?;
                if let Some((old, new)) = self.substitute {
                    substituted(catalog, old, new)
                } else {
                    self.placed(catalog).ok_or(NoPlan::Nothing)?
                }
            }
        };
        let shards = catalog.tables().flat_map(|entry| entry.shards().iter().map(move |it| (entry, it)));
        let moved = shards.filter_map(|(entry, shard)| {
            let mut wanted = wanted.get(&shard.id)?.to_vec();
            let (after, today): (BTreeSet<NodeId>, BTreeSet<NodeId>) =
                (wanted.iter().copied().collect(), shard.owner_nodes().collect());
            (after != today).then(|| {
                self.in_ring_order(entry, shard, &mut wanted);
                Move { shard: shard.id, epoch: shard.epoch, wanted }
            })
        });
        Ok(moved.collect())
    }

    fn in_ring_order(&self, entry: &TableEntry, shard: &Shard, wanted: &mut [NodeId]) {
        let position = shard.position(entry.sharding);
        wanted.sort_by_cached_key(|node| {
            let member = self.order.members().index_of(*node);
            (member.map_or(u64::MAX, |member| self.order.distance(position, member)), *node)
        });
    }

    /// Whether enough nodes would be left for each table.
    fn check_room(&self, catalog: &Catalog) -> Result<(), NoPlan> {
        let nodes = self.order.members().len();
        let lacks = catalog.tables().filter(|entry| usize::from(self.n(entry)) > nodes);
        let tables: Vec<String> =
            lacks.map(|entry| format!("{} (n = {})", entry.name, self.n(entry))).collect();
        if tables.is_empty() {
            return Ok(());
        }
        Err(NoPlan::TooFewNodes { nodes: nodes as u32, tables: tables.join(", ") })
    }

    /// What is placed: of each table the shards that keep as many copies where they are.
    fn groups<'a>(&self, catalog: &'a Catalog) -> Vec<Group<'a>> {
        let mut groups = Vec::new();
        for entry in catalog.tables() {
            let n = self.n(entry);
            let mut by_kept: BTreeMap<u8, Group<'a>> = BTreeMap::new();
            for shard in entry.shards() {
                let kept = self.kept(shard, n).count() as u8;
                let group = by_kept.entry(kept).or_insert_with(|| Group {
                    n,
                    shards: Vec::new(),
                    wish: TableWish { n: n - kept, shards: Vec::new() },
                });
                let today = shard.owner_nodes().filter(|node| !self.keep.contains(node)).collect();
                group.wish.shards.push(ShardWish { position: shard.position(entry.sharding), today });
                group.shards.push(shard);
            }
            groups.extend(by_kept.into_values());
        }
        groups
    }

    /// Owners of a shard that keep it although they get nothing new.
    fn kept<'a>(&'a self, shard: &'a Shard, n: u8) -> impl Iterator<Item = NodeId> + 'a {
        shard.owner_nodes().filter(|node| self.keep.contains(node)).take(usize::from(n))
    }

    fn placed(&self, catalog: &Catalog) -> Option<BTreeMap<ShardId, Wanted>> {
        let groups = self.groups(catalog);
        let mut placed = place(&self.ring, &Settled::default(), &wishes(&groups))?.into_iter();
        let mut wanted = BTreeMap::new();
        for group in &groups {
            let mut owners = if group.wish.n > 0 { placed.next()? } else { Vec::new() }.into_iter();
            for shard in &group.shards {
                let mut owners = owners.next().unwrap_or_default();
                owners.extend(self.kept(shard, group.n));
                wanted.insert(shard.id, owners);
            }
        }
        Some(wanted)
    }

    /// The fewest copies that must move for this.
    pub(super) fn moves_min(&self, catalog: &Catalog, planned: u64) -> u64 {
        if self.substitute.is_some() {
            return planned;
        }
        crate::placement::moves_min(&self.ring, &wishes(&self.groups(catalog)))
            .map_or(planned, |min| min.min(planned))
    }

    /// Whether a member never runs again: by this plan, or by an earlier one.
    pub(super) fn is_gone(&self, catalog: &Catalog, node: NodeId) -> bool {
        let is_banned = |node: &Arc<Node>| node.state == NodeState::Banned;
        self.dead.contains(&node) || catalog.node(node).is_some_and(is_banned)
    }

    /// Whether what moves can be had from owners that are left: with one gone for good that may be the last that holds
    /// something, it is refused, unless that loss is accepted.
    pub(super) fn check_sources(
        &self,
        catalog: &Catalog,
        moves: &[Move],
        known: &Known,
    ) -> Result<(), NoPlan> {
        let is_gone = |node: &NodeId| self.is_gone(catalog, *node);
        let moved: BTreeSet<_> = moves.iter().map(|it| it.shard).collect();
        let (mut tables, mut nodes) = (Vec::new(), BTreeSet::new());
        for entry in catalog.tables() {
            let mut is_short = false;
            for shard in entry.shards().iter().filter(|shard| moved.contains(&shard.id)) {
                let n = shard.owners.len() as u8;
                let gone: Vec<NodeId> = shard.owner_nodes().filter(is_gone).collect();
                let given_up = |node: &&NodeId| !known.accepted.contains(node);
                let unaccepted = gone.iter().filter(given_up).count();
                let needed = round_one(n, entry.w.within(n)).max(quorum(n));
                if unaccepted > 0 && usize::from(n) - gone.len() < usize::from(needed) {
                    is_short = true;
                    nodes.extend(gone);
                }
            }
            if is_short {
                tables.push(entry.name.clone());
            }
        }
        if tables.is_empty() {
            return Ok(());
        }
        let nodes: Vec<String> = nodes.iter().map(NodeId::to_string).collect();
        Err(NoPlan::MayLose { nodes: nodes.join(", "), tables: tables.join(", ") })
    }
}

/// What is placed; where all copies stay, nothing is.
fn wishes(groups: &[Group]) -> Vec<TableWish> {
    groups.iter().filter(|group| group.wish.n > 0).map(|group| group.wish.clone()).collect()
}

/// Each shard of one node with another one in its place.
fn substituted(catalog: &Catalog, old: NodeId, new: NodeId) -> BTreeMap<ShardId, Wanted> {
    let shards = catalog.tables().flat_map(|entry| entry.shards());
    let owned = shards.filter(|shard| shard.is_owned_by(old));
    let wanted =
        |shard: &Shard| shard.owner_nodes().map(|node| if node == old { new } else { node }).collect();
    owned.map(|shard| (shard.id, wanted(shard))).collect()
}

/// Whether a member may get copies.
fn gets(node: &Node) -> Result<(), NoPlan> {
    if node.is_allocatable() { Ok(()) } else { Err(NoPlan::NotAllocatable { node: node.id }) }
}

/// What the catalog would say of the levels when the plan is applied.
fn check_levels(entry: &TableEntry, n: u8, r: Option<Level>, w: Option<Level>) -> Result<(), NoPlan> {
    for (side, now, given) in [("r", entry.r, r), ("w", entry.w, w)] {
        let is_number = matches!(now, Level::Count(_));
        if given.is_none() && is_number && n != entry.n {
            let why =
                format!("{side} of table {} is the number {now}: give {side} anew with n = {n}", entry.name);
            return Err(NoPlan::Copies { why });
        }
        if let Err(error) = given.unwrap_or(now).required(n) {
            return Err(NoPlan::Copies { why: format!("{side}: {error}") });
        }
    }
    Ok(())
}
