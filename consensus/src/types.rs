//! What openraft is told about our types, and its own types with ours in place.

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
