//! Commands that change where shards begin: one becomes two, two become one. From level 4 on.
//!
//! Each names the shards as their author saw them: number, epoch and interval. What has changed since is not touched, so a
//! decision that comes late does no harm. The epoch alone would not tell: a split changes none.

use minicbor::{Decode, Encode};
use quorate_model::{Epoch, Interval, ShardId, SortKey, TableId};

/// Most splits of one command, and most merges.
pub const CUTS_PER_COMMAND_MAX: usize = 16;

/// A shard as the author of a command saw it.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Seen {
    /// Which.
    #[n(0)]
    pub shard: ShardId,
    /// Its epoch.
    #[n(1)]
    pub epoch: Epoch,
    /// Its piece of the sort space.
    #[n(2)]
    pub interval: Interval,
}

/// One shard becomes two. The left one keeps the number.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Cut {
    /// The shard.
    #[n(0)]
    pub seen: Seen,
    /// Where the right one begins: strictly inside; in a hash table the place of a token.
    #[n(1)]
    pub at: SortKey,
}

/// Two neighbours become one, which keeps the number of the left one.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Pair {
    /// The one that comes first in order.
    #[n(0)]
    pub left: Seen,
    /// The one that begins where it ends.
    #[n(1)]
    pub right: Seen,
}

/// Splits of shards of one table.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Split {
    /// The table.
    #[n(0)]
    pub table: TableId,
    /// Which shards, and where; at most [`CUTS_PER_COMMAND_MAX`].
    #[n(1)]
    pub cuts: Vec<Cut>,
}

/// Merges of shards of one table.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Merge {
    /// The table.
    #[n(0)]
    pub table: TableId,
    /// Which shards; at most [`CUTS_PER_COMMAND_MAX`].
    #[n(1)]
    pub pairs: Vec<Pair>,
}

impl Seen {
    /// Of a shard as it is now.
    pub fn of(shard: &crate::catalog::Shard) -> Self {
        Self { shard: shard.id, epoch: shard.epoch, interval: shard.interval.clone() }
    }
}
