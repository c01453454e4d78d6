//! Which shard, of what, and one step with it.

/// Which shard: its table, and its place in the wish for that.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Shard {
    pub(super) table: u32,
    pub(super) at: u32,
}

/// What is balanced: one table's copies, or all copies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Scale {
    Table(usize),
    Total,
}

/// One copy of one shard goes from one node to another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Exchange {
    pub(super) shard: Shard,
    pub(super) from: usize,
    pub(super) to: usize,
}

impl Scale {
    /// The tables that belong to it, of so many.
    pub(super) fn tables(self, of: usize) -> std::ops::Range<usize> {
        match self {
            Self::Table(table) => table..table + 1,
            Self::Total => 0..of,
        }
    }

    /// The shards that belong to it.
    pub(super) fn shards(self) -> std::ops::Range<Shard> {
        let (first, last) = match self {
            Self::Table(table) => (table as u32, table as u32 + 1),
            Self::Total => (0, u32::MAX),
        };
        Shard { table: first, at: 0 }..Shard { table: last, at: 0 }
    }
}
