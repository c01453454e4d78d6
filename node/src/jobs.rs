//! Jobs: what is ordered of the background sync, what came of it, and when each shard was last found equal.
//!
//! ```text
//!   order ──> the member that takes it ──> every member: "do your part" ──> each looks after the shards it runs
//!                                                                              └─> its own books, for all to ask
//! ```
//!
//! A job has a part at each member, for each runs the sync of other shards. What became of a part is in that member's
//! [`Books`]; what became of the whole is put together by the member that is asked, from the books of all ([`assemble`]).
//!
//! # Invariants
//!
//! - A job's id names the member that began it and the run of its process: no two jobs have the same.
//! - A member of which no part is known stands in the whole with the reason: nothing is left out in silence.
//!
//! # What is left out
//!
//! Books that survive a restart: a job is remembered by the process, for as long as few have come after it. A member that
//! has started again has forgotten its part, and that is what the whole says.

mod books;
mod messages;
mod whole;

pub use books::{Books, Full};
pub use messages::{JobsReply, JobsRequest};
pub use whole::{Absent, Member, State, Whole, assemble};

use minicbor::{Decode, Encode};
use quorate_model::{Boot, NodeId, TableId, WallTime};
use std::fmt;
use std::str::FromStr;
use thiserror::Error;

/// Which job: `n1-6b983c0c-3`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Encode, Decode)]
pub struct JobId {
    /// The member that began it, or took the order.
    #[n(0)]
    pub node: NodeId,
    /// The run of that member's process: 32 of the random bits of its boot.
    #[n(1)]
    pub run: u32,
    /// Counts from 1 with that run.
    #[n(2)]
    pub number: u32,
}

/// A text that is no job's id.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("a job's id is a member, a run of its process and a number, as in n1-6b983c0c-3")]
pub struct NoJobId;

impl JobId {
    /// The job of this number of a member's run.
    pub fn new(node: NodeId, boot: Boot, number: u32) -> Self {
        Self { node, run: (boot.0 >> 32) as u32, number }
    }

    /// Whether it is of this run of its member.
    fn is_of(self, boot: Boot) -> bool {
        Self::new(self.node, boot, self.number) == self
    }
}

impl fmt::Display for JobId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{:08x}-{}", self.node, self.run, self.number)
    }
}

impl FromStr for JobId {
    type Err = NoJobId;

    fn from_str(text: &str) -> Result<Self, NoJobId> {
        let read = || {
            let mut parts = text.split('-');
            let node = NodeId(parts.next()?.strip_prefix('n')?.parse().ok()?);
            let run = u32::from_str_radix(parts.next()?, 16).ok()?;
            let number = parts.next()?.parse().ok()?;
            Some(Self { node, run, number })
        };
        // One job has one text.
        read().filter(|id| id.to_string() == text).ok_or(NoJobId)
    }
}

/// What a job does with differences.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(index_only)]
pub enum Kind {
    /// It brings the owners together.
    #[n(0)]
    Sync,
    /// It counts them, and changes nothing.
    #[n(1)]
    Verify,
}

/// Why a job was begun.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(index_only)]
pub enum Cause {
    /// It was time.
    #[n(0)]
    Time,
    /// An owner returned.
    #[n(1)]
    Returned,
    /// A hint did not fit.
    #[n(2)]
    Hints,
    /// A person or a program ordered it.
    #[n(3)]
    Order,
}

/// What is to be done.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Order {
    /// Which job that is.
    #[n(0)]
    pub id: JobId,
    /// What becomes of differences.
    #[n(1)]
    pub kind: Kind,
    /// Of this table only.
    #[n(2)]
    pub table: Option<TableId>,
    /// Why.
    #[n(3)]
    pub cause: Cause,
    /// When it was ordered, by the clock of the member that began it.
    #[n(4)]
    pub ordered_at: WallTime,
}

/// One member's part of a job: one walk over the shards whose sync it runs.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Part {
    /// What was to be done.
    #[n(0)]
    pub order: Order,
    /// When it began, by this member's clock; `None`: it waits for the ones before it.
    #[n(1)]
    pub began_at: Option<WallTime>,
    /// When it ended.
    #[n(2)]
    pub ended_at: Option<WallTime>,
    /// What came of it so far.
    #[n(3)]
    pub found: Found,
    /// What it waits for, or why the last of the shards that were left open is.
    #[n(4)]
    pub reason: Option<String>,
}

/// What came of comparing some shards.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Encode, Decode)]
pub struct Found {
    /// Shards that are to be compared.
    #[n(0)]
    pub shards: u64,
    /// Shards that were found equal at all owners that were asked.
    #[n(1)]
    pub equal: u64,
    /// Shards of which all owners were brought to what any of them held, while traffic went on.
    #[n(2)]
    pub brought: u64,
    /// Shards that differ.
    #[n(3)]
    pub differing: u64,
    /// Shards of which one owner is still counting.
    #[n(4)]
    pub not_counted: u64,
    /// Shards of which an owner did not answer, or refused.
    #[n(5)]
    pub open: u64,
    /// Shards of which an owner is away; they are among the others too.
    #[n(6)]
    pub short: u64,
    /// Records found at one owner only; one that two owners hold in different states counts twice.
    #[n(7)]
    pub differences: u64,
    /// Records that were merged at the member that ran the comparison.
    #[n(8)]
    pub pulled: u64,
    /// Records that it merged at others.
    #[n(9)]
    pub pushed: u64,
    /// Bytes that came from other members or went to them.
    #[n(10)]
    pub bytes: u64,
}

/// Who was asked to do a part of an order, as the member that took it remembers.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Taken {
    /// What was ordered.
    #[n(0)]
    pub order: Order,
    /// What each member that was there said.
    #[n(1)]
    pub by: Vec<Said>,
}

/// What a member said to an order.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Said {
    /// The member.
    #[n(0)]
    pub node: NodeId,
    /// The run of its process that took the order; `None`: it did not.
    #[n(1)]
    pub boot: Option<Boot>,
    /// Why not.
    #[n(2)]
    pub why: Option<String>,
}

/// What one member remembers of jobs.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Remembered {
    /// The run of its process.
    #[n(0)]
    pub boot: Boot,
    /// Its parts, the newest first.
    #[n(1)]
    pub parts: Vec<Part>,
    /// The orders that it took, the newest first.
    #[n(2)]
    pub taken: Vec<Taken>,
}

/// When the shards of a table were last found equal, of those whose sync one member runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Proofs {
    /// The table.
    #[n(0)]
    pub table: TableId,
    /// Shards whose sync this member runs. Those with one owner are not counted.
    #[n(1)]
    pub shards: u64,
    /// Those of them that were never found equal at all their owners in this run of its process.
    #[n(2)]
    pub never: u64,
    /// Milliseconds since the oldest of the others; 0: there are none.
    #[n(3)]
    pub oldest_ms: u64,
    /// Records that this run found at one owner only.
    #[n(4)]
    pub differences: u64,
}

/// When the owners of a shard were last found equal, as far as they know.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LastEqual {
    /// This one runs the sync of the shard, and found all of them equal so many milliseconds ago.
    Ago(NodeId, u64),
    /// This one runs it, and has not found all of them equal in this run of its process.
    NeverBy(NodeId),
    /// None says that it runs it; why those that said nothing did not.
    ByNone(Vec<(NodeId, String)>),
}

impl std::ops::AddAssign for Found {
    fn add_assign(&mut self, other: Self) {
        self.shards += other.shards;
        self.equal += other.equal;
        self.brought += other.brought;
        self.differing += other.differing;
        self.not_counted += other.not_counted;
        self.open += other.open;
        self.short += other.short;
        self.differences += other.differences;
        self.pulled += other.pulled;
        self.pushed += other.pushed;
        self.bytes += other.bytes;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_read_back_and_has_one_text() {
        let id = JobId::new(NodeId(3), Boot(0xab << 32), 7);
        assert_eq!(id.to_string(), "n3-000000ab-7");
        assert_eq!("n3-000000ab-7".parse(), Ok(id));
        for text in ["", "n3", "n3-ab-7", "n3-000000ab-07", "n3-000000ab-7-1", "3-000000ab-7"] {
            assert_eq!(text.parse::<JobId>(), Err(NoJobId), "{text}");
        }
    }
}
