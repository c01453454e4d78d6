//! What a node sees when it looks: for whom it keeps hints, who can be reached, and who may keep hints in its place.

use quorate_model::NodeId;
use quorate_ring::{Catalog, NodeState};

/// What a node sees of the owners for whom it keeps hints. Nothing while it doubts its disk.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Look {
    /// Those who seem to be reachable, and those who are no members any more: their hints go to the present owners.
    pub reachable: Vec<NodeId>,
    /// Those who can't be reached.
    pub away: Vec<NodeId>,
    /// Who may keep what this node can't hand over, since it leaves: see [`keepers`]. None while it stays.
    pub keepers: Vec<NodeId>,
}

impl Look {
    /// Of a node that stays, and keeps hints for these owners, who can be reached.
    pub fn of(reachable: Vec<NodeId>) -> Self {
        Self { reachable, ..Self::default() }
    }
}

/// The members that may keep hints in the place of a node that leaves: those that stay, and can be reached. None for a node
/// that stays itself.
pub fn keepers(catalog: &Catalog, local: NodeId, is_up: impl Fn(NodeId) -> bool) -> Vec<NodeId> {
    let state = |node: NodeId| catalog.node(node).map(|known| known.state);
    if state(local) != Some(NodeState::Leaving) {
        return Vec::new();
    }
    let stays = |node: &NodeId| state(*node) == Some(NodeState::Member) && is_up(*node);
    catalog.nodes().map(|known| known.id).filter(stays).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use quorate_model::{Boot, ClusterId};
    use quorate_ring::{Begin, Change, Command, JobKind, NewNode, RequestId, Weight};

    fn node(number: u64) -> NewNode {
        NewNode {
            request: RequestId(number.into()),
            name: format!("n{number}"),
            zone: "z".to_owned(),
            weight: Weight::ONE,
            http_address: format!("127.0.0.1:{}", 7400 + number),
            peer_address: format!("127.0.0.1:{}", 17_400 + number),
            boot: Boot(number),
        }
    }

    #[test]
    fn members_that_stay_and_are_up_keep_hints_for_one_that_leaves() {
        let mut catalog = Catalog::bootstrap("test", ClusterId(7), node(1)).expect("founded");
        let apply = |catalog: &mut Catalog, command: &Command| {
            *catalog = catalog.apply(command).expect("accepted").catalog;
        };
        (2..=5).for_each(|number| apply(&mut catalog, &Command::AddNode(node(number))));
        let up = |node: NodeId| node != NodeId(2);
        assert_eq!(keepers(&catalog, NodeId(4), up), [], "it stays");
        let leave = Begin {
            id: RequestId(99),
            base: catalog.topology(),
            kind: JobKind::Remove,
            changes: [4, 5].map(|number| Change::Leave { node: NodeId(number) }).to_vec(),
            moves: Vec::new(),
            parts: 1,
            dead: Vec::new(),
            accepted: Vec::new(),
            bytes_total: 0,
        };
        apply(&mut catalog, &Command::Begin(leave));
        assert_eq!(keepers(&catalog, NodeId(4), up), [NodeId(1), NodeId(3)]);
        assert_eq!(keepers(&catalog, NodeId(1), up), []);
        assert_eq!(keepers(&catalog, NodeId(9), up), [], "no member");
    }
}
