//! Recoveries: that the catalog went on without a majority of those who voted on it, by the word of an operator.
//!
//! What the lost members alone held of the catalog and of keys is gone. So it is kept here who decided what, for as long
//! as the cluster lives.

use super::RequestId;
use minicbor::{Decode, Encode};
use quorate_model::{Epoch, NodeId, WallTime};

/// Recoveries that a catalog keeps: the last ones.
pub const RECOVERIES_MAX: usize = 8;

/// That the catalog went on without these members.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Recovery {
    /// Names the decision, so that a repeated command finds it.
    #[n(0)]
    pub request: RequestId,
    /// The members that were given up: banned since, whatever they still hold.
    #[n(1)]
    pub lost: Vec<NodeId>,
    /// The member whose catalog went on.
    #[n(2)]
    pub by: NodeId,
    /// When that was decided, by that member's clock.
    #[n(3)]
    pub at: WallTime,
    /// The epoch of the command that tells of it.
    #[n(4)]
    pub epoch: Epoch,
}
