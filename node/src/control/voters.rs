//! Who votes: the leader's own housekeeping.
//!
//! Every member is sent the log. The first three that are up to date vote, then the first five: an odd number, since
//! an even one bears no more failures and needs one more answer. Two members vote as one: with two votes either of
//! them would stop the other. A zone without a voter comes before one that has one.
//!
//! A member that leaves or is banned gives its vote to another one; what is no member any more is out of consensus.

use super::Control;
use quorate_consensus::Consensus;
use quorate_model::NodeId;
use quorate_ring::{Catalog, Command, NodeState};
use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;

/// How often the leader looks, beside at every change.
const LOOK: Duration = Duration::from_millis(500);

/// How long one correction may take.
const CORRECTION: Duration = Duration::from_secs(5);

/// Keeps the voters as they should be, whenever this node leads, until the task is aborted.
pub async fn keep(control: Arc<Control>) {
    let mut changes = control.consensus.changes();
    let mut epochs = control.views.news();
    loop {
        if control.consensus.is_leader()
            && let Ok(Err(error)) = tokio::time::timeout(CORRECTION, correct(&control)).await
        {
            tracing::warn!("the voters are not as they should be yet: {error}");
        }
        tokio::select! {
            changed = changes.changed() => if changed.is_err() { return },
            changed = epochs.changed() => if changed.is_err() { return },
            () = tokio::time::sleep(LOOK) => {}
        }
    }
}

/// Makes the next correction that is due, if one is.
async fn correct(control: &Control) -> Result<(), String> {
    let _one_change_at_a_time = control.changing.lock().await;
    let now = control.consensus.membership();
    let view = control.views.current();
    let catalog = view.catalog();
    if now.changing {
        return control.consensus.set_voters(now.voters).await;
    }
    let is_banned = |node: &NodeId| catalog.node(*node).is_some_and(|node| node.is_gone());
    let mut members = catalog.nodes().map(|node| node.id).filter(|node| !is_banned(node));
    if let Some(missing) = members.find(|node| !now.members.contains(node)) {
        return control.consensus.add_learner(missing).await;
    }
    let ready = |node: NodeId| {
        now.up_to_date.contains(&node) && (node == control.node || view.liveness().is_alive(node))
    };
    if let Some(wanted) = wanted_voters(catalog, &now.voters, ready) {
        return control.consensus.set_voters(wanted).await;
    }
    // One that joins is in the catalog before it is in consensus. One that is banned is sent nothing more.
    let is_gone =
        |node: &&NodeId| catalog.node(**node).is_none() || (is_banned(node) && !now.voters.contains(node));
    if let Some(gone) = now.members.iter().find(is_gone) {
        return control.consensus.remove(*gone).await;
    }
    // The catalog shows who votes; it follows the membership of the log.
    let shown = catalog.nodes().find(|node| node.voter != now.voters.contains(&node.id));
    if let Some(node) = shown {
        let command = Command::SetVoter { node: node.id, voter: !node.voter };
        control.write(&command, Instant::now() + CORRECTION).await.map_err(|error| error.to_string())?;
    }
    Ok(())
}

/// The voters there should be, if they are others than there are and enough members are ready for it.
fn wanted_voters(
    catalog: &Catalog,
    voters: &BTreeSet<NodeId>,
    ready: impl Fn(NodeId) -> bool,
) -> Option<BTreeSet<NodeId>> {
    let members = || catalog.nodes().filter(|node| node.state == NodeState::Member);
    let count = match members().count() {
        0..=2 => 1,
        3 | 4 => 3,
        5.. => 5,
    };
    let stays = |node: NodeId| catalog.node(node).is_none_or(|node| node.state == NodeState::Member);
    let mut wanted: BTreeSet<NodeId> = voters.iter().copied().filter(|node| stays(*node)).collect();
    // Fewer are only made of it where one leaves anyway.
    while wanted.len() < voters.len() && wanted.len() > count {
        wanted.pop_last();
    }
    while wanted.len() < count {
        let zones: BTreeSet<&str> =
            catalog.nodes().filter(|node| wanted.contains(&node.id)).map(|node| node.zone.as_str()).collect();
        let candidates = members().filter(|node| !wanted.contains(&node.id) && ready(node.id));
        let next = candidates.min_by_key(|node| (zones.contains(node.zone.as_str()), node.id));
        // Not all at once is no step at all: the numbers in between would be even.
        wanted.insert(next?.id);
    }
    (wanted != *voters).then_some(wanted)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixtures::new_node;
    use quorate_model::ClusterId;
    use quorate_ring::NewNode;

    fn node(number: u16, zone: &str) -> NewNode {
        NewNode { zone: zone.to_owned(), ..new_node(number) }
    }

    fn catalog(zones: &[&str]) -> Catalog {
        let mut catalog = Catalog::bootstrap("c", ClusterId(1), node(1, zones[0])).expect("founded");
        for (number, zone) in (2..).zip(&zones[1..]) {
            catalog = catalog.apply(&Command::AddNode(node(number, zone))).expect("added").catalog;
        }
        catalog
    }

    fn ids(ids: &[u64]) -> BTreeSet<NodeId> {
        ids.iter().copied().map(NodeId).collect()
    }

    #[test]
    fn two_members_have_one_voter_three_have_three_and_five_have_five() {
        let one = ids(&[1]);
        assert_eq!(wanted_voters(&catalog(&["a", "b"]), &one, |_| true), None);
        assert_eq!(wanted_voters(&catalog(&["a", "b", "c"]), &one, |_| true), Some(ids(&[1, 2, 3])));
        let three = ids(&[1, 2, 3]);
        assert_eq!(wanted_voters(&catalog(&["a"; 4]), &three, |_| true), None);
        assert_eq!(wanted_voters(&catalog(&["a"; 5]), &three, |_| true), Some(ids(&[1, 2, 3, 4, 5])));
    }

    #[test]
    fn no_node_becomes_a_voter_while_too_few_are_ready() {
        let ready = |node| node != NodeId(3);
        assert_eq!(wanted_voters(&catalog(&["a", "b", "c"]), &ids(&[1]), ready), None);
    }

    #[test]
    fn a_zone_without_a_voter_comes_first() {
        let catalog = catalog(&["a", "a", "b", "c"]);
        assert_eq!(wanted_voters(&catalog, &ids(&[1]), |_| true), Some(ids(&[1, 3, 4])));
    }
}
