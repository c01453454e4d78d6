//! Sums of chunks on real files: a process that is killed, and a machine whose power is cut at any byte of the log. What is
//! left of the rows is right of what is left of the records.

use quorate_model::layout::{Copy, Role};
use quorate_model::{
    Body, Boot, ClusterId, Durability, Epoch, Interval, Layout, NodeId, Operations, Pieces, Place, Record,
    Request, Rules, Run, ShardLayout, SortKey, Stamps, TableId, TableLayout, WallTime,
};
use quorate_storage::{
    Acceptance, ConsensusFate, DataFate, Engine as _, Identity, OpenMode, PageLimit, Replica, ReplicaLimits,
    RocksEngine, RocksOptions, Stage, SumsSetting,
};
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

const TABLE: TableId = TableId(1);
const PAGE: PageLimit = PageLimit { items: 2, bytes: 1 << 20 };
/// How many places the log is cut at.
const CUTS: u64 = 80;

fn options() -> RocksOptions {
    RocksOptions { block_cache_bytes: 8 << 20, memtable_bytes: 8 << 20, ..RocksOptions::default() }
}

fn engine(folder: &Path, mode: OpenMode) -> Arc<RocksEngine> {
    Arc::new(RocksEngine::open(folder, mode, &options()).expect("opens"))
}

/// Nothing is synced but that it begins: what a power cut may take is everything since the start.
fn replica(engine: Arc<RocksEngine>, rules: Rules) -> Replica<RocksEngine> {
    let limits = ReplicaLimits { free_bytes_min: 0, ..ReplicaLimits::default() };
    let sums = SumsSetting { chunk_keys: 4, ..SumsSetting::of(ClusterId(1)) };
    let run = Run { incarnation: 1, boot: Boot(1) };
    let replica = Replica::new(engine, NodeId(1), run, rules, limits, sums);
    let shard = ShardLayout {
        interval: Interval::everything(),
        epoch: Epoch(1),
        copy: Some(Copy { role: Role::Owner, since: Epoch(0) }),
    };
    let table = TableLayout { durability: Durability::Os, shards: Pieces::of([shard]) };
    replica.install(Layout { epoch: Epoch(1), incarnation: 1, tables: BTreeMap::from([(TABLE, table)]) });
    replica
}

fn write(key: u64, seq: u64) -> Request {
    let mut stamps = Stamps::new(NodeId(2), Boot(seq));
    let record = Record {
        version: stamps.draw().above(None).expect("first"),
        written_at: WallTime(seq),
        expires_at: None,
        body: Body::Value { content_type: String::new(), payload: format!("{key} {seq}").into() },
        operations: Operations::default(),
    };
    let at = Place { table: TABLE, epoch: Epoch(1), sort_key: SortKey::new(key.to_be_bytes().to_vec()) };
    Request::Write { at, record, durability: Durability::Os, origin: quorate_model::Origin::Fresh }
}

/// Writes here and there, with pauses in which rows are written and chunks are cut.
fn live(replica: &Replica<RocksEngine>, steps: std::ops::Range<u64>) {
    for step in steps {
        let key = step.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 58;
        replica.apply(&[write(key, step)]);
        if step % 7 == 0 {
            replica.walk_sums(PAGE).expect("a sound disk");
        }
        if step % 5 == 0 {
            replica.settle_sums().expect("space");
            replica.settle_sums().expect("space");
        }
    }
}

/// A folder that was in use, as it lies on the disk while its process still runs: some in tables, the rest in the log. And how
/// much of the log was synced.
fn folder_in_use(rules: Rules) -> (tempfile::TempDir, u64) {
    let folder = tempfile::tempdir().expect("a folder");
    live(&replica(engine(folder.path(), OpenMode::Create), rules), 1..150);
    let running = replica(engine(folder.path(), OpenMode::Existing), rules);
    let (_, synced) = last_log(folder.path());
    live(&running, 150..400);
    (copy_of(folder.path(), None), synced)
}

/// A copy of a folder whose latest log ends after so much of what is behind its first bytes, which were synced; `None`: all
/// of it.
fn copy_of(folder: &Path, part: Option<(u64, u64, u64)>) -> tempfile::TempDir {
    let copy = tempfile::tempdir().expect("a folder");
    fs::create_dir(copy.path().join("db")).expect("made");
    for of in ["", "db"] {
        for entry in fs::read_dir(folder.join(of)).expect("readable") {
            let entry = entry.expect("an entry");
            if entry.file_type().expect("known").is_file() {
                fs::copy(entry.path(), copy.path().join(of).join(entry.file_name())).expect("copied");
            }
        }
    }
    if let Some((synced, part, of)) = part {
        let (last, length) = last_log(copy.path());
        let log = fs::OpenOptions::new().write(true).open(&last).expect("writable");
        log.set_len(synced + (length - synced) * part / of).expect("cut");
    }
    copy
}

/// The latest log, and its bytes.
fn last_log(folder: &Path) -> (PathBuf, u64) {
    let logs = fs::read_dir(folder.join("db")).expect("readable");
    let logs = logs.map(|entry| entry.expect("an entry").path());
    let last = logs.filter(|path| path.extension().is_some_and(|it| it == "log")).max().expect("a log");
    let length = fs::metadata(&last).expect("a file").len();
    (last, length)
}

/// Opens what is left; what is wrong with its sums, and how many rows there were.
fn look(folder: &Path) -> (Vec<String>, u64) {
    let replica = replica(engine(folder, OpenMode::Existing), Rules::INTACT);
    assert!(replica.health().doubt.is_none(), "nothing that was synced is missing");
    let before = replica.recount().expect("readable");
    while replica.walk_sums(PAGE).expect("a sound disk") {}
    let after = replica.recount().expect("readable");
    assert!(after.missing == 0 && replica.counts_all());
    ([before.wrong, after.wrong].concat(), before.rows)
}

#[test]
fn sums_are_right_after_a_kill() {
    let (folder, _) = folder_in_use(Rules::INTACT);
    let (wrong, rows) = look(folder.path());
    assert_eq!(wrong, Vec::<String>::new());
    assert!(rows > 0, "some chunks were quiet");
}

#[test]
fn sums_are_right_after_a_power_cut_at_any_part_of_the_log() {
    let (folder, synced) = folder_in_use(Rules::INTACT);
    let mut rows_seen = 0;
    for part in 0..CUTS {
        let cut = copy_of(folder.path(), Some((synced, part, CUTS)));
        let (wrong, rows) = look(cut.path());
        assert_eq!(wrong, Vec::<String>::new(), "cut after {part}/{CUTS} of the log");
        rows_seen += rows;
    }
    assert!(rows_seen > CUTS, "rows were there");
}

/// A log that was cut below what tables hold already leaves records that are newer than the rows: none is believed.
#[test]
fn sums_are_counted_anew_after_an_accepted_loss() {
    let (folder, _) = folder_in_use(Rules::INTACT);
    let mut identity = Identity {
        cluster: ClusterId(1),
        cluster_name: "c".into(),
        node: NodeId(1),
        incarnation: 1,
        stage: Stage::Member,
        accepted: None,
    };
    identity.write(folder.path()).expect("written");
    let accepted = Acceptance { incarnation: 2, consensus: ConsensusFate::Kept, data: DataFate::Kept };
    accepted.write(folder.path()).expect("written");
    let now = WallTime(7);
    let carried_out =
        Acceptance::carry_out(folder.path(), &mut identity, &options(), now).expect("carried out");
    assert_eq!((carried_out, identity.accepted), (Some(accepted), Some(now)));
    let (wrong, rows) = look(folder.path());
    assert_eq!((wrong, rows), (Vec::new(), 0));
}

#[cfg(feature = "mutants")]
#[test]
fn sums_are_found_wrong_where_rows_are_kept() {
    let (folder, _) = folder_in_use(Rules::breaking(quorate_model::Mutant::RowKept));
    let replica = replica(engine(folder.path(), OpenMode::Existing), Rules::INTACT);
    assert!(!replica.recount().expect("readable").wrong.is_empty());
    assert!(replica.engine().doubt().is_none());
}
