//! The library's own conformance suite, over a database on a disk.

use super::{Log, Machine, StorageError, Types};
use crate::control::publish::Publisher;
use crate::engine::Replica;
use crate::transport::{Identity, Limits, Links, Secret};
use crate::views::Views;
use openraft::testing::{StoreBuilder, Suite};
use quorate_model::{Boot, ClusterId, NodeId, Rules};
use quorate_ring::Catalog;
use quorate_storage::{OpenMode, RaftStore, ReplicaLimits, RocksEngine, RocksOptions};
use std::sync::Arc;
use tempfile::TempDir;

struct OnDisk;

impl StoreBuilder<Types, Log, Machine, TempDir> for OnDisk {
    async fn build(&self) -> Result<(TempDir, Log, Machine), StorageError> {
        let folder = tempfile::tempdir().expect("a folder");
        let engine =
            RocksEngine::open(folder.path(), OpenMode::Create, &RocksOptions::default()).expect("opens");
        let (engine, node) = (Arc::new(engine), NodeId(1));
        let store = RaftStore::new(Arc::clone(&engine));
        let limits = ReplicaLimits::default();
        let replica = Arc::new(Replica::new(engine, node, Boot(1), Rules::INTACT, limits));
        let identity = Identity { cluster: ClusterId(1), node, boot: Boot(2) };
        let links = Arc::new(Links::new(identity, Secret::new(""), Limits::default()));
        let views = Arc::new(Views::new(node, Catalog::empty()));
        let publisher = Publisher::new(node, Arc::clone(&replica), links, views);
        let log = Log::new(store, replica);
        let machine = Machine::load(log.clone(), Arc::new(publisher)).await.expect("loads");
        Ok((folder, log, machine))
    }
}

#[test]
fn log_and_machine_keep_what_consensus_rests_on() {
    Suite::test_all(OnDisk).expect("the library's suite passes");
}
