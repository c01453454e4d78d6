//! A write as its client asked for it.

use quorate_model::message::Draft;
use quorate_model::{Durability, Instant, Level, OperationId, Stamp};

/// One write as it was asked for, checked by the node that took it.
#[derive(Clone, Debug)]
pub struct Order {
    /// The value or tombstone, the coordinator's clock, and the expiry.
    pub draft: Draft,
    /// How many owners must acknowledge, in each set of them; at most N, as the client's node knew it.
    pub level: Level,
    /// What an acknowledgement means: at least the table's.
    pub durability: Durability,
    /// The client's id for it, if it gave one. Refused below the table's w.
    pub attempt: Option<Attempt>,
    /// The unique part of the version it will get.
    pub stamp: Stamp,
    /// When the client must be answered.
    pub deadline: Instant,
}

/// One attempt of a write that its client can repeat.
#[derive(Clone, Debug)]
pub struct Attempt {
    /// `<client>:<sequence>`.
    pub id: OperationId,
    /// Digest of everything that the client said: another body under the same id is refused.
    pub digest: u64,
    /// Whether the client says that this is not the first attempt.
    pub is_retry: bool,
}
