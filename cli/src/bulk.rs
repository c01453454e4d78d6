//! `export` and `import`: all keys of a table as lines of JSON, and back.
//!
//! ```text
//!   {"key":"user/1","value":"...","content_type":"text/plain","expires_at":"2027-01-01T00:00:00.000Z"}
//! ```
//!
//! A line is what a batch calls `put`: bytes that are no text are `key_b64` and `value_b64`, and what was exported goes in
//! again byte for byte. What a node refuses for a while is asked again, so that one that restarts ends neither of them.

mod export;
mod import;
mod resume;
mod storing;

pub use export::Export;
pub use import::Import;
pub(crate) use storing::store;

use crate::exit::{Exit, Failure};
use crate::line::{Line, bar};
use crate::output::Output;
use crate::progress::per_second;
use crate::quantity::{self, count};
use quorate_api::document::{Bound, KeyName, ListedKey, PutItem};
use quorate_api::text::from_base64url;
use serde_json::json;
use std::time::Duration;
use tokio::time::Instant;

/// After so long without success it is given up.
const PATIENCE: Duration = Duration::from_secs(60);

/// The first pause before something is tried again; the next ones are twice as long each, up to the longest.
const PAUSE_MIN: Duration = Duration::from_millis(100);

/// The longest one.
const PAUSE_MAX: Duration = Duration::from_secs(5);

/// A line of an export.
fn put_of(listed: ListedKey) -> PutItem {
    let ListedKey { key, key_b64, value, value_b64, content_type, expires_at, version: _, size: _ } = listed;
    PutItem { key, key_b64, value, value_b64, content_type, ttl: None, expires_at }
}

/// A bound of a shard, if it is a key.
pub(crate) fn key_of(bound: &Bound) -> Option<Vec<u8>> {
    match bound {
        Bound::Token(_) => None,
        Bound::Key(KeyName { key: Some(text), .. }) => Some(text.as_bytes().to_vec()),
        Bound::Key(KeyName { key: None, key_b64 }) => from_base64url(key_b64.as_ref()?.as_bytes()),
    }
}

/// Pauses between attempts, longer and longer, until they have lasted too long.
pub(crate) struct Pauses {
    next: Duration,
    end: Instant,
}

impl Pauses {
    pub(crate) fn new() -> Self {
        Self { next: PAUSE_MIN, end: Instant::now() + PATIENCE }
    }

    /// Waits before the next attempt; false: there shall be none.
    pub(crate) async fn wait(&mut self) -> bool {
        if Instant::now() + self.next > self.end {
            return false;
        }
        tokio::time::sleep(self.next).await;
        self.next = (self.next * 2).min(PAUSE_MAX);
        true
    }
}

/// Whether another attempt may do better, and does no harm: a read, or a write of what is to be there in the end.
pub(crate) fn is_passing(failure: &Failure) -> bool {
    matches!(failure.exit, Exit::Unavailable | Exit::Unknown)
}

/// How far it is, said on standard error.
pub(crate) struct Meter<'a> {
    pub(crate) line: Line<'a>,
    /// What is done with the keys: `exported` or `stored`.
    done: &'static str,
    began: Instant,
    said_at: Option<Instant>,
    pub(crate) keys: u64,
    pub(crate) bytes: u64,
    /// Of them, those of an earlier run.
    bytes_before: u64,
}

impl<'a> Meter<'a> {
    /// So often a person is told, and a program.
    const EVERY: [Duration; 2] = [Duration::from_millis(200), Duration::from_secs(5)];

    pub(crate) fn new(output: &'a Output, done: &'static str) -> Self {
        Self {
            line: Line::new(output),
            done,
            began: Instant::now(),
            said_at: None,
            keys: 0,
            bytes: 0,
            bytes_before: 0,
        }
    }

    /// Some were done by an earlier run.
    pub(crate) fn begin_at(&mut self, keys: u64, bytes: u64) {
        (self.keys, self.bytes, self.bytes_before) = (keys, bytes, bytes);
    }

    /// So many more, of an amount that is known or not; with how much of it is done.
    pub(crate) fn add(&mut self, keys: u64, bytes: u64, part: Option<(u64, u64)>) {
        self.keys += keys;
        self.bytes += bytes;
        let now = Instant::now();
        let every = Self::EVERY[usize::from(!self.line.is_drawn())];
        if self.said_at.unwrap_or(self.began) + every > now {
            return;
        }
        self.said_at = Some(now);
        let bar = part.map_or_else(String::new, |(done, all)| format!("{}  ", bar(done, all, done >= all)));
        let rate = per_second(self.bytes - self.bytes_before, now - self.began);
        let sentence = format!("{bar}{}, {}/s", self.sentence(), quantity::bytes(rate));
        let document = json!({ self.done: self.keys, "bytes": self.bytes, "of": part.map(|(_, all)| all) });
        self.line.write(&sentence, &document);
    }

    /// `1,234 keys exported, 1.2 MiB`
    pub(crate) fn sentence(&self) -> String {
        let keys = if self.keys == 1 { "key" } else { "keys" };
        format!("{} {keys} {}, {}", count(self.keys), self.done, quantity::bytes(self.bytes))
    }
}
