//! The cluster, as this node sees it: members, the ring, and whether one may be stopped.

use super::app::{App, json, plain};
use super::fault::Fault;
use super::loss;
use super::members;
use super::problem::Problem;
use super::recover;
use super::tables::shards_of;
use axum::extract::Request;
use axum::response::Response;
use http::StatusCode;
use quorate_api::OnNode;
use quorate_api::document::{self, Here, PeerAddress, PurgeHeldBack, Ring, RingNode, SafeToStop};
use quorate_api::query::Query;
use quorate_api::text::{sentence, shown};
use quorate_model::NodeId;
use quorate_node::control::{DiskState, Healing};
use quorate_node::core::{Counted, HeldBack};
use quorate_ring::catalog::SHARDS_PER_TABLE_MAX;
use quorate_ring::{TableEntry, View};
use std::collections::BTreeMap;
use std::sync::Arc;

/// Most shards that one answer shows: those of the largest table there can be, four times.
const RING_SHARDS_MAX: usize = 4 * SHARDS_PER_TABLE_MAX as usize;

/// `GET /v1/peer-address`: what a node that joins must know, and a stranger may.
pub fn peer_address(app: &App, request: &Request) -> Result<Response, Problem> {
    plain(request)?;
    let identity = app.core.cluster();
    let document = PeerAddress {
        id: identity.id.to_string(),
        name: identity.name.clone(),
        node: app.core.node().to_string(),
        peer_address: app.core.reached().peer_address.clone(),
    };
    Ok(json(StatusCode::OK, &document))
}

/// `GET /v1/cluster`
pub fn show(app: &App, request: &Request) -> Result<Response, Problem> {
    plain(request)?;
    Ok(json(StatusCode::OK, &seen(app)))
}

/// The cluster, as this node sees it now.
pub fn seen(app: &App) -> document::Cluster {
    let view = app.core.view();
    let identity = app.core.cluster();
    // One that is banned is not to be up.
    let is_gone = |node: &NodeId| view.catalog().gone(*node).is_some();
    let mut alive = app.core.liveness();
    alive.retain(|(node, _)| !is_gone(node));
    let shards: usize = view.catalog().tables().map(|table| table.shards().len()).sum();
    let (disks, counted) = (app.core.disks(), app.core.counted());
    let mut risks = risks(&view, &counted);
    // Who stops a node changes nothing of these.
    risks.extend(waiting(&view));
    let (refusing_reads, refusing_writes) = counted.shards_refusing(&view);
    let lost = app.core.whereabouts_unknown();
    let all_up = alive.iter().all(|(_, alive)| *alive);
    document::Cluster {
        name: identity.name.clone(),
        id: identity.id.to_string(),
        node: app.core.node().to_string(),
        peer_address: Some(app.core.reached().peer_address.clone()),
        epoch: view.epoch().0,
        leader: app.core.leader().map(|leader| leader.to_string()),
        healthy: risks.is_empty() && all_up && ailing(&disks).is_empty() && lost.is_none(),
        health: health(&risks, &alive, &disks, lost),
        nodes: alive.len() as u64,
        nodes_up: alive.iter().filter(|(_, alive)| *alive).count() as u64,
        tables: view.catalog().tables().len() as u64,
        shards: shards as u64,
        shards_refusing_reads: refusing_reads as u64,
        shards_refusing_writes: refusing_writes as u64,
        at_risk: risks,
        accepted_losses: loss::sentences(&view),
        recoveries: recover::recovered(&view),
        shards_moving: Some(view.catalog().moving().count() as u64),
        moved_by: view.catalog().running_job().map(|job| job.id.to_string()),
        here: here(app),
    }
}

/// What only the node that answers can say: about its own store of hints and its own disk.
fn here(app: &App) -> Here {
    let statistics = app.core.statistics();
    let doubt = statistics.replica_doubt.as_ref();
    let waiting = statistics.hints.waiting.iter().map(|(owner, count)| (owner.to_string(), *count));
    Here {
        hints_waiting: waiting.collect(),
        hints_overflow: statistics.hints.overflow_total,
        replica_doubt: doubt.map(ToString::to_string),
        doubt_cause: doubt.map(|doubt| doubt.cause.as_str().to_owned()),
        disk_full: statistics.disk_full,
        free_bytes: statistics.free_bytes,
        healing: app.core.healing().as_ref().map(members::healing),
        receiving: Some(app.core.receiving()),
        purge_held_back: purge_held_back(app),
    }
}

/// What keeps removals, of tables that are still there.
fn purge_held_back(app: &App) -> Vec<PurgeHeldBack> {
    let view = app.core.view();
    let held = app.core.purge_held_back().into_iter();
    let document = |held: HeldBack| {
        let table = view.table_by_id(held.table)?.name.clone();
        let by = held.by.map(|by| by.to_string());
        Some(PurgeHeldBack { table, by, shards: held.shards, removals: held.removals })
    };
    held.filter_map(document).collect()
}

/// What is wrong with the members' disks, a half sentence each.
fn ailing(disks: &BTreeMap<NodeId, DiskState>) -> Vec<String> {
    let of = |(node, disk): (&NodeId, &DiskState)| match (&disk.doubt, &disk.healing, disk.full) {
        // The words came from a peer.
        (Some(cause), healing, _) => {
            let heals = if healing.is_some() { ", and heals" } else { "" };
            Some(format!("{node} doubts its disk ({}){heals}", shown(cause)))
        }
        (None, Some(Healing { shards, whole, records, waits_for, .. }), _) => {
            let waits_for = waits_for.as_deref().map(|what| format!(" (waits for: {})", sentence(what)));
            let waits_for = waits_for.unwrap_or_default();
            Some(format!(
                "{node} fills itself: {whole} of {shards} shards whole, {records} records{waits_for}"
            ))
        }
        (None, None, true) => Some(format!("the disk of {node} is full")),
        (None, None, false) => None,
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

/// What has no quorum if these members alone are counted on.
fn risks(view: &View, counted: &Counted) -> Vec<String> {
    let mut risks = counted.tables_at_risk(view);
    let voters: Vec<NodeId> = view.catalog().voters().map(|node| node.id).collect();
    let voting = voters.iter().filter(|voter| counted.is_up(**voter)).count();
    if voting <= voters.len() / 2 {
        risks.push(format!("{voting} of {} voters up: the catalog can't change", voters.len()));
    }
    risks
}

/// A sentence on each table that answers nothing before a dropped one of its name is closed.
fn waiting(view: &View) -> impl Iterator<Item = String> {
    let is_waiting = |table: &&Arc<TableEntry>| view.catalog().dropping(&table.name).is_some();
    view.catalog().tables().filter(is_waiting).map(|table| {
        format!(
            "table {}: refuses reads and writes until enough owners of the dropped table of that name have said that they \
             refuse it",
            table.name
        )
    })
}

/// `GET /v1/cluster/nodes/{id}/safe-to-stop`
pub fn safe_to_stop(app: &App, on: &OnNode, request: &Request) -> Result<Response, Problem> {
    plain(request)?;
    let view = app.core.view();
    let node = members::named(&view, on)?;
    let risks = risks(&view, &app.core.counted().without(node.id));
    if risks.is_empty() {
        return Ok(json(StatusCode::OK, &SafeToStop { node: node.id.to_string(), safe: true }));
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
            let entry = view.table(name).ok_or_else(no_such)?;
            app.expect_about(entry.table())?;
            vec![entry]
        }
    };
    let count = tables.iter().map(|table| table.shards().len()).sum();
    if count > RING_SHARDS_MAX {
        return Err(Fault::RingTooLarge { shards: count, limit: RING_SHARDS_MAX }.into());
    }
    let nodes = view.catalog().nodes().map(|node| RingNode {
        node: node.id.to_string(),
        name: node.name.clone(),
        zone: node.zone.clone(),
        positions: quorate_ring::ring::positions_of(node.weight).into(),
        address: members::known(&node.http_address),
    });
    let document = Ring {
        epoch: view.epoch().0,
        nodes: nodes.collect(),
        shards: tables.into_iter().flat_map(shards_of).collect(),
    };
    Ok(json(StatusCode::OK, &document))
}
