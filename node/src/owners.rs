//! Which other owners can be asked for what can wait, as far as this node knows: for all that owners do without a client.

use crate::recollection::Recollection;
use crate::views::Views;
use quorate_model::{NodeId, ShardId};
use quorate_transport::{Lane, Links};
use std::collections::BTreeSet;
use std::sync::Arc;

/// See the module's essay.
pub struct Owners {
    /// This node.
    pub node: NodeId,
    /// The views.
    pub views: Arc<Views>,
    /// The links.
    pub links: Arc<Links>,
    /// Who doubts its disk, and who fills itself.
    pub recollection: Arc<Recollection>,
}

impl Owners {
    /// Members to which the lane of what can wait is up, and that do not say that they doubt their disks.
    pub fn up(&self) -> BTreeSet<NodeId> {
        let view = self.views.current();
        let doubts = self.recollection.disk_states();
        let trusts = |node: &NodeId| doubts.get(node).is_none_or(|disk| disk.doubt.is_none());
        let members = view.catalog().nodes().map(|node| node.id);
        members.filter(|node| self.links.is_lane_up(*node, Lane::Bulk) && trusts(node)).collect()
    }

    /// Whether a node, this one too, is up, trusts its disk and holds everything of a shard: as of now.
    pub fn can_be_asked(&self) -> impl Fn(NodeId, ShardId) -> bool + use<> {
        let (up, here, mut disks) = (self.up(), self.node, self.recollection.disk_states());
        disks.insert(here, self.recollection.disk());
        move |node, shard| {
            let healing = disks.get(&node).and_then(|disk| disk.healing.as_ref());
            (node == here || up.contains(&node)) && healing.is_none_or(|healing| healing.answers(shard))
        }
    }
}
