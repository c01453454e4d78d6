//! Why a command was rejected. A rejected command changed nothing, on any node.

pub mod access;
pub mod plan;
pub mod shards;

use crate::catalog::{SHARDS_PER_TABLE_MAX, TTL_MS_MAX};
use crate::weight::Weight;
use access::AccessRejection;
use minicbor::{Decode, Encode};
use plan::PlanRejection;
use quorate_model::level::N_MAX;
use quorate_model::table::SHARD_BYTES_MIN;
use quorate_model::{Level, NodeId, TableId};
use shards::ShardRejection;
use thiserror::Error;

/// Why nothing was changed, and what would help. A member that is known is called as people call it.
#[derive(Clone, Debug, PartialEq, Eq, Error, Encode, Decode)]
pub enum Rejection {
    /// Any command but the founding one on an empty catalog.
    #[n(0)]
    #[error("there is no cluster yet: found one first (serve --bootstrap), or join one (serve --join)")]
    NotFounded,
    /// A founding command on a founded cluster.
    #[n(1)]
    #[error(
        "the cluster {name:?} is founded already: a further node joins it (serve --join), it does not found it"
    )]
    AlreadyFounded {
        /// The name of the cluster that is there.
        #[n(0)]
        name: String,
    },
    /// A cluster, node or zone name of a wrong form.
    #[n(2)]
    #[error("{what} name {name:?} is not allowed: use 1 to 64 of the characters A-Z a-z 0-9 . _ -")]
    InvalidLabel {
        /// `cluster`, `node` or `zone`.
        #[n(0)]
        what: String,
        /// The name.
        #[n(1)]
        name: String,
    },
    /// A table name of a wrong form.
    #[n(3)]
    #[error("table name {name:?} is not allowed: use 1 to 64 of the characters a-z 0-9 _ -")]
    InvalidTableName {
        /// The name.
        #[n(0)]
        name: String,
    },
    /// A name that the system keeps for itself.
    #[n(4)]
    #[error(
        "table name {name:?} is reserved: names that begin with __quorate belong to the system; choose another"
    )]
    ReservedTableName {
        /// The name.
        #[n(0)]
        name: String,
    },
    /// An address of a wrong form.
    #[n(5)]
    #[error("{what} address {address:?} is not usable: give host:port with a port from 1 to 65535")]
    InvalidAddress {
        /// `http` or `peer`.
        #[n(0)]
        what: String,
        /// The address.
        #[n(1)]
        address: String,
    },
    /// A weight outside its range.
    #[n(6)]
    #[error("a weight of {thousandths} thousandths is out of range: use {min} to {max}, 1 for an ordinary node",
        min = Weight::MIN, max = Weight::MAX)]
    WeightOutOfRange {
        /// The weight.
        #[n(0)]
        thousandths: u32,
    },
    /// Another member has this name.
    #[n(7)]
    #[error(
        "a node named {name:?} is a member already ({node}): choose another --name; if this is the machine of that node and \
         its data are lost, come back as it, with --replace-self {node}"
    )]
    NodeNameTaken {
        /// The name.
        #[n(0)]
        name: String,
        /// Who has it.
        #[n(1)]
        node: NodeId,
    },
    /// No such member.
    #[n(8)]
    #[error("{node} is not a member of this cluster")]
    NoSuchNode {
        /// Who.
        #[n(0)]
        node: NodeId,
    },
    /// The cluster is as large as it may be.
    #[n(9)]
    #[error("the cluster has {limit} nodes, which is the limit")]
    TooManyNodes {
        /// The limit.
        #[n(0)]
        limit: u32,
    },
    /// No voter would be left.
    #[n(10)]
    #[error("{node} is the only voter: make another node a voter first")]
    LastVoter {
        /// The last voter.
        #[n(0)]
        node: String,
    },
    /// Another table has this name.
    #[n(11)]
    #[error("a table named {name:?} exists already: choose another name, or drop that table first")]
    TableExists {
        /// The name.
        #[n(0)]
        name: String,
        /// Which table has it.
        #[n(1)]
        table: TableId,
    },
    /// No such table (any more).
    #[n(12)]
    #[error("there is no table {table}: it was dropped, or never made")]
    NoSuchTable {
        /// Which.
        #[n(0)]
        table: TableId,
    },
    /// As many tables as there may be.
    #[n(13)]
    #[error("the cluster has {limit} tables, which is the limit: drop one first")]
    TooManyTables {
        /// The limit.
        #[n(0)]
        limit: u32,
    },
    /// A number of copies that no table may have.
    #[n(14)]
    #[error("n = {n} is not a number of copies: use 1 to {N_MAX}")]
    CopiesOutOfRange {
        /// What was asked for.
        #[n(0)]
        n: u8,
    },
    /// More copies than nodes to hold them.
    #[n(15)]
    #[error("n = {n} needs {n} nodes and the cluster has {nodes}: add nodes, or use n = {nodes} or less")]
    TooFewNodes {
        /// What was asked for.
        #[n(0)]
        n: u8,
        /// Members that could hold copies.
        #[n(1)]
        nodes: u32,
    },
    /// A level that counts more owners than there are, or none.
    #[n(16)]
    #[error("{side} = {asked} is out of range for n = {n}: use 1 to {n}, or one, quorum, all")]
    LevelOutOfRange {
        /// `r` or `w`.
        #[n(0)]
        side: String,
        /// What was asked for.
        #[n(1)]
        asked: u8,
        /// The table's copies.
        #[n(2)]
        n: u8,
    },
    /// A number of shards that no table can start with.
    #[n(17)]
    #[error(
        "{shards} shards are not possible: use a power of two from 1 to {SHARDS_PER_TABLE_MAX} (64 is usual)"
    )]
    InvalidShardCount {
        /// What was asked for.
        #[n(0)]
        shards: u32,
    },
    /// A range table by the command that makes hash tables: earlier versions had no others.
    #[n(18)]
    #[error("this command makes hash tables only: use the one for range tables, or sharding hash")]
    RangeTablesNotBuilt,
    /// An expiry that no value can have.
    #[n(19)]
    #[error("a ttl of {ttl_ms} ms is out of range: use 1 to {TTL_MS_MAX} ms (100 years), or none")]
    TtlOutOfRange {
        /// What was asked for.
        #[n(0)]
        ttl_ms: u64,
    },
    /// The write promise cannot be altered.
    #[n(20)]
    #[error(
        "the w of a table is its write promise and cannot be altered (it is {now}): reads and later writes count on \
         it for every write made so far; name another level in single requests, or make another table"
    )]
    WritePromiseFixed {
        /// The present one.
        #[n(0)]
        now: Level,
    },
    /// The number of copies cannot be altered in place.
    #[n(21)]
    #[error(
        "n cannot be altered in place (it is {now}), since copies have to move: make a plan for the cluster with n = {asked} \
         for this table, or another table"
    )]
    CopiesFixed {
        /// The present number.
        #[n(0)]
        now: u8,
        /// What was asked for.
        #[n(1)]
        asked: u8,
    },
    /// An id counter is at its end.
    #[n(22)]
    #[error("the cluster has issued its last {what} id: ids are never reused, so it cannot make another")]
    IdsExhausted {
        /// `node` or `table`.
        #[n(0)]
        what: String,
    },
    /// A request id that belongs to something else.
    #[n(23)]
    #[error("this request id belongs to {owner:?} already: draw a new one and send the command again")]
    RequestReused {
        /// The name of what it made.
        #[n(0)]
        owner: String,
    },
    /// Another member is reached there.
    #[n(24)]
    #[error(
        "the {what} address {address} is another member's ({node}), which is heard there: give each node a host:port of its \
         own"
    )]
    AddressTaken {
        /// `http` or `peer`.
        #[n(0)]
        what: String,
        /// The address.
        #[n(1)]
        address: String,
        /// Who has it.
        #[n(2)]
        node: String,
    },
    /// A replica from before a loss: the member went on without it.
    #[n(25)]
    #[error(
        "{node} announces itself as incarnation {told}, but incarnation {counts} of it counts: this folder is from \
         before a loss, and the member went on without it; do not use it any more"
    )]
    EarlierIncarnation {
        /// The node.
        #[n(0)]
        node: String,
        /// What it says.
        #[n(1)]
        told: u32,
        /// What counts.
        #[n(2)]
        counts: u32,
    },
    /// As many shards as there may be.
    #[n(26)]
    #[error(
        "{asked} more shards are not possible: the tables of the cluster have {now}, and {limit} is the limit: use fewer \
         shards, or drop a table first"
    )]
    TooManyShards {
        /// What was asked for.
        #[n(0)]
        asked: u32,
        /// How many there are.
        #[n(1)]
        now: u32,
        /// The limit.
        #[n(2)]
        limit: u32,
    },
    /// Keys to split at that make no shards.
    #[n(27)]
    #[error("split_at {why}")]
    InvalidSplit {
        /// What is wrong, and what to do.
        #[n(0)]
        why: String,
    },
    /// As many dropped tables as there may be that owners still have to hear of.
    #[n(28)]
    #[error(
        "{limit} dropped tables wait for owners that are away, which is the limit: start those nodes first"
    )]
    TooManyDropped {
        /// The limit.
        #[n(0)]
        limit: u32,
    },
    /// Of a plan, or of what it becomes.
    #[n(29)]
    #[error("{0}")]
    Plan(#[n(0)] PlanRejection),
    /// Of a split or a merge.
    #[n(30)]
    #[error("{0}")]
    Shard(#[n(0)] ShardRejection),
    /// A size at which no shard can be split.
    #[n(31)]
    #[error("shard_bytes_max is {bytes}: use {SHARD_BYTES_MIN} (64 KiB) or more, or none")]
    ShardBytesOutOfRange {
        /// What was asked for.
        #[n(0)]
        bytes: u64,
    },
    /// A member may not know it yet.
    #[n(32)]
    #[error(
        "a table has no shard_bytes_max of its own before every member runs a version that knows it (level 5 of the \
         catalog; it is at {level}): upgrade the others, or leave it out"
    )]
    ShardBytesNotEnabled {
        /// The level of the catalog.
        #[n(0)]
        level: u32,
    },
    /// Of a change of who may do what.
    #[n(33)]
    #[error("{0}")]
    Access(#[n(0)] AccessRejection),
}

impl From<AccessRejection> for Rejection {
    fn from(rejection: AccessRejection) -> Self {
        Self::Access(rejection)
    }
}

impl From<ShardRejection> for Rejection {
    fn from(rejection: ShardRejection) -> Self {
        Self::Shard(rejection)
    }
}

impl From<PlanRejection> for Rejection {
    fn from(rejection: PlanRejection) -> Self {
        Self::Plan(rejection)
    }
}
