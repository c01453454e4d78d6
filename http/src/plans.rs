//! Plans over HTTP: a preview of a change of the cluster, and its beginning; drains, which move nothing.

use super::answer::timestamp;
use super::app::{App, json, plain};
use super::body::Kind;
use super::fault::Fault;
use super::members::named;
use super::moves::{self, described};
use super::problem::Problem;
use super::tables::level;
use axum::extract::Request;
use axum::response::Response;
use http::header::LOCATION;
use http::{HeaderValue, StatusCode};
use quorate_api::document::{self, Discarded, Drained, PlanChange, PlanNode, PlanSpec, Plans, RemoveNode};
use quorate_api::query::Query;
use quorate_api::text::shown;
use quorate_api::{OnNode, OnPlan};
use quorate_model::NodeId;
use quorate_model::level::N_MAX;
use quorate_node::core::Kept;
use quorate_ring::planner::{Meanwhile, Planned, Wish};
use quorate_ring::{View, Weight};
use std::collections::BTreeSet;
use std::time::Duration;

/// How long owners may take to say what they hold. They answer from memory: more would only delay the answer.
const OWNERS_TIMEOUT: Duration = Duration::from_millis(500);

/// So many tables are named of which requests wait, or copies are given up.
const TABLES_NAMED_MAX: usize = 8;

/// `POST /v1/cluster/plans`
pub async fn make(app: App, request: Request) -> Result<Response, Problem> {
    plain(&request)?;
    app.expect_serving()?;
    app.expect_catalog()?;
    let (spec, _room): (PlanSpec, _) =
        app.document(request, Kind::Document, app.limits.document_bytes_max).await?;
    app.tell(&spec);
    let view = app.core.view();
    let wish = wish(&view, &spec.changes)?;
    let accepted = spec.accept_data_loss.iter().map(|node| member(&view, node));
    let accepted: BTreeSet<NodeId> = accepted.collect::<Result<_, _>>()?;
    let kept = app.core.make_plan(&wish, accepted, OWNERS_TIMEOUT).await.map_err(Fault::from)?;
    let mut response = json(StatusCode::CREATED, &shown_plan(&app.core.view(), &kept));
    let location = format!("/v1/cluster/plans/{}", kept.id);
    let location = HeaderValue::from_str(&location).expect("letters, digits and dashes");
    response.headers_mut().insert(LOCATION, location);
    Ok(response)
}

/// `GET /v1/cluster/plans`
pub fn list(app: &App, request: &Request) -> Result<Response, Problem> {
    plain(request)?;
    let view = app.core.view();
    let plans = app.core.plans().iter().map(|kept| shown_plan(&view, kept)).collect();
    Ok(json(StatusCode::OK, &Plans { kept_by: app.core.node().to_string(), plans }))
}

/// `GET /v1/cluster/plans/{id}`
pub fn show(app: &App, on: &OnPlan, request: &Request) -> Result<Response, Problem> {
    plain(request)?;
    let kept = app.core.kept_plan(&on.plan).map_err(Fault::from)?;
    Ok(json(StatusCode::OK, &shown_plan(&app.core.view(), &kept)))
}

/// `DELETE /v1/cluster/plans/{id}`
pub fn discard(app: &App, on: &OnPlan, request: &Request) -> Result<Response, Problem> {
    plain(request)?;
    app.core.discard_plan(&on.plan).map_err(Fault::from)?;
    Ok(json(StatusCode::OK, &Discarded { discarded: on.plan.clone() }))
}

/// `POST /v1/cluster/plans/{id}/apply`
pub async fn apply(app: App, on: OnPlan, query: Query, request: Request) -> Result<Response, Problem> {
    plain(&request)?;
    app.expect_serving()?;
    let progress = app.core.apply_plan(&on.plan, app.change_timeout(&query)).await.map_err(Fault::from)?;
    let mut response = json(StatusCode::ACCEPTED, &described(&app.core.view(), &progress));
    let location = format!("/v1/jobs/{}", progress.job.id);
    let location = HeaderValue::from_str(&location).expect("digits");
    response.headers_mut().insert(LOCATION, location);
    Ok(response)
}

/// `POST /v1/cluster/nodes/{id}/drain` and `undrain`
pub async fn drain(
    app: App,
    (on, drained): (OnNode, bool),
    query: Query,
    request: Request,
) -> Result<Response, Problem> {
    plain(&request)?;
    app.expect_serving()?;
    let node = named(&app.core.view(), &on)?.id;
    let timeout = app.change_timeout(&query);
    let epoch = app.core.drain_member(node, drained, timeout).await.map_err(Fault::from)?;
    Ok(json(StatusCode::OK, &Drained { node: node.to_string(), drained, epoch: epoch.0 }))
}

fn invalid(why: impl Into<String>) -> Problem {
    Fault::Document(why.into()).into()
}

/// The member of this id or name.
fn member(view: &View, node: &str) -> Result<NodeId, Problem> {
    Ok(named(view, &OnNode::new(node))?.id)
}

/// What the changes of a document come down to.
fn wish(view: &View, changes: &[PlanChange]) -> Result<Wish, Problem> {
    if changes.iter().any(|change| fields(change) != 1) {
        return Err(invalid(
            "changes: each is an object with exactly one of add, remove, replace, weight, table, balance",
        ));
    }
    let added: Vec<NodeId> = changes
        .iter()
        .filter_map(|change| change.add.as_ref())
        .map(|add| member(view, &add.node))
        .collect::<Result<_, _>>()?;
    let removed: Vec<&RemoveNode> = changes.iter().filter_map(|change| change.remove.as_ref()).collect();
    match changes {
        [] => Err(invalid("changes: it names nothing to change")),
        _ if added.len() == changes.len() => Ok(Wish::Add { nodes: added }),
        _ if removed.len() == changes.len() => {
            let dead = removed.iter().all(|remove| remove.dead);
            if !dead && removed.iter().any(|remove| remove.dead) {
                return Err(invalid(
                    "changes: members that are dead, and members that are not, leave by plans of their own",
                ));
            }
            let nodes = removed.iter().map(|remove| member(view, &remove.node)).collect::<Result<_, _>>()?;
            Ok(Wish::Remove { nodes, dead })
        }
        [change] => one(view, change),
        [_, ..] => Err(invalid(
            "changes: a plan has one change, or several members to add, or several to remove: make one plan after the other",
        )),
    }
}

/// How many fields of a change are there.
fn fields(change: &PlanChange) -> usize {
    let PlanChange { add, remove, replace, weight, table, balance } = change;
    let there = [
        add.is_some(),
        remove.is_some(),
        replace.is_some(),
        weight.is_some(),
        table.is_some(),
        balance.is_some(),
    ];
    there.into_iter().filter(|there| *there).count()
}

fn one(view: &View, change: &PlanChange) -> Result<Wish, Problem> {
    if let Some(replace) = &change.replace {
        let (old, new) = (member(view, &replace.old)?, member(view, &replace.new)?);
        return Ok(Wish::Replace { old, new, dead: replace.dead });
    }
    if let Some(weigh) = &change.weight {
        let weight = Weight::new(weigh.weight).map_err(|error| invalid(format!("weight: {error}")))?;
        return Ok(Wish::Weight { node: member(view, &weigh.node)?, weight });
    }
    if let Some(table) = &change.table {
        let no_such = || Fault::NoSuchTable { name: shown(&table.name) };
        let id = view.table(&table.name).ok_or_else(no_such)?.id;
        if !(1..=N_MAX).contains(&table.n) {
            return Err(invalid(format!("table.n: {} is not a number of copies: use 1 to {N_MAX}", table.n)));
        }
        let r = table.r.as_ref().map(|r| level("r", r)).transpose()?;
        let w = table.w.as_ref().map(|w| level("w", w)).transpose()?;
        return Ok(Wish::Copies { table: id, n: table.n, r, w });
    }
    Ok(Wish::Balance)
}

/// What goes on while it is carried out, of each table that it is about.
fn available(view: &View, planned: &Planned) -> String {
    let (waits, fewer) = (tables(view, planned, Meanwhile::Waits), tables(view, planned, Meanwhile::Fewer));
    let goes_on = tables(view, planned, Meanwhile::GoesOn);
    let keep = "every shard keeps the quorum of its owners while it moves, and counts in both sets until it is with its \
                new ones: reads and writes go on";
    let mut said = Vec::new();
    if let Some(tables) = waits {
        said.push(format!(
            "a shard of {tables} waits with its requests until its new owners hold it: those that stay are no quorum of \
             the new set"
        ));
    }
    if let Some(tables) = fewer {
        said.push(format!(
            "of {tables} copies are given up and none is filled, so that no request waits: from its move on a shard needs \
             the quorum of the owners that stay"
        ));
    }
    match (goes_on, said.is_empty()) {
        (Some(_), true) => said.push(keep.to_owned()),
        (Some(_), false) => said.push(format!("of the others {keep}")),
        (None, true) => said.push("nothing moves: reads and writes go on".to_owned()),
        (None, false) => {}
    }
    said.join("; ")
}

/// The tables of which this becomes of some shards, by their names; `None`: of none.
fn tables(view: &View, planned: &Planned, what: Meanwhile) -> Option<String> {
    let called = planned.preview.meanwhile.iter().filter_map(|(table, shards)| {
        let (count, name) = (shards.get(&what)?, &view.catalog().table_by_id(*table)?.name);
        Some(if shards.len() > 1 { format!("{name} ({count} shards)") } else { name.clone() })
    });
    let called: Vec<String> = called.collect();
    let more = called.len().saturating_sub(TABLES_NAMED_MAX);
    let named = called[..called.len() - more].join(", ");
    let and_more = if more > 0 { format!(" and {more} more tables") } else { String::new() };
    (!called.is_empty()).then(|| named + &and_more)
}

/// A plan for people and programs.
fn shown_plan(view: &View, kept: &Kept) -> document::Plan {
    let (planned, preview) = (&kept.planned, &kept.planned.preview);
    let nodes = preview.nodes.iter().map(|share| {
        let node = view.catalog().node(share.node);
        let unchanged = preview.unchanged.iter().find(|(node, _)| *node == share.node);
        PlanNode {
            node: share.node.to_string(),
            name: node.map_or_else(String::new, |node| node.name.clone()),
            zone: node.map_or_else(String::new, |node| node.zone.clone()),
            copies_now: share.copies_now,
            copies_after: share.copies_after,
            bytes_now: share.bytes_now,
            bytes_after: share.bytes_after,
            free_bytes: kept.free_bytes.get(&share.node).copied(),
            why_unchanged: unchanged.map(|(_, why)| why.clone()),
        }
    });
    document::Plan {
        id: kept.id.to_string(),
        kind: moves::kind(planned.kind).into(),
        base_epoch: planned.base.0,
        made_at: timestamp(kept.made_at),
        kept_until: timestamp(kept.kept_until()),
        shards: planned.moves.len() as u64,
        moves: preview.moves,
        minimum_moves: preview.moves_min,
        bytes: preview.bytes,
        minimum_bytes: preview.bytes_min,
        seconds: kept.seconds,
        nodes: nodes.collect(),
        available: available(view, planned),
        warnings: preview.warnings.clone(),
    }
}
