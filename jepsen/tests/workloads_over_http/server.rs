//! A server that plays a cluster of three nodes by being one register per key, right or wrong in one certain manner.

mod keys;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use axum::extract::{Path, Query, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use keys::{Keys, Written};
use serde_json::{Value, json};
use tokio::task::JoinHandle;

/// How the server behaves; each wrong behaviour shows once in a while.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Manner {
    Right,
    /// Some writes are answered with "unknown": half of those are done, and half are not.
    HonestlyUnsure,
    /// Some reads answer with the value before the last one.
    StaleReads,
    /// The same, but only below the quorum, where it is allowed.
    StaleReadsBelowTheQuorum,
    /// Some acknowledged writes are not done.
    LosesWrites,
    /// Some writes below the quorum, where it is allowed, are not done though they are acknowledged.
    LosesWritesBelowTheQuorum,
    /// Some writes that are done are answered with "not applied".
    DoesWhatItRefuses,
    /// Some reads find a value that no client wrote.
    Invents,
    /// Some reads end in an internal error.
    BreaksTheContract,
    /// Most requests are refused, honestly.
    RefusesMost,
    /// Some retries of what was acknowledged are applied again, and say so.
    AppliesRetriesAgain,
    /// Some retries of what was acknowledged are applied again, and answered as if they were not.
    AppliesRetriesSecretly,
    /// Some retries of what was acknowledged are answered with another version.
    AnswersRetriesDifferently,
    /// Some deletes are undone after a while.
    UndoesDeletes,
    /// Some values that had expired are shown again.
    RevivesTheExpired,
    /// Reads below the quorum promise what only a quorum can.
    PromisesTooMuch,
    /// The owners of some keys never come to hold the same.
    NeverAgrees,
    /// A table that was dropped still has every other key.
    KeepsWhatIsDropped,
    /// Some drops are answered with "unknown": half of those are done, and half are not.
    HonestlyUnsureOfDrops,
    /// Some pages of a scan begin with the last key of the page before.
    ListsTwice,
    /// Some pages of a scan leave their first key out.
    SkipsWhenItLists,
}

/// How often a manner shows: once in so many requests.
const RARELY: u64 = 40;

struct Server {
    manner: Manner,
    keys: Mutex<Keys>,
}

/// A server at work; it ends when this is dropped.
pub struct Serving {
    endpoint: String,
    task: JoinHandle<()>,
}

impl Drop for Serving {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Serving {
    /// Its one address, as that of three nodes.
    pub fn endpoints(&self) -> Vec<String> {
        vec![self.endpoint.clone(); 3]
    }
}

/// Starts a server of that manner.
pub async fn start(manner: Manner) -> Serving {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("loopback has a free port");
    let endpoint = format!("http://{}", listener.local_addr().expect("it is bound"));
    let server = Arc::new(Server { manner, keys: Mutex::default() });
    let router = Router::new()
        .route("/v1/tables/{table}/keys/{key}", get(read).put(write).delete(delete))
        .route("/v1/tables/{table}/keys", get(list))
        .route("/v1/tables/{table}/mget", post(read_many))
        .route("/v1/tables/{table}", axum::routing::delete(drop_table))
        .route("/v1/tables", post(make_table))
        .route("/v1/tables/{table}/explain/{key}", get(explain))
        .with_state(server);
    let task = tokio::spawn(async move {
        axum::serve(listener, router).await.expect("it serves until it is aborted");
    });
    Serving { endpoint, task }
}

type Parameters = Query<BTreeMap<String, String>>;

/// Whether the request asks for a quorum or more.
fn is_quorum(parameters: &Parameters) -> bool {
    ["consistency", "r", "w"]
        .iter()
        .filter_map(|name| parameters.get(*name))
        .all(|level| !matches!(level.as_str(), "one" | "1"))
}

/// What an answer promises; the table of the regular workload has a `w` of one.
fn guarantee(table: &str, parameters: &Parameters) -> &'static str {
    match (table, parameters.get("consistency").map(String::as_str)) {
        ("regular", Some("all")) => "regular",
        ("regular", _) => "eventual",
        _ if is_quorum(parameters) => "linearizable",
        _ => "eventual",
    }
}

fn problem(status: StatusCode, code: &str, outcome: &str) -> Response {
    let mut response = (status, Json(json!({ "code": code, "outcome": outcome }))).into_response();
    if status == StatusCode::SERVICE_UNAVAILABLE {
        response.headers_mut().insert("retry-after", HeaderValue::from_static("1"));
    }
    response
}

impl Server {
    /// Does something with the keys. Beside them goes whether the manner shows now.
    fn with_keys<T>(&self, act: impl FnOnce(&mut Keys, bool) -> T) -> T {
        let mut keys = self.keys.lock().unwrap_or_else(PoisonError::into_inner);
        keys.requests += 1;
        let shows = keys.requests.is_multiple_of(RARELY);
        act(&mut keys, shows)
    }

    /// Why a request for a key is refused, if it is.
    fn refusal(&self) -> Option<Response> {
        if self.with_keys(|keys, _| keys.is_dropped) {
            return Some(problem(StatusCode::NOT_FOUND, "no-such-table", "not_applied"));
        }
        let refuses = self.manner == Manner::RefusesMost && self.with_keys(|_, shows| !shows);
        refuses.then(|| problem(StatusCode::SERVICE_UNAVAILABLE, "unavailable", "not_applied"))
    }

    /// What a read of a key finds.
    fn find(&self, key: &str, at_quorum: bool) -> Result<Option<(String, String)>, StatusCode> {
        self.with_keys(|keys, shows| {
            let present = keys.present(key);
            match self.manner {
                Manner::StaleReads if shows => Ok(keys.before(key)),
                Manner::StaleReadsBelowTheQuorum if !at_quorum && shows => Ok(keys.before(key)),
                Manner::RevivesTheExpired if shows => Ok(keys.even_if_expired(key)),
                Manner::Invents if shows => Ok(Some(("invented".to_owned(), "9-n9".to_owned()))),
                Manner::BreaksTheContract if shows => Err(StatusCode::INTERNAL_SERVER_ERROR),
                _ => Ok(present),
            }
        })
    }
}

async fn read(
    State(server): State<Arc<Server>>,
    Path((table, key)): Path<(String, String)>,
    parameters: Parameters,
) -> Response {
    if let Some(refusal) = server.refusal() {
        return refusal;
    }
    let guarantee = match server.manner {
        Manner::PromisesTooMuch => "linearizable",
        _ => guarantee(&table, &parameters),
    };
    match server.find(&key, is_quorum(&parameters)) {
        Ok(Some((value, version))) => {
            let headers = [
                ("quorate-consistency", format!("{guarantee}; r=2; n=3; acks=2")),
                ("quorate-version", version),
            ];
            (headers, value).into_response()
        }
        Ok(None) => problem(StatusCode::NOT_FOUND, "no-such-key", ""),
        Err(status) => problem(status, "bug", ""),
    }
}

async fn read_many(State(server): State<Arc<Server>>, Json(asked): Json<Value>) -> Response {
    let keys = asked["keys"].as_array().cloned().unwrap_or_default();
    let result = |key: &Value| match server.find(key.as_str().unwrap_or_default(), true) {
        Ok(Some((value, version))) => {
            json!({ "status": 200, "value": value, "version": version, "consistency": "linearizable" })
        }
        Ok(None) => json!({ "status": 404, "error": { "code": "no-such-key" } }),
        Err(status) => json!({ "status": status.as_u16(), "error": { "code": "bug" } }),
    };
    Json(json!({ "results": keys.iter().map(result).collect::<Vec<Value>>() })).into_response()
}

/// A page of a scan; a cursor is the last key of the page before.
async fn list(State(server): State<Arc<Server>>, parameters: Parameters) -> Response {
    if let Some(refusal) = server.refusal() {
        return refusal;
    }
    let given = |name: &str| parameters.get(name).cloned();
    let (start, end, cursor) = (given("start").unwrap_or_default(), given("end"), given("cursor"));
    let is_reverse = given("reverse").is_some();
    let limit = given("limit").and_then(|limit| limit.parse().ok()).unwrap_or(1_000);
    let (mut names, shows) = server.with_keys(|keys, shows| (keys.names(), shows));
    if is_reverse {
        names.reverse();
    }
    names.retain(|name| *name >= start && end.as_ref().is_none_or(|end| name < end));
    let mut from =
        cursor.map_or(0, |last| names.iter().position(|name| *name == last).map_or(0, |at| at + 1));
    match server.manner {
        Manner::ListsTwice if shows => from = from.saturating_sub(1),
        Manner::SkipsWhenItLists if shows => from += 1,
        _ => {}
    }
    let page: Vec<&String> = names.iter().skip(from).take(limit).collect();
    let last = page.last().filter(|_| from + limit < names.len());
    let mut items = Vec::new();
    for key in &page {
        match server.find(key, true) {
            Ok(Some((value, version))) => {
                items.push(json!({ "key": key, "value": value, "version": version }));
            }
            Ok(None) => {}
            Err(status) => return problem(status, "bug", ""),
        }
    }
    let headers = [("quorate-consistency", "linearizable; r=2; n=3; acks=2")];
    (headers, Json(json!({ "items": items, "next_cursor": last }))).into_response()
}

async fn explain(State(server): State<Arc<Server>>, Path((_, key)): Path<(String, String)>) -> Json<Value> {
    let version = server.with_keys(|keys, _| keys.present(&key).map(|(_, version)| version));
    let replica = |node: &str| {
        let other = server.manner == Manner::NeverAgrees && node == "n3";
        json!({ "node": node, "version": if other { Some("0-n0".to_owned()) } else { version.clone() } })
    };
    let nodes = ["n1", "n2", "n3"];
    Json(json!({
        "owners": nodes.map(|node| json!({ "node": node, "name": node })),
        "replicas": nodes.map(replica),
    }))
}

async fn drop_table(State(server): State<Arc<Server>>) -> Response {
    server.with_keys(|keys, _| {
        keys.drops += 1;
        if keys.is_dropped {
            return problem(StatusCode::NOT_FOUND, "no-such-table", "not_applied");
        }
        let is_unsure = server.manner == Manner::HonestlyUnsureOfDrops && keys.drops.is_multiple_of(2);
        if !(is_unsure && keys.drops.is_multiple_of(4)) {
            keys.drop_all(server.manner == Manner::KeepsWhatIsDropped);
        }
        if is_unsure {
            return problem(StatusCode::GATEWAY_TIMEOUT, "write-timeout", "unknown");
        }
        StatusCode::OK.into_response()
    })
}

async fn make_table(State(server): State<Arc<Server>>) -> StatusCode {
    server.with_keys(
        |keys, _| if std::mem::take(&mut keys.is_dropped) { StatusCode::OK } else { StatusCode::CONFLICT },
    )
}

async fn write(
    State(server): State<Arc<Server>>,
    Path((_, key)): Path<(String, String)>,
    parameters: Parameters,
    headers: HeaderMap,
    body: String,
) -> Response {
    store(&server, &key, &parameters, &headers, Some(body))
}

async fn delete(
    State(server): State<Arc<Server>>,
    Path((_, key)): Path<(String, String)>,
    parameters: Parameters,
    headers: HeaderMap,
) -> Response {
    store(&server, &key, &parameters, &headers, None)
}

fn store(
    server: &Server,
    key: &str,
    parameters: &Parameters,
    headers: &HeaderMap,
    value: Option<String>,
) -> Response {
    if let Some(refusal) = server.refusal() {
        return refusal;
    }
    let ttl_ms = parameters.get("ttl").and_then(|ttl| ttl.strip_suffix("ms")?.parse().ok());
    let id = headers.get("idempotency-key").and_then(|id| id.to_str().ok());
    let written = Written { value, ttl_ms, id: id.map(str::to_owned) };
    let at_quorum = is_quorum(parameters);
    server.with_keys(|keys, shows| {
        if let Some(version) = id.and_then(|id| keys.remembered(key, id)) {
            return repeat(server.manner, keys, key, written, version);
        }
        match server.manner {
            Manner::HonestlyUnsure if shows => {
                if keys.requests.is_multiple_of(2 * RARELY) {
                    keys.store(key, written);
                }
                return problem(StatusCode::GATEWAY_TIMEOUT, "write-timeout", "unknown");
            }
            Manner::DoesWhatItRefuses if shows => {
                keys.store(key, written);
                return problem(StatusCode::SERVICE_UNAVAILABLE, "unavailable", "not_applied");
            }
            Manner::LosesWrites if shows => return acknowledged(&keys.next_version(), false),
            Manner::LosesWritesBelowTheQuorum if !at_quorum && shows => {
                return acknowledged(&keys.next_version(), false);
            }
            Manner::UndoesDeletes if written.value.is_none() && keys.requests.is_multiple_of(3) => {
                keys.delete_for_a_while(key);
            }
            _ => {}
        }
        acknowledged(&keys.store(key, written), false)
    })
}

/// The answer to a retry of what was acknowledged.
fn repeat(manner: Manner, keys: &mut Keys, key: &str, written: Written, version: String) -> Response {
    let shows = keys.requests.is_multiple_of(RARELY / 4);
    match manner {
        Manner::AppliesRetriesAgain if shows => acknowledged(&keys.store(key, written), false),
        Manner::AppliesRetriesSecretly if shows => {
            keys.store(key, written);
            acknowledged(&version, true)
        }
        Manner::AnswersRetriesDifferently if shows => acknowledged(&keys.next_version(), true),
        _ => acknowledged(&version, true),
    }
}

fn acknowledged(version: &str, replayed: bool) -> Response {
    Json(json!({ "version": version, "etag": format!("\"{version}\""), "replayed": replayed }))
        .into_response()
}
