//! Disks that lost something, and nodes that know it.

use super::*;
use crate::core::LossError;
use quorate_coordinator::answer::ReplicaResult;
use quorate_model::{Guarantee, Refusal};
use quorate_storage::Cause;
use quorate_storage::rocks::FreeBytes;
use std::fs;
use std::sync::atomic::{AtomicU64, Ordering};

/// Why a node doubts its disk.
pub fn doubt(node: &Node) -> Option<(Cause, String)> {
    node.core().statistics().replica_doubt.map(|doubt| (doubt.cause, doubt.reason))
}

/// The node's log that is written to.
fn log(folder: &Path) -> std::path::PathBuf {
    let entries = fs::read_dir(folder.join("db")).expect("readable").map(|entry| entry.expect("read").path());
    let logs = entries.filter(|path| path.extension().is_some_and(|extension| extension == "log"));
    logs.max().expect("there is a log")
}

pub async fn fill(cluster: &Cluster, through: usize, table: &Arc<Table>, keys: std::ops::Range<u32>) {
    for n in keys {
        put(cluster.node(through), table, &format!("k{n}"), "v").await.expect("written");
    }
}

#[tokio::test]
async fn a_log_that_was_cut_while_all_nodes_were_down_is_noticed_by_what_the_others_remember() {
    let mut cluster = Cluster::start(3).await;
    let table = cluster.create_table("users", 3).await;
    fill(&cluster, 0, &table, 0..20).await;
    let folder = cluster.folders[2].path().to_owned();
    // What a power cut would have left of a note that is not synced.
    let watermark = fs::read(folder.join("watermark")).expect("readable");
    fill(&cluster, 0, &table, 20..60).await;
    let told = |index: usize| cluster.node(index).core().local.replica().remembered(NodeId(3));
    let came = cluster.node(2).core().local.replica().committed().expect("healthy");
    until("the others have heard it", || (0..2).all(|n| told(n).is_some_and(|it| it.counter >= came))).await;
    for index in 0..3 {
        cluster.kill(index).await;
    }
    let log = log(&folder);
    let length = fs::metadata(&log).expect("a file").len();
    fs::OpenOptions::new().write(true).open(&log).expect("writable").set_len(length - 2_000).expect("cut");
    fs::write(folder.join("watermark"), watermark).expect("written");
    // The other two remember it across their own restart.
    cluster.restart(0).await;
    cluster.restart(1).await;
    cluster.restart(2).await;
    let (cause, reason) = doubt(cluster.node(2)).expect("it doubts its disk");
    assert_eq!(cause, Cause::Behind);
    assert!(reason.contains("remembers change"), "{reason}");
    assert!(cluster.node(2).core().control.is_silent(), "it votes no more");
    assert!(cluster.node(2).core().refuses_keys().is_some(), "it serves no key");
    assert!(cluster.node(2).core().readiness().join("; ").contains("accept-loss n3"));
    // The others serve, and know that they can't count on it.
    until("the others lead", || (0..2).all(|n| cluster.node(n).core().leader().is_some())).await;
    assert_eq!(value(get(cluster.node(0), &table, "k59", 2).await), Some("v".into()));
    until("the others have heard of the doubt", || {
        let said = cluster.node(0).core().disks().get(&NodeId(3)).and_then(|disk| disk.doubt.clone());
        said.as_deref() == Some("behind")
    })
    .await;
}

#[tokio::test]
async fn an_old_copy_of_a_folder_is_noticed_after_the_original_has_died() {
    let mut cluster = Cluster::start(3).await;
    let table = cluster.create_table("users", 3).await;
    cluster.kill(2).await;
    let copy = tempfile::tempdir().expect("a folder");
    copy_folder(cluster.folders[2].path(), copy.path());
    cluster.restart(2).await;
    cluster.settled().await;
    fill(&cluster, 1, &table, 0..10).await;
    cluster.kill(2).await;
    cluster.folders[2] = copy;
    cluster.restart(2).await;
    assert_eq!(doubt(cluster.node(2)).map(|(cause, _)| cause), Some(Cause::Behind));
}

#[tokio::test]
async fn a_node_that_was_killed_has_lost_nothing() {
    let mut cluster = Cluster::start(3).await;
    let table = cluster.create_table("users", 3).await;
    for round in 0..3 {
        fill(&cluster, 0, &table, round * 10..round * 10 + 10).await;
        cluster.kill(2).await;
        fill(&cluster, 1, &table, round * 10..round * 10 + 5).await;
        cluster.restart(2).await;
        assert_eq!(doubt(cluster.node(2)), None);
    }
}

/// One node with a table of this durability and a record in it, killed, whose machine then stops.
async fn after_a_stop_of_the_machine(durability: Durability) -> (Cluster, tempfile::TempDir) {
    let mut cluster = Cluster::start(1).await;
    let kernel = tempfile::tempdir().expect("a folder");
    let file = kernel.path().join("boot_id");
    fs::write(&file, "one\n").expect("written");
    cluster.nodes[0].take().expect("it runs").shutdown().await;
    cluster.restart_with(0, |config| config.boot_id_file.clone_from(&file)).await;
    let mut table = NewTable::hash("users", request_id());
    (table.n, table.shards, table.durability) = (1, 1, durability);
    cluster.node(0).core().propose(Command::CreateTable(table), TIMEOUT).await.expect("created");
    let table = cluster.table(0, "users").await;
    put(cluster.node(0), &table, "k", "v").await.expect("written");
    cluster.kill(0).await;
    cluster.restart_with(0, |config| config.boot_id_file.clone_from(&file)).await;
    assert_eq!(doubt(cluster.node(0)), None, "a killed process leaves its records with the machine");
    put(cluster.node(0), &table, "k", "w").await.expect("written");
    cluster.kill(0).await;
    fs::write(&file, "two\n").expect("written");
    cluster.restart_with(0, |config| config.boot_id_file.clone_from(&file)).await;
    (cluster, kernel)
}

#[tokio::test]
async fn a_stop_of_the_machine_is_a_doubt_where_records_were_not_synced() {
    let (mut cluster, _kernel) = after_a_stop_of_the_machine(Durability::Os).await;
    let (cause, reason) = doubt(cluster.node(0)).expect("it doubts its disk");
    assert_eq!(cause, Cause::MachineStopped, "{reason}");
    assert!(reason.contains("durability=os"), "{reason}");
    let table = cluster.table(0, "users").await;
    assert!(get(cluster.node(0), &table, "k", 1).await.is_err(), "it answers nothing");
    cluster.kill(0).await;
}

#[tokio::test]
async fn a_stop_of_the_machine_is_nothing_where_all_was_synced() {
    let (cluster, _kernel) = after_a_stop_of_the_machine(Durability::Sync).await;
    assert_eq!(doubt(cluster.node(0)), None);
    let table = cluster.table(0, "users").await;
    assert_eq!(value(get(cluster.node(0), &table, "k", 1).await), Some("w".into()));
}

#[tokio::test]
async fn a_database_that_cannot_be_opened_does_not_end_the_node() {
    let mut cluster = Cluster::start(3).await;
    let table = cluster.create_table("users", 3).await;
    fill(&cluster, 0, &table, 0..5).await;
    cluster.kill(2).await;
    let db = cluster.folders[2].path().join("db");
    let manifest = fs::read_to_string(db.join("CURRENT")).expect("readable");
    let manifest = db.join(manifest.trim_end());
    let mut bytes = fs::read(&manifest).expect("readable");
    bytes[20] ^= 0x10;
    fs::write(&manifest, bytes).expect("written");
    for round in 0..2 {
        cluster.restart(2).await;
        let doubtful = cluster.node(2);
        assert_eq!(doubt(doubtful).map(|(cause, _)| cause), Some(Cause::Damaged), "round {round}");
        assert!(doubtful.core().readiness().join("; ").contains("with an empty folder"));
        assert!(doubtful.core().refuses_keys().is_some(), "it serves no key");
        fill(&cluster, round, &table, 0..5).await;
        // It knows no member that it could tell; the others hear it as soon as they tell of themselves.
        until("the others have heard of the doubt", || {
            let said =
                (0..2).map(|n| cluster.node(n).core().disks().get(&NodeId(3)).and_then(|d| d.doubt.clone()));
            said.flatten().filter(|doubt| doubt == "damaged").count() == 2
        })
        .await;
        cluster.kill(2).await;
    }
}

#[tokio::test]
async fn full_disks_refuse_writes_are_seen_everywhere_and_go_on_by_themselves() {
    let mut cluster = Cluster::start(3).await;
    let table = cluster.create_table("users", 3).await;
    fill(&cluster, 0, &table, 0..3).await;
    let free = Arc::new(AtomicU64::new(u64::MAX));
    for index in 1..3 {
        let free = Arc::clone(&free);
        cluster.kill(index).await;
        cluster
            .restart_with(index, |config| {
                config.storage.rocks.free_bytes =
                    FreeBytes(Arc::new(move |_| Ok(free.load(Ordering::Relaxed))));
            })
            .await;
    }
    cluster.settled().await;
    free.store(1_000, Ordering::Relaxed);
    let refused = put(cluster.node(0), &table, "k9", "v").await.expect_err("two of three are full");
    let PutError::Unavailable { replicas, .. } = &refused else { panic!("{refused:?}") };
    let full = ReplicaResult::Refused(Refusal::DiskFull);
    assert_eq!(replicas.iter().filter(|replica| replica.result == full).count(), 2, "{refused:?}");
    assert_eq!(value(get(cluster.node(0), &table, "k1", 3).await), Some("v".into()), "reads go on");
    assert!(cluster.node(1).core().readiness().join("; ").contains("the disk is full"));
    until("the others have heard of it", || {
        cluster.node(0).core().disks().get(&NodeId(2)).is_some_and(|disk| disk.full)
    })
    .await;
    free.store(u64::MAX, Ordering::Relaxed);
    put(cluster.node(0), &table, "k9", "v").await.expect("there is space again");
    assert_eq!(doubt(cluster.node(1)), None, "a full disk is no doubt");
}

#[tokio::test]
async fn a_flipped_bit_in_a_table_file_is_never_a_missing_key() {
    let mut cluster = Cluster::start(3).await;
    let table = cluster.create_table("users", 3).await;
    fill(&cluster, 0, &table, 0..50).await;
    cluster.kill(2).await;
    // Recovery moves the log's records into table files.
    cluster.restart(2).await;
    cluster.kill(2).await;
    let db = cluster.folders[2].path().join("db");
    let files = fs::read_dir(&db).expect("readable").map(|entry| entry.expect("read").path());
    let tables = files.filter(|path| path.extension().is_some_and(|extension| extension == "sst"));
    for path in tables {
        let mut bytes = fs::read(&path).expect("readable");
        for at in (0..bytes.len()).step_by(512) {
            bytes[at] ^= 0x04;
        }
        fs::write(&path, bytes).expect("written");
    }
    cluster.restart(2).await;
    for n in 0..50 {
        // The node refuses by the table it knew, as its HTTP edge does; it never says that there is nothing.
        if cluster.node(2).core().refuses_keys().is_none() {
            let read = get(cluster.node(2), &table, &format!("k{n}"), 1).await;
            assert!(read.as_ref().is_err() || value(read).is_some(), "a key is missing");
        }
        assert_eq!(value(get(cluster.node(0), &table, &format!("k{n}"), 2).await), Some("v".into()));
    }
    assert_eq!(doubt(cluster.node(2)).map(|(cause, _)| cause), Some(Cause::Damaged));
}

#[tokio::test]
async fn nodes_that_all_moved_at_once_find_each_other_by_their_clients_addresses() {
    let mut cluster = Cluster::start(3).await;
    let table = cluster.create_table("users", 3).await;
    fill(&cluster, 0, &table, 0..3).await;
    let before = cluster.addresses.clone();
    for index in 0..3 {
        cluster.kill(index).await;
    }
    // The first node's address for clients is all that the others are told.
    cluster.addresses = vec![loopback(0); 3];
    cluster.restart(0).await;
    let contact = serve_page(cluster.node(0)).await;
    for index in 1..3 {
        cluster
            .restart_with(index, |config| config.entry = Entry::Join { addresses: vec![contact.to_string()] })
            .await;
    }
    cluster.settled().await;
    for (index, old) in before.iter().enumerate() {
        assert_ne!(cluster.node(index).peer_address(), *old);
    }
    assert_eq!(value(get(cluster.node(2), &table, "k2", 3).await), Some("v".into()));
}

#[tokio::test]
async fn a_doubtful_node_that_moved_is_found_by_the_others() {
    let mut cluster = Cluster::start(3).await;
    cluster.create_table("users", 3).await;
    cluster.node(2).core().local.replica().doubt("a sync failed");
    cluster.kill(2).await;
    cluster.addresses[2] = loopback(0);
    cluster.restart(2).await;
    let moved = cluster.node(2).peer_address().to_string();
    until("the catalog knows its address", || {
        let view = cluster.node(0).core().view();
        view.catalog().node(NodeId(3)).is_some_and(|node| node.peer_address == moved)
    })
    .await;
    until("it is connected", || cluster.node(0).core().view().liveness().is_alive(NodeId(3))).await;
}

/// So many nodes of which the last was put back to an earlier state of its folder, and what it may have lost.
pub async fn with_the_last_behind(count: usize) -> (Cluster, Arc<Table>, tempfile::TempDir) {
    let last = count - 1;
    let mut cluster = Cluster::start(count).await;
    let table = cluster.create_table("users", 3).await;
    fill(&cluster, 0, &table, 0..5).await;
    cluster.kill(last).await;
    let (old, older) = (tempfile::tempdir().expect("a folder"), tempfile::tempdir().expect("a folder"));
    copy_folder(cluster.folders[last].path(), old.path());
    copy_folder(cluster.folders[last].path(), older.path());
    cluster.restart(last).await;
    cluster.settled().await;
    fill(&cluster, 1, &table, 5..20).await;
    cluster.kill(last).await;
    cluster.folders[last] = old;
    cluster.restart(last).await;
    assert_eq!(doubt(cluster.node(last)).map(|(cause, _)| cause), Some(Cause::Behind));
    (cluster, table, older)
}

#[tokio::test]
async fn an_accepted_loss_lets_the_node_vote_and_serve_again_as_a_new_incarnation() {
    let (mut cluster, table, older) = with_the_last_behind(3).await;
    assert_eq!(cluster.node(0).core().loss().err(), Some(LossError::NotDoubtful(NodeId(1))));
    let loss = cluster.node(2).core().loss().expect("it doubts its disk");
    let said = loss.tables[0].sentence();
    assert!(said.contains("users (w=2 of 3)") && said.contains("1 or more of the other owners"), "{said}");
    let accepted = cluster.node(2).core().accept_loss(Instant::now() + TIMEOUT).await.expect("accepted");
    assert_eq!(accepted.incarnation, 2);
    assert!(*cluster.node(2).restart().borrow(), "it asks to be started again");
    let voters = |cluster: &Cluster| cluster.node(0).core().control.voters();
    assert!(!voters(&cluster).contains(&NodeId(3)), "its vote was taken away before it forgets");
    cluster.nodes[2].take().expect("it runs").shutdown().await;
    cluster.restart(2).await;
    assert_eq!(doubt(cluster.node(2)), None);
    until("it votes again", || voters(&cluster) == [NodeId(1), NodeId(2), NodeId(3)].into()).await;
    let incarnation = || cluster.node(1).core().view().catalog().node(NodeId(3)).map(|node| node.incarnation);
    until("the others know its new incarnation", || incarnation() == Some(2)).await;
    cluster.settled().await;
    for n in 0..20 {
        assert_eq!(value(get(cluster.node(2), &table, &format!("k{n}"), 3).await), Some("v".into()));
    }
    // What was acknowledged may be missing, so no node claims more than that.
    for index in 0..3 {
        let read = get(cluster.node(index), &table, "k1", 3).await.expect("read");
        let written = put(cluster.node(index), &table, "k1", "v").await.expect("written");
        assert_eq!((read.guarantee, written.guarantee), (Guarantee::Eventual, Guarantee::Eventual));
        let view = cluster.node(index).core().view();
        let losses = view.table("users").expect("there").losses();
        assert_eq!(losses.iter().map(|loss| loss.node).collect::<Vec<_>>(), [NodeId(3)], "{losses:?}");
        assert!(losses[0].at.is_some());
    }
    let others = cluster.create_table("others", 3).await;
    let written = put(cluster.node(2), &others, "k", "v").await.expect("written");
    assert_eq!(written.guarantee, Guarantee::Linearizable, "a table that was made since has lost nothing");
    // A restart is nothing special any more.
    cluster.kill(2).await;
    cluster.restart(2).await;
    assert_eq!(doubt(cluster.node(2)), None);
    cluster.settled().await;
    // The earlier incarnation is refused, should a copy of it turn up.
    cluster.kill(2).await;
    cluster.folders[2] = older;
    cluster.restart(2).await;
    until("it knows that it does not count", || doubt(cluster.node(2)).is_some()).await;
    let (_, reason) = doubt(cluster.node(2)).expect("it doubts");
    assert!(reason.contains("incarnation 2") && reason.contains("incarnation 1"), "{reason}");
    assert!(get(cluster.node(2), &table, "k1", 1).await.is_err());
}

#[tokio::test]
async fn damage_and_fresh_doubts_are_not_accepted() {
    let (mut cluster, _table, _older) = with_the_last_behind(3).await;
    // Without the others no member can take its vote away.
    cluster.kill(0).await;
    cluster.kill(1).await;
    let soon = Instant::now() + Duration::from_secs(1);
    let refused = cluster.node(2).core().accept_loss(soon).await;
    assert!(matches!(refused, Err(LossError::Unavailable(_))), "{refused:?}");
    cluster.restart(0).await;
    cluster.node(0).core().local.replica().doubt("a sync failed");
    let refused = cluster.node(0).core().accept_loss(Instant::now() + TIMEOUT).await;
    assert_eq!(refused, Err(LossError::NotRestarted));
    let damaged = quorate_storage::Doubt::new(Cause::Damaged, "a checksum does not match");
    cluster.restart(1).await;
    cluster.node(1).core().local.replica().mark_doubtful(damaged);
    cluster.kill(1).await;
    cluster.restart(1).await;
    let refused = cluster.node(1).core().accept_loss(Instant::now() + TIMEOUT).await;
    assert!(matches!(refused, Err(LossError::Damaged(_))), "{refused:?}");
}

#[tokio::test]
async fn a_stopped_machine_is_accepted_without_a_leader() {
    let (mut cluster, kernel) = after_a_stop_of_the_machine(Durability::Os).await;
    let accepted = cluster.node(0).core().accept_loss(Instant::now() + TIMEOUT).await.expect("accepted");
    assert_eq!((accepted.incarnation, accepted.records), (2, 1));
    cluster.kill(0).await;
    let file = kernel.path().join("boot_id");
    cluster.restart_with(0, |config| config.boot_id_file.clone_from(&file)).await;
    assert_eq!(doubt(cluster.node(0)), None);
    let table = cluster.table(0, "users").await;
    until("the catalog knows", || {
        let view = cluster.node(0).core().view();
        view.catalog().node(NodeId(1)).is_some_and(|node| node.incarnation == 2)
    })
    .await;
    assert_eq!(value(get(cluster.node(0), &table, "k", 1).await), Some("w".into()));
}
