//! What is to be placed, and what is there already.

use quorate_model::{NodeId, Token};
use smallvec::SmallVec;
use std::collections::BTreeMap;

/// The nodes that should own one shard: no copies yet.
pub type Wanted = SmallVec<[NodeId; 3]>;

/// The shards of one table whose owners are to be others, by their places in its wish, in order.
pub type Placed = Vec<(usize, Wanted)>;

/// A table whose shards are to be placed, or placed anew.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TableWish {
    /// Copies of each shard.
    pub n: u8,
    /// Its shards.
    pub shards: Vec<ShardWish>,
}

/// A shard that is to be placed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ShardWish {
    /// Its position on the ring.
    pub position: Token,
    /// Its owners today, members or not; none for a new shard.
    pub today: Wanted,
}

/// What is placed already and stays, but counts towards the load.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Settled {
    /// Copies on each node.
    pub copies: BTreeMap<NodeId, u64>,
    /// How many shards there are with so many copies.
    pub shards_by_copies: BTreeMap<u8, u64>,
}

impl TableWish {
    /// A new table with shards at these positions.
    pub fn new(n: u8, positions: impl IntoIterator<Item = Token>) -> Self {
        let shard = |position| ShardWish { position, today: Wanted::new() };
        Self { n, shards: positions.into_iter().map(shard).collect() }
    }

    /// Whether any of its shards is placed already.
    pub(super) fn has_owners(&self) -> bool {
        self.shards.iter().any(|shard| !shard.today.is_empty())
    }
}
