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

/// Owners of one set of a shard that are counted on.
#[derive(Clone, Copy)]
struct Owners {
    /// All of the set.
    n: u8,
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

    /// Of each set of a shard. One that gets its copy counts in the new set before it has it: the old set knows the rest.
    fn owners(&self, shard: &Shard) -> impl Iterator<Item = Owners> {
        shard.sets().map(|set| {
            let count = |counts: &dyn Fn(NodeId) -> bool| set.iter().filter(|it| counts(it.node)).count();
            let answers = |node| self.answers(node, shard.id) || !shard.is_owned_by(node) && self.is_up(node);
            Owners {
                n: set.len() as u8,
                up: count(&|node| self.is_up(node)),
                answering: count(&answers),
                taking: count(&|node| self.takes_writes(node, shard.id)),
            }
        })
    }

    /// A sentence on each table that has shards with too few owners to be read and written at its default levels.
    pub fn tables_at_risk(&self, view: &View) -> Vec<String> {
        view.catalog().tables().filter_map(|table| self.risk(table)).collect()
    }

    fn risk(&self, table: &TableEntry) -> Option<String> {
        // Round one of a write counts too, and where w is below a quorum it needs more owners than the write itself.
        let begins = round_one(table.n, table.w_required());
        let answers = |n: u8| {
            let begins = round_one(n, table.w.within(n));
            usize::from(table.r.within(n).max(quorum(n)).max(begins))
        };
        let writes = |n: u8| usize::from(table.w.within(n));
        let needed = |n: u8| answers(n).max(writes(n));
        let with = |is_short: &dyn Fn(&Owners) -> bool| {
            let is_short = |shard: &&Shard| self.owners(shard).any(|of| is_short(&of));
            table.shards().iter().filter(is_short).count()
        };
        let short = with(&|of| of.answering < answers(of.n) || of.taking < writes(of.n));
        if short == 0 {
            return None;
        }
        let down = with(&|of| of.up < needed(of.n));
        let holding = if down < short { " that hold everything" } else { "" };
        let (name, shards, w) = (&table.name, table.shards().len(), table.w);
        let why = if table.w_required() < quorum(table.n) {
            format!(" (with w={w}, round one of a write needs {begins})")
        } else {
            String::new()
        };
        Some(format!(
            "table {name}: {short} of {shards} shards have fewer than {needed} owners up{holding}{why}",
            needed = needed(table.n),
        ))
    }

    /// Shards whose reads, and whose writes, too few owners can answer for at their tables' levels; of a table that waits
    /// for the end of one of its name all of them.
    pub fn shards_refusing(&self, view: &View) -> (usize, usize) {
        let (mut reads, mut writes) = (0, 0);
        for table in view.catalog().tables() {
            if view.catalog().dropping(&table.name).is_some() {
                reads += table.shards().len();
                writes += table.shards().len();
                continue;
            }
            for shard in table.shards() {
                let reads_short = |of: Owners| of.answering < usize::from(table.r.within(of.n));
                let writes_short = |of: Owners| {
                    let w = table.w.within(of.n);
                    of.answering < usize::from(round_one(of.n, w)) || of.taking < usize::from(w)
                };
                reads += usize::from(self.owners(shard).any(reads_short));
                writes += usize::from(self.owners(shard).any(writes_short));
            }
        }
        (reads, writes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixtures::new_node;
    use quorate_model::ClusterId;
    use quorate_ring::catalog::{Advance, Begin, Move};
    use quorate_ring::{Catalog, Command, JobKind, Liveness, NewTable, RequestId};
    use std::sync::Arc;

    fn applied(catalog: &Catalog, command: &Command) -> Catalog {
        catalog.apply(command).expect("accepted").catalog
    }

    /// The one shard of a table moves from n1, n2, n3 to n2, n3, n4.
    fn moving() -> View {
        let mut catalog = Catalog::bootstrap("c", ClusterId(1), new_node(1)).expect("founded");
        for number in 2..=3 {
            catalog = applied(&catalog, &Command::AddNode(new_node(number)));
        }
        let table = NewTable { shards: 1, ..NewTable::hash("t", RequestId(100)) };
        catalog = applied(&catalog, &Command::CreateTable(table));
        catalog = applied(&catalog, &Command::AddNode(new_node(4)));
        let shard = catalog.table("t").expect("made").shards().iter().next().expect("one").clone();
        let begin = Begin {
            id: RequestId(500),
            base: catalog.topology(),
            kind: JobKind::Move,
            changes: Vec::new(),
            moves: vec![Move { shard: shard.id, epoch: shard.epoch, wanted: [2, 3, 4].map(NodeId).to_vec() }],
            parts: 1,
            dead: Vec::new(),
            accepted: Vec::new(),
            bytes_total: 0,
        };
        catalog = applied(&catalog, &Command::Begin(begin));
        let start = Advance { start: vec![shard.id], ..Advance::of(RequestId(500)) };
        catalog = applied(&catalog, &Command::Advance(start));
        View::new(Arc::new(catalog), Liveness::all_alive())
    }

    fn up(nodes: &[u64]) -> Counted {
        Counted::new(nodes.iter().copied().map(NodeId), BTreeMap::new())
    }

    #[test]
    fn while_a_shard_moves_both_its_sets_must_keep_a_quorum_without_a_node() {
        let view = moving();
        let is_safe =
            |nodes: &[u64], stopped| up(nodes).without(NodeId(stopped)).tables_at_risk(&view).is_empty();
        assert!((1..=4).all(|stopped| is_safe(&[1, 2, 3, 4], stopped)), "any one of them");
        // The receiver is away: of the new set n2 and n3 are left, and both are needed.
        assert!(is_safe(&[1, 2, 3], 1));
        assert!(!is_safe(&[1, 2, 3], 2) && !is_safe(&[1, 2, 3], 3));
        // The one that leaves is away: of the old set n2 and n3 are left.
        assert!(is_safe(&[2, 3, 4], 4));
        assert!(!is_safe(&[2, 3, 4], 2) && !is_safe(&[2, 3, 4], 3));
        assert_eq!(up(&[2, 4]).shards_refusing(&view), (1, 1));
    }
}
