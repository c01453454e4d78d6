//! Floors: what an owner refuses once removals may go, what it tells of that, and which removals it drops.

use crate::bench::{
    Bench, EPOCH, SYNC_TABLE, apply, assign, layout, limits, place, record, record_of, replica, replica_of,
    replica_with, sort_key, usual_layout, version, write,
};
use quorate_model::floors::{Floored, Raise, Removal, Removals, Wanted};
use quorate_model::range::Extent;
use quorate_model::{
    Body, Boot, CopyState, Durability, Epoch, Floors, Held, Interval, Origin, RangeReply, RangeRequest,
    Record, Refusal, Reply, Request, Run, WallTime,
};
use quorate_storage::{Acceptance, ConsensusFate, DataFate, Engine, ReadTier, Replica};

fn over() -> Extent {
    Extent { table: SYNC_TABLE, epoch: EPOCH, interval: Interval::everything() }
}

fn raise<E: Engine>(store: &Replica<E>, raise: Raise) -> Floors {
    match store.serve_range(&RangeRequest::Floors { over: over(), raise }, || false) {
        RangeReply::Floored(pieces) => pieces.first().map(|piece| piece.floors).unwrap_or_default(),
        other => panic!("floors were expected, not {other:?}"),
    }
}

fn close<E: Engine>(store: &Replica<E>, seq: u64) {
    assert!(raise(store, Raise::Close(version(seq))).closing >= Some(version(seq)), "floors only grow");
}

fn seal<E: Engine>(store: &Replica<E>, seq: u64, forgets: bool) {
    close(store, seq);
    let floors = raise(store, Raise::Seal { up_to: version(seq), forgets });
    assert_eq!(floors.sealed, Some(version(seq)));
}

fn removal(seq: u64) -> Record {
    Record { body: Body::Tombstone, ..record(seq, "") }
}

/// Writes a record that comes so.
fn come<E: Engine>(store: &Replica<E>, key: &str, record: Record, origin: Origin) -> Reply {
    let at = place(SYNC_TABLE, key);
    apply(store, Request::Write { at, record, durability: Durability::Os, origin })
}

fn below(seq: u64) -> Reply {
    Reply::Refused(Refusal::Below { floor: version(seq) })
}

fn written(seq: u64) -> Reply {
    Reply::Written { held: Held::live(version(seq)) }
}

fn read<E: Engine>(store: &Replica<E>, key: &str) -> Reply {
    let request = Request::Read { at: place(SYNC_TABLE, key), whole: true };
    store.read(&request, ReadTier::Disk).expect("the disk answers")
}

fn removals<E: Engine>(store: &Replica<E>, wanted: Wanted) -> Removals {
    match store.serve_range(&RangeRequest::Removals { over: over(), wanted }, || false) {
        RangeReply::Removals(removals) => removals,
        other => panic!("removals were expected, not {other:?}"),
    }
}

fn wanted(before: u64) -> Wanted {
    Wanted { up_to: None, before: WallTime(before), with_ids_before: WallTime(before), items: 100 }
}

fn listed(key: &str, held: Held) -> Removal {
    Removal { sort_key: sort_key(key), held, has_ids: false }
}

fn drop_up_to<E: Engine>(store: &Replica<E>, seq: u64, removals: &[Removal]) -> u32 {
    let request = RangeRequest::Drop { over: over(), up_to: version(seq), removals: removals.to_vec() };
    match store.serve_range(&request, || false) {
        RangeReply::Dropped(dropped) => dropped,
        other => panic!("a number was expected, not {other:?}"),
    }
}

fn sums_are_right<E: Engine>(store: &Replica<E>) {
    let recount = store.recount().expect("counted");
    assert!(recount.wrong.is_empty(), "{:?}", recount.wrong);
}

pub fn what_is_closed_takes_nothing_new_but_over_a_value(bench: impl Bench) {
    let store = replica(&bench);
    apply(&store, write(place(SYNC_TABLE, "value"), record(1, "v")));
    apply(&store, write(place(SYNC_TABLE, "removed"), removal(2)));
    close(&store, 5);
    assert_eq!(come(&store, "absent", record(5, "v"), Origin::Fresh), below(5));
    assert_eq!(come(&store, "removed", record(4, "v"), Origin::Fresh), below(5));
    assert_eq!(come(&store, "value", record(4, "v"), Origin::Fresh), written(4));
    assert_eq!(come(&store, "removed", removal(1), Origin::Fresh), written(2), "it holds something later");
    assert_eq!(come(&store, "absent", record(6, "v"), Origin::Fresh), written(6));
    assert_eq!(come(&store, "other", record(3, "v"), Origin::Vouched), written(3), "another owner had it");
    assert_eq!(come(&store, "removed", record(3, "v"), Origin::Vouched), written(3));
}

pub fn what_is_sealed_takes_no_value_where_nothing_is_held(bench: impl Bench) {
    let store = replica(&bench);
    apply(&store, write(place(SYNC_TABLE, "removed"), removal(2)));
    seal(&store, 5, false);
    assert_eq!(come(&store, "absent", record(5, "v"), Origin::Vouched), below(5));
    assert_eq!(come(&store, "gone", removal(4), Origin::Vouched), below(5), "also what says the same");
    assert_eq!(come(&store, "removed", record(4, "v"), Origin::Vouched), written(4), "it is held");
    assert_eq!(come(&store, "late", record(4, "v"), Origin::Filling), below(5), "it is whole");
    // Of a merge, what is refused for a floor was removed long ago: there is nothing to bring.
    let keyed = quorate_model::sync::Keyed { sort_key: sort_key("absent"), record: record(5, "v") };
    let merged = store.serve_range(&RangeRequest::Merge { over: over(), records: vec![keyed] }, || false);
    assert_eq!((merged, read(&store, "absent")), (RangeReply::Merged, Reply::Absent { sealed: version(5) }));
}

pub fn a_seal_needs_its_closing_and_floors_survive_a_restart(mut bench: impl Bench) {
    let store = replica(&bench);
    close(&store, 5);
    let too_high = raise(&store, Raise::Seal { up_to: version(6), forgets: true });
    assert_eq!(too_high, Floors { closing: Some(version(5)), ..Floors::default() });
    seal(&store, 3, true);
    let floors = Floors {
        closing: Some(version(5)),
        sealed: Some(version(3)),
        forgot: Some(version(3)),
        forgot_to: Some(version(3)),
    };
    assert_eq!(raise(&store, Raise::Close(version(2))), floors, "floors only grow");
    drop(store);
    bench.restart();
    let store = replica_with(&bench, limits(), Boot(2));
    assert_eq!(raise(&store, Raise::Nothing), floors);
    assert_eq!(come(&store, "absent", record(5, "v"), Origin::Fresh), below(5));
    let stale = Extent { epoch: Epoch(EPOCH.0 - 1), ..over() };
    let refused =
        store.serve_range(&RangeRequest::Floors { over: stale, raise: Raise::Close(version(9)) }, || false);
    assert!(matches!(refused, RangeReply::Refused(Refusal::Stale { .. })), "{refused:?}");
}

pub fn round_one_and_readers_are_told_and_what_is_assigned_is_above(bench: impl Bench) {
    let store = replica(&bench);
    apply(&store, write(place(SYNC_TABLE, "k"), record(1, "v")));
    seal(&store, 3, true);
    close(&store, 5);
    let ask = |key| store.read(&Request::Ask { at: place(SYNC_TABLE, key) }, ReadTier::Disk);
    let Some(Reply::Known { held: None, floor, forgot: Some(_), .. }) = ask("absent") else {
        panic!("{:?}", ask("absent"));
    };
    assert_eq!(floor, Some(version(5)));
    let Some(Reply::Known { held: Some(_), floor, forgot: None, .. }) = ask("k") else {
        panic!("{:?}", ask("k"));
    };
    assert_eq!(floor, Some(version(5)), "whatever is held");
    for whole in [true, false] {
        let request = Request::Read { at: place(SYNC_TABLE, "absent"), whole };
        assert_eq!(store.read(&request, ReadTier::Disk), Some(Reply::Absent { sealed: version(3) }));
    }
    let Reply::Assigned { record } = apply(&store, assign(place(SYNC_TABLE, "absent"), "v")) else {
        panic!("it owns the key");
    };
    assert!(record.version > version(5));
}

pub fn removals_are_found_by_age_and_due_values_with_their_flag(bench: impl Bench) {
    let store = replica(&bench);
    apply(&store, write(place(SYNC_TABLE, "value"), record(1, "v")));
    apply(&store, write(place(SYNC_TABLE, "old"), removal(2)));
    apply(&store, write(place(SYNC_TABLE, "young"), removal(30)));
    let ids = Record { body: Body::Tombstone, ..record_of(3, "", "c") };
    apply(&store, write(place(SYNC_TABLE, "ids"), ids));
    let due = Record { expires_at: Some(WallTime(9)), ..record(4, "v") };
    apply(&store, write(place(SYNC_TABLE, "due"), due.clone()));
    let later = Record { expires_at: Some(WallTime(90)), ..record(5, "v") };
    apply(&store, write(place(SYNC_TABLE, "later"), later));
    let found = removals(&store, Wanted { with_ids_before: WallTime(1), ..wanted(20) });
    assert_eq!(found.found, [listed("old", Held::live(version(2)))]);
    let flag = quorate_model::sync::Keyed { sort_key: sort_key("due"), record: due.into_expired() };
    assert_eq!((found.due, found.until), (vec![flag], None));
    let all = removals(&store, wanted(50));
    assert_eq!(all.found.len(), 3);
    assert!(all.found.iter().any(|removal| removal.sort_key == sort_key("ids") && removal.has_ids));
    let up_to = removals(&store, Wanted { up_to: Some(version(2)), ..wanted(50) });
    assert_eq!(up_to.found.len(), 1);
    // Page by page it is the same.
    let (mut paged, mut from) = (Vec::new(), Interval::everything());
    loop {
        let request = RangeRequest::Removals {
            over: Extent { interval: from.clone(), ..over() },
            wanted: Wanted { items: 1, ..wanted(50) },
        };
        let RangeReply::Removals(page) = store.serve_range(&request, || true) else { panic!("it is whole") };
        assert!(page.found.len() + page.due.len() <= 1);
        paged.extend(page.found);
        let Some(until) = page.until else { break };
        from.start = until;
    }
    assert_eq!(paged, all.found);
}

pub fn a_listed_removal_goes_where_exactly_that_is_held(bench: impl Bench) {
    let store = replica(&bench);
    for (key, record) in [("gone", removal(2)), ("later", removal(4)), ("value", record(3, "v"))] {
        apply(&store, write(place(SYNC_TABLE, key), record));
    }
    let held = |seq| Held::live(version(seq));
    let list =
        [listed("gone", held(2)), listed("later", held(2)), listed("value", held(3)), listed("no", held(1))];
    let confirm = RangeRequest::Confirm { over: over(), removals: list.to_vec() };
    assert_eq!(store.serve_range(&confirm, || false), RangeReply::Confirmed(vec![1, 3]));
    assert_eq!(drop_up_to(&store, 5, &list), 0, "nothing is sealed");
    seal(&store, 5, false);
    let flagged = Held { expired: true, ..held(2) };
    assert_eq!(drop_up_to(&store, 5, &[listed("gone", flagged)]), 0, "a flag is another state");
    assert_eq!(drop_up_to(&store, 1, &list), 0, "above what every owner has sealed");
    assert_eq!(drop_up_to(&store, 5, &list), 1);
    assert_eq!(read(&store, "gone"), Reply::Absent { sealed: version(5) });
    assert_eq!(read(&store, "later"), Reply::Record(Some(removal(4))));
    assert_eq!(read(&store, "value"), Reply::Record(Some(record(3, "v"))), "a value never goes");
    sums_are_right(&store);
    assert_eq!(drop_up_to(&store, 5, &list), 0, "once is enough");
    assert_eq!(store.serve_range(&confirm, || false), RangeReply::Confirmed(vec![1]), "it was dropped");
}

pub fn ids_go_only_where_that_is_remembered(bench: impl Bench) {
    let store = replica(&bench);
    let ids = Record { body: Body::Tombstone, ..record_of(3, "", "c") };
    apply(&store, write(place(SYNC_TABLE, "k"), ids));
    seal(&store, 5, false);
    let list = [listed("k", Held::live(version(3)))];
    assert_eq!(drop_up_to(&store, 5, &list), 0, "its ids would be forgotten in silence");
    seal(&store, 5, true);
    assert_eq!(drop_up_to(&store, 5, &list), 1);
}

pub fn a_copy_is_begun_with_floors_and_filled_below_them(mut bench: impl Bench) {
    let store = replica(&bench);
    apply(&store, write(place(SYNC_TABLE, "before"), record(9, "v")));
    close(&store, 2);
    let acceptance =
        Acceptance { incarnation: 2, consensus: ConsensusFate::Forgotten, data: DataFate::Lossy };
    acceptance.note(&*bench.engine()).expect("noted");
    drop(store);
    bench.restart();
    let run = |bench: &_, boot| {
        let store = replica_of(bench, limits(), Run { incarnation: 2, boot });
        store.install(quorate_model::Layout { incarnation: 2, ..usual_layout() });
        store
    };
    let store = run(&bench, Boot(2));
    let refused = store.serve_range(&RangeRequest::Floors { over: over(), raise: Raise::Nothing }, || false);
    assert_eq!(refused, RangeReply::Refused(Refusal::Filling), "it does not say what it refuses");
    let gap = store.gaps(10).into_iter().find(|gap| gap.table == SYNC_TABLE).expect("it is not whole");
    let floors =
        |sealed| Floors { closing: Some(version(7)), sealed: Some(version(sealed)), ..Floors::default() };
    let piece = |sealed| Floored { interval: Interval::everything(), floors: floors(sealed) };
    store.take(&gap, &[piece(6), piece(4)]).expect("taken");
    assert_eq!(come(&store, "absent", record(7, "v"), Origin::Fresh), below(7));
    let lacks = come(&store, "absent", record(6, "v"), Origin::Vouched);
    assert_eq!(lacks, Reply::Refused(Refusal::Filling), "what it lacks need not be removed");
    assert_eq!(come(&store, "old", record(3, "v"), Origin::Filling), written(3), "what a source holds");
    let filling = store.gaps(10).into_iter().find(|gap| gap.table == SYNC_TABLE).expect("it is filling");
    assert_eq!(filling.state, CopyState::Filling);
    drop(store);
    bench.restart();
    let store = run(&bench, Boot(3));
    store.whole(&filling).expect("whole");
    assert_eq!(raise(&store, Raise::Nothing), floors(6));
    sums_are_right(&store);
}

pub fn a_dropped_table_takes_its_floors_along(bench: impl Bench) {
    let store = replica(&bench);
    close(&store, 5);
    assert!(store.stored_tables().expect("known").contains(&SYNC_TABLE), "of floors alone, too");
    store.install(layout(Epoch(EPOCH.0 + 1), &[]));
    store.clear_table(SYNC_TABLE).expect("cleared");
    assert_eq!(store.floors_at(SYNC_TABLE, &sort_key("k")), Floors::default());
    assert!(!store.stored_tables().expect("known").contains(&SYNC_TABLE));
}

pub fn without_space_nothing_is_closed(bench: impl Bench) {
    let store = replica(&bench);
    bench.set_free_bytes(10);
    let request = RangeRequest::Floors { over: over(), raise: Raise::Close(version(5)) };
    assert_eq!(store.serve_range(&request, || false), RangeReply::Refused(Refusal::DiskFull));
    assert_eq!(store.floors_at(SYNC_TABLE, &sort_key("k")), Floors::default());
}
