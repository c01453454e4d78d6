//! The words of the engine trait.

use crate::bench::Bench;
use quorate_model::Durability;
use quorate_storage::engine::{Batch, Direction, Items, KeyRange, Lookup};
use quorate_storage::{Cause, Doubt, Engine, Family, PageLimit, ReadTier};

fn get(engine: &impl Engine, family: Family, key: &[u8]) -> Option<Vec<u8>> {
    match engine.get(family, key, ReadTier::Disk).expect("readable") {
        Lookup::Found(value) => Some(value.to_vec()),
        Lookup::Absent => None,
        Lookup::NotInMemory => panic!("a read from the disk did not reach it"),
    }
}

fn put_all(engine: &impl Engine, keys: &[&[u8]]) {
    let mut batch = Batch::default();
    for key in keys {
        batch.put(Family::Records, key.to_vec(), key.to_vec());
    }
    engine.write(batch, Durability::Os).expect("written");
}

pub fn what_was_written_is_read(bench: impl Bench) {
    let engine = bench.engine();
    let mut batch = Batch::default();
    batch.put(Family::Records, vec![1], vec![10]);
    batch.put(Family::Hints, vec![1], vec![20]);
    batch.put(Family::Meta, vec![2], Vec::new());
    engine.write(batch, Durability::Os).expect("written");
    assert_eq!(get(&*engine, Family::Records, &[1]), Some(vec![10]));
    assert_eq!(get(&*engine, Family::Hints, &[1]), Some(vec![20]), "families are apart");
    assert_eq!(get(&*engine, Family::Meta, &[2]), Some(vec![]), "an empty value is a value");
    assert_eq!(get(&*engine, Family::Raft, &[1]), None);
    let tier = engine.get(Family::Records, &[1], ReadTier::BlockCache).expect("readable");
    assert_eq!(tier, Lookup::Found(vec![10].into()), "what was just written is in memory");
}

pub fn a_batch_applies_in_order(bench: impl Bench) {
    let engine = bench.engine();
    let mut batch = Batch::default();
    batch.put(Family::Records, vec![1], vec![1]);
    batch.put(Family::Records, vec![1], vec![2]);
    batch.put(Family::Records, vec![2], vec![1]);
    batch.delete(Family::Records, vec![2]);
    batch.delete(Family::Records, vec![3]);
    batch.put(Family::Records, vec![3], vec![3]);
    engine.write(batch, Durability::Sync).expect("written");
    assert_eq!(get(&*engine, Family::Records, &[1]), Some(vec![2]));
    assert_eq!(get(&*engine, Family::Records, &[2]), None);
    assert_eq!(get(&*engine, Family::Records, &[3]), Some(vec![3]));
}

pub fn a_scan_pages_both_ways_within_its_bounds(bench: impl Bench) {
    let engine = bench.engine();
    put_all(&*engine, &[&[1], &[1, 0], &[1, 5], &[1, 9], &[2]]);
    let mut other = Batch::default();
    other.put(Family::Hints, vec![1, 6], vec![0]);
    engine.write(other, Durability::Os).expect("written");
    let keys = |range: &KeyRange, direction, items, bytes| -> Vec<Vec<u8>> {
        let page = engine.scan(Family::Records, range, direction, PageLimit { items, bytes });
        page.expect("readable").into_iter().map(|(key, _)| key.to_vec()).collect()
    };
    let range = KeyRange { start: vec![1], end: Some(vec![1, 9]) };
    assert_eq!(keys(&range, Direction::Forward, 9, 999), [vec![1], vec![1, 0], vec![1, 5]]);
    assert_eq!(keys(&range, Direction::Backward, 9, 999), [vec![1, 5], vec![1, 0], vec![1]]);
    assert_eq!(keys(&range, Direction::Forward, 2, 999), [vec![1], vec![1, 0]]);
    assert_eq!(keys(&range, Direction::Forward, 9, 1), [vec![1]], "a page holds at least one item");
    assert_eq!(keys(&range.clone().after(&[1]), Direction::Forward, 1, 999), [vec![1, 0]]);
    let open = KeyRange { start: vec![1, 6], end: None };
    assert_eq!(keys(&open, Direction::Forward, 9, 999), [vec![1, 9], vec![2]], "families end by themselves");
    assert_eq!(keys(&open, Direction::Backward, 9, 999), [vec![2], vec![1, 9]]);
    let inverted = KeyRange { start: vec![2], end: Some(vec![1]) };
    assert!(keys(&inverted, Direction::Forward, 9, 999).is_empty());
}

pub fn a_range_is_deleted_up_to_its_end(bench: impl Bench) {
    let engine = bench.engine();
    put_all(&*engine, &[&[1], &[2], &[3], &[4]]);
    let mut batch = Batch::default();
    batch.delete_range(Family::Records, KeyRange { start: vec![2], end: Some(vec![4]) });
    batch.delete_range(Family::Records, KeyRange { start: vec![4], end: Some(vec![1]) });
    engine.write(batch, Durability::Os).expect("written");
    let left = [1, 2, 3, 4].map(|key| get(&*engine, Family::Records, &[key]).is_some());
    assert_eq!(left, [true, false, false, true]);
    let mut batch = Batch::default();
    batch.delete_range(Family::Records, KeyRange { start: vec![4], end: None });
    engine.write(batch, Durability::Os).expect("written");
    assert_eq!(get(&*engine, Family::Records, &[4]), None);
}

pub fn synced_data_survive_a_restart(mut bench: impl Bench) {
    let engine = bench.engine();
    put_all(&*engine, &[&[1]]);
    let mut batch = Batch::default();
    batch.put(Family::Raft, vec![2], vec![2]);
    engine.write(batch, Durability::Sync).expect("written");
    drop(engine);
    bench.restart();
    let engine = bench.engine();
    assert_eq!(get(&*engine, Family::Raft, &[2]), Some(vec![2]));
    assert_eq!(
        get(&*engine, Family::Records, &[1]),
        Some(vec![1]),
        "one log: written before, synced with it"
    );
}

pub fn syncs_are_counted(bench: impl Bench) {
    let engine = bench.engine();
    let before = engine.statistics();
    put_all(&*engine, &[&[1]]);
    assert_eq!(engine.statistics().syncs, before.syncs);
    let mut batch = Batch::default();
    batch.put(Family::Raft, vec![2], vec![2]);
    engine.write(batch, Durability::Sync).expect("written");
    engine.sync().expect("synced");
    assert_eq!(engine.statistics().syncs, before.syncs + 2);
    assert_eq!(engine.statistics().writes, before.writes + 2);
}

pub fn an_empty_batch_is_a_write(bench: impl Bench) {
    bench.engine().write(Batch::default(), Durability::Sync).expect("nothing to do, and done");
}

pub fn doubt_survives_a_restart(mut bench: impl Bench) {
    assert!(!bench.engine().is_doubtful());
    bench.engine().mark_doubtful(Doubt::new(Cause::Behind, "first"));
    bench.engine().mark_doubtful(Doubt::new(Cause::Damaged, "second"));
    assert_eq!(bench.engine().doubt(), Some(Doubt::new(Cause::Behind, "first")));
    bench.restart();
    assert_eq!(bench.engine().doubt(), Some(Doubt::new(Cause::Behind, "first")));
}

fn items(keys: &[u8]) -> Items {
    Items(keys.iter().map(|key| (vec![*key], vec![*key].into())).collect())
}

pub fn what_lies_ready_is_taken_in_where_nothing_is(mut bench: impl Bench) {
    let engine = bench.engine();
    put_all(&*engine, &[&[5]]);
    let lay = |keys: &[u8]| engine.lay_ready(Family::Records, &items(keys)).expect("laid ready");
    drop(lay(&[9]));
    let ready = vec![lay(&[1, 3]), lay(&[6, 8])];
    assert_eq!(get(&*engine, Family::Records, &[1]), None, "it is in no family yet");
    assert_eq!(engine.take_in(Family::Records, ready), Ok(true));
    assert_eq!(engine.take_in(Family::Records, vec![lay(&[10]), lay(&[4, 7])]), Ok(false), "5 is between");
    assert_eq!(engine.take_in(Family::Records, vec![lay(&[2, 4])]), Ok(false), "3 is between");
    let mut batch = Batch::default();
    batch.delete(Family::Records, vec![5]);
    engine.write(batch, Durability::Os).expect("written");
    assert_eq!(engine.take_in(Family::Records, vec![lay(&[4, 5])]), Ok(false), "5 was there a moment ago");
    let keys = |engine: &_| (1..=10).filter(|key| get(engine, Family::Records, &[*key]).is_some()).collect();
    let there: Vec<u8> = keys(&*engine);
    assert_eq!(there, [1, 3, 6, 8]);
    drop(engine);
    bench.restart();
    let there: Vec<u8> = keys(&*bench.engine());
    // What was written is not synced: the power may have taken it, and the deletion with it.
    assert_eq!(there.into_iter().filter(|key| *key != 5).collect::<Vec<u8>>(), [1, 3, 6, 8], "it is durable");
}
