//! What happens to every request, whatever it asks: the outermost layer.
//!
//! ```text
//!   id, trace ──> host and origin ──> room at work ──> routes (panics caught) ──> problem body, headers, log, count
//! ```
//!
//! Everything that is refused here is refused before a handler sees it. The problem's body is written last, when
//! the id is known, so that no handler has to carry it along.

use super::ends::Ends;
use super::failures::Failures;
use super::fault::Fault;
use super::head;
use super::health;
use super::host::Hosts;
use super::observe::{Ended, RequestName, operation, outcome, trace_of};
use super::problem::Problem;
use super::routes::{self, method_not_allowed};
use super::scope::Scope;
use super::timers::Timers;
use crate::access::AccessSetup;
use crate::app::App;
use crate::audit::AuditSetup;
use crate::broken::Broken;
use crate::limits::{InForce, Limits};
use crate::metrics::{LevelLabel, Metrics, Operation};
use arc_swap::ArcSwap;
use axum::Router;
use axum::body::Body;
use axum::middleware::map_response;
use axum::response::{IntoResponse as _, Response};
use axum::routing::get;
use bytes::Bytes;
use http::header::{CONNECTION, CONTENT_LENGTH, CONTENT_TYPE, X_CONTENT_TYPE_OPTIONS};
use http::{HeaderValue, Request, StatusCode};
use http_body::{Frame, SizeHint};
use quorate_api::header::{PROBLEM_JSON, QUORATE_REQUEST};
use quorate_api::query::Query;
use quorate_api::text::shown;
use quorate_node::PANICKED;
use quorate_node::control::WAITING;
use std::any::Any;
use std::future::poll_fn;
use std::io::Write as _;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::task::{Context, Poll};
use tokio::sync::Semaphore;
use tokio::time::Instant;
use tower::ServiceExt as _;
use tracing::Instrument as _;

/// What an HTTP server is told.
#[derive(Clone, Debug, Default)]
pub struct Setup {
    /// The names and addresses under which clients reach this node.
    pub hosts: Hosts,
    /// What a client may make this node do.
    pub limits: Limits,
    /// Every limit of the node, for the page that shows them.
    pub in_force: Vec<InForce>,
    /// The rule of the protocol that this build breaks on purpose; `None`: all hold.
    pub broken: Option<String>,
    /// What of access control is not in the catalog.
    pub access: AccessSetup,
    /// Where administrative acts are written down.
    pub audit: AuditSetup,
}

/// The outermost layer, around a router. One per HTTP server, shared by its connections.
#[derive(Debug)]
pub struct Edge {
    /// What a client may make this node do.
    pub limits: Arc<Limits>,
    /// Every limit of the node.
    pub in_force: Arc<[InForce]>,
    /// The rule that this build breaks on purpose.
    pub broken: Broken,
    /// What is counted.
    pub metrics: Arc<Metrics>,
    /// What has failed lately.
    pub failures: Failures,
    /// What of access control is not in the catalog.
    pub access: AccessSetup,
    /// Where administrative acts are written down.
    pub audit: AuditSetup,
    hosts: Hosts,
    running: Semaphore,
    served: ArcSwap<Served>,
    run: u32,
    requests: AtomicU64,
    stopping: AtomicBool,
}

/// What is served behind the edge.
#[derive(Debug)]
enum Served {
    /// A running node.
    Node(App),
    /// Something else: a node that is not there yet, the command port of `dev`.
    Routes(Router),
}

impl Edge {
    /// Around routes that say that the node is starting.
    pub fn new(setup: Setup, metrics: Arc<Metrics>) -> Self {
        let Setup { hosts, limits, in_force, broken, access, audit } = setup;
        let broken = Broken(broken.map(Arc::from));
        let mut run = [0; 4];
        // Request ids need to be told apart, not to be secret: without randomness they repeat from run to run.
        let _ = getrandom::fill(&mut run);
        Self {
            failures: Failures::default(),
            access,
            audit,
            hosts,
            running: Semaphore::new(limits.requests_running_max),
            served: ArcSwap::from_pointee(Served::Routes(starting(broken.clone()))),
            run: u32::from_be_bytes(run),
            requests: AtomicU64::new(0),
            stopping: AtomicBool::new(false),
            limits: Arc::new(limits),
            in_force: in_force.into(),
            broken,
            metrics,
        }
    }

    /// Serves a running node from now on.
    pub fn open(&self, app: App) {
        self.served.store(Arc::new(Served::Node(app)));
    }

    /// Serves these routes from now on.
    pub fn open_routes(&self, routes: Router) {
        self.served.store(Arc::new(Served::Routes(routes)));
    }

    /// Says on each answer that the node waits to become a member, so that another one that waits for it learns that.
    pub fn wait_to_join(&self, address: &str) {
        // An address that is no text leads nowhere.
        let address = HeaderValue::from_str(address).unwrap_or(HeaderValue::from_static(""));
        let waiting = map_response(move |mut answer: Response| {
            answer.headers_mut().insert(WAITING, address.clone());
            std::future::ready(answer)
        });
        self.open_routes(starting(self.broken.clone()).layer(waiting));
    }

    /// Ends each connection with its next answer, which says so: its client opens the next one elsewhere, and no request
    /// meets a connection that is just being closed.
    pub fn announce_stop(&self) {
        self.stopping.store(true, Ordering::Relaxed);
    }

    fn name(&self) -> HeaderValue {
        let number = self.requests.fetch_add(1, Ordering::Relaxed);
        let mut name = [0; 32];
        let mut left = &mut name[..];
        write!(left, "{:08x}-{number:x}", self.run).expect("25 digits at most");
        let rest = left.len();
        HeaderValue::from_bytes(&name[..name.len() - rest]).expect("hexadecimal digits and a dash")
    }

    /// Answers one request that came in on a connection between these ends, which is served so much.
    pub async fn answer(&self, mut request: Request<Body>, ends: Ends, scope: Scope) -> Response {
        let started = Instant::now();
        let id = self.name();
        let name = text(&id);
        let operation = operation(request.method(), request.uri().path());
        let trace = trace_of(request.headers()).map(str::to_owned);
        // At `debug` everything that is logged on the way stands under the request's id.
        let span = tracing::debug_span!("request", id = name, trace, operation = operation.as_str());
        if matches!(operation, Operation::Mget | Operation::Batch | Operation::Tables | Operation::Cluster) {
            // The items of a batch have problems of their own, which name it, and acts lines in the audit log.
            request.extensions_mut().insert(RequestName(name.into()));
        }
        let head = tracing::enabled!(tracing::Level::DEBUG)
            .then(|| (request.method().clone(), shown(request.uri().path())));
        let is_write = matches!(operation, Operation::Put | Operation::Delete);
        let retried = is_write && Query::says_retry(request.uri().query());
        let mut response = self.route(request, operation, ends, scope).instrument(span).await;
        let problem = response.extensions_mut().remove::<Problem>().map(|problem| problem.of_retry(retried));
        let level = response.extensions_mut().remove::<LevelLabel>();
        if response.status() == StatusCode::NOT_MODIFIED {
            // To HEAD the router says 0, which would be the length of the value.
            response.headers_mut().remove(CONTENT_LENGTH);
        }
        if let Some(problem) = &problem {
            write_body(&mut response, problem, name, trace.as_deref());
        }
        if scope == Scope::Health || self.stopping.load(Ordering::Relaxed) {
            response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
        }
        response.headers_mut().insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
        response.headers_mut().insert(QUORATE_REQUEST, id.clone());
        let took = started.elapsed();
        let outcome = outcome(response.status(), problem.as_ref());
        let level = level.or(problem.as_ref().map(Problem::level)).unwrap_or(LevelLabel::None);
        self.metrics.request(operation, level, outcome, took);
        let ended = Ended { name, trace: trace.as_deref(), operation, head, took };
        ended.log(response.status(), problem.as_ref(), &self.failures);
        response
    }

    async fn route(
        &self,
        request: Request<Body>,
        operation: Operation,
        ends: Ends,
        scope: Scope,
    ) -> Response {
        if scope == Scope::Health && operation != Operation::Health {
            let limit = self.limits.connections_max;
            return Problem::from(Fault::TooManyConnections { limit }).into_response();
        }
        let (uri, headers) = (request.uri(), request.headers());
        let checked = if operation == Operation::Health {
            self.hosts.check_health(request.version(), uri, headers, ends.local)
        } else {
            self.hosts.check(uri, headers, ends.local)
        };
        if let Err(error) = checked {
            return Problem::from(error).into_response();
        }
        if let Err(error) = head::expect_framing(request.headers()) {
            return Problem::from(error).into_response();
        }
        let _at_work = match operation {
            // Must answer above all while everything else is refused.
            Operation::Health => None,
            Operation::Get
            | Operation::Put
            | Operation::Delete
            | Operation::Scan
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
        match &*self.served.load_full() {
            Served::Node(app) => self.caught(routes::serve(app, request, ends)).await,
            Served::Routes(routes) => {
                let answer = Box::pin(routes.clone().oneshot(request));
                self.caught(async { answer.await.unwrap_or_else(|never| match never {}) }).await
            }
        }
    }

    /// An answer; where its handler panics, one that says so.
    async fn caught(&self, answer: impl Future<Output = Response>) -> Response {
        let mut answer = pin!(answer);
        let mut poll = |cx: &mut Context<'_>| catch_unwind(AssertUnwindSafe(|| answer.as_mut().poll(cx)));
        poll_fn(|cx| poll(cx).unwrap_or_else(|panic| Poll::Ready(self.panicked(&*panic)))).await
    }

    fn panicked(&self, panic: &(dyn Any + Send)) -> Response {
        self.metrics.panics.inc();
        let said = panic.downcast_ref::<&str>().copied();
        let said = said.or_else(|| panic.downcast_ref::<String>().map(String::as_str)).unwrap_or_default();
        tracing::error!(panic = %shown(said), "{PANICKED}, in a handler");
        Problem::from(Fault::Panicked).into_response()
    }

    /// A whole answer with a problem, as bytes: for what is no request.
    pub fn bare(&self, problem: &Problem) -> Vec<u8> {
        let id = self.name();
        let (name, code) = (text(&id), problem.code());
        tracing::debug!(id = name, code = code.as_str(), "refused what is no request");
        let body = serde_json::to_vec(&problem.document(name)).expect("a document of plain values");
        let status = code.status();
        let reason = status.canonical_reason().unwrap_or_default();
        let mut out = format!(
            "HTTP/1.1 {} {reason}\r\ncontent-type: {PROBLEM_JSON}\r\ncontent-length: {}\r\nconnection: close\r\n\
             {QUORATE_REQUEST}: {name}\r\n\r\n",
            status.as_u16(),
            body.len()
        )
        .into_bytes();
        out.extend_from_slice(&body);
        out
    }
}

fn text(name: &HeaderValue) -> &str {
    name.to_str().expect("digits")
}

/// The routes of a node that is not there yet.
fn starting(broken: Broken) -> Router {
    let not_yet = || async { Problem::from(Fault::Starting) };
    Router::new()
        .route("/health/live", get(move || std::future::ready(health::live(&broken))))
        .method_not_allowed_fallback(method_not_allowed)
        .fallback(not_yet)
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

fn write_body(response: &mut Response, problem: &Problem, name: &str, trace: Option<&str>) {
    let mut document = problem.document(name);
    document.trace = trace.map(str::to_owned);
    let body = serde_json::to_vec(&document).expect("a document of plain values");
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

/// A body that tells the connection's timers when it has been handed over.
#[derive(Debug)]
pub struct Tracked<B> {
    body: B,
    timers: Arc<Timers>,
}

impl<B> Tracked<B> {
    /// Of this connection.
    pub fn new(body: B, timers: Arc<Timers>) -> Self {
        Self { body, timers }
    }
}

impl<B> Drop for Tracked<B> {
    fn drop(&mut self) {
        self.timers.served();
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
