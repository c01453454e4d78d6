//! Why a split or a merge of shards was rejected.

use crate::catalog::JobId;
use crate::catalog::command::shards::CUTS_PER_COMMAND_MAX;
use minicbor::{Decode, Encode};
use thiserror::Error;

/// Why nothing was changed, and what would help. Shards are named as people name them: table and number. A key is shown
/// escaped, and of a hash table as its token.
#[derive(Clone, Debug, PartialEq, Eq, Error, Encode, Decode)]
pub enum ShardRejection {
    /// Before every member understands it.
    #[n(0)]
    #[error(
        "shards are not split or merged yet: some member runs a version that does not know how (the catalog is at level \
         {level}, this needs 4); upgrade every node and try again"
    )]
    NotEnabled {
        /// The present level.
        #[n(0)]
        level: u32,
    },
    /// None, or too many for one command.
    #[n(1)]
    #[error(
        "one command splits or merges 1 to {CUTS_PER_COMMAND_MAX} times, this one {told} times: use several"
    )]
    WrongCount {
        /// How many.
        #[n(0)]
        told: u32,
    },
    /// A shard that is not there, or is another now.
    #[n(2)]
    #[error(
        "shard {shard} is not what it was when this was decided ({told}; {now}): look at the table's \
         shards again"
    )]
    Changed {
        /// Which.
        #[n(0)]
        shard: String,
        /// What the command says that it is.
        #[n(1)]
        told: String,
        /// What there is.
        #[n(2)]
        now: String,
    },
    /// A shard with two sets of owners.
    #[n(3)]
    #[error("shard {shard} moves now: try again when it has arrived (`quorate job list`)")]
    Moves {
        /// Which.
        #[n(0)]
        shard: String,
    },
    /// A shard that is to move.
    #[n(4)]
    #[error("shard {shard} is to be moved by job {job}: wait for the job, or abort it")]
    Waits {
        /// Which.
        #[n(0)]
        shard: String,
        /// By which job.
        #[n(1)]
        job: JobId,
    },
    /// While parts of a plan are missing, which names shards as they were.
    #[n(5)]
    #[error("the plan of job {job} is being written: try again in a moment")]
    PlanIsWritten {
        /// Which.
        #[n(0)]
        job: JobId,
    },
    /// A key at which nothing can be cut.
    #[n(6)]
    #[error(
        "table {table:?} can't be split at {key} in shard {shard}, which {holds}: name a place inside it"
    )]
    Outside {
        /// The table's name.
        #[n(0)]
        table: String,
        /// Where.
        #[n(1)]
        key: String,
        /// Which shard.
        #[n(2)]
        shard: String,
        /// What it holds.
        #[n(3)]
        holds: String,
    },
    /// A key of a hash table, or one too long for any key.
    #[n(7)]
    #[error("table {table:?} can't be split at {key}: {why}")]
    NoPlace {
        /// The table's name.
        #[n(0)]
        table: String,
        /// Where.
        #[n(1)]
        key: String,
        /// What is wrong, and what to name.
        #[n(2)]
        why: String,
    },
    /// Two shards that do not touch.
    #[n(8)]
    #[error("shards {left} and {right} are not neighbours in this order: name one and the next one")]
    NotNeighbours {
        /// The first.
        #[n(0)]
        left: String,
        /// The second.
        #[n(1)]
        right: String,
    },
    /// Two shards of different owners.
    #[n(9)]
    #[error(
        "shard {left} is on {left_nodes} and shard {right} on {right_nodes}: a merge moves nothing; move one \
         of them to the nodes of the other first"
    )]
    OtherNodes {
        /// The first.
        #[n(0)]
        left: String,
        /// Its nodes.
        #[n(1)]
        left_nodes: String,
        /// The second.
        #[n(2)]
        right: String,
        /// Its nodes.
        #[n(3)]
        right_nodes: String,
    },
}
