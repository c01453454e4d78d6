//! Many keys at once: `mget` and `batch`. Not atomic: each item stands for itself and has a status of its own.
//!
//! The whole document is understood before the first item is begun, so that a mistake in the last one leaves nothing
//! half done. Items then run side by side, a bounded number at a time, under one common deadline. When the client
//! goes away the items that have not begun never do.

pub(super) mod documents;

use super::answer::{self, KeyText, ValueText, Written};
use super::app::{App, json, json_bytes};
use super::body::Kind;
use super::budget::{Share, held};
use super::fault::Fault;
use super::keys::{Read, Write};
use super::observe::RequestName;
use super::problem::Problem;
use super::{head, observe};
use crate::metrics::Operation;
use axum::extract::Request;
use axum::response::Response;
use documents::{BatchDocument, MgetDocument, distinct, few};
use http::StatusCode;
use quorate_api::OnTable;
use quorate_api::query::{Query, QueryError};
use quorate_model::{Body, Durability, Key, Level, Table};
use serde::Serialize;
use serde_json::{Value as Json, json as document};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::task::JoinSet;
use tokio::time::Instant;

/// What the whole request says, beside its items.
#[derive(Clone)]
struct Common {
    app: App,
    table: Arc<Table>,
    level: Level,
    required: u8,
    durability: Durability,
    deadline: Instant,
    name: Arc<str>,
}

/// Which side of a table's levels a request is on.
type Side = fn(&Query, &Table) -> Result<(Level, u8), QueryError>;

/// `POST /v1/tables/{t}/mget`
pub async fn mget(app: App, on: OnTable, query: Query, request: Request) -> Result<Response, Problem> {
    let name = begun(&app, &request)?;
    let common = Common::read(app, on, query, name, Query::read_level).await?;
    let app = common.app.clone();
    // Its memory counts until the request is answered.
    let (wanted, _held): (MgetDocument, _) =
        app.document(request, Kind::Batch, app.limits.batch_bytes_max).await?;
    let keys = wanted.keys.into_iter().enumerate();
    let keys = few(keys.map(|(at, key)| key.read(at, app.limits.key_bytes_max)), &app.limits)?;
    let room = Arc::new(Mutex::new(Room { left: app.limits.batch_bytes_max, share: None }));
    let shared = Arc::clone(&room);
    let results = side_by_side(&common, keys, move |common, key| {
        let room = Arc::clone(&shared);
        async move { common.get(&key, &room).await }
    });
    let body = serde_json::to_vec(&document!({ "results": results.await }));
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
    let (wanted, _held): (BatchDocument, _) =
        app.document(request, Kind::Batch, app.limits.batch_bytes_max).await?;
    let mut bodies = Vec::with_capacity(wanted.items.len());
    let mut keys = Vec::with_capacity(wanted.items.len());
    for (at, item) in wanted.items.into_iter().enumerate() {
        let (key, body, ttl_ms) = item.read(at, &app.limits)?;
        keys.push(key.read(at, app.limits.key_bytes_max));
        bodies.push((body, ttl_ms));
    }
    let keys = distinct(few(keys.into_iter(), &app.limits)?)?;
    let items = keys.into_iter().zip(bodies).collect();
    let results = side_by_side(&common, items, |common, (key, (body, ttl_ms))| async move {
        common.put(&key, body, ttl_ms).await
    });
    Ok(json(StatusCode::OK, &document!({ "results": results.await })))
}

/// Refuses what can't be begun. The request's id.
fn begun(app: &App, request: &Request) -> Result<Arc<str>, Problem> {
    app.expect_serving()?;
    super::app::plain(request)?;
    let name = request.extensions().get::<RequestName>();
    Ok(name.map_or_else(|| "".into(), |name| Arc::clone(&name.0)))
}

impl Common {
    async fn read(app: App, on: OnTable, query: Query, name: Arc<str>, level: Side) -> Result<Self, Problem> {
        let timeout = app.timeout(&query);
        let table = app.table(on.table, timeout).await?;
        let on_table = |error: QueryError| Problem::from(error).on(&table);
        let (level, required) = level(&query, &table).map_err(on_table)?;
        let durability = query.durability(&table).map_err(on_table)?;
        let deadline = Instant::now() + timeout;
        Ok(Self { app, table, level, required, durability, deadline, name })
    }

    fn left(&self) -> Duration {
        self.deadline.saturating_duration_since(Instant::now())
    }

    async fn get(self, key: &Key, room: &Mutex<Room>) -> Json {
        let started = Instant::now();
        let outcome = self.read_value(key, room).await;
        self.counted(Operation::Get, key, started, outcome)
    }

    async fn read_value(&self, key: &Key, room: &Mutex<Room>) -> Result<Json, Problem> {
        let Common { table, level, required, .. } = self;
        let read = Read { table, key, level: *level, required: *required, timeout: self.left() };
        let answer = read.run(&self.app).await?;
        let (record, content_type, payload) = answer::value_of(&answer)?;
        room.lock().expect("nothing panics while it holds this lock").take(payload.len(), &self.app)?;
        self.app.metrics.value_bytes_out.inc_by(payload.len() as u64);
        let described = document!({
            "version": record.version.to_string(),
            "etag": answer::etag(record.version),
            "content_type": content_type,
            "expires": record.expires_at.map(answer::timestamp),
            "acks": answer.acks,
            "required": answer.required,
            "consistency": answer.guarantee.as_str(),
        });
        Ok(item(key, StatusCode::OK, &described, &ValueText::from(payload.as_ref())))
    }

    async fn put(self, key: &Key, body: Body, ttl_ms: Option<u64>) -> Json {
        let started = Instant::now();
        let operation = match body {
            Body::Value { .. } => Operation::Put,
            Body::Tombstone | Body::Expired => Operation::Delete,
        };
        let Common { table, level, required, durability, .. } = &self;
        self.app.metrics.value_bytes_in.inc_by(body.value_bytes() as u64);
        let write = Write {
            table,
            key,
            body,
            level: *level,
            required: *required,
            durability: *durability,
            ttl_ms,
            operation: None,
            timeout: self.left(),
        };
        let outcome = write.run(&self.app).await;
        let outcome =
            outcome.map(|answer| item(key, StatusCode::OK, &document!({}), &Written::of(&answer, false)));
        self.counted(operation, key, started, outcome)
    }

    fn counted(
        &self,
        operation: Operation,
        key: &Key,
        started: Instant,
        outcome: Result<Json, Problem>,
    ) -> Json {
        let problem = outcome.as_ref().err();
        let status = problem.map_or(StatusCode::OK, |problem| problem.code().status());
        let ended = observe::outcome(status, problem);
        self.app.metrics.request(operation, self.level.into(), ended, started.elapsed());
        outcome.unwrap_or_else(|problem| {
            let error = problem.document(&self.name);
            let version = problem.header(&answer::QUORATE_VERSION);
            item(key, status, &document!({ "error": error, "version": version }), &document!({}))
        })
    }
}

/// One result: the key, its status, and the members of two documents.
fn item(key: &Key, status: StatusCode, first: &Json, second: &impl Serialize) -> Json {
    let mut all = serde_json::to_value(KeyText::from(key)).expect("a document of plain values");
    all["status"] = status.as_u16().into();
    for part in [first.clone(), serde_json::to_value(second).expect("a document of plain values")] {
        if let (Json::Object(all), Json::Object(part)) = (&mut all, part) {
            all.extend(part.into_iter().filter(|(_, value)| !value.is_null()));
        }
    }
    all
}

/// Runs every item, a bounded number at a time; results in the order of the items.
async fn side_by_side<T, F, W>(common: &Common, items: Vec<T>, work: W) -> Vec<Json>
where
    T: Send + 'static,
    F: Future<Output = Json> + Send + 'static,
    W: Fn(Common, T) -> F,
{
    let bug = || {
        common.app.metrics.panics.inc();
        let problem = Problem::from(Fault::Panicked);
        document!({ "status": problem.code().status().as_u16(), "error": problem.document(&common.name) })
    };
    let mut results: Vec<Option<Json>> = std::iter::repeat_with(|| None).take(items.len()).collect();
    let mut running = JoinSet::new();
    let mut waiting = items.into_iter().enumerate();
    loop {
        while running.len() < common.app.limits.batch_items_running_max {
            let Some((at, item)) = waiting.next() else { break };
            let work = work(common.clone(), item);
            running.spawn(async move { (at, work.await) });
        }
        match running.join_next().await {
            None => break,
            Some(Ok((at, result))) => results[at] = Some(result),
            // A panic: its place stays empty, and is filled below.
            Some(Err(_)) => {}
        }
    }
    results.into_iter().map(|result| result.unwrap_or_else(bug)).collect()
}
