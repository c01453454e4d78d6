//! Consensus on the catalog: a log of commands that all members agree on, by openraft, behind [`Consensus`].
//!
//! ```text
//!   Consensus ──> openraft core ──┬─> log      (storage's RaftStore: entries, vote, committed)
//!                                 ├─> machine  (Catalog::apply, snapshots) ──> Publish: the node's views and replica
//!                                 └─> network  (urgent lane; snapshots on the bulk lane)
//! ```
//!
//! # Invariants
//!
//! - Nothing above this crate knows the library's types.
//! - What is on the wire and on the disk is encoded by [`codec`], with numbered fields, and not by the library, so that an
//!   upgrade of the library is not an upgrade of the format.
//! - A storage error stops consensus on this node and makes its replica doubtful; a panic in the core ends the process.
//!
//! # What is absent
//!
//! Keys: their traffic never waits for anything here. Who should vote: the control plane of the node decides that.

mod adapter;
mod alone;
pub mod codec;
mod consensus;
pub mod decoders;
mod log;
pub mod machine;
pub mod message;
mod network;
mod serve;
mod types;

pub use adapter::Openraft;
pub use alone::begin_alone;
pub use consensus::{Consensus, MembershipNow, WriteError};
pub use log::Log;
pub use machine::{Machine, Publish};
pub use types::{Entry, LogId, SnapshotMeta, StoredMembership, Types, Vote};

/// What every log line about a panic has in it, so that a search of the logs finds all of them; pinned.
pub const PANICKED: &str = "a panic, which is a bug";

#[cfg(test)]
mod tests;
