//! Stores the records of a segment: many keys a request, and a value that is too large for that by itself.

use super::failed::failed;
use super::pace::Pace;
use super::time::{now_ms, text};
use crate::bulk::{Pauses, is_passing, store};
use crate::context::Context;
use crate::exit::{Exit, Failure};
use crate::output::readable;
use quorate_api::Code;
use quorate_api::document::{KeyName, PutItem};
use quorate_api::query::TimeToLive;
use quorate_api::text::to_base64url;
use quorate_backup::Repository;
use quorate_backup::record::Record;
use quorate_backup::segment::Reader;
use quorate_backup::snapshot::Segment;
use quorate_client::{Client, Error, Write};
use quorate_model::OperationId;
use std::sync::Arc;

/// Keys that one request stores at most, unless the server takes fewer.
const ITEMS_MAX: usize = 500;

/// Bytes of a request, about, unless the server takes fewer.
const BYTES_MAX: usize = 1 << 20;

/// What an item takes beside its key and its value.
const ITEM_BYTES: usize = 300;

/// What was stored.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Stored {
    /// Keys.
    pub keys: u64,
    /// Bytes of keys and values.
    pub bytes: u64,
    /// Keys that were left out: the time of their values has passed.
    pub over: u64,
}

/// What stores.
#[derive(Clone)]
pub struct Putting {
    client: Client,
    repository: Repository,
    pace: Arc<Pace>,
    items_max: usize,
    bytes_max: usize,
    /// Largest document that a server takes.
    document_max: usize,
}

impl Stored {
    /// More of it.
    pub fn join(&mut self, other: &Self) {
        self.keys += other.keys;
        self.bytes += other.bytes;
        self.over += other.over;
    }
}

impl Putting {
    /// By the limits of the cluster.
    pub async fn new(
        context: &Context,
        client: &Client,
        repository: &Repository,
        pace: Arc<Pace>,
    ) -> Result<Self, Failure> {
        let limits = context.told("asking for the limits", client.limits()).await?;
        let limit = |name: &str| limits.get(None, name).and_then(|limit| usize::try_from(limit).ok());
        let document_max = limit("batch_bytes_max").unwrap_or(BYTES_MAX);
        Ok(Self {
            client: client.clone(),
            repository: repository.clone(),
            pace,
            items_max: limit("batch_items_max").unwrap_or(ITEMS_MAX).clamp(1, ITEMS_MAX),
            bytes_max: document_max.min(BYTES_MAX),
            document_max,
        })
    }

    /// Stores a segment into a table, as the writes of this client.
    pub async fn segment(&self, table: &str, run: &str, segment: &Segment) -> Result<Stored, Failure> {
        let bytes = self.repository.segment(segment).await.map_err(failed)?;
        let bad = |fault| failed(self.repository.bad_segment(segment, fault));
        let mut reader = Reader::new(&bytes).map_err(bad)?;
        let mut stored = Stored::default();
        while let Some(records) = reader.block().map_err(bad)? {
            let (mut batch, mut size) = (Vec::new(), 0);
            for record in records {
                if record.expires_at.is_some_and(|at| at <= now_ms()) {
                    stored.over += 1;
                    continue;
                }
                stored.keys += 1;
                stored.bytes += record.bytes();
                let bytes = bytes_of(&record);
                if bytes > self.document_max {
                    self.alone(table, run, record).await?;
                    continue;
                }
                if batch.len() >= self.items_max || (size + bytes > self.bytes_max && !batch.is_empty()) {
                    self.batch(table, run, std::mem::take(&mut batch), size).await?;
                    size = 0;
                }
                size += bytes;
                batch.push(item(record));
            }
            self.batch(table, run, batch, size).await?;
        }
        Ok(stored)
    }

    async fn batch(&self, table: &str, run: &str, items: Vec<PutItem>, bytes: usize) -> Result<(), Failure> {
        if items.is_empty() {
            return Ok(());
        }
        self.pace.take(bytes as u64).await;
        let id = |_: usize| Some(format!("{run}:1"));
        let name = |at: usize| {
            let PutItem { key, key_b64, .. } = &items[at];
            let key = key.as_ref().or(key_b64.as_ref()).map(|key| readable(key.as_bytes()));
            format!("key {}", key.unwrap_or_default())
        };
        store(&self.client, (table, &Write::default()), &items, id, name).await
    }

    /// A value that is larger than a batch. What it says of its end is relative, so a second attempt says something
    /// else: that it is refused for that means that the first one was stored.
    async fn alone(&self, table: &str, run: &str, record: Record) -> Result<(), Failure> {
        self.pace.take(record.bytes()).await;
        let operation = OperationId { client: run.to_owned(), sequence: 1 };
        let mut pauses = Pauses::new();
        loop {
            let left = record.expires_at.map(|at| at.saturating_sub(now_ms()).max(1));
            let write = Write {
                ttl: Some(left.map_or(TimeToLive::Unlimited, TimeToLive::Millis)),
                content_type: Some(record.content_type.clone()).filter(|it| !it.is_empty()),
                operation: Some(operation.clone()),
                ..Write::default()
            };
            let put = self.client.put(table, &record.key, record.value.clone(), &write).await;
            let error = match put {
                Ok(_) => return Ok(()),
                Err(error) if is_stored(&error) => return Ok(()),
                Err(error) => error,
            };
            let failure = Failure::from(error);
            if !is_passing(&failure) || !pauses.wait().await {
                let sentence = format!("key {} is not stored: {}", readable(&record.key), failure.sentence);
                let exit = if failure.exit == Exit::Unknown { Exit::Unavailable } else { failure.exit };
                return Err(Failure { exit, sentence, ..failure });
            }
        }
    }
}

/// Whether a refusal says that this write was applied before.
fn is_stored(error: &Error) -> bool {
    let code = error.problem().and_then(quorate_api::document::Problem::known_code);
    matches!(code, Some(Code::IdempotencyReused | Code::IdempotencyExpired))
}

/// About how many bytes a record takes in a document: base64 where it is no text.
fn bytes_of(record: &Record) -> usize {
    let encoded = |bytes: &[u8]| match std::str::from_utf8(bytes) {
        // Control characters take six.
        Ok(text) => {
            text.len()
                + 5 * text.bytes().filter(|byte| *byte < 0x20 || *byte == b'"' || *byte == b'\\').count()
        }
        Err(_) => bytes.len().div_ceil(3) * 4,
    };
    encoded(&record.key) + encoded(&record.value) + record.content_type.len() + ITEM_BYTES
}

/// A record as a batch says it. One without an end has none, whatever its table has for values that name none.
fn item(record: Record) -> PutItem {
    let KeyName { key, key_b64 } = KeyName::from(record.key.as_slice());
    let (value, value_b64) = match String::from_utf8(record.value) {
        Ok(text) => (Some(text), None),
        Err(error) => (None, Some(to_base64url(error.as_bytes()))),
    };
    let (ttl, expires_at) = match record.expires_at {
        Some(at) => (None, Some(text(at))),
        None => (Some(TimeToLive::Unlimited.to_string()), None),
    };
    let content_type = Some(record.content_type).filter(|it| !it.is_empty());
    PutItem { key, key_b64, value, value_b64, content_type, ttl, expires_at }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(value: &[u8], expires_at: Option<u64>) -> Record {
        Record {
            key: b"\xff".to_vec(),
            value: value.to_vec(),
            content_type: "text/html".to_owned(),
            version: "1-1.1.1".to_owned(),
            expires_at,
        }
    }

    #[test]
    fn a_record_keeps_its_bytes_its_type_and_its_end() {
        let item = item(record("ü".as_bytes(), Some(1_000)));
        assert_eq!((item.key.as_deref(), item.key_b64.as_deref()), (None, Some("_w")));
        assert_eq!((item.value.as_deref(), item.content_type.as_deref()), (Some("ü"), Some("text/html")));
        assert_eq!((item.ttl, item.expires_at.as_deref()), (None, Some("1970-01-01T00:00:01.000Z")));
        let item = super::item(record(b"\x00\xff", None));
        assert_eq!((item.value, item.value_b64.as_deref()), (None, Some("AP8")));
        assert_eq!((item.ttl.as_deref(), item.expires_at), (Some("none"), None));
    }

    #[test]
    fn a_document_has_room_for_what_is_put_into_it() {
        for value in [&b"plain"[..], b"\x00\x01\"\\", &[0xff; 100], "ü".repeat(50).as_bytes()] {
            let record = record(value, Some(1));
            let bytes = bytes_of(&record);
            let document = serde_json::to_vec(&item(record)).expect("plain");
            assert!(document.len() + 100 <= bytes, "{} of {bytes}", document.len());
        }
    }
}
