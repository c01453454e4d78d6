//! What a wish means: who holds copies from then on, of which tables how many, and so which shards move.

use super::asked::{Known, NoPlan, Wish};
use crate::catalog::{Catalog, Change, JobKind, Move, Node, NodeState, Shard, TableEntry};
use crate::placement::{Settled, ShardWish, TableWish, Wanted, place};
use crate::ring::{Members, Ring};
use crate::weight::Weight;
use quorate_model::level::{quorum, round_one};
use quorate_model::{NodeId, ShardId, TableId};
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
    table: &'a TableEntry,
    shards: Vec<&'a Shard>,
    wish: TableWish,
}

impl Target {
    pub(super) fn of(catalog: &Catalog, wish: &Wish, known: &Known) -> Result<Self, NoPlan> {
        let node = |id: NodeId| catalog.node(id).ok_or(NoPlan::NoSuchNode { node: id });
        let (mut changes, mut dead, mut leave) = (Vec::new(), Vec::new(), BTreeSet::new());
        let (mut copies, mut substitute, mut weighed) = (None, None, None);
        let mut goes = |id: NodeId, is_dead: bool| {
            if !leave.insert(id) {
                return Ok(());
            }
            let is_banned = node(id)?.is_gone();
            let called = || catalog.called(id);
            match (is_dead, known.away.contains(&id) || is_banned) {
                (false, true) => return Err(NoPlan::Unreachable { node: called() }),
                (true, false) => {
                    let by = "the node that was asked".to_owned();
                    return Err(NoPlan::NotDead { node: called(), by });
                }
                (true, true) => match known.heard_by.get(&id).filter(|_| !is_banned) {
                    Some(by) => return Err(NoPlan::NotDead { node: called(), by: catalog.called(*by) }),
                    None => dead.push(id),
                },
                (false, false) => changes.push(Change::Leave { node: id }),
            }
            Ok(())
        };
        let kind = match wish {
            Wish::Add { nodes } => {
                for id in nodes {
                    gets(catalog, node(*id)?)?;
                }
                JobKind::Add
            }
            Wish::Remove { nodes, dead } => {
                for node in nodes {
                    goes(*node, *dead)?;
                }
                JobKind::Remove
            }
            Wish::Replace { old, new, dead } => {
                let (old, new) = (node(*old)?, node(*new)?);
                gets(catalog, new)?;
                goes(old.id, *dead)?;
                // Not where its shards need other owners, too, since one of them is gone.
                let stays = |id: NodeId| {
                    let state = catalog.node(id).map(|node| node.state);
                    id == old.id || state == Some(NodeState::Member)
                };
                let is_empty = || {
                    catalog.tables().all(|entry| {
                        let all_stay = |shard: &Shard| shard.owner_nodes().all(stays);
                        entry.shards().iter().all(|shard| all_stay(shard) && !shard.is_held_by(new.id))
                    })
                };
                if old.id != new.id && old.zone == new.zone && old.weight == new.weight && is_empty() {
                    substitute = Some((old.id, new.id));
                }
                JobKind::Replace
            }
            Wish::Weight { node: id, weight } => {
                gets(catalog, node(*id)?)?;
                changes.push(Change::Weight { node: *id, weight: *weight });
                weighed = Some((*id, *weight));
                JobKind::Weight
            }
            Wish::Copies { table, n, r, w } => {
                catalog.table_by_id(*table).ok_or(NoPlan::NoSuchTable { table: *table })?;
                catalog.levels_of_copies(*table, *n, *r, *w).map_err(NoPlan::Rejected)?;
                changes.push(Change::Copies { table: *table, n: *n, r: *r, w: *w });
                copies = Some((*table, *n));
                JobKind::Copies
            }
            Wish::Drain { node: id, drained } => {
                let known = node(*id)?;
                if known.is_gone() {
                    return Err(not_allocatable(catalog, known));
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

    /// Copies of a shard from then on: as many as it has, unless its table is to have another number.
    fn n(&self, shard: &Shard) -> u8 {
        let of_table = self.copies.filter(|(table, _)| *table == shard.id.table);
        of_table.map_or(shard.owners.len() as u8, |(_, n)| n)
    }

    /// The tables whose shards may move.
    fn tables<'a>(&self, catalog: &'a Catalog) -> impl Iterator<Item = &'a Arc<TableEntry>> + use<'a> {
        let only = self.copies.map(|(table, _)| table);
        catalog.tables().filter(move |entry| only.is_none_or(|only| only == entry.id))
    }

    /// What the others have.
    fn settled(&self, catalog: &Catalog) -> Settled {
        let mut settled = Settled::default();
        let Some((only, _)) = self.copies else { return settled };
        for shard in catalog.tables().filter(|entry| entry.id != only).flat_map(|entry| entry.shards()) {
            *settled.shards_by_copies.entry(shard.owners.len() as u8).or_default() += 1;
            shard.owner_nodes().for_each(|node| *settled.copies.entry(node).or_default() += 1);
        }
        settled
    }

    /// Why nothing has to move or to change; `None`: something has to.
    pub(super) fn idle(&self, catalog: &Catalog, wish: &Wish) -> Option<String> {
        let aside = || {
            if self.keep.is_empty() {
                return String::new();
            }
            let drained = catalog.called_all(self.keep.iter().copied());
            format!(
                "; drained members keep what they have and get nothing ({drained}): undrain them first if they should"
            )
        };
        let is_empty = catalog.tables().len() == 0;
        match wish {
            Wish::Add { .. } | Wish::Balance if is_empty => {
                Some("there is no table yet, so there is nothing to share".to_owned())
            }
            Wish::Add { nodes } => {
                let nodes = catalog.called_all(nodes.iter().copied());
                Some(format!("{nodes} holds its share already, within 2 % or one copy{}", aside()))
            }
            Wish::Balance => {
                let why = "every node that may get copies holds its share already, within 2 % or one copy";
                Some(format!("{why}{}", aside()))
            }
            Wish::Weight { node, weight } => {
                let known = catalog.node(*node).filter(|known| known.weight == *weight)?;
                let node = catalog.called(known.id);
                Some(format!("{node} has the weight {weight} already, and its share{}", aside()))
            }
            Wish::Copies { table, n, r, w } => {
                let entry = catalog.table_by_id(*table).filter(|entry| entry.n == *n)?;
                let is_same = r.is_none_or(|r| r == entry.r) && w.is_none_or(|w| w == entry.w);
                is_same.then(|| format!("table {} has n = {n} already", entry.name))
            }
            Wish::Drain { node, drained } => {
                let known = catalog.node(*node).filter(|known| known.drained == *drained)?;
                let is = if *drained { "is drained" } else { "is not drained" };
                Some(format!("{} {is} already", catalog.called(known.id)))
            }
            Wish::Remove { .. } | Wish::Replace { .. } => None,
        }
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
                    self.placed(catalog)?
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
        let needs = |entry: &Arc<TableEntry>| {
            let n = entry.shards().iter().map(|shard| self.n(shard)).max()?;
            (usize::from(n) > nodes).then(|| format!("{} (n = {n})", entry.name))
        };
        let tables: Vec<String> = self.tables(catalog).filter_map(needs).collect();
        if tables.is_empty() {
            return Ok(());
        }
        Err(self.too_few(catalog, nodes, &tables))
    }

    fn too_few(&self, catalog: &Catalog, nodes: usize, tables: &[String]) -> NoPlan {
        let aside = if self.keep.is_empty() {
            String::new()
        } else {
            let drained = catalog.called_all(self.keep.iter().copied());
            format!("; drained members get none ({drained}): undrain them first")
        };
        NoPlan::TooFewNodes { nodes: nodes as u32, tables: tables.join(", "), aside }
    }

    /// What is placed: of each table the shards that have as many copies and keep as many where they are.
    fn groups<'a>(&self, catalog: &'a Catalog) -> Vec<Group<'a>> {
        let mut groups = Vec::new();
        for entry in self.tables(catalog) {
            let mut alike: BTreeMap<(u8, u8), Group<'a>> = BTreeMap::new();
            for shard in entry.shards() {
                let n = self.n(shard);
                let kept = self.kept(shard, n).count() as u8;
                let group = alike.entry((n, kept)).or_insert_with(|| Group {
                    n,
                    table: entry,
                    shards: Vec::new(),
                    wish: TableWish { n: n - kept, shards: Vec::new() },
                });
                let today = shard.owner_nodes().filter(|node| !self.keep.contains(node)).collect();
                group.wish.shards.push(ShardWish { position: shard.position(entry.sharding), today });
                group.shards.push(shard);
            }
            groups.extend(alike.into_values());
        }
        groups
    }

    /// Owners of a shard that keep it although they get nothing new.
    fn kept<'a>(&'a self, shard: &'a Shard, n: u8) -> impl Iterator<Item = NodeId> + 'a {
        shard.owner_nodes().filter(|node| self.keep.contains(node)).take(usize::from(n))
    }

    /// The owners of the shards that may have others.
    fn placed(&self, catalog: &Catalog) -> Result<BTreeMap<ShardId, Wanted>, NoPlan> {
        let groups = self.groups(catalog);
        let nodes = self.ring.members().len();
        let lacking = || {
            let lacks = groups.iter().filter(|group| usize::from(group.wish.n) > nodes);
            let tables: Vec<String> = lacks.map(|it| format!("{} (n = {})", it.table.name, it.n)).collect();
            self.too_few(catalog, nodes, &tables)
        };
        let placed = place(&self.ring, &self.settled(catalog), &wishes(&groups));
        let mut placed = placed.ok_or_else(lacking)?.into_iter();
        let mut wanted = BTreeMap::new();
        for group in &groups {
            let of_shard = |(at, mut owners): (usize, Wanted)| {
                let shard = group.shards[at];
                owners.extend(self.kept(shard, group.n));
                (shard.id, owners)
            };
            if group.wish.n > 0 {
                wanted.extend(placed.next().unwrap_or_default().into_iter().map(of_shard));
            } else {
                // What keeps all its copies where they are is not placed.
                wanted.extend((0..group.shards.len()).map(|at| of_shard((at, Wanted::new()))));
            }
        }
        Ok(wanted)
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
        let is_banned = |node: &Arc<Node>| node.is_gone();
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
        Err(NoPlan::MayLose { nodes: catalog.called_all(nodes), tables: tables.join(", ") })
    }
}

/// What is placed; where all copies stay, nothing is.
fn wishes<'a>(groups: &'a [Group]) -> Vec<&'a TableWish> {
    groups.iter().map(|group| &group.wish).filter(|wish| wish.n > 0).collect()
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
fn gets(catalog: &Catalog, node: &Node) -> Result<(), NoPlan> {
    if node.is_allocatable() { Ok(()) } else { Err(not_allocatable(catalog, node)) }
}

fn not_allocatable(catalog: &Catalog, node: &Node) -> NoPlan {
    let why = match node.state {
        NodeState::Member => {
            format!(
                "is drained: undrain it first (`quorate node undrain {}`), or choose another one",
                node.id
            )
        }
        NodeState::Leaving => "leaves: abort the job by which it does, or choose another one".to_owned(),
        NodeState::Banned => "is banned, for good: choose another one".to_owned(),
    };
    NoPlan::NotAllocatable { node: catalog.called(node.id), why }
}
