//! A page as it was asked for, and as it is answered.

use crate::answer::GetError;
use quorate_model::{
    Body, Guarantee, Instant, Interval, Level, Record, ShardId, SortKey, TableId, Version, WallTime,
};
use thiserror::Error;

/// One page as it was asked for, checked by the node that took it.
#[derive(Clone, Debug)]
pub struct Request {
    /// The table.
    pub table: TableId,
    /// What is left of the range.
    pub range: Interval,
    /// Whether from its end downwards.
    pub reverse: bool,
    /// How many owners must answer, in each set of them.
    pub level: Level,
    /// Most keys, at least one.
    pub items: usize,
    /// About how many bytes of keys and values; the key that reaches it is the last one.
    pub bytes: usize,
    /// Whether values are wanted.
    pub values: bool,
    /// When the client must be answered.
    pub deadline: Instant,
}

/// A page.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Page {
    /// The keys that have a value, in the order of the walk.
    pub items: Vec<Item>,
    /// What is left of the range behind this page; `None`: nothing, it is the last one.
    pub rest: Option<Interval>,
    /// What it promises of each key.
    pub guarantee: Guarantee,
    /// Owners that had to answer for each key, and copies of the table.
    pub required: u8,
    /// Copies of the table.
    pub n: u8,
    /// Keys of which owners were brought up to date before this answer.
    pub repaired: u32,
}

/// A key with a value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Item {
    /// Where it stands in the table.
    pub sort_key: SortKey,
    /// Its version.
    pub version: Version,
    /// Size of the value in bytes.
    pub value_bytes: u64,
    /// When the value expires.
    pub expires_at: Option<WallTime>,
    /// The record, if values were wanted.
    pub record: Option<Record>,
}

/// Why a page failed. It had no effect and can be asked for again.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("{error}")]
pub struct Error {
    /// The cause.
    pub error: GetError,
    /// The shard whose keys are missing; `None`: the table is gone.
    pub shard: Option<ShardId>,
}

/// What a page's client is told.
pub type Answer = Result<Page, Error>;

impl Item {
    /// A record as a page shows it; `None`: it is a removal.
    pub(super) fn of(sort_key: SortKey, record: Record, whole: bool) -> Option<Self> {
        matches!(record.body, Body::Value { .. }).then(|| Self {
            sort_key,
            version: record.version,
            value_bytes: record.body.value_bytes() as u64,
            expires_at: record.expires_at,
            record: whole.then_some(record),
        })
    }

    /// About how many bytes it takes in a page.
    pub(super) fn bytes(&self) -> usize {
        let value = self.record.as_ref().map_or(0, |record| record.body.value_bytes());
        self.sort_key.as_bytes().len() + value
    }
}
