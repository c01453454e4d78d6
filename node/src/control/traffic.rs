//! What a member has answered its clients, in numbers. What stands before the node counts it; here it is what members tell
//! each other of it, so that one of them can show what all of them do.
//!
//! Counts only grow as long as a process runs: two looks at them make a rate, and one that is less than before tells of a
//! new process.

use minicbor::{Decode, Encode};

/// Requests for keys since the process began, by what they asked for. The items of a request for many keys count each.
#[derive(Clone, Debug, Default, PartialEq, Eq, Encode, Decode)]
pub struct Traffic {
    /// Reads of one key.
    #[n(0)]
    pub reads: Answered,
    /// Writes of one key, deletes among them.
    #[n(1)]
    pub writes: Answered,
    /// Pages and streams of keys.
    #[n(2)]
    pub scans: Answered,
}

/// How requests of one kind ended.
#[derive(Clone, Debug, Default, PartialEq, Eq, Encode, Decode)]
pub struct Answered {
    /// How many in each way, by its word; ways in which none did are left out.
    #[n(0)]
    pub outcomes: Vec<(String, u64)>,
    /// How many took at most so many microseconds, and more than the bound before; ascending, without those of none.
    #[n(1)]
    pub latencies: Vec<(u64, u64)>,
}
