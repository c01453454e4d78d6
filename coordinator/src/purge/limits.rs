//! When a node purges, and what.

use super::wanted::Terms;
use quorate_model::{Span, WallTime};

/// Limits of the purge.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PurgeLimits {
    /// How old a tombstone must be to go, by the clock of the node that runs the purge; an expired value, since it expired.
    /// Default 1 h. Age proves nothing: it only says from when on it is worth while.
    pub after: Span,
    /// How old one must be that has operation ids: a retry that comes later is refused. Default 24 h.
    pub ids_keep: Span,
    /// How often a node looks for what may go, of the shards whose purge it runs. Default 10 min.
    pub every: Span,
}

impl Default for PurgeLimits {
    fn default() -> Self {
        Self {
            after: Span::from_millis(3_600_000),
            ids_keep: Span::from_millis(86_400_000),
            every: Span::from_millis(600_000),
        }
    }
}

impl PurgeLimits {
    /// Removals on one list.
    const LIST_MAX: usize = 16_384;

    /// What may go now, by this clock.
    pub fn terms(&self, now: WallTime) -> Terms {
        let before = |span: Span| WallTime(now.0.saturating_sub(span.0 / 1_000));
        Terms {
            before: before(self.after),
            with_ids_before: before(self.ids_keep.max(self.after)),
            list_max: Self::LIST_MAX,
        }
    }
}
