//! Frames between nodes: how a request reaches a peer, and what is known when no answer comes back.
//!
//! # The idea
//!
//! Each node dials every other member on three *lanes*, one TCP connection each, and uses a connection for its own
//! requests and their answers only. A large record on the data lane never delays a vote on the urgent one, and hints
//! that are replayed in bulk delay neither.
//!
//! ```text
//!   caller ── send ──> Outbox (bounded in bytes) ── one writev ──>  socket ──> Server ──> Service
//!     ^                                                                           │
//!     └── Sink <── pending calls by id <── reader <──────────────── socket <── Outbox
//! ```
//!
//! Everything that is ready at one moment leaves in one vectored write: under load the frames gather by themselves
//! while the previous write is under way, so there is no timer and no delay to tune.
//!
//! # Invariants
//!
//! - Each call ends exactly once: with an answer, or with a [`CallError`] that is true. [`CallError::NotSent`] means
//!   that not one byte of the request was given to the operating system, [`CallError::NotUnderstood`] that the other
//!   end does not have it; everything else is [`CallError::Lost`].
//! - A connection knows the version of the protocol that its two ends speak. What the other end does not have is not
//!   sent; if it comes all the same it is answered at once, and the connection goes on.
//! - A connection that dies fails all its calls at once. A peer that falls silent for [`Limits::silence`] is dead.
//! - Every queue is bounded in bytes; a full one refuses (`NotSent`), it does not wait.
//! - Before the handshake has proved the cluster's secret on both sides, no request is looked at.
//! - Every decoder of bytes from outside is total and bounded.
//!
//! # What is absent
//!
//! Encryption: the handshake authenticates both ends of a connection, not each byte, so peers belong on a network
//! that no other process writes to (TLS has its own issue). Retries: a call is tried once; its caller decides what to
//! do, because only it knows whether trying again is safe. Names: a peer is reached under the address in the catalog.

mod addresses;
mod connection;
mod contact;
pub mod decoders;
mod dialer;
pub mod frame;
mod handshake;
pub mod hello;
mod links;
mod once;
mod outbox;
mod peer_counters;
mod pending;
mod secret;
mod server;

pub use contact::{Alive, Contacts};
pub use dialer::{Dismissal, Met};
pub use frame::{Asked, FrameError, Header, Kind};
pub use handshake::{HandshakeError, Identity, Knock, RefusalReason, Secret, Whereabouts, hear_knock};
pub use links::{LinkReport, Links};
pub use once::{OnceError, ask_once};
pub use outbox::Responder;
pub use peer_counters::{Copied, Forgetful, PeerCounters};
pub use pending::{Answered, Sink};
pub use server::{Caller, Incoming, Server, Service, bind};

use std::time::Duration;
use thiserror::Error;

/// Which connection to a peer: what must not wait for what.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Lane {
    /// Consensus, and small questions about the catalog.
    Urgent,
    /// Key traffic.
    Data,
    /// Hints that are replayed, and other work that can wait.
    Bulk,
}

impl Lane {
    /// All of them.
    pub const ALL: [Lane; 3] = [Lane::Urgent, Lane::Data, Lane::Bulk];

    /// The word in metrics and logs.
    pub fn as_str(self) -> &'static str {
        match self {
            Lane::Urgent => "urgent",
            Lane::Data => "data",
            Lane::Bulk => "bulk",
        }
    }
}

/// Why a call has no answer.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum CallError {
    /// Not one byte of the request left this node: it certainly had no effect.
    #[error("not sent: {0}")]
    NotSent(&'static str),
    /// The other node runs an older version, which does not have this request: it certainly had no effect.
    #[error(
        "not understood: the other node runs an older version, which does not have this request; upgrade it"
    )]
    NotUnderstood,
    /// The request, or a part of it, left this node: it is unknown whether it arrived.
    #[error("no answer: {0}")]
    Lost(&'static str),
}

/// Limits of the peer traffic. Each has a name, a unit and a default.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Largest frame in bytes. Default 20 MiB: the hard limit of a value (16 MiB) and what is around it.
    pub frame_bytes_max: usize,
    /// Bytes that may wait to be written on one connection. Default 64 MiB.
    pub queued_bytes_max: usize,
    /// Bytes of requests of one incoming connection that may be at work; past it, its socket is not read.
    /// Default 64 MiB.
    pub working_bytes_max: usize,
    /// Incoming connections that have proved the secret, of all members together. Default 4,096.
    pub incoming_max: usize,
    /// Incoming connections of one member, so that one whose old connections still seem alive can make new ones.
    /// Default 6: two for every lane.
    pub incoming_per_member_max: usize,
    /// Incoming connections that have not proved the secret yet. Past it the oldest goes: a peer that knows the secret
    /// proves it at once. Default 64.
    pub unproven_max: usize,
    /// A connection that has nothing else to say says so this often. Default 1 s.
    pub keepalive: Duration,
    /// The same on the urgent lane: members are judged by it. More than `keepalive` counts as it. Beyond 256 members that much more
    /// rarely, up to `keepalive`, so that it costs a node no more. Default 250 ms.
    pub alive: Duration,
    /// A peer that has said nothing for so long is dead; at least twice `keepalive`. Default 3 s.
    pub silence: Duration,
    /// A connection that is not made and proved in this time is given up. Default 3 s.
    pub handshake: Duration,
    /// First pause between two attempts to connect; each further one is twice as long. Default 50 ms.
    pub backoff_min: Duration,
    /// Longest pause between two attempts to connect. Default 1 s.
    pub backoff_max: Duration,
}

impl Limits {
    /// Files that the peer traffic of one node of a cluster with so many members may keep open.
    pub fn open_files_max(&self, members: usize) -> usize {
        let incoming = self.incoming_max.min(members * self.incoming_per_member_max);
        incoming + self.unproven_max + members * Lane::ALL.len()
    }

    /// How often a connection says that this node is there, in a cluster of so many members.
    pub fn alive_every(&self, lane: Lane, members: usize) -> Duration {
        match lane {
            Lane::Urgent => self.alive.mul_f64((members as f64 / 256.0).max(1.0)).min(self.keepalive),
            Lane::Data | Lane::Bulk => self.keepalive,
        }
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            frame_bytes_max: 20 * 1024 * 1024,
            queued_bytes_max: 64 * 1024 * 1024,
            working_bytes_max: 64 * 1024 * 1024,
            incoming_max: 4_096,
            incoming_per_member_max: 2 * Lane::ALL.len(),
            unproven_max: 64,
            keepalive: Duration::from_secs(1),
            alive: Duration::from_millis(250),
            silence: Duration::from_secs(3),
            handshake: Duration::from_secs(3),
            backoff_min: Duration::from_millis(50),
            backoff_max: Duration::from_secs(1),
        }
    }
}

#[cfg(test)]
mod tests;
