//! What a coordinator and a replica say to each other.
//!
//! Every request names a *place*: the table, the shard's epoch as the coordinator knows it, and the sort key. A
//! replica that does not own the place at that epoch refuses, and a refusal is a promise: nothing was stored.
//! Everything here is encoded with numbered CBOR fields, so that a newer node may add optional ones; a whole message that
//! is new says since which version it exists. `docs/upgrade.md` says what may change.

use crate::ids::{Epoch, NodeId, TableId};
use crate::key::SortKey;
use crate::operation::Operations;
use crate::protocol::Protocol;
use crate::record::{Body, Record};
use crate::table::Durability;
use crate::time::WallTime;
use crate::version::{Held, Version};
use minicbor::{Decode, Encode};
use thiserror::Error;

/// Up to this size (value, in bytes) an owner sends its record even where a digest would do: cheaper than asking
/// a second time when the answers differ.
pub const SMALL_BYTES: usize = 1024;

/// Where a record lives, and since when the sender believes so.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Place {
    /// The table.
    #[n(0)]
    pub table: TableId,
    /// The *shard's* epoch: when its owners, or what they promise, last changed, as the sender
    /// knows it.
    #[n(1)]
    pub epoch: Epoch,
    /// The position in the table's sort space.
    #[n(2)]
    pub sort_key: SortKey,
}

/// A write whose version the first owner assigns (level `one`).
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Draft {
    /// What to store.
    #[n(0)]
    pub body: Body,
    /// The coordinator's wall clock when the request came.
    #[n(1)]
    pub written_at: WallTime,
    /// When the value expires.
    #[n(2)]
    pub expires_at: Option<WallTime>,
}

/// How a record comes to be sent to an owner.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Encode, Decode)]
#[cbor(index_only)]
pub enum Origin {
    /// By its writer, or as a hint: perhaps no owner has it yet.
    #[n(0)]
    #[default]
    Fresh,
    /// An owner has acknowledged this very record.
    #[n(1)]
    Vouched,
    /// Another owner holds it, and this one fills its copy with it.
    #[n(2)]
    Filling,
}

/// What a coordinator asks of an owner (or of its own node, for hints).
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub enum Request {
    /// Round one of a write: what do you hold, and which recent operations do you know?
    #[n(0)]
    Ask {
        /// Where.
        #[n(0)]
        at: Place,
    },
    /// A read: the record (`whole`), or, of a record above [`SMALL_BYTES`], only what orders it and its digest.
    #[n(1)]
    Read {
        /// Where.
        #[n(0)]
        at: Place,
        /// Whether the record is wanted whatever its size.
        #[n(1)]
        whole: bool,
    },
    /// Round two of a write, a repair, or a hint that is replayed: merge this record.
    #[n(2)]
    Write {
        /// Where.
        #[n(0)]
        at: Place,
        /// The record, with its version.
        #[n(1)]
        record: Record,
        /// What the acknowledgement must mean.
        #[n(2)]
        durability: Durability,
        /// How the record comes to be sent: decides what a floor does to it.
        #[cbor(n(3), default)]
        origin: Origin,
    },
    /// A write at `one`: give it the next version after what you hold.
    #[n(3)]
    Assign {
        /// Where.
        #[n(0)]
        at: Place,
        /// The record without its version.
        #[n(1)]
        draft: Draft,
        /// What the acknowledgement must mean.
        #[n(2)]
        durability: Durability,
    },
    /// Keep this record for an owner that could not be reached. Sent to the coordinator's own node, or by one that leaves to
    /// a member that stays.
    #[n(4)]
    Hint {
        /// Whom it is for.
        #[n(0)]
        owner: NodeId,
        /// Where.
        #[n(1)]
        at: Place,
        /// The record.
        #[n(2)]
        record: Record,
    },
    /// For `explain`: what do you hold here, and which hints for this place?
    #[n(5)]
    Inspect {
        /// Where.
        #[n(0)]
        at: Place,
    },
}

/// What a replica answers.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub enum Reply {
    /// To `Ask`.
    #[n(0)]
    Known {
        /// What is held, durable at the table's level; `None`: nothing.
        #[n(0)]
        held: Option<Held>,
        /// The recent operations of the key.
        #[n(1)]
        operations: Operations,
        /// What a new version must be above, whatever is held.
        #[cbor(n(2), default)]
        floor: Option<Version>,
        /// Up to which version operations of the key may be forgotten that a removal knew.
        #[cbor(n(3), default)]
        forgot: Option<Version>,
    },
    /// To `Read`: the record, durable at the table's level.
    #[n(1)]
    Record(#[n(0)] Option<Record>),
    /// To `Read` of a large record that need not be whole.
    #[n(2)]
    Digest {
        /// What is held.
        #[n(0)]
        held: Option<Held>,
        /// Digest of the record's content, 0 where nothing is held.
        #[n(1)]
        digest: u64,
        /// The recent operations of the key.
        #[cbor(n(2), default)]
        operations: Operations,
    },
    /// To `Write`: this, or something later, is held and durable as asked.
    #[n(3)]
    Written {
        /// What is held now.
        #[n(0)]
        held: Held,
    },
    /// To `Assign`: stored and durable under this version.
    #[n(4)]
    Assigned {
        /// The record as stored, for the other owners.
        #[n(0)]
        record: Record,
    },
    /// To `Hint`: kept.
    #[n(5)]
    Hinted,
    /// To `Inspect`.
    #[n(6)]
    Inspected(#[n(0)] Inspection),
    /// Nothing was stored, for this reason.
    #[n(7)]
    Refused(#[cbor(n(0), with = "refusal")] Refusal),
    /// The disk failed while this request was carried out: it may or may not be there after a restart. The
    /// replica is doubtful from now on.
    #[n(8)]
    Broken,
    /// To `Read`: nothing is held, and what was ever written up to this version was removed.
    #[n(9)]
    Absent {
        /// Up to which version.
        #[n(0)]
        sealed: Version,
    },
}

/// What one node knows about one place.
#[derive(Clone, Debug, Default, PartialEq, Eq, Encode, Decode)]
pub struct Inspection {
    /// What is held.
    #[n(0)]
    pub held: Option<Held>,
    /// Whether it is a tombstone.
    #[n(1)]
    pub tombstone: bool,
    /// Size of the value in bytes.
    #[n(2)]
    pub value_bytes: u64,
    /// Digest of the content.
    #[n(3)]
    pub digest: u64,
    /// The coordinator's clock when it was written; shown, never compared.
    #[n(4)]
    pub written_at: Option<WallTime>,
    /// When it expires.
    #[n(5)]
    pub expires_at: Option<WallTime>,
    /// For whom this node keeps a hint of this place.
    #[n(6)]
    pub hints_for: Vec<NodeId>,
}

/// Why a replica refused; nothing was stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error, Encode, Decode)]
pub enum Refusal {
    /// The shard has changed since the sender's epoch.
    #[n(0)]
    #[error("the shard is at epoch {current}, the request at an older one")]
    Stale {
        /// The shard's epoch here.
        #[n(0)]
        current: Epoch,
    },
    /// This node has not seen the sender's epoch yet, even after waiting for it.
    #[n(1)]
    #[error("this node has seen the catalog up to epoch {current} only")]
    Behind {
        /// This node's catalog epoch.
        #[n(0)]
        current: Epoch,
    },
    /// This node does not own the place at that epoch.
    #[n(2)]
    #[error("not an owner of this key")]
    NotOwner,
    /// The replica doubts its disk and neither answers nor votes.
    #[n(3)]
    #[error("the replica doubts its disk and answers nothing until it is healed")]
    Doubtful,
    /// No space left; reads go on.
    #[n(4)]
    #[error("the disk is full")]
    DiskFull,
    /// A queue or a hint store is at its limit, or the operating system gives no file now.
    #[n(5)]
    #[error("the replica has no room for it now")]
    Overloaded,
    /// The deadline had passed before the request was carried out.
    #[n(6)]
    #[error("the deadline had passed before the request was carried out")]
    Late,
    /// The key's version numbers are used up.
    #[n(7)]
    #[error("the key's version numbers are used up")]
    Exhausted,
    /// The node runs a version that does not have this request.
    #[n(8)]
    #[error("the node runs an older version, which does not have this request; upgrade it")]
    NotUnderstood,
    /// The node runs a newer version, and refused for a reason that this one does not have.
    #[n(9)]
    #[error("the node runs a newer version and refused for a reason that this version does not know")]
    Unfamiliar,
    /// The replica has lost something of this shard and fills itself from other owners: it answers nothing that decides
    /// until it holds everything again.
    #[n(10)]
    #[error("the replica has lost something of this shard and is filling itself from other owners")]
    Filling,
    /// The record's version is at or below a floor: what was removed up to it may be gone.
    #[n(11)]
    #[error("the record is not above {floor}, up to which removals of this shard may be gone")]
    Below {
        /// The floor.
        #[n(0)]
        floor: Version,
    },
}

/// A refusal on the wire: whatever its reason, nothing was stored, so one of a newer version is taken for what it is.
pub(crate) mod refusal {
    use super::Refusal;
    use minicbor::decode::Error;
    use minicbor::{Decoder, Encoder};

    /// The highest number of a reason that this version knows.
    const KNOWN_MAX: u32 = 11;

    pub fn encode<C, W: minicbor::encode::Write>(
        refusal: &Refusal,
        e: &mut Encoder<W>,
        _: &mut C,
    ) -> Result<(), minicbor::encode::Error<W::Error>> {
        e.encode(refusal)?;
        Ok(())
    }

    pub fn decode<C>(d: &mut Decoder<'_>, _: &mut C) -> Result<Refusal, Error> {
        let mut ahead = d.probe();
        if ahead.array()? != Some(2) {
            return Err(Error::message("not a refusal"));
        }
        if ahead.u32()? <= KNOWN_MAX {
            return d.decode();
        }
        d.skip()?;
        Ok(Refusal::Unfamiliar)
    }
}

impl Request {
    /// The place it names.
    pub fn place(&self) -> &Place {
        match self {
            Request::Ask { at }
            | Request::Read { at, .. }
            | Request::Write { at, .. }
            | Request::Assign { at, .. }
            | Request::Hint { at, .. }
            | Request::Inspect { at } => at,
        }
    }

    /// The version of the protocol since which it exists. Where a peer speaks an older one, it is not sent.
    pub fn since(&self) -> Protocol {
        match self {
            Request::Ask { .. }
            | Request::Read { .. }
            | Request::Write { .. }
            | Request::Assign { .. }
            | Request::Hint { .. }
            | Request::Inspect { .. } => Protocol(1),
        }
    }

    /// Bytes of the value that it carries.
    pub fn value_bytes(&self) -> usize {
        match self {
            Request::Write { record, .. } | Request::Hint { record, .. } => record.body.value_bytes(),
            Request::Assign { draft, .. } => draft.body.value_bytes(),
            Request::Ask { .. } | Request::Read { .. } | Request::Inspect { .. } => 0,
        }
    }

    /// Whether it changes what is stored, so that a lost answer leaves its outcome unknown.
    pub fn is_write(&self) -> bool {
        match self {
            Request::Write { .. } | Request::Assign { .. } | Request::Hint { .. } => true,
            Request::Ask { .. } | Request::Read { .. } | Request::Inspect { .. } => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use bytes::Bytes;
    use minicbor::Encoder;

    /// An answer of a later version: `fields` behind what this version knows of it.
    fn reply(number: u32, fields: &[u64]) -> Vec<u8> {
        let mut e = Encoder::new(Vec::new());
        e.array(2).expect("memory").u32(number).expect("memory");
        e.array(fields.len() as u64).expect("memory");
        for field in fields {
            e.u64(*field).expect("memory");
        }
        e.into_writer()
    }

    #[test]
    fn a_refusal_of_a_later_version_is_a_refusal() {
        let mut bytes = vec![0x82, 7, 0x81];
        bytes.extend(reply(4_711, &[1, 2]));
        let taken: Reply = minicbor::decode(&bytes).expect("a refusal");
        assert_eq!(taken, Reply::Refused(Refusal::Unfamiliar));
    }

    #[test]
    fn every_refusal_survives_the_wire() {
        let floor = crate::Stamps::new(NodeId(1), crate::Boot(1)).draw().above(None).expect("room");
        let all = [
            Refusal::Stale { current: Epoch(3) },
            Refusal::Behind { current: Epoch(4) },
            Refusal::NotOwner,
            Refusal::Doubtful,
            Refusal::DiskFull,
            Refusal::Overloaded,
            Refusal::Late,
            Refusal::Exhausted,
            Refusal::NotUnderstood,
            Refusal::Unfamiliar,
            Refusal::Filling,
            Refusal::Below { floor },
        ];
        for refusal in all {
            let bytes = minicbor::to_vec(Reply::Refused(refusal)).expect("memory");
            let back: Reply = minicbor::decode(&bytes).expect("what was just encoded");
            assert_eq!(back, Reply::Refused(refusal));
        }
    }

    #[test]
    fn a_field_of_a_later_version_is_skipped() {
        let at =
            Place { table: TableId(1), epoch: Epoch(2), sort_key: SortKey::new(Bytes::from_static(b"k")) };
        let mut e = Encoder::new(Vec::new());
        // `Read { at, whole }`, with a third field that a later version added.
        e.array(2).expect("memory").u32(1).expect("memory").array(3).expect("memory");
        e.encode(&at).expect("memory").bool(true).expect("memory").str("new").expect("memory");
        let read: Request = minicbor::decode(&e.into_writer()).expect("a read");
        assert_eq!(read, Request::Read { at, whole: true });
    }

    #[test]
    fn a_request_of_a_later_version_is_none_of_ours() {
        assert!(minicbor::decode::<Request>(&reply(99, &[])).is_err());
    }
}
