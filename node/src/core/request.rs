//! What the HTTP edge asks of the core. Everything here is already validated: the edge turns text into these, and
//! refuses what does not fit before the core hears of it.

use quorate_model::{Durability, Key, Level, OperationId, Table, WallTime};
use std::sync::Arc;
use std::time::Duration;

/// A read of one key.
#[derive(Clone, Debug)]
pub struct GetRequest {
    /// The table, as [`super::Core::table`] gave it.
    pub table: Arc<Table>,
    /// The key.
    pub key: Key,
    /// How many owners must answer: a level that the table can give.
    pub level: Level,
    /// How long the client waits.
    pub timeout: Duration,
}

/// A write of one key, but for its body: a value, or a tombstone for a delete.
#[derive(Clone, Debug)]
pub struct PutRequest {
    /// The table, as [`super::Core::table`] gave it.
    pub table: Arc<Table>,
    /// The key.
    pub key: Key,
    /// How many owners must hold it durably: a level that the table can give.
    pub level: Level,
    /// What an acknowledgement means: the table's durability or more.
    pub durability: Durability,
    /// How long the value lives; `None`: the table's default, if it has one.
    pub expiry: Option<Expiry>,
    /// The operation id, if the client gave one.
    pub operation: Option<Attempt>,
    /// How long the client waits.
    pub timeout: Duration,
}

/// How long a value lives that names it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Expiry {
    /// Until it is deleted.
    Never,
    /// So many milliseconds from now.
    After(u64),
    /// Until then; where that has passed, it counts as expired at once.
    At(WallTime),
}

impl Expiry {
    /// When it ends, if it begins now.
    pub fn end(self, now: WallTime) -> Option<WallTime> {
        match self {
            Expiry::Never => None,
            Expiry::After(ttl_ms) => Some(now.plus_millis(ttl_ms)),
            Expiry::At(at) => Some(at),
        }
    }
}

/// An operation id, and whether the client says that this is not its first attempt.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Attempt {
    /// `<client>:<sequence>`.
    pub id: OperationId,
    /// `retry=true`.
    pub retry: bool,
}
