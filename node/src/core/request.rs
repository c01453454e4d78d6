//! What the HTTP edge asks of the core. Everything here is already validated: the edge turns text into these, and
//! refuses what does not fit before the core hears of it.

use quorate_model::{Body, Durability, Key, NodeId, OperationId, Table};
use quorate_ring::{Receipt, Rejection};
use std::sync::Arc;
use std::time::Duration;
use thiserror::Error;

/// A read of one key.
#[derive(Clone, Debug)]
pub struct GetRequest {
    /// The table, as [`super::Core::table`] gave it.
    pub table: Arc<Table>,
    /// The key.
    pub key: Key,
    /// Owners that must answer, from 1 to the table's n.
    pub required: u8,
    /// How long the client waits.
    pub timeout: Duration,
}

/// A write of one key: a value, or a tombstone for a delete.
#[derive(Clone, Debug)]
pub struct PutRequest {
    /// The table, as [`super::Core::table`] gave it.
    pub table: Arc<Table>,
    /// The key.
    pub key: Key,
    /// [`Body::Value`] to store, [`Body::Tombstone`] to delete; never [`Body::Expired`].
    pub body: Body,
    /// Owners that must hold it durably, from 1 to the table's n.
    pub required: u8,
    /// What an acknowledgement means: the table's durability or more.
    pub durability: Durability,
    /// How long the value lives, in milliseconds from now; `None`: the table's default, if it has one.
    pub ttl_ms: Option<u64>,
    /// The operation id, if the client gave one.
    pub operation: Option<Attempt>,
    /// How long the client waits.
    pub timeout: Duration,
}

/// An operation id, and whether the client says that this is not its first attempt.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Attempt {
    /// `<client>:<sequence>`.
    pub id: OperationId,
    /// `retry=true`.
    pub retry: bool,
}

/// A change of the catalog that has taken effect.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Proposed {
    /// The epoch that has the change, and what it made. Every reachable member has applied it, but for those in
    /// `lagging`.
    pub receipt: Receipt,
    /// Reachable members that had not applied it when the timeout came. They will; until then they may answer
    /// from the catalog before it.
    pub lagging: Vec<NodeId>,
}

/// Why a change of the catalog was not made, or whether nobody knows.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum ProposeError {
    /// The catalog does not allow it; nothing has changed.
    #[error("{0}; nothing was changed")]
    Rejected(Rejection),
    /// No leader with a majority of the voters could be reached; nothing has changed and nothing will.
    #[error("{reason}; nothing was changed; try again once a majority of the voters is up")]
    Unavailable {
        /// What is missing.
        reason: String,
    },
    /// It was handed to the leader and no answer came back: it may take effect, or may yet, at most once.
    #[error(
        "{reason}; the change may have taken effect, or may yet; look at the catalog before trying again"
    )]
    Unknown {
        /// What happened.
        reason: String,
    },
}
