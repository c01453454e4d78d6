//! A session: a client that goes on trying, and knows what became of each write.
//!
//! [`Client`] asks each endpoint at most once and leaves the rest to its caller, which is right for a command that a
//! person typed. A program that runs for days wants more: its requests shall outlive a node that is killed, and no write
//! may be applied twice for that. A session does so, over a client:
//!
//! ```text
//!   call ──> pick an endpoint ──> attempt ──> judge ──┬── the answer ──────────────> the caller
//!               ^   ^                                 ├── the end ─────────────────> the caller, as `Failed`
//!               │   └────────────── elsewhere ────────┤
//!               └─── pause, next round ── all tried ──┘   until the deadline
//! ```
//!
//! - **Operation ids.** Each write has one of its own, unless the caller gives it one. Where the outcome of an attempt is
//!   unknown, the same write is sent again as a retry under the same id, which is never applied twice; never under another
//!   one. Writes in flight have different client ids ([`lanes`]), since a node refuses a number that was overtaken.
//! - **Retries by outcome** ([`judge`]): what certainly had no effect goes elsewhere at once, and so does a read.
//! - **A deadline** for all of it ([`tries`]). An attempt may take half of what is left, and the server is told so. Pauses
//!   grow from round to round, are random, and keep to `Retry-After`.
//! - **Endpoints that fail** are set aside for a while ([`health`]): others are asked first.
//! - **Owners.** A key's request goes to one of its owners, by a map of its table that is made once in an epoch ([`map`]).
//!   Any node would do: a stale map costs a hop, and no promise.
//! - **Hedges** ([`hedge`]): a read that takes long is sent to a second node too, if that is wanted.
//!
//! # Invariants
//!
//! - One write has one operation id, however often it is sent; without one it is sent again only if it had no effect.
//! - What was of unknown outcome once stays so, whatever is refused later, until a retry is answered.
//! - No call takes longer than its deadline, whatever nodes do.
//!
//! # What is left out
//!
//! Scans, tables and members: ask the [`Session::client`]. Items of `mget` and `batch` that failed each for itself: they
//! are the caller's, with their own errors.

mod engine;
mod failed;
mod health;
mod hedge;
mod judge;
mod lanes;
mod map;
mod options;
mod tries;

pub use failed::Failed;
pub use hedge::Hedge;
pub(crate) use map::Map;
pub use options::{Routing, SessionOptions};

use crate::answer::{Answered, Found, MgetItem};
use crate::call::Call;
use crate::client::{Client, Read, Write, batch_results, mget_items, written};
use engine::{Engine, Work};
use lanes::Lanes;
use quorate_api::Code;
use quorate_api::document::{BatchItem, KeyResult, Written};
use quorate_model::Level;
use std::collections::HashSet;
use std::sync::{Arc, Mutex};

/// The code of a write that has an operation id and a level below the table's `w`; also of a level that is none.
const BELOW: Code = Code::InvalidConsistency;

/// A client that goes on trying until a deadline. Cloning is cheap; clones are one session.
#[derive(Clone, Debug)]
pub struct Session {
    client: Client,
    engine: Arc<Engine>,
    lanes: Arc<Lanes>,
    /// Levels that take no operation id, since they are below their table's `w`.
    below: Arc<Mutex<HashSet<(String, Level)>>>,
}

impl Session {
    /// A session over a client. Its endpoints are where it begins; the cluster names the others.
    pub fn new(client: Client, options: &SessionOptions) -> Self {
        let engine = Arc::new(Engine::new(client.clone(), options));
        Self { client, engine, lanes: Arc::new(Lanes::draw()), below: Arc::default() }
    }

    /// The client beneath, for all that a session does not do.
    pub fn client(&self) -> &Client {
        &self.client
    }

    /// Reads one key.
    pub async fn get(&self, table: &str, key: &[u8], read: &Read) -> Result<Answered<Found>, Failed> {
        let call = self.client.get_call(table, key, read);
        let work = Work { place: Some((table, key)), is_hedged: true, ..Work::of(&call) };
        match self.engine.perform(&work).await {
            Ok(answer) => Client::found(Ok(answer)).map_err(Failed::of),
            Err(Failed { error, operation, attempts }) => {
                Client::found(Err(error)).map_err(|error| Failed { error, operation, attempts })
            }
        }
    }

    /// Stores a value.
    pub async fn put(
        &self,
        table: &str,
        key: &[u8],
        value: Vec<u8>,
        write: &Write,
    ) -> Result<Answered<Written>, Failed> {
        self.write(table, key, write, |write| self.client.put_call(table, key, value.clone(), write)).await
    }

    /// Deletes a key (writes a tombstone). `ttl` and `content_type` do not apply.
    pub async fn delete(&self, table: &str, key: &[u8], write: &Write) -> Result<Answered<Written>, Failed> {
        self.write(table, key, write, |write| self.client.delete_call(table, key, write)).await
    }

    /// Reads many keys; the results come in their order, each with its own status.
    pub async fn mget(&self, table: &str, keys: &[Vec<u8>], read: &Read) -> Result<Vec<MgetItem>, Failed> {
        let call = self.client.mget_call(table, keys, read);
        let answer = self.engine.perform(&Work::of(&call)).await?;
        mget_items(&call, &answer, keys).map_err(Failed::of)
    }

    /// Writes many keys, each at most once; the results come in their order, each with its own status. Each item has an
    /// operation id of its own, so the whole is repeated where its outcome is unknown. To be able to repeat it later too,
    /// give the items their ids.
    pub async fn batch(
        &self,
        table: &str,
        mut items: Vec<BatchItem>,
        write: &Write,
    ) -> Result<Vec<KeyResult>, Failed> {
        let (level, count) = (write.consistency.or(write.w), items.len());
        let is_numbered = items.iter().all(|item| item.idempotency_key.is_some());
        if is_numbered || self.is_below(table, level) {
            return self.send_batch(table, items, write, is_numbered).await;
        }
        let bare = items.clone();
        let lane = self.lanes.lane();
        for item in items.iter_mut().filter(|item| item.idempotency_key.is_none()) {
            item.idempotency_key = Some(lane.next_id().to_string());
        }
        let sent = self.send_batch(table, items, write, true).await;
        let is_below = |result: &KeyResult| {
            result.error.as_ref().is_some_and(|problem| problem.known_code() == Some(BELOW))
        };
        match sent {
            Ok(results) if level.is_some() && count > 0 && results.iter().all(is_below) => {}
            Err(failed) if level.is_some() && failed.is(BELOW) => {}
            sent => return sent,
        }
        self.note_below(table, level);
        self.send_batch(table, bare, write, false).await
    }

    async fn send_batch(
        &self,
        table: &str,
        items: Vec<BatchItem>,
        write: &Write,
        has_ids: bool,
    ) -> Result<Vec<KeyResult>, Failed> {
        let count = items.len();
        let call = self.client.batch_call(table, items, write);
        let answer = self.engine.perform(&Work { has_ids, ..Work::of(&call) }).await?;
        batch_results(&call, &answer, count).map_err(Failed::of)
    }

    /// Sends a write that `call` makes, under the caller's operation id, or one of this session's.
    async fn write(
        &self,
        table: &str,
        key: &[u8],
        write: &Write,
        call: impl Fn(&Write) -> Call,
    ) -> Result<Answered<Written>, Failed> {
        let level = write.consistency.or(write.w);
        if write.operation.is_none() && !write.retry && !self.is_below(table, level) {
            let lane = self.lanes.lane();
            let numbered = Write { operation: Some(lane.next_id()), ..write.clone() };
            match self.send_write(table, key, &numbered, &call(&numbered)).await {
                // Below the table's w none is taken, and the node has done nothing: once more without.
                Err(failed) if level.is_some() && failed.is(BELOW) => self.note_below(table, level),
                sent => return sent,
            }
        }
        self.send_write(table, key, write, &call(write)).await
    }

    async fn send_write(
        &self,
        table: &str,
        key: &[u8],
        write: &Write,
        call: &Call,
    ) -> Result<Answered<Written>, Failed> {
        let named = |failed: Failed| Failed { operation: write.operation.clone(), ..failed };
        let has_ids = write.operation.is_some();
        let work = Work { place: Some((table, key)), has_ids, ..Work::of(call) };
        let answer = self.engine.perform(&work).await.map_err(named)?;
        written(call, answer).map_err(|error| named(Failed::of(error)))
    }

    fn is_below(&self, table: &str, level: Option<Level>) -> bool {
        let below = self.below.lock().expect("nothing panics while it holds this lock");
        level.is_some_and(|level| below.contains(&(table.to_owned(), level)))
    }

    fn note_below(&self, table: &str, level: Option<Level>) {
        let mut below = self.below.lock().expect("nothing panics while it holds this lock");
        below.extend(level.map(|level| (table.to_owned(), level)));
    }
}
