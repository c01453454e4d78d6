//! Commands of planned jobs: what begins them, what moves their shards, what ends them; and of a recovery. From level 3 on.

use crate::catalog::RequestId;
use crate::catalog::job::{JobId, JobKind};
use crate::weight::Weight;
use minicbor::{Decode, Encode};
use quorate_model::{Epoch, Level, NodeId, ShardId, TableId, WallTime};

/// Most shards that one command names.
pub const SHARDS_PER_COMMAND_MAX: usize = 1_024;
/// Most bytes of one such command.
pub const COMMAND_BYTES_MAX: usize = 512 * 1_024;
/// Most parts of one plan: every shard of a full cluster can be in it.
pub const PARTS_MAX: u32 = 1_024;

/// A plan, to be carried out: all of it, or its first part.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Begin {
    /// Drawn at random: the job's name. A repeated request finds the job that the first one began.
    #[n(0)]
    pub id: JobId,
    /// The topology of the catalog from which it was made: [`crate::Catalog::topology`].
    #[n(1)]
    pub base: Epoch,
    /// What it is for.
    #[n(2)]
    pub kind: JobKind,
    /// What is different at once.
    #[n(3)]
    pub changes: Vec<Change>,
    /// Which shards move where: the first part.
    #[n(4)]
    pub moves: Vec<Move>,
    /// How many parts the plan has, this one included; 0 is 1.
    #[n(5)]
    pub parts: u32,
    /// Members that are gone for good: the operator's word that their processes never run again.
    #[n(6)]
    pub dead: Vec<NodeId>,
    /// Members of which it is accepted that what only they hold is lost.
    #[n(7)]
    pub accepted: Vec<NodeId>,
    /// Bytes that will be copied, as the plan expects it.
    #[n(8)]
    pub bytes_total: u64,
}

/// What a plan changes beside owners.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub enum Change {
    /// Another share for a member.
    #[n(0)]
    Weight {
        /// Who.
        #[n(0)]
        node: NodeId,
        /// Its share from now on.
        #[n(1)]
        weight: Weight,
    },
    /// Whether a member gets no new copies.
    #[n(1)]
    Drain {
        /// Who.
        #[n(0)]
        node: NodeId,
        /// Whether it is drained from now on.
        #[n(1)]
        drained: bool,
    },
    /// A member that leaves once it owns nothing.
    #[n(2)]
    Leave {
        /// Who.
        #[n(0)]
        node: NodeId,
    },
    /// Another number of copies for a table, with the levels that go with it.
    #[n(3)]
    Copies {
        /// Which table.
        #[n(0)]
        table: TableId,
        /// Copies from now on: of new sets of owners; the present ones keep their size until they move.
        #[n(1)]
        n: u8,
        /// Default level of reads; `None`: the present one, which must be a name then.
        #[n(2)]
        r: Option<Level>,
        /// The write promise; `None`: the present one, which must be a name then. It may not mean another number of owners
        /// in any set of today.
        #[n(3)]
        w: Option<Level>,
    },
}

/// A shard, and who should own it.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Move {
    /// Which.
    #[n(0)]
    pub shard: ShardId,
    /// Its epoch when the plan was made.
    #[n(1)]
    pub epoch: Epoch,
    /// Its owners when it has moved, in ring order: as many as its table has copies.
    #[n(2)]
    pub wanted: Vec<NodeId>,
}

/// A further part of a plan.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Extend {
    /// Whose.
    #[n(0)]
    pub job: JobId,
    /// Its number, from 1.
    #[n(1)]
    pub part: u32,
    /// What it adds.
    #[n(2)]
    pub moves: Vec<Move>,
}

/// The next steps of a job's shards.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Advance {
    /// Whose.
    #[n(0)]
    pub job: JobId,
    /// Shards that get a second set of owners.
    #[n(1)]
    pub start: Vec<ShardId>,
    /// Shards that are with their new owners from now on, each with its epoch.
    #[n(2)]
    pub finish: Vec<(ShardId, Epoch)>,
    /// Shards that stay with their old owners after all, each with its epoch.
    #[n(3)]
    pub revert: Vec<(ShardId, Epoch)>,
    /// The replicas on whose word something finishes: node and incarnation.
    #[n(4)]
    pub relied: Vec<(NodeId, u32)>,
}

/// Members that an operator gives up, with all that only they held: of keys, and of the catalog itself.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Recover {
    /// Drawn at random: names the decision, so that a repetition finds it.
    #[n(0)]
    pub request: RequestId,
    /// Who is given up.
    #[n(1)]
    pub lost: Vec<NodeId>,
    /// The member whose catalog goes on.
    #[n(2)]
    pub by: NodeId,
    /// When it was decided, by that member's clock.
    #[n(3)]
    pub at: WallTime,
}

/// What an operator wants of a job.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(index_only)]
pub enum Order {
    /// Start nothing more.
    #[n(0)]
    Pause,
    /// Go on.
    #[n(1)]
    Resume,
    /// End, and take back what is active.
    #[n(2)]
    Abort,
}

impl Advance {
    /// No step yet.
    pub fn of(job: JobId) -> Self {
        Self { job, start: Vec::new(), finish: Vec::new(), revert: Vec::new(), relied: Vec::new() }
    }

    /// How many shards it names.
    pub fn shards(&self) -> usize {
        self.start.len() + self.finish.len() + self.revert.len()
    }
}
