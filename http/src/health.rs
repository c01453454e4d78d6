//! What a load balancer, an operator and Prometheus ask.

use super::app::{App, json, plain};
use super::fault::Fault;
use super::head;
use super::problem::Problem;
use crate::broken::Broken;
use crate::limits::{InForce, Limits, page};
use axum::extract::Request;
use axum::response::{IntoResponse as _, Response};
use http::header::CONTENT_TYPE;
use http::{HeaderValue, StatusCode};
use quorate_api::Code;
use quorate_api::document::{self, Live};
use quorate_api::form::Liveness;
use quorate_api::header::{OPENMETRICS, PROMETHEUS_TEXT};
use quorate_api::openapi::{self as interface, Bounds};
use quorate_model::Permission;
use quorate_ring::catalog;
use serde_json::Value as Json;

/// What a stranger is told in place of the reasons, which name tables and members.
const NOT_TOLD: &str =
    "this node can't serve its tables at their default levels; who may see the cluster is told why";

/// `GET /health/live`: the process works.
///
/// A probe asks this, with whatever headers it has: none of them is looked at. The same goes for [`ready`].
pub fn live(broken: &Broken) -> Response {
    json(StatusCode::OK, &Live { status: Liveness::Live.into(), broken_on_purpose: broken.word() })
}

/// `GET /health/ready`: this node can serve its tables at their default levels.
pub fn ready(app: &App) -> Result<Response, Problem> {
    let reasons = app.core.readiness();
    if reasons.is_empty() {
        let document = document::Ready { ready: true, reasons, broken_on_purpose: app.broken.word() };
        return Ok(json(StatusCode::OK, &document));
    }
    let code = if app.core.is_stopping() || app.core.is_drained() {
        Code::Draining
    } else if app.core.statistics().replica_doubt.is_some() {
        Code::ReplicaDoubtful
    } else if app.core.view().catalog().node(app.core.node()).is_none() {
        Code::Starting
    } else {
        Code::Unavailable
    };
    let is_told = app.may(|rights| rights.may_everywhere(Permission::Monitor));
    let reasons = if is_told { reasons } else { vec![NOT_TOLD.to_owned()] };
    Err(Fault::NotReady { code, reasons }.into())
}

/// `GET /metrics`: in the form of OpenMetrics where `Accept` names that, else in the older one, which every collector
/// reads.
pub fn metrics(app: &App, request: &Request) -> Response {
    let (text, kind) = if head::prefers_openmetrics(request.headers()) {
        (app.metrics.text(), OPENMETRICS)
    } else {
        (app.metrics.older_text(), PROMETHEUS_TEXT)
    };
    let mut response = text.into_response();
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(kind));
    response
}

/// `GET /v1/limits`
pub fn limits(app: &App, request: &Request) -> Result<Response, Problem> {
    plain(request)?;
    Ok(json(StatusCode::OK, &page(&app.in_force)))
}

/// `GET /openapi.json`
pub fn openapi(app: &App, request: &Request) -> Result<Response, Problem> {
    plain(request)?;
    Ok(json(StatusCode::OK, &described(&app.limits, &app.in_force)))
}

/// The description of the interface, with these limits in its schemas.
pub fn described(limits: &Limits, in_force: &[InForce]) -> Json {
    let bounds = Bounds {
        key_bytes_max: limits.key_bytes_max,
        value_bytes_max: limits.value_bytes_max,
        batch_items_max: limits.batch_items_max,
        shards_per_table_max: catalog::SHARDS_PER_TABLE_MAX,
    };
    interface::document(&bounds, &page(in_force))
}
