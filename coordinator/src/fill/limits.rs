//! How much of a filling is under way at once.

use quorate_model::Span;

/// Limits of the filling.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FillLimits {
    /// Shards at once. Default 4.
    pub shards_max: usize,
    /// Keys of one page. Default 2,000.
    pub page_items_max: u32,
    /// Bytes of one page. Default 1 MiB.
    pub page_bytes_max: u32,
    /// Bytes of the pages from one source that are gathered before they are taken in. Default 8 MiB.
    pub load_bytes_max: u64,
    /// Records that are merged here at once. Default 256.
    pub merges_max: usize,
    /// Large records that are fetched at once. Default 8.
    pub fetches_max: usize,
    /// How long an owner may take for one answer. Default 10 s.
    pub timeout: Span,
    /// How long a source that was read, and is not needed for what is left, may be away at the end before the shard is read
    /// again without it. Default 60 s.
    pub source_patience: Span,
    /// How often shards that can't go on are looked at again. Default 500 ms.
    pub look_every: Span,
}

impl Default for FillLimits {
    fn default() -> Self {
        Self {
            shards_max: 4,
            page_items_max: 2_000,
            page_bytes_max: 1024 * 1024,
            load_bytes_max: 8 * 1024 * 1024,
            merges_max: 256,
            fetches_max: 8,
            timeout: Span::from_millis(10_000),
            source_patience: Span::from_millis(60_000),
            look_every: Span::from_millis(500),
        }
    }
}
