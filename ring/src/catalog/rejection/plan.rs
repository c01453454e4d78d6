//! Why a command of plans and jobs was rejected.

use crate::catalog::JobId;
use minicbor::{Decode, Encode};
use quorate_model::{Epoch, Level};
use thiserror::Error;

/// Why nothing was changed, and what would help. Members and shards are called as people call them.
#[derive(Clone, Debug, PartialEq, Eq, Error, Encode, Decode)]
pub enum PlanRejection {
    /// A command of plans before every member understands it.
    #[n(0)]
    #[error(
        "plans are not carried out yet: some member runs a version that does not know them (the catalog is at level {level}, \
         plans need 3); upgrade every node and apply the plan again"
    )]
    NotEnabled {
        /// The present level.
        #[n(0)]
        level: u32,
    },
    /// A plan that was made from an earlier state of the cluster.
    #[n(1)]
    #[error(
        "the cluster has changed since this plan was made (members, tables or jobs: at epoch {now}, the plan is of {base}): \
         make the plan again"
    )]
    TopologyChanged {
        /// What the plan was made from.
        #[n(0)]
        base: Epoch,
        /// What there is.
        #[n(1)]
        now: Epoch,
    },
    /// Another plan is being carried out.
    #[n(2)]
    #[error("job {job} is not over yet, and one plan is carried out at a time: wait for it, or abort it")]
    JobRuns {
        /// Which.
        #[n(0)]
        job: JobId,
    },
    /// No such job.
    #[n(3)]
    #[error("there is no job {job}: it was never begun, or ended long ago and is no longer kept")]
    NoSuchJob {
        /// Which.
        #[n(0)]
        job: JobId,
    },
    /// A job is not in a state in which this can be done.
    #[n(4)]
    #[error("job {job} is {state}, so it {cannot}")]
    WrongJobState {
        /// Which.
        #[n(0)]
        job: JobId,
        /// Its state.
        #[n(1)]
        state: String,
        /// What it can't do, and what would help.
        #[n(2)]
        cannot: String,
    },
    /// Too much for one command.
    #[n(5)]
    #[error(
        "one command names at most {shards_max} shards and has at most {bytes_max} bytes; this one has {shards} and {bytes}: \
         cut the plan into parts"
    )]
    CommandTooLarge {
        /// Shards it names.
        #[n(0)]
        shards: u32,
        /// Its bytes.
        #[n(1)]
        bytes: u32,
        /// Most shards.
        #[n(2)]
        shards_max: u32,
        /// Most bytes.
        #[n(3)]
        bytes_max: u32,
    },
    /// A plan with more parts than it can have, or a part that it does not have.
    #[n(6)]
    #[error("part {part} is none of this plan: it has parts 0 to {last}, at most 1024")]
    NoSuchPart {
        /// Which.
        #[n(0)]
        part: u32,
        /// The last one there can be.
        #[n(1)]
        last: u32,
    },
    /// A shard that is not there.
    #[n(7)]
    #[error("there is no shard {shard}: its table was dropped, or it was never made; make the plan again")]
    NoSuchShard {
        /// Which.
        #[n(0)]
        shard: String,
    },
    /// A shard has changed since.
    #[n(8)]
    #[error(
        "shard {shard} has changed since this was planned (it is at epoch {now}, not {told}): make the \
         plan again"
    )]
    ShardChanged {
        /// Which.
        #[n(0)]
        shard: String,
        /// The epoch that the command names.
        #[n(1)]
        told: Epoch,
        /// Its epoch.
        #[n(2)]
        now: Epoch,
    },
    /// A shard is not where the command takes it to be.
    #[n(9)]
    #[error("shard {shard} {why}")]
    WrongStage {
        /// Which.
        #[n(0)]
        shard: String,
        /// What is wrong.
        #[n(1)]
        why: String,
    },
    /// A number of wanted owners that its table does not have.
    #[n(10)]
    #[error(
        "shard {shard} is to have {told} different owners, but its table has n = {n}: name exactly {n} nodes"
    )]
    WrongOwners {
        /// Which.
        #[n(0)]
        shard: String,
        /// Different nodes that the command names.
        #[n(1)]
        told: u32,
        /// Copies of the table.
        #[n(2)]
        n: u8,
    },
    /// A node that can't get copies.
    #[n(11)]
    #[error("{node} gets no copies, since it is {why}: choose another node")]
    NotAllocatable {
        /// Who.
        #[n(0)]
        node: String,
        /// `drained`, `leaving` or `banned`.
        #[n(1)]
        why: String,
    },
    /// A level that is a number, where n changes.
    #[n(12)]
    #[error(
        "{side} of table {table:?} is the number {now}, which may mean something else with n = {n}: give {side} anew"
    )]
    LevelNotNamed {
        /// `r` or `w`.
        #[n(0)]
        side: String,
        /// The table's name.
        #[n(1)]
        table: String,
        /// The present level.
        #[n(2)]
        now: Level,
        /// The new number of copies.
        #[n(3)]
        n: u8,
    },
    /// Another write promise for the sets of owners of today.
    #[n(13)]
    #[error(
        "w = {asked} asks for {then} of {n} owners where the present w = {now} asks for {today}: reads count on that for every \
         write made so far, so it can't change with n; give a w that means {today} of {n}"
    )]
    PromiseChanged {
        /// The present one.
        #[n(0)]
        now: Level,
        /// What was asked for.
        #[n(1)]
        asked: Level,
        /// Owners of a set of today.
        #[n(2)]
        n: u8,
        /// What the present promise means there.
        #[n(3)]
        today: u8,
        /// What the other one would mean there.
        #[n(4)]
        then: u8,
    },
    /// A plan that would leave something behind.
    #[n(14)]
    #[error("the plan leaves {shards} shards of table {table:?} {why}: make the plan again")]
    PlanIncomplete {
        /// The table's name.
        #[n(0)]
        table: String,
        /// How many.
        #[n(1)]
        shards: u32,
        /// Where they would be.
        #[n(2)]
        why: String,
    },
    /// Another replica of a node than the command relied on.
    #[n(15)]
    #[error(
        "{node} is incarnation {counts} now, and what incarnation {told} of it said no longer holds: it \
         is looked at again"
    )]
    AnotherIncarnation {
        /// The node.
        #[n(0)]
        node: String,
        /// What the command relied on.
        #[n(1)]
        told: u32,
        /// What counts.
        #[n(2)]
        counts: u32,
    },
    /// A member that is to go still owns something.
    #[n(16)]
    #[error(
        "{node} still has shards of table {table:?}: plan its removal, so that they move to other nodes first"
    )]
    StillOwns {
        /// Who.
        #[n(0)]
        node: String,
        /// The name of a table.
        #[n(1)]
        table: String,
    },
    /// A member that is to go still votes.
    #[n(17)]
    #[error("{node} still votes on the catalog: another node must become a voter in its place first")]
    StillVotes {
        /// Who.
        #[n(0)]
        node: String,
    },
    /// A member that is to go is to get shards.
    #[n(18)]
    #[error("{node} is to get shards by job {job}: wait for the job, or abort it")]
    StillWanted {
        /// Who.
        #[n(0)]
        node: String,
        /// The job.
        #[n(1)]
        job: JobId,
    },
    /// A plan that says two things of one.
    #[n(19)]
    #[error("the plan contradicts itself: {what}")]
    PlanContradicts {
        /// How.
        #[n(0)]
        what: String,
    },
}
