//! Nodes that lost something and come back by themselves: what they hold in the end, and what all say meanwhile.

use super::disk::{doubt, fill, with_the_last_behind};
use super::*;
use crate::control::Healing;
use quorate_model::Guarantee;
use quorate_ring::Shard;
use quorate_storage::{Cause, Doubt};

/// Waits until a node that heals by itself asks for its next start, and stops it.
async fn until_it_asks(cluster: &mut Cluster, index: usize) {
    until("it asks for its next start", || *cluster.node(index).restart().borrow()).await;
    cluster.nodes[index].take().expect("it runs").shutdown().await;
}

/// Starts a node that heals by itself, up to the start after which it fills itself.
async fn give_data_up(cluster: &mut Cluster, index: usize) {
    cluster.kill(index).await;
    cluster.restart_with(index, |config| config.heal = true).await;
    until_it_asks(cluster, index).await;
}

fn wholeness(cluster: &Cluster, index: usize) -> (u64, u64) {
    cluster.node(index).core().local.replica().wholeness()
}

async fn until_whole(cluster: &Cluster, index: usize) {
    until("it holds everything again", || {
        let (owned, whole) = wholeness(cluster, index);
        owned > 0 && owned == whole
    })
    .await;
}

/// What one node knows of how far another has come.
fn heard(cluster: &Cluster, by: usize, of: usize) -> Option<Healing> {
    cluster.node(by).core().disks().remove(&cluster.node(of).id())?.healing
}

#[tokio::test]
async fn a_node_that_lost_something_fills_itself_from_the_others_while_clients_go_on() {
    let (mut cluster, table, _older) = with_the_last_behind(3).await;
    give_data_up(&mut cluster, 2).await;
    cluster.restart_with(2, |config| config.heal = true).await;
    until_whole(&cluster, 2).await;
    assert_eq!(doubt(cluster.node(2)), None);
    // What it holds itself, without a read that could have repaired it.
    fill(&cluster, 0, &table, 20..25).await;
    until("it is ready", || cluster.node(2).core().readiness().is_empty()).await;
    let figure = |index: usize| cluster.node(index).core().local.replica().table_figures()[&table.id];
    let counted = |index: usize| figure(index).is_exact && figure(index).total.values() == 25;
    until("it holds what the others hold", || counted(2)).await;
    let read = get(cluster.node(1), &table, "k1", 2).await.expect("read");
    assert_eq!(read.guarantee, Guarantee::Linearizable, "a node that was filled has lost nothing");
    // Its copies count again: a quorum of it and one other has everything.
    cluster.kill(0).await;
    for n in 0..25 {
        assert_eq!(value(get(cluster.node(2), &table, &format!("k{n}"), 2).await), Some("v".into()));
    }
}

/// Four nodes; the last one fills itself and the second is down, so that it can't fill what the two have in common.
/// How many shards those are.
async fn with_a_source_away() -> (Cluster, Arc<Table>, usize) {
    let (mut cluster, table, _older) = with_the_last_behind(4).await;
    give_data_up(&mut cluster, 3).await;
    cluster.kill(1).await;
    cluster.restart_with(3, |config| config.heal = true).await;
    let of_both = |shard: &&Shard| shard.is_owned_by(NodeId(2)) && shard.is_owned_by(NodeId(4));
    let view = cluster.node(0).core().view();
    let shards = view.table("users").expect("it is there").shards().iter().filter(of_both).count();
    assert!(shards > 0, "the test needs a shard that both own");
    until("all but those are whole", || {
        let (owned, whole) = wholeness(&cluster, 3);
        owned > 0 && owned - whole == shards as u64
    })
    .await;
    (cluster, table, shards)
}

#[tokio::test]
async fn others_count_a_node_that_fills_itself_only_for_what_is_whole() {
    let (mut cluster, table, shards) = with_a_source_away().await;
    let has_heard = |by: &usize| {
        let said = heard(&cluster, *by, 3);
        said.is_some_and(|said| said.shards - said.whole == shards as u64 && said.waits_for.is_some())
    };
    until("the others know how far it has come", || [0, 2].iter().all(has_heard)).await;
    let said = heard(&cluster, 0, 3).expect("heard above");
    assert_eq!(said.lacks.len(), shards);
    let waits_for = said.waits_for.expect("heard above");
    assert!(waits_for.contains("shard users/"), "{waits_for}");
    assert!(
        waits_for.contains("needs 2 whole owners") && waits_for.contains("n2 can't be reached"),
        "{waits_for}"
    );
    for by in [0, 2, 3] {
        let core = cluster.node(by).core();
        let counted = core.counted();
        assert_eq!(counted.shards_refusing(&core.view()), (shards, shards), "as n{} sees it", by + 1);
        let risk = counted.tables_at_risk(&core.view()).join("; ");
        assert!(
            risk.contains(&format!("{shards} of 8 shards")) && risk.contains("that hold everything"),
            "{risk}"
        );
        assert!(!core.readiness().is_empty(), "it can't serve all shards");
    }
    let unready = cluster.node(3).core().readiness().join("; ");
    assert!(unready.contains("fills itself") && unready.contains("waits for: shard users/"), "{unready}");
    // What is whole is served by it, and needs it: the second is down.
    let is_of_both = |key: &str| {
        let view = cluster.node(0).core().view();
        let entry = view.table("users").expect("it is there");
        let shard = entry.shard_of(&Key::new(key.as_bytes().to_vec()));
        shard.is_owned_by(NodeId(2)) && shard.is_owned_by(NodeId(4))
    };
    for key in (0..20).map(|n| format!("k{n}")) {
        let read = get(cluster.node(0), &table, &key, 2).await;
        assert_eq!(read.is_err(), is_of_both(&key), "{key}: {read:?}");
    }
    cluster.restart(1).await;
    until_whole(&cluster, 3).await;
    until("the others know that", || [0, 2].iter().all(|by| heard(&cluster, *by, 3).is_none())).await;
    cluster.settled().await;
    assert_eq!(cluster.node(0).core().counted().tables_at_risk(&cluster.node(0).core().view()), [""; 0]);
}

#[tokio::test]
async fn what_too_few_others_hold_is_accepted_as_it_is() {
    let (mut cluster, table, shards) = with_a_source_away().await;
    assert_eq!(doubt(cluster.node(3)), None);
    let loss = cluster.node(3).core().loss().expect("something is not filled");
    assert!(loss.doubt.reason.contains(&format!("{shards} of its shards")), "{}", loss.doubt.reason);
    let accepted = cluster.node(3).core().accept_loss(Instant::now() + TIMEOUT).await.expect("accepted");
    assert_eq!(accepted.incarnation, 3);
    until_it_asks(&mut cluster, 3).await;
    cluster.restart_with(3, |config| config.heal = true).await;
    until_whole(&cluster, 3).await;
    assert_eq!(
        cluster.node(3).core().loss().err().map(|error| error.to_string().contains("no loss")),
        Some(true)
    );
    until("it is ready", || cluster.node(3).core().readiness().is_empty()).await;
    // Every shard answers again, and what was there before the loss still is.
    for key in (0..20).map(|n| format!("k{n}")) {
        assert_eq!(value(get(cluster.node(3), &table, &key, 2).await), Some("v".into()), "{key}");
    }
}

#[tokio::test]
async fn a_doubt_says_that_it_ends_by_itself_or_why_it_does_not() {
    let (mut cluster, _table, _older) = with_the_last_behind(3).await;
    assert!(cluster.node(2).core().readiness().join("; ").contains("accept-loss n3"), "the setting is off");
    assert_eq!(cluster.node(2).core().healing(), None);
    // Without the others no member can take its vote away.
    cluster.kill(0).await;
    cluster.kill(1).await;
    cluster.kill(2).await;
    cluster.restart_with(2, |config| config.heal = true).await;
    let said = cluster.node(2).core().readiness().join("; ");
    assert!(said.contains("it heals by itself"), "{said}");
    let waits_for = || cluster.node(2).core().healing().and_then(|healing| healing.waits_for);
    until("it says what it waits for", || waits_for().is_some()).await;
    let said = cluster.node(2).core().readiness().join("; ");
    assert!(said.contains("majority of the voters") && said.contains("accept-loss n3"), "{said}");
    cluster.restart(0).await;
    cluster.restart(1).await;
    until_it_asks(&mut cluster, 2).await;
    cluster.restart_with(2, |config| config.heal = true).await;
    until_whole(&cluster, 2).await;
}

#[tokio::test]
async fn a_doubt_that_comes_while_a_node_runs_ends_too() {
    let mut cluster = Cluster::start(3).await;
    let table = cluster.create_table("users", 3).await;
    fill(&cluster, 0, &table, 0..20).await;
    cluster.kill(2).await;
    cluster.restart_with(2, |config| config.heal = true).await;
    cluster.settled().await;
    cluster.node(2).core().local.replica().doubt("a sync failed");
    // To find the doubt at a start, to give its data up, to be whole.
    for _ in 0..2 {
        until_it_asks(&mut cluster, 2).await;
        cluster.restart_with(2, |config| config.heal = true).await;
    }
    until_whole(&cluster, 2).await;
    cluster.settled().await;
    cluster.kill(1).await;
    for n in 0..20 {
        assert_eq!(value(get(cluster.node(2), &table, &format!("k{n}"), 2).await), Some("v".into()));
    }
}

#[tokio::test]
async fn a_node_alone_and_one_whose_table_promises_one_owner_wait_for_an_operator() {
    let mut cluster = Cluster::start(2).await;
    let mut table = NewTable::hash("weak", request_id());
    (table.n, table.shards, table.w) = (2, 2, Level::One);
    cluster.node(0).core().propose(Command::CreateTable(table), TIMEOUT).await.expect("created");
    cluster.node(1).core().local.replica().doubt("a sync failed");
    cluster.kill(1).await;
    cluster.restart_with(1, |config| config.heal = true).await;
    until("it says that it can't", || {
        cluster.node(1).core().readiness().join("; ").contains("it can't heal by itself")
    })
    .await;
    let said = cluster.node(1).core().readiness().join("; ");
    assert!(said.contains("table weak") && said.contains("accept-loss n2"), "{said}");
    assert_eq!(cluster.node(1).core().healing(), None, "the others are told that it waits for an operator");
}

#[tokio::test]
async fn two_of_three_that_lost_something_say_that_they_wait_for_each_other_until_one_is_accepted() {
    let mut cluster = Cluster::start(3).await;
    let table = cluster.create_table("users", 3).await;
    fill(&cluster, 0, &table, 0..20).await;
    for index in [1, 2] {
        let doubt = Doubt::new(Cause::MachineStopped, "a test stopped it");
        cluster.node(index).core().local.replica().mark_doubtful(doubt);
        give_data_up(&mut cluster, index).await;
    }
    for index in [1, 2] {
        cluster.restart_with(index, |config| config.heal = true).await;
    }
    let waits = |index: usize, why: &str| {
        let said = cluster.node(index).core().healing().and_then(|healing| healing.waits_for);
        said.is_some_and(|said| said.contains(why))
    };
    until("both say it", || waits(1, "n3 is filling itself") && waits(2, "n2 is filling itself")).await;
    for key in (0..20).map(|n| format!("k{n}")) {
        assert!(get(cluster.node(0), &table, &key, 2).await.is_err(), "{key}: one whole owner is no quorum");
        assert_eq!(value(get(cluster.node(0), &table, &key, 1).await), Some("v".into()), "{key}");
    }
    cluster.node(2).core().accept_loss(Instant::now() + TIMEOUT).await.expect("accepted");
    until_it_asks(&mut cluster, 2).await;
    cluster.restart_with(2, |config| config.heal = true).await;
    until_whole(&cluster, 2).await;
    until_whole(&cluster, 1).await;
    for key in (0..20).map(|n| format!("k{n}")) {
        assert_eq!(value(get(cluster.node(1), &table, &key, 3).await), Some("v".into()), "{key}");
    }
}

#[tokio::test]
async fn a_node_that_fills_itself_may_be_killed_and_a_table_that_is_dropped_is_not_filled() {
    let (mut cluster, table, shards) = with_a_source_away().await;
    cluster.kill(3).await;
    cluster.restart_with(3, |config| config.heal = true).await;
    until("it goes on where it was", || {
        let (owned, whole) = wholeness(&cluster, 3);
        owned > 0 && owned - whole == shards as u64
    })
    .await;
    let drop = Command::DropTable { table: table.id };
    cluster.node(0).core().propose(drop, TIMEOUT).await.expect("dropped");
    until("there is nothing to fill", || cluster.node(3).core().healing().is_none()).await;
    // A table of that name is another one, and was never lost.
    cluster.restart(1).await;
    cluster.settled().await;
    until("every owner refuses what was dropped", || cluster.node(0).core().dropping("users").is_none())
        .await;
    let again = cluster.create_table("users", 3).await;
    fill(&cluster, 3, &again, 0..5).await;
    assert_eq!(cluster.node(3).core().healing(), None);
    assert!(value(get(cluster.node(3), &again, "k9", 2).await).is_none(), "it was dropped");
}
