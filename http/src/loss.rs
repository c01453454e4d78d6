//! Accepting a loss over HTTP: first what may be lost, then the decision, by the name of what is lost.

use super::answer::timestamp;
use super::app::{App, json, plain};
use super::body::Kind;
use super::fault::Fault;
use super::members::named;
use super::problem::Problem;
use axum::extract::Request;
use axum::response::Response;
use http::StatusCode;
use quorate_api::OnNode;
use quorate_api::document::{self, AcceptLoss};
use quorate_api::query::Query;
use quorate_api::text::shown;
use quorate_model::AcceptedLoss;
use quorate_node::core::{Loss, LossError};
use quorate_ring::{Called, TableEntry, View};
use std::sync::Arc;
use tokio::time::Instant;

/// `GET /v1/cluster/nodes/{id}/accept-loss`: what may be lost, and whether that can be accepted.
pub fn preview(app: &App, on: &OnNode, request: &Request) -> Result<Response, Problem> {
    plain(request)?;
    expect_here(app, on)?;
    let loss = app.core.loss().map_err(Fault::Loss)?;
    let refusal = app.core.expect_acceptable(&loss.doubt).err();
    Ok(json(StatusCode::OK, &described(app, &loss, refusal.as_ref())))
}

/// `POST /v1/cluster/nodes/{id}/accept-loss`: the decision.
pub async fn accept(app: App, on: OnNode, query: Query, request: Request) -> Result<Response, Problem> {
    plain(&request)?;
    expect_here(&app, &on)?;
    let timeout = app.change_timeout(&query);
    let bytes_max = app.limits.document_bytes_max;
    let (decision, _room): (AcceptLoss, _) = app.document(request, Kind::Document, bytes_max).await?;
    app.tell(&decision);
    let (id, given) = (app.core.node().to_string(), &decision.accept_data_loss);
    if !means_this_node(&app, given)? {
        return Err(Fault::Loss(LossError::OtherName { given: shown(given), expected: id }).into());
    }
    let accepted = app.core.accept_loss(Instant::now() + timeout).await.map_err(Fault::Loss)?;
    Ok(json(
        StatusCode::OK,
        &document::LossAccepted {
            node: id,
            incarnation: accepted.incarnation,
            records: accepted.records,
            next: "the node goes on with what it has once it has started again: `serve` does that by itself now, a \
                   node of `dev` is killed and started by hand"
                .to_owned(),
        },
    ))
}

/// Losses that were accepted of a table or a shard.
pub fn accepted(view: &View, losses: impl IntoIterator<Item = AcceptedLoss>) -> Vec<document::AcceptedLoss> {
    let described = |loss: AcceptedLoss| document::AcceptedLoss {
        node: loss.node.to_string(),
        name: view.catalog().node(loss.node).map(|node| node.name.clone()),
        since_epoch: loss.since.0,
        at: loss.at.map(timestamp),
    };
    losses.into_iter().map(described).collect()
}

/// Which tables have lost something that was accepted, a sentence each.
pub fn sentences(view: &View) -> Vec<String> {
    let sentence = |table: &Arc<TableEntry>| {
        let losses = table.losses().into_iter().map(|loss| {
            let at = loss.at.map(|at| format!("{}, ", timestamp(at))).unwrap_or_default();
            format!("{} ({at}epoch {})", loss.node, loss.since.0)
        });
        let losses: Vec<String> = losses.collect();
        let shards = table.shards().iter().filter(|shard| !shard.losses.is_empty()).count();
        (!losses.is_empty()).then(|| {
            format!(
                "table {}: a loss of {} was accepted: what had been acknowledged before may be missing, and \
                 answers about {shards} of its {} shards say no more than eventual",
                table.name,
                losses.join(" and "),
                table.shards().len()
            )
        })
    };
    view.catalog().tables().filter_map(sentence).collect()
}

fn described(app: &App, loss: &Loss, refusal: Option<&LossError>) -> document::Loss {
    let (node, name) = called(app);
    let tables = loss.tables.iter().map(|table| document::TableLoss {
        table: table.name.clone(),
        n: table.n,
        w: table.w,
        durability: table.durability.as_str().into(),
        shards: table.shards as u64,
        shards_confirmed: table.shards_confirmed as u64,
        loss: table.sentence(),
    });
    document::Loss {
        node,
        name,
        incarnation: loss.incarnation,
        cause: loss.doubt.cause.as_str().into(),
        doubt: loss.doubt.reason.clone(),
        acceptable: refusal.is_none(),
        refusal: refusal.map(ToString::to_string),
        tables: tables.collect(),
    }
}

/// This node's id and its name.
fn called(app: &App) -> (String, Option<String>) {
    let view = app.core.view();
    (app.core.node().to_string(), view.catalog().node(app.core.node()).map(|node| node.name.clone()))
}

/// Whether a client means this node. One without a catalog knows itself by its id alone, and that is enough: it knows of
/// no member of that name.
fn means_this_node(app: &App, text: &str) -> Result<bool, Fault> {
    let view = app.core.view();
    let is_unnamed = view.catalog().node(app.core.node()).is_none();
    match view.catalog().member_called(text)? {
        Some(node) => Ok(node.id == app.core.node()),
        None => Ok(is_unnamed && Called::of(text).can_be_id(app.core.node())),
    }
}

/// Only the node itself can read its disk.
fn expect_here(app: &App, on: &OnNode) -> Result<(), Problem> {
    if means_this_node(app, &on.node)? {
        return Ok(());
    }
    let node = named(&app.core.view(), on)?;
    let address = node.http_address.clone();
    Err(Fault::Loss(LossError::Elsewhere { node: node.id, address }).into())
}
