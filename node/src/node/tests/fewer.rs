//! Copies become fewer while clients write: nothing that was acknowledged is lost, and what is given up is cleared.

use super::grow::{Writer, all_there, begun, ended};
use super::*;
use quorate_ring::JobState;
use quorate_ring::planner::Wish;

/// Fewer copies of a table, until that is carried out.
async fn fewer(cluster: &Cluster, table: &Arc<Table>, n: u8) {
    let wish = Wish::Copies { table: table.id, n, r: None, w: None };
    let job = begun(cluster.node(0), &wish).await;
    let now = ended(cluster.node(1), job).await;
    assert_eq!((&now.job.state, now.job.done), (&JobState::Done, now.job.total));
    let is_so = |node: &Node| {
        let view = node.core().view();
        let entry = view.catalog().table_by_id(table.id).expect("there").clone();
        entry.n == n
            && entry
                .shards()
                .iter()
                .all(|shard| shard.owners.len() == usize::from(n) && shard.joint.is_none())
    };
    until("each node knows", || cluster.running().all(is_so)).await;
}

#[tokio::test]
async fn five_copies_become_three_and_one_under_writes_and_none_of_them_is_lost() {
    let mut cluster = Cluster::start(5).await;
    let table = cluster.create_table("users", 5).await;
    let writer = Writer::start(&cluster, &[0, 1, 2], &table);
    until("something is there", || writer.count() > 50).await;
    // One owner misses some of it; hints and syncs bring it what they do.
    cluster.kill(4).await;
    let before = writer.count();
    until("more is there", || writer.count() > before + 50).await;
    cluster.restart(4).await;
    cluster.settled().await;
    fewer(&cluster, &table, 3).await;
    let later = writer.count();
    until("it goes on", || writer.count() > later + 50).await;
    let written = writer.written().await;
    let table = cluster.table(0, "users").await;
    all_there(cluster.node(3), &table, &written).await;
    fewer(&cluster, &table, 1).await;
    let table = cluster.table(2, "users").await;
    for key in &written {
        assert_eq!(value(get(cluster.node(2), &table, key, 1).await).as_ref(), Some(key), "{key}");
    }
    let held = |index: usize| {
        let figures = cluster.node(index).core().local.replica().table_figures();
        figures.values().map(|figure| figure.total.records).sum::<u64>()
    };
    until("former owners have cleared what they gave up", || {
        (0..5).map(held).sum::<u64>() == written.len() as u64
    })
    .await;
}
