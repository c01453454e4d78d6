//! What a client is answered, and why not.

use quorate_model::{Guarantee, NodeId, Record, Refusal, Span, Version};
use thiserror::Error;

/// Why an answer promises less than its levels say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lowered {
    /// An owner of the shard went on after a loss that was accepted.
    AcceptedLoss,
}

/// A read that reached its level.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GetAnswer {
    /// The greatest record found: a value, a tombstone or an expired one; `None`: no owner asked holds anything, or what one
    /// holds was removed since.
    pub record: Option<Record>,
    /// Where nothing was found: up to which version what was there was removed.
    pub sealed: Option<Version>,
    /// What the answer promises.
    pub guarantee: Guarantee,
    /// Why that is less than the levels say; `None`: it is what they say.
    pub lowered: Option<Lowered>,
    /// Owners that hold this answer, as far as is known.
    pub acks: u8,
    /// Owners that the request asked for.
    pub required: u8,
    /// Copies of the table.
    pub n: u8,
    /// Owners that were brought up to date before this answer.
    pub repaired: u8,
    /// What each owner said so far.
    pub replicas: Vec<ReplicaReport>,
}

/// A write that reached its level.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PutAnswer {
    /// The version of the write (of the first attempt, if `replayed`).
    pub version: Version,
    /// What the answer promises.
    pub guarantee: Guarantee,
    /// Why that is less than the levels say; `None`: it is what they say.
    pub lowered: Option<Lowered>,
    /// Owners that durably hold it (or something later).
    pub acks: u8,
    /// Owners that the request asked for.
    pub required: u8,
    /// Copies of the table.
    pub n: u8,
    /// Whether an earlier attempt had done it already.
    pub replayed: bool,
    /// What each owner said so far.
    pub replicas: Vec<ReplicaReport>,
}

/// What one owner said to one operation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ReplicaReport {
    /// The owner.
    pub node: NodeId,
    /// What it said.
    pub result: ReplicaResult,
    /// How long that took; for a result that is still awaited, how long so far.
    pub after: Span,
    /// Whether a hint is kept for it.
    pub hint: bool,
}

/// What one owner said.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReplicaResult {
    /// Answered as it was asked to: holds the write, or gave its record.
    Ack,
    /// Answered round one of a write; was sent no record, or has not acknowledged one.
    Answered,
    /// Was asked and has not answered yet.
    Timeout,
    /// Could not be reached.
    Down,
    /// Was reached, and then the connection or its disk failed.
    Lost,
    /// Refused.
    Refused(Refusal),
}

/// What happened to the data of a request that failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It certainly had no effect and never will.
    NotApplied,
    /// It may have taken effect, or may yet, at most once.
    Unknown,
}

/// Why a read failed. A read has no effect: it can be repeated.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum GetError {
    /// Too few owners could be reached or would answer.
    #[error("{acks} of {required} required owners can answer; the others are down or refuse")]
    Unavailable {
        /// Owners that the request asked for.
        required: u8,
        /// Owners that answered.
        acks: u8,
        /// Copies of the table.
        n: u8,
        /// What each owner said.
        replicas: Vec<ReplicaReport>,
    },
    /// Two owners hold different content under one version: a bug, or a disk that lies.
    #[error(
        "two owners hold different content under one version; no answer would be right; keep the data folders and report it"
    )]
    Divergent {
        /// What each owner said.
        replicas: Vec<ReplicaReport>,
    },
    /// The deadline came first.
    #[error("{acks} of {required} required owners answered in time")]
    Timeout {
        /// Owners that the request asked for.
        required: u8,
        /// Owners that answered.
        acks: u8,
        /// Copies of the table.
        n: u8,
        /// What each owner said.
        replicas: Vec<ReplicaReport>,
    },
}

/// Why a write failed, and what happened to it: see [`PutError::outcome`].
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum PutError {
    /// Too few owners could be reached before any record was sent, or every owner refused it.
    #[error("{acks} of {required} required owners can take the write; nothing was stored")]
    Unavailable {
        /// Owners that were needed (in the round that failed).
        required: u8,
        /// Owners that answered.
        acks: u8,
        /// Copies of the table.
        n: u8,
        /// What each owner said.
        replicas: Vec<ReplicaReport>,
        /// Whether the client has tried before: this attempt stored nothing, an earlier one may have.
        retried: bool,
    },
    /// Records were sent, and fewer than W owners acknowledged: it may appear later, at most once.
    #[error("{acks} of {required} required owners acknowledged; the write may appear later, at most once")]
    Unknown {
        /// Owners that the request asked for.
        required: u8,
        /// Owners that acknowledged.
        acks: u8,
        /// Copies of the table.
        n: u8,
        /// What each owner said.
        replicas: Vec<ReplicaReport>,
        /// Whether the deadline passed; otherwise every owner has answered or failed.
        timed_out: bool,
    },
    /// A later write of this client is known, or the client may have been forgotten: whether this one was applied
    /// can't be told any more, and it is not applied now.
    #[error(
        "this operation id is too old to be recognised; nothing was stored now; read the key, then write under a new sequence"
    )]
    IdempotencyExpired,
    /// The same operation id came with another body.
    #[error(
        "this operation id was used for another body; nothing was stored now; use a new sequence for a new write"
    )]
    IdempotencyReused,
    /// An operation id on a write below the table's w: no round would look for it there.
    #[error(
        "an operation id needs the table's write level of {table_w} owners; this write asks for {required}; nothing was stored"
    )]
    IdempotencyBelowTable {
        /// Owners that the request asked for.
        required: u8,
        /// Owners that the table's level asks for.
        table_w: u8,
        /// Whether the client has tried before: this attempt stored nothing, an earlier one may have.
        retried: bool,
    },
    /// The key's version numbers are used up.
    #[error("the key's version numbers are used up; nothing was stored; use another key")]
    Exhausted,
}

impl PutError {
    /// What happened to the data.
    pub fn outcome(&self) -> Outcome {
        match self {
            // A retry that stores nothing says nothing of the attempts before it.
            PutError::Unknown { .. }
            | PutError::IdempotencyExpired
            | PutError::IdempotencyBelowTable { retried: true, .. }
            | PutError::Unavailable { retried: true, .. } => Outcome::Unknown,
            PutError::Unavailable { retried: false, .. }
            | PutError::IdempotencyBelowTable { retried: false, .. }
            | PutError::IdempotencyReused
            | PutError::Exhausted => Outcome::NotApplied,
        }
    }
}
