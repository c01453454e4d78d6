//! What an exchange is to do, what it is told, what it wants done, and how it ended.

use crate::machine::{Call, Failure};
use quorate_model::{Extent, Instant, NodeId, RangeReply, RangeRequest, Span};

/// What is compared, and what becomes of differences.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Task {
    /// What: within one shard, at its epoch. To go on with an earlier exchange, from where that was.
    pub over: Extent,
    /// This node.
    pub here: NodeId,
    /// The other owner.
    pub there: NodeId,
    /// What becomes of differences.
    pub way: Way,
}

/// What becomes of differences.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    /// They are counted.
    Look,
    /// What is newer there comes here: all that was there when it was looked at, or something later.
    Pull,
    /// What is newer here goes there: all that was here when it was looked at, or something later.
    Push,
    /// Each gets what is newer at the other.
    Both,
}

/// How much is sent at a time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ExchangeLimits {
    /// Sums that are asked for at once. Default 16.
    pub sums_max: usize,
    /// Keys of a list at most. Default 4,096.
    pub items_max: u32,
    /// Keys that are listed at once, without looking first which of them differ. Default 64.
    pub few_keys: usize,
    /// Bytes of the records that are brought at once. Default 1 MiB.
    pub bytes_max: u32,
    /// How long a replica may take for one answer. Default 10 s.
    pub call_timeout: Span,
}

/// What an exchange is told.
#[derive(Debug)]
pub enum Input {
    /// Begin. Exactly once, first.
    Start,
    /// A replica answered a call.
    Reply(Call, RangeReply),
    /// A call got no answer that counts.
    Failed(Call, Failure),
}

/// What an exchange wants done.
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
    Done(Ending),
}

/// How an exchange ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// All of it was compared.
    Whole,
    /// This node did not answer, or not so that it counts. What was done until then counts ([`super::Exchange::at`]).
    Stopped(NodeId, Failure),
}

/// What came of an exchange so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Records that were found at one of the two only, a key that both hold in different states twice.
    pub differing: u64,
    /// Records that were merged here.
    pub pulled: u64,
    /// Records that were merged there.
    pub pushed: u64,
    /// Bytes of their values.
    pub value_bytes: u64,
}

impl Default for ExchangeLimits {
    fn default() -> Self {
        Self {
            sums_max: 16,
            items_max: 4_096,
            few_keys: 64,
            bytes_max: 1024 * 1024,
            call_timeout: Span::from_millis(10_000),
        }
    }
}

impl std::ops::AddAssign for Counts {
    fn add_assign(&mut self, other: Self) {
        self.differing += other.differing;
        self.pulled += other.pulled;
        self.pushed += other.pushed;
        self.value_bytes += other.value_bytes;
    }
}
