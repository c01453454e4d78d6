//! Commands about members: who they are, where they are reached, who votes, who is gone.

use super::super::addresses::Addresses;
use super::{Applied, Created};
use crate::catalog::checks::{check_address, check_label, check_new_node};
use crate::catalog::rejection::plan::PlanRejection;
use crate::catalog::{Catalog, Found, Job, NODES_MAX, NewNode, Node, NodeState, NodeUpdate, Rejection};
use quorate_model::NodeId;
use std::sync::Arc;

impl Catalog {
    pub(super) fn found(&self, found: &Found) -> Result<Applied, Rejection> {
        if self.is_founded() {
            let same = self.cluster == found.cluster
                && self.node(Self::FIRST_NODE).is_some_and(|node| node.request == found.node.request);
            return if same {
                Ok(self.repeated(Created::Node(Self::FIRST_NODE)))
            } else {
                Err(Rejection::AlreadyFounded { name: self.name.to_string() })
            };
        }
        check_label("cluster", &found.name)?;
        check_new_node(&found.node)?;
        let mut next = self.next();
        next.cluster = found.cluster;
        next.name = found.name.as_str().into();
        next.level = found.level.unwrap_or(1);
        Ok(next.with_new_node(&found.node, Voter::Yes))
    }

    pub(super) fn add_node(&self, new: &NewNode, addresses: Addresses) -> Result<Applied, Rejection> {
        if let Some(node) = self.nodes().find(|node| node.request == new.request) {
            return Ok(self.repeated(Created::Node(node.id)));
        }
        check_new_node(new)?;
        if let Some(taken) = self.node_by_name(&new.name) {
            return Err(Rejection::NodeNameTaken { name: new.name.clone(), node: taken.id });
        }
        if self.nodes.len() >= NODES_MAX as usize {
            return Err(Rejection::TooManyNodes { limit: NODES_MAX });
        }
        if self.next_node == NodeId(u64::MAX) {
            return Err(Rejection::IdsExhausted { what: "node".to_owned() });
        }
        let next = self.with_addresses(self.next_node, &new.http_address, &new.peer_address, addresses)?;
        Ok(next.with_other_topology().with_new_node(new, Voter::No))
    }

    pub(super) fn update_node(
        &self,
        update: &NodeUpdate,
        addresses: Addresses,
    ) -> Result<Applied, Rejection> {
        let node = self.node(update.node).ok_or(Rejection::NoSuchNode { node: update.node })?;
        check_address("http", &update.http_address)?;
        check_address("peer", &update.peer_address)?;
        let (http, peer) = (update.http_address.as_str(), update.peer_address.as_str());
        let next = self.with_addresses(node.id, http, peer, addresses)?;
        let incarnation = update.incarnation.unwrap_or(node.incarnation);
        if incarnation < node.incarnation {
            let (node, told, counts) = (node.called(), incarnation, node.incarnation);
            return Err(Rejection::EarlierIncarnation { node, told, counts });
        }
        let updated = Node {
            boot: update.boot,
            incarnation,
            http_address: update.http_address.clone(),
            peer_address: update.peer_address.clone(),
            ..Node::clone(node)
        };
        if updated == **node && self.address_holder(Some(node.id), http, peer).is_none() {
            return Ok(self.unchanged());
        }
        let is_another = incarnation > node.incarnation;
        if !is_another {
            return Ok(next.with_node(updated));
        }
        let next = next.with_copies_of_another(update.node);
        let next = match update.accepted {
            None => next,
            at @ Some(_) => next.with_accepted_loss(update.node, at),
        };
        Ok(next.with_node(updated))
    }

    /// The next catalog, in which no member but `own` has one of these addresses: only one of two is reached there.
    fn with_addresses(
        &self,
        own: NodeId,
        http: &str,
        peer: &str,
        addresses: Addresses,
    ) -> Result<Self, Rejection> {
        let holder = self.address_holder(Some(own), http, peer);
        match (addresses, holder) {
            (_, None) => Ok(self.next()),
            (Addresses::Free, Some((what, other))) => {
                let address = if what == "http" { http } else { peer }.to_owned();
                Err(Rejection::AddressTaken { what: what.to_owned(), address, node: other.called() })
            }
            (Addresses::Taken, Some(_)) => {
                let mut next = self.next();
                let others = self.nodes().filter(|other| other.id != own);
                for other in others.filter(|it| it.http_address == http || it.peer_address == peer) {
                    let mut without = Node::clone(other);
                    if without.http_address == http {
                        without.http_address.clear();
                    }
                    if without.peer_address == peer {
                        without.peer_address.clear();
                    }
                    Arc::make_mut(&mut next.nodes).insert(without.id, Arc::new(without));
                }
                Ok(next)
            }
        }
    }

    /// Another member than `own` that has one of these addresses, and which: `http` or `peer`.
    pub fn address_holder(
        &self,
        own: Option<NodeId>,
        http: &str,
        peer: &str,
    ) -> Option<(&'static str, &Arc<Node>)> {
        self.nodes().filter(|other| Some(other.id) != own).find_map(|other| {
            let has = [("http", other.http_address == http), ("peer", other.peer_address == peer)];
            has.into_iter().find_map(|(what, has)| has.then_some((what, other)))
        })
    }

    pub(super) fn set_voter(&self, id: NodeId, voter: bool) -> Result<Applied, Rejection> {
        let node = self.node(id).ok_or(Rejection::NoSuchNode { node: id })?;
        if node.voter == voter {
            return Ok(self.unchanged());
        }
        if !voter && self.voters().count() == 1 {
            return Err(Rejection::LastVoter { node: node.called() });
        }
        Ok(self.next().with_node(Node { voter, ..Node::clone(node) }))
    }

    /// A member goes for good: one that owns nothing, is to own nothing, and does not vote.
    pub(super) fn remove_node(&self, id: NodeId) -> Result<Applied, Rejection> {
        let Some(node) = self.node(id) else {
            let was_member = self.gone(id).is_some();
            return if was_member { Ok(self.unchanged()) } else { Err(Rejection::NoSuchNode { node: id }) };
        };
        if node.voter {
            return Err(PlanRejection::StillVotes { node: node.called() }.into());
        }
        let holds = self.tables().find(|entry| entry.shards().iter().any(|shard| shard.is_held_by(id)));
        if let Some(entry) = holds {
            let (node, table) = (node.called(), entry.name.clone());
            return Err(PlanRejection::StillOwns { node, table }.into());
        }
        let awaited = |job: &&Arc<Job>| job.pending.values().any(|wish| wish.wanted.contains(&id));
        if let Some(job) = self.running_job().filter(awaited) {
            return Err(PlanRejection::StillWanted { node: node.called(), job: job.id }.into());
        }
        let mut next = self.next();
        Arc::make_mut(&mut next.nodes).remove(&id);
        let without: Vec<_> = self.closing().filter_map(|closing| closing.without(id)).collect();
        if !without.is_empty() {
            let without = without.into_iter().map(|closing| (closing.table, Arc::new(closing)));
            Arc::make_mut(&mut next.closing).extend(without);
        }
        Ok(next.with_other_topology().applied())
    }

    fn with_new_node(mut self, new: &NewNode, voter: Voter) -> Applied {
        let id = self.next_node;
        self.next_node = NodeId(id.0 + 1);
        let node = Node {
            id,
            name: new.name.clone(),
            zone: new.zone.clone(),
            weight: new.weight,
            http_address: new.http_address.clone(),
            peer_address: new.peer_address.clone(),
            voter: voter == Voter::Yes,
            boot: new.boot,
            incarnation: 1,
            joined: self.epoch,
            request: new.request,
            state: NodeState::Member,
            drained: false,
        };
        Applied { created: Some(Created::Node(id)), ..self.with_node(node) }
    }

    fn with_node(mut self, node: Node) -> Applied {
        Arc::make_mut(&mut self.nodes).insert(node.id, Arc::new(node));
        self.applied()
    }
}

/// Whether a new node votes.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Voter {
    Yes,
    No,
}
