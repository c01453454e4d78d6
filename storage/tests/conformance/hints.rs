//! Hints, over either engine.

use crate::bench::{
    Bench, EPOCH, OS_TABLE, OTHERS_TABLE, SYNC_TABLE, apply, hint, layout, limits, place, record, record_of,
    replica, replica_with, sort_key,
};
use quorate_model::{Boot, Durability, Epoch, Hint, NodeId, Place, Refusal, Reply, Request, TableId};
use quorate_storage::{Engine, OwnerHints, PageLimit, ReadTier, Replica, ReplicaLimits};

const OWNER: NodeId = NodeId(3);
const OTHER: NodeId = NodeId(4);

fn kept<E: Engine>(replica: &Replica<E>, owner: NodeId) -> Vec<Hint> {
    replica.hints_for(owner, None, PageLimit::BULK).expect("readable")
}

fn counts<E: Engine>(replica: &Replica<E>, owner: NodeId) -> OwnerHints {
    replica.hint_counts().get(&owner).copied().unwrap_or_default()
}

pub fn a_hint_is_kept_and_erased(mut bench: impl Bench) {
    let store = replica(&bench);
    let syncs = bench.engine().statistics().syncs;
    assert_eq!(apply(&store, hint(OWNER, place(SYNC_TABLE, "k"), record(2, "v"))), Reply::Hinted);
    assert_eq!(bench.engine().statistics().syncs, syncs + 1, "a hint is as durable as its table");
    assert_eq!(apply(&store, hint(OTHER, place(OS_TABLE, "k"), record(2, "v"))), Reply::Hinted);
    assert_eq!(bench.engine().statistics().syncs, syncs + 1, "and no more");
    let others = kept(&store, OTHER);
    assert_eq!(store.erase_hints(OTHER, &others), Ok(1));
    drop(store);
    bench.restart();
    let store = replica(&bench);
    let hints = kept(&store, OWNER);
    assert_eq!(hints, [Hint { table: SYNC_TABLE, sort_key: sort_key("k"), record: record(2, "v") }]);
    assert!(kept(&store, OTHER).is_empty());
    let read = Request::Inspect { at: place(SYNC_TABLE, "k") };
    let Some(Reply::Inspected(shown)) = store.read(&read, ReadTier::Disk) else { panic!("not inspected") };
    assert_eq!((shown.hints_for, shown.held), (vec![OWNER], None), "a hint is not a record that is held");
    assert_eq!(store.erase_hints(OWNER, &hints), Ok(1));
    assert_eq!(store.erase_hints(OWNER, &hints), Ok(0), "again: nothing");
    assert!(kept(&store, OWNER).is_empty());
    assert_eq!(counts(&store, OWNER), OwnerHints::default());
}

pub fn hints_of_one_place_are_merged(bench: impl Bench) {
    let store = replica(&bench);
    let at = || place(SYNC_TABLE, "k");
    store.apply(&[hint(OWNER, at(), record_of(1, "old", "a")), hint(OWNER, at(), record_of(5, "new", "b"))]);
    apply(&store, hint(OWNER, at(), record_of(3, "between", "c")));
    apply(&store, hint(OTHER, at(), record(1, "old")));
    let hints = kept(&store, OWNER);
    assert_eq!(hints.len(), 1);
    assert_eq!(hints[0].record.body, record(5, "new").body);
    assert_eq!(hints[0].record.operations.as_slice().len(), 3, "ids of losing records too");
    assert_eq!((counts(&store, OWNER).count, counts(&store, OTHER).count), (1, 1));
}

pub fn a_hint_that_grew_is_not_erased(bench: impl Bench) {
    let store = replica(&bench);
    let at = || place(SYNC_TABLE, "k");
    apply(&store, hint(OWNER, at(), record_of(1, "old", "a")));
    let replayed = kept(&store, OWNER);
    apply(&store, hint(OWNER, at(), record_of(2, "new", "a")));
    assert_eq!(store.erase_hints(OWNER, &replayed), Ok(0), "a newer record came");
    let replayed = kept(&store, OWNER);
    apply(&store, hint(OWNER, at(), record_of(1, "old", "b")));
    assert_eq!(store.erase_hints(OWNER, &replayed), Ok(0), "an operation id came");
    let replayed = kept(&store, OWNER);
    assert_eq!(store.erase_hints(OWNER, &replayed), Ok(1));
}

pub fn hints_come_in_pages(bench: impl Bench) {
    let store = replica(&bench);
    let batch: Vec<Request> = (0..25)
        .flat_map(|n| [SYNC_TABLE, OS_TABLE].map(|table| (n, table)))
        .map(|(n, table)| hint(OWNER, place(table, &format!("k{n}")), record(1, "v")))
        .collect();
    store.apply(&batch);
    apply(&store, hint(OTHER, place(SYNC_TABLE, "k"), record(1, "v")));
    let mut seen: Vec<Hint> = Vec::new();
    loop {
        let after = seen.last().map(|hint| (hint.table, hint.sort_key.clone()));
        let after = after.as_ref().map(|(table, sort_key)| (*table, sort_key));
        let page = store.hints_for(OWNER, after, PageLimit { items: 7, bytes: 1_000_000 }).expect("readable");
        assert!(page.len() <= 7);
        if page.is_empty() {
            break;
        }
        seen.extend(page);
    }
    assert_eq!(seen.len(), 50);
    let places: Vec<(TableId, &[u8])> =
        seen.iter().map(|hint| (hint.table, hint.sort_key.as_bytes())).collect();
    assert!(places.is_sorted(), "ordered by table and position");
}

pub fn limits_refuse_and_count(mut bench: impl Bench) {
    let refused = Reply::Refused(Refusal::Overloaded);
    let store = replica_with(&bench, ReplicaLimits { hints_max: 2, ..limits() }, Boot(1));
    let replies = store.apply(&[
        hint(OWNER, place(SYNC_TABLE, "a"), record(1, "v")),
        hint(OTHER, place(SYNC_TABLE, "a"), record(1, "v")),
        hint(OWNER, place(SYNC_TABLE, "b"), record(1, "v")),
        hint(OWNER, place(SYNC_TABLE, "a"), record(2, "w")),
    ]);
    assert_eq!(
        replies,
        [Reply::Hinted, Reply::Hinted, refused.clone(), Reply::Hinted],
        "a merge needs no room"
    );
    drop(store);
    bench.restart();
    let bytes = counts(&replica(&bench), OWNER).bytes;
    let narrow = ReplicaLimits { hint_bytes_per_owner_max: bytes + 10, ..limits() };
    let store = replica_with(&bench, narrow, Boot(2));
    assert_eq!(apply(&store, hint(OWNER, place(SYNC_TABLE, "b"), record(1, "v"))), refused);
    assert_eq!(apply(&store, hint(OTHER, place(SYNC_TABLE, "a"), record(2, "w"))), Reply::Hinted);
    let narrow = ReplicaLimits { hint_bytes_max: 2 * bytes, ..limits() };
    let store = replica_with(&bench, narrow, Boot(3));
    assert_eq!(apply(&store, hint(OTHER, place(SYNC_TABLE, "b"), record(1, "v"))), refused);
    assert_eq!((counts(&store, OWNER).refused, counts(&store, OTHER).refused), (2, 1), "counted across runs");
    assert_eq!(kept(&store, OWNER).len(), 1);
}

pub fn books_survive_a_restart(mut bench: impl Bench) {
    let store = replica(&bench);
    for n in 0..10 {
        apply(&store, hint(OWNER, place(SYNC_TABLE, &format!("k{n}")), record(1, "v")));
    }
    apply(&store, hint(OWNER, place(SYNC_TABLE, "k3"), record(2, "a longer value")));
    let before = store.hint_counts();
    assert_eq!(before[&OWNER].count, 10);
    drop(store);
    bench.restart();
    assert_eq!(replica(&bench).hint_counts(), before);
}

pub fn a_dropped_table_takes_its_hints_along(bench: impl Bench) {
    let store = replica(&bench);
    for owner in [OWNER, OTHER] {
        // More than are removed in one step.
        let many: Vec<Request> =
            (0..600).map(|n| hint(owner, place(SYNC_TABLE, &format!("k{n}")), record(1, "v"))).collect();
        store.apply(&many);
        apply(&store, hint(owner, place(OS_TABLE, "k"), record(1, "v")));
    }
    store.install(layout(Epoch(6), &[(OS_TABLE, Durability::Os)]));
    store.clear_table(SYNC_TABLE).expect("cleared");
    for owner in [OWNER, OTHER] {
        let left: Vec<TableId> = kept(&store, owner).iter().map(|hint| hint.table).collect();
        assert_eq!((left, counts(&store, owner).count), (vec![OS_TABLE], 1));
    }
}

pub fn a_hint_needs_no_ownership_but_a_table(bench: impl Bench) {
    let store = replica(&bench);
    assert_eq!(apply(&store, hint(OWNER, place(OTHERS_TABLE, "k"), record(1, "v"))), Reply::Hinted);
    let old = Place { epoch: Epoch(1), ..place(SYNC_TABLE, "k") };
    assert_eq!(
        apply(&store, hint(OWNER, old, record(1, "v"))),
        Reply::Hinted,
        "it is replayed at a later epoch"
    );
    let dropped = apply(&store, hint(OWNER, place(TableId(77), "k"), record(1, "v")));
    assert_eq!(dropped, Reply::Refused(Refusal::Stale { current: EPOCH }));
    let unheard = Place { epoch: Epoch(9), ..place(TableId(77), "k") };
    let unheard = apply(&store, hint(OWNER, unheard, record(1, "v")));
    assert_eq!(unheard, Reply::Refused(Refusal::Behind { current: EPOCH }));
    assert_eq!(counts(&store, OWNER).count, 2);
}
