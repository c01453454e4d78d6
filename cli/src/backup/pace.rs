//! No more bytes a second than it is told.

use std::sync::Mutex;
use std::time::Duration;
use tokio::time::Instant;

/// See the module's sentence. Shared by all that read or write.
#[derive(Debug)]
pub struct Pace {
    bytes_per_second: Option<u64>,
    /// When the bytes that were taken so far are paid for.
    paid_at: Mutex<Instant>,
}

impl Pace {
    /// `None`: as fast as it goes.
    pub fn new(bytes_per_second: Option<u64>) -> Self {
        Self { bytes_per_second, paid_at: Mutex::new(Instant::now()) }
    }

    /// Takes so many bytes, and waits until those that were taken before are paid for.
    pub async fn take(&self, bytes: u64) {
        let Some(rate) = self.bytes_per_second else { return };
        let begins = {
            let mut paid_at = self.paid_at.lock().expect("nothing panics while it holds this lock");
            let begins = (*paid_at).max(Instant::now());
            *paid_at = begins + price(bytes, rate);
            begins
        };
        tokio::time::sleep_until(begins).await;
    }
}

/// How long so many bytes take at a rate: a year at most.
fn price(bytes: u64, rate: u64) -> Duration {
    const YEAR: f64 = 365.0 * 24.0 * 3_600.0;
    Duration::from_secs_f64((bytes as f64 / rate.max(1) as f64).min(YEAR))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_have_their_price() {
        assert_eq!(price(3_000, 2_000), Duration::from_millis(1_500));
        assert_eq!(price(7, 0), Duration::from_secs(7));
        assert_eq!(price(u64::MAX, 1), Duration::from_secs(365 * 24 * 3_600));
    }

    #[tokio::test]
    async fn what_was_taken_is_paid_for_before_more_is() {
        let pace = Pace::new(Some(100_000));
        let began = Instant::now();
        for _ in 0..3 {
            pace.take(1_000).await;
        }
        assert!(began.elapsed() >= Duration::from_millis(20), "the third waits for the first two");
        Pace::new(None).take(u64::MAX).await;
    }
}
