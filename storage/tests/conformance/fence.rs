//! The fence: what a later layout took away stays refused, whatever the next start knows.

use crate::bench::{
    Bench, EPOCH, OS_TABLE, SYNC_TABLE, apply, layout, limits, place, record, replica, replica_with,
    usual_layout, write,
};
use quorate_model::{Boot, Durability, Epoch, Place, Refusal, Reply, Request};
use quorate_storage::{Engine, ReadTier, Replica};

const NEXT: Epoch = Epoch(EPOCH.0 + 1);

fn read<E: Engine>(store: &Replica<E>, at: Place) -> Reply {
    store.read(&Request::Read { at, whole: true }, ReadTier::Disk).expect("the disk answers")
}

pub fn what_was_closed_stays_closed_after_a_restart(mut bench: impl Bench) {
    let store = replica(&bench);
    apply(&store, write(place(SYNC_TABLE, "k"), record(1, "v")));
    assert_eq!(store.closed(), EPOCH);
    store.install(layout(NEXT, &[(OS_TABLE, Durability::Os)]));
    assert_eq!(store.closed(), NEXT);
    drop(store);
    bench.restart();

    // It begins with an older catalog.
    let store = replica_with(&bench, limits(), Boot(2));
    let behind = Reply::Refused(Refusal::Behind { current: EPOCH });
    assert_eq!(read(&store, place(SYNC_TABLE, "k")), behind, "an older catalog");
    assert_eq!(apply(&store, write(place(SYNC_TABLE, "k"), record(2, "w"))), behind);
    assert_eq!(apply(&store, write(place(OS_TABLE, "k"), record(1, "v"))), behind, "of any table");
    store.install(layout(NEXT, &[(OS_TABLE, Durability::Os)]));
    assert_eq!(read(&store, place(SYNC_TABLE, "k")), Reply::Refused(Refusal::Stale { current: NEXT }));
    assert_eq!(read(&store, place(OS_TABLE, "k")), Reply::Record(None), "it has caught up");
}

pub fn a_layout_that_takes_nothing_away_costs_no_sync(bench: impl Bench) {
    let store = replica(&bench);
    let syncs = store.statistics().syncs;
    let mut same = usual_layout();
    same.epoch = NEXT;
    store.install(same);
    assert_eq!((store.statistics().syncs, store.closed()), (syncs, NEXT));
}

pub fn without_space_it_is_refused_and_not_closed(bench: impl Bench) {
    let store = replica(&bench);
    bench.set_free_bytes(0);
    store.install(layout(NEXT, &[(OS_TABLE, Durability::Os)]));
    let refused = read(&store, place(SYNC_TABLE, "k"));
    assert_eq!(refused, Reply::Refused(Refusal::Stale { current: NEXT }));
    if store.closed() == EPOCH {
        assert_eq!(store.close(), EPOCH, "there is no space yet");
    }
    bench.set_free_bytes(1 << 30);
    assert_eq!(store.close(), NEXT);
    assert!(!store.is_doubtful());
}
