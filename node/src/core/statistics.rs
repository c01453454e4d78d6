//! What a node can say about itself in numbers: for `/metrics`, `/v1/cluster` and people.

use quorate_model::{Epoch, NodeId};
use quorate_storage::{CommitterStatistics, Doubt, EngineStatistics, ReplicaStatistics, SumStatistics};
use quorate_transport::LinkReport;

/// A snapshot of a node's counters and gauges. Counters start at 0 with the process.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Statistics {
    /// The catalog's epoch as this node has applied it.
    pub epoch: Epoch,
    /// Hints kept here.
    pub hints: HintStatistics,
    /// Why the replica neither answers nor votes; `None`: it is healthy.
    pub replica_doubt: Option<Doubt>,
    /// Whether writes are refused for want of space.
    pub disk_full: bool,
    /// Free space on the disk of the data folder, in bytes; `None`: unknown.
    pub free_bytes: Option<u64>,
    /// One per other member.
    pub links: Vec<LinkStatistics>,
    /// Writes that wait for the committer.
    pub committer_queue_items: u64,
    /// The committer's counts.
    pub committer: CommitterStatistics,
    /// Reads that left the reactor for the disk, now.
    pub disk_reads_running: u64,
    /// Reads that left the reactor for the disk, since the start.
    pub disk_reads_total: u64,
    /// Requests to this node's replica, of peers and of its own coordinator.
    pub peer_requests_total: u64,
    /// Requests that panicked. Each is a bug; none ended the process.
    pub panics_total: u64,
    /// Operations (reads, writes, repairs) whose machines are still at work.
    pub operations_running: u64,
    /// Bytes of the values that they hold.
    pub operations_value_bytes: u64,
    /// The replica's counts.
    pub replica: ReplicaStatistics,
    /// The engine's own numbers.
    pub engine: EngineStatistics,
    /// The chunks of which sums are kept.
    pub sums: SumStatistics,
    /// What this node holds of each table that the catalog has, by name.
    pub tables: Vec<TableHeld>,
}

/// What this node holds of one table.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TableHeld {
    /// The table's name.
    pub name: String,
    /// Records with a value.
    pub keys: u64,
    /// Records that say that there is no value.
    pub removals: u64,
    /// Bytes of all of them, before compression.
    pub bytes: u64,
    /// Whether that is all: otherwise it is still being counted.
    pub is_exact: bool,
    /// Requests a second that this node carries out for it, of the last half minute about.
    pub load: u64,
}

/// Hints kept for owners that could not be reached.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct HintStatistics {
    /// Records waiting, for each owner that has any.
    pub waiting: Vec<(NodeId, u64)>,
    /// Records that could not be kept because the store was at its limit, since the data folder was made.
    pub overflow_total: u64,
    /// Records handed over since the start.
    pub replayed_total: u64,
}

/// The connections to one other member.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LinkStatistics {
    /// The member.
    pub node: NodeId,
    /// Which of its connections.
    pub lane: &'static str,
    /// Whether it is up.
    pub up: bool,
    /// Requests that wait for an answer.
    pub in_flight: u64,
    /// Bytes that wait to be written.
    pub queued_bytes: u64,
    /// Requests written since the start.
    pub sent_total: u64,
    /// Connections made since the start.
    pub connects_total: u64,
    /// Why the last connection ended or was refused, if one was.
    pub last_error: Option<String>,
}

impl From<LinkReport> for LinkStatistics {
    fn from(report: LinkReport) -> Self {
        Self {
            node: report.node,
            lane: report.lane.as_str(),
            up: report.up,
            in_flight: report.in_flight as u64,
            queued_bytes: report.queued_bytes as u64,
            sent_total: report.sent,
            connects_total: report.connects,
            last_error: report.last_error,
        }
    }
}
