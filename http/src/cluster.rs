//! The cluster, as this node sees it: members, the ring, and whether one may be stopped.

use super::answer::KeyText;
use super::app::{App, json, plain};
use super::fault::Fault;
use super::members;
use super::problem::Problem;
use super::tables::{shard_documents, sort_key};
use axum::extract::Request;
use axum::response::Response;
use http::StatusCode;
use quorate_api::query::Query;
use quorate_api::text::shown;
use quorate_api::{OnKey, OnNode};
use quorate_model::{Inspection, Key, NodeId};
use quorate_node::control::DiskState;
use quorate_node::core::{shards_refusing, tables_at_risk};
use quorate_ring::catalog::SHARDS_PER_TABLE_MAX;
use quorate_ring::{Location, TableEntry, View};
use serde_json::{Value as Json, json as document};
use std::collections::BTreeMap;

/// Most shards that one answer shows: those of the largest table there can be, four times.
const RING_SHARDS_MAX: usize = 4 * SHARDS_PER_TABLE_MAX as usize;

/// `GET /v1/cluster`
pub fn show(app: &App, request: &Request) -> Result<Response, Problem> {
    plain(request)?;
    let view = app.core.view();
    let identity = app.core.cluster();
    let alive = app.core.liveness();
    let shards: usize = view.catalog().tables().map(|table| table.shards().len()).sum();
    let disks = app.core.disks();
    let risks = risks(&view, &alive, &disks, None);
    let (refusing_reads, refusing_writes) = shards_refusing(&view, |node| counts(node, &alive, &disks));
    let lost = app.core.whereabouts_unknown();
    Ok(json(
        StatusCode::OK,
        &document!({
            "name": identity.name,
            "id": identity.id.to_string(),
            "node": app.core.node().to_string(),
            "peer_address": app.core.reached().peer_address,
            "epoch": view.epoch().0,
            "leader": app.core.leader().map(|leader| leader.to_string()),
            "healthy": risks.is_empty()
                && alive.iter().all(|(_, alive)| *alive)
                && ailing(&disks).is_empty()
                && lost.is_none(),
            "health": health(&risks, &alive, &disks, lost),
            "nodes": alive.len(),
            "nodes_up": alive.iter().filter(|(_, alive)| *alive).count(),
            "tables": view.catalog().tables().len(),
            "shards": shards,
            "shards_refusing_reads": refusing_reads,
            "shards_refusing_writes": refusing_writes,
            "at_risk": risks,
            "here": here(app),
        }),
    ))
}

/// What only the node that answers can say: about its own store of hints and its own disk.
fn here(app: &App) -> Json {
    let statistics = app.core.statistics();
    let waiting: serde_json::Map<String, Json> =
        statistics.hints.waiting.iter().map(|(owner, count)| (owner.to_string(), document!(count))).collect();
    document!({
        "hints_waiting": waiting,
        "hints_overflow": statistics.hints.overflow_total,
        "replica_doubt": statistics.replica_doubt.as_ref().map(ToString::to_string),
        "doubt_cause": statistics.replica_doubt.as_ref().map(|doubt| doubt.cause.as_str()),
        "disk_full": statistics.disk_full,
        "free_bytes": statistics.free_bytes,
    })
}

/// What is wrong with the members' disks, a half sentence each.
fn ailing(disks: &BTreeMap<NodeId, DiskState>) -> Vec<String> {
    let of = |(node, disk): (&NodeId, &DiskState)| match (&disk.doubt, disk.full) {
        // The word came from a peer.
        (Some(cause), _) => Some(format!("{node} doubts its disk ({})", shown(cause))),
        (None, true) => Some(format!("the disk of {node} is full")),
        (None, false) => None,
    };
    disks.iter().filter_map(of).collect()
}

fn health(
    risks: &[String],
    alive: &[(NodeId, bool)],
    disks: &BTreeMap<NodeId, DiskState>,
    lost: Option<String>,
) -> String {
    let down: Vec<String> =
        alive.iter().filter(|(_, alive)| !alive).map(|(node, _)| node.to_string()).collect();
    let mut troubles = ailing(disks);
    if !down.is_empty() {
        troubles.insert(0, format!("{} down", down.join(", ")));
    }
    troubles.extend(lost);
    match risks.first() {
        None if troubles.is_empty() => "all nodes are up and every shard has a quorum".to_owned(),
        None => format!("{}; every shard has a quorum", troubles.join("; ")),
        Some(risk) => {
            let others =
                if risks.len() > 1 { format!(" (and {} more)", risks.len() - 1) } else { String::new() };
            troubles.push(format!("{risk}{others}"));
            troubles.join("; ")
        }
    }
}

/// What would be, or is, without a quorum if these members alone were up (and `without` not). One that doubts its disk
/// is not counted on: it answers and votes no more.
fn risks(
    view: &View,
    alive: &[(NodeId, bool)],
    disks: &BTreeMap<NodeId, DiskState>,
    without: Option<NodeId>,
) -> Vec<String> {
    let up = |node: &NodeId| Some(*node) != without && counts(*node, alive, disks);
    let mut risks = tables_at_risk(view, |node| up(&node));
    let voters: Vec<NodeId> = view.catalog().voters().map(|node| node.id).collect();
    let voting = voters.iter().filter(|voter| up(voter)).count();
    if voting <= voters.len() / 2 {
        risks.push(format!("{voting} of {} voters up: the catalog can't change", voters.len()));
    }
    risks
}

/// Whether this member is counted on: it is up, and not doubtful.
fn counts(node: NodeId, alive: &[(NodeId, bool)], disks: &BTreeMap<NodeId, DiskState>) -> bool {
    let is_doubtful = disks.get(&node).is_some_and(|disk| disk.doubt.is_some());
    !is_doubtful && alive.iter().any(|(member, alive)| *member == node && *alive)
}

/// `GET /v1/cluster/nodes/{id}/safe-to-stop`
pub fn safe_to_stop(app: &App, on: &OnNode, request: &Request) -> Result<Response, Problem> {
    plain(request)?;
    let view = app.core.view();
    let node = members::named(&view, on)?;
    let risks = risks(&view, &app.core.liveness(), &app.core.disks(), Some(node.id));
    if risks.is_empty() {
        return Ok(json(StatusCode::OK, &document!({ "node": node.id.to_string(), "safe": true })));
    }
    Err(Fault::NotSafe { node: node.id, reasons: risks }.into())
}

/// `GET /v1/cluster/ring?table=`
pub fn ring(app: &App, query: &Query, request: &Request) -> Result<Response, Problem> {
    plain(request)?;
    app.expect_catalog()?;
    let view = app.core.view();
    let tables: Vec<&TableEntry> = match &query.table {
        None => view.catalog().tables().map(AsRef::as_ref).collect(),
        Some(name) => {
            let no_such = || Fault::NoSuchTable { name: shown(name) };
            vec![view.table(name).ok_or_else(no_such)?]
        }
    };
    let count = tables.iter().map(|table| table.shards().len()).sum();
    if count > RING_SHARDS_MAX {
        return Err(Fault::RingTooLarge { shards: count, limit: RING_SHARDS_MAX }.into());
    }
    let shards: Vec<Json> = tables.into_iter().flat_map(shard_documents).collect();
    let nodes: Vec<Json> = view
        .catalog()
        .nodes()
        .map(|node| {
            let count = quorate_ring::ring::positions_of(node.weight);
            document!({ "node": node.id.to_string(), "name": node.name, "zone": node.zone, "positions": count })
        })
        .collect();
    Ok(json(StatusCode::OK, &document!({ "epoch": view.epoch().0, "nodes": nodes, "shards": shards })))
}

/// `GET /v1/tables/{t}/locate/{key}`
pub async fn locate(app: App, on: OnKey, query: Query, request: Request) -> Result<Response, Problem> {
    plain(&request)?;
    let OnKey { table, key } = on;
    let table = app.table(table, app.timeout(&query)).await?;
    Ok(json(StatusCode::OK, &located(&app, &table.name, &key)?))
}

/// `GET /v1/tables/{t}/explain/{key}`
pub async fn explain(app: App, on: OnKey, query: Query, request: Request) -> Result<Response, Problem> {
    plain(&request)?;
    let OnKey { table, key } = on;
    let timeout = app.timeout(&query);
    let table = app.table(table, timeout).await?;
    let mut answer = located(&app, &table.name, &key)?;
    let inspected = app.core.inspect(&table, &key, timeout).await;
    let owners = answer["owners"].as_array().cloned().unwrap_or_default();
    let is_owner = |node: NodeId| owners.iter().any(|owner| owner["node"] == node.to_string());
    let (of_owners, of_others): (Vec<_>, Vec<_>) =
        inspected.into_iter().partition(|(node, _)| is_owner(*node));
    let hints_elsewhere =
        of_others.iter().filter(|(_, known)| known.as_ref().is_ok_and(|i| !i.hints_for.is_empty()));
    answer["hints_elsewhere"] = hints_elsewhere.map(|(node, known)| replica(*node, known)).collect();
    answer["replicas"] = of_owners.iter().map(|(node, known)| replica(*node, known)).collect();
    let held: Vec<_> =
        of_owners.iter().filter_map(|(_, known)| known.as_ref().ok()).map(|i| (i.held, i.digest)).collect();
    answer["agree"] =
        (held.len() == of_owners.len() && held.windows(2).all(|pair| pair[0] == pair[1])).into();
    Ok(json(StatusCode::OK, &answer))
}

fn replica(node: NodeId, known: &Result<Inspection, String>) -> Json {
    let node = node.to_string();
    match known {
        Err(why) => document!({ "node": node, "error": why }),
        Ok(inspection) => document!({
            "node": node,
            "version": inspection.held.map(|held| held.version.to_string()),
            "expired": inspection.held.is_some_and(|held| held.expired),
            "tombstone": inspection.tombstone,
            "size": inspection.value_bytes,
            "digest": format!("{:016x}", inspection.digest),
            "written_at": inspection.written_at.map(super::answer::timestamp),
            "expires_at": inspection.expires_at.map(super::answer::timestamp),
            "hints_for": inspection.hints_for.iter().map(ToString::to_string).collect::<Vec<_>>(),
        }),
    }
}

fn located(app: &App, table: &str, key: &Key) -> Result<Json, Problem> {
    let view = app.core.view();
    let entry = view.table(table).ok_or_else(|| Fault::NoSuchTable { name: table.to_owned() })?;
    let Location { token, shard, interval, epoch, owners } = view.locate(entry, key);
    let owners: Vec<Json> = owners
        .iter()
        .map(|owner| {
            let node = view.catalog().node(owner.node);
            document!({
                "node": owner.node.to_string(),
                "name": node.map(|node| node.name.as_str()),
                "zone": node.map(|node| node.zone.as_str()),
                "address": node.and_then(|node| members::known(&node.http_address)),
                "up": owner.node == app.core.node() || owner.alive,
            })
        })
        .collect();
    let mut answer = serde_json::to_value(KeyText::from(key)).expect("a document of plain values");
    let rest = document!({
        "table": table,
        "token": token.to_string(),
        "shard": format!("{table}/{}", shard.index),
        "start": sort_key(entry, &interval.start),
        "end": interval.end.as_ref().map(|end| sort_key(entry, end)),
        "shard_epoch": epoch.0,
        "epoch": view.epoch().0,
        "owners": owners,
    });
    if let (Json::Object(answer), Json::Object(rest)) = (&mut answer, rest) {
        answer.extend(rest);
    }
    Ok(answer)
}
