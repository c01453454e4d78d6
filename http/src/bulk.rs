//! Many keys at once: `mget` and `batch`. Not atomic: each item stands for itself and has a status of its own.
//!
//! The whole document is understood before the first item is begun, so that a mistake in the last one leaves nothing
//! half done. Items then run side by side, a bounded number at a time, under one common deadline. When the client
//! goes away the items that have not begun never do.

pub(super) mod documents;

use super::admit::expect_keys;
use super::answer;
use super::app::{App, json, json_bytes};
use super::body::Kind;
use super::budget::{Share, held};
use super::fault::Fault;
use super::head::HeadError;
use super::keys;
use super::observe::RequestName;
use super::problem::Problem;
use super::{head, observe};
use crate::metrics::Operation;
use axum::extract::Request;
use axum::response::Response;
use documents::{Item, distinct, few, key_argument, named_key};
use http::StatusCode;
use quorate_api::OnTable;
use quorate_api::document::{Batch, KeyResult, Mget, Results};
use quorate_api::header::QUORATE_VERSION;
use quorate_api::query::{Query, QueryError};
use quorate_model::{Body, Durability, Key, Level, OperationId, Permission, Table};
use quorate_node::core::{Attempt, Expiry, GetRequest, PutRequest};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::time::Instant;

/// What the whole request says, beside its items.
#[derive(Clone)]
struct Common {
    app: App,
    table: Arc<Table>,
    level: Level,
    durability: Durability,
    /// Whether items that have operation ids are not the first attempts of their writes.
    retry: bool,
    deadline: Instant,
    name: Arc<str>,
}

/// What an item of a batch writes, its key aside.
struct Written {
    body: Body,
    expiry: Option<Expiry>,
    operation: Option<OperationId>,
}

/// Which side of a table's levels a request is on.
type Side = fn(&Query, &Table) -> Result<Level, QueryError>;

/// `POST /v1/tables/{t}/mget`
pub async fn mget(app: App, on: OnTable, query: Query, request: Request) -> Result<Response, Problem> {
    let name = begun(&app, &request)?;
    let common = Common::read(app, on, query, name, Query::read_level).await?;
    let app = common.app.clone();
    // Its memory counts until the request is answered.
    let (wanted, _held): (Mget, _) = app.document(request, Kind::Batch, app.limits.batch_bytes_max).await?;
    let keys = wanted.keys.into_iter().enumerate();
    let keys = few(keys.map(|(at, key)| key_argument(at, key, app.limits.key_bytes_max)), &app.limits)?;
    expect_keys(&app, Permission::Read, &common.table, keys.iter())?;
    let room = Arc::new(Mutex::new(Room { left: app.limits.batch_bytes_max, share: None }));
    let shared = Arc::clone(&room);
    let results = side_by_side(&common, keys, move |common, key| {
        let room = Arc::clone(&shared);
        async move { common.get(key, &room).await }
    });
    let body = serde_json::to_vec(&Results { results: results.await });
    let body = body.expect("a document of plain values");
    let share = room.lock().expect("nothing panics while it holds this lock").share.take();
    Ok(json_bytes(StatusCode::OK, held(body.into(), share)))
}

/// The room for the values of one `mget`'s answer.
struct Room {
    /// Bytes of values that still fit.
    left: usize,
    /// Its share of the memory for all answers.
    share: Option<Share>,
}

impl Room {
    /// How much larger a value is in JSON than alone, and while JSON is made of it.
    const TIMES: usize = 2;

    /// Takes room for one value.
    fn take(&mut self, bytes: usize, app: &App) -> Result<(), Problem> {
        let limit = app.limits.batch_bytes_max;
        let left = self.left.checked_sub(bytes).ok_or(Fault::LeftOut { bytes, limit })?;
        app.answers.take(&mut self.share, Self::TIMES * bytes).map_err(|_| app.answers_full())?;
        self.left = left;
        Ok(())
    }
}

/// `POST /v1/tables/{t}/batch`
pub async fn batch(app: App, on: OnTable, query: Query, request: Request) -> Result<Response, Problem> {
    head::refuse_conditions(request.headers())?;
    let name = begun(&app, &request)?;
    let common = Common::read(app, on, query, name, Query::write_level).await?;
    let app = common.app.clone();
    let (wanted, _held): (Batch, _) = app.document(request, Kind::Batch, app.limits.batch_bytes_max).await?;
    let mut writes = Vec::with_capacity(wanted.items.len());
    let mut keys = Vec::with_capacity(wanted.items.len());
    for (at, item) in wanted.items.into_iter().enumerate() {
        let Item { key, body, expiry, operation } = documents::item(at, item, &app.limits)?;
        keys.push(named_key(at, key, app.limits.key_bytes_max));
        writes.push(Written { body, expiry, operation });
    }
    let keys = distinct(few(keys.into_iter(), &app.limits)?)?;
    expect_keys(&app, Permission::Write, &common.table, keys.iter())?;
    if common.retry && writes.iter().any(|write| write.operation.is_none()) {
        return Err(HeadError::RetryWithoutOperation.into());
    }
    if writes.iter().any(|write| write.operation.is_some()) {
        keys::expect_operations(&common.table, common.level)?;
    }
    let items = keys.into_iter().zip(writes).collect();
    let results =
        side_by_side(&common, items, |common, (key, write)| async move { common.put(key, write).await });
    Ok(json(StatusCode::OK, &Results { results: results.await }))
}

/// Refuses what can't be begun. The request's id.
fn begun(app: &App, request: &Request) -> Result<Arc<str>, Problem> {
    app.expect_coordinating()?;
    super::app::plain(request)?;
    let name = request.extensions().get::<RequestName>();
    Ok(name.map_or_else(|| "".into(), |name| Arc::clone(&name.0)))
}

impl Common {
    async fn read(app: App, on: OnTable, query: Query, name: Arc<str>, level: Side) -> Result<Self, Problem> {
        let timeout = app.timeout(&query);
        let table = app.table_of_keys(on.table, timeout).await?;
        let on_table = |error: QueryError| Problem::from(error).on(&table);
        let level = level(&query, &table).map_err(on_table)?;
        let durability = query.durability(&table).map_err(on_table)?;
        let (deadline, retry) = (Instant::now() + timeout, query.retry);
        Ok(Self { app, table, level, durability, retry, deadline, name })
    }

    fn left(&self) -> Duration {
        self.deadline.saturating_duration_since(Instant::now())
    }

    async fn get(self, key: Key, room: &Mutex<Room>) -> KeyResult {
        let started = Instant::now();
        let request =
            GetRequest { table: Arc::clone(&self.table), key, level: self.level, timeout: self.left() };
        let outcome = self.value(&request, room).await;
        self.counted(Operation::Get, &request.key, started, outcome)
    }

    async fn value(&self, request: &GetRequest, room: &Mutex<Room>) -> Result<KeyResult, Problem> {
        let answer = keys::get(&self.app, request).await?;
        let (record, content_type, payload) = answer::value_of(&answer)?;
        room.lock().expect("nothing panics while it holds this lock").take(payload.len(), &self.app)?;
        self.app.metrics.value_bytes_out.inc_by(payload.len() as u64);
        let described = KeyResult {
            version: Some(record.version.to_string()),
            etag: Some(answer::etag(record.version)),
            content_type: Some(content_type.to_owned()),
            expires: record.expires_at.map(answer::timestamp),
            acks: Some(answer.acks),
            required: Some(answer.required),
            consistency: Some(answer.guarantee.as_str().into()),
            consistency_reason: answer::reason(answer.lowered),
            ..done(&request.key)
        };
        Ok(described.with_value(payload))
    }

    async fn put(self, key: Key, write: Written) -> KeyResult {
        let started = Instant::now();
        let Written { body, expiry, operation: id } = write;
        let operation = match body {
            Body::Value { .. } => Operation::Put,
            Body::Tombstone | Body::Expired => Operation::Delete,
        };
        self.app.metrics.value_bytes_in.inc_by(body.value_bytes() as u64);
        let request = PutRequest {
            table: Arc::clone(&self.table),
            key,
            level: self.level,
            durability: self.durability,
            expiry,
            operation: id.map(|id| Attempt { id, retry: self.retry }),
            timeout: self.left(),
        };
        let outcome =
            keys::put(&self.app, &request, body).await.map_err(|problem| problem.of_retry(self.retry));
        let outcome = outcome.map(|answer| done(&request.key).with_write(answer::written(&answer, false)));
        self.counted(operation, &request.key, started, outcome)
    }

    /// The item's result, counted as the request that it could have been.
    fn counted(
        &self,
        operation: Operation,
        key: &Key,
        started: Instant,
        outcome: Result<KeyResult, Problem>,
    ) -> KeyResult {
        let problem = outcome.as_ref().err();
        let status = problem.map_or(StatusCode::OK, |problem| problem.code().status());
        let ended = observe::outcome(status, problem);
        self.app.metrics.request(operation, self.level.into(), ended, started.elapsed());
        outcome.unwrap_or_else(|problem| KeyResult {
            error: Some(problem.document(&self.name)),
            version: problem.header(&QUORATE_VERSION).map(str::to_owned),
            ..KeyResult::of(key.as_bytes(), status.as_u16())
        })
    }
}

/// The result of an item that went well.
fn done(key: &Key) -> KeyResult {
    KeyResult::of(key.as_bytes(), StatusCode::OK.as_u16())
}

/// Runs every item, a bounded number at a time; results in the order of the items.
async fn side_by_side<T, F: Future<Output = KeyResult>>(
    common: &Common,
    items: Vec<T>,
    work: impl Fn(Common, T) -> F,
) -> Vec<KeyResult> {
    let bug = || {
        common.app.metrics.panics.inc();
        let problem = Problem::from(Fault::Panicked);
        let error = Some(problem.document(&common.name));
        KeyResult { status: problem.code().status().as_u16(), error, ..KeyResult::default() }
    };
    let work = items.into_iter().map(|item| work(common.clone(), item));
    let results = common.app.core.together(work, common.app.limits.batch_items_running_max).await;
    results.into_iter().map(|result| result.unwrap_or_else(bug)).collect()
}
