//! When shards change by themselves.

use quorate_model::{Span, Table};

/// When shards change by themselves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TendLimits {
    /// A shard with more bytes is split, unless its table says otherwise. Two with a quarter of it together are merged.
    pub bytes_max: u64,
    /// A shard with fewer requests a second is not split for them. Two with a quarter of it together are merged.
    pub load_min: u64,
    /// How long a shard must be hot.
    pub hot_for: Span,
    /// How long two shards must be small, cold and unchanged.
    pub merge_after: Span,
    /// How long copies, or requests, must lie unevenly.
    pub uneven_for: Span,
    /// Pause between two jobs; an operator's plan has room there.
    pub pause: Span,
    /// How long what is said of requests may still be of what was before a job: some times as long as half of an average.
    pub load_settles: Span,
    /// How long a copy that has moved for the sake of requests stays where it is, and how long nothing is begun after a job
    /// that was given up.
    pub rest: Span,
    /// How long the job of a balance may wait for a node that is away, before it is aborted: it keeps all else away.
    pub away_for: Span,
    /// How long no shard of it may arrive and no byte be copied otherwise.
    pub still_for: Span,
}

impl Default for TendLimits {
    fn default() -> Self {
        Self {
            bytes_max: 256 << 20,
            load_min: 1_000,
            hot_for: Span::from_millis(60_000),
            merge_after: Span::from_millis(30 * 60_000),
            uneven_for: Span::from_millis(60_000),
            pause: Span::from_millis(60_000),
            load_settles: Span::from_millis(90_000),
            rest: Span::from_millis(300_000),
            away_for: Span::from_millis(120_000),
            still_for: Span::from_millis(30 * 60_000),
        }
    }
}

impl TendLimits {
    /// A shard of a table with more bytes is split.
    pub fn split_bytes(&self, table: &Table) -> u64 {
        table.shard_bytes_max.unwrap_or(self.bytes_max)
    }

    /// Two neighbours of a table with fewer bytes together may be merged.
    pub fn merge_bytes(&self, table: &Table) -> u64 {
        self.split_bytes(table) / 4
    }

    /// Two neighbours with fewer requests a second together may be merged.
    pub fn merge_load(&self) -> u64 {
        self.load_min / 4
    }
}
