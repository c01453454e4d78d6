//! What happens to every request, whatever it asks: the outermost layer.
//!
//! ```text
//!   id, trace ──> host and origin ──> room at work ──> routes (panics caught) ──> problem body, headers, log, count
//! ```
//!
//! Everything that is refused here is refused before a handler sees it. The problem's body is written last, when
//! the id is known, so that no handler has to carry it along.

use super::health;
use super::host::Hosts;
use super::problem::{Fault, PROBLEM_JSON, Problem};
use super::pulse::Pulse;
use super::text::shown;
use crate::limits::Limits;
use crate::metrics::{LevelLabel, Metrics, Operation, Outcome};
use arc_swap::ArcSwap;
use axum::Router;
use axum::body::Body;
use axum::response::{IntoResponse as _, Response};
use axum::routing::get;
use bytes::Bytes;
use http::header::{CONNECTION, CONTENT_LENGTH, CONTENT_TYPE};
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, StatusCode};
use http_body::{Frame, SizeHint};
use std::net::IpAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll};
use tokio::sync::Semaphore;
use tokio::time::Instant;
use tower::ServiceExt as _;
use tower_http::catch_panic::CatchPanicLayer;
use tracing::Instrument as _;

const QUORATE_REQUEST: HeaderName = HeaderName::from_static("quorate-request");
const NOSNIFF: (HeaderName, HeaderValue) =
    (HeaderName::from_static("x-content-type-options"), HeaderValue::from_static("nosniff"));

/// The outermost layer, around a router. One per HTTP server, shared by its connections.
#[derive(Debug)]
pub struct Edge {
    /// What a client may make this node do.
    pub limits: Arc<Limits>,
    /// What is counted.
    pub metrics: Arc<Metrics>,
    hosts: Hosts,
    running: Semaphore,
    router: ArcSwap<Router>,
    life: u32,
    requests: AtomicU64,
}

/// The id of a request: in its answer, in its errors and in the log.
#[derive(Clone, Debug)]
pub struct RequestName(pub Arc<str>);

impl Edge {
    /// Around routes that say that the node is starting.
    pub fn new(hosts: Hosts, limits: Arc<Limits>, metrics: Arc<Metrics>) -> Self {
        let mut life = [0; 4];
        // Request ids need to be told apart, not to be secret: without randomness they repeat from life to life.
        let _ = getrandom::fill(&mut life);
        Self {
            hosts,
            running: Semaphore::new(limits.requests_running_max),
            router: ArcSwap::from_pointee(starting()),
            life: u32::from_be_bytes(life),
            requests: AtomicU64::new(0),
            limits,
            metrics,
        }
    }

    /// Serves these routes from now on. A handler that panics is caught and counted.
    pub fn open(&self, routes: Router) {
        let panics = self.metrics.panics.clone();
        let caught = CatchPanicLayer::custom(move |panic: Box<dyn std::any::Any + Send>| {
            panics.inc();
            let said = panic.downcast_ref::<&str>().copied().map(str::to_owned);
            let said = said.or_else(|| panic.downcast_ref::<String>().cloned()).unwrap_or_default();
            tracing::error!(panic = %shown(&said), "a handler panicked; this is a bug");
            Problem::from(Fault::Panicked).into_response()
        });
        self.router.store(Arc::new(routes.layer(caught)));
    }

    fn name(&self) -> Arc<str> {
        let number = self.requests.fetch_add(1, Ordering::Relaxed);
        format!("{:08x}-{number:x}", self.life).into()
    }

    /// Answers one request that came in on the address `local`.
    pub async fn answer(&self, mut request: Request<Body>, local: IpAddr) -> Response {
        let started = Instant::now();
        let name = self.name();
        let operation = operation(request.method(), request.uri().path());
        let trace = trace_of(request.headers());
        let span = tracing::info_span!("request", id = %name, trace, operation = operation.as_str());
        request.extensions_mut().insert(RequestName(Arc::clone(&name)));
        let head = tracing::enabled!(tracing::Level::DEBUG)
            .then(|| (request.method().clone(), shown(request.uri().path())));
        let mut response = self.route(request, operation, local).instrument(span.clone()).await;
        let problem = response.extensions_mut().remove::<Problem>();
        let level = response.extensions_mut().remove::<LevelLabel>();
        if let Some(problem) = &problem {
            write_body(&mut response, problem, &name);
        }
        let (key, value) = NOSNIFF;
        response.headers_mut().insert(key, value);
        let id = HeaderValue::from_str(&name).expect("hexadecimal digits and a dash");
        response.headers_mut().insert(QUORATE_REQUEST, id);
        let took = started.elapsed();
        let outcome = outcome(response.status(), problem.as_ref());
        let level = level.or(problem.as_ref().map(Problem::level)).unwrap_or(LevelLabel::None);
        self.metrics.request(operation, level, outcome, took);
        span.in_scope(|| log(&response, problem.as_ref(), head, took));
        response
    }

    async fn route(&self, request: Request<Body>, operation: Operation, local: IpAddr) -> Response {
        if let Err(error) = self.hosts.check(request.uri(), request.headers(), local) {
            return Problem::from(error).into_response();
        }
        let _at_work = match operation {
            // Must answer above all while everything else is refused.
            Operation::Health => None,
            Operation::Get
            | Operation::Put
            | Operation::Delete
            | Operation::Mget
            | Operation::Batch
            | Operation::Locate
            | Operation::Explain
            | Operation::Tables
            | Operation::Cluster
            | Operation::Unknown => {
                let Ok(permit) = self.running.try_acquire() else {
                    let limit = self.limits.requests_running_max;
                    return Problem::from(Fault::Overloaded { limit }).into_response();
                };
                Some(AtWork::new(permit, &self.metrics))
            }
        };
        let router = Router::clone(&self.router.load());
        router.oneshot(request).await.unwrap_or_else(|never| match never {})
    }

    /// A whole answer with a problem, as bytes: for what is no request.
    pub fn bare(&self, problem: &Problem) -> Vec<u8> {
        let name = self.name();
        let code = problem.code();
        tracing::debug!(id = %name, code = code.as_str(), "refused what is no request");
        let body = serde_json::to_vec(&problem.document(&name)).expect("a document of plain values");
        let status = code.status();
        let reason = status.canonical_reason().unwrap_or_default();
        let mut out = format!(
            "HTTP/1.1 {} {reason}\r\ncontent-type: {PROBLEM_JSON}\r\ncontent-length: {}\r\nconnection: close\r\n\
             quorate-request: {name}\r\n\r\n",
            status.as_u16(),
            body.len()
        )
        .into_bytes();
        out.extend_from_slice(&body);
        out
    }
}

/// The routes of a node that is not there yet.
fn starting() -> Router {
    let not_yet = || async { Problem::from(Fault::Starting) };
    Router::new().route("/health/live", get(health::live)).fallback(not_yet)
}

/// A request at work: its share of the limit, and of the gauge.
struct AtWork<'a> {
    _permit: tokio::sync::SemaphorePermit<'a>,
    metrics: &'a Metrics,
}

impl<'a> AtWork<'a> {
    fn new(permit: tokio::sync::SemaphorePermit<'a>, metrics: &'a Metrics) -> Self {
        metrics.requests_running.inc();
        Self { _permit: permit, metrics }
    }
}

impl Drop for AtWork<'_> {
    fn drop(&mut self) {
        self.metrics.requests_running.dec();
    }
}

fn write_body(response: &mut Response, problem: &Problem, name: &str) {
    let body = serde_json::to_vec(&problem.document(name)).expect("a document of plain values");
    let slow = response.status() == StatusCode::REQUEST_TIMEOUT;
    let headers = response.headers_mut();
    headers.insert(CONTENT_LENGTH, HeaderValue::from(body.len()));
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(PROBLEM_JSON));
    if slow {
        // What is left of the slow body must not be taken for the next request.
        headers.insert(CONNECTION, HeaderValue::from_static("close"));
    }
    *response.body_mut() = Body::from(body);
}

/// What a request asks for, by its method and the shape of its path: for counting, before it is routed.
fn operation(method: &Method, path: &str) -> Operation {
    let Some(rest) = path.strip_prefix("/v1/") else {
        let health = path == "/metrics" || path.starts_with("/health/");
        return if health { Operation::Health } else { Operation::Unknown };
    };
    let mut parts = rest.split('/');
    match (parts.next().unwrap_or_default(), parts.nth(1)) {
        ("tables", Some("keys")) => match *method {
            Method::GET | Method::HEAD => Operation::Get,
            Method::PUT | Method::POST => Operation::Put,
            Method::DELETE => Operation::Delete,
            _ => Operation::Unknown,
        },
        ("tables", Some("mget")) => Operation::Mget,
        ("tables", Some("batch")) => Operation::Batch,
        ("tables", Some("locate")) => Operation::Locate,
        ("tables", Some("explain")) => Operation::Explain,
        ("tables", _) => Operation::Tables,
        ("cluster", _) => Operation::Cluster,
        ("limits", _) => Operation::Health,
        _ => Operation::Unknown,
    }
}

fn outcome(status: StatusCode, problem: Option<&Problem>) -> Outcome {
    match (status.as_u16(), problem.map(|problem| problem.code().as_str())) {
        (200..400, _) => Outcome::Ok,
        (404, _) => Outcome::NotFound,
        (400..500, _) => Outcome::Refused,
        (503, Some("overloaded")) => Outcome::Overloaded,
        (503 | 507, _) => Outcome::Unavailable,
        (504, Some("write-timeout")) => Outcome::Unknown,
        (504, _) => Outcome::Timeout,
        (_, _) => Outcome::Bug,
    }
}

/// The trace id of a well-formed `traceparent`: version, 32 digits, 16 digits, flags.
fn trace_of(headers: &HeaderMap) -> Option<&str> {
    let text = headers.get("traceparent")?.to_str().ok()?;
    let mut parts = text.split('-');
    let (version, trace, parent, flags) = (parts.next()?, parts.next()?, parts.next()?, parts.next()?);
    let digits = |part: &str, count| {
        part.len() == count && part.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'))
    };
    let whole = digits(version, 2) && digits(trace, 32) && digits(parent, 16) && digits(flags, 2);
    let ended = version != "00" || parts.next().is_none();
    (whole && ended && version != "ff" && trace.bytes().any(|b| b != b'0')).then_some(trace)
}

fn log(
    response: &Response,
    problem: Option<&Problem>,
    head: Option<(Method, String)>,
    took: std::time::Duration,
) {
    let status = response.status().as_u16();
    let us = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
    if let Some(problem) = problem.filter(|_| status >= 500) {
        let code = problem.code().as_str();
        tracing::warn!(status, code, us, detail = %problem.detail(), "request failed");
    } else if let Some((method, path)) = head {
        let code = problem.map(|problem| problem.code().as_str());
        tracing::debug!(status, code, us, %method, path, "request");
    }
}

/// A body that tells the connection's pulse when it has been handed over.
#[derive(Debug)]
pub struct Tracked<B> {
    body: B,
    pulse: Arc<Pulse>,
}

impl<B> Tracked<B> {
    /// Of this connection.
    pub fn new(body: B, pulse: Arc<Pulse>) -> Self {
        Self { body, pulse }
    }
}

impl<B> Drop for Tracked<B> {
    fn drop(&mut self) {
        self.pulse.served();
    }
}

impl<B: http_body::Body<Data = Bytes> + Unpin> http_body::Body for Tracked<B> {
    type Data = Bytes;
    type Error = B::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, B::Error>>> {
        Pin::new(&mut self.body).poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_is_named_by_its_shape() {
        let of = |method: Method, path: &str| operation(&method, path);
        assert_eq!(of(Method::HEAD, "/v1/tables/t/keys/a/b"), Operation::Get);
        assert_eq!(of(Method::POST, "/v1/tables/t/keys/a"), Operation::Put);
        assert_eq!(of(Method::PATCH, "/v1/tables/t/keys/a"), Operation::Unknown);
        assert_eq!(of(Method::POST, "/v1/tables/t/mget"), Operation::Mget);
        assert_eq!(of(Method::GET, "/v1/tables"), Operation::Tables);
        assert_eq!(of(Method::GET, "/v1/cluster/ring"), Operation::Cluster);
        assert_eq!(of(Method::GET, "/health/live"), Operation::Health);
        assert_eq!(of(Method::GET, "/v2/tables"), Operation::Unknown);
    }

    #[test]
    fn a_trace_is_taken_only_where_it_is_whole() {
        let trace = |text: &str| {
            let mut headers = HeaderMap::new();
            headers.insert("traceparent", text.parse().expect("a header value"));
            trace_of(&headers).map(str::to_owned)
        };
        let id = "4bf92f3577b34da6a3ce929d0e0e4736";
        assert_eq!(trace(&format!("00-{id}-00f067aa0ba902b7-01")).as_deref(), Some(id));
        for bad in [
            "",
            "00-x-y-z",
            &format!("00-{id}-00f067aa0ba902b7-01-x"),
            &format!("00-{}-00f067aa0ba902b7-01", "0".repeat(32)),
        ] {
            assert_eq!(trace(bad), None, "{bad}");
        }
    }
}
