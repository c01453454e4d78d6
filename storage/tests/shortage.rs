//! Files run out while values are written: refused while it lasts, then on, and never a doubt. In a process of its own,
//! whose limit is really lowered.

use quorate_model::Durability;
use quorate_storage::engine::{Batch, KeyRange, Lookup};
use quorate_storage::{
    Engine, EngineError, Family, OpenError, OpenMode, ReadTier, RocksEngine, RocksOptions,
};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs::File;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

/// Names the folder in the process whose files run out.
const FOLDER: &str = "SHORTAGE_TEST_FOLDER";

/// A wait that never ends in order.
const PATIENCE: Duration = Duration::from_secs(60);

/// Small memtables: a new log every few values.
fn options() -> RocksOptions {
    RocksOptions { memtable_bytes: 1 << 20, open_files_max: 64, ..RocksOptions::default() }
}

fn key(number: u32) -> Vec<u8> {
    format!("key {number}").into_bytes()
}

fn put(engine: &RocksEngine, number: u32) -> Result<(), EngineError> {
    let mut batch = Batch::default();
    batch.put(Family::Records, key(number), vec![number as u8; 32 << 10]);
    engine.write(batch, Durability::Sync)
}

/// Takes every file that this process may still open, until it is dropped.
struct NoFiles {
    usual: Rlimit,
    _taken: Vec<File>,
}

impl NoFiles {
    fn begin() -> Self {
        let usual = getrlimit(Resource::Nofile);
        let numbers = std::fs::read_dir("/proc/self/fd").expect("a listing");
        let numbers = numbers.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse::<u64>().ok());
        let highest = numbers.max().expect("a file");
        setrlimit(Resource::Nofile, Rlimit { current: Some(highest + 1), ..usual })
            .expect("it may be lowered");
        let taken = std::iter::from_fn(|| File::open("/dev/null").ok()).collect();
        Self { usual, _taken: taken }
    }
}

impl Drop for NoFiles {
    fn drop(&mut self) {
        setrlimit(Resource::Nofile, self.usual).expect("it was so before");
    }
}

#[test]
fn when_files_run_out_writes_are_refused_for_so_long_and_the_data_are_not_doubted() {
    let name = "when_files_run_out_writes_are_refused_for_so_long_and_the_data_are_not_doubted";
    in_a_process_of_its_own(name, run_out_of_files);
}

#[test]
fn what_gives_space_back_does_not_keep_a_database_from_going_on() {
    let name = "what_gives_space_back_does_not_keep_a_database_from_going_on";
    in_a_process_of_its_own(name, give_back_without_files);
}

/// Runs the test of this name again, alone in a process, and there this.
fn in_a_process_of_its_own(name: &str, test: fn(&Path)) {
    if let Some(folder) = std::env::var_os(FOLDER) {
        return test(Path::new(&folder));
    }
    let folder = tempfile::tempdir().expect("a folder");
    let child = Command::new(std::env::current_exe().expect("this test"))
        .args(["--exact", name, "--nocapture", "--test-threads", "1"])
        .env(FOLDER, folder.path())
        .output()
        .expect("it runs");
    let said = String::from_utf8_lossy(&child.stderr);
    assert!(child.status.success(), "{}\n{said}", String::from_utf8_lossy(&child.stdout));
}

fn run_out_of_files(folder: &Path) {
    let engine = RocksEngine::open(folder, OpenMode::Create, &options()).expect("a new one");
    let mut acknowledged = Vec::new();
    let mut next = 0;
    let mut write_until = |engine: &RocksEngine, acknowledged: &mut Vec<u32>, good: bool| {
        let deadline = Instant::now() + PATIENCE;
        loop {
            assert!(Instant::now() < deadline, "no write was {}", if good { "taken" } else { "refused" });
            next += 1;
            match put(engine, next) {
                Ok(()) => acknowledged.push(next),
                Err(EngineError::Shortage(_)) if good => {}
                Err(EngineError::Shortage(reason)) => return reason,
                Err(other) => panic!("{other}"),
            }
            if good && acknowledged.last() == Some(&next) {
                return String::new();
            }
        }
    };
    for round in 0..3 {
        write_until(&engine, &mut acknowledged, true);
        let no_files = NoFiles::begin();
        let reason = write_until(&engine, &mut acknowledged, false);
        assert!(reason.contains("Too many open files"), "{reason}");
        assert!(engine.shortage().is_some() && engine.doubt().is_none(), "round {round}");
        // It lasts: nothing is taken, and what is in memory can be read.
        let refused = put(&engine, 0).expect_err("it lasts");
        assert!(matches!(refused, EngineError::Shortage(_)), "{refused}");
        assert_eq!(refused.doubt(), None, "what the replica is to think of it");
        drop(no_files);
        write_until(&engine, &mut acknowledged, true);
        assert!(engine.shortage().is_none() && engine.doubt().is_none(), "round {round}");
    }
    let all_are_there = |engine: &RocksEngine| {
        for number in &acknowledged {
            let found = engine.get(Family::Records, &key(*number), ReadTier::Disk).expect("readable");
            assert!(matches!(found, Lookup::Found(_)), "{number} was acknowledged");
        }
        assert_eq!(engine.doubt(), None);
    };
    all_are_there(&engine);
    drop(engine);

    // No file for an open either: that is said, and the next one is believed.
    let no_files = NoFiles::begin();
    let refused = RocksEngine::open(folder, OpenMode::Existing, &options()).expect_err("no file");
    drop(no_files);
    assert!(matches!(refused, OpenError::Shortage { .. }), "{refused}");
    all_are_there(&RocksEngine::open(folder, OpenMode::Existing, &options()).expect("whole"));
}

/// Bytes that no compression makes fewer.
fn noise(number: u32) -> Vec<u8> {
    let mut state = u64::from(number) + 1;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state as u8
    };
    (0..32 << 10).map(|_| next()).collect()
}

/// Files run out while a range is compacted, which would take a minute.
fn give_back_without_files(folder: &Path) {
    let engine = RocksEngine::open(folder, OpenMode::Create, &options()).expect("a new one");
    for number in 0..1_000 {
        let mut batch = Batch::default();
        batch.put(Family::Records, key(number), noise(number));
        engine.write(batch, Durability::Os).expect("written");
    }
    let range = KeyRange::of_prefix(b"key 9".to_vec());
    let everything = KeyRange::of_prefix(b"key ".to_vec());
    engine.give_back(Family::Records, &everything).expect("in order");
    drop(engine);

    let slow = RocksOptions { background_bytes_per_second: 512 << 10, ..options() };
    let engine = RocksEngine::open(folder, OpenMode::Existing, &slow).expect("whole");
    let mut cleared = Batch::default();
    cleared.delete_range(Family::Records, range.clone());
    engine.write(cleared, Durability::Sync).expect("written");
    let before = tables(folder);
    std::thread::scope(|threads| {
        let given = threads.spawn(|| engine.give_back(Family::Records, &range));
        let deadline = Instant::now() + PATIENCE;
        let is_at_work =
            || tables(folder).iter().any(|(name, bytes)| !before.contains_key(name) && *bytes >= 1 << 20);
        while !is_at_work() {
            assert!(Instant::now() < deadline && !given.is_finished(), "no table grows");
            std::thread::sleep(Duration::from_millis(10));
        }
        let no_files = NoFiles::begin();
        let mut next = 1_000..;
        while put(&engine, next.next().expect("endless")).is_ok() {
            assert!(Instant::now() < deadline, "no write was refused");
        }
        drop(no_files);
        while put(&engine, next.next().expect("endless")).is_err() {
            assert!(Instant::now() < deadline && engine.doubt().is_none(), "no write was taken");
        }
        let given = given.join().expect("no panic");
        assert!(
            matches!(given, Err(EngineError::Shortage(_))),
            "it was ended, and is tried again: {given:?}"
        );
    });
    assert!(engine.shortage().is_none() && engine.doubt().is_none());
    let is_there =
        |number: u32| match engine.get(Family::Records, &key(number), ReadTier::Disk).expect("readable") {
            Lookup::Found(value) => value == noise(number),
            Lookup::Absent | Lookup::NotInMemory => false,
        };
    assert!(
        (0..9).all(is_there) && !is_there(9) && !is_there(999),
        "what was cleared is gone, the rest is there"
    );
}

/// The tables on the disk, with their bytes.
fn tables(folder: &Path) -> BTreeMap<OsString, u64> {
    let files = std::fs::read_dir(folder.join("db")).expect("a listing").filter_map(Result::ok);
    let tables = files.filter(|file| file.path().extension().is_some_and(|extension| extension == "sst"));
    tables.filter_map(|file| Some((file.file_name(), file.metadata().ok()?.len()))).collect()
}
