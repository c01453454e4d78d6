//! What a coordinator asks an owner about a range of keys, and what it is answered.
//!
//! A [`RangeRequest`] names an [`Extent`]: the table, the shard's epoch as the coordinator knows it, and a piece of the
//! sort space. The owner answers for the part of it that lies in one of its shards, and says how far that is: neither has
//! to know where the other's shards end. Requests of one key are in `message.rs`; those here have a frame kind of
//! their own, and exist since version 2 of the protocol.
//!
//! ```text
//!    asked      [start ······························ end)
//!    answered   [start ··········· until)                      forward: entries, least first
//!                              [until ··············· end)     in reverse: entries, greatest first
//! ```
//!
//! An answer lists everything that the owner holds in what it answered, removals too: where it lists nothing, it holds
//! nothing.

use crate::ids::{Epoch, TableId};
use crate::key::{Interval, SortKey};
use crate::message::Refusal;
use crate::protocol::Protocol;
use crate::record::{Body, Record};
use crate::time::WallTime;
use crate::version::Held;
use minicbor::{Decode, Encode};

/// Most entries of one answer.
pub const ENTRIES_MAX: u32 = 10_000;

/// A piece of a table's sort space, and since when the sender believes so.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Extent {
    /// The table.
    #[n(0)]
    pub table: TableId,
    /// The epoch, as the sender knows it, of the shard that the walk begins in.
    #[n(1)]
    pub epoch: Epoch,
    /// Which piece. It may reach past the shard.
    #[n(2)]
    pub interval: Interval,
}

/// How an owner walks over a range.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Walk {
    /// Whether from the end of the range downwards.
    #[n(0)]
    pub reverse: bool,
    /// Most entries, at most [`ENTRIES_MAX`].
    #[n(1)]
    pub items: u32,
    /// About how many bytes of keys and records the answer may have; the entry that reaches it is the last one.
    #[n(2)]
    pub bytes: u32,
    /// Whether small records are wanted whole.
    #[n(3)]
    pub values: bool,
}

/// What a coordinator asks of an owner about a range.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub enum RangeRequest {
    /// What do you hold there?
    #[n(0)]
    Scan {
        /// Where.
        #[n(0)]
        over: Extent,
        /// How.
        #[n(1)]
        walk: Walk,
    },
}

/// What an owner answers about a range.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub enum RangeReply {
    /// To `Scan`.
    #[n(0)]
    Scanned(#[n(0)] Scanned),
    /// Nothing was read or stored, for this reason.
    #[n(1)]
    Refused(#[cbor(n(0), with = "crate::message::refusal")] Refusal),
}

/// What an owner holds in a range.
#[derive(Clone, Debug, Default, PartialEq, Eq, Encode, Decode)]
pub struct Scanned {
    /// Everything that it holds there, in the order of the walk.
    #[n(0)]
    pub entries: Vec<Entry>,
    /// Up to where that is complete: forward the first sort key behind it (`None`: the end of the space), in reverse the
    /// first one inside.
    #[n(1)]
    pub until: Option<SortKey>,
}

/// What an owner holds of one key.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Entry {
    /// Which key.
    #[n(0)]
    pub sort_key: SortKey,
    /// What orders it.
    #[n(1)]
    pub held: Held,
    /// Size of the value in bytes; `None`: it is a removal.
    #[n(2)]
    pub value_bytes: Option<u64>,
    /// When the value expires.
    #[n(3)]
    pub expires_at: Option<WallTime>,
    /// Digest of the record's content.
    #[n(4)]
    pub digest: u64,
    /// Digest of the operation ids.
    #[n(5)]
    pub operations: u64,
    /// The record, if it was wanted and is small.
    #[n(6)]
    pub record: Option<Record>,
}

impl Entry {
    /// What is told of a record; with the record itself, if `whole`.
    pub fn of(sort_key: SortKey, record: Record, whole: bool) -> Self {
        let is_value = matches!(record.body, Body::Value { .. });
        Self {
            sort_key,
            held: record.held(),
            value_bytes: is_value.then_some(record.body.value_bytes() as u64),
            expires_at: record.expires_at,
            digest: record.digest(),
            operations: record.operations.digest(),
            record: whole.then_some(record),
        }
    }

    /// Whether it is a value whose time has come and that is not flagged yet.
    pub fn is_due(&self, now: WallTime) -> bool {
        self.value_bytes.is_some() && self.expires_at.is_some_and(|at| at <= now)
    }
}

impl RangeRequest {
    /// The extent that it names.
    pub fn extent(&self) -> &Extent {
        match self {
            RangeRequest::Scan { over, .. } => over,
        }
    }

    /// Whether it is about the end of its extent first.
    pub fn is_reverse(&self) -> bool {
        match self {
            RangeRequest::Scan { walk, .. } => walk.reverse,
        }
    }

    /// The version of the protocol since which it exists.
    pub fn since(&self) -> Protocol {
        match self {
            RangeRequest::Scan { .. } => Protocol(2),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn range_requests_and_replies_survive_the_wire() {
        let at = |text: &'static str| SortKey::new(text.as_bytes());
        let interval = Interval { start: at("a"), end: Some(at("b")) };
        let over = Extent { table: TableId(1), epoch: Epoch(2), interval };
        let walk = Walk { reverse: true, items: 10, bytes: 1_000, values: true };
        let request = RangeRequest::Scan { over, walk };
        let back: RangeRequest =
            minicbor::decode(&minicbor::to_vec(&request).expect("memory")).expect("ours");
        assert_eq!(back, request);
        let refused = RangeReply::Refused(Refusal::Stale { current: Epoch(9) });
        let scanned = RangeReply::Scanned(Scanned { entries: Vec::new(), until: Some(at("a\0")) });
        for reply in [refused, scanned] {
            let bytes = minicbor::to_vec(&reply).expect("memory");
            assert_eq!(minicbor::decode::<RangeReply>(&bytes).expect("ours"), reply);
        }
    }
}
