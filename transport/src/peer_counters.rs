//! What two nodes tell each other of the past, before any request passes between them.
//!
//! Each end of a connection says in its part of the handshake how far it remembers the other one to have come. Once
//! both have proved the secret, each judges itself by what it was told: a node that began below that has lost
//! something, and must know it before it answers the peer. And a node whose earlier incarnation turns up is not let in.

use quorate_model::{Boot, Committed, NodeId};

/// The commit counters of peers that this node remembers, as connections use them.
pub trait PeerCounters: Send + Sync + 'static {
    /// How far a peer had come, as far as this node knows.
    fn of(&self, peer: NodeId) -> Option<Committed>;

    /// A peer that has proved the secret remembers this of this node. Called before any request of that connection; an
    /// error ends the connection.
    fn told(&self, peer: NodeId, of_this_node: Option<Committed>) -> Result<(), Copied>;

    /// Which incarnation of a member counts; `None`: it is not known.
    fn incarnation_that_counts(&self, node: NodeId) -> Option<u64>;

    /// A peer does not let this node in, because another incarnation of it counts.
    fn superseded(&self, by: NodeId, counts: u64);
}

/// A peer has met another process with this node's id.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Copied {
    /// That process.
    pub boot: Boot,
}

/// No counters at all: for a connection that asks one question, and for tests.
#[derive(Clone, Copy, Debug, Default)]
pub struct Forgetful;

impl PeerCounters for Forgetful {
    fn of(&self, _: NodeId) -> Option<Committed> {
        None
    }

    fn told(&self, _: NodeId, _: Option<Committed>) -> Result<(), Copied> {
        Ok(())
    }

    fn incarnation_that_counts(&self, _: NodeId) -> Option<u64> {
        None
    }

    fn superseded(&self, _: NodeId, _: u64) {}
}
