//! What round one finds: what each owner holds, and an earlier attempt at the same operation.

use crate::few::Nodes;
use quorate_model::{Held, NodeId, Operation, Operations, Version};

/// One owner's answer to round one.
#[derive(Clone, Debug)]
pub(super) struct Known {
    pub held: Option<Held>,
    pub operations: Operations,
    /// What a new version must be above.
    pub floor: Option<Version>,
    /// Up to which version ids may be forgotten that a removal knew.
    pub forgot: Option<Version>,
}

/// An earlier attempt that was found, and where.
#[derive(Debug)]
pub(super) struct Found {
    /// The operation, with the version it got.
    pub operation: Operation,
    /// Owners that hold its record (or a later one) and its id.
    pub holders: Nodes,
    /// Every id that round one saw.
    pub union: Operations,
    /// Owners to fetch the record from, the least first.
    pub sources: Vec<NodeId>,
}
