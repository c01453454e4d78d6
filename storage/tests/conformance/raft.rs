//! What consensus keeps.

use crate::bench::{Bench, damage, place, replica};
use quorate_model::{Refusal, Reply, Request};
use quorate_storage::engine::EngineError;
use quorate_storage::keys::DiskKey;
use quorate_storage::{Engine, PageLimit, RaftEntry, RaftStore, ReadTier};

fn entries(indices: std::ops::Range<u64>) -> Vec<RaftEntry> {
    indices.map(|index| RaftEntry { index, bytes: vec![index as u8; 3].into() }).collect()
}

fn indices<E: Engine>(store: &RaftStore<E>, from: u64, until: Option<u64>) -> Vec<u64> {
    let page = store.entries(from, until, PageLimit::BULK).expect("readable");
    page.into_iter().map(|entry| entry.index).collect()
}

pub fn entries_are_appended_truncated_and_purged(bench: impl Bench) {
    let store = RaftStore::new(bench.engine());
    assert_eq!(store.last().expect("readable"), None);
    let syncs = bench.engine().statistics().syncs;
    store.append(&entries(1..300)).expect("written");
    assert_eq!(bench.engine().statistics().syncs, syncs + 1, "one sync for one append");
    assert_eq!(indices(&store, 254, Some(258)), [254, 255, 256, 257]);
    assert_eq!(store.last().expect("readable"), entries(299..300).pop());
    store.truncate_from(290).expect("written");
    assert_eq!(store.last().expect("readable").map(|entry| entry.index), Some(289));
    store.cut_up_to(280, b"280").expect("written");
    assert_eq!(indices(&store, 0, None), (281..290).collect::<Vec<_>>());
    assert_eq!(store.purged().expect("readable").as_deref(), Some(&b"280"[..]));
    store.append(&entries(290..292)).expect("written behind a truncation");
    assert_eq!(store.last().expect("readable").map(|entry| entry.index), Some(291));
}

pub fn what_consensus_keeps_survives_a_restart(mut bench: impl Bench) {
    let store = RaftStore::new(bench.engine());
    assert_eq!(store.vote().expect("readable"), None);
    store.set_vote(b"vote 1").expect("written");
    store.set_committed(b"at 3").expect("written");
    store.set_snapshot(b"").expect("an empty snapshot is one");
    store.append(&entries(1..4)).expect("written");
    drop(store);
    bench.restart();
    let store = RaftStore::new(bench.engine());
    assert_eq!(store.vote().expect("readable").as_deref(), Some(&b"vote 1"[..]));
    assert_eq!(store.committed().expect("readable").as_deref(), Some(&b"at 3"[..]));
    assert_eq!(store.snapshot().expect("readable").as_deref(), Some(&b""[..]));
    assert_eq!(indices(&store, 0, None), [1, 2, 3]);
}

pub fn damage_poisons_the_replica_too(bench: impl Bench) {
    let replica = replica(&bench);
    let store = RaftStore::new(bench.engine());
    store.set_vote(b"vote").expect("written");
    let key = DiskKey::RaftVote;
    damage(&*bench.engine(), key.family(), key.encode());
    assert!(matches!(store.vote(), Err(EngineError::Corrupt(_))));
    let ask = Request::Ask { at: place(crate::bench::SYNC_TABLE, "k") };
    assert_eq!(replica.read(&ask, ReadTier::Disk), Some(Reply::Refused(Refusal::Doubtful)));
}

pub fn a_doubted_folder_does_not_vote(mut bench: impl Bench) {
    let store = RaftStore::new(bench.engine());
    store.set_vote(b"before").expect("written");
    replica(&bench).doubt("a peer remembers more");
    assert!(matches!(store.vote(), Err(EngineError::Doubtful(_))));
    drop(store);
    bench.restart();
    let store = RaftStore::new(bench.engine());
    assert!(matches!(store.vote(), Err(EngineError::Doubtful(_))));
    assert!(matches!(store.set_vote(b"after"), Err(EngineError::Doubtful(_))));
    assert!(matches!(store.append(&entries(1..2)), Err(EngineError::Doubtful(_))));
    // It can be looked at, and only that.
    let looking = RaftStore::of_doubted(bench.engine());
    assert_eq!(looking.vote().expect("readable").as_deref(), Some(&b"before"[..]));
    assert!(matches!(looking.set_vote(b"after"), Err(EngineError::Doubtful(_))));
}
