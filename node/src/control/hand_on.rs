//! A drained node does not lead the catalog for longer than it has to: it hands the lead on.
//!
//! It falls silent as a leader, and stands for no election, until another voter leads. Where none does in time it leads
//! on: a catalog that can't change could not even be told that the drain is over.

use super::Control;
use quorate_consensus::Consensus;
use quorate_model::NodeId;
use quorate_ring::{Catalog, NodeState};
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;

/// How often it is looked, beside at every change.
const LOOK: Duration = Duration::from_millis(500);

/// How often it is looked whether another one leads.
const WATCH: Duration = Duration::from_millis(50);

/// How long another one has to be elected.
const PATIENCE: Duration = Duration::from_secs(8);

/// How soon it is tried again where none was.
const PAUSE: Duration = Duration::from_mins(1);

/// Hands the lead on whenever a drained node has it, until the task is aborted.
pub async fn keep(control: Arc<Control>) {
    let mut changes = control.consensus.changes();
    let mut epochs = control.views.news();
    loop {
        changes.borrow_and_update();
        epochs.borrow_and_update();
        if control.consensus.is_leader() && should_hand_on(&control) {
            control.consensus.stand_aside(true);
            let until = Instant::now() + PATIENCE;
            while !another_leads(&control) && Instant::now() < until {
                tokio::time::sleep(WATCH).await;
            }
            control.consensus.stand_aside(false);
            if another_leads(&control) {
                tracing::info!("this node is drained, and has handed the lead of the catalog on");
            } else {
                tracing::warn!("this node is drained and leads the catalog on: no other voter took the lead");
                tokio::time::sleep(PAUSE).await;
            }
        }
        tokio::select! {
            changed = changes.changed() => if changed.is_err() { return },
            changed = epochs.changed() => if changed.is_err() { return },
            () = tokio::time::sleep(LOOK) => {}
        }
    }
}

fn another_leads(control: &Control) -> bool {
    control.consensus.leader().is_some_and(|leader| leader != control.node)
}

fn should_hand_on(control: &Control) -> bool {
    let (view, now) = (control.views.current(), control.consensus.membership());
    let could_lead = |node: NodeId| {
        now.voters.contains(&node) && now.up_to_date.contains(&node) && view.liveness().is_alive(node)
    };
    hands_on(view.catalog(), control.node, could_lead)
}

/// Whether a node that leads should not, and another one could.
fn hands_on(catalog: &Catalog, leader: NodeId, could_lead: impl Fn(NodeId) -> bool) -> bool {
    let is_drained = catalog.node(leader).is_some_and(|node| node.drained);
    let mut others = catalog.nodes().filter(|node| node.id != leader);
    is_drained && others.any(|node| node.state == NodeState::Member && !node.drained && could_lead(node.id))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixtures::new_node;
    use quorate_model::{ClusterId, Epoch};
    use quorate_ring::catalog::{Begin, Change};
    use quorate_ring::{Command, JobKind, RequestId};

    /// Three members, of which these are drained.
    fn drained(nodes: &[u64]) -> Catalog {
        let mut catalog = Catalog::bootstrap("c", ClusterId(1), new_node(1)).expect("founded");
        for number in 2..=3 {
            catalog = catalog.apply(&Command::AddNode(new_node(number))).expect("added").catalog;
        }
        let changes = nodes.iter().map(|node| Change::Drain { node: NodeId(*node), drained: true }).collect();
        let begin = Begin {
            id: RequestId(500),
            base: catalog.topology(),
            kind: JobKind::Move,
            changes,
            moves: Vec::new(),
            parts: 1,
            dead: Vec::new(),
            accepted: Vec::new(),
            bytes_total: 0,
        };
        assert!(catalog.epoch() > Epoch(0));
        catalog.apply(&Command::Begin(begin)).expect("begun").catalog
    }

    #[test]
    fn a_drained_leader_hands_on_where_another_voter_could_lead_and_is_not_drained() {
        let lead = NodeId(1);
        assert!(hands_on(&drained(&[1]), lead, |_| true));
        assert!(!hands_on(&drained(&[]), lead, |_| true), "it is not drained");
        assert!(!hands_on(&drained(&[1]), lead, |_| false), "no other is up");
        assert!(!hands_on(&drained(&[1, 2, 3]), lead, |_| true), "all are drained: one of them leads");
        assert!(hands_on(&drained(&[1, 2]), lead, |node| node == NodeId(3)));
        assert!(!hands_on(&drained(&[1, 2]), lead, |node| node == NodeId(2)));
    }
}
