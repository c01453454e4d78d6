//! The process's two clocks, as the pure crates want to be told them.

use quorate_model::{Instant, Now, WallTime};
use std::sync::OnceLock;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// The origin of this process's monotonic clock: its first use. Tokio's clock, so that both name the same moments.
fn origin() -> tokio::time::Instant {
    static ORIGIN: OnceLock<tokio::time::Instant> = OnceLock::new();
    *ORIGIN.get_or_init(tokio::time::Instant::now)
}

/// The time now, on both clocks.
pub fn now() -> Now {
    Now { instant: instant(tokio::time::Instant::now()), wall: wall() }
}

/// The wall clock. It decides when a value expires and is shown; it never orders two writes.
pub fn wall() -> WallTime {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO);
    WallTime(u64::try_from(since.as_millis()).unwrap_or(u64::MAX))
}

/// A moment of tokio's clock, as the pure crates count it.
pub fn instant(at: tokio::time::Instant) -> Instant {
    let since = at.saturating_duration_since(origin());
    Instant(u64::try_from(since.as_micros()).unwrap_or(u64::MAX))
}

/// The inverse of [`instant`].
pub fn tokio_instant(at: Instant) -> tokio::time::Instant {
    // A machine without a deadline says so with a moment far away; a year is far enough.
    const YEAR: Duration = Duration::from_hours(365 * 24);
    origin() + Duration::from_micros(at.0).min(YEAR)
}
