//! Where a key lives, and what each owner says that it holds.

use super::answer::timestamp;
use super::app::{App, json, plain};
use super::fault::Fault;
use super::jobs;
use super::loss;
use super::members;
use super::problem::Problem;
use super::tables::{bound, next_owners};
use axum::extract::Request;
use axum::response::Response;
use http::StatusCode;
use quorate_api::OnKey;
use quorate_api::document::{self, Explanation, Held, KeyName, Owner, Silent};
use quorate_api::query::Query;
use quorate_model::{Inspection, Key, NodeId, Table};
use quorate_ring::Location;

/// `GET /v1/tables/{t}/locate/{key}`
pub async fn locate(app: App, on: OnKey, query: Query, request: Request) -> Result<Response, Problem> {
    plain(&request)?;
    let OnKey { table, key } = on;
    let table = app.table(table, app.timeout(&query)).await?;
    Ok(json(StatusCode::OK, &located(&app, &table, &key)?))
}

/// `GET /v1/tables/{t}/explain/{key}`
pub async fn explain(app: App, on: OnKey, query: Query, request: Request) -> Result<Response, Problem> {
    plain(&request)?;
    let OnKey { table, key } = on;
    let timeout = app.timeout(&query);
    let table = app.table(table, timeout).await?;
    let location = located(&app, &table, &key)?;
    let (inspected, last_equal) =
        tokio::join!(app.core.inspect(&table, &key, timeout), app.core.last_equal(&table, &key, timeout));
    let is_among = |owners: &[Owner], node: NodeId| owners.iter().any(|owner| owner.node == node.to_string());
    let is_holder = |node: NodeId| is_among(&location.owners, node) || is_among(&location.next, node);
    let (of_owners, of_others): (Vec<_>, Vec<_>) =
        inspected.into_iter().partition(|(node, _)| is_holder(*node));
    let hints_elsewhere =
        of_others.iter().filter(|(_, known)| known.as_ref().is_ok_and(|i| !i.hints_for.is_empty()));
    // One that gets its copy now does not hold everything yet.
    let owners = of_owners.iter().filter(|(node, _)| is_among(&location.owners, *node));
    let held: Vec<_> =
        owners.clone().filter_map(|(_, known)| known.as_ref().ok()).map(|i| (i.held, i.digest)).collect();
    let document = Explanation {
        agree: held.len() == owners.count() && held.windows(2).all(|pair| pair[0] == pair[1]),
        replicas: of_owners.iter().map(|(node, known)| inspection(*node, known)).collect(),
        hints_elsewhere: hints_elsewhere.map(|(node, known)| inspection(*node, known)).collect(),
        sync: Some(jobs::last_equal(&app.core.view(), &last_equal)),
        location,
    };
    Ok(json(StatusCode::OK, &document))
}

fn inspection(node: NodeId, known: &Result<Inspection, String>) -> document::Inspection {
    let node = node.to_string();
    match known {
        Err(why) => document::Inspection::Silent(Silent { node, error: why.clone() }),
        Ok(inspection) => document::Inspection::Held(Held {
            node,
            version: inspection.held.map(|held| held.version.to_string()),
            expired: inspection.held.is_some_and(|held| held.expired),
            tombstone: inspection.tombstone,
            size: inspection.value_bytes,
            digest: format!("{:016x}", inspection.digest),
            written_at: inspection.written_at.map(timestamp),
            expires_at: inspection.expires_at.map(timestamp),
            hints_for: inspection.hints_for.iter().map(ToString::to_string).collect(),
        }),
    }
}

fn located(app: &App, table: &Table, key: &Key) -> Result<document::Location, Problem> {
    let view = app.core.view();
    let (id, table) = (table.id, table.name.as_str());
    let entry = view.table_by_id(id).ok_or_else(|| Fault::NoSuchTable { name: table.to_owned() })?;
    let Location { token, shard, interval, epoch, owners } = view.locate(entry, key);
    let losses: Vec<_> = entry.shard_of(key).losses.iter().copied().collect();
    let owner = |id: NodeId, is_alive: bool| {
        let node = view.catalog().node(id);
        Owner {
            node: id.to_string(),
            name: node.map(|node| node.name.clone()),
            zone: node.map(|node| node.zone.clone()),
            address: node.and_then(|node| members::known(&node.http_address)),
            up: id == app.core.node() || is_alive,
        }
    };
    let owners = owners.iter().map(|known| owner(known.node, known.alive));
    let next = next_owners(entry.shard_of(key)).map(|node| owner(node, view.liveness().is_alive(node)));
    let KeyName { key, key_b64 } = KeyName::from(key);
    Ok(document::Location {
        key,
        key_b64,
        table: table.to_owned(),
        token: token.to_string(),
        shard: format!("{table}/{}", shard.index),
        start: bound(entry, &interval.start),
        end: interval.end.as_ref().map(|end| bound(entry, end)),
        shard_epoch: epoch.0,
        epoch: view.epoch().0,
        owners: owners.collect(),
        next: next.collect(),
        accepted_losses: loss::accepted(&view, losses),
    })
}
