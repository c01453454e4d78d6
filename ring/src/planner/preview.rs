//! What a plan costs and means, for the operator who decides.

use super::asked::{Known, NoPlan};
use super::meanwhile::Meanwhile;
use super::wanted::Target;
use crate::catalog::{Catalog, Move, Node, NodeState, Shard, TableEntry};
use quorate_model::level::{quorum, round_one};
use quorate_model::{NodeId, ShardId, TableId};
use std::collections::BTreeMap;

/// What a plan costs and means.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Preview {
    /// Every member, ordered by id.
    pub nodes: Vec<NodeShare>,
    /// Copies that come to a node that does not have them.
    pub moves: u64,
    /// Bytes of these.
    pub bytes: u64,
    /// The fewest copies that have to come to other nodes for what is wished.
    pub moves_min: u64,
    /// Bytes of so many, each as large as those that move are on average.
    pub bytes_min: u64,
    /// What an operator should know first.
    pub warnings: Vec<String>,
    /// Members that hold as many copies after it as now, and why.
    pub unchanged: Vec<(NodeId, String)>,
    /// What becomes of requests meanwhile: of each table of which shards move, of how many of them what.
    pub meanwhile: BTreeMap<TableId, BTreeMap<Meanwhile, u64>>,
}

/// What one member holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct NodeShare {
    /// Who.
    pub node: NodeId,
    /// Copies now.
    pub copies_now: u64,
    /// Copies when the plan is carried out.
    pub copies_after: u64,
    /// Bytes now, as far as shards are counted.
    pub bytes_now: u64,
    /// Bytes when the plan is carried out.
    pub bytes_after: u64,
}

impl Preview {
    pub(super) fn of(
        catalog: &Catalog,
        target: &Target,
        moves: &[Move],
        known: &Known,
    ) -> Result<Self, NoPlan> {
        let wanted: BTreeMap<ShardId, &Move> = moves.iter().map(|it| (it.shard, it)).collect();
        let mut shares: BTreeMap<NodeId, NodeShare> = catalog
            .nodes()
            .map(|node| (node.id, NodeShare { node: node.id, ..NodeShare::default() }))
            .collect();
        let mut preview = Self::default();
        for shard in catalog.tables().flat_map(|entry| entry.shards()) {
            let size = known.sizes.get(&shard.id).copied().unwrap_or(0);
            let now: Vec<NodeId> = shard.owner_nodes().collect();
            let after: Vec<NodeId> = match wanted.get(&shard.id) {
                Some(moved) => {
                    let what = Meanwhile::of(&now, &moved.wanted, |node| target.is_gone(catalog, node));
                    *preview.meanwhile.entry(shard.id.table).or_default().entry(what).or_default() += 1;
                    moved.wanted.clone()
                }
                None => now.clone(),
            };
            for node in now {
                let share = shares.entry(node).or_default();
                share.copies_now += 1;
                share.bytes_now += size;
            }
            for node in after {
                let share = shares.entry(node).or_default();
                share.copies_after += 1;
                share.bytes_after += size;
                if !shard.is_owned_by(node) {
                    preview.moves += 1;
                    preview.bytes += size;
                }
            }
        }
        preview.nodes = shares.into_values().collect();
        check_space(catalog, &preview.nodes, known)?;
        preview.moves_min = target.moves_min(catalog, preview.moves);
        let min = u128::from(preview.bytes) * u128::from(preview.moves_min);
        preview.bytes_min = u64::try_from(min / u128::from(preview.moves.max(1))).unwrap_or(u64::MAX);
        preview.unchanged = unchanged(catalog, target, &preview.nodes);
        preview.warnings = warnings(catalog, target, &wanted, known);
        Ok(preview)
    }
}

/// Whether each node can take what it gets, and a tenth more.
fn check_space(catalog: &Catalog, shares: &[NodeShare], known: &Known) -> Result<(), NoPlan> {
    for share in shares {
        let more = share.bytes_after.saturating_sub(share.bytes_now);
        let bytes = more.saturating_add(more / 10);
        if let Some(free) = known.free_bytes.get(&share.node).copied().filter(|free| bytes > *free) {
            return Err(NoPlan::NoSpace { node: catalog.called(share.node), bytes, free });
        }
    }
    Ok(())
}

fn unchanged(catalog: &Catalog, target: &Target, shares: &[NodeShare]) -> Vec<(NodeId, String)> {
    let same = shares.iter().filter(|share| share.copies_now == share.copies_after);
    let why = |share: &NodeShare| -> Option<(NodeId, String)> {
        let node: &Node = catalog.node(share.node)?;
        let why = match node.state {
            NodeState::Banned => "it is banned: nothing goes there",
            NodeState::Leaving => "it leaves: nothing goes there",
            NodeState::Member if target.leave.contains(&node.id) => "it owns nothing, so it leaves at once",
            NodeState::Member if target.keep.contains(&node.id) => {
                "it is drained: it keeps what it has and gets nothing"
            }
            NodeState::Member => "what it has is its share already, within 2 % or one copy",
        };
        Some((node.id, why.to_owned()))
    };
    same.filter_map(why).collect()
}

fn warnings(
    catalog: &Catalog,
    target: &Target,
    moved: &BTreeMap<ShardId, &Move>,
    known: &Known,
) -> Vec<String> {
    let mut warnings = Vec::new();
    let is_moved = |shard: &&Shard| moved.contains_key(&shard.id);
    for entry in catalog.tables().filter(|entry| entry.shards().iter().any(|shard| is_moved(&shard))) {
        let (name, n, w) = (&entry.name, entry.n, entry.w.within(entry.n));
        if w < quorum(n) {
            warnings.push(format!(
                "table {name} has w = {}: a shard of it moves only while {} of its {n} owners are up",
                entry.w,
                round_one(n, w)
            ));
        } else if w > quorum(n) {
            warnings.push(format!(
                "table {name} has w = {}: a shard of it arrives only once {w} of its {n} owners have heard of the move",
                entry.w
            ));
            for dead in &target.dead {
                warnings.push(format!(
                    "reads of table {name} below a quorum could be stale at {}, should it still run cut off from the others",
                    catalog.called(*dead)
                ));
            }
        }
        let waits = entry
            .shards()
            .iter()
            .filter(is_moved)
            .filter(|shard| waits(catalog, entry, shard, target, known));
        let waits = waits.count();
        if waits > 0 {
            warnings.push(format!("{waits} shards of table {name} wait: too few of their owners are up"));
        }
    }
    let uncounted = known
        .counted
        .as_ref()
        .map_or(0, |counted| moved.keys().filter(|shard| !counted.contains(shard)).count());
    if uncounted > 0 {
        warnings.push(format!(
            "{uncounted} of the shards that move are still being counted: more bytes move than are said here"
        ));
    }
    let away =
        catalog.nodes().filter(|node| known.away.contains(&node.id) && !target.dead.contains(&node.id));
    for node in away {
        let owned = |it: &&Move| it.wanted.contains(&node.id);
        let gets = moved.values().copied().filter(owned).count();
        warnings.push(format!(
            "{} can't be reached: {gets} of the shards that move are to be there, too, and what it should get waits for it",
            catalog.called(node.id)
        ));
    }
    if !known.accepted.is_empty() {
        let nodes = catalog.called_all(known.accepted.iter().copied());
        warnings.push(format!("what only {nodes} held is lost by this plan"));
    }
    warnings
}

/// Whether a shard can't arrive while those are away that are.
fn waits(catalog: &Catalog, entry: &TableEntry, shard: &Shard, target: &Target, known: &Known) -> bool {
    let n = shard.owners.len() as u8;
    let is_gone = |node: &NodeId| target.is_gone(catalog, *node);
    let up = shard.owner_nodes().filter(|node| !known.away.contains(node) && !is_gone(node)).count();
    let gone = shard.owner_nodes().filter(is_gone).count() as u8;
    let accepted = shard.owner_nodes().filter(|node| known.accepted.contains(node)).count() as u8;
    let w = entry.w.within(n);
    let needed = quorum(n).max(round_one(n, w)).max(w.min(n - gone)).min(n - accepted);
    up < usize::from(needed)
}
