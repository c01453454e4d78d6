//! The heat of the last hour: of each minute what a node carried out a second, by shard.
//!
//! ```text
//!   rates, each with the time that it held ──> sums ── a minute is full ──> a column; the 61st drops the first
//! ```
//!
//! A shard is told by its number: one that a split has made has no column from before, and its left part keeps those of
//! the whole.

use quorate_model::{ShardId, Span};
use std::cmp::Reverse;
use std::collections::{BTreeMap, VecDeque};

/// How long a column is, at least.
const COLUMN: Span = Span::from_millis(60_000);

/// Columns that are kept.
const COLUMNS_MAX: usize = 60;

/// Shards that one column keeps: those with most.
const SHARDS_MAX: usize = 2_048;

/// See the module's essay.
#[derive(Clone, Debug, Default)]
pub struct History {
    /// The earliest first; each in the order of shards.
    columns: VecDeque<Vec<(ShardId, u64)>>,
    /// Of the minute that goes on: rates times microseconds.
    sums: BTreeMap<ShardId, u128>,
    /// How much of it has passed.
    passed: Span,
}

impl History {
    /// Takes the requests a second of some time.
    pub fn take(&mut self, rates: impl Iterator<Item = (ShardId, u64)>, time: Span) {
        for (shard, rate) in rates {
            *self.sums.entry(shard).or_default() += u128::from(rate) * u128::from(time.0);
        }
        self.passed = Span(self.passed.0.saturating_add(time.0));
        if self.passed < COLUMN {
            return;
        }
        let micros = u128::from(std::mem::take(&mut self.passed).0);
        let mean = |(shard, sum): (ShardId, u128)| {
            let rate = u64::try_from(sum / micros).unwrap_or(u64::MAX);
            (rate > 0).then_some((shard, rate))
        };
        let mut column: Vec<(ShardId, u64)> =
            std::mem::take(&mut self.sums).into_iter().filter_map(mean).collect();
        if column.len() > SHARDS_MAX {
            column.sort_unstable_by_key(|(_, rate)| Reverse(*rate));
            column.truncate(SHARDS_MAX);
            column.sort_unstable();
        }
        self.columns.push_back(column);
        if self.columns.len() > COLUMNS_MAX {
            self.columns.pop_front();
        }
    }

    /// The columns of one shard, the earliest first: as many as there are minutes since it was begun, 60 at most.
    pub fn of(&self, shard: ShardId) -> Vec<u64> {
        let rate = |column: &Vec<(ShardId, u64)>| {
            column.binary_search_by_key(&shard, |(of, _)| *of).map_or(0, |at| column[at].1)
        };
        self.columns.iter().map(rate).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use quorate_model::TableId;

    const TEN: Span = Span::from_millis(10_000);

    fn shard(index: u32) -> ShardId {
        ShardId { table: TableId(1), index }
    }

    #[test]
    fn a_column_is_the_mean_of_its_minute_and_an_hour_is_kept() {
        let mut history = History::default();
        for rate in [60, 0, 0, 0, 0] {
            history.take([(shard(1), rate)].into_iter(), TEN);
        }
        assert_eq!(history.of(shard(1)), Vec::<u64>::new(), "the minute goes on");
        history.take([(shard(2), 12)].into_iter(), TEN);
        assert_eq!((history.of(shard(1)), history.of(shard(2))), (vec![10], vec![2]));
        assert_eq!(history.of(shard(3)), [0], "nothing was asked of it");
        for minute in 0..100 {
            history.take([(shard(1), minute)].into_iter(), COLUMN);
        }
        let kept = history.of(shard(1));
        assert_eq!((kept.len(), kept.first(), kept.last()), (60, Some(&40), Some(&99)));
    }

    #[test]
    fn of_many_shards_a_column_keeps_those_with_most() {
        let mut history = History::default();
        let many = u32::try_from(SHARDS_MAX).expect("a few") + 10;
        history.take((0..many).map(|index| (shard(index), 1 + u64::from(index))), COLUMN);
        assert_eq!((history.of(shard(9)), history.of(shard(10))), (vec![0], vec![11]));
        assert_eq!(history.of(shard(many - 1)), [u64::from(many)]);
    }
}
