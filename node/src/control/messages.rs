//! Small questions between members about the catalog.

use super::healing::Healing;
use super::moving::Moving;
use super::traffic::Traffic;
use crate::jobs::{JobsReply, JobsRequest};
use minicbor::bytes::ByteVec;
use minicbor::{Decode, Encode};
use quorate_model::{Boot, ClusterId, Committed, Epoch, NodeId, Protocol, SortKey, TableId};
use quorate_ring::{NewNode, Receipt, Rejection};

/// What a node asks another one.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub enum ControlRequest {
    /// "Let me be a member." The only request that a node without an id may make.
    #[n(0)]
    Join(#[n(0)] NewNode),
    /// "You lead: write this command."
    #[n(1)]
    Propose(#[cbor(n(0), with = "minicbor::bytes")] Vec<u8>),
    /// "Which epoch have you applied?"
    #[n(2)]
    Epoch,
    /// "Answer once you have applied this epoch."
    #[n(3)]
    Reached(#[n(0)] Epoch),
    /// "How are you?"
    #[n(4)]
    Report,
    /// "So my disk is: remember it. And yours?" Answered with `Disk`: a member whose catalog can't be read knows no
    /// member whom it could tell by itself.
    #[n(5)]
    Disk(#[n(0)] DiskState),
    /// "You lead: take my vote away, I have lost what I voted for." Answered with `Applied` once that is committed.
    #[n(6)]
    Forget,
    /// "Where are these members?" Answered with `Found`.
    #[n(7)]
    Find(#[n(0)] Vec<NodeId>),
    /// "What do you hold of each shard of this table that you own?" Answered with `Figures`.
    #[n(8)]
    Figures(#[n(0)] TableId),
    /// "Answer once you have applied this epoch, and durably refuse what it took away." Answered with `Closed`.
    #[n(9)]
    Close(#[n(0)] Epoch),
    /// What concerns jobs. Answered with `Jobs`.
    #[n(10)]
    Jobs(#[n(0)] JobsRequest),
    /// "Let me be this member, whose data are gone." From a node without an id, or passed on by a member to the leader.
    /// Answered with `Replaced`, or why not.
    #[n(11)]
    Replace(#[n(0)] Replacement),
    /// "Which of these members do you hear?" Answered with `Heard`.
    #[n(12)]
    Hear(#[n(0)] Vec<NodeId>),
    /// "Where does your log end, and whom do you follow?" Answered with `Log`.
    #[n(13)]
    Log,
    /// "Where are all members?" From one that has no catalog, which names them. Answered with `Found`.
    #[n(14)]
    Members,
}

/// Where a member's log ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
pub struct LogEnd {
    /// Term and index of its last entry; `None`: there is none.
    #[n(0)]
    pub last: Option<(u64, u64)>,
    /// The leader with a majority, as it knows it.
    #[n(1)]
    pub leader: Option<NodeId>,
}

/// A process on an empty folder that wants to be a member which there is already.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Replacement {
    /// The id or the name of the member, as an operator gave it: see [`Called`](quorate_ring::Called).
    #[n(0)]
    pub member: String,
    /// The run of the process.
    #[n(1)]
    pub boot: Boot,
    /// `host:port` where clients will reach it.
    #[n(2)]
    pub http_address: String,
    /// `host:port` where peers will reach it.
    #[n(3)]
    pub peer_address: String,
    /// Whether it wants that only if other owners can give back everything that the member had acknowledged. `None`: in any
    /// case, since nothing is left.
    #[n(4)]
    pub only_if_filled: Option<bool>,
    /// The cluster that it was a member of; `None`: the one that is asked, as an operator said.
    #[n(5)]
    pub cluster: Option<ClusterId>,
}

/// Where a member is, as far as another one knows.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Whereabouts {
    /// The member.
    #[n(0)]
    pub node: NodeId,
    /// `host:port` where it is connected, or else where the catalog has it.
    #[n(1)]
    pub peer_address: String,
}

impl ControlRequest {
    /// The version of the protocol since which it exists. Where a peer speaks an older one, it is not sent.
    pub fn since(&self) -> Protocol {
        match self {
            ControlRequest::Join(_)
            | ControlRequest::Propose(_)
            | ControlRequest::Epoch
            | ControlRequest::Reached(_)
            | ControlRequest::Report
            | ControlRequest::Disk(_)
            | ControlRequest::Forget
            | ControlRequest::Find(_) => Protocol(1),
            ControlRequest::Figures(_) | ControlRequest::Close(_) | ControlRequest::Replace(_) => Protocol(2),
            ControlRequest::Hear(_) | ControlRequest::Log => Protocol(4),
            ControlRequest::Members => Protocol(7),
            ControlRequest::Jobs(request) => request.since(),
        }
    }
}

/// How a member's disk is, as it says itself.
#[derive(Clone, Debug, Default, PartialEq, Eq, Encode, Decode)]
pub struct DiskState {
    /// How far its replica has come; `None` while it doubts its disk.
    #[n(0)]
    pub committed: Option<Committed>,
    /// Why it doubts its disk, in one word; `None`: it does not.
    #[n(1)]
    pub doubt: Option<String>,
    /// Whether it refuses writes for want of space.
    #[n(2)]
    pub full: bool,
    /// How far it has come back from a loss; `None`: it holds everything that it owns, or it doubts its disk and waits for
    /// an operator. Earlier versions do not say.
    #[n(3)]
    pub healing: Option<Healing>,
    /// What it says of shards that move. Earlier versions do not say.
    #[n(4)]
    pub moving: Option<Moving>,
}

/// What a member says of itself. Later versions add fields at the end, as options.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Report {
    /// The version of its program.
    #[n(0)]
    pub version: String,
    /// The epoch of the catalog that it has applied.
    #[n(1)]
    pub epoch: Epoch,
    /// Bytes of the records that it holds, before compression. While it is still counting: of its live data files, if
    /// those are more.
    #[n(2)]
    pub bytes: u64,
    /// Bytes free on its disk, if it can say.
    #[n(3)]
    pub free_bytes: Option<u64>,
    /// The hints that it keeps, by owner; those without any are left out.
    #[n(4)]
    pub hints: Vec<(NodeId, u64)>,
    /// Hints that it could not keep, since its data folder was made.
    #[n(5)]
    pub hints_overflow: u64,
    /// Why it doubts its disk, if it does.
    #[n(6)]
    pub doubt: Option<String>,
    /// Whether it refuses writes for want of space.
    #[n(7)]
    pub disk_full: bool,
    /// Records with a value that it holds.
    #[n(8)]
    pub keys: Option<u64>,
    /// Whether those are all: otherwise it is still counting.
    #[n(9)]
    pub keys_exact: Option<bool>,
    /// Requests a second that it carries out as an owner. `None`: it does not say.
    #[n(10)]
    pub load: Option<u64>,
    /// What it has answered its clients. `None`: it does not say.
    #[n(11)]
    pub traffic: Option<Traffic>,
}

/// What a member holds of one shard.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct ShardFigure {
    /// The shard's number within its table.
    #[n(0)]
    pub index: u32,
    /// Records with a value.
    #[n(1)]
    pub keys: u64,
    /// Records that say that there is no value.
    #[n(2)]
    pub removals: u64,
    /// Bytes of all of them, before compression.
    #[n(3)]
    pub bytes: u64,
    /// Whether that is all there is: otherwise it is still counting.
    #[n(4)]
    pub is_exact: bool,
    /// Where it is halved by bytes, as near as is known; `None`: it holds too little, or the member does not say.
    #[n(5)]
    pub half: Option<SortKey>,
    /// Requests a second that it carries out for it. `None`: it does not say.
    #[n(6)]
    pub load: Option<u64>,
    /// The key for which half of them are, at least; `None`: there is none, or too little is known.
    #[n(7)]
    pub hot_key: Option<SortKey>,
    /// Whether each is beyond those before, so that no split would spread them. `None`: they are not.
    #[n(8)]
    pub grows: Option<bool>,
    /// Requests a second in each minute of the last hour, the earliest first. `None`: there were none, or it does not say.
    #[n(9)]
    pub heat: Option<Vec<u64>>,
}

/// What it answers.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub enum ControlReply {
    /// To `Join`.
    #[n(0)]
    Joined {
        /// The id issued.
        #[n(0)]
        node: NodeId,
        /// The cluster.
        #[n(1)]
        cluster: ClusterId,
        /// Its name.
        #[n(2)]
        name: String,
        /// What the new member notes of who may do what, until the catalog is there (`access_note.rs`); `None`: the catalog
        /// has never known a user.
        #[n(3)]
        access: Option<ByteVec>,
    },
    /// To `Propose`: done.
    #[n(1)]
    Written(#[n(0)] Receipt),
    /// To `Propose` and `Join`: the catalog does not allow it.
    #[n(2)]
    Rejected(#[n(0)] Rejection),
    /// To `Propose`: this node does not lead; perhaps that one does. Not written.
    #[n(3)]
    NotLeader(#[n(0)] Option<NodeId>),
    /// To `Propose` and `Join`: not written, and why.
    #[n(4)]
    NotWritten(#[n(0)] String),
    /// To `Propose` and `Join`: the outcome is unknown, and why.
    #[n(5)]
    Unknown(#[n(0)] String),
    /// To `Epoch` and `Reached`: applied up to here.
    #[n(6)]
    Applied(#[n(0)] Epoch),
    /// To `Report`.
    #[n(7)]
    Report(#[n(0)] Report),
    /// To `Disk`: so is mine.
    #[n(8)]
    Disk(#[n(0)] DiskState),
    /// To `Find`: those of which it knows something. To `Members`: all of them.
    #[n(9)]
    Found(#[n(0)] Vec<Whereabouts>),
    /// To `Figures`: those of the shards that it owns.
    #[n(10)]
    Figures(#[n(0)] Vec<ShardFigure>),
    /// To `Close`: what is durably refused, up to here.
    #[n(11)]
    Closed(#[n(0)] Epoch),
    /// To `Jobs`.
    #[n(12)]
    Jobs(#[n(0)] JobsReply),
    /// To `Replace`: it is that member from now on.
    #[n(13)]
    Replaced {
        /// The member's id.
        #[n(0)]
        node: NodeId,
        /// The cluster.
        #[n(1)]
        cluster: ClusterId,
        /// Its name.
        #[n(2)]
        name: String,
        /// The incarnation under which it comes back.
        #[n(3)]
        incarnation: u64,
        /// As of `Joined`.
        #[n(4)]
        access: Option<ByteVec>,
    },
    /// To `Replace`: no.
    #[n(14)]
    Refused {
        /// Why, and what to do.
        #[n(0)]
        why: String,
        /// Whether it may be otherwise in a few seconds: a member that has just died seems to live for so long.
        #[n(1)]
        passes: bool,
    },
    /// To `Hear`: these.
    #[n(15)]
    Heard(#[n(0)] Vec<NodeId>),
    /// To `Log`.
    #[n(16)]
    Log(#[n(0)] LogEnd),
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use quorate_model::{Reply, Request};

    proptest! {
        /// What peers send is decoded before anything is known about it: any bytes are a message or an error.
        #[test]
        fn any_bytes_are_a_message_or_an_error(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
            let _request = minicbor::decode::<ControlRequest>(&bytes);
            let _reply = minicbor::decode::<ControlReply>(&bytes);
            let _request = minicbor::decode::<Request>(&bytes);
            let _reply = minicbor::decode::<Vec<Reply>>(&bytes);
        }
    }
}
