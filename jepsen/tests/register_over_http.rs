//! The register workload against a tiny server that plays a register: a right one must pass, and each way of being
//! wrong must be seen. What is tested is the whole way from requests to the verdict.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::Router;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use quorate_jepsen::run::{self, Report, Settings, Verdict};
use quorate_jepsen::workload::{Options, WORKLOADS};
use serde_json::json;

/// How the server behaves; each wrong behaviour shows once in a while.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Manner {
    Right,
    /// Some writes are answered with "unknown": half of those are done, and half are not.
    HonestlyUnsure,
    /// Some reads answer with the value before the last one.
    StaleReads,
    /// Some acknowledged writes are not done.
    LosesWrites,
    /// Some writes that are done are answered with "not applied".
    DoesWhatItRefuses,
    /// Some reads find a value that nobody wrote.
    Invents,
    /// Some reads end in an internal error.
    BreaksTheContract,
    /// It takes its time.
    Slow,
}

/// How often a manner shows: once in so many requests.
const RARELY: u64 = 40;

struct Server {
    manner: Manner,
    keys: Mutex<Keys>,
}

#[derive(Default)]
struct Keys {
    requests: u64,
    /// The present value of each key, and the one before it.
    values: BTreeMap<String, (Option<String>, Option<String>)>,
}

impl Keys {
    fn store(&mut self, key: &str, value: Option<String>) {
        let entry = self.values.entry(key.to_owned()).or_default();
        entry.1 = std::mem::replace(&mut entry.0, value);
    }
}

fn problem(status: StatusCode, code: &str, outcome: &str) -> Response {
    (status, axum::Json(json!({ "code": code, "outcome": outcome }))).into_response()
}

async fn read(State(server): State<Arc<Server>>, Path((_, key)): Path<(String, String)>) -> Response {
    if server.manner == Manner::Slow {
        tokio::time::sleep(Duration::from_millis(300)).await;
    }
    let mut keys = server.keys.lock().unwrap_or_else(PoisonError::into_inner);
    keys.requests += 1;
    let shows = keys.requests.is_multiple_of(RARELY);
    let (present, before) = keys.values.get(&key).cloned().unwrap_or_default();
    let value = match server.manner {
        Manner::StaleReads if shows => before,
        Manner::Invents if shows => Some("invented".to_owned()),
        Manner::BreaksTheContract if shows => return problem(StatusCode::INTERNAL_SERVER_ERROR, "bug", ""),
        Manner::Right
        | Manner::HonestlyUnsure
        | Manner::StaleReads
        | Manner::LosesWrites
        | Manner::DoesWhatItRefuses
        | Manner::Invents
        | Manner::BreaksTheContract
        | Manner::Slow => present,
    };
    match value {
        Some(value) => ([("quorate-consistency", "linearizable; r=2; n=3; acks=2")], value).into_response(),
        None => problem(StatusCode::NOT_FOUND, "no-such-key", ""),
    }
}

async fn write(
    State(server): State<Arc<Server>>,
    Path((_, key)): Path<(String, String)>,
    body: String,
) -> Response {
    store(&server, &key, Some(body)).await
}

async fn delete(State(server): State<Arc<Server>>, Path((_, key)): Path<(String, String)>) -> Response {
    store(&server, &key, None).await
}

async fn store(server: &Server, key: &str, value: Option<String>) -> Response {
    if server.manner == Manner::Slow {
        tokio::time::sleep(Duration::from_millis(300)).await;
    }
    let mut keys = server.keys.lock().unwrap_or_else(PoisonError::into_inner);
    keys.requests += 1;
    let shows = keys.requests.is_multiple_of(RARELY);
    match server.manner {
        Manner::HonestlyUnsure if shows => {
            if keys.requests.is_multiple_of(2 * RARELY) {
                keys.store(key, value);
            }
            return problem(StatusCode::GATEWAY_TIMEOUT, "write-timeout", "unknown");
        }
        Manner::DoesWhatItRefuses if shows => {
            keys.store(key, value);
            return problem(StatusCode::SERVICE_UNAVAILABLE, "unavailable", "not_applied");
        }
        Manner::LosesWrites if shows => {}
        Manner::Right
        | Manner::HonestlyUnsure
        | Manner::StaleReads
        | Manner::LosesWrites
        | Manner::DoesWhatItRefuses
        | Manner::Invents
        | Manner::BreaksTheContract
        | Manner::Slow => keys.store(key, value),
    }
    axum::Json(json!({ "version": "1-n1", "etag": "\"1\"" })).into_response()
}

/// A short run of the register workload against a server of that manner.
async fn run_against(manner: Manner) -> Report {
    // The only way that this fails is a provider that is there already, which is just as good.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("loopback has a free port");
    let endpoint = format!("http://{}", listener.local_addr().expect("it is bound"));
    let server = Arc::new(Server { manner, keys: Mutex::default() });
    let router = Router::new()
        .route("/v1/tables/{table}/keys/{key}", get(read).put(write).delete(delete))
        .with_state(server);
    let serving = tokio::spawn(async move { axum::serve(listener, router).await });
    let register = WORKLOADS.iter().find(|entry| entry.name == "register").expect("it is in the table");
    let workload = (register.make)(Options { operations_per_key: 200, keys_at_once: 3 });
    let settings = Settings { clients: 5, time: Duration::from_secs(1), seed: 7 };
    let report = run::run(workload, vec![endpoint], None, settings).await;
    serving.abort();
    report
}

#[tokio::test(flavor = "multi_thread")]
async fn a_right_register_passes() {
    let report = run_against(Manner::Right).await;
    assert_eq!(report.verdict(), Verdict::Passed, "{report}");
    assert!(report.throughput.completed > 50, "{report}");
    assert!(report.history.operations.iter().any(|operation| operation.closing), "no closing reads");
}

#[tokio::test(flavor = "multi_thread")]
async fn honest_doubt_passes() {
    let report = run_against(Manner::HonestlyUnsure).await;
    assert_eq!(report.verdict(), Verdict::Passed, "{report}");
    assert!(report.to_string().contains("504 write-timeout"), "{report}");
}

#[tokio::test(flavor = "multi_thread")]
async fn stale_reads_are_a_violation() {
    assert_violated(&run_against(Manner::StaleReads).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn lost_writes_are_a_violation() {
    assert_violated(&run_against(Manner::LosesWrites).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn writes_done_though_refused_are_a_violation() {
    assert_violated(&run_against(Manner::DoesWhatItRefuses).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn invented_values_are_a_violation() {
    assert_violated(&run_against(Manner::Invents).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_internal_error_is_a_violation_whatever_the_history_says() {
    let report = run_against(Manner::BreaksTheContract).await;
    assert_eq!(report.verdict(), Verdict::Violated, "{report}");
    assert!(report.to_string().contains("breach of the contract: read: 500 bug"), "{report}");
}

#[tokio::test(flavor = "multi_thread")]
async fn too_little_load_is_void() {
    let report = run_against(Manner::Slow).await;
    assert_eq!(report.verdict(), Verdict::Void, "{report}");
    assert!(report.to_string().contains("are below 50"), "{report}");
}

/// The history itself must show it, by few operations.
#[track_caller]
fn assert_violated(report: &Report) {
    assert_eq!(report.verdict(), Verdict::Violated, "{report}");
    assert_eq!(report.counts.breaches_count, 0, "{report}");
    assert!(report.judgement.text.contains("has no order"), "{report}");
}
