//! Every limit of this crate: its meaning, unit and default. The node's configuration sets them.

/// Limits of a [`Replica`](crate::Replica).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ReplicaLimits {
    /// Bytes of hints for one owner. Raise it if owners are away for long while much is written; what is over it
    /// must be found by sync instead. At most `hint_bytes_max`. Default 256 MiB.
    pub hint_bytes_per_owner_max: u64,
    /// Bytes of hints for all owners together. Default 1 GiB.
    pub hint_bytes_max: u64,
    /// Number of hints for all owners together; bounds how long a start takes. Default 1,000,000.
    pub hints_max: u64,
    /// Free bytes under which writes are refused, so that what was accepted can still be flushed and compacted, and
    /// consensus can still log. Must be above a quarter of the memtables' bytes. Default 128 MiB.
    pub free_bytes_min: u64,
    /// Records in a row from which on a copy that is filled takes them in as a file instead of writing each. Fewer: many small
    /// files. Default 1,000.
    pub file_records_min: usize,
}

/// Limits of a [`Committer`](crate::Committer).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CommitterLimits {
    /// Requests that may wait. Default 8,192.
    pub queue_items_max: usize,
    /// Bytes of the requests that may wait. Default 64 MiB. One request is accepted whatever its size if nothing
    /// waits.
    pub queue_bytes_max: usize,
    /// Requests in one batch: one sync for all of them. Default 1,024.
    pub batch_items_max: usize,
    /// Bytes of the requests in one batch. Default 8 MiB; a batch holds at least one request.
    pub batch_bytes_max: usize,
}

const MIB: u64 = 1024 * 1024;

impl Default for ReplicaLimits {
    fn default() -> Self {
        Self {
            hint_bytes_per_owner_max: 256 * MIB,
            hint_bytes_max: 1024 * MIB,
            hints_max: 1_000_000,
            free_bytes_min: 128 * MIB,
            file_records_min: 1_000,
        }
    }
}

impl Default for CommitterLimits {
    fn default() -> Self {
        Self {
            queue_items_max: 8_192,
            queue_bytes_max: 64 * MIB as usize,
            batch_items_max: 1_024,
            batch_bytes_max: 8 * MIB as usize,
        }
    }
}
