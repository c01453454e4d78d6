//! One key: read, write, delete, and where it lives.

use super::answer::{self, Written};
use super::app::{App, json};
use super::body::{Kind, Received};
use super::fault::Fault;
use super::head;
use super::problem::Problem;
use crate::metrics::LevelLabel;
use axum::extract::Request;
use axum::response::{IntoResponse as _, Response};
use http::request::Parts;
use http::{HeaderMap, StatusCode};
use quorate_api::OnKey;
use quorate_api::query::{Query, QueryError};
use quorate_coordinator::{GetAnswer, GetError, PutAnswer, PutError};
use quorate_model::{Body, Durability, Key, Level, Table};
use quorate_node::core::{Attempt, GetRequest, PutRequest};
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;

/// `GET` and `HEAD`.
pub async fn read(app: App, on: OnKey, query: Query, request: Request) -> Result<Response, Problem> {
    let started = Instant::now();
    let (parts, _) = request.into_parts();
    app.expect_serving()?;
    head::refuse_operation(&parts.headers)?;
    let known = head::none_match(&parts.headers)?;
    let OnKey { table, key } = on;
    let timeout = app.timeout(&query);
    let table = app.table(table, timeout).await?;
    let (level, required) = query.read_level(&table).map_err(|error| Problem::from(error).on(&table))?;
    let timeout = timeout.saturating_sub(started.elapsed());
    let read = Read { table: &table, key: &key, level, required, timeout };
    let answer = read.run(&app).await?;
    let mut headers = answer::read_headers(&answer);
    if query.trace {
        answer::server_timing(&mut headers, started.elapsed(), &answer.replicas);
    }
    let problem = |problem: Problem| problem.with_headers(headers.clone()).on(&table).at(level);
    let (record, content_type, payload) = answer::value_of(&answer).map_err(problem)?;
    let status = if known.names(&answer::etag(record.version)) {
        StatusCode::NOT_MODIFIED
    } else {
        let accepted = head::expect_accepted(&parts.headers, content_type);
        accepted.map_err(|error| problem(error.into()))?;
        StatusCode::OK
    };
    answer::value_headers(&mut headers, record, content_type);
    let body = if status == StatusCode::OK { payload.clone() } else { bytes::Bytes::new() };
    let body = app.answered(body).map_err(|full| full.on(&table).at(level))?;
    app.metrics.value_bytes_out.inc_by(body.len() as u64);
    Ok(finish(status, headers, body, level))
}

/// `PUT` and `POST`.
pub async fn write(app: App, on: OnKey, query: Query, request: Request) -> Result<Response, Problem> {
    let started = Instant::now();
    let (parts, body) = request.into_parts();
    let content_type = head::content_type(&parts.headers);
    let prepared = Prepared::read(&app, on, query, &parts, started).await?;
    let content_type = content_type?;
    head::expect_length(&parts.headers)?;
    let bytes_max = app.limits.value_bytes_max;
    let received = app.bodies.receive(&parts.headers, body, Kind::Value, bytes_max, &app.limits).await;
    // Room for the body is held until the write is answered.
    let Received { bytes, room: _held } = received.map_err(|error| prepared.problem(error))?;
    app.metrics.value_bytes_in.inc_by(bytes.len() as u64);
    prepared.run(&app, Body::Value { content_type, payload: bytes }, started).await
}

/// `DELETE`.
pub async fn delete(app: App, on: OnKey, query: Query, request: Request) -> Result<Response, Problem> {
    let started = Instant::now();
    let (parts, _) = request.into_parts();
    let prepared = Prepared::read(&app, on, query, &parts, started).await?;
    prepared.run(&app, Body::Tombstone, started).await
}

/// A read whose every word has been understood.
pub(super) struct Read<'a> {
    pub table: &'a Arc<Table>,
    pub key: &'a Key,
    pub level: Level,
    pub required: u8,
    pub timeout: Duration,
}

impl Read<'_> {
    /// Asks the core, and counts what the owners said.
    pub async fn run(self, app: &App) -> Result<GetAnswer, Problem> {
        let Read { table, key, level, required, timeout } = self;
        app.expect_room(0).map_err(|full| full.at(level))?;
        let request = GetRequest { table: Arc::clone(table), key: key.clone(), required, timeout };
        match app.core.get(request).await {
            Ok(answer) => {
                app.metrics.replicas(&answer.replicas);
                app.metrics.repairs.inc_by(u64::from(answer.repaired));
                Ok(answer)
            }
            Err(error) => {
                app.metrics.replicas(match &error {
                    GetError::Unavailable { replicas, .. }
                    | GetError::Timeout { replicas, .. }
                    | GetError::Divergent { replicas } => replicas,
                });
                Err(located(app, Problem::from(error).at(level), table, key))
            }
        }
    }
}

/// A write whose every word has been understood, but for its body.
pub(super) struct Write<'a> {
    pub table: &'a Arc<Table>,
    pub key: &'a Key,
    pub body: Body,
    pub level: Level,
    pub required: u8,
    pub durability: Durability,
    pub ttl_ms: Option<u64>,
    pub operation: Option<Attempt>,
    pub timeout: Duration,
}

impl Write<'_> {
    /// Asks the core, and counts what the owners said.
    pub async fn run(self, app: &App) -> Result<PutAnswer, Problem> {
        let Write { table, key, body, level, required, durability, ttl_ms, operation, timeout } = self;
        let idempotent = operation.is_some();
        app.expect_room(body.value_bytes()).map_err(|full| full.at(level).with_operation(idempotent))?;
        let request = PutRequest {
            table: Arc::clone(table),
            key: key.clone(),
            body,
            required,
            durability,
            ttl_ms,
            operation,
            timeout,
        };
        match app.core.put(request).await {
            Ok(answer) => {
                app.metrics.replicas(&answer.replicas);
                Ok(answer)
            }
            Err(error) => {
                app.metrics.replicas(match &error {
                    PutError::Unavailable { replicas, .. } | PutError::Unknown { replicas, .. } => replicas,
                    PutError::IdempotencyExpired
                    | PutError::IdempotencyReused
                    | PutError::IdempotencyBelowTable { .. }
                    | PutError::Exhausted => &[],
                });
                let problem = Problem::from(error).at(level).with_operation(idempotent);
                Err(located(app, problem, table, key))
            }
        }
    }
}

fn located(app: &App, problem: Problem, table: &Table, key: &Key) -> Problem {
    let problem = problem.on(table);
    match app.shard_of(table, key) {
        Some(shard) => problem.in_shard(shard),
        None => problem,
    }
}

/// What a write's head says.
struct Prepared {
    table: Arc<Table>,
    key: Key,
    query: Query,
    level: Level,
    required: u8,
    durability: Durability,
    operation: Option<Attempt>,
    timeout: Duration,
    minimal: bool,
}

impl Prepared {
    async fn read(
        app: &App,
        on: OnKey,
        query: Query,
        parts: &Parts,
        started: Instant,
    ) -> Result<Self, Problem> {
        app.expect_serving()?;
        head::refuse_conditions(&parts.headers)?;
        let operation = head::operation(&parts.headers)?.map(|id| Attempt { id, retry: query.retry });
        if query.retry && operation.is_none() {
            return Err(head::HeadError::RetryWithoutOperation.into());
        }
        let minimal = head::prefers_minimal(&parts.headers);
        if !minimal {
            head::expect_accepted(&parts.headers, head::JSON)?;
        }
        let OnKey { table, key } = on;
        let timeout = app.timeout(&query);
        let table = app.table(table, timeout.saturating_sub(started.elapsed())).await?;
        let on_table = |error: QueryError| Problem::from(error).on(&table);
        let (level, required) = query.write_level(&table).map_err(on_table)?;
        let durability = query.durability(&table).map_err(on_table)?;
        let table_w = table.w_required();
        if operation.is_some() && required < table_w {
            return Err(Problem::from(head::HeadError::OperationBelowTable { required, table_w }).on(&table));
        }
        Ok(Self { table, key, query, level, required, durability, operation, timeout, minimal })
    }

    fn problem(&self, fault: impl Into<Fault>) -> Problem {
        Problem::from(fault).on(&self.table).at(self.level)
    }

    async fn run(self, app: &App, body: Body, started: Instant) -> Result<Response, Problem> {
        let Prepared { table, key, query, level, required, durability, operation, timeout, minimal } = self;
        let write = Write {
            table: &table,
            key: &key,
            body,
            level,
            required,
            durability,
            ttl_ms: query.ttl_ms,
            operation,
            timeout,
        };
        let answer = write.run(app).await?;
        let mut headers = answer::write_headers(&answer);
        if query.trace {
            answer::server_timing(&mut headers, started.elapsed(), &answer.replicas);
        }
        if minimal {
            return Ok(finish(StatusCode::NO_CONTENT, headers, bytes::Bytes::new(), level));
        }
        let mut response = json(StatusCode::OK, &Written::of(&answer, query.trace));
        response.headers_mut().extend(headers);
        response.extensions_mut().insert(LevelLabel::from(level));
        Ok(response)
    }
}

fn finish(status: StatusCode, headers: HeaderMap, body: bytes::Bytes, level: Level) -> Response {
    let mut response = (status, axum::body::Body::from(body)).into_response();
    response.headers_mut().extend(headers);
    response.extensions_mut().insert(LevelLabel::from(level));
    response
}
