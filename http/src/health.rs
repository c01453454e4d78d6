//! What a load balancer, an operator and Prometheus ask.

use super::app::{App, json, plain};
use super::code::Code;
use super::fault::Fault;
use super::problem::Problem;
use super::{openapi as interface, query};
use crate::limits::InForce;
use axum::extract::{Request, State};
use axum::response::{IntoResponse as _, Response};
use http::header::CONTENT_TYPE;
use http::{HeaderValue, StatusCode};
use quorate_model::level::N_MAX;
use quorate_ring::catalog;
use serde_json::{Value as Json, json as document};
use std::sync::Arc;

/// The media type of the metrics.
const OPENMETRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// The rule of the protocol that this build breaks on purpose; `None`: all hold. Such a build says so on each of its
/// health pages.
#[derive(Clone, Debug, Default)]
pub struct Broken(pub Option<Arc<str>>);

impl Broken {
    fn truthful(&self, mut document: Json) -> Json {
        if let Some(rule) = self.0.as_deref() {
            document["broken_on_purpose"] = rule.into();
        }
        document
    }
}

/// `GET /health/live`: the process works.
pub async fn live(State(broken): State<Broken>, request: Request) -> Result<Response, Problem> {
    plain(&request, query::NONE)?;
    Ok(json(StatusCode::OK, &broken.truthful(document!({ "status": "live" }))))
}

/// `GET /health/ready`: this node can serve its tables at their default levels.
pub async fn ready(State(app): State<App>, request: Request) -> Result<Response, Problem> {
    plain(&request, query::NONE)?;
    let reasons = app.core.readiness();
    if reasons.is_empty() {
        let document = document!({ "ready": true, "reasons": [] });
        return Ok(json(StatusCode::OK, &app.broken.truthful(document)));
    }
    let code = if app.core.is_draining() {
        Code::Draining
    } else if app.core.statistics().replica_doubt.is_some() {
        Code::ReplicaDoubtful
    } else if app.core.view().catalog().node(app.core.node()).is_none() {
        Code::Starting
    } else {
        Code::Unavailable
    };
    Err(Fault::NotReady { code, reasons }.into())
}

/// `GET /metrics`
pub async fn metrics(State(app): State<App>, request: Request) -> Result<Response, Problem> {
    query::Query::parse(request.uri().query(), query::NONE)?;
    let mut response = app.metrics.text().into_response();
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(OPENMETRICS));
    Ok(response)
}

/// `GET /v1/limits`
pub async fn limits(State(app): State<App>, request: Request) -> Result<Response, Problem> {
    plain(&request, query::NONE)?;
    Ok(json(StatusCode::OK, &limits_of(&app.in_force)))
}

/// Every limit in force, those of clients first and without their section; then what no configuration changes,
/// because all members must agree on it.
pub fn limits_of(in_force: &[InForce]) -> Json {
    let mut document = document!({
        "catalog": {
            "nodes_max": catalog::NODES_MAX,
            "tables_max": catalog::TABLES_MAX,
            "shards_max": catalog::SHARDS_MAX,
            "shards_per_table_max": catalog::SHARDS_PER_TABLE_MAX,
            "copies_max": N_MAX,
        },
    });
    for InForce { section, name, value } in in_force {
        if *section == "limits" {
            document[name] = (*value).into();
        } else {
            document[section][name] = (*value).into();
        }
    }
    document
}

/// `GET /openapi.json`
pub async fn openapi(State(app): State<App>, request: Request) -> Result<Response, Problem> {
    plain(&request, query::NONE)?;
    Ok(json(StatusCode::OK, &interface::document(&app.limits, &app.in_force)))
}
