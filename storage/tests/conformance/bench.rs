//! The two engines on a test bench: opened, restarted, damaged.

use quorate_model::layout::{Copy, Role};
use quorate_model::message::Draft;
use quorate_model::{
    Body, Boot, ClusterId, Durability, Epoch, Interval, Key, Layout, NodeId, Operation, OperationId,
    Operations, Pieces, Place, Record, Reply, Request, Rules, Run, ShardLayout, SortKey, Stamps, TableId,
    TableLayout, Version, WallTime,
};
use quorate_storage::rocks::FreeBytes;
use quorate_storage::{
    Engine, Family, MemoryEngine, OpenMode, Replica, ReplicaLimits, RocksEngine, RocksOptions, SumsSetting,
};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// One engine with its disk.
pub trait Bench: Default {
    type E: Engine;
    /// The engine, open.
    fn engine(&self) -> Arc<Self::E>;
    /// Ends the process and starts it again; every handle to the engine must be dropped before.
    fn restart(&mut self);
    /// Says how much space is free.
    fn set_free_bytes(&self, bytes: u64);
}

pub struct Memory(Arc<MemoryEngine>);

pub struct Disk {
    folder: tempfile::TempDir,
    free: Arc<AtomicU64>,
    engine: Option<Arc<RocksEngine>>,
}

impl Default for Memory {
    fn default() -> Self {
        Self(Arc::new(MemoryEngine::new()))
    }
}

impl Bench for Memory {
    type E = MemoryEngine;

    fn engine(&self) -> Arc<MemoryEngine> {
        Arc::clone(&self.0)
    }

    fn restart(&mut self) {
        assert_eq!(Arc::strong_count(&self.0), 1, "a handle outlives the process");
        self.0.crash();
    }

    fn set_free_bytes(&self, bytes: u64) {
        self.0.set_capacity(Some(self.0.used_bytes() + bytes));
    }
}

impl Default for Disk {
    fn default() -> Self {
        let folder = tempfile::tempdir().expect("a folder for the test");
        let mut disk = Self { folder, free: Arc::new(AtomicU64::new(u64::MAX)), engine: None };
        disk.open(OpenMode::Create);
        disk
    }
}

impl Disk {
    fn open(&mut self, mode: OpenMode) {
        let free = Arc::clone(&self.free);
        let options = RocksOptions {
            free_bytes: FreeBytes(Arc::new(move |_| Ok(free.load(Ordering::Relaxed)))),
            ..RocksOptions::default()
        };
        let engine = RocksEngine::open(self.folder.path(), mode, &options).expect("the folder opens");
        self.engine = Some(Arc::new(engine));
    }
}

impl Bench for Disk {
    type E = RocksEngine;

    fn engine(&self) -> Arc<RocksEngine> {
        Arc::clone(self.engine.as_ref().expect("open"))
    }

    fn restart(&mut self) {
        let engine = self.engine.take().expect("open");
        assert_eq!(Arc::strong_count(&engine), 1, "a handle outlives the process");
        drop(engine);
        self.open(OpenMode::Existing);
    }

    fn set_free_bytes(&self, bytes: u64) {
        self.free.store(bytes, Ordering::Relaxed);
    }
}

pub const SYNC_TABLE: TableId = TableId(1);
pub const OS_TABLE: TableId = TableId(2);
/// In the layout, owned by others.
pub const OTHERS_TABLE: TableId = TableId(3);
pub const EPOCH: Epoch = Epoch(5);

/// Tables of which this node owns everything, except [`OTHERS_TABLE`].
pub fn layout(epoch: Epoch, tables: &[(TableId, Durability)]) -> Layout {
    let tables = tables.iter().map(|(id, durability)| {
        let copy = (*id != OTHERS_TABLE).then_some(Copy { role: Role::Owner, since: Epoch(0) });
        let shard = ShardLayout { interval: Interval::everything(), epoch: EPOCH, copy };
        (*id, TableLayout { durability: *durability, shards: Pieces::of([shard]) })
    });
    Layout { epoch, incarnation: 1, tables: tables.collect() }
}

pub fn usual_layout() -> Layout {
    layout(
        EPOCH,
        &[(SYNC_TABLE, Durability::Sync), (OS_TABLE, Durability::Os), (OTHERS_TABLE, Durability::Sync)],
    )
}

pub fn limits() -> ReplicaLimits {
    ReplicaLimits { free_bytes_min: 1_000, ..ReplicaLimits::default() }
}

/// A replica that owns both tables.
pub fn replica<B: Bench>(bench: &B) -> Replica<B::E> {
    replica_with(bench, limits(), Boot(1))
}

pub fn replica_with<B: Bench>(bench: &B, limits: ReplicaLimits, boot: Boot) -> Replica<B::E> {
    replica_of(bench, limits, Run { incarnation: 1, boot })
}

pub fn replica_of<B: Bench>(bench: &B, limits: ReplicaLimits, run: Run) -> Replica<B::E> {
    let replica =
        Replica::new(bench.engine(), NodeId(9), run, Rules::INTACT, limits, SumsSetting::of(ClusterId(1)));
    replica.install(usual_layout());
    replica
}

pub fn place(table: TableId, key: &str) -> Place {
    Place { table, epoch: EPOCH, sort_key: sort_key(key) }
}

pub fn sort_key(key: &str) -> SortKey {
    SortKey::hashed(&Key::new(key.as_bytes().to_vec()))
}

/// The version with this number, of a writer elsewhere.
pub fn version(seq: u64) -> Version {
    let mut stamps = Stamps::new(NodeId(1), Boot(1));
    let mut version = None;
    for _ in 0..seq {
        version = stamps.draw().above(version).ok();
    }
    version.expect("seq counts from 1")
}

pub fn value(text: &str) -> Body {
    Body::Value { content_type: "text/plain".into(), payload: text.as_bytes().to_vec().into() }
}

pub fn record(seq: u64, text: &str) -> Record {
    Record {
        version: version(seq),
        written_at: WallTime(seq),
        expires_at: None,
        body: value(text),
        operations: Operations::default(),
    }
}

pub fn record_of(seq: u64, text: &str, client: &str) -> Record {
    let id = OperationId { client: client.into(), sequence: seq };
    let operations = Operations::of(Operation { id, version: version(seq), digest: 7 });
    Record { operations, ..record(seq, text) }
}

pub fn write(at: Place, record: Record) -> Request {
    Request::Write { at, record, durability: Durability::Os, origin: quorate_model::Origin::Fresh }
}

pub fn assign(at: Place, text: &str) -> Request {
    let draft = Draft { body: value(text), written_at: WallTime(1), expires_at: None };
    Request::Assign { at, draft, durability: Durability::Os }
}

pub fn hint(owner: NodeId, at: Place, record: Record) -> Request {
    Request::Hint { owner, at, record }
}

/// Applies one request.
pub fn apply<E: Engine>(replica: &Replica<E>, request: Request) -> Reply {
    replica.apply(&[request]).pop().expect("one reply for one request")
}

/// The record of a place.
pub fn held<E: Engine>(replica: &Replica<E>, table: TableId, key: &str) -> Option<Record> {
    let request = Request::Read { at: place(table, key), whole: true };
    match replica.read(&request, quorate_storage::ReadTier::Disk) {
        Some(Reply::Record(record)) => record,
        other => panic!("a record was expected, not {other:?}"),
    }
}

/// Puts bytes that are no record under the key of a record.
pub fn damage<E: Engine>(engine: &E, family: Family, key: Vec<u8>) {
    let mut batch = quorate_storage::engine::Batch::default();
    batch.put(family, key, vec![0xde; 90]);
    engine.write(batch, Durability::Sync).expect("the damage is written");
}
