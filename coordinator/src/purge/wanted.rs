//! What a run is to do, what it wants done, and what came of it.

use crate::machine::{Call, Failure};
use quorate_model::{Instant, NodeId, RangeRequest, Version, WallTime};

/// Which removals may go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Terms {
    /// Those that were written, or whose value expired, at or before this.
    pub before: WallTime,
    /// The same of those that have operation ids.
    pub with_ids_before: WallTime,
    /// Removals on one list, at most. Default 16,384.
    pub list_max: usize,
}

/// What a run wants done.
#[derive(Debug, PartialEq, Eq)]
pub enum Action {
    /// Send this to that node (possibly this one), and report how the call ended.
    Ask {
        /// Which call.
        call: Call,
        /// To whom.
        to: NodeId,
        /// What.
        request: RangeRequest,
        /// When it is lost.
        deadline: Instant,
    },
    /// It has ended. Nothing more will happen.
    Done(Outcome),
}

/// What came of a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// No owner holds a removal that may go.
    Nothing,
    /// Removals went at every owner.
    Purged {
        /// How many were listed at the end.
        listed: u64,
        /// How many this replica dropped.
        dropped: u64,
        /// Up to which version every owner has sealed.
        up_to: Version,
        /// Whether the list was full: there are more.
        has_more: bool,
    },
    /// This owner did not answer, or not so that the run could go on.
    Stopped(NodeId, Failure),
}
