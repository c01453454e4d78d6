//! What a replay wants done, and why an owner's came to an end.

use crate::get::Get;
use quorate_model::{Hint, Instant, NodeId, Refusal, Reply, Request, SortKey, TableId};
use quorate_ring::Plan;
use std::sync::Arc;

/// What a replay wants done. Each but the last is answered by one input.
#[derive(Debug)]
pub enum Action {
    /// Read a page of an owner's hints, behind a place: so many, and so many bytes.
    Page {
        /// Whose.
        owner: NodeId,
        /// Behind which; `None`: from the first.
        after: Option<(TableId, SortKey)>,
        /// How many at most.
        items: usize,
        /// How many bytes at most.
        bytes: usize,
    },
    /// Send a batch to an owner.
    Send {
        /// Whose hints these are.
        owner: NodeId,
        /// To whom: that one, one that owns their keys now (it may be this node itself), or one that is to keep them.
        to: NodeId,
        /// The batch.
        requests: Vec<Request>,
        /// When it is lost.
        deadline: Instant,
    },
    /// Run a read at all owners of a key.
    Read {
        /// For whose hint.
        owner: NodeId,
        /// Which of them.
        number: u32,
        /// The read.
        machine: Box<Get>,
        /// The plan that it goes by.
        plan: Arc<Plan>,
        /// When it must be answered.
        deadline: Instant,
    },
    /// Erase hints of an owner.
    Erase {
        /// Whose.
        owner: NodeId,
        /// Which, as they were read.
        hints: Vec<Hint>,
    },
    /// An owner's replay has ended for now.
    Ended {
        /// Whose.
        owner: NodeId,
        /// Hints that were handed over.
        handed_over: u64,
        /// Why it did not get further; `None`: there is no page left.
        pause: Option<Pause>,
    },
}

/// Why an owner's replay did not get further.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Pause {
    /// The owner is away, or does not answer.
    Away,
    /// The owner takes nothing now: what it said last.
    Refused(Box<Reply>),
    /// This node is to leave, and no other member keeps them: what the last one said that was asked, if it answered.
    Unkept(Option<Box<Reply>>),
    /// This node's own disk.
    Here(Refusal),
}
