//! Finding members that are not where the catalog says.
//!
//! A node that moves announces its new address in the catalog. But if a majority moves at the same time (a cluster that
//! is restarted in another network), no member reaches another under the last known addresses, and so nothing can be
//! announced. And two nodes that have moved don't reach each other, though a third reaches both. So a node that misses
//! a member asks, as long as it does: the members that it reaches, over the peer port, and the HTTP addresses of
//! `--join`, if it was given any. Each node knows its own address, where it is connected to others, and whatever its
//! catalog says of the rest. What comes back is a suggestion of where to dial; the handshake proves who is there.

use super::Control;
use super::found::{fetch, understood};
use super::messages::{ControlReply, ControlRequest, Whereabouts};
use quorate_model::{ClusterId, NodeId};
use quorate_transport::{Lane, Links};
use serde::Deserialize;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;

/// First and longest pause between two looks: a member may be gone for good.
const PAUSE: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(5));

/// How long one member may take to say where others are.
const ANSWER: Duration = Duration::from_secs(1);

/// Members that are asked for, and members that are asked, in one look.
const FIND_MAX: usize = 64;

/// Where a member lists all of them.
const PAGE: &str = "/v1/cluster/nodes";

/// What is needed of it.
#[derive(Deserialize)]
struct NodesPage {
    cluster: String,
    seen_by: String,
    nodes: Vec<Listed>,
}

#[derive(Deserialize)]
struct Listed {
    id: String,
    peer_address: Option<String>,
}

/// Asks for members that are missed, other members and at these HTTP addresses, until the task is aborted.
pub async fn find_members(
    addresses: Vec<String>,
    cluster: ClusterId,
    control: Arc<Control>,
    links: Arc<Links>,
) {
    // Building a client panics without one; where `main` has installed it, this changes nothing.
    let _installed = rustls::crypto::ring::default_provider().install_default();
    let (first, longest) = PAUSE;
    let mut pause = first;
    loop {
        let members = links.members();
        let missed = |node: &&NodeId| !links.is_lane_up(**node, Lane::Urgent);
        let missing: Vec<NodeId> = members.iter().filter(missed).take(FIND_MAX).copied().collect();
        if members.is_empty() || !missing.is_empty() {
            control.ask_for(&missing).await;
            let mut found = BTreeMap::new();
            for address in &addresses {
                match fetch::<NodesPage>(address, PAGE).await {
                    Ok(page) => page.tell(cluster, &mut found),
                    Err(why) => tracing::debug!("looking for members at {address}: {why}"),
                }
            }
            dial(&found, &links);
            pause = (pause * 2).min(longest);
        } else {
            pause = first;
        }
        tokio::time::sleep(pause).await;
    }
}

impl Control {
    /// Asks the members that are reached where these are, and has them dialed there.
    async fn ask_for(&self, missing: &[NodeId]) {
        let members = self.links.members();
        let reached = members.into_iter().filter(|node| self.links.is_lane_up(*node, Lane::Urgent));
        let (request, deadline) = (ControlRequest::Find(missing.to_vec()), Instant::now() + ANSWER);
        let asked: Vec<_> = reached.take(FIND_MAX).map(|node| self.ask(node, &request, deadline)).collect();
        for asked in asked {
            if let Ok(ControlReply::Found(found)) = asked.await {
                for Whereabouts { node, peer_address } in found.iter().filter(|it| missing.contains(&it.node))
                {
                    self.links.suggest(*node, peer_address);
                }
            }
        }
    }

    /// Where this node knows members to be.
    pub(super) fn whereabouts(&self, nodes: &[NodeId]) -> Vec<Whereabouts> {
        let view = self.views.current();
        let of = |node: NodeId| {
            let met = self.links.met(node).map(|met| met.address);
            let known = || view.catalog().node(node).map(|known| known.peer_address.clone());
            let peer_address = met.or_else(known).filter(|address| !address.is_empty())?;
            Some(Whereabouts { node, peer_address })
        };
        nodes.iter().take(FIND_MAX).filter_map(|node| of(*node)).collect()
    }
}

/// Where a member may be, and whether it says so itself.
struct Claim {
    peer_address: String,
    by_itself: bool,
}

impl NodesPage {
    /// Adds what one member says. What a member says of itself counts before what others say.
    fn tell(self, cluster: ClusterId, found: &mut BTreeMap<NodeId, Claim>) {
        if self.cluster.parse() != Ok(cluster) {
            return;
        }
        for Listed { id, peer_address } in self.nodes {
            let Some(node) = id.strip_prefix('n').and_then(|number| number.parse().ok()).map(NodeId) else {
                continue;
            };
            // A member of which it is not known where it is.
            let Some(peer_address) = peer_address else { continue };
            let by_itself = id == self.seen_by;
            if by_itself || found.get(&node).is_none_or(|known: &Claim| !known.by_itself) {
                found.insert(node, Claim { peer_address, by_itself });
            }
        }
    }
}

/// Whether these bytes are a page on which members are found; for the tests of the decoders.
pub fn takes(bytes: &[u8]) -> bool {
    let Ok(page) = understood::<NodesPage>(bytes) else { return false };
    let (Ok(cluster), listed) = (page.cluster.parse(), page.nodes.len()) else { return false };
    let mut found = BTreeMap::new();
    page.tell(cluster, &mut found);
    assert!(found.len() <= listed);
    !found.is_empty()
}

/// Dials missed members where they were found. A node without a catalog takes all of them.
fn dial(found: &BTreeMap<NodeId, Claim>, links: &Links) {
    if links.members().is_empty() {
        links.set_members(found.iter().map(|(node, claim)| (*node, claim.peer_address.as_str())));
    }
    for (node, claim) in found {
        links.suggest(*node, &claim.peer_address);
    }
}
