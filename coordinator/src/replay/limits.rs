//! How much of a replay is under way at once.

use quorate_model::Span;

/// Limits of the replay.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ReplayLimits {
    /// Hints of one batch. Default 512.
    pub batch_items_max: usize,
    /// Bytes of one batch. Default 2 MiB.
    pub batch_bytes_max: usize,
    /// How long an owner may take for one batch. Default 10 s.
    pub batch_timeout: Span,
    /// Reads at once for one owner. Default 16.
    pub repairs_running_max: usize,
    /// How long one such read may take. Default 5 s.
    pub repair_timeout: Span,
}

impl Default for ReplayLimits {
    fn default() -> Self {
        Self {
            batch_items_max: 512,
            batch_bytes_max: 2 * 1024 * 1024,
            batch_timeout: Span::from_millis(10_000),
            repairs_running_max: 16,
            repair_timeout: Span::from_millis(5_000),
        }
    }
}
