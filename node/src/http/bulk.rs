//! Many keys at once: `mget` and `batch`. Not atomic: each item stands for itself and has a status of its own.
//!
//! The whole document is understood before the first item is begun, so that a mistake in the last one leaves nothing
//! half done. Items then run side by side, a bounded number at a time, under one common deadline. When the client
//! goes away the items that have not begun never do.

use super::answer::{KeyText, ValueText, Written, absence, etag};
use super::app::{App, json};
use super::body::{BodyError, Kind};
use super::edge::RequestName;
use super::fault::Fault;
use super::head;
use super::keys::{Read, Write};
use super::problem::Problem;
use super::query::{self, Query};
use super::target;
use super::text;
use axum::extract::{Request, State};
use axum::response::Response;
use http::StatusCode;
use quorate_model::{Body, Durability, Key, Level, Table};
use serde::{Deserialize, Serialize};
use serde_json::{Value as Json, json as document};
use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;
use tokio::task::JoinSet;
use tokio::time::Instant;

/// The media type of a value that came as JSON text without one.
const TEXT: &str = "text/plain; charset=utf-8";

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct MgetDocument {
    keys: Vec<KeyDocument>,
}

/// A key: its text, or an object with its text or its base64url.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum KeyDocument {
    Text(String),
    Named(NamedKey),
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct NamedKey {
    key: Option<String>,
    #[serde(alias = "b64")]
    key_b64: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct BatchDocument {
    items: Vec<ItemDocument>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "snake_case")]
enum ItemDocument {
    Put(PutDocument),
    Delete(NamedKey),
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct PutDocument {
    key: Option<String>,
    key_b64: Option<String>,
    value: Option<String>,
    value_b64: Option<String>,
    content_type: Option<String>,
    ttl: Option<String>,
}

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
type Side = fn(&Query, &Table) -> Result<(Level, u8), query::QueryError>;

/// `POST /v1/tables/{t}/mget`
pub async fn mget(State(app): State<App>, request: Request) -> Result<Response, Problem> {
    let (common, request) = Common::read(app, request, query::MGET, Query::read_level).await?;
    let app = common.app.clone();
    let wanted: MgetDocument = app.document(request, Kind::Batch, app.limits.batch_bytes_max).await?;
    let keys = wanted.keys.into_iter().map(|key| match key {
        KeyDocument::Text(text) => NamedKey { key: Some(text), key_b64: None },
        KeyDocument::Named(named) => named,
    });
    let keys = distinct(keys.enumerate().map(|(at, key)| key.read(at, app.limits.key_bytes_max)), &app)?;
    let room = std::sync::Arc::new(std::sync::atomic::AtomicUsize::new(app.limits.batch_bytes_max));
    let results = side_by_side(&common, keys, move |common, key| {
        let room = Arc::clone(&room);
        async move { common.get(&key, &room).await }
    });
    Ok(json(StatusCode::OK, &document!({ "results": results.await })))
}

/// `POST /v1/tables/{t}/batch`
pub async fn batch(State(app): State<App>, request: Request) -> Result<Response, Problem> {
    head::refuse_operation(request.headers())?;
    head::refuse_conditions(request.headers())?;
    let (common, request) = Common::read(app, request, query::BATCH, Query::write_level).await?;
    let app = common.app.clone();
    let wanted: BatchDocument = app.document(request, Kind::Batch, app.limits.batch_bytes_max).await?;
    let mut bodies = Vec::with_capacity(wanted.items.len());
    let mut keys = Vec::with_capacity(wanted.items.len());
    for (at, item) in wanted.items.into_iter().enumerate() {
        let (key, body, ttl_ms) = item.read(at, &app)?;
        keys.push(key.read(at, app.limits.key_bytes_max));
        bodies.push((body, ttl_ms));
    }
    let keys = distinct(keys.into_iter(), &app)?;
    let items = keys.into_iter().zip(bodies).collect();
    let results = side_by_side(&common, items, |common, (key, (body, ttl_ms))| async move {
        common.put(&key, body, ttl_ms).await
    });
    Ok(json(StatusCode::OK, &document!({ "results": results.await })))
}

impl Common {
    async fn read(
        app: App,
        request: Request,
        takes: &[query::Name],
        level: Side,
    ) -> Result<(Self, Request), Problem> {
        app.expect_serving()?;
        let query = super::app::plain(&request, takes)?;
        let timeout = query.timeout(&app.limits);
        let table = app.table(request.uri().path(), timeout).await?;
        let on_table = |error: query::QueryError| Problem::from(error).on(&table);
        let (level, required) = level(&query, &table).map_err(on_table)?;
        let durability = query.durability(&table).map_err(on_table)?;
        let name =
            request.extensions().get::<RequestName>().map_or_else(|| "".into(), |name| Arc::clone(&name.0));
        let deadline = Instant::now() + timeout;
        Ok((Self { app, table, level, required, durability, deadline, name }, request))
    }

    fn left(&self) -> Duration {
        self.deadline.saturating_duration_since(Instant::now())
    }

    async fn get(self, key: &Key, room: &std::sync::atomic::AtomicUsize) -> Json {
        use std::sync::atomic::Ordering::Relaxed;
        let Common { table, level, required, .. } = &self;
        let read = Read { table, key, level: *level, required: *required, timeout: self.left() };
        let answer = match read.run(&self.app).await {
            Ok(answer) => answer,
            Err(problem) => return self.refused(key, &problem),
        };
        let version = answer.record.as_ref().map(|record| record.version.to_string());
        if let Some(fault) = absence(answer.record.as_ref()) {
            let mut item = self.refused(key, &Problem::from(fault));
            item["version"] = document!(version);
            return item;
        }
        let Some((record, content_type, payload)) =
            answer.record.as_ref().and_then(|record| match &record.body {
                Body::Value { content_type, payload } => Some((record, content_type, payload)),
                Body::Tombstone | Body::Expired => None,
            })
        else {
            unreachable!("what has no value was answered above");
        };
        let taken = room.fetch_update(Relaxed, Relaxed, |room| room.checked_sub(payload.len()));
        if taken.is_err() {
            let limit = self.app.limits.batch_bytes_max;
            return self.refused(key, &Problem::from(BodyError::TooLarge { kind: Kind::Batch, limit }));
        }
        self.app.metrics.value_bytes_out.inc_by(payload.len() as u64);
        item(
            key,
            StatusCode::OK,
            &document!({
                "version": version,
                "etag": etag(record.version),
                "content_type": content_type,
                "expires": record.expires_at.map(super::answer::timestamp),
                "acks": answer.acks,
                "required": answer.required,
                "consistency": answer.guarantee.as_str(),
            }),
            &ValueText::from(payload.as_ref()),
        )
    }

    async fn put(self, key: &Key, body: Body, ttl_ms: Option<u64>) -> Json {
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
        match write.run(&self.app).await {
            Ok(answer) => item(key, StatusCode::OK, &document!({}), &Written::of(&answer, false)),
            Err(problem) => self.refused(key, &problem),
        }
    }

    fn refused(&self, key: &Key, problem: &Problem) -> Json {
        let error = problem.document(&self.name);
        item(key, problem.code().status(), &document!({ "error": error }), &document!({}))
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

fn invalid(at: usize, why: &str) -> Problem {
    Fault::Document(format!("item {at} (counted from 0): {why}")).into()
}

/// Every key, if there are not too many and none comes twice.
fn distinct(
    keys: impl ExactSizeIterator<Item = Result<Key, Problem>>,
    app: &App,
) -> Result<Vec<Key>, Problem> {
    let limit = app.limits.batch_items_max;
    if keys.len() > limit {
        return Err(Fault::TooManyItems { got: keys.len(), limit }.into());
    }
    let keys = keys.collect::<Result<Vec<Key>, Problem>>()?;
    let mut seen = BTreeSet::new();
    match keys.iter().enumerate().find(|(_, key)| !seen.insert(*key)) {
        Some((at, _)) => Err(invalid(at, "its key comes twice; say once what you mean")),
        None => Ok(keys),
    }
}

impl NamedKey {
    fn read(self, at: usize, bytes_max: usize) -> Result<Key, Problem> {
        let bytes = match (self.key, self.key_b64) {
            (Some(text), None) => text.into_bytes(),
            (None, Some(text)) => {
                text::from_base64(&text).ok_or_else(|| invalid(at, "its key is not base64"))?
            }
            (Some(_), Some(_)) | (None, None) => {
                return Err(invalid(at, "a key is either \"key\" (text) or \"key_b64\" (base64url)"));
            }
        };
        target::checked(bytes, bytes_max).map_err(|error| invalid(at, &error.to_string()))
    }
}

impl ItemDocument {
    fn read(self, at: usize, app: &App) -> Result<(NamedKey, Body, Option<u64>), Problem> {
        match self {
            ItemDocument::Delete(key) => Ok((key, Body::Tombstone, None)),
            ItemDocument::Put(PutDocument { key, key_b64, value, value_b64, content_type, ttl }) => {
                let (payload, default) = match (value, value_b64) {
                    (Some(text), None) => (text.into_bytes(), TEXT),
                    (None, Some(text)) => {
                        let bytes = text::from_base64(&text);
                        (bytes.ok_or_else(|| invalid(at, "its value is not base64"))?, head::OCTETS)
                    }
                    (Some(_), Some(_)) | (None, None) => {
                        return Err(invalid(
                            at,
                            "a value is either \"value\" (text) or \"value_b64\" (base64url)",
                        ));
                    }
                };
                if payload.len() > app.limits.value_bytes_max {
                    let limit = app.limits.value_bytes_max;
                    return Err(BodyError::TooLarge { kind: Kind::Value, limit }.into());
                }
                let content_type = content_type.unwrap_or_else(|| default.to_owned());
                if !head::is_media_type(&content_type) {
                    return Err(invalid(at, "its content_type is not a media type"));
                }
                let ttl_ms = ttl.map(|ttl| query::ttl_ms(&ttl)).transpose();
                let ttl_ms = ttl_ms.map_err(|error| invalid(at, &error.to_string()))?;
                let body = Body::Value { content_type, payload: payload.into() };
                Ok((NamedKey { key, key_b64 }, body, ttl_ms))
            }
        }
    }
}
