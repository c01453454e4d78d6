//! When a node syncs, and how much at a time.

use super::wanted::ExchangeLimits;
use quorate_model::Span;

/// Limits of the background sync.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SyncLimits {
    /// How often a node looks after the shards whose sync it runs, beside when an owner returns or a hint did not fit.
    /// Default 10 min.
    pub every: Span,
    /// How long after an owner returned: hints go first. Default 5 s.
    pub after_return: Span,
    /// How long until what was left open is looked at again. Default 30 s.
    pub retry_after: Span,
    /// Bytes a second at most, of what comes and what is sent. Default 16 MiB.
    pub bytes_per_second_max: usize,
    /// Bytes of the records of one message. Default 1 MiB.
    pub batch_bytes_max: usize,
    /// How long a replica may take for one answer. Default 10 s.
    pub call_timeout: Span,
}

impl Default for SyncLimits {
    fn default() -> Self {
        Self {
            every: Span::from_millis(600_000),
            after_return: Span::from_millis(5_000),
            retry_after: Span::from_millis(30_000),
            bytes_per_second_max: 16 * 1024 * 1024,
            batch_bytes_max: 1024 * 1024,
            call_timeout: Span::from_millis(10_000),
        }
    }
}

impl SyncLimits {
    /// Those of one exchange.
    pub fn exchange(&self) -> ExchangeLimits {
        let bytes_max = u32::try_from(self.batch_bytes_max).unwrap_or(u32::MAX);
        let call_timeout = self.call_timeout;
        ExchangeLimits { bytes_max, call_timeout, ..ExchangeLimits::default() }
    }
}
