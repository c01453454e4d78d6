//! A page as it was asked for, and as it is answered.

use crate::answer::{GetError, Lowered};
use crate::rules::loss;
use quorate_model::{Body, Guarantee, Interval, Level, Record, Rules, ShardId, SortKey, Version, WallTime};
use quorate_ring::Plan;
use thiserror::Error;

/// One page as it was asked for, checked by the node that took it.
#[derive(Clone, Debug)]
pub struct Request {
    /// What is left of the range.
    pub range: Interval,
    /// Whether from its end downwards.
    pub reverse: bool,
    /// How many owners must answer, in each set of them.
    pub level: Level,
    /// Most keys, at least one.
    pub items: usize,
    /// Most bytes of keys and values, those only if they are wanted. One key comes in any case, if there is one.
    pub bytes: usize,
    /// Whether values are wanted.
    pub values: bool,
}

/// A page.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Page {
    /// The keys that have a value, in the order of the walk.
    pub items: Vec<Item>,
    /// What is left of the range behind this page; `None`: nothing, it is the last one.
    pub rest: Option<Interval>,
    /// What it promises.
    pub worth: Worth,
    /// Keys of which owners were brought up to date before this answer.
    pub repaired: u32,
}

/// What a page, or a segment of one, promises of each key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Worth {
    /// The promise.
    pub guarantee: Guarantee,
    /// Why that is less than the level says; `None`: it is what it says.
    pub lowered: Option<Lowered>,
    /// Owners that had to answer.
    pub required: u8,
    /// Copies of the table.
    pub n: u8,
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

impl Worth {
    /// Of a read at this level by this plan.
    pub(super) fn of(rules: Rules, level: Level, plan: &Plan) -> Self {
        let in_set = |n| Guarantee::of_read(level.within(n), plan.table.w.within(n), n);
        let by_levels = plan.sizes().map(in_set).min().unwrap_or(Guarantee::Eventual);
        let (guarantee, lowered) = loss::claimed(rules, by_levels, plan.has_losses);
        Self { guarantee, lowered, required: level.within(plan.n()), n: plan.n() }
    }

    /// The same, where some of it promises no more than this.
    #[must_use]
    pub fn and(self, guarantee: Guarantee, lowered: Option<Lowered>) -> Self {
        Self { guarantee: self.guarantee.min(guarantee), lowered: self.lowered.or(lowered), ..self }
    }
}

impl Item {
    /// A record as a page shows it; `None`: it is a removal.
    pub fn of(sort_key: SortKey, record: Record, whole: bool) -> Option<Self> {
        matches!(record.body, Body::Value { .. }).then(|| Self {
            sort_key,
            version: record.version,
            value_bytes: record.body.value_bytes() as u64,
            expires_at: record.expires_at,
            record: whole.then_some(record),
        })
    }

    /// How many bytes of a page it counts for.
    pub fn bytes(&self) -> usize {
        let value = self.record.as_ref().map_or(0, |record| record.body.value_bytes());
        self.sort_key.as_bytes().len() + value
    }
}
