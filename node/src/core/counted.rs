//! On whom can be counted, as one node knows it, and what that means for the tables.
//!
//! A member is counted on if it is up and trusts its disk. One that fills itself after a loss answers only for the shards
//! that are whole again; of the others it takes writes once it has begun with them, which is acknowledged and told apart
//! here: a write needs answers before it needs acknowledgements.

use crate::control::DiskState;
use quorate_model::level::{quorum, round_one};
use quorate_model::{NodeId, ShardId};
use quorate_ring::catalog::Shard;
use quorate_ring::{TableEntry, View};
use std::collections::{BTreeMap, BTreeSet};

/// See the module's essay.
#[derive(Clone, Debug, Default)]
pub struct Counted {
    up: BTreeSet<NodeId>,
    disks: BTreeMap<NodeId, DiskState>,
}

/// Owners of one shard that are counted on.
#[derive(Clone, Copy)]
struct Owners {
    /// Those that are up and trust their disks.
    up: usize,
    /// Those of them that answer for the shard.
    answering: usize,
    /// Those of them that take writes for it.
    taking: usize,
}

impl Counted {
    /// Of the members that are up, and what they said of their disks.
    pub fn new(up: impl IntoIterator<Item = NodeId>, disks: BTreeMap<NodeId, DiskState>) -> Self {
        Self { up: up.into_iter().collect(), disks }
    }

    /// The same as if this member were down.
    #[must_use]
    pub fn without(mut self, node: NodeId) -> Self {
        self.up.remove(&node);
        self
    }

    /// Whether a member is up and trusts its disk: it votes, if it has a vote.
    pub fn is_up(&self, node: NodeId) -> bool {
        self.up.contains(&node) && self.disks.get(&node).is_none_or(|disk| disk.doubt.is_none())
    }

    fn answers(&self, node: NodeId, shard: ShardId) -> bool {
        let healing = self.disks.get(&node).and_then(|disk| disk.healing.as_ref());
        self.is_up(node) && healing.is_none_or(|healing| healing.answers(shard))
    }

    fn takes_writes(&self, node: NodeId, shard: ShardId) -> bool {
        let healing = self.disks.get(&node).and_then(|disk| disk.healing.as_ref());
        self.is_up(node) && healing.is_none_or(|healing| healing.takes_writes(shard))
    }

    fn owners(&self, shard: &Shard) -> Owners {
        let count = |counts: &dyn Fn(NodeId) -> bool| shard.nodes().filter(|node| counts(*node)).count();
        Owners {
            up: count(&|node| self.is_up(node)),
            answering: count(&|node| self.answers(node, shard.id)),
            taking: count(&|node| self.takes_writes(node, shard.id)),
        }
    }

    /// A sentence on each table that has shards with too few owners to be read and written at its default levels.
    pub fn tables_at_risk(&self, view: &View) -> Vec<String> {
        view.catalog().tables().filter_map(|table| self.risk(table)).collect()
    }

    fn risk(&self, table: &TableEntry) -> Option<String> {
        // Round one of a write counts too, and where w is below a quorum it needs more owners than the write itself.
        let begins = round_one(table.n, table.w_required());
        let answers = usize::from(table.r_required().max(quorum(table.n)).max(begins));
        let needed = answers.max(usize::from(table.w_required()));
        let owners = || table.shards().iter().map(|shard| self.owners(shard));
        let short = owners()
            .filter(|of| of.answering < answers || of.taking < usize::from(table.w_required()))
            .count();
        if short == 0 {
            return None;
        }
        let down = owners().filter(|of| of.up < needed).count();
        let holding = if down < short { " that hold everything" } else { "" };
        let (name, shards, w) = (&table.name, table.shards().len(), table.w);
        let why = if table.w_required() < quorum(table.n) {
            format!(" (with w={w}, round one of a write needs {begins})")
        } else {
            String::new()
        };
        Some(format!(
            "table {name}: {short} of {shards} shards have fewer than {needed} owners up{holding}{why}"
        ))
    }

    /// Shards whose reads, and whose writes, too few owners can answer for at their tables' levels.
    pub fn shards_refusing(&self, view: &View) -> (usize, usize) {
        let (mut reads, mut writes) = (0, 0);
        for table in view.catalog().tables() {
            let begins = usize::from(round_one(table.n, table.w_required()));
            for shard in table.shards() {
                let Owners { answering, taking, .. } = self.owners(shard);
                reads += usize::from(answering < usize::from(table.r_required()));
                let is_refused = answering < begins || taking < usize::from(table.w_required());
                writes += usize::from(is_refused);
            }
        }
        (reads, writes)
    }
}
