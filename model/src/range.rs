//! What a coordinator asks an owner about a range of keys, and what it is answered.
//!
//! A [`RangeRequest`] names an [`Extent`]: the table, the shard's epoch as the coordinator knows it, and a piece of the
//! sort space. The owner answers for the part of it that lies in one of its shards, and says how far that is: neither has
//! to know where the other's shards end. Requests of one key are in `message.rs`; those here have a frame kind of
//! their own, and exist since version 2 of the protocol. What owners ask each other to find out where they differ is in
//! `sync.rs`.
//!
//! ```text
//!    asked      [start ······························ end)
//!    answered   [start ··········· until)                      forward: entries, least first
//!                              [until ··············· end)     in reverse: entries, greatest first
//! ```
//!
//! An answer lists everything that the owner holds in what it answered, removals too: where it lists nothing, it holds
//! nothing.

use crate::floors::{Floored, Raise, Removal, Removals, Wanted};
use crate::ids::{Epoch, TableId};
use crate::key::{Interval, SortKey};
use crate::message::{Origin, Place, Refusal, Reply, Request};
use crate::protocol::Protocol;
use crate::raw::Paged;
use crate::record::{Body, Record};
use crate::sync::{Cuts, Fetched, Items, Keyed, Listed, Parted, Proof, RECORDS_MAX};
use crate::table::Durability;
use crate::time::WallTime;
use crate::version::{Held, Version};
use minicbor::{Decode, Encode};

/// Most entries of one answer.
pub const ENTRIES_MAX: u32 = 10_000;

/// About how many bytes of an answer an entry takes beside its key and its value.
pub const ENTRY_HEAD_BYTES: usize = 64;

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
    /// About how many bytes of keys, values and [`ENTRY_HEAD_BYTES`] the answer may have; the entry that reaches it is the last
    /// one.
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
    /// What do these add up to?
    #[n(1)]
    Sums {
        /// Which, each within one shard; at most [`PARTS_MAX`](crate::sync::PARTS_MAX).
        #[n(0)]
        of: Vec<Extent>,
    },
    /// What do the parts of this add up to?
    #[n(2)]
    Parts {
        /// Of what.
        #[n(0)]
        over: Extent,
        /// Where it is cut.
        #[n(1)]
        cuts: Cuts,
    },
    /// Which records are there?
    #[n(3)]
    List {
        /// Where.
        #[n(0)]
        over: Extent,
        /// Most of them, at most [`ITEMS_MAX`](crate::sync::ITEMS_MAX).
        #[n(1)]
        items: u32,
        /// Whether their keys are wanted too.
        #[n(2)]
        keys: bool,
    },
    /// Whole records, please.
    #[n(4)]
    Fetch {
        /// From where.
        #[n(0)]
        over: Extent,
        /// Which, by their items; `None`: all that are there.
        #[n(1)]
        wanted: Option<Items>,
        /// About how many bytes of them; the record that reaches it is the last one.
        #[n(2)]
        bytes: u32,
        /// Those of these items are not wanted; `None`: as `wanted` says. A version that does not know this sends them
        /// too.
        #[cbor(n(3), default)]
        but: Option<Items>,
    },
    /// Merge these records, as if each was written: by version, with the operation ids of both, and as durably as the
    /// table says.
    #[n(5)]
    Merge {
        /// Where they lie.
        #[n(0)]
        over: Extent,
        /// The records.
        #[n(1)]
        records: Vec<Keyed>,
    },
    /// All that you hold there, as it lies on your disk, please.
    #[n(6)]
    Page {
        /// From where.
        #[n(0)]
        over: Extent,
        /// About how many bytes of keys and records; the record that reaches it is the last one.
        #[n(1)]
        bytes: u32,
    },
    /// Raise your floors there, and say what they are. Durable when it is answered, with all that was merged before.
    #[n(7)]
    Floors {
        /// Where: within one shard.
        #[n(0)]
        over: Extent,
        /// How.
        #[n(1)]
        raise: Raise,
    },
    /// Which removals do you hold there, and which values whose time has come?
    #[n(8)]
    Removals {
        /// Where.
        #[n(0)]
        over: Extent,
        /// Which.
        #[n(1)]
        wanted: Wanted,
    },
    /// Do you hold exactly these, or have you dropped them before?
    #[n(9)]
    Confirm {
        /// Where they lie.
        #[n(0)]
        over: Extent,
        /// What, at most [`REMOVALS_MAX`](crate::floors::REMOVALS_MAX).
        #[n(1)]
        removals: Vec<Removal>,
    },
    /// Drop these where you hold exactly that: every owner has sealed them.
    #[n(10)]
    Drop {
        /// Where they lie.
        #[n(0)]
        over: Extent,
        /// Up to which version every owner has sealed.
        #[n(1)]
        up_to: Version,
        /// What, at most [`REMOVALS_MAX`](crate::floors::REMOVALS_MAX).
        #[n(2)]
        removals: Vec<Removal>,
    },
}

/// What an owner answers about a range.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub enum RangeReply {
    /// To `Scan`.
    #[n(0)]
    Scanned(#[n(0)] Scanned),
    /// Nothing was read or stored, for this reason; of a `Merge` some records may have been taken.
    #[n(1)]
    Refused(#[cbor(n(0), with = "crate::message::refusal")] Refusal),
    /// To `Sums`, one for each.
    #[n(2)]
    Sums(#[n(0)] Vec<Proof>),
    /// To `Parts`.
    #[n(3)]
    Parted(#[n(0)] Parted),
    /// To `List`.
    #[n(4)]
    Listed(#[n(0)] Listed),
    /// To `Fetch`.
    #[n(5)]
    Fetched(#[n(0)] Fetched),
    /// To `Merge`: all of them, or something later, are held and as durable as their table says.
    #[n(6)]
    Merged,
    /// To `Merge`: the disk failed while it was carried out. Each record may or may not be there after a restart, and the
    /// replica is doubtful from now on.
    #[n(7)]
    Broken,
    /// To `Page`.
    #[n(8)]
    Paged(#[n(0)] Paged),
    /// To `Floors`: what they are now, piece by piece, in order; where no piece lies there is none.
    #[n(9)]
    Floored(#[n(0)] Vec<Floored>),
    /// To `Removals`.
    #[n(10)]
    Removals(#[n(0)] Removals),
    /// To `Confirm`: the places in the list of those that are not held so.
    #[n(11)]
    Confirmed(#[n(0)] Vec<u32>),
    /// To `Drop`: how many were dropped.
    #[n(12)]
    Dropped(#[n(0)] u32),
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

impl Scanned {
    /// Whether it goes on from where a walk over this range began and stays within the range, in order. It comes from
    /// outside.
    pub fn is_sound(&self, range: &Interval, reverse: bool) -> bool {
        let Interval { start, end } = range;
        let until = self.until.as_ref();
        let moves = if reverse {
            until.is_some_and(|until| until >= start && end.as_ref().is_none_or(|end| until < end))
        } else {
            until.is_none_or(|until| until > start)
        };
        let keys = || self.entries.iter().map(|entry| &entry.sort_key);
        let in_order =
            if reverse { keys().is_sorted_by(|a, b| a > b) } else { keys().is_sorted_by(|a, b| a < b) };
        moves && in_order && keys().all(|key| range.contains(key))
    }
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
    /// The newest epoch that it names.
    pub fn epoch(&self) -> Epoch {
        match self {
            RangeRequest::Sums { of } => of.iter().map(|over| over.epoch).max().unwrap_or_default(),
            RangeRequest::Scan { over, .. }
            | RangeRequest::Parts { over, .. }
            | RangeRequest::List { over, .. }
            | RangeRequest::Fetch { over, .. }
            | RangeRequest::Merge { over, .. }
            | RangeRequest::Page { over, .. }
            | RangeRequest::Floors { over, .. }
            | RangeRequest::Removals { over, .. }
            | RangeRequest::Confirm { over, .. }
            | RangeRequest::Drop { over, .. } => over.epoch,
        }
    }

    /// The extent that it names; `None`: it names several.
    pub fn extent(&self) -> Option<&Extent> {
        match self {
            RangeRequest::Sums { .. } => None,
            RangeRequest::Scan { over, .. }
            | RangeRequest::Parts { over, .. }
            | RangeRequest::List { over, .. }
            | RangeRequest::Fetch { over, .. }
            | RangeRequest::Merge { over, .. }
            | RangeRequest::Page { over, .. }
            | RangeRequest::Floors { over, .. }
            | RangeRequest::Removals { over, .. }
            | RangeRequest::Confirm { over, .. }
            | RangeRequest::Drop { over, .. } => Some(over),
        }
    }

    /// Whether it is about the end of its extent first.
    pub fn is_reverse(&self) -> bool {
        match self {
            RangeRequest::Scan { walk, .. } => walk.reverse,
            RangeRequest::Sums { .. }
            | RangeRequest::Parts { .. }
            | RangeRequest::List { .. }
            | RangeRequest::Fetch { .. }
            | RangeRequest::Merge { .. }
            | RangeRequest::Page { .. }
            | RangeRequest::Floors { .. }
            | RangeRequest::Removals { .. }
            | RangeRequest::Confirm { .. }
            | RangeRequest::Drop { .. } => false,
        }
    }

    /// The version of the protocol since which it exists.
    pub fn since(&self) -> Protocol {
        match self {
            RangeRequest::Scan { .. }
            | RangeRequest::Sums { .. }
            | RangeRequest::Parts { .. }
            | RangeRequest::List { .. }
            | RangeRequest::Fetch { .. }
            | RangeRequest::Merge { .. } => Protocol(2),
            RangeRequest::Page { .. }
            | RangeRequest::Floors { .. }
            | RangeRequest::Removals { .. }
            | RangeRequest::Confirm { .. }
            | RangeRequest::Drop { .. } => Protocol(4),
        }
    }
}

/// The writes that a `Merge` is made of, each merged by version as any other, and how its records come; `None`: one of them
/// lies outside, or there are too many.
pub fn writes(over: &Extent, records: &[Keyed], origin: Origin) -> Option<Vec<Request>> {
    let write = |keyed: &Keyed| {
        let at = Place { table: over.table, epoch: over.epoch, sort_key: keyed.sort_key.clone() };
        let is_inside = over.interval.contains(&keyed.sort_key);
        let record = keyed.record.clone();
        is_inside.then_some(Request::Write { at, record, durability: Durability::Os, origin })
    };
    records.iter().map(write).collect::<Option<_>>().filter(|_| records.len() <= RECORDS_MAX)
}

impl RangeReply {
    /// What became of a `Merge` whose writes were answered so.
    pub fn merged(replies: &[Reply]) -> Self {
        for reply in replies {
            match reply {
                // What is refused for a floor was removed long ago: there is nothing to bring.
                Reply::Written { .. } | Reply::Refused(Refusal::Below { .. }) => {}
                Reply::Refused(refusal) => return RangeReply::Refused(*refusal),
                Reply::Known { .. }
                | Reply::Record(_)
                | Reply::Digest { .. }
                | Reply::Assigned { .. }
                | Reply::Hinted
                | Reply::Inspected(_)
                | Reply::Absent { .. }
                | Reply::Broken => return RangeReply::Broken,
            }
        }
        RangeReply::Merged
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
