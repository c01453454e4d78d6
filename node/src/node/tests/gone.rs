//! Nodes that are members no more: they are told so, end by themselves, and bring nothing back.

use super::grow::{begun, ended};
use super::*;
use crate::ended::Ended;
use quorate_model::Gone;
use quorate_ring::planner::Wish;
use quorate_ring::{JobState, NodeState};

fn remove(node: u64, dead: bool) -> Wish {
    Wish::Remove { nodes: vec![NodeId(node)], dead }
}

/// Why a node ends by itself that is started on the folder it had.
async fn ends(cluster: &Cluster, index: usize) -> Ended {
    let again = config(index, cluster.folders[index].path(), Entry::Existing, cluster.addresses[index]);
    match start(again).await {
        Err(StartError::Ended(ended)) => ended,
        Err(error) => panic!("another reason: {error}"),
        Ok(node) => {
            until("it ends", || node.failed().borrow().is_some()).await;
            let ended = node.failed().borrow().clone().expect("it has ended");
            node.kill().await;
            ended
        }
    }
}

fn gone(ended: &Ended) -> Option<(NodeId, Gone)> {
    match ended {
        Ended::Gone { node, gone, .. } => Some((*node, *gone)),
        Ended::Duplicate(_) => None,
    }
}

/// What members that go on say of the last connection that they refused.
fn refusals(cluster: &Cluster) -> String {
    cluster.running().filter_map(Node::last_refusal).collect::<Vec<_>>().join("; ")
}

#[tokio::test]
async fn a_node_that_was_removed_ends_by_itself_and_ends_again_when_it_returns() {
    let mut cluster = Cluster::start(4).await;
    let table = cluster.create_table("users", 3).await;
    put(cluster.node(0), &table, "k", "v").await.expect("written");
    let job = begun(cluster.node(0), &remove(4, false)).await;
    assert_eq!(ended(cluster.node(0), job).await.job.state, JobState::Done);
    until("it ends", || cluster.node(3).failed().borrow().is_some()).await;
    let why = cluster.node(3).failed().borrow().clone().expect("it has ended");
    assert_eq!(gone(&why), Some((NodeId(4), Gone::Removed)));
    let said = cluster.node(3).core().readiness().join("; ");
    assert!(said.contains("n4 is not a member of this cluster any more: it was removed"), "{said}");
    assert!(said.contains("--join host:port, as a new member"), "{said}");
    assert!(cluster.node(3).core().is_draining(), "it takes no request any more");

    cluster.kill(3).await;
    assert_eq!(gone(&ends(&cluster, 3).await), Some((NodeId(4), Gone::Removed)));
    let voters = cluster.node(0).core().view().catalog().voters().count();
    assert_eq!((voters, cluster.node(0).core().view().catalog().nodes().len()), (3, 3));
    assert_eq!(value(get(cluster.node(1), &table, "k", 2).await), Some("v".into()));
}

/// The node was away when it was declared gone for good, and its removal is not over yet.
#[tokio::test]
async fn a_banned_node_that_returns_with_its_folder_is_told_so_and_brings_nothing_back() {
    let mut cluster = Cluster::start(4).await;
    let table = cluster.create_table("users", 3).await;
    put(cluster.node(0), &table, "k", "before").await.expect("written");
    cluster.kill(3).await;
    // It will get shards, so that they wait for it.
    cluster.kill(2).await;
    until("both are seen to be away", || {
        cluster.running().all(|node| node.core().view().liveness().down().len() == 2)
    })
    .await;
    cluster.restart(2).await;
    until("one is away", || cluster.running().all(|node| node.core().view().liveness().down().len() == 1))
        .await;
    cluster.node(2).cut(true);
    until("two are away", || cluster.node(0).core().view().liveness().down().len() == 2).await;
    begun(cluster.node(0), &remove(4, true)).await;
    let state = || cluster.node(1).core().view().catalog().node(NodeId(4)).map(|node| node.state);
    until("it is banned", || state() == Some(NodeState::Banned)).await;

    let why = ends(&cluster, 3).await;
    assert_eq!(gone(&why), Some((NodeId(4), Gone::Banned)), "{why}");
    assert!(why.to_string().contains("an operator declared it gone for good"), "{why}");
    let said = refusals(&cluster);
    assert!(said.contains("node n4 is not a member of this cluster any more"), "{said}");
    let away = |node: &Node| node.core().view().liveness().down().contains(&NodeId(4));
    assert!(away(cluster.node(0)) && away(cluster.node(1)), "no member takes it for one");
}

/// A partition hides a node for so long that its operator gives it up; then it is heard again.
#[tokio::test]
async fn a_node_that_is_banned_while_it_runs_elsewhere_ends_once_it_reaches_a_member() {
    let cluster = Cluster::start(4).await;
    let table = cluster.create_table("users", 3).await;
    cluster.node(3).cut(true);
    until("it is seen to be away", || {
        (0..3).all(|index| cluster.node(index).core().view().liveness().down().contains(&NodeId(4)))
    })
    .await;
    let job = begun(cluster.node(0), &remove(4, true)).await;
    assert_eq!(ended(cluster.node(0), job).await.job.state, JobState::Done);
    put(cluster.node(1), &table, "k", "v").await.expect("written");
    assert_eq!(cluster.node(3).failed().borrow().clone(), None, "it can't know");
    cluster.node(3).cut(false);
    until("it ends", || cluster.node(3).failed().borrow().is_some()).await;
    let why = cluster.node(3).failed().borrow().clone().expect("it has ended");
    assert!(gone(&why).is_some(), "{why}");
    assert_eq!(value(get(cluster.node(2), &table, "k", 2).await), Some("v".into()));
}
