//! Where the members' logs end: who of those that are left may go on alone.

use super::Control;
use super::messages::{ControlReply, ControlRequest, LogEnd};
use quorate_consensus::Consensus;
use quorate_model::NodeId;
use std::collections::{BTreeMap, BTreeSet};
use tokio::time::Instant;

impl Control {
    /// Where this node's log ends, and whom it follows.
    pub(super) async fn log_end(&self) -> LogEnd {
        LogEnd { last: self.consensus.last().await, leader: self.consensus.leader() }
    }

    /// The same of each member but for these, this node too; `None`: it did not say until `deadline`.
    pub async fn log_ends(
        &self,
        but: &BTreeSet<NodeId>,
        deadline: Instant,
    ) -> BTreeMap<NodeId, Option<LogEnd>> {
        let view = self.views.current();
        let members = view.catalog().nodes().filter(|node| !node.is_gone());
        let others = members.map(|node| node.id).filter(|node| *node != self.node && !but.contains(node));
        // All are asked together, then heard one after the other.
        let asked: Vec<_> =
            others.map(|node| (node, self.ask(node, &ControlRequest::Log, deadline))).collect();
        let mut ends = BTreeMap::from([(self.node, Some(self.log_end().await))]);
        for (node, asked) in asked {
            let end = match asked.await {
                Ok(ControlReply::Log(end)) => Some(end),
                Ok(_) | Err(_) => None,
            };
            ends.insert(node, end);
        }
        ends
    }
}
