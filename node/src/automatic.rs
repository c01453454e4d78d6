//! When shards change by themselves, as an operator sets it.

use quorate_model::Span;
use quorate_ring::conductor::TendLimits;

/// When shards change by themselves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ShardLimits {
    /// A shard with more bytes is split. Default 256 MiB.
    pub bytes_max: u64,
    /// A shard with fewer requests a second at one owner is not split for them. Default 1,000.
    pub load_min: u64,
    /// How long copies, or requests, lie unevenly before some move. Default 60 s.
    pub uneven_for: Span,
    /// Pause between two such jobs. Default 60 s.
    pub pause: Span,
}

impl Default for ShardLimits {
    fn default() -> Self {
        let TendLimits { bytes_max, load_min, uneven_for, pause, .. } = TendLimits::default();
        Self { bytes_max, load_min, uneven_for, pause }
    }
}

impl ShardLimits {
    /// The same for the conductor.
    pub fn tend(&self) -> TendLimits {
        let Self { bytes_max, load_min, uneven_for, pause } = *self;
        TendLimits { bytes_max, load_min, uneven_for, pause, ..TendLimits::default() }
    }
}
