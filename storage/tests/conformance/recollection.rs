//! Commit counters: what a replica says of its progress, and what it remembers of its peers.

use crate::bench::{
    Bench, EPOCH, OS_TABLE, SYNC_TABLE, apply, damage, place, record, replica, sort_key, write,
};
use quorate_model::{Boot, CommitCounter, Committed, NodeId, Refusal, Reply, Request, Run};
use quorate_storage::{Cause, Engine, Family, ReadTier, Replica, keys};

const PEER: NodeId = NodeId(3);

fn said(boot: u64, counter: u64) -> Committed {
    Committed { run: Run { incarnation: 1, boot: Boot(boot) }, counter: CommitCounter(counter) }
}

fn counter<E: Engine>(store: &Replica<E>) -> CommitCounter {
    store.committed().expect("healthy")
}

pub fn the_counter_grows_with_what_is_synced_and_survives(mut bench: impl Bench) {
    let store = replica(&bench);
    let before = counter(&store);
    apply(&store, write(place(OS_TABLE, "k"), record(1, "v")));
    assert_eq!(counter(&store), before, "nothing is synced yet");
    apply(&store, write(place(SYNC_TABLE, "k"), record(1, "v")));
    let after = counter(&store);
    assert!(after > before, "{after} > {before}");
    drop(store);
    bench.restart();
    let store = replica(&bench);
    assert!(store.began() >= after, "what was said is not taken back: {} >= {after}", store.began());
}

pub fn what_a_peer_said_rides_along_and_survives(mut bench: impl Bench) {
    let store = replica(&bench);
    store.remember(PEER, said(7, 50));
    store.remember(PEER, said(7, 40));
    assert_eq!(store.remembered(PEER), Some(said(7, 50)), "the furthest stays");
    let syncs = store.statistics().syncs;
    apply(&store, write(place(SYNC_TABLE, "k"), record(1, "v")));
    assert_eq!(store.statistics().syncs, syncs + 1, "it costs no sync of its own");
    assert_eq!(store.save_remembered(), Ok(false), "it is there already");
    drop(store);
    bench.restart();
    let store = replica(&bench);
    assert_eq!(store.remembered(PEER), Some(said(7, 50)));
    assert_eq!(store.remembered(NodeId(4)), None);
}

pub fn without_traffic_it_is_saved_and_counts_as_no_progress(mut bench: impl Bench) {
    let store = replica(&bench);
    let before = counter(&store);
    store.remember(PEER, said(7, 50));
    assert_eq!(store.save_remembered(), Ok(true));
    assert_eq!(store.save_remembered(), Ok(false));
    assert_eq!(counter(&store), before, "or two nodes would keep each other busy for ever");
    drop(store);
    bench.restart();
    assert_eq!(replica(&bench).remembered(PEER), Some(said(7, 50)));
}

pub fn a_peer_that_remembers_more_poisons(bench: impl Bench) {
    let store = replica(&bench);
    apply(&store, write(place(SYNC_TABLE, "k"), record(1, "v")));
    let now = Run { incarnation: 1, boot: Boot(8) };
    let began = store.began().0;
    assert!(!store.recall(PEER, said(7, began), now), "just as far");
    assert!(!store.recall(PEER, said(8, began + 9), now), "said by this very run");
    let later = Run { incarnation: 2, ..now };
    assert!(!store.recall(PEER, said(7, began + 9), later), "what that one lost was accepted");
    assert!(store.recall(PEER, said(7, began + 1), now));
    let doubt = store.health().doubt.expect("it doubts");
    assert_eq!(doubt.cause, Cause::Behind);
    assert!(doubt.reason.contains("n3 remembers change"), "{doubt}");
    assert_eq!(store.committed(), None, "no peer should remember what it says now");
    assert_eq!(store.save_remembered(), Err(Refusal::Doubtful));
    let read = store.read(&Request::Read { at: place(SYNC_TABLE, "k"), whole: true }, ReadTier::Disk);
    assert_eq!(read, Some(Reply::Refused(Refusal::Doubtful)));
}

pub fn a_damaged_note_about_a_peer_is_a_doubt(mut bench: impl Bench) {
    let store = replica(&bench);
    store.remember(PEER, said(7, 50));
    assert_eq!(store.save_remembered(), Ok(true));
    let key = keys::DiskKey::PeerCommitted { peer: PEER };
    damage(&*bench.engine(), Family::Meta, key.encode());
    drop(store);
    bench.restart();
    assert_eq!(replica(&bench).health().doubt.map(|doubt| doubt.cause), Some(Cause::Damaged));
}

pub fn all_that_is_held_can_be_read_in_spite_of_a_doubt_and_damage_is_found(bench: impl Bench) {
    let store = replica(&bench);
    for key in ["a", "b", "c"] {
        apply(&store, write(place(SYNC_TABLE, key), record(1, "v")));
    }
    store.remember(PEER, said(7, 50));
    store.doubt("a sync failed");
    assert_eq!(store.read_all().expect("whole").records, 3);
    damage(&*bench.engine(), Family::Records, keys::record(SYNC_TABLE, &sort_key("b")));
    assert!(store.read_all().is_err(), "at epoch {EPOCH} one record is damaged");
}
