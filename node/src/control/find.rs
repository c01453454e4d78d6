//! Finding members that are not where the catalog says.
//!
//! A node that moves announces its new address in the catalog. But if a majority moves at the same time (a cluster that
//! is restarted in another network), no member reaches another under the last known addresses, and so nothing can be
//! announced. And two nodes that have moved don't reach each other, though a third reaches both. So a node that misses
//! a member asks, as long as it does: the members that it reaches, over the peer port, and the addresses of
//! `--join`, if it was given any. Each node knows its own address, where it is connected to others, and whatever its
//! catalog says of the rest. What comes back is a suggestion of where to dial; the handshake proves who is there.

use super::Control;
use super::messages::{ControlReply, ControlRequest, Whereabouts};
use super::page::{Member, member_at};
use quorate_model::{ClusterId, NodeId};
use quorate_transport::{Lane, Links};
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

/// Members that one that has no catalog is told of.
const TOLD_MAX: usize = 1_024;

/// Asks for members that are missed, other members and at these addresses, until the task is aborted.
pub async fn find_members(
    addresses: Vec<String>,
    cluster: ClusterId,
    control: Arc<Control>,
    links: Arc<Links>,
) {
    let (first, longest) = PAUSE;
    let mut pause = first;
    loop {
        let members = links.members();
        let missed = |node: &&NodeId| !links.is_lane_up(**node, Lane::Urgent);
        let missing: Vec<NodeId> = members.iter().filter(missed).take(FIND_MAX).copied().collect();
        if members.is_empty() || !missing.is_empty() || !control.has_catalog() {
            control.ask_for(&missing).await;
            let mut found = BTreeMap::new();
            for address in &addresses {
                match member_at(address).await {
                    Ok(member) if member.cluster == cluster => {
                        found.extend(who_is(member, &missing, &links).await);
                    }
                    Ok(member) => tracing::debug!("looking for members at {address}: {}", member.cluster),
                    Err(why) => tracing::debug!("looking for members at {address}: {why}"),
                }
            }
            if !control.has_catalog() {
                found.extend(control.ask_for_all().await);
            }
            control.dial(&found);
            pause = (pause * 2).min(longest);
        } else {
            pause = first;
        }
        tokio::time::sleep(pause).await;
    }
}

/// Who a member is, and where peers reach it. A port for peers does not say who is there before it is told whom the dialer
/// expects.
async fn who_is(member: Member, missing: &[NodeId], links: &Links) -> Option<(NodeId, String)> {
    let node = match (member.node, missing.first()) {
        (Some(node), _) => node,
        (None, Some(expected)) => match links.probe(*expected, &member.peer_address).await {
            Ok(_) => *expected,
            Err(error) => error.found_instead()?,
        },
        (None, None) => return None,
    };
    Some((node, member.peer_address))
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

    /// Where all members are, as those say that are reached: for a node without a catalog, which names them.
    async fn ask_for_all(&self) -> Vec<(NodeId, String)> {
        let members = self.links.members().into_iter();
        let reached = members.filter(|node| self.links.is_lane_up(*node, Lane::Urgent));
        let deadline = Instant::now() + ANSWER;
        let asked: Vec<_> =
            reached.take(1).map(|node| self.ask(node, &ControlRequest::Members, deadline)).collect();
        let mut found = Vec::new();
        for asked in asked {
            if let Ok(ControlReply::Found(told)) = asked.await {
                found.extend(told.into_iter().map(|it| (it.node, it.peer_address)));
            }
        }
        found
    }

    /// Whether this node knows the cluster.
    fn has_catalog(&self) -> bool {
        self.views.current().catalog().is_founded()
    }

    /// Dials members where they were found. A node without a catalog takes all that it was told of for members.
    fn dial(&self, found: &BTreeMap<NodeId, String>) {
        let known = self.links.members();
        if !self.has_catalog() && found.keys().any(|node| !known.contains(node)) {
            let met = known.iter().filter_map(|node| Some((*node, self.links.met(*node)?.address)));
            let mut members: BTreeMap<NodeId, String> = met.collect();
            members.extend(found.iter().map(|(node, address)| (*node, address.clone())));
            self.links.set_members(members.iter().map(|(node, address)| (*node, address.as_str())));
        }
        for (node, address) in found {
            self.links.suggest(*node, address);
        }
    }

    /// Where all members are, as far as this node knows.
    pub(super) fn all_whereabouts(&self) -> Vec<Whereabouts> {
        let view = self.views.current();
        let nodes = view.catalog().nodes().filter(|node| !node.is_gone()).take(TOLD_MAX);
        nodes.filter_map(|node| self.where_is(node.id)).collect()
    }

    /// Where this node knows members to be.
    pub(super) fn whereabouts(&self, nodes: &[NodeId]) -> Vec<Whereabouts> {
        nodes.iter().take(FIND_MAX).filter_map(|node| self.where_is(*node)).collect()
    }

    fn where_is(&self, node: NodeId) -> Option<Whereabouts> {
        let view = self.views.current();
        let met = self.links.met(node).map(|met| met.address);
        let known = || view.catalog().node(node).map(|known| known.peer_address.clone());
        let peer_address = met.or_else(known).filter(|address| !address.is_empty())?;
        Some(Whereabouts { node, peer_address })
    }
}
