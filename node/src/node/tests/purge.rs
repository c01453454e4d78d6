//! Removals go at every owner, and not while one of them is away.

use super::*;
use quorate_model::Span;

const KEYS: usize = 300;

/// Removals go soon.
fn soon(config: &mut NodeConfig) {
    config.purge.after = Span::from_millis(1);
    config.purge.ids_keep = Span::from_millis(1);
    config.purge.every = Span::from_millis(200);
    config.sync.after_return = Span::from_millis(300);
}

/// How many records and how many removals each node holds of a table; `None`: one of them is still counting.
fn held(cluster: &Cluster, table: &Arc<Table>) -> Option<Vec<(u64, u64)>> {
    let figure = |node: &Node| {
        let figure = node.core().local.replica().table_figures().get(&table.id).copied()?;
        figure.is_exact.then_some((figure.total.values(), figure.total.removals))
    };
    cluster.running().map(figure).collect()
}

async fn delete(node: &Node, table: &Arc<Table>, key: &str) {
    node.core().put(&put_request(table, key), Body::Tombstone).await.expect("deleted");
}

#[tokio::test]
async fn removals_go_once_every_owner_is_there_and_nothing_comes_back() {
    let mut cluster = Cluster::start_with(3, soon).await;
    let table = cluster.create_table("users", 3).await;
    for n in 0..KEYS {
        put(cluster.node(n % 3), &table, &format!("k{n}"), "first").await.expect("written");
    }
    cluster.kill(2).await;
    until("the others see that it is gone", || {
        (0..2).all(|index| !cluster.node(index).core().view().liveness().is_alive(NodeId(3)))
    })
    .await;
    for n in (0..KEYS).step_by(2) {
        delete(cluster.node(n % 2), &table, &format!("k{n}")).await;
    }
    let is_held_back = |node: &Node| {
        node.core().purge_held_back().iter().any(|held| held.table == table.id && held.by == Some(NodeId(3)))
    };
    until("the owner that is away is named", || cluster.running().any(is_held_back)).await;
    let half = KEYS as u64 / 2;
    let waits = cluster.running().flat_map(|node| node.core().purge_held_back());
    assert_eq!(waits.map(|held| held.removals).sum::<u64>(), half, "each shard is told by one node");
    assert_eq!(held(&cluster, &table), Some(vec![(half, half); 2]), "nothing goes without it");
    cluster.restart_with(2, soon).await;
    cluster.settled().await;
    until("all removals are gone", || held(&cluster, &table) == Some(vec![(half, 0); 3])).await;
    assert!(cluster.running().map(|node| node.core().purge().figures().dropped).sum::<u64>() > 0);
    assert!(cluster.running().all(|node| node.core().purge_held_back().is_empty()));
    for n in 0..KEYS {
        let found = value(get(cluster.node(n % 3), &table, &format!("k{n}"), 3).await);
        assert_eq!(found, (n % 2 == 1).then(|| "first".into()), "k{n}");
    }
    // A new value stands above what was removed.
    put(cluster.node(0), &table, "k0", "again").await.expect("written");
    assert_eq!(value(get(cluster.node(1), &table, "k0", 2).await), Some("again".into()));
    for node in cluster.running() {
        let recount = node.core().local.replica().recount().expect("counted");
        assert!(recount.wrong.is_empty(), "{:?}", recount.wrong);
    }
}
