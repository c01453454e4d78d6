//! The command port of a development cluster: what a second terminal can do to its nodes.
//!
//! ```text
//! GET  /v1/dev                          the nodes and their states
//! POST /v1/dev/nodes                    start a further node, as a member that owns nothing yet
//! POST /v1/dev/nodes/{name}/{act}       kill, start, cut or heal
//! ```
//!
//! It listens on loopback alone, and behind the same edge as a node's HTTP port: a web page must not reach it.

use super::{Act, Cluster, Error};
use axum::extract::{Path, State};
use axum::response::{IntoResponse as _, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use http::StatusCode;
use http::header::CONTENT_TYPE;
use quorate_api::Outcome;
use quorate_api::document::Problem;
use quorate_api::header::PROBLEM_JSON;
use quorate_http::{Limits, Server, Setup};
use quorate_node::bind;
use serde_json::json;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Mutex;

/// Connections that wait to be taken.
const BACKLOG: u32 = 16;

/// How often it is looked whether a node asks to be started again.
const RESTART_LOOK: Duration = Duration::from_millis(200);

/// The cluster, shared by the command port, the restarts and the stop.
pub type Shared = Arc<Mutex<Option<Cluster>>>;

/// Serves the command port. The cluster is `None` once it is about to stop.
pub fn serve(address: SocketAddr, cluster: Shared) -> std::io::Result<Server> {
    let limits = Limits { connections_max: 16, requests_running_max: 16, ..Limits::default() };
    let server = Server::start(bind(address, BACKLOG)?, Setup { limits, ..Setup::default() })?;
    let routes = Router::new()
        .route("/v1/dev", get(nodes))
        .route("/v1/dev/nodes", post(add))
        .route("/v1/dev/nodes/{name}/{act}", post(act))
        .fallback(no_such_route)
        .with_state(cluster);
    server.open_routes(routes);
    Ok(server)
}

/// Starts nodes again that ask for it and ends those that are members no more, until the cluster is about to stop.
pub async fn keep(cluster: Shared) {
    loop {
        tokio::time::sleep(RESTART_LOOK).await;
        match &mut *cluster.lock().await {
            Some(cluster) => {
                cluster.start_again().await;
                cluster.end_removed().await;
            }
            None => return,
        }
    }
}

async fn nodes(State(cluster): State<Shared>) -> Response {
    match &*cluster.lock().await {
        Some(cluster) => Json(json!({ "nodes": cluster.nodes() })).into_response(),
        None => stopping(),
    }
}

async fn add(State(cluster): State<Shared>) -> Response {
    match &mut *cluster.lock().await {
        Some(cluster) => match cluster.add().await {
            Ok(node) => Json(json!(node)).into_response(),
            Err(error) => refusal(&error),
        },
        None => stopping(),
    }
}

async fn act(State(cluster): State<Shared>, Path((name, act)): Path<(String, String)>) -> Response {
    let Some(act) = Act::parse(&act) else { return no_such_route().await };
    // One act after the other: a node that is being killed cannot be started yet.
    match &mut *cluster.lock().await {
        Some(cluster) => match cluster.act(&name, act).await {
            Ok(node) => Json(json!(node)).into_response(),
            Err(error) => refusal(&error),
        },
        None => stopping(),
    }
}

async fn no_such_route() -> Response {
    problem(
        StatusCode::NOT_FOUND,
        "no-such-route",
        "the command port serves GET /v1/dev, POST /v1/dev/nodes, and POST /v1/dev/nodes/<node>/kill, start, cut or heal",
    )
}

fn stopping() -> Response {
    problem(
        StatusCode::SERVICE_UNAVAILABLE,
        "draining",
        "the development cluster is stopping; nothing was done",
    )
}

fn refusal(error: &Error) -> Response {
    let (status, code) = match error {
        Error::NoSuchNode { .. } => (StatusCode::NOT_FOUND, "no-such-node"),
        Error::Already { .. } | Error::Full => (StatusCode::CONFLICT, "nothing-to-do"),
        Error::Start { .. }
        | Error::Folder(_)
        | Error::NotReady { .. }
        | Error::Table(_)
        | Error::NotJoined { .. }
        | Error::OpenFiles(_) => (StatusCode::SERVICE_UNAVAILABLE, "unavailable"),
    };
    problem(status, code, &error.to_string())
}

fn problem(status: StatusCode, code: &str, detail: &str) -> Response {
    let problem = Problem {
        kind: format!("/problems/{code}").into(),
        title: status.canonical_reason().unwrap_or_default().into(),
        status: status.as_u16(),
        code: code.to_owned().into(),
        detail: detail.to_owned(),
        outcome: Some(Outcome::NotApplied.into()),
        ..Problem::default()
    };
    (status, [(CONTENT_TYPE, PROBLEM_JSON)], Json(problem)).into_response()
}
