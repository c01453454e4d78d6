//! The catalog: members, tables, shards and their owners, at one epoch.
//!
//! A catalog is a value. It changes only by [`Catalog::apply`], which makes the next one; the two share what did not
//! change, so that every request can hold the catalog it started with, and a publication costs little:
//!
//! ```text
//! epoch 7   nodes ────────┐      tables ──┬─ users ── 64 shards
//!                         │               └─ carts ── 64 shards
//! epoch 8   nodes (same) ─┘      tables ──┬─ users  (same)
//!           create table "logs"           ├─ carts  (same)
//!                                         └─ logs ─── 64 shards
//! ```
//!
//! The shards of one table lie in pieces ([`Pieces`](quorate_model::Pieces)) that successive catalogs share in the same
//! way, and so does what is made of them for a node ([`Layouts`]).
//!
//! # Invariants
//!
//! - `apply` is total and deterministic: the same commands give the same catalog on every node, and a bad command is
//!   rejected with a sentence. Each accepted command is exactly one epoch.
//! - The shards of a table cover its sort space without gap or overlap; each has exactly n distinct owners, all of
//!   them members. Where n changes, a shard has as many as before until it has moved.
//! - A shard has two sets of owners only while a job that has not ended moves it.
//! - Ids of nodes, tables and shards are never reused.
//!
//! # What is absent
//!
//! Liveness (that is [`crate::View`]'s), time, and everything that is only known to one node.

pub mod access;
mod addresses;
mod apply;
mod checks;
mod close;
pub mod closing;
pub mod command;
mod copies;
pub mod job;
pub mod layouts;
mod level;
mod member;
pub mod node;
pub mod recovery;
pub mod rejection;
pub mod shard;
pub(crate) mod snapshot;
mod starts;

pub use access::Access;
pub use apply::{Applied, Created, LEVEL_NEWEST, Receipt};
pub use closing::Closing;
pub use command::access::{AddToken, NewAdmin, PutRole, PutUser, SetAccess};
pub use command::planned::{Advance, Begin, Change, Extend, Move, Order, Recover};
pub use command::shards::{CUTS_PER_COMMAND_MAX, Cut, Merge, Pair, Seen, Split};
pub use command::{
    Claim, Command, Found, NewNode, NewRange, NewTable, NodeUpdate, TableChange, TtlChange, UnknownCommand,
};
pub use job::{Former, Job, JobId, JobKind, JobState, Pending};
pub use layouts::Layouts;
pub use member::{AmbiguousMember, Called};
pub use node::{Node, NodeState, RequestId, is_address, is_label};
pub use recovery::{RECOVERIES_MAX, Recovery};
pub use rejection::Rejection;
pub use rejection::access::AccessRejection;
pub use rejection::plan::PlanRejection;
pub use rejection::shards::ShardRejection;
pub use shard::{Joint, Losses, Shard, TableEntry};
pub use snapshot::DamagedSnapshot;

use crate::ring::Members;
use quorate_model::{ClusterId, Epoch, Gone, NodeId, Protocol, ShardId, SortKey, TableId};
use std::collections::BTreeMap;
use std::sync::Arc;

/// Shards a table starts with unless told otherwise.
pub const SHARDS_DEFAULT: u32 = 64;
/// Most shards a table may start with. Like every limit here it is the same on all nodes: `apply` depends on it.
pub const SHARDS_PER_TABLE_MAX: u32 = 16_384;
/// Most members of a cluster.
pub const NODES_MAX: u32 = 10_000;
/// Most tables of a cluster.
pub const TABLES_MAX: u32 = 1_024;
/// Most shards of a cluster, of all tables together: every member holds all of them in memory, and in its snapshot.
pub const SHARDS_MAX: u32 = 1 << 20;
/// Longest expiry, in milliseconds: 100 years.
pub const TTL_MS_MAX: u64 = 100 * 365 * 24 * 60 * 60 * 1_000;
/// Table names that begin so belong to the system.
pub const RESERVED_TABLE_PREFIX: &str = "__quorate";

/// Members, tables, shards and owners at one epoch. Cheap to clone: what it holds is shared.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Catalog {
    cluster: ClusterId,
    name: Arc<str>,
    epoch: Epoch,
    nodes: Arc<BTreeMap<NodeId, Arc<Node>>>,
    tables: Arc<BTreeMap<TableId, Arc<TableEntry>>>,
    /// The tables by name; follows from `tables`.
    names: Arc<BTreeMap<String, TableId>>,
    /// The id of the next node and of the next table.
    next_node: NodeId,
    next_table: TableId,
    /// Which commands the members understand: see [`Command::Enable`].
    level: u32,
    /// Changes that not enough owners have closed yet, by the table that they changed.
    closing: Arc<BTreeMap<TableId, Arc<Closing>>>,
    /// Plans that are carried out, and the last ones that ended.
    jobs: Arc<BTreeMap<JobId, Arc<Job>>>,
    /// When what a plan is made from last changed: see [`Catalog::topology`].
    topology: Epoch,
    /// Where each shard that moves starts; follows from `tables`.
    moving: Arc<BTreeMap<ShardId, SortKey>>,
    /// When it went on without a majority of its voters: the last times, the earliest first.
    recoveries: Arc<[Recovery]>,
    /// Who may do what.
    access: Arc<Access>,
}

impl Catalog {
    /// The id of the node that founds a cluster.
    pub const FIRST_NODE: NodeId = NodeId(1);

    /// The catalog before the first command: no cluster, epoch 0.
    pub fn empty() -> Self {
        Self { next_node: Self::FIRST_NODE, next_table: TableId(1), level: 1, ..Self::default() }
    }

    /// The catalog of a cluster that was just founded: one node, which votes, at epoch 1.
    pub fn bootstrap(name: &str, cluster: ClusterId, node: NewNode) -> Result<Self, Rejection> {
        let found = Command::Found(Found { cluster, name: name.to_owned(), node, level: Some(LEVEL_NEWEST) });
        Self::empty().apply(&found).map(|applied| applied.catalog)
    }

    /// Whether there is a cluster at all.
    pub fn is_founded(&self) -> bool {
        self.epoch > Epoch(0)
    }

    /// The cluster's id, drawn at random when it was founded.
    pub fn cluster_id(&self) -> ClusterId {
        self.cluster
    }

    /// The cluster's name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// How many commands it took to get here.
    pub fn epoch(&self) -> Epoch {
        self.epoch
    }

    /// The members, ordered by id.
    pub fn nodes(&self) -> impl ExactSizeIterator<Item = &Arc<Node>> {
        self.nodes.values()
    }

    /// A member.
    pub fn node(&self, id: NodeId) -> Option<&Arc<Node>> {
        self.nodes.get(&id)
    }

    /// The member with this name.
    pub fn node_by_name(&self, name: &str) -> Option<&Arc<Node>> {
        self.nodes.values().find(|node| node.name == name)
    }

    /// Why a node that was a member is let in no more; `None`: it is one, or has not been one yet.
    pub fn gone(&self, id: NodeId) -> Option<Gone> {
        match self.node(id) {
            Some(node) => node.is_gone().then_some(Gone::Banned),
            None => (Self::FIRST_NODE..self.next_node).contains(&id).then_some(Gone::Removed),
        }
    }

    /// What people call a member: its name, and its id where that is another word.
    pub fn called(&self, id: NodeId) -> String {
        self.node(id).map_or_else(|| id.to_string(), |node| node.called())
    }

    /// The same of several.
    pub fn called_all(&self, ids: impl IntoIterator<Item = NodeId>) -> String {
        ids.into_iter().map(|id| self.called(id)).collect::<Vec<_>>().join(", ")
    }

    /// What people call a shard: the name of its table, and its number.
    pub fn shard_called(&self, id: ShardId) -> String {
        self.table_by_id(id.table)
            .map_or_else(|| id.to_string(), |table| format!("{}/{}", table.name, id.index))
    }

    /// The members that vote in consensus on the catalog.
    pub fn voters(&self) -> impl Iterator<Item = &Arc<Node>> {
        self.nodes.values().filter(|node| node.voter)
    }

    /// The tables, ordered by id.
    pub fn tables(&self) -> impl ExactSizeIterator<Item = &Arc<TableEntry>> {
        self.tables.values()
    }

    /// The table with this name.
    pub fn table(&self, name: &str) -> Option<&Arc<TableEntry>> {
        self.table_by_id(*self.names.get(name)?)
    }

    /// The table with this id.
    pub fn table_by_id(&self, id: TableId) -> Option<&Arc<TableEntry>> {
        self.tables.get(&id)
    }

    /// Whether a table was made and is gone. False for one that this catalog has not issued yet: a node whose catalog
    /// is behind must not take what is new for what was dropped.
    pub fn is_dropped(&self, id: TableId) -> bool {
        id < self.next_table && !self.tables.contains_key(&id)
    }

    /// The level of commands that every member understands, from 1: see [`Command::Enable`].
    pub fn level(&self) -> u32 {
        self.level
    }

    /// The oldest version of the protocol that has every command of its level: who speaks none of these may not be a member.
    pub fn protocol(&self) -> Protocol {
        level::protocol_of_level(self.level)
    }

    /// The changes that not enough owners have closed yet, ordered by table.
    pub fn closing(&self) -> impl ExactSizeIterator<Item = &Arc<Closing>> {
        self.closing.values()
    }

    /// The change of this table that not enough owners have closed yet.
    pub fn closing_of(&self, table: TableId) -> Option<&Arc<Closing>> {
        self.closing.get(&table)
    }

    /// The last table that had this name, was dropped, and may still be answered for by owners that have not heard of it.
    pub fn dropping(&self, name: &str) -> Option<&Arc<Closing>> {
        let open = self.closing.values().filter(|closing| closing.dropped && closing.name == name);
        open.max_by_key(|closing| closing.since)
    }

    /// The members as the ring knows them.
    pub fn members(&self) -> Members {
        Members::of(self.nodes.values().map(|node| (node.id, node.zone.as_str(), node.weight)))
    }

    /// Those members that may get copies, as the ring knows them.
    pub fn allocatable(&self) -> Members {
        let nodes = self.nodes.values().filter(|node| node.is_allocatable());
        Members::of(nodes.map(|node| (node.id, node.zone.as_str(), node.weight)))
    }

    /// The epoch at which what a plan is made from last changed: members, their weights and drains, which tables there are,
    /// planned jobs. A plan that was made before is refused. 0 below level 3.
    pub fn topology(&self) -> Epoch {
        self.topology
    }

    /// The jobs that run, and the last ones that ended, ordered by id.
    pub fn jobs(&self) -> impl ExactSizeIterator<Item = &Arc<Job>> {
        self.jobs.values()
    }

    /// A job.
    pub fn job(&self, id: JobId) -> Option<&Arc<Job>> {
        self.jobs.get(&id)
    }

    /// The planned job that has not ended: one at most.
    pub fn running_job(&self) -> Option<&Arc<Job>> {
        self.jobs.values().find(|job| !job.state.is_ended())
    }

    /// When this catalog went on without a majority of its voters: the last times, the earliest first.
    pub fn recoveries(&self) -> &[Recovery] {
        &self.recoveries
    }

    /// Who may do what, if access control is on.
    pub fn access(&self) -> &Arc<Access> {
        &self.access
    }

    /// The shards that have two sets of owners, ordered by id.
    pub fn moving(&self) -> impl Iterator<Item = &Shard> {
        self.moving.iter().filter_map(|(id, start)| {
            let shard = self.table_by_id(id.table)?.shards().at(start)?;
            (shard.id == *id).then_some(shard)
        })
    }

    /// A shard that has two sets of owners.
    pub fn moving_shard(&self, id: ShardId) -> Option<&Shard> {
        let shard = self.table_by_id(id.table)?.shards().at(self.moving.get(&id)?)?;
        (shard.id == id).then_some(shard)
    }
}

#[cfg(test)]
pub(crate) mod tests;
