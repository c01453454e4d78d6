//! The handshake: both ends prove that they know the cluster's secret, and that they mean each other.
//!
//! ```text
//!   dialer                                         acceptor
//!     Hello { cluster, ids, lane, nonce }  ─────>
//!                                          <─────  Challenge { cluster, id, nonce }
//!     Proof = MAC("dialer", both)          ─────>
//!                                          <─────  Accepted = MAC("acceptor", both)
//! ```
//!
//! The MAC is HMAC-SHA256 under the secret over a label and *all bytes* of the first two frames: both nonces, both
//! ids and boots, the cluster and the lane. A proof is therefore good for this one connection only. The two labels
//! differ, so that a proof cannot be sent back to where it came from. The acceptor shows its proof only to who has
//! shown one, and both compare in constant time.
//!
//! Either side may answer `Refused` with a reason instead of its next step. Both sides log it: an operator looks at
//! one of the two first, and should find the cause there. An acceptor that refuses a dialer that has proved the secret
//! proves it too: only then does the dialer act on the reason, for anything may listen at an address that a member had.

use crate::Lane;
use crate::frame::{self, FrameError, Header, Kind};
use crate::hello::{Challenge, Hello, Step};
use crate::peer_counters::{Copied, PeerCounters};
use bytes::{Bytes, BytesMut};
use hmac::Mac;
use minicbor::bytes::ByteVec;
use quorate_model::{Boot, ClusterId, Committed, NodeId, Protocol};
use std::io;
use thiserror::Error;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

pub use crate::hello::RefusalReason;
pub use crate::secret::Secret;

/// No frame of a handshake is longer.
const HANDSHAKE_BYTES_MAX: usize = 4_096;

/// Who a node is, on each of its connections.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Identity {
    /// Its cluster.
    pub cluster: ClusterId,
    /// Its id; 0 before it has joined.
    pub node: NodeId,
    /// This run of it.
    pub boot: Boot,
    /// Which of its replicas it is, from 1.
    pub incarnation: u64,
}

/// The other end of a connection, after both have proved the secret.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Proven {
    /// Its id; 0: it wants to join.
    pub node: NodeId,
    /// This run of it.
    pub boot: Boot,
    /// What the connection is for.
    pub lane: Lane,
    /// Which of its replicas it is.
    pub incarnation: u64,
    /// How far it remembers this node to have come.
    pub remembered: Option<Committed>,
    /// The version of the protocol that the two speak.
    pub protocol: Protocol,
}

/// Why there is no connection.
#[derive(Debug, Error)]
pub enum HandshakeError {
    /// This end refused.
    #[error("refused by this node: {0}")]
    Here(RefusalReason),
    /// The other end refused.
    #[error("refused by the other node: {reason}")]
    There {
        /// Why.
        reason: RefusalReason,
        /// Whether it has proved the secret.
        proven: bool,
    },
    /// The other end does not speak this protocol.
    #[error("the other end does not speak Quorate's peer protocol ({0})")]
    Gibberish(&'static str),
    /// Bytes that are no frame.
    #[error("the other end does not speak Quorate's peer protocol ({0})")]
    Frame(#[from] FrameError),
    /// The socket failed.
    #[error("{0}")]
    Io(#[from] io::Error),
}

impl HandshakeError {
    /// The other end's reason, if it has proved the secret.
    pub fn proven_refusal(&self) -> Option<&RefusalReason> {
        match self {
            HandshakeError::There { reason, proven: true } => Some(reason),
            HandshakeError::There { proven: false, .. }
            | HandshakeError::Here(_)
            | HandshakeError::Gibberish(_)
            | HandshakeError::Frame(_)
            | HandshakeError::Io(_) => None,
        }
    }

    /// Who is at an address where another node was expected, as either end says: worth a look, no more.
    pub fn found_instead(&self) -> Option<NodeId> {
        match self {
            HandshakeError::There { reason: RefusalReason::Address { actual, .. }, .. }
            | HandshakeError::Here(RefusalReason::Address { actual, .. }) => Some(*actual),
            HandshakeError::There { .. }
            | HandshakeError::Here(_)
            | HandshakeError::Gibberish(_)
            | HandshakeError::Frame(_)
            | HandshakeError::Io(_) => None,
        }
    }
}

const DIALER: &str = "quorate peer handshake 1: dialer";
const ACCEPTOR: &str = "quorate peer handshake 1: acceptor";
const REFUSAL: &str = "quorate peer handshake 1: refusal";

/// What a dialer says of itself beside its identity.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Whereabouts {
    /// `host:port` where peers reach it.
    pub peer_address: Option<String>,
    /// The name of its cluster.
    pub cluster_name: Option<String>,
}

/// The dialer's side. `expected` is whom the catalog says is at this address; 0: any node.
pub async fn dial<S: AsyncRead + AsyncWrite + Unpin>(
    socket: &mut S,
    secret: &Secret,
    identity: Identity,
    whereabouts: &Whereabouts,
    (expected, lane): (NodeId, Lane),
    counters: &dyn PeerCounters,
) -> Result<Proven, HandshakeError> {
    let hello = Hello {
        protocol_min: Protocol::OLDEST.0,
        protocol_max: Protocol::NEWEST.0,
        cluster: identity.cluster,
        node: identity.node,
        boot: identity.boot,
        expected,
        lane,
        nonce: nonce(),
        incarnation: identity.incarnation,
        remembered: counters.of(expected),
        peer_address: whereabouts.peer_address.clone(),
        cluster_name: whereabouts.cluster_name.clone(),
    };
    let hello_bytes = write(socket, &Step::Hello(hello)).await?;
    let (step, challenge_bytes) = read(socket).await?;
    let challenge = match step {
        Step::Challenge(challenge) => challenge,
        Step::Refused(reason, _) => return Err(HandshakeError::There { reason, proven: false }),
        Step::Hello(_) | Step::Proof(_) | Step::Accepted(_) => return Err(out_of_order()),
    };
    let protocol = Protocol(challenge.protocol);
    if !(Protocol::OLDEST..=Protocol::NEWEST).contains(&protocol) {
        return refuse(socket, no_common((Protocol::OLDEST, Protocol::NEWEST), (protocol, protocol))).await;
    }
    if challenge.cluster != identity.cluster {
        let reason = RefusalReason::Cluster { dialer: identity.cluster, acceptor: challenge.cluster };
        return refuse(socket, reason).await;
    }
    if expected != NodeId(0) && challenge.node != expected {
        return refuse(socket, RefusalReason::Address { expected, actual: challenge.node }).await;
    }
    let proof = secret.mac(DIALER, &hello_bytes, &challenge_bytes).finalize().into_bytes();
    write(socket, &Step::Proof(proof.to_vec())).await?;
    match read(socket).await?.0 {
        Step::Accepted(theirs) => {
            let mac = secret.mac(ACCEPTOR, &hello_bytes, &challenge_bytes);
            if mac.verify_slice(&theirs).is_err() {
                return refuse(socket, RefusalReason::Secret).await;
            }
            let Challenge { node, boot, incarnation, remembered, .. } = challenge;
            if let Some(reason) = earlier(counters, node, incarnation) {
                return refuse(socket, reason).await;
            }
            // Before anything passes: this node may have to doubt itself.
            if let Err(reason) = told(counters, identity, node, remembered) {
                return refuse(socket, reason).await;
            }
            Ok(Proven { node, boot, lane, incarnation, remembered, protocol })
        }
        Step::Refused(reason, proof) => {
            let mac = secret.mac(REFUSAL, &hello_bytes, &proved(&challenge_bytes, &reason));
            let proven = proof.is_some_and(|proof| mac.verify_slice(&proof).is_ok());
            Err(HandshakeError::There { reason, proven })
        }
        Step::Hello(_) | Step::Challenge(_) | Step::Proof(_) => Err(out_of_order()),
    }
}

/// The acceptor's side. `admit` is asked once the dialer has proved the secret, so that no other process learns
/// anything from it or takes a place.
pub async fn accept<S: AsyncRead + AsyncWrite + Unpin, T>(
    socket: &mut S,
    secret: &Secret,
    identity: Identity,
    counters: &dyn PeerCounters,
    admit: impl FnOnce(Proven, Option<String>) -> Result<T, RefusalReason>,
) -> Result<(Proven, T), HandshakeError> {
    let (step, hello_bytes) = read(socket).await?;
    let hello = match step {
        Step::Hello(hello) => hello,
        Step::Refused(reason, _) => return Err(HandshakeError::There { reason, proven: false }),
        Step::Challenge(_) | Step::Proof(_) | Step::Accepted(_) => return Err(out_of_order()),
    };
    let (theirs, ours) =
        ((Protocol(hello.protocol_min), Protocol(hello.protocol_max)), (Protocol::OLDEST, Protocol::NEWEST));
    let Some(protocol) = Protocol::common(theirs, ours) else {
        return refuse(socket, no_common(theirs, ours)).await;
    };
    if hello.cluster != identity.cluster {
        let reason = RefusalReason::Cluster { dialer: hello.cluster, acceptor: identity.cluster };
        return refuse(socket, reason).await;
    }
    if hello.expected != NodeId(0) && hello.expected != identity.node {
        let reason = RefusalReason::Address { expected: hello.expected, actual: identity.node };
        return refuse(socket, reason).await;
    }
    let Identity { cluster, node, boot, incarnation } = identity;
    let remembered = counters.of(hello.node);
    let challenge =
        Challenge { protocol: protocol.0, cluster, node, boot, nonce: nonce(), incarnation, remembered };
    let challenge_bytes = write(socket, &Step::Challenge(challenge)).await?;
    let theirs = match read(socket).await?.0 {
        Step::Proof(proof) => proof,
        Step::Refused(reason, _) => return Err(HandshakeError::There { reason, proven: false }),
        Step::Hello(_) | Step::Challenge(_) | Step::Accepted(_) => return Err(out_of_order()),
    };
    if secret.mac(DIALER, &hello_bytes, &challenge_bytes).verify_slice(&theirs).is_err() {
        return refuse(socket, RefusalReason::Secret).await;
    }
    let Hello { node, boot, lane, incarnation, remembered, peer_address, .. } = hello;
    let proven = Proven { node, boot, lane, incarnation, remembered, protocol };
    let admitted = match earlier(counters, node, incarnation) {
        Some(reason) => Err(reason),
        None => admit(proven, peer_address),
    };
    // Before anything passes: this node may have to doubt itself. Who is not let in has nothing to say.
    let admitted = admitted.and_then(|admitted| {
        told(counters, identity, node, remembered)?;
        Ok(admitted)
    });
    let admitted = match admitted {
        Ok(admitted) => admitted,
        Err(reason) => {
            let mac = secret.mac(REFUSAL, &hello_bytes, &proved(&challenge_bytes, &reason));
            let proof = mac.finalize().into_bytes().to_vec();
            return refuse_with(socket, reason, Some(proof.into())).await;
        }
    };
    let proof = secret.mac(ACCEPTOR, &hello_bytes, &challenge_bytes).finalize().into_bytes();
    write(socket, &Step::Accepted(proof.to_vec())).await?;
    Ok((proven, admitted))
}

/// The refusal of two ends that have no version of the protocol in common.
fn no_common(dialer: (Protocol, Protocol), acceptor: (Protocol, Protocol)) -> RefusalReason {
    RefusalReason::Protocol {
        dialer_min: dialer.0.0,
        dialer_max: dialer.1.0,
        acceptor_min: acceptor.0.0,
        acceptor_max: acceptor.1.0,
    }
}

/// Why a node is not let in, if a later incarnation of it counts.
fn earlier(counters: &dyn PeerCounters, node: NodeId, told: u64) -> Option<RefusalReason> {
    let counts = counters.incarnation_that_counts(node)?;
    (told < counts).then_some(RefusalReason::Incarnation { node, told, counts })
}

/// Hands on what a peer remembers of this node. The one that joins, and the one that is asked to let another join, have
/// nothing to remember.
fn told(
    counters: &dyn PeerCounters,
    identity: Identity,
    by: NodeId,
    of_this_node: Option<Committed>,
) -> Result<(), RefusalReason> {
    if by == NodeId(0) || identity.node == NodeId(0) {
        return Ok(());
    }
    counters.told(by, of_this_node).map_err(|Copied { boot }| RefusalReason::Copied {
        node: identity.node,
        boot,
        by,
    })
}

/// What the proof of a refusal is about, beside the dialer's first frame.
fn proved(challenge: &[u8], reason: &RefusalReason) -> Vec<u8> {
    let mut proved = challenge.to_vec();
    minicbor::encode(reason, &mut proved).expect("encoding into memory cannot fail");
    proved
}

/// Who knocks at the address of a node that is about to found a cluster.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Knock {
    /// Its cluster.
    pub cluster: ClusterId,
    /// The name of that.
    pub cluster_name: Option<String>,
    /// Its id there.
    pub node: NodeId,
    /// Whom it expects here.
    pub expected: NodeId,
    /// Where peers reach it.
    pub peer_address: Option<String>,
}

/// Hears who dials a node that has no identity yet, lets it prove the secret, and sends it away.
pub async fn hear_knock<S: AsyncRead + AsyncWrite + Unpin>(
    socket: &mut S,
    secret: &Secret,
    boot: Boot,
) -> Result<Knock, HandshakeError> {
    let (step, hello_bytes) = read(socket).await?;
    let Step::Hello(hello) = step else { return Err(out_of_order()) };
    // It goes on only with whom it expects; it is not let in.
    let Hello { cluster, expected, .. } = hello;
    let theirs = (Protocol(hello.protocol_min), Protocol(hello.protocol_max));
    let common = Protocol::common(theirs, (Protocol::OLDEST, Protocol::NEWEST));
    let protocol = common.unwrap_or(Protocol::NEWEST).0;
    let (node, incarnation) = (expected, u64::MAX);
    let challenge =
        Challenge { protocol, cluster, node, boot, nonce: nonce(), incarnation, remembered: None };
    let challenge_bytes = write(socket, &Step::Challenge(challenge)).await?;
    let Step::Proof(theirs) = read(socket).await?.0 else { return Err(out_of_order()) };
    if secret.mac(DIALER, &hello_bytes, &challenge_bytes).verify_slice(&theirs).is_err() {
        return refuse(socket, RefusalReason::Secret).await;
    }
    let Hello { node, peer_address, cluster_name, .. } = hello;
    drop(write(socket, &Step::Refused(RefusalReason::Closed, None)).await);
    Ok(Knock { cluster, cluster_name, node, expected, peer_address })
}

/// A refusal that arrives after the handshake: the dialer did not believe the acceptor's proof.
pub fn late_refusal(payload: &[u8]) -> Option<RefusalReason> {
    match minicbor::decode(payload) {
        Ok(Step::Refused(reason, _)) => Some(reason),
        Ok(Step::Hello(_) | Step::Challenge(_) | Step::Proof(_) | Step::Accepted(_)) | Err(_) => None,
    }
}

/// Tells the other end why, if it still listens.
async fn refuse<S: AsyncRead + AsyncWrite + Unpin, T>(
    socket: &mut S,
    reason: RefusalReason,
) -> Result<T, HandshakeError> {
    refuse_with(socket, reason, None).await
}

async fn refuse_with<S: AsyncRead + AsyncWrite + Unpin, T>(
    socket: &mut S,
    reason: RefusalReason,
    proof: Option<ByteVec>,
) -> Result<T, HandshakeError> {
    // Whether it arrives changes nothing here: the connection ends either way.
    drop(write(socket, &Step::Refused(reason.clone(), proof)).await);
    drop(socket.shutdown().await);
    Err(HandshakeError::Here(reason))
}

fn out_of_order() -> HandshakeError {
    HandshakeError::Gibberish("a step of the handshake out of order")
}

fn nonce() -> [u8; 32] {
    let mut nonce = [0; 32];
    getrandom::fill(&mut nonce).expect("the operating system has random bytes");
    nonce
}

async fn write<S: AsyncWrite + Unpin>(socket: &mut S, step: &Step) -> Result<Bytes, HandshakeError> {
    let payload = minicbor::to_vec(step).expect("encoding into memory cannot fail");
    let header = Header { kind: Kind::Handshake, id: 0, remaining_ms: 0 };
    let frame = frame::encode(header, |out| out.extend_from_slice(&payload));
    socket.write_all(&frame).await?;
    Ok(payload.into())
}

/// Reads one step and not one byte more: what follows belongs to the next reader.
async fn read<S: AsyncRead + Unpin>(socket: &mut S) -> Result<(Step, Bytes), HandshakeError> {
    let mut length = [0; 4];
    socket.read_exact(&mut length).await?;
    let bytes = u32::from_be_bytes(length) as usize;
    if bytes > HANDSHAKE_BYTES_MAX {
        return Err(FrameError::Length(bytes).into());
    }
    let mut frame = BytesMut::from(&length[..]);
    frame.resize(4 + bytes, 0);
    socket.read_exact(&mut frame[4..]).await?;
    let Some((header, payload)) = frame::decode(&mut frame, HANDSHAKE_BYTES_MAX)? else {
        return Err(HandshakeError::Gibberish("a frame shorter than it says"));
    };
    match header.kind {
        Kind::Handshake => {}
        Kind::Answer
        | Kind::Alive
        | Kind::NotUnderstood
        | Kind::Data
        | Kind::Batch
        | Kind::Consensus
        | Kind::Control
        | Kind::Range => {
            return Err(HandshakeError::Gibberish("a frame before the handshake"));
        }
    }
    let step = minicbor::decode(&payload).map_err(|_| HandshakeError::Gibberish("a malformed step"))?;
    Ok((step, payload))
}
