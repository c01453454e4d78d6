//! Keys through any node, with and without a majority of the voters, before and after a restart.

use super::*;
use quorate_model::Guarantee;

#[tokio::test]
async fn a_value_written_through_one_node_is_read_through_each() {
    let cluster = Cluster::start(3).await;
    let table = cluster.create_table("users", 3).await;
    let answer = put(cluster.node(0), &table, "ada", "1815").await.expect("written");
    assert_eq!(answer.guarantee, Guarantee::Linearizable);
    for index in 0..3 {
        let table = cluster.table(index, "users").await;
        assert_eq!(value(get(cluster.node(index), &table, "ada", 2).await), Some("1815".into()));
    }
}

#[tokio::test]
async fn a_table_is_known_everywhere_once_its_creation_is_answered() {
    let cluster = Cluster::start(3).await;
    for round in 0..5 {
        let name = format!("t{round}");
        let mut table = NewTable::hash(&name, request_id());
        table.shards = 1;
        let through = cluster.node(round % 3);
        through.core().propose(Command::CreateTable(table), TIMEOUT).await.expect("created");
        for node in cluster.running() {
            assert!(node.core().view().table(&name).is_some(), "{name} is not known to {}", node.id());
        }
    }
}

#[tokio::test]
async fn key_traffic_goes_on_without_a_majority_of_the_voters() {
    let cluster = Cluster::start(3).await;
    let table = cluster.create_table("users", 3).await;
    // Consensus stops on two of three nodes; their replicas do not.
    cluster.node(1).core().control.stop().await;
    cluster.node(2).core().control.stop().await;
    until("there is no leader", || cluster.node(0).core().leader().is_none()).await;
    let mut refused = NewTable::hash("other", request_id());
    refused.shards = 1;
    let proposed =
        cluster.node(0).core().propose(Command::CreateTable(refused), Duration::from_secs(1)).await;
    assert!(proposed.is_err(), "{proposed:?}");
    for index in 0..3 {
        let key = format!("k{index}");
        put(cluster.node(index), &table, &key, "still").await.expect("written");
        assert_eq!(value(get(cluster.node((index + 1) % 3), &table, &key, 2).await), Some("still".into()));
    }
}

#[tokio::test]
async fn a_restarted_node_serves_its_last_catalog_without_asking_a_peer() {
    let mut cluster = Cluster::start(3).await;
    let table = cluster.create_table("users", 3).await;
    put(cluster.node(0), &table, "ada", "1815").await.expect("written");
    for index in 0..3 {
        cluster.kill(index).await;
    }
    cluster.restart(0).await;
    let alone = cluster.table(0, "users").await;
    assert_eq!(alone, table, "the table survives");
    assert_eq!(value(get(cluster.node(0), &alone, "ada", 1).await), Some("1815".into()));
    assert!(get(cluster.node(0), &alone, "ada", 2).await.is_err(), "one of three is no quorum");
    cluster.restart(1).await;
    cluster.restart(2).await;
    cluster.settled().await;
    assert_eq!(value(get(cluster.node(2), &table, "ada", 3).await), Some("1815".into()));
}

#[tokio::test]
async fn a_stop_in_order_loses_nothing_and_the_folder_opens_again() {
    let mut cluster = Cluster::start(1).await;
    let table = cluster.create_table("solo", 1).await;
    for n in 0..50 {
        put(cluster.node(0), &table, &format!("k{n}"), "v").await.expect("written");
    }
    cluster.nodes[0].take().expect("it runs").shutdown().await;
    cluster.restart(0).await;
    let table = cluster.table(0, "solo").await;
    for n in 0..50 {
        assert_eq!(value(get(cluster.node(0), &table, &format!("k{n}"), 1).await), Some("v".into()));
    }
}

#[tokio::test]
async fn a_node_that_doubted_its_disk_starts_again_without_consensus_and_says_so() {
    let mut cluster = Cluster::start(3).await;
    let table = cluster.create_table("users", 3).await;
    cluster.node(2).core().local.replica().doubt("a checksum does not match");
    cluster.kill(2).await;
    cluster.restart(2).await;
    let doubtful = cluster.node(2);
    assert!(doubtful.core().control.is_silent());
    assert_eq!(cluster.table(2, "users").await, table, "its last catalog is in force");
    let ready = doubtful.core().readiness().join("; ");
    for part in ["a checksum does not match", "with an empty folder"] {
        assert!(ready.contains(part), "{part} is missing: {ready}");
    }
    assert!(doubtful.core().refuses_keys().is_some(), "it serves no key");
    // The others are a majority, of the owners and of the voters.
    until("the others lead", || (0..2).all(|index| cluster.node(index).core().leader().is_some())).await;
    put(cluster.node(0), &table, "k", "v").await.expect("two of three are enough");
    cluster.node(0).core().propose(Command::CreateTable(small("other")), TIMEOUT).await.expect("created");
    assert_eq!(doubtful.core().leader(), None);
    assert!(doubtful.core().view().table("other").is_none(), "its catalog stays as it was");
}

#[tokio::test]
async fn what_a_member_holds_in_memory_alone_is_told_too() {
    let cluster = Cluster::start(1).await;
    let table = cluster.create_table("users", 1).await;
    for number in 0..10 {
        put(cluster.node(0), &table, &format!("k{number}"), "value").await.expect("written");
    }
    let said = cluster.node(0).core().reports(TIMEOUT).await;
    let report = said[0].1.as_ref().expect("it said so");
    let figures = cluster.node(0).core().local.replica().table_figures();
    assert_eq!(report.bytes, figures[&table.id].total.bytes);
    assert!(report.bytes >= 50, "ten values of five bytes, and their keys: {}", report.bytes);
}

fn small(name: &str) -> NewTable {
    let mut table = NewTable::hash(name, request_id());
    table.shards = 1;
    table
}

#[tokio::test]
async fn data_of_a_dropped_table_are_removed() {
    let cluster = Cluster::start(1).await;
    let table = cluster.create_table("gone", 1).await;
    put(cluster.node(0), &table, "k", "v").await.expect("written");
    let replica = Arc::clone(cluster.node(0).core().local.replica());
    assert_eq!(replica.stored_tables().expect("healthy"), [table.id]);
    let drop = Command::DropTable { table: table.id };
    cluster.node(0).core().propose(drop, TIMEOUT).await.expect("dropped");
    until("its data are removed", || replica.stored_tables().expect("healthy").is_empty()).await;
    assert!(get(cluster.node(0), &table, "k", 1).await.is_err());
}

#[tokio::test]
async fn a_cut_node_is_out_and_comes_back() {
    let cluster = Cluster::start(3).await;
    let table = cluster.create_table("users", 3).await;
    cluster.node(2).cut(true);
    until("the others see that it is gone", || {
        (0..2).all(|index| !cluster.node(index).core().view().liveness().is_alive(cluster.node(2).id()))
    })
    .await;
    assert!(put(cluster.node(2), &table, "k", "lonely").await.is_err());
    put(cluster.node(0), &table, "k", "v").await.expect("two of three are enough");
    assert!(!cluster.node(2).core().readiness().is_empty());
    cluster.node(2).cut(false);
    cluster.settled().await;
    assert_eq!(value(get(cluster.node(2), &table, "k", 3).await), Some("v".into()));
}
