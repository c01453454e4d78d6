//! One key: read, write, delete, and where it lives.

use super::answer;
use super::app::{App, json};
use super::body::{Kind, Received};
use super::fault::Fault;
use super::head;
use super::problem::Problem;
use crate::metrics::LevelLabel;
use axum::extract::Request;
use axum::response::Response;
use http::request::Parts;
use http::{HeaderMap, StatusCode};
use quorate_api::OnKey;
use quorate_api::header::JSON;
use quorate_api::query::{Query, QueryError, TimeToLive};
use quorate_coordinator::{GetAnswer, GetError, PutAnswer, PutError};
use quorate_model::{Body, Key, Level, Table};
use quorate_node::core::{Attempt, Expiry, GetRequest, PutRequest};
use tokio::time::Instant;

/// `GET` and `HEAD`.
pub async fn read(app: App, on: OnKey, query: Query, request: Request) -> Result<Response, Problem> {
    let started = Instant::now();
    let (parts, _) = request.into_parts();
    app.expect_coordinating()?;
    head::refuse_operation(&parts.headers)?;
    let known = head::none_match(&parts.headers)?;
    let timeout = app.timeout(&query);
    let table = app.table_of_keys(on.table, timeout).await?;
    let level = query.read_level(&table).map_err(|error| Problem::from(error).on(&table))?;
    let timeout = timeout.saturating_sub(started.elapsed());
    let request = GetRequest { table, key: on.key, level, timeout };
    let answer = get(&app, &request).await?;
    let mut headers = answer::read_headers(&answer);
    if query.trace {
        answer::server_timing(&mut headers, started.elapsed(), &answer.replicas);
    }
    let problem = |problem: Problem| problem.with_headers(headers.clone()).on(&request.table).at(level);
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
    let body = app.answered(body).map_err(|full| full.on(&request.table).at(level))?;
    app.metrics.value_bytes_out.inc_by(body.len() as u64);
    Ok(finish(status, headers, body, level))
}

/// `PUT` and `POST`.
pub async fn write(app: App, on: OnKey, query: Query, request: Request) -> Result<Response, Problem> {
    let started = Instant::now();
    let (parts, body) = request.into_parts();
    let content_type = head::content_type(&parts.headers);
    let write = Write::read(&app, on, &query, &parts, started).await?;
    let content_type = content_type?;
    head::expect_length(&parts.headers)?;
    let bytes_max = app.limits.value_bytes_max;
    let received = app.bodies.receive(&parts.headers, body, Kind::Value, bytes_max, &app.limits).await;
    // Room for the body is held until the write is answered.
    let Received { bytes, room: _held } = received.map_err(|error| write.problem(error))?;
    app.expect_still()?;
    app.metrics.value_bytes_in.inc_by(bytes.len() as u64);
    write.run(&app, Body::Value { content_type, payload: bytes }, started).await
}

/// `DELETE`.
pub async fn delete(app: App, on: OnKey, query: Query, request: Request) -> Result<Response, Problem> {
    let started = Instant::now();
    let (parts, _) = request.into_parts();
    let write = Write::read(&app, on, &query, &parts, started).await?;
    write.run(&app, Body::Tombstone, started).await
}

/// Reads a key, and counts what the owners said.
pub(super) async fn get(app: &App, request: &GetRequest) -> Result<GetAnswer, Problem> {
    let level = request.level;
    app.expect_room(0).map_err(|full| full.at(level))?;
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
            Err(located(app, Problem::from(error).at(level), &request.table, &request.key))
        }
    }
}

/// Writes a key, and counts what the owners said.
pub(super) async fn put(app: &App, request: &PutRequest, body: Body) -> Result<PutAnswer, Problem> {
    let (level, idempotent) = (request.level, request.operation.is_some());
    app.expect_room(body.value_bytes()).map_err(|full| full.at(level).with_operation(idempotent))?;
    match app.core.put(request, body).await {
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
            Err(located(app, problem, &request.table, &request.key))
        }
    }
}

/// How long a value lives whose write says so.
pub(super) fn expiry(ttl: TimeToLive) -> Expiry {
    match ttl {
        TimeToLive::Unlimited => Expiry::Never,
        TimeToLive::Millis(millis) => Expiry::After(millis),
    }
}

/// Whether operation ids mean anything on writes of this level: below the table's own they don't.
pub(super) fn expect_operations(table: &Table, level: Level) -> Result<(), Problem> {
    let (required, table_w) = (level.within(table.n), table.w_required());
    if required < table_w {
        return Err(Problem::from(head::HeadError::OperationBelowTable { required, table_w }).on(table));
    }
    Ok(())
}

fn located(app: &App, problem: Problem, table: &Table, key: &Key) -> Problem {
    let problem = problem.on(table);
    match app.shard_of(table, key) {
        Some(shard) => problem.in_shard(shard),
        None => problem,
    }
}

/// A write whose head has been understood: what the core is asked, but for the body, and how to answer.
struct Write {
    request: PutRequest,
    trace: bool,
    minimal: bool,
}

impl Write {
    async fn read(
        app: &App,
        on: OnKey,
        query: &Query,
        parts: &Parts,
        started: Instant,
    ) -> Result<Self, Problem> {
        app.expect_coordinating()?;
        head::refuse_conditions(&parts.headers)?;
        let operation = head::operation(&parts.headers)?.map(|id| Attempt { id, retry: query.retry });
        if query.retry && operation.is_none() {
            return Err(head::HeadError::RetryWithoutOperation.into());
        }
        let minimal = head::prefers_minimal(&parts.headers);
        if !minimal {
            head::expect_accepted(&parts.headers, JSON)?;
        }
        let timeout = app.timeout(query);
        let table = app.table_of_keys(on.table, timeout.saturating_sub(started.elapsed())).await?;
        let on_table = |error: QueryError| Problem::from(error).on(&table);
        let level = query.write_level(&table).map_err(on_table)?;
        let durability = query.durability(&table).map_err(on_table)?;
        if operation.is_some() {
            expect_operations(&table, level)?;
        }
        let expiry = query.ttl.map(expiry);
        let request = PutRequest { table, key: on.key, level, durability, expiry, operation, timeout };
        Ok(Self { request, trace: query.trace, minimal })
    }

    fn problem(&self, fault: impl Into<Fault>) -> Problem {
        Problem::from(fault).on(&self.request.table).at(self.request.level)
    }

    async fn run(self, app: &App, body: Body, started: Instant) -> Result<Response, Problem> {
        let Self { request, trace, minimal } = self;
        let level = request.level;
        let answer = put(app, &request, body).await?;
        let mut headers = answer::write_headers(&answer);
        if trace {
            answer::server_timing(&mut headers, started.elapsed(), &answer.replicas);
        }
        if minimal {
            return Ok(finish(StatusCode::NO_CONTENT, headers, bytes::Bytes::new(), level));
        }
        let mut response = json(StatusCode::OK, &answer::written(&answer, trace));
        response.headers_mut().extend(headers);
        response.extensions_mut().insert(LevelLabel::from(level));
        Ok(response)
    }
}

fn finish(status: StatusCode, headers: HeaderMap, body: bytes::Bytes, level: Level) -> Response {
    let mut response = Response::new(axum::body::Body::from(body));
    *response.status_mut() = status;
    *response.headers_mut() = headers;
    response.extensions_mut().insert(LevelLabel::from(level));
    response
}
