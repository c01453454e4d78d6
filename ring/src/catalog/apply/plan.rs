//! What a plan changes beside owners, and what it must keep to.

use crate::catalog::checks::check_level;
use crate::catalog::command::planned::{COMMAND_BYTES_MAX, Change, SHARDS_PER_COMMAND_MAX};
use crate::catalog::job::Pending;
use crate::catalog::rejection::plan::PlanRejection;
use crate::catalog::{
    Begin, Catalog, Command, Former, Job, JobState, Move, Node, NodeState, Rejection, Shard, TableEntry,
};
use crate::placement::Wanted;
use quorate_model::{Epoch, Level, NodeId, ShardId, Table, TableId};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

impl Catalog {
    /// The table of which a change means another number of copies, as it is.
    pub(super) fn former(&self, change: &Change) -> Option<Former> {
        match change {
            Change::Copies { table, .. } => {
                let Table { n, r, w, .. } = **self.table_by_id(*table)?.table();
                Some(Former { table: *table, n, r, w })
            }
            Change::Weight { .. } | Change::Drain { .. } | Change::Leave { .. } => None,
        }
    }

    /// Gives a table the number of copies that it had, and its levels. A write promise that would mean another number of
    /// owners in a set that there is stays as it is: reads count on it for what was written since.
    pub(super) fn take_back(&mut self, Former { table: id, n, r, w }: Former) {
        let Some(entry) = self.table_by_id(id) else { return };
        let means_the_same = |shard: &Shard| {
            let size = shard.owners.len() as u8;
            w.within(size) == entry.w.within(size)
        };
        let w = if entry.shards().iter().all(means_the_same) { w } else { entry.w };
        if w.required(n).is_err() {
            // No promise says both: the number of copies stays what the job made it.
            return;
        }
        let table = Arc::new(Table { n, r, w, ..Table::clone(entry.table()) });
        let restored = TableEntry { table, epoch: self.epoch, ..TableEntry::clone(entry) };
        Arc::make_mut(&mut self.tables).insert(id, Arc::new(restored));
    }

    /// Makes what a plan changes beside owners.
    pub(super) fn change(&mut self, begin: &Begin) -> Result<(), Rejection> {
        let twice = |what: String| Err(PlanRejection::PlanContradicts { what }.into());
        let mut named: BTreeSet<(u8, u64)> = BTreeSet::new();
        for change in &begin.changes {
            let key = match change {
                Change::Weight { node, .. } => (0, node.0),
                Change::Drain { node, .. } => (1, node.0),
                Change::Leave { node } => (2, node.0),
                Change::Copies { table, .. } => (3, u64::from(table.0)),
            };
            if !named.insert(key) {
                return twice(format!("it changes one thing twice ({})", self.changed(change)));
            }
        }
        for node in begin.accepted.iter().chain(&begin.dead) {
            self.node(*node).ok_or(Rejection::NoSuchNode { node: *node })?;
        }
        let nodes = |change: &&Change| !matches!(change, Change::Copies { .. });
        for change in begin.changes.iter().filter(nodes) {
            self.change_node(change)?;
        }
        for dead in &begin.dead {
            self.set_node(*dead, |node| node.state = NodeState::Banned);
        }
        // How many nodes a table can have copies on is known only now.
        for change in &begin.changes {
            match change {
                Change::Copies { table, n, r, w } => self.change_copies(*table, *n, *r, *w)?,
                Change::Weight { .. } | Change::Drain { .. } | Change::Leave { .. } => {}
            }
        }
        Ok(())
    }

    /// What a change is of, in words.
    fn changed(&self, change: &Change) -> String {
        match change {
            Change::Weight { node, .. } => format!("the weight of {}", self.called(*node)),
            Change::Drain { node, .. } => format!("whether {} is drained", self.called(*node)),
            Change::Leave { node } => format!("whether {} leaves", self.called(*node)),
            Change::Copies { table, .. } => {
                let name = self.table_by_id(*table).map_or_else(|| table.to_string(), |it| it.name.clone());
                format!("the copies of table {name}")
            }
        }
    }

    fn change_node(&mut self, change: &Change) -> Result<(), Rejection> {
        let (Change::Weight { node, .. } | Change::Drain { node, .. } | Change::Leave { node }) = change
        else {
            return Ok(());
        };
        let known = self.node(*node).ok_or(Rejection::NoSuchNode { node: *node })?;
        if known.is_gone() {
            return Err(not_allocatable(known));
        }
        match change {
            Change::Weight { weight, .. } if !weight.is_in_range() => {
                return Err(Rejection::WeightOutOfRange { thousandths: weight.thousandths() });
            }
            Change::Weight { weight, .. } => self.set_node(*node, |node| node.weight = *weight),
            Change::Drain { drained, .. } => self.set_node(*node, |node| node.drained = *drained),
            Change::Leave { .. } => self.set_node(*node, |node| node.state = NodeState::Leaving),
            Change::Copies { .. } => {}
        }
        Ok(())
    }

    pub(super) fn set_node(&mut self, id: NodeId, change: impl FnOnce(&mut Node)) {
        if let Some(node) = Arc::make_mut(&mut self.nodes).get_mut(&id) {
            change(Arc::make_mut(node));
        }
    }

    /// Another number of copies, for the sets of owners from now on.
    fn change_copies(
        &mut self,
        id: TableId,
        n: u8,
        r: Option<Level>,
        w: Option<Level>,
    ) -> Result<(), Rejection> {
        let (r, w) = self.levels_of_copies(id, n, r, w)?;
        let entry = self.table_by_id(id).ok_or(Rejection::NoSuchTable { table: id })?;
        let table = Arc::new(Table { n, r, w, ..Table::clone(entry.table()) });
        let changed = TableEntry { table, epoch: self.epoch, ..TableEntry::clone(entry) };
        Arc::make_mut(&mut self.tables).insert(id, Arc::new(changed));
        Ok(())
    }

    /// The levels of a table with another number of copies, or why it can't have that. What the table promised so far
    /// stays what it is: the write promise means as many owners of each set of today as before.
    pub fn levels_of_copies(
        &self,
        id: TableId,
        n: u8,
        r: Option<Level>,
        w: Option<Level>,
    ) -> Result<(Level, Level), Rejection> {
        let entry = self.table_by_id(id).ok_or(Rejection::NoSuchTable { table: id })?;
        self.check_copies(n)?;
        let level = |side: &str, now: Level, given: Option<Level>| {
            let is_number = matches!(now, Level::Count(_));
            if given.is_none() && is_number && n != entry.n {
                let (side, table) = (side.to_owned(), entry.name.clone());
                return Err(PlanRejection::LevelNotNamed { side, table, now, n }.into());
            }
            let level = given.unwrap_or(now);
            check_level(side, level, n).map(|()| level)
        };
        let (r, w) = (level("r", entry.r, r)?, level("w", entry.w, w)?);
        let sizes: BTreeSet<u8> = entry.shards().iter().map(|shard| shard.owners.len() as u8).collect();
        for size in sizes {
            let (today, then) = (entry.w.within(size), w.within(size));
            if today != then {
                return Err(
                    PlanRejection::PromiseChanged { now: entry.w, asked: w, n: size, today, then }.into()
                );
            }
        }
        Ok((r, w))
    }

    /// The shards of some moves with their wanted owners, once all of them are known to be possible.
    pub(super) fn pending(
        &self,
        moves: &[Move],
        already: &BTreeMap<ShardId, Pending>,
    ) -> Result<BTreeMap<ShardId, Pending>, Rejection> {
        let found = self.found_by_id(moves.iter().map(|it| it.shard));
        let mut pending = BTreeMap::new();
        for Move { shard: id, epoch, wanted } in moves {
            let (entry, shard) =
                found.get(id).ok_or_else(|| PlanRejection::NoSuchShard { shard: self.shard_called(*id) })?;
            self.check_move(entry, shard, *epoch, wanted)?;
            let wanted: Wanted = wanted.iter().copied().collect();
            let wish = Pending { start: shard.interval.start.clone(), wanted };
            if already.contains_key(id) || pending.insert(*id, wish).is_some() {
                let what = format!("it moves shard {} twice", self.shard_called(*id));
                return Err(PlanRejection::PlanContradicts { what }.into());
            }
        }
        Ok(pending)
    }

    /// Shards by their numbers: one walk over each table that is named.
    fn found_by_id(
        &self,
        ids: impl Iterator<Item = ShardId>,
    ) -> BTreeMap<ShardId, (&Arc<TableEntry>, &Shard)> {
        let wanted: BTreeSet<ShardId> = ids.collect();
        let tables: BTreeSet<TableId> = wanted.iter().map(|id| id.table).collect();
        let entries = tables.into_iter().filter_map(|table| self.table_by_id(table));
        let shards = entries.flat_map(|entry| entry.shards().iter().map(move |shard| (entry, shard)));
        let named = shards.filter(|(_, shard)| wanted.contains(&shard.id));
        named.map(|(entry, shard)| (shard.id, (entry, shard))).collect()
    }

    fn check_move(
        &self,
        entry: &TableEntry,
        shard: &Shard,
        epoch: Epoch,
        wanted: &[NodeId],
    ) -> Result<(), Rejection> {
        let called = || self.shard_called(shard.id);
        if shard.epoch != epoch {
            return Err(PlanRejection::ShardChanged { shard: called(), told: epoch, now: shard.epoch }.into());
        }
        if shard.joint.is_some() {
            let why = "moves already".to_owned();
            return Err(PlanRejection::WrongStage { shard: called(), why }.into());
        }
        let distinct: BTreeSet<NodeId> = wanted.iter().copied().collect();
        // A change of n that was aborted leaves shards with more or fewer owners, which each of them keeps.
        let is_lawful = distinct.len() == usize::from(entry.n) || distinct.len() == shard.owners.len();
        if !is_lawful || wanted.len() != distinct.len() {
            return Err(PlanRejection::WrongOwners {
                shard: called(),
                told: distinct.len() as u32,
                n: entry.n,
            }
            .into());
        }
        for node in wanted {
            let node = self.node(*node).ok_or(Rejection::NoSuchNode { node: *node })?;
            let may_have = match node.state {
                // A drained node keeps what it has.
                NodeState::Member => !node.drained || shard.is_owned_by(node.id),
                NodeState::Leaving | NodeState::Banned => false,
            };
            if !may_have {
                return Err(not_allocatable(node));
            }
        }
        if distinct == shard.owner_nodes().collect() {
            let why = "is with these owners already".to_owned();
            return Err(PlanRejection::WrongStage { shard: called(), why }.into());
        }
        Ok(())
    }

    /// Whether a plan of which all parts are there leaves nothing on a node that leaves, and no shard of a table whose
    /// number of copies it changes with another number.
    pub(super) fn check_whole(&self, job: &Job) -> Result<(), Rejection> {
        if matches!(job.state, JobState::Gathering { .. }) {
            return Ok(());
        }
        let leave: BTreeSet<NodeId> = job.leaving.iter().chain(&job.dead).copied().collect();
        for entry in self.tables() {
            let is_of_other_n = job.former.is_some_and(|former| former.table == entry.id);
            if leave.is_empty() && !is_of_other_n {
                continue;
            }
            let leaves = |shard: &&Shard| shard.owner_nodes().any(|node| leave.contains(&node));
            let left = entry.shards().iter().filter(leaves);
            let behind = left.filter(|shard| !job.pending.contains_key(&shard.id)).count() as u32;
            let copies = |shard: &Shard| match job.pending.get(&shard.id) {
                Some(wish) => wish.wanted.len(),
                None => shard.owners.len(),
            };
            let is_off = |shard: &&Shard| is_of_other_n && copies(shard) != usize::from(entry.n);
            let other_n = entry.shards().iter().filter(is_off).count();
            let table = entry.name.clone();
            if behind > 0 {
                let why = "on a node that leaves".to_owned();
                return Err(PlanRejection::PlanIncomplete { table, shards: behind, why }.into());
            }
            if other_n > 0 {
                let why = format!("with another number of copies than n = {}", entry.n);
                return Err(PlanRejection::PlanIncomplete { table, shards: other_n as u32, why }.into());
            }
        }
        Ok(())
    }
}

/// Whether a command of plans is within its limits.
pub(super) fn check_size(command: &Command, shards: usize) -> Result<(), Rejection> {
    let bytes = command.encode().len();
    if shards <= SHARDS_PER_COMMAND_MAX && bytes <= COMMAND_BYTES_MAX {
        return Ok(());
    }
    Err(PlanRejection::CommandTooLarge {
        shards: u32::try_from(shards).unwrap_or(u32::MAX),
        bytes: u32::try_from(bytes).unwrap_or(u32::MAX),
        shards_max: SHARDS_PER_COMMAND_MAX as u32,
        bytes_max: COMMAND_BYTES_MAX as u32,
    }
    .into())
}

/// That a node may not get copies.
pub(super) fn not_allocatable(node: &Node) -> Rejection {
    let why = match node.state {
        NodeState::Member => "drained",
        NodeState::Leaving => "leaving",
        NodeState::Banned => "banned",
    };
    Rejection::from(PlanRejection::NotAllocatable { node: node.called(), why: why.to_owned() })
}
