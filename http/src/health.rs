//! What a load balancer, an operator and Prometheus ask.

use super::app::{App, json, plain};
use super::code::Code;
use super::fault::Fault;
use super::problem::Problem;
use super::{openapi as interface, query};
use crate::broken::Broken;
use crate::limits::page;
use axum::extract::{Request, State};
use axum::response::{IntoResponse as _, Response};
use http::header::CONTENT_TYPE;
use http::{HeaderValue, StatusCode};
use serde_json::json as document;

/// The media type of the metrics.
const OPENMETRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

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
    Ok(json(StatusCode::OK, &page(&app.in_force)))
}

/// `GET /openapi.json`
pub async fn openapi(State(app): State<App>, request: Request) -> Result<Response, Problem> {
    plain(&request, query::NONE)?;
    Ok(json(StatusCode::OK, &interface::document(&app.limits, &app.in_force)))
}
