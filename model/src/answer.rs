//! A replica's answer to a peer: the reply, and how far the replica behind it has come.
//!
//! The reply of an answer is reached by remembering what came with it, and in no other way ([`Answer::open`]): a peer
//! whose acknowledgement counted is always one of which is remembered how far it had come.

use crate::commit::Committed;
use crate::owner::ShardNow;
use minicbor::{Decode, Encode};

/// See the module's essay. `T` is one reply, or one for each request of a batch.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Answer<T> {
    #[n(0)]
    reply: T,
    #[n(1)]
    committed: Option<Committed>,
    #[n(2)]
    newer: Option<Box<ShardNow>>,
}

impl<T> Answer<T> {
    /// A reply by a replica that had come so far when it gave it: everything that the reply acknowledges as synced lies
    /// before that. `None`: the replica doubts its disk.
    pub fn new(reply: T, committed: Option<Committed>) -> Self {
        Self { reply, committed, newer: None }
    }

    /// The same, with what is in force of the shard because of which the request was refused.
    #[must_use]
    pub fn with_newer(self, newer: Option<ShardNow>) -> Self {
        Self { newer: newer.map(Box::new), ..self }
    }

    /// What is in force of the shard because of which the request was refused, if the node says so.
    pub fn take_newer(&mut self) -> Option<ShardNow> {
        self.newer.take().map(|newer| *newer)
    }

    /// The reply, once `remember` has taken how far the replica had come.
    pub fn open(self, remember: impl FnOnce(Option<Committed>)) -> T {
        remember(self.committed);
        self.reply
    }
}
