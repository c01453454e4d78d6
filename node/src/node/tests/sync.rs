//! Owners become equal without a client that reads.

use super::*;
use crate::sync::{Cause, Job, Way};
use quorate_model::Span;

const KEYS: usize = 600;

/// No hint is kept, and a node that returned is compared soon.
fn without_hints(config: &mut NodeConfig) {
    config.storage.replica.hints_max = 0;
    config.sync.after_return = Span::from_millis(300);
    config.sync.retry_after = Span::from_millis(500);
}

/// What each node's records of the table add up to; `None`: one of them is still counting.
fn sums(cluster: &Cluster, table: &Arc<Table>) -> Option<Vec<(u128, u64)>> {
    let sum = |node: &Node| {
        let figure = node.core().local.replica().table_figures().get(&table.id).copied()?;
        figure.is_exact.then_some((figure.total.sum, figure.total.records))
    };
    cluster.running().map(sum).collect()
}

fn are_equal(cluster: &Cluster, table: &Arc<Table>) -> bool {
    sums(cluster, table).is_some_and(|sums| sums.windows(2).all(|pair| pair[0] == pair[1]))
}

fn jobs(cluster: &Cluster) -> Vec<Job> {
    cluster.running().flat_map(|node| node.core().sync().jobs()).collect()
}

#[tokio::test]
async fn what_a_killed_node_missed_comes_back_without_a_hint_and_without_a_read() {
    let mut cluster = Cluster::start(3).await;
    let table = cluster.create_table("users", 3).await;
    for n in 0..KEYS {
        put(cluster.node(n % 3), &table, &format!("k{n}"), "first").await.expect("written");
    }
    for index in 0..3 {
        cluster.kill(index).await;
    }
    for index in 0..3 {
        cluster.restart_with(index, without_hints).await;
    }
    cluster.settled().await;
    cluster.kill(2).await;
    until("the others see that it is gone", || {
        (0..2).all(|index| !cluster.node(index).core().view().liveness().is_alive(NodeId(3)))
    })
    .await;
    for n in (0..KEYS).step_by(3) {
        put(cluster.node(n % 2), &table, &format!("k{n}"), "second").await.expect("two of three are enough");
        put(cluster.node(n % 2), &table, &format!("new{n}"), "third").await.expect("two of three are enough");
    }
    assert!(
        cluster.running().all(|node| node.core().statistics().hints.waiting.iter().all(|(_, n)| *n == 0))
    );
    cluster.restart_with(2, without_hints).await;
    let back = Instant::now();
    until("all owners are equal", || are_equal(&cluster, &table)).await;
    let took = back.elapsed();
    assert!(took < Duration::from_secs(30), "it took {took:?}");
    let records = sums(&cluster, &table).expect("counted")[0].1;
    assert_eq!(records, (KEYS + KEYS / 3) as u64);
    until("the rounds are over", || jobs(&cluster).iter().all(|job| job.ended_at.is_some())).await;
    let brought: u64 = jobs(&cluster).iter().map(|job| job.counts.pulled + job.counts.pushed).sum();
    assert!(brought >= 2 * KEYS as u64 / 3, "{brought} records were brought");

    // Equal owners are proven equal from memory, and next to nothing is sent.
    for node in cluster.running() {
        node.core().sync().order(Way::Look, Some(table.id), Cause::Order);
    }
    let looked = |job: &Job| job.way == Way::Look && job.ended_at.is_some();
    until("all have looked", || jobs(&cluster).iter().filter(|job| looked(job)).count() == 3).await;
    let looks: Vec<Job> = jobs(&cluster).into_iter().filter(looked).collect();
    assert_eq!(looks.iter().map(|job| job.equal).sum::<u64>(), 8, "{looks:?}");
    assert!(looks.iter().all(|job| job.counts.differing + job.open + job.short == 0), "{looks:?}");
    let bytes: u64 = looks.iter().map(|job| job.bytes).sum();
    assert!(bytes <= 8 * 2 * 64, "{bytes} bytes for 8 shards with 2 other owners each");
    let proofs: Vec<_> =
        cluster.running().filter_map(|node| node.core().sync().proofs().remove(&table.id)).collect();
    assert_eq!(proofs.iter().map(|of| of.shards).sum::<u64>(), 8);
    assert!(proofs.iter().all(|of| of.never == 0));
}
