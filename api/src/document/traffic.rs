//! What a member has answered its clients since its process began. Two looks at it make a rate.

use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use utoipa::ToSchema;

/// Requests for keys, by what they asked for. Counts only grow while a process runs: one that is less than before tells of
/// a new process.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Traffic {
    /// Reads of one key; those of an `mget` count each.
    pub reads: Answered,
    /// Writes and deletes of one key; those of a `batch` count each.
    pub writes: Answered,
    /// Pages and streams of keys.
    pub scans: Answered,
}

/// How requests ended, and how long they took.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Answered {
    /// How many in each way, by the word that the metrics have for it; ways in which none did are left out.
    pub outcomes: BTreeMap<String, u64>,
    /// How many took how long, in ascending order, without those of none.
    pub latencies: Vec<LatencyCount>,
}

/// Requests that took at most so long, and longer than the bound before.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct LatencyCount {
    /// The bound, in microseconds; it is at most an eighth too high.
    pub up_to_us: u64,
    /// How many.
    pub count: u64,
}
