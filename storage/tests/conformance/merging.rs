//! Owners that stay while a shard moves to fewer: they answer as ever, and merge what the others hold.

use super::bench::{
    Bench, EPOCH, SYNC_TABLE, apply, held, place, record, replica, usual_layout, version, write,
};
use quorate_model::layout::{Copy, Role};
use quorate_model::{CopyState, Epoch, Held, Interval, Layout, Origin, Pieces, Refusal, Reply, Request};
use quorate_storage::{Engine, Replica, Standing};

/// The usual layout with the copy of one table in a role.
fn layout_with(epoch: u64, role: Role) -> Layout {
    let mut layout = Layout { epoch: Epoch(epoch), ..usual_layout() };
    let table = layout.tables.get_mut(&SYNC_TABLE).expect("there");
    let mut shards: Vec<_> = table.shards.iter().cloned().collect();
    shards[0].copy = Some(Copy { role, since: Epoch(0) });
    table.shards = Pieces::of(shards);
    layout
}

fn stays<E: Engine>(replica: &Replica<E>) {
    replica.install(layout_with(EPOCH.0 + 1, Role::Stayer));
}

fn standing<E: Engine>(replica: &Replica<E>) -> Standing {
    replica.copy_in(SYNC_TABLE, &Interval::everything()).expect("it has a copy")
}

fn filled(key: &str, seq: u64) -> Request {
    let Request::Write { at, record, durability, .. } = write(place(SYNC_TABLE, key), record(seq, "v"))
    else {
        panic!("a write")
    };
    Request::Write { at, record, durability, origin: Origin::Filling }
}

pub fn an_owner_that_stays_answers_and_merges_by_version(bench: impl Bench) {
    let replica = replica(&bench);
    apply(&replica, write(place(SYNC_TABLE, "k"), record(3, "its own")));
    assert_eq!(replica.gaps(9), []);
    stays(&replica);
    let gap = replica.gaps(9).pop().expect("there is something to merge");
    assert_eq!((gap.state, gap.epoch, replica.wholeness()), (CopyState::Whole, EPOCH, (2, 2)));
    let unmerged = Standing { since: Epoch(0), state: CopyState::Whole, merged: Epoch(0) };
    assert_eq!(standing(&replica), unmerged);
    assert_eq!(held(&replica, SYNC_TABLE, "k").map(|record| record.version), Some(version(3)), "it answers");
    let merged = replica.apply(&[filled("k", 2), filled("other", 5)]);
    let written = |seq| Reply::Written { held: Held::live(version(seq)) };
    assert_eq!(merged, [written(3), written(5)], "what it holds is later");
    assert_eq!(replica.take(&gap, &[]), Ok(()), "it is whole: nothing of it is deleted");
    assert!(held(&replica, SYNC_TABLE, "k").is_some());
    assert_eq!(replica.filled(&gap, gap.fill.clone()), Err(Refusal::Filling), "nothing is noted on the way");
    replica.whole(&gap).expect("merged");
    assert_eq!(standing(&replica), Standing { merged: EPOCH, ..unmerged });
    assert_eq!(replica.gaps(9), []);
    // Its move is over, and the next one asks for it again.
    replica.install(layout_with(EPOCH.0 + 2, Role::Owner));
    assert_eq!(replica.gaps(9), []);
    replica.install(layout_with(EPOCH.0 + 3, Role::Stayer));
    assert_eq!(replica.gaps(9).len(), 1);
}

pub fn what_is_merged_is_synced_and_a_later_run_merges_anew(mut bench: impl Bench) {
    let store = replica(&bench);
    stays(&store);
    let gap = store.gaps(9).pop().expect("there is something to merge");
    store.apply(&[filled("k", 2)]);
    let before = store.statistics().syncs;
    store.whole(&gap).expect("merged");
    assert_eq!(store.statistics().syncs, before + 1);
    drop(store);
    bench.restart();
    let store = replica(&bench);
    stays(&store);
    assert!(held(&store, SYNC_TABLE, "k").is_some());
    assert_eq!(store.gaps(9).len(), 1, "that it had merged is not noted");
}
