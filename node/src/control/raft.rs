//! Consensus by openraft, behind [`super::Consensus`]: nothing above this module knows its types.
//!
//! ```text
//!   Consensus ──> openraft core ──┬─> log      (storage's RaftStore: entries, vote, committed)
//!                                 ├─> machine  (Catalog::apply, snapshots) ──> Publisher ──> views, replica
//!                                 └─> network  (urgent lane; snapshots on the bulk lane)
//! ```
//!
//! Invariants: what is on the wire and on the disk is encoded by [`codec`], with numbered fields, and not by the
//! library, so that an upgrade of the library is not an upgrade of the format. A storage error stops consensus on
//! this node and makes its replica doubtful; a panic in the core ends the process.

pub mod codec;
mod consensus;
mod log;
pub(crate) mod machine;
pub(crate) mod message;
mod network;
mod serve;

pub use consensus::Openraft;
pub use log::Log;
pub use machine::Machine;

use quorate_ring::{Command, Receipt, Rejection};

openraft::declare_raft_types!(
    /// What openraft is told about our types.
    pub Types:
        D = Command,
        R = Option<Result<Receipt, Rejection>>,
        NodeId = u64,
        Node = openraft::EmptyNode,
        Entry = openraft::Entry<Types>,
        SnapshotData = std::io::Cursor<Vec<u8>>,
);

/// The library itself.
pub type Raft = openraft::Raft<Types>;
/// A position in the log.
pub type LogId = openraft::LogId<u64>;
/// An entry of the log.
pub type Entry = openraft::Entry<Types>;
/// A vote.
pub type Vote = openraft::Vote<u64>;
/// Who votes and who learns, and since which entry.
pub type StoredMembership = openraft::StoredMembership<u64, openraft::EmptyNode>;
/// What a snapshot is of.
pub type SnapshotMeta = openraft::SnapshotMeta<u64, openraft::EmptyNode>;
/// What the library is told when the disk fails.
pub type StorageError = openraft::StorageError<u64>;

#[cfg(test)]
mod tests;
