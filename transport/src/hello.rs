//! The words of the handshake. Its steps are in `handshake`.

use crate::Lane;
use minicbor::bytes::ByteVec;
use minicbor::{Decode, Encode};
use quorate_model::{Boot, ClusterId, Committed, Gone, NodeId};
use std::fmt;
use thiserror::Error;

/// One frame of the handshake.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub enum Step {
    /// Dialer: who I am, whom I expect.
    #[n(0)]
    Hello(#[n(0)] Hello),
    /// Acceptor: who I am.
    #[n(1)]
    Challenge(#[n(0)] Challenge),
    /// Dialer: I know the secret.
    #[n(2)]
    Proof(#[cbor(n(0), with = "minicbor::bytes")] Vec<u8>),
    /// Acceptor: so do I.
    #[n(3)]
    Accepted(#[cbor(n(0), with = "minicbor::bytes")] Vec<u8>),
    /// Either: no, and why. An acceptor that was shown a proof adds its own, so that the dialer can believe it.
    #[n(4)]
    Refused(#[n(0)] RefusalReason, #[n(1)] Option<ByteVec>),
}

/// What a dialer says first.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Hello {
    /// Lowest protocol version it speaks.
    #[n(0)]
    pub protocol_min: u32,
    /// Highest protocol version it speaks.
    #[n(1)]
    pub protocol_max: u32,
    /// Its cluster.
    #[n(2)]
    pub cluster: ClusterId,
    /// Its id; 0 if it has none yet and wants to join.
    #[n(3)]
    pub node: NodeId,
    /// This run of it.
    #[n(4)]
    pub boot: Boot,
    /// Whom it believes to dial; 0 if it does not know (a node that joins).
    #[n(5)]
    pub expected: NodeId,
    /// What the connection is for.
    #[n(6)]
    pub lane: Lane,
    /// Random, so that no proof can be used twice.
    #[cbor(n(7), with = "minicbor::bytes")]
    pub nonce: [u8; 32],
    /// Which of its replicas this is.
    #[n(8)]
    pub incarnation: u64,
    /// How far it remembers the node to have come that it believes to dial.
    #[n(9)]
    pub remembered: Option<Committed>,
    /// Where it is reached by peers, as it says itself; `None`: a node of an earlier version, or one that asks a single
    /// question.
    #[n(10)]
    pub peer_address: Option<String>,
    /// The name of its cluster, for a founder that hears it.
    #[n(11)]
    pub cluster_name: Option<String>,
}

/// What an acceptor answers.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Challenge {
    /// The protocol version they will speak.
    #[n(0)]
    pub protocol: u32,
    /// Its cluster.
    #[n(1)]
    pub cluster: ClusterId,
    /// Its id.
    #[n(2)]
    pub node: NodeId,
    /// This run of it.
    #[n(3)]
    pub boot: Boot,
    /// Random, so that no proof can be used twice.
    #[cbor(n(4), with = "minicbor::bytes")]
    pub nonce: [u8; 32],
    /// Which of its replicas this is.
    #[n(5)]
    pub incarnation: u64,
    /// How far it remembers the dialer to have come.
    #[n(6)]
    pub remembered: Option<Committed>,
}

/// Why a connection between two nodes is refused. Both sides log it.
#[derive(Clone, Debug, PartialEq, Eq, Error, Encode, Decode)]
pub enum RefusalReason {
    /// No protocol version in common.
    #[n(0)]
    #[error(
        "protocol versions do not meet: the dialer speaks {dialer_min} to {dialer_max}, the acceptor {acceptor_min} to {acceptor_max}; upgrade one version at a time"
    )]
    Protocol {
        /// Lowest of the dialer.
        #[n(0)]
        dialer_min: u32,
        /// Highest of the dialer.
        #[n(1)]
        dialer_max: u32,
        /// Lowest of the acceptor.
        #[n(2)]
        acceptor_min: u32,
        /// Highest of the acceptor.
        #[n(3)]
        acceptor_max: u32,
    },
    /// Two clusters.
    #[n(1)]
    #[error(
        "the dialer belongs to cluster {dialer}, the acceptor to {acceptor}; one of them has a wrong address"
    )]
    Cluster {
        /// The dialer's.
        #[n(0)]
        dialer: ClusterId,
        /// The acceptor's.
        #[n(1)]
        acceptor: ClusterId,
    },
    /// The proofs do not match.
    #[n(2)]
    #[error("the cluster secrets of the two nodes differ; give both the same --secret-file")]
    Secret,
    /// Another process with this id is alive.
    #[n(3)]
    #[error(
        "another live process has the id {node} (boot {other}); two processes must never share an id: stop one, and never \
         copy a data folder"
    )]
    Duplicate {
        /// The id.
        #[n(0)]
        node: NodeId,
        /// The boot that holds it.
        #[n(1)]
        other: Boot,
        /// How long ago the acceptor heard that process, in milliseconds.
        #[n(2)]
        heard_ms: Option<u64>,
    },
    /// The address belongs to another node.
    #[n(4)]
    #[error("the dialer expected node {expected} at this address, but it is node {actual}")]
    Address {
        /// Whom the dialer expected.
        #[n(0)]
        expected: NodeId,
        /// Who is there.
        #[n(1)]
        actual: NodeId,
    },
    /// The id is not a member of the cluster.
    #[n(5)]
    #[error("node {node} is not a member of this cluster{}", any_more(*.gone))]
    NotMember {
        /// The id.
        #[n(0)]
        node: NodeId,
        /// Why it is none any more; `None`: it was none yet as far as the acceptor knows. Earlier versions do not say.
        #[n(1)]
        gone: Option<Gone>,
    },
    /// Too many connections.
    #[n(6)]
    #[error("the acceptor has as many connections as it may")]
    TooMany,
    /// The acceptor takes no peer traffic now.
    #[n(7)]
    #[error("the acceptor takes no peer traffic now")]
    Closed,
    /// Another incarnation of the node counts.
    #[n(8)]
    #[error(
        "node {node} comes as incarnation {told}, but incarnation {counts} of it counts: this folder is from before a \
         loss was accepted; do not use it any more"
    )]
    Incarnation {
        /// The node.
        #[n(0)]
        node: NodeId,
        /// What it says.
        #[n(1)]
        told: u64,
        /// What the catalog says.
        #[n(2)]
        counts: u64,
    },
    /// A node comes from another address than the one that is known, and may still live at that one.
    #[n(9)]
    #[error(
        "node {node} was known at {known} and comes from elsewhere: it is let in once nothing has been heard from there \
         for {silence_ms} ms"
    )]
    Moved {
        /// The node.
        #[n(0)]
        node: NodeId,
        /// Where the acceptor knows it.
        #[n(1)]
        known: String,
        /// How long that address must be silent, in milliseconds.
        #[n(2)]
        silence_ms: u64,
    },
    /// The other end has met another process with this node's id, while this one lived.
    #[n(10)]
    #[error(
        "node {by} has met another process with the id {node} (boot {boot}), of which the folder of {node} knows nothing: a \
         copy of a data folder was started; nothing passes between the two. If node {by} is such a copy, stop it; if not, \
         stop the copy of {node} and start {node} again: it then finds out whether it misses anything"
    )]
    Copied {
        /// Who was met.
        #[n(0)]
        node: NodeId,
        /// The process that was met.
        #[n(1)]
        boot: Boot,
        /// Who has met it.
        #[n(2)]
        by: NodeId,
    },
}

/// The end of a sentence on who is no member.
fn any_more(gone: Option<Gone>) -> String {
    gone.map_or_else(String::new, |gone| format!(" any more: {gone}"))
}

impl fmt::Display for Lane {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl<C> Encode<C> for Lane {
    fn encode<W: minicbor::encode::Write>(
        &self,
        e: &mut minicbor::Encoder<W>,
        _: &mut C,
    ) -> Result<(), minicbor::encode::Error<W::Error>> {
        let number = match self {
            Lane::Urgent => 0,
            Lane::Data => 1,
            Lane::Bulk => 2,
        };
        e.u8(number)?;
        Ok(())
    }
}

impl<'b, C> Decode<'b, C> for Lane {
    fn decode(d: &mut minicbor::Decoder<'b>, _: &mut C) -> Result<Self, minicbor::decode::Error> {
        match d.u8()? {
            0 => Ok(Lane::Urgent),
            1 => Ok(Lane::Data),
            2 => Ok(Lane::Bulk),
            _ => Err(minicbor::decode::Error::message("not a lane")),
        }
    }
}
