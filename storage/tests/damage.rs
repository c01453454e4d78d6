//! Real files, really damaged: what RocksDB and the replica over it make of flipped bits, cut and missing files.
//! One rule: an acknowledged record is read back, or the replica doubts; it is never silently gone or another.

use quorate_model::layout::{Copy, Role};
use quorate_model::{
    Body, Boot, ClusterId, Durability, Epoch, Interval, Layout, NodeId, Operations, Pieces, Place, Record,
    Refusal, Reply, Request, Rules, Run, ShardLayout, SortKey, Stamps, TableId, TableLayout, WallTime,
};
use quorate_storage::{
    Engine, OpenError, OpenMode, ReadTier, Replica, ReplicaLimits, RocksEngine, RocksOptions, SumsSetting,
};
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

const TABLE: TableId = TableId(1);
const RECORDS: u64 = 60;
/// Places in a file that are damaged, one after the other, evenly spread.
const PLACES: usize = 24;

fn options() -> RocksOptions {
    RocksOptions { block_cache_bytes: 8 << 20, memtable_bytes: 8 << 20, ..RocksOptions::default() }
}

fn open(folder: &Path) -> Result<Arc<RocksEngine>, OpenError> {
    RocksEngine::open(folder, OpenMode::Existing, &options()).map(Arc::new)
}

fn replica(engine: &Arc<RocksEngine>) -> Replica<RocksEngine> {
    let limits = ReplicaLimits { free_bytes_min: 0, ..ReplicaLimits::default() };
    let replica = Replica::new(
        Arc::clone(engine),
        NodeId(1),
        Run { incarnation: 1, boot: Boot(1) },
        Rules::INTACT,
        limits,
        SumsSetting::of(ClusterId(1)),
    );
    let shard = ShardLayout {
        interval: Interval::everything(),
        epoch: Epoch(1),
        copy: Some(Copy { role: Role::Owner, since: Epoch(0) }),
    };
    let table = TableLayout { durability: Durability::Sync, shards: Pieces::of([shard]) };
    replica.install(Layout { epoch: Epoch(1), incarnation: 1, tables: BTreeMap::from([(TABLE, table)]) });
    replica
}

fn place(n: u64) -> Place {
    Place { table: TABLE, epoch: Epoch(1), sort_key: SortKey::new(n.to_be_bytes().to_vec()) }
}

/// Values that do not compress, so that every part of a file means something.
fn record(n: u64) -> Record {
    let mut state = n + 1;
    let bytes = std::iter::repeat_with(|| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state as u8
    });
    let payload: Vec<u8> = bytes.take(700).collect();
    Record {
        version: Stamps::new(NodeId(2), Boot(n)).draw().above(None).expect("first"),
        written_at: WallTime(1),
        expires_at: None,
        body: Body::Value { content_type: String::new(), payload: payload.into() },
        operations: Operations::default(),
    }
}

/// A folder whose records are in the log only, written by as many synced batches.
fn folder_with_log() -> tempfile::TempDir {
    let folder = tempfile::tempdir().expect("a folder");
    let engine = RocksEngine::open(folder.path(), OpenMode::Create, &options()).expect("made");
    write_all(&Arc::new(engine), 0..RECORDS);
    folder
}

fn write_all(engine: &Arc<RocksEngine>, records: std::ops::Range<u64>) {
    let replica = replica(engine);
    for n in records {
        let request = Request::Write {
            at: place(n),
            record: record(n),
            durability: Durability::Sync,
            origin: quorate_model::Origin::Fresh,
        };
        let reply = replica.apply(&[request]).pop();
        assert!(matches!(reply, Some(Reply::Written { .. })), "{reply:?}");
    }
}

/// A folder whose records are in table files: recovery writes them there.
fn folder_with_tables() -> tempfile::TempDir {
    let folder = folder_with_log();
    drop(open(folder.path()).expect("recovers"));
    folder
}

fn files(folder: &Path, ends: &str) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder.join("db")).expect("readable");
    let paths = entries.map(|entry| entry.expect("an entry").path());
    let mut files: Vec<PathBuf> = paths.filter(|path| path.to_string_lossy().ends_with(ends)).collect();
    files.sort_by_key(|path| fs::metadata(path).expect("a file").len());
    files
}

fn largest(folder: &Path, ends: &str) -> PathBuf {
    files(folder, ends).pop().expect("there is one")
}

fn copy_of(folder: &Path) -> tempfile::TempDir {
    let copy = tempfile::tempdir().expect("a folder");
    for note in ["watermark", "manifest-mark"] {
        fs::copy(folder.join(note), copy.path().join(note)).expect("copied");
    }
    fs::create_dir(copy.path().join("db")).expect("made");
    for entry in fs::read_dir(folder.join("db")).expect("readable") {
        let entry = entry.expect("an entry");
        fs::copy(entry.path(), copy.path().join("db").join(entry.file_name())).expect("copied");
    }
    copy
}

fn flip(path: &Path, at: usize) {
    let mut bytes = fs::read(path).expect("readable");
    bytes[at] ^= 0x10;
    fs::write(path, bytes).expect("written");
}

#[derive(Debug, PartialEq, Eq)]
enum Outcome {
    /// The open itself refused or doubted, and left the mark.
    DoubtedAtOpen,
    /// Some answers, then doubt; `intact` answers were right before.
    Doubted { intact: u64 },
    /// All records are there.
    Whole,
}

/// Opens the folder and reads everything; panics if a record is gone or another without any doubt.
fn examine(folder: &Path) -> Outcome {
    let engine = match open(folder) {
        Ok(engine) => engine,
        Err(OpenError::Doubtful { .. }) => {
            assert!(folder.join("doubtful").exists(), "the doubt is written down");
            return Outcome::DoubtedAtOpen;
        }
        Err(error) => panic!("{error}"),
    };
    let replica = replica(&engine);
    if engine.is_doubtful() {
        assert!(folder.join("doubtful").exists(), "the doubt is written down");
        for n in 0..RECORDS {
            let read = replica.read(&Request::Read { at: place(n), whole: true }, ReadTier::Disk);
            assert_eq!(read, Some(Reply::Refused(Refusal::Doubtful)), "never that it is not there");
        }
        return Outcome::DoubtedAtOpen;
    }
    for n in 0..RECORDS {
        match replica.read(&Request::Read { at: place(n), whole: true }, ReadTier::Disk) {
            Some(Reply::Record(Some(found))) => assert_eq!(found, record(n)),
            Some(Reply::Refused(Refusal::Doubtful)) => return Outcome::Doubted { intact: n },
            other => panic!("record {n}: {other:?}"),
        }
    }
    Outcome::Whole
}

#[test]
fn a_flipped_bit_anywhere_in_the_log_is_noticed_at_open() {
    let folder = folder_with_log();
    assert_eq!(examine(copy_of(folder.path()).path()), Outcome::Whole, "without damage");
    let length = fs::metadata(largest(folder.path(), ".log")).expect("a file").len() as usize;
    assert!(length > 700 * RECORDS as usize, "the records are in the log");
    for at in (0..PLACES).map(|n| n * (length - 1) / (PLACES - 1)) {
        let damaged = copy_of(folder.path());
        let log = largest(damaged.path(), ".log");
        flip(&log, at);
        assert_eq!(examine(damaged.path()), Outcome::DoubtedAtOpen, "byte {at} of {length}");
        flip(&log, at);
        let healed_by_hand = open(damaged.path()).expect("the log is whole again");
        assert!(healed_by_hand.is_doubtful(), "the mark stays, whatever a later open says");
        let ask = Request::Ask { at: place(1) };
        let reply = replica(&healed_by_hand).read(&ask, ReadTier::Disk);
        assert_eq!(reply, Some(Reply::Refused(Refusal::Doubtful)));
    }
}

fn cut(path: &Path, bytes: u64) {
    let length = fs::metadata(path).expect("a file").len();
    let file = fs::OpenOptions::new().write(true).open(path).expect("writable");
    file.set_len(length.saturating_sub(bytes)).expect("cut");
}

#[test]
fn a_torn_tail_is_a_write_that_was_never_acknowledged() {
    let folder = folder_with_log();
    let watermark = fs::read(folder.path().join("watermark")).expect("readable");
    // The kill comes in the middle of one more write: its record is torn and nothing was noted after it.
    let engine = open(folder.path()).expect("opens");
    let request = Request::Write {
        at: place(RECORDS),
        record: record(RECORDS),
        durability: Durability::Sync,
        origin: quorate_model::Origin::Fresh,
    };
    replica(&engine).apply(&[request]);
    drop(engine);
    fs::write(folder.path().join("watermark"), watermark).expect("written");
    cut(&largest(folder.path(), ".log"), 100);
    let engine = open(folder.path()).expect("a torn tail is no damage");
    let replica = replica(&engine);
    for n in 0..RECORDS {
        let read = replica.read(&Request::Read { at: place(n), whole: true }, ReadTier::Disk);
        assert_eq!(read, Some(Reply::Record(Some(record(n)))), "all before the tail are there");
    }
    let torn = replica.read(&Request::Read { at: place(RECORDS), whole: true }, ReadTier::Disk);
    assert_eq!(torn, Some(Reply::Record(None)));
    assert!(!engine.is_doubtful());
}

#[test]
fn a_log_cut_short_of_what_was_acknowledged_is_noticed() {
    for bytes in [1, 100, 900, 10_000, u64::MAX] {
        let folder = folder_with_log();
        cut(&largest(folder.path(), ".log"), bytes);
        assert_eq!(examine(folder.path()), Outcome::DoubtedAtOpen, "{bytes} bytes fewer");
    }
    let folder = folder_with_log();
    fs::remove_file(largest(folder.path(), ".log")).expect("removed");
    assert_eq!(examine(folder.path()), Outcome::DoubtedAtOpen, "the whole log is gone");
}

#[test]
fn a_damaged_or_missing_watermark_is_a_doubt() {
    let folder = folder_with_log();
    let path = folder.path().join("watermark");
    for at in 0..12 {
        let damaged = copy_of(folder.path());
        flip(&damaged.path().join("watermark"), at);
        assert_eq!(examine(damaged.path()), Outcome::DoubtedAtOpen, "byte {at}");
    }
    fs::remove_file(path).expect("removed");
    assert_eq!(examine(folder.path()), Outcome::DoubtedAtOpen);
}

#[test]
fn a_flipped_bit_in_a_table_file_is_never_a_wrong_or_missing_record() {
    let folder = folder_with_tables();
    let length = fs::metadata(largest(folder.path(), ".sst")).expect("a file").len() as usize;
    assert!(length > 600 * RECORDS as usize, "the records are in the table file");
    let mut noticed = 0;
    for at in (0..PLACES).map(|n| n * (length - 1) / (PLACES - 1)) {
        let damaged = copy_of(folder.path());
        flip(&largest(damaged.path(), ".sst"), at);
        match examine(damaged.path()) {
            Outcome::DoubtedAtOpen | Outcome::Doubted { .. } => noticed += 1,
            // A byte that no read needs, such as a property of the file.
            Outcome::Whole => {}
        }
    }
    assert!(noticed * 10 >= PLACES * 8, "{noticed} of {PLACES}: most of a table file is records");
}

#[test]
fn a_missing_or_damaged_file_of_the_database_is_a_doubt() {
    for ends in [".sst", "CURRENT", "MANIFEST"] {
        let folder = folder_with_tables();
        let path = match ends {
            "MANIFEST" => {
                let name = fs::read_to_string(folder.path().join("db/CURRENT")).expect("readable");
                folder.path().join("db").join(name.trim_end())
            }
            _ => largest(folder.path(), ends),
        };
        fs::remove_file(&path).expect("removed");
        match (ends, open(folder.path())) {
            ("CURRENT", Err(OpenError::Missing(_))) | (_, Err(OpenError::Doubtful { .. })) => {}
            (_, other) => panic!("{ends}: {other:?}"),
        }
    }
    let folder = folder_with_tables();
    let manifest = fs::read_to_string(folder.path().join("db/CURRENT")).expect("readable");
    flip(&folder.path().join("db").join(manifest.trim_end()), 20);
    assert_eq!(examine(folder.path()), Outcome::DoubtedAtOpen, "a flipped bit in the manifest");
}

#[test]
fn a_lost_database_is_not_made_anew() {
    let folder = folder_with_log();
    fs::remove_dir_all(folder.path().join("db")).expect("removed");
    assert!(matches!(open(folder.path()), Err(OpenError::Missing(_))));
    assert!(!folder.path().join("db").exists());
}

#[test]
fn a_folder_in_use_a_newer_ones_and_an_earlier_ones_are_told_apart() {
    let folder = folder_with_log();
    let first = open(folder.path()).expect("opens");
    let second = open(folder.path()).expect_err("in use");
    assert!(matches!(second, OpenError::Locked(_)), "{second}");
    drop(first);
    let path = folder.path().join("db");
    let mut any = rocksdb::Options::default();
    any.create_missing_column_families(true);
    let add = |family: &str| {
        let families = rocksdb::DB::list_cf(&any, &path).expect("readable");
        let families = families.into_iter().chain([family.to_owned()]);
        drop(rocksdb::DB::open_cf(&any, &path, families).expect("another version opens it"));
    };
    add("digests");
    drop(open(folder.path()).expect("an earlier version's, with a family that is not used any more"));
    add("of the future");
    let error = open(folder.path()).expect_err("newer");
    assert!(matches!(error, OpenError::Newer { .. }), "{error}");
    assert!(!folder.path().join("doubtful").exists(), "neither is a doubt");
}

#[test]
fn what_is_not_in_memory_is_said_so_without_waiting() {
    let folder = folder_with_tables();
    let engine = open(folder.path()).expect("opens");
    let replica = replica(&engine);
    // Not in the first block: that one is read at a start, to see which tables hold something.
    let last = RECORDS - 1;
    let read = Request::Read { at: place(last), whole: true };
    assert_eq!(replica.read(&read, ReadTier::BlockCache), None);
    let found = replica.read(&read, ReadTier::Disk);
    assert_eq!(found, Some(Reply::Record(Some(record(last)))));
    assert_eq!(replica.read(&read, ReadTier::BlockCache), found, "the block is cached now");
}

#[test]
fn numbers_for_metrics_come_from_the_database() {
    let folder = folder_with_tables();
    let engine = open(folder.path()).expect("opens");
    let quiet = engine.statistics();
    assert!(quiet.level_zero_files >= 1 && quiet.live_bytes > 0, "{quiet:?}");
    assert!(engine.free_bytes().is_some_and(|bytes| bytes > 0));
    let store = replica(&engine);
    let request = Request::Write {
        at: place(99),
        record: record(99),
        durability: Durability::Sync,
        origin: quorate_model::Origin::Fresh,
    };
    store.apply(&[request]);
    let busy = engine.statistics();
    assert!(busy.memtable_bytes > 0 && busy.syncs > quiet.syncs, "{busy:?}");
    assert_eq!((busy.background_errors, busy.writes_stopped), (0, 0));
}

fn manifest_of(folder: &Path) -> PathBuf {
    let name = fs::read_to_string(folder.join("db/CURRENT")).expect("readable");
    folder.join("db").join(name.trim_end())
}

/// What the end of a manifest tells is which tables there are since when, and which logs are not needed any more. A log
/// that it has let go is gone, and the newest log ends where it should: only the missing log can tell of the damage.
#[test]
fn a_manifest_that_is_cut_short_is_never_a_missing_record() {
    let folder = tempfile::tempdir().expect("a folder");
    let engine = RocksEngine::open(folder.path(), OpenMode::Create, &options()).expect("made");
    write_all(&Arc::new(engine), 0..RECORDS / 2);
    // The first half goes into a table, its log is removed, and the second half has a log of its own.
    write_all(&open(folder.path()).expect("recovers"), RECORDS / 2..RECORDS);
    assert_eq!(examine(copy_of(folder.path()).path()), Outcome::Whole, "without damage");
    let length = fs::metadata(manifest_of(folder.path())).expect("a file").len();
    let mut noticed = 0;
    for bytes in 1..=length {
        let damaged = copy_of(folder.path());
        cut(&manifest_of(damaged.path()), bytes);
        let outcome = examine(damaged.path());
        noticed += u64::from(outcome != Outcome::Whole);
    }
    assert_eq!(noticed, length, "every cut is noticed: the manifest was durable");
}

#[test]
fn a_manifest_that_was_changed_is_never_a_missing_record() {
    let folder = folder_with_tables();
    let length = fs::metadata(manifest_of(folder.path())).expect("a file").len() as usize;
    for at in (0..PLACES).map(|n| n * (length - 1) / (PLACES - 1)) {
        let damaged = copy_of(folder.path());
        flip(&manifest_of(damaged.path()), at);
        assert_eq!(examine(damaged.path()), Outcome::DoubtedAtOpen, "byte {at} of {length}");
    }
}

#[test]
fn a_damaged_note_of_the_manifest_is_a_doubt_and_a_missing_one_is_made() {
    let folder = folder_with_tables();
    for at in 0..24 {
        let damaged = copy_of(folder.path());
        flip(&damaged.path().join("manifest-mark"), at);
        assert_eq!(examine(damaged.path()), Outcome::DoubtedAtOpen, "byte {at}");
    }
    fs::remove_file(folder.path().join("manifest-mark")).expect("removed");
    assert_eq!(examine(folder.path()), Outcome::Whole, "a folder of an older version");
    assert!(folder.path().join("manifest-mark").exists());
}

#[test]
fn a_cut_or_missing_log_that_is_not_the_last_is_noticed() {
    let damages: [fn(&Path); 2] = [|log| cut(log, 100), |log| fs::remove_file(log).expect("removed")];
    for damage in damages {
        let folder = tempfile::tempdir().expect("a folder");
        let small = RocksOptions { memtable_bytes: 1 << 20, ..options() };
        let engine = RocksEngine::open(folder.path(), OpenMode::Create, &small).expect("made");
        let store = replica(&Arc::new(engine));
        let hint = Request::Hint { owner: NodeId(7), at: place(1), record: record(1) };
        assert_eq!(store.apply(&[hint]), [Reply::Hinted], "the first log is kept for this family");
        let mut n = 0;
        while files(folder.path(), ".log").len() < 2 {
            n += 1;
            assert!(n < 10_000, "the log never rolled over");
            let request = Request::Write {
                at: place(n),
                record: record(n),
                durability: Durability::Sync,
                origin: quorate_model::Origin::Fresh,
            };
            store.apply(&[request]);
        }
        drop(store);
        let mut logs = files(folder.path(), ".log");
        logs.sort();
        damage(&logs[0]);
        let opened = open(folder.path());
        assert!(matches!(opened, Err(OpenError::Doubtful { .. })), "{opened:?}");
    }
}
