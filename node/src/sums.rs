//! Looking after the sums of chunks: what is missing is counted, chunks that have grown are cut, quiet ones written down.
//!
//! All of it goes on beside requests and gives way to them: a page is read in some hundred microseconds, and four times as
//! long is paused then.

use crate::engine::Replica;
use quorate_storage::PageLimit;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;

/// How much is read at a time.
const PAGE: PageLimit = PageLimit { items: 256, bytes: 1024 * 1024 };

/// How often is looked whether something is to be counted or cut.
const LOOK: Duration = Duration::from_secs(1);

/// How often what has been quiet since the last time is written down.
const SETTLE: Duration = Duration::from_secs(30);

/// How much longer than a page took is paused after it.
const PAUSE_FACTOR: u32 = 4;

/// Goes on until the replica doubts its disk.
pub async fn keep(replica: Arc<Replica>) {
    let mut settled = Instant::now();
    while !replica.is_doubtful() {
        let begun = Instant::now();
        let walking = Arc::clone(&replica);
        let walked = tokio::task::spawn_blocking(move || walking.walk_sums(PAGE)).await;
        let pause = match walked {
            Ok(Ok(true)) => begun.elapsed() * PAUSE_FACTOR,
            // A full disk, or a record of a newer version: another time.
            Ok(Ok(false) | Err(_)) | Err(_) => LOOK,
        };
        if settled.elapsed() >= SETTLE {
            let settling = Arc::clone(&replica);
            // What it can't write now it writes another time.
            let _ = tokio::task::spawn_blocking(move || settling.settle_sums()).await;
            settled = Instant::now();
        }
        tokio::time::sleep(pause.max(Duration::from_millis(1))).await;
    }
}
