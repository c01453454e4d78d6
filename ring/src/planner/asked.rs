//! What an operator wants, what is known beside the catalog, and why there is no plan.

use crate::catalog::{JobId, Rejection};
use crate::weight::Weight;
use quorate_model::{Level, NodeId, ShardId, TableId};
use std::collections::{BTreeMap, BTreeSet};
use thiserror::Error;

/// What is known beside the catalog.
#[derive(Clone, Debug, Default)]
pub struct Known {
    /// Bytes of each shard, as far as they are counted.
    pub sizes: BTreeMap<ShardId, u64>,
    /// The shards of which an owner has counted everything; the others hold more than that. `None`: all.
    pub counted: Option<BTreeSet<ShardId>>,
    /// Bytes that each node can still take; one that is not named takes any number.
    pub free_bytes: BTreeMap<NodeId, u64>,
    /// Members that can't be asked.
    pub away: BTreeSet<NodeId>,
    /// Those of them that another member hears, and which one does.
    pub heard_by: BTreeMap<NodeId, NodeId>,
    /// Members of which the operator accepts that what only they hold is lost.
    pub accepted: BTreeSet<NodeId>,
}

/// What an operator wants.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Wish {
    /// Members that own nothing, or too little, get their share.
    Add {
        /// Who.
        nodes: Vec<NodeId>,
    },
    /// Members give away what they own, and leave.
    Remove {
        /// Who.
        nodes: Vec<NodeId>,
        /// Whether their processes will certainly never run again: then nothing waits for them.
        dead: bool,
    },
    /// A member gets what another one owns, which leaves.
    Replace {
        /// Who leaves.
        old: NodeId,
        /// Who comes in its place.
        new: NodeId,
        /// Whether the old one's process will certainly never run again.
        dead: bool,
    },
    /// Another share for a member.
    Weight {
        /// Who.
        node: NodeId,
        /// Its share.
        weight: Weight,
    },
    /// Another number of copies for a table, with the levels that go with it.
    Copies {
        /// Which table.
        table: TableId,
        /// Copies.
        n: u8,
        /// Default level of reads, if another one.
        r: Option<Level>,
        /// The write promise, if written otherwise.
        w: Option<Level>,
    },
    /// Whether a member gets no new copies.
    Drain {
        /// Who.
        node: NodeId,
        /// Whether it is drained from then on.
        drained: bool,
    },
    /// What lies unevenly is evened out.
    Balance,
}

/// Why there is no such plan. Nothing was changed. Members are called as people call them.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum NoPlan {
    /// A plan is being carried out.
    #[error("job {job} is not over yet, and one plan is carried out at a time: wait for it, or abort it")]
    JobRuns {
        /// Which.
        job: JobId,
    },
    /// No such member.
    #[error("{node} is not a member of this cluster")]
    NoSuchNode {
        /// Who.
        node: NodeId,
    },
    /// No such table.
    #[error("there is no table {table}")]
    NoSuchTable {
        /// Which.
        table: TableId,
    },
    /// A member that can't get copies.
    #[error("{node} gets no copies, since it {why}")]
    NotAllocatable {
        /// Who.
        node: String,
        /// Why, and what to do.
        why: String,
    },
    /// Tables with more copies than nodes would be left.
    #[error(
        "{nodes} nodes would be left to hold copies, and more are needed by {tables}: add a node first, or lower n{aside}"
    )]
    TooFewNodes {
        /// Nodes that would be left.
        nodes: u32,
        /// The tables, with their n.
        tables: String,
        /// The end of the sentence, where drained members could hold them.
        aside: String,
    },
    /// A member that is to go and can't be asked.
    #[error(
        "{node} can't be reached, so it can't hand over what it owns: start it, or, if it will certainly never run again, \
         remove it as dead (--dead)"
    )]
    Unreachable {
        /// Who.
        node: String,
    },
    /// A member that is declared dead and answers.
    #[error(
        "{node} is heard by {by}, so it is not dead, and declared dead it would be let in no more: plan this without --dead, \
         and it hands over what it owns; or stop its process first"
    )]
    NotDead {
        /// Who.
        node: String,
        /// A member that hears it.
        by: String,
    },
    /// Something may be held by nodes alone that are gone.
    #[error(
        "without {nodes} too few owners are left that certainly hold everything of {tables}: start them, or accept that what \
         only they hold is lost (--accept-data-loss)"
    )]
    MayLose {
        /// Those that can't be asked.
        nodes: String,
        /// The tables.
        tables: String,
    },
    /// Too little space.
    #[error(
        "{node} would get {bytes} bytes more and can take {free}: add space or another node, or give it a lower weight"
    )]
    NoSpace {
        /// Who.
        node: String,
        /// Bytes that it would get, with a tenth more.
        bytes: u64,
        /// Bytes that it can take.
        free: u64,
    },
    /// The catalog would not take it.
    #[error("{0}")]
    Rejected(Rejection),
    /// Everything is as it is wanted.
    #[error("nothing would change: {why}")]
    Nothing {
        /// What is so already, and what keeps it so.
        why: String,
    },
}
