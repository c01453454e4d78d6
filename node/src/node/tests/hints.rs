//! Hints find their owners.

use super::grow::{begun, ended};
use super::*;
use quorate_model::Request;
use quorate_ring::JobState;
use quorate_ring::planner::Wish;
use quorate_storage::ReadTier;

/// What one node itself holds of a key.
fn held(node: &Node, table: &Arc<Table>, key: &str) -> Option<quorate_model::Held> {
    let view = node.core().view();
    let entry = view.table_by_id(table.id).expect("the table is there");
    let plan = view.plan(entry, &Key::new(key.as_bytes().to_vec()), node.id());
    let read = Request::Read { at: plan.place, whole: true };
    match node.core().local.replica().read(&read, ReadTier::Disk) {
        Some(quorate_model::Reply::Record(record)) => record.map(|record| record.held()),
        other => panic!("{other:?}"),
    }
}

/// Keys written while a node is away.
const KEYS: usize = 1_000;

fn hints_kept(cluster: &Cluster) -> u64 {
    let count =
        |node: &Node| node.core().statistics().hints.waiting.iter().map(|(_, count)| count).sum::<u64>();
    cluster.running().map(count).sum()
}

#[tokio::test]
async fn a_node_that_returns_gets_what_it_missed_within_seconds() {
    let mut cluster = Cluster::start(3).await;
    let table = cluster.create_table("users", 3).await;
    cluster.kill(2).await;
    until("the others see that it is gone", || {
        (0..2).all(|index| !cluster.node(index).core().view().liveness().is_alive(NodeId(3)))
    })
    .await;
    for n in 0..KEYS {
        put(cluster.node(n % 2), &table, &format!("k{n}"), "v").await.expect("two of three are enough");
    }
    until("a hint is kept for each", || hints_kept(&cluster) == KEYS as u64).await;
    cluster.restart(2).await;
    let back = Instant::now();
    until("all are handed over", || hints_kept(&cluster) == 0).await;
    let took = back.elapsed();
    assert!(took < Duration::from_secs(10), "it took {took:?}");
    for n in 0..KEYS {
        assert!(held(cluster.node(2), &table, &format!("k{n}")).is_some(), "k{n} is missing");
    }
    let replayed: u64 = cluster.running().map(|node| node.core().statistics().hints.replayed_total).sum();
    assert_eq!(replayed, KEYS as u64);
}

/// The owner has heard of a later write than the hint: no owner may be left behind with the earlier one.
#[tokio::test]
async fn an_owner_that_holds_something_higher_makes_all_owners_agree() {
    let mut cluster = Cluster::start(3).await;
    let table = cluster.create_table("users", 3).await;
    cluster.kill(2).await;
    until("the others see that it is gone", || {
        (0..2).all(|index| !cluster.node(index).core().view().liveness().is_alive(NodeId(3)))
    })
    .await;
    put(cluster.node(0), &table, "k", "first").await.expect("two of three are enough");
    until("a hint is kept", || hints_kept(&cluster) == 1).await;
    // A later version lies on the third node alone, as after a write that reached only it. No node may reach it
    // before.
    cluster.node(0).cut(true);
    cluster.node(1).cut(true);
    let view = cluster.node(0).core().view();
    let plan = view.plan(view.table_by_id(table.id).expect("there"), &Key::new(&b"k"[..]), NodeId(1));
    let first = held(cluster.node(0), &table, "k").expect("held").version;
    let stamp = quorate_model::Stamps::new(NodeId(3), quorate_model::Boot(77)).draw();
    let second = quorate_model::Record {
        version: stamp.above(Some(first)).expect("far from the end"),
        written_at: quorate_model::WallTime(1),
        expires_at: None,
        body: Body::Value { content_type: "text/plain".into(), payload: b"second"[..].into() },
        operations: quorate_model::Operations::default(),
    };
    cluster.restart(2).await;
    let write = Request::Write {
        at: plan.place,
        record: second.clone(),
        durability: Durability::Os,
        origin: quorate_model::Origin::Fresh,
    };
    let reply = cluster.node(2).core().local.replica().read(&write, ReadTier::Disk);
    assert!(matches!(reply, Some(quorate_model::Reply::Written { .. })), "{reply:?}");
    cluster.node(0).cut(false);
    cluster.node(1).cut(false);
    until("all owners hold the later one", || {
        hints_kept(&cluster) == 0
            && cluster.running().all(|node| held(node, &table, "k") == Some(second.held()))
    })
    .await;
}

/// A member that owns nothing has coordinated writes that one owner missed: it alone keeps what that owner lacks.
#[tokio::test]
async fn a_member_that_leaves_while_an_owner_is_away_has_others_keep_its_hints() {
    const KEPT: u64 = 100;
    let mut cluster = Cluster::start(3).await;
    let table = cluster.create_table("users", 3).await;
    cluster.join().await;
    cluster.settled().await;
    cluster.kill(2).await;
    until("it is seen to be away", || {
        cluster.running().all(|node| node.core().view().liveness().down() == [NodeId(3)])
    })
    .await;
    for n in 0..KEPT {
        put(cluster.node(3), &table, &format!("k{n}"), "v").await.expect("two of three are enough");
    }
    let keeps = |index: usize| -> u64 {
        let waiting = cluster.node(index).core().statistics().hints.waiting;
        waiting.iter().map(|(_, count)| count).sum()
    };
    until("it keeps a hint for each", || keeps(3) == KEPT).await;
    let job = begun(cluster.node(0), &Wish::Remove { nodes: vec![NodeId(4)], dead: false }).await;
    assert_eq!(ended(cluster.node(0), job).await.job.state, JobState::Done);
    until("it is no member any more, with the owner still away", || {
        (0..2).all(|index| cluster.node(index).core().view().catalog().node(NodeId(4)).is_none())
    })
    .await;
    assert_eq!(keeps(0) + keeps(1), KEPT, "each is kept by one of the others");
    cluster.kill(3).await;
    cluster.restart(2).await;
    until("all are handed over", || hints_kept(&cluster) == 0).await;
    for n in 0..KEPT {
        assert!(held(cluster.node(2), &table, &format!("k{n}")).is_some(), "k{n} is missing");
    }
}
