//! The library's own conformance suite, over a database on a disk.

use crate::types::{LogId, SnapshotMeta, StorageError, Types};
use crate::{Log, Machine, Publish};
use openraft::CommittedLeaderId;
use openraft::storage::{RaftLogReader, RaftLogStorage, RaftStateMachine};
use openraft::testing::{StoreBuilder, Suite};
use quorate_model::{Boot, ClusterId, NodeId, Rules, Run};
use quorate_ring::Catalog;
use quorate_storage::disk::Replica;
use quorate_storage::{
    OpenMode, RaftEntry, RaftStore, ReplicaLimits, RocksEngine, RocksOptions, SumsSetting,
};
use std::pin::Pin;
use std::sync::Arc;
use tempfile::TempDir;

struct OnDisk;

/// No node looks at what is applied here.
struct Nowhere;

impl Publish for Nowhere {
    fn publish(&self, _: Arc<Catalog>) -> Pin<Box<dyn Future<Output = ()> + Send + '_>> {
        Box::pin(std::future::ready(()))
    }
}

impl StoreBuilder<Types, Log, Machine, TempDir> for OnDisk {
    async fn build(&self) -> Result<(TempDir, Log, Machine), StorageError> {
        let folder = tempfile::tempdir().expect("a folder");
        let engine =
            RocksEngine::open(folder.path(), OpenMode::Create, &RocksOptions::default()).expect("opens");
        let (engine, node) = (Arc::new(engine), NodeId(1));
        let store = RaftStore::new(Arc::clone(&engine));
        let limits = ReplicaLimits::default();
        let replica = Arc::new(Replica::new(
            engine,
            node,
            Run { incarnation: 1, boot: Boot(1) },
            Rules::INTACT,
            limits,
            SumsSetting::of(ClusterId(1)),
        ));
        let log = Log::new(store, replica);
        let machine = Machine::load(log.clone(), Arc::new(Nowhere)).await.expect("loads");
        Ok((folder, log, machine))
    }
}

#[test]
fn log_and_machine_keep_what_consensus_rests_on() {
    Suite::test_all(OnDisk).expect("the library's suite passes");
}

#[tokio::test]
async fn an_older_snapshot_never_replaces_a_newer_one() {
    let (_folder, _log, mut machine) = OnDisk.build().await.expect("builds");
    let at = |index| SnapshotMeta {
        last_log_id: Some(LogId::new(CommittedLeaderId::new(1, 1), index)),
        snapshot_id: index.to_string(),
        ..SnapshotMeta::default()
    };
    assert!(machine.save(&at(5), Catalog::empty().encode()).await.expect("kept"));
    assert!(!machine.save(&at(3), Catalog::empty().encode()).await.expect("looked at"), "it is older");
    let kept = machine.get_current_snapshot().await.expect("readable").expect("there is one");
    assert_eq!(kept.meta, at(5));
    assert!(machine.save(&at(6), Catalog::empty().encode()).await.expect("kept"));
}

/// A node that was taken back to an older version after a newer one had written a command that only that one has.
#[tokio::test]
async fn a_command_of_a_newer_version_is_neither_applied_nor_held_against_the_disk() {
    let folder = tempfile::tempdir().expect("a folder");
    let engine = Arc::new(
        RocksEngine::open(folder.path(), OpenMode::Create, &RocksOptions::default()).expect("opens"),
    );
    let store = RaftStore::new(Arc::clone(&engine));
    let replica = Arc::new(Replica::new(
        engine,
        NodeId(1),
        Run { incarnation: 1, boot: Boot(1) },
        Rules::INTACT,
        ReplicaLimits::default(),
        SumsSetting::of(ClusterId(1)),
    ));
    // `{ at: { term: 1, node: 1, index: 1 }, payload: Command(form 1, command 99) }`.
    let newer = [0x82, 0x83, 1, 1, 1, 0x82, 1, 0x81, 0x45, 1, 0x82, 0x18, 99, 0x80];
    store.append(&[RaftEntry { index: 1, bytes: newer.to_vec().into() }]).expect("appended");
    let mut log = Log::new(store, Arc::clone(&replica));
    let error = log.try_get_log_entries(1..2).await.expect_err("not known");
    assert!(error.to_string().contains("newer version"), "{error}");
    assert!(error.to_string().contains("not a catalog command that this version knows"), "{error}");
    let error = log.get_log_state().await.expect_err("consensus does not begin");
    assert!(error.to_string().contains("newer version"), "{error}");
    assert!(!replica.is_doubtful(), "the disk is sound");
}

/// A runtime that ends cancels what waits for a thread: that is no failure of the disk, and a doubt would outlive it.
#[test]
fn the_end_of_the_process_is_not_held_against_the_disk() {
    let folder = tempfile::tempdir().expect("a folder");
    let engine = RocksEngine::open(folder.path(), OpenMode::Create, &RocksOptions::default()).expect("opens");
    let engine = Arc::new(engine);
    let store = RaftStore::new(Arc::clone(&engine));
    let limits = ReplicaLimits::default();
    let replica = Arc::new(Replica::new(
        engine,
        NodeId(1),
        Run { incarnation: 1, boot: Boot(1) },
        Rules::INTACT,
        limits,
        SumsSetting::of(ClusterId(1)),
    ));
    let mut log = Log::new(store, Arc::clone(&replica));
    let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
    let ended = runtime.handle().clone();
    runtime.shutdown_background();
    let _in_the_ended_one = ended.enter();
    let mut read = std::pin::pin!(log.read_vote());
    let polled = read.as_mut().poll(&mut std::task::Context::from_waker(std::task::Waker::noop()));
    assert!(polled.is_pending(), "it ends with its task: {polled:?}");
    assert!(!replica.is_doubtful(), "{:?}", replica.health().doubt);
}
