//! A replica's answer to a peer: the reply, and how far the replica behind it has come.

use minicbor::{Decode, Encode};
use quorate_model::Committed;

/// See the module's essay. `T` is one reply, or one for each request of a batch.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Answer<T> {
    /// The reply.
    #[n(0)]
    pub reply: T,
    /// Everything that the reply acknowledges as synced lies before this. `None`: the replica doubts its disk.
    #[n(1)]
    pub committed: Option<Committed>,
}
