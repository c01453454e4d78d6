//! The members: what the catalog says of each, what this node sees of it, and what it says of itself.
//!
//! The three may differ, and each has its own names in the answer: `shards` is what the catalog wants, `state` and
//! `silent_ms` are what this node sees, `bytes`, `version` and the hints are the member's own word, asked now. A member
//! that does not answer in time is there with its `error`, and what only it could say is `null`.

use super::app::{App, json, plain};
use super::fault::Fault;
use super::problem::Problem;
use axum::extract::Request;
use axum::response::Response;
use http::StatusCode;
use quorate_api::OnNode;
use quorate_api::document::{self, LatencyCount, NodeDetails, Nodes};
use quorate_api::form::{Membership, State, Why};
use quorate_api::text::{sentence, shown};
use quorate_model::{NodeId, Span, Token};
use quorate_node::control::{Answered, DiskState, Healing, Report, Traffic};
use quorate_node::core::{LinkStatistics, Reached};
use quorate_ring::liveness::{self, Verdict};
use quorate_ring::{Node, NodeState, Shard, View, ring};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

/// How long members may take to say how they are. They answer from memory: more would only delay the answer.
const REPORT_TIMEOUT: Duration = Duration::from_millis(500);

/// `GET /v1/cluster/nodes`
pub async fn list(app: App, request: Request) -> Result<Response, Problem> {
    plain(&request)?;
    let view = app.core.view();
    let seen = Seen::now(&app, &view).await;
    let document = Nodes {
        cluster: app.core.cluster().id.to_string(),
        epoch: view.epoch().0,
        seen_by: seen.by.to_string(),
        unanswered: seen.unanswered(),
        nodes: view.catalog().nodes().map(|node| seen.document(node)).collect(),
    };
    Ok(json(StatusCode::OK, &document))
}

/// `GET /v1/cluster/nodes/{id}`
pub async fn show(app: App, on: OnNode, request: Request) -> Result<Response, Problem> {
    plain(&request)?;
    let view = app.core.view();
    let node = named(&view, &on)?;
    let seen = Seen::now(&app, &view).await;
    let mut tokens: Vec<Token> =
        (0..ring::positions_of(node.weight)).map(|index| ring::position(node.id, index)).collect();
    tokens.sort_unstable();
    let document = NodeDetails {
        node: seen.document(&node),
        tokens: tokens.iter().map(ToString::to_string).collect(),
        seen_by: seen.by.to_string(),
        unanswered: seen.unanswered(),
    };
    Ok(json(StatusCode::OK, &document))
}

/// The member that a client names, by its id or its name; what can mean two is refused.
pub fn named(view: &View, on: &OnNode) -> Result<Arc<Node>, Problem> {
    let found = view.catalog().member_called(&on.node).map_err(Fault::from)?;
    found.cloned().ok_or_else(|| Fault::NoSuchNode { id: shown(&on.node) }.into())
}

/// An address of the catalog; `None`: it is not known where the member is.
pub fn known(address: &str) -> Option<String> {
    (!address.is_empty()).then(|| address.to_owned())
}

/// How far a member has come back from a loss, as it says.
pub fn healing(said: &Healing) -> document::Healing {
    let Healing { shards, whole, records, waits_for, .. } = said;
    let waits_for = waits_for.as_deref().map(sentence);
    document::Healing { shards: *shards, whole: *whole, records: *records, waits_for }
}

/// What a member has answered its clients, as it says. The words came from a peer.
fn traffic(said: &Traffic) -> document::Traffic {
    let of = |said: &Answered| document::Answered {
        outcomes: said.outcomes.iter().map(|(word, count)| (shown(word), *count)).collect(),
        latencies: said
            .latencies
            .iter()
            .map(|(up_to_us, count)| LatencyCount { up_to_us: *up_to_us, count: *count })
            .collect(),
    };
    document::Traffic { reads: of(&said.reads), writes: of(&said.writes), scans: of(&said.scans) }
}

/// What a member is to the cluster, in a word.
fn membership(state: NodeState) -> Membership {
    match state {
        NodeState::Member => Membership::Member,
        NodeState::Leaving => Membership::Leaving,
        NodeState::Banned => Membership::Banned,
    }
}

/// Why a member is down or asked last, in a word.
fn word(why: liveness::Why) -> Why {
    match why {
        liveness::Why::NotConnected => Why::NotConnected,
        liveness::Why::Silent => Why::Silent,
        liveness::Why::Unheard => Why::Unheard,
        liveness::Why::Unanswered => Why::Unanswered,
        liveness::Why::Unsteady => Why::Returning,
    }
}

/// What is known of the members, taken once for a whole answer.
struct Seen {
    by: NodeId,
    alive: BTreeMap<NodeId, bool>,
    leader: Option<NodeId>,
    copies: BTreeMap<NodeId, u64>,
    receiving: BTreeMap<NodeId, u64>,
    links: Vec<LinkStatistics>,
    verdicts: BTreeMap<NodeId, Verdict>,
    reports: BTreeMap<NodeId, Result<Report, String>>,
    disks: BTreeMap<NodeId, DiskState>,
    reached: Reached,
}

impl Seen {
    async fn now(app: &App, view: &View) -> Self {
        let mut copies = BTreeMap::new();
        let mut receiving = BTreeMap::new();
        for owner in view.catalog().moving().flat_map(Shard::receivers) {
            *receiving.entry(owner.node).or_insert(0) += 1;
        }
        let shards = view.catalog().tables().flat_map(|table| table.shards());
        for owner in shards.flat_map(Shard::owner_nodes) {
            *copies.entry(owner).or_insert(0) += 1;
        }
        Self {
            by: app.core.node(),
            alive: app.core.liveness().into_iter().collect(),
            leader: app.core.leader(),
            copies,
            receiving,
            links: app.core.links(),
            verdicts: app.core.verdicts(),
            disks: app.core.disks(),
            reached: app.core.reached().clone(),
            reports: app.core.reports(REPORT_TIMEOUT).await.into_iter().collect(),
        }
    }

    /// Members that did not say how they are.
    fn unanswered(&self) -> Vec<String> {
        let silent = self.reports.iter().filter(|(_, report)| report.is_err());
        silent.map(|(node, _)| node.to_string()).collect()
    }

    fn document(&self, node: &Node) -> document::Node {
        let id = node.id;
        let report = self.reports.get(&id);
        let said = report.and_then(|report| report.as_ref().ok());
        let mut links = self.links.iter().filter(|link| link.node == id);
        let verdict = self.verdicts.get(&id);
        let silent = verdict.and_then(|verdict| verdict.silent).map(Span::as_millis);
        let is_up = self.alive.get(&id).copied().unwrap_or(false);
        let why = match report {
            Some(Ok(_)) => None,
            Some(Err(why)) => Some(why.as_str()),
            None => Some("it became a member just now, and was not asked yet"),
        };
        // What a link has seen says more than that there is none.
        let seen = links.find_map(|link| link.last_error.as_deref().filter(|_| !link.up));
        let error = why.map(|why| seen.map_or_else(|| why.to_owned(), |seen| format!("{why} ({seen})")));
        // Of itself a node knows where it is, whatever the catalog still says.
        let (address, peer_address) = if id == self.by {
            (&self.reached.http_address, &self.reached.peer_address)
        } else {
            (&node.http_address, &node.peer_address)
        };
        document::Node {
            id: id.to_string(),
            name: node.name.clone(),
            state: if is_up { State::Up } else { State::Down }.into(),
            zone: node.zone.clone(),
            weight: node.weight.as_f64(),
            address: known(address),
            peer_address: known(peer_address),
            voter: node.voter,
            doubt: self.disks.get(&id).and_then(|disk| disk.doubt.as_deref()).map(shown),
            disk_full: self.disks.get(&id).is_some_and(|disk| disk.full),
            healing: self.disks.get(&id).and_then(|disk| disk.healing.as_ref()).map(healing),
            leader: self.leader == Some(id),
            membership: Some(membership(node.state).into()),
            drained: Some(node.drained),
            shards: self.copies.get(&id).copied().unwrap_or(0),
            receiving: Some(self.receiving.get(&id).copied().unwrap_or(0)),
            hints: self.reports.values().flatten().map(|report| report.hints_for(id)).sum(),
            silent_ms: if id == self.by { Some(0) } else { silent },
            phi: verdict.map(|verdict| (verdict.phi * 10.0).round() / 10.0),
            reason: verdict.and_then(|verdict| verdict.why).map(|why| why.to_string()),
            why: verdict.and_then(|verdict| verdict.why).map(|why| word(why).into()),
            bytes: said.map(|report| report.bytes),
            keys: said.and_then(|report| report.keys),
            keys_exact: said.and_then(|report| report.keys_exact),
            free_bytes: said.and_then(|report| report.free_bytes),
            leftover_bytes: self.disks.get(&id).and_then(|disk| disk.moving.as_ref()?.leftover_bytes),
            version: said.map(|report| report.version.clone()),
            epoch: said.map(|report| report.epoch.0),
            load: said.and_then(|report| report.load),
            hints_kept: said.map(|report| {
                report.hints.iter().map(|(owner, count)| (owner.to_string(), *count)).collect()
            }),
            hints_overflow: said.map(|report| report.hints_overflow),
            traffic: said.and_then(|report| report.traffic.as_ref()).map(traffic),
            incarnation: node.incarnation.into(),
            joined_epoch: node.joined.0,
            error,
        }
    }
}
