//! Sums of chunks, over either engine: equal to a recount after whatever was written and wherever it ended.

use crate::bench::{
    Bench, OS_TABLE, SYNC_TABLE, apply, layout, limits, place, record, record_of, usual_layout, write,
};
use quorate_model::{
    Boot, ClusterId, Durability, Epoch, Interval, NodeId, Refusal, Request, Rules, Run, SortKey, TableId,
};
use quorate_storage::{
    Engine, Figure, PageLimit, Recount, Replica, ReplicaLimits, SumStatistics, SumsSetting, Total,
};
use std::sync::atomic::{AtomicBool, Ordering};

const PAGE: PageLimit = PageLimit { items: 3, bytes: 1 << 20 };

fn setting() -> SumsSetting {
    SumsSetting { chunk_keys: 8, ..SumsSetting::of(ClusterId(1)) }
}

fn with<B: Bench>(bench: &B, limits: ReplicaLimits, setting: SumsSetting) -> Replica<B::E> {
    let run = Run { incarnation: 1, boot: Boot(1) };
    let replica = Replica::new(bench.engine(), NodeId(9), run, Rules::INTACT, limits, setting);
    replica.install(usual_layout());
    replica
}

fn replica<B: Bench>(bench: &B) -> Replica<B::E> {
    with(bench, limits(), setting())
}

fn fill<E: Engine>(store: &Replica<E>, table: TableId, keys: std::ops::Range<u32>, seq: u64) {
    let writes: Vec<Request> =
        keys.map(|key| write(place(table, &format!("k{key}")), record(seq, "v"))).collect();
    store.apply(&writes);
}

fn count_all<E: Engine>(store: &Replica<E>) {
    while store.walk_sums(PAGE).expect("a sound disk") {}
}

fn recount<E: Engine>(store: &Replica<E>) -> Recount {
    let recount = store.recount().expect("a sound disk");
    assert_eq!(recount.wrong, Vec::<String>::new());
    recount
}

fn whole<E: Engine>(store: &Replica<E>, table: TableId) -> Figure {
    store.interval_figures(table, &[Interval::everything()])[0]
}

pub fn sums_follow_every_write(bench: impl Bench) {
    let store = replica(&bench);
    fill(&store, SYNC_TABLE, 0..100, 2);
    fill(&store, OS_TABLE, 0..10, 1);
    // Older, newer, the same, and with ids.
    fill(&store, SYNC_TABLE, 0..20, 1);
    fill(&store, SYNC_TABLE, 10..30, 3);
    apply(&store, write(place(SYNC_TABLE, "k5"), record_of(1, "v", "client")));
    store.apply(&[
        write(place(SYNC_TABLE, "k6"), record(5, "v")),
        write(place(SYNC_TABLE, "k6"), record(6, "w")),
    ]);
    let due = quorate_model::Record { expires_at: Some(quorate_model::WallTime(1)), ..record(9, "due") };
    apply(&store, write(place(SYNC_TABLE, "k7"), due.clone()));
    apply(&store, write(place(SYNC_TABLE, "k7"), due.into_expired()));
    recount(&store);
    let figure = whole(&store, SYNC_TABLE);
    assert!(figure.is_exact);
    assert_eq!((figure.total.records, figure.total.removals, figure.total.values()), (100, 1, 99));
    assert_eq!(whole(&store, OS_TABLE).total.records, 10);
    assert!(store.sum_statistics().chunks < 6, "nothing is cut in the foreground");
    count_all(&store);
    assert!(store.sum_statistics().chunks > 10, "chunks that have grown are cut");
    recount(&store);
    assert_eq!(whole(&store, SYNC_TABLE), figure);
}

pub fn rows_spare_the_next_start_the_counting(mut bench: impl Bench) {
    let store = replica(&bench);
    fill(&store, SYNC_TABLE, 0..100, 1);
    count_all(&store);
    let (before, chunks) = (whole(&store, SYNC_TABLE), store.sum_statistics().chunks);
    store.settle_sums().expect("space");
    assert_eq!(recount(&store).rows, 0, "they may change again at once");
    store.settle_sums().expect("space");
    let rows = recount(&store).rows;
    assert!(rows > 10 && rows <= chunks);
    store.engine().sync().expect("a sound disk");
    drop(store);
    bench.restart();
    let store = replica(&bench);
    assert_eq!(whole(&store, SYNC_TABLE).total, before.total, "what is written down needs no counting");
    count_all(&store);
    assert_eq!(whole(&store, SYNC_TABLE), before);
    recount(&store);
}

pub fn the_first_change_deletes_the_row(mut bench: impl Bench) {
    let store = replica(&bench);
    fill(&store, SYNC_TABLE, 0..40, 1);
    count_all(&store);
    store.write_sums().expect("space");
    let rows = recount(&store).rows;
    fill(&store, SYNC_TABLE, 3..4, 2);
    assert_eq!(recount(&store).rows, rows - 1);
    fill(&store, SYNC_TABLE, 3..4, 3);
    assert_eq!(recount(&store).rows, rows - 1, "once");
    drop(store);
    bench.restart();
    let store = replica(&bench);
    assert!(!whole(&store, SYNC_TABLE).is_exact, "one chunk is to be counted");
    recount(&store);
    count_all(&store);
    assert_eq!((whole(&store, SYNC_TABLE).is_exact, whole(&store, SYNC_TABLE).total.records), (true, 40));
    assert_eq!(recount(&store).missing, 0);
}

pub fn a_cleared_table_leaves_no_sums(mut bench: impl Bench) {
    let store = replica(&bench);
    fill(&store, SYNC_TABLE, 0..40, 1);
    fill(&store, OS_TABLE, 0..40, 1);
    store.write_sums().expect("space");
    store.install(layout(Epoch(6), &[(OS_TABLE, Durability::Os)]));
    store.clear_table(SYNC_TABLE).expect("it is in no layout");
    assert_eq!(whole(&store, SYNC_TABLE).total, Total::default());
    assert!(!store.table_figures().contains_key(&SYNC_TABLE));
    recount(&store);
    drop(store);
    bench.restart();
    let store = replica(&bench);
    assert_eq!(whole(&store, SYNC_TABLE).total, Total::default());
    recount(&store);
}

pub fn a_full_disk_leaves_sums_and_records_together(bench: impl Bench) {
    let store = replica(&bench);
    fill(&store, SYNC_TABLE, 0..40, 1);
    store.write_sums().expect("space");
    bench.set_free_bytes(500);
    fill(&store, SYNC_TABLE, 0..60, 2);
    let figure = whole(&store, SYNC_TABLE);
    assert_eq!(figure.total.records, 40, "nothing was stored, nothing is counted");
    let rows = recount(&store).rows;
    assert_eq!(store.write_sums(), Err(Refusal::DiskFull), "rows can be made again");
    assert_eq!(recount(&store).rows, rows);
    bench.set_free_bytes(1 << 30);
    fill(&store, SYNC_TABLE, 0..60, 2);
    assert_eq!(whole(&store, SYNC_TABLE).total.records, 60);
    recount(&store);
}

/// A run that knows nothing of sums changed records and left the rows: another boot was the last to have the folder.
pub fn rows_that_another_version_may_have_outlived_are_not_believed(mut bench: impl Bench) {
    let run = |before, boot| SumsSetting { before, boot: Some(Boot(boot)), ..setting() };
    let store = with(&bench, limits(), run(None, 1));
    fill(&store, SYNC_TABLE, 0..40, 1);
    store.write_sums().expect("space");
    store.engine().sync().expect("a sound disk");
    drop(store);
    bench.restart();
    let store = with(&bench, limits(), run(Some(Boot(1)), 2));
    assert_eq!(whole(&store, SYNC_TABLE).total.records, 40, "the run before kept them");
    store.engine().sync().expect("a sound disk");
    drop(store);
    bench.restart();
    let store = with(&bench, limits(), run(Some(Boot(7)), 3));
    let figure = whole(&store, SYNC_TABLE);
    assert!(!figure.is_exact && figure.total.records == 0, "another run was in between");
    assert_eq!(recount(&store).rows, 0);
    count_all(&store);
    assert_eq!(whole(&store, SYNC_TABLE).total.records, 40);
}

pub fn a_damaged_row_is_not_believed_and_no_doubt(mut bench: impl Bench) {
    let store = replica(&bench);
    fill(&store, SYNC_TABLE, 0..40, 1);
    store.write_sums().expect("space");
    let key = quorate_storage::keys::DiskKey::ChunkSum { table: SYNC_TABLE, start: SortKey::new(vec![1]) };
    crate::bench::damage(&**store.engine(), key.family(), key.encode());
    drop(store);
    bench.restart();
    let store = replica(&bench);
    assert!(store.health().doubt.is_none(), "the records are sound");
    assert_eq!(recount(&store).rows, 0, "all are made again");
    count_all(&store);
    assert_eq!(whole(&store, SYNC_TABLE).total.records, 40);
    recount(&store);
}

/// Writers do not wait for the walk, and the walk does not lose what they write.
pub fn a_walk_is_right_under_concurrent_writes(mut bench: impl Bench) {
    let store = replica(&bench);
    fill(&store, SYNC_TABLE, 0..2_000, 1);
    store.engine().sync().expect("a sound disk");
    drop(store);
    bench.restart();
    let store = replica(&bench);
    assert_eq!(store.sum_statistics(), SumStatistics { chunks: 3, missing: 1 });
    let is_counted = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let (store, is_counted) = (&store, &is_counted);
        let writer = scope.spawn(move || {
            let mut seq = 2;
            while !is_counted.load(Ordering::Relaxed) || seq < 4 {
                for first in (0..2_500).step_by(7) {
                    fill(store, OS_TABLE, first..first + 1, seq);
                    fill(store, SYNC_TABLE, first..first + 1, seq);
                }
                seq += 1;
            }
        });
        while store.walk_sums(PAGE).expect("a sound disk") {}
        store.settle_sums().expect("space");
        is_counted.store(true, Ordering::Relaxed);
        writer.join().expect("a writer does not panic");
    });
    recount(&store);
    count_all(&store);
    let recount = recount(&store);
    assert_eq!((recount.missing, whole(&store, SYNC_TABLE).is_exact), (0, true));
}
