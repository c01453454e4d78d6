//! The ledger: a replica that has lost something answers nothing that decides until it holds everything again.

use crate::bench::{
    Bench, EPOCH, SYNC_TABLE, apply, assign, held, hint, layout, limits, place, record, replica, replica_of,
    sort_key, usual_layout, version, write,
};
use quorate_model::layout::{Copy, Role};
use quorate_model::range::{Extent, Walk};
use quorate_model::{
    Boot, CopyState, Durability, Epoch, Fill, Gap, Held, Interval, NodeId, Pieces, RangeReply, RangeRequest,
    Raw, Refusal, Reply, Request, Run, ShardLayout, TableId, TableLayout,
};
use quorate_storage::{Acceptance, ConsensusFate, DataFate, Engine, ReadTier, Replica, ReplicaLimits};

const FILLING: Reply = Reply::Refused(Refusal::Filling);

/// The replica after a loss, with what it still holds lossy.
fn after_loss<B: Bench>(bench: &mut B) -> Replica<B::E> {
    let store = replica(bench);
    apply(&store, write(place(SYNC_TABLE, "k"), record(1, "before")));
    let acceptance =
        Acceptance { incarnation: 2, consensus: ConsensusFate::Forgotten, data: DataFate::Lossy };
    acceptance.note(&*bench.engine()).expect("noted");
    drop(store);
    bench.restart();
    second(bench, Boot(2))
}

/// A run of the second incarnation, under a catalog that names it.
fn second<B: Bench>(bench: &B, boot: Boot) -> Replica<B::E> {
    let store = replica_of(bench, limits(), Run { incarnation: 2, boot });
    store.install(quorate_model::Layout { incarnation: 2, ..usual_layout() });
    store
}

fn read<E: Engine>(store: &Replica<E>) -> Reply {
    let request = Request::Read { at: place(SYNC_TABLE, "k"), whole: true };
    store.read(&request, ReadTier::Disk).expect("the disk answers")
}

fn scan<E: Engine>(store: &Replica<E>) -> RangeReply {
    let over = Extent { table: SYNC_TABLE, epoch: EPOCH, interval: Interval::everything() };
    let walk = Walk { reverse: false, items: 10, bytes: 1_000, values: true };
    store.serve_range(&RangeRequest::Scan { over, walk }, || false)
}

fn gap<E: Engine>(store: &Replica<E>) -> Gap {
    store.gaps(10).into_iter().find(|gap| gap.table == SYNC_TABLE).expect("it is not whole")
}

fn written(seq: u64) -> Reply {
    Reply::Written { held: Held::live(version(seq)) }
}

fn up_to(key: &str) -> Fill {
    Fill { up_to: Some(sort_key(key)), sources: Vec::new() }
}

pub fn a_lossy_replica_takes_and_answers_nothing_and_deletes_nothing(mut bench: impl Bench) {
    let store = after_loss(&mut bench);
    assert_eq!(gap(&store).state, CopyState::Lossy);
    assert_eq!(read(&store), FILLING);
    assert_eq!(scan(&store), RangeReply::Refused(Refusal::Filling));
    assert_eq!(store.read(&Request::Ask { at: place(SYNC_TABLE, "k") }, ReadTier::Disk), Some(FILLING));
    assert_eq!(apply(&store, write(place(SYNC_TABLE, "k"), record(2, "v"))), FILLING);
    assert_eq!(apply(&store, assign(place(SYNC_TABLE, "k"), "v")), FILLING);
    assert_eq!(apply(&store, hint(NodeId(3), place(SYNC_TABLE, "k"), record(2, "v"))), Reply::Hinted);
    let inspected = store.read(&Request::Inspect { at: place(SYNC_TABLE, "k") }, ReadTier::Disk);
    let Some(Reply::Inspected(inspection)) = inspected else { panic!("{inspected:?}") };
    assert_eq!(inspection.held, Some(Held::live(version(1))), "for people it is still there");
    assert_eq!(store.wholeness(), (2, 0));
}

pub fn a_filling_replica_takes_writes_and_answers_nothing(mut bench: impl Bench) {
    let store = after_loss(&mut bench);
    store.take(&gap(&store), &[]).expect("taken");
    assert_eq!((gap(&store).state, read(&store)), (CopyState::Filling, FILLING));
    assert_eq!(scan(&store), RangeReply::Refused(Refusal::Filling));
    assert_eq!(apply(&store, assign(place(SYNC_TABLE, "k"), "v")), FILLING);
    assert_eq!(apply(&store, write(place(SYNC_TABLE, "new"), record(2, "v"))), written(2));
    store.filled(&gap(&store), up_to("m")).expect("noted");
    assert_eq!(gap(&store).fill, up_to("m"));
    store.whole(&gap(&store)).expect("whole");
    assert_eq!(read(&store), Reply::Record(None), "what it had before is deleted");
    let RangeReply::Scanned(scanned) = scan(&store) else { panic!("it answers again") };
    assert_eq!(scanned.entries.len(), 1);
    let recount = store.recount().expect("counted");
    assert!(recount.wrong.is_empty(), "{:?}", recount.wrong);
}

pub fn what_was_taken_is_not_taken_again_and_what_was_noted_outlives_the_process(mut bench: impl Bench) {
    let store = after_loss(&mut bench);
    let lossy = gap(&store);
    store.take(&lossy, &[]).expect("taken");
    apply(&store, write(place(SYNC_TABLE, "new"), record(2, "v")));
    store.take(&lossy, &[]).expect("nothing to do");
    store.filled(&gap(&store), up_to("m")).expect("noted");
    apply(&store, write(place(SYNC_TABLE, "newer"), record(3, "v")));
    drop(store);
    bench.restart();
    let store = second(&bench, Boot(3));
    let filling = gap(&store);
    assert_eq!((filling.state, &filling.fill), (CopyState::Filling, &up_to("m")));
    store.take(&filling, &[]).expect("nothing to do");
    store.whole(&filling).expect("whole");
    let RangeReply::Scanned(scanned) = scan(&store) else { panic!("it answers again") };
    assert_eq!(scanned.entries.len(), 2, "what it acknowledged since is there");
}

/// The layout in which the table's shard is cut at these keys, at an epoch.
fn cut_at(epoch: Epoch, keys: &[&str]) -> quorate_model::Layout {
    let mut layout = usual_layout();
    (layout.epoch, layout.incarnation) = (epoch, 2);
    let table = layout.tables.get_mut(&SYNC_TABLE).expect("there");
    let shard = table.shards.iter().next().expect("one").clone();
    let starts = std::iter::once(shard.interval.start.clone()).chain(keys.iter().map(|key| sort_key(key)));
    let ends = keys.iter().map(|key| Some(sort_key(key))).chain([None]);
    let pieces = starts
        .zip(ends)
        .map(|(start, end)| ShardLayout { interval: Interval { start, end }, ..shard.clone() });
    table.shards = pieces.collect();
    layout
}

fn gaps<E: Engine>(store: &Replica<E>) -> Vec<Gap> {
    store.gaps(10).into_iter().filter(|gap| gap.table == SYNC_TABLE).collect()
}

fn states(gaps: &[Gap]) -> Vec<CopyState> {
    gaps.iter().map(|gap| gap.state).collect()
}

pub fn a_copy_that_is_split_while_it_is_filled_is_not_taken_again(mut bench: impl Bench) {
    let mut names: Vec<String> = ('a'..='z').map(String::from).collect();
    names.sort_by_key(|name| sort_key(name));
    let [c, d, m, x] = [2, 5, 12, 20].map(|at: usize| names[at].as_str());
    let store = after_loss(&mut bench);
    store.take(&gap(&store), &[]).expect("taken");
    apply(&store, write(place(SYNC_TABLE, x), record(2, "v")));
    let whole = gap(&store);
    store.filled(&whole, up_to(c)).expect("noted");
    store.install(cut_at(EPOCH.next(), &[m]));
    assert_eq!(store.filled(&whole, up_to(d)), Err(Refusal::NotOwner), "that is no piece of one shard");
    let halves = gaps(&store);
    assert_eq!(states(&halves), [CopyState::Filling; 2]);
    assert_eq!((&halves[0].fill, &halves[1].fill), (&up_to(c), &Fill::default()));
    store.filled(&halves[0], up_to(d)).expect("noted");
    store.whole(&halves[0]).expect("whole");
    assert_eq!(states(&gaps(&store)), [CopyState::Filling], "the other half stays what it was");
    drop(store);
    bench.restart();
    let store = second(&bench, Boot(3));
    assert_eq!(
        (states(&gaps(&store)), gaps(&store)[0].interval.start.clone()),
        (vec![CopyState::Filling], sort_key(m))
    );
    store.install(cut_at(EPOCH.next(), &[m]));
    store.take(&gaps(&store)[0], &[]).expect("nothing to do");
    store.whole(&gaps(&store)[0]).expect("whole");
    let RangeReply::Scanned(scanned) = scan(&store) else { panic!("it answers again") };
    assert_eq!(scanned.entries.len(), 0, "that is the left half");
    let read = Request::Read { at: place(SYNC_TABLE, x), whole: true };
    assert_eq!(store.read(&read, ReadTier::Disk), Some(Reply::Record(Some(record(2, "v")))));
}

pub fn halves_that_are_merged_are_filled_each_by_itself(mut bench: impl Bench) {
    let store = after_loss(&mut bench);
    store.install(cut_at(EPOCH.next(), &["m"]));
    let halves = gaps(&store);
    assert_eq!(states(&halves), [CopyState::Lossy; 2]);
    store.take(&halves[1], &[]).expect("taken");
    apply(&store, write(place(SYNC_TABLE, "x"), record(2, "v")));
    store.install(cut_at(Epoch(EPOCH.0 + 2), &[]));
    let pieces = gaps(&store);
    assert_eq!(states(&pieces), [CopyState::Lossy, CopyState::Filling]);
    let lacking = store.lacking().1.into_iter().filter(|gap| gap.table == SYNC_TABLE);
    assert_eq!(
        lacking.map(|gap| gap.state).collect::<Vec<_>>(),
        [CopyState::Lossy],
        "of one shard one is told"
    );
    for piece in &pieces {
        store.take(piece, &[]).expect("taken, or nothing to do");
        store.whole(piece).expect("whole");
    }
    assert_eq!(gaps(&store), Vec::new());
    let read = Request::Read { at: place(SYNC_TABLE, "x"), whole: true };
    assert_eq!(
        store.read(&read, ReadTier::Disk),
        Some(Reply::Record(Some(record(2, "v")))),
        "what it took it keeps"
    );
}

pub fn a_half_that_is_not_whole_is_filled_before_its_shard_is_merged_to_fewer_owners(mut bench: impl Bench) {
    let store = after_loss(&mut bench);
    store.install(cut_at(EPOCH.next(), &["m"]));
    let right = gaps(&store).pop().expect("of two");
    store.take(&right, &[]).expect("taken");
    store.whole(&right).expect("whole");
    let mut merged = cut_at(Epoch(EPOCH.0 + 2), &[]);
    let table = merged.tables.get_mut(&SYNC_TABLE).expect("there");
    let stays = Some(Copy { role: Role::Stayer, since: Epoch(0) });
    table.shards = table.shards.iter().map(|shard| ShardLayout { copy: stays, ..shard.clone() }).collect();
    store.install(merged);
    let left = gap(&store);
    let everything = Interval::everything();
    assert_eq!(
        (left.state, &left.interval),
        (CopyState::Lossy, &Interval { end: Some(right.interval.start), ..everything })
    );
    store.take(&left, &[]).expect("a half is filled by itself");
    store.filled(&left, up_to("a")).expect("noted");
    store.whole(&left).expect("whole");
    store.whole(&left).expect("a step that comes twice changes nothing");
    let unmerged = gap(&store);
    assert_eq!((unmerged.state, &unmerged.interval), (CopyState::Whole, &Interval::everything()));
    store.whole(&unmerged).expect("merged");
    assert_eq!(gaps(&store), Vec::new());
}

pub fn once_all_is_whole_nothing_is_noted_any_more(mut bench: impl Bench) {
    let store = after_loss(&mut bench);
    for gap in store.gaps(10) {
        store.take(&gap, &[]).expect("taken");
        store.whole(&gap).expect("whole");
    }
    assert_eq!((store.gaps(10), store.wholeness()), (Vec::new(), (2, 2)));
    drop(store);
    bench.restart();
    assert_eq!(read(&second(&bench, Boot(3))), Reply::Record(None));
}

pub fn a_table_made_after_the_loss_was_never_lost(mut bench: impl Bench) {
    let store = after_loss(&mut bench);
    let later = Epoch(EPOCH.0 + 1);
    let mut next = layout(later, &[(SYNC_TABLE, Durability::Sync)]);
    let (new, since) = (TableId(7), later);
    let shard = ShardLayout {
        interval: Interval::everything(),
        epoch: later,
        copy: Some(Copy { role: Role::Owner, since }),
    };
    let table = TableLayout { durability: Durability::Sync, shards: Pieces::of([shard]) };
    next.incarnation = 2;
    next.tables.insert(new, table);
    store.install(next);
    let at = quorate_model::Place { epoch: later, ..place(new, "k") };
    assert_eq!(apply(&store, write(at.clone(), record(1, "v"))), written(1));
    let read = store.read(&Request::Read { at, whole: true }, ReadTier::Disk);
    assert_eq!(read, Some(Reply::Record(Some(record(1, "v")))));
    assert!(store.gaps(10).iter().all(|gap| gap.table != new));
}

pub fn a_table_that_is_dropped_is_no_gap(mut bench: impl Bench) {
    let store = after_loss(&mut bench);
    let before = gap(&store);
    store.take(&before, &[]).expect("taken");
    let mut next = layout(Epoch(EPOCH.0 + 1), &[]);
    next.incarnation = 2;
    store.install(next);
    assert!(store.whole(&before).is_err(), "a late step of it changes nothing");
    assert_eq!(store.stored_tables().expect("healthy"), [SYNC_TABLE], "of its records none is left");
    store.clear_table(SYNC_TABLE).expect("cleared");
    assert_eq!(store.stored_tables().expect("healthy"), []);
    assert_eq!(store.gaps(10), Vec::new());
}

pub fn what_is_being_filled_is_not_kept(mut bench: impl Bench) {
    let store = after_loss(&mut bench);
    store.take(&gap(&store), &[]).expect("taken");
    let acceptance = Acceptance { incarnation: 2, consensus: ConsensusFate::Kept, data: DataFate::Kept };
    acceptance.note(&*bench.engine()).expect("noted");
    drop(store);
    bench.restart();
    let store = second(&bench, Boot(3));
    assert_eq!((gap(&store).state, read(&store)), (CopyState::Filling, FILLING), "what it held is deleted");
    assert_eq!(store.gaps(10).len(), 1, "the other table is kept");
}

pub fn data_that_are_kept_count_as_they_are(mut bench: impl Bench) {
    let store = after_loss(&mut bench);
    let acceptance = Acceptance { incarnation: 2, consensus: ConsensusFate::Kept, data: DataFate::Kept };
    acceptance.note(&*bench.engine()).expect("noted");
    drop(store);
    bench.restart();
    assert_eq!(read(&second(&bench, Boot(3))), Reply::Record(Some(record(1, "before"))));
}

/// A page as another owner has it: these keys in the order of the table, each written with this number.
fn page(keys: &[(&str, u64)]) -> Vec<Raw> {
    let raw = |(key, seq): &(&str, u64)| Raw {
        sort_key: sort_key(key),
        record: record(*seq, "theirs").encode().into(),
    };
    let mut page: Vec<Raw> = keys.iter().map(raw).collect();
    page.sort_by(|a, b| a.sort_key.cmp(&b.sort_key));
    page
}

pub fn a_page_is_taken_in_beside_what_came_meanwhile(mut bench: impl Bench) {
    for file_records_min in [1, 2, 100] {
        let store = after_loss(&mut bench);
        let limits = ReplicaLimits { file_records_min, ..limits() };
        drop(store);
        bench.restart();
        let run = Run { incarnation: 2, boot: Boot(3) };
        let store = replica_of(&bench, limits, run);
        store.install(quorate_model::Layout { incarnation: 2, ..usual_layout() });
        assert_eq!(store.load(&gap(&store), &page(&[("a", 1)])), Err(Refusal::Filling), "it is lossy still");
        store.take(&gap(&store), &[]).expect("taken");
        let keys = ["a", "b", "c", "d", "e", "f", "g", "h", "newer", "older"];
        for (key, seq) in [("newer", 9), ("older", 1), ("ours", 1)] {
            assert_eq!(apply(&store, write(place(SYNC_TABLE, key), record(seq, "ours"))), written(seq));
        }
        let theirs: Vec<(&str, u64)> = keys.iter().map(|key| (*key, 5)).collect();
        store.load(&gap(&store), &page(&theirs)).expect("taken in");
        store.load(&gap(&store), &page(&theirs)).expect("twice is once");
        store.load(&gap(&store), &[]).expect("nothing is easy");
        let recount = store.recount().expect("counted");
        assert!(recount.wrong.is_empty(), "{:?}", recount.wrong);
        store.whole(&gap(&store)).expect("whole");
        drop(store);
        bench.restart();
        let store = replica_of(&bench, limits, Run { incarnation: 2, boot: Boot(4) });
        store.install(quorate_model::Layout { incarnation: 2, ..usual_layout() });
        for key in keys {
            let seq = if key == "newer" { 9 } else { 5 };
            assert_eq!(
                held(&store, SYNC_TABLE, key).map(|record| record.version),
                Some(version(seq)),
                "{key}"
            );
        }
        assert_eq!(held(&store, SYNC_TABLE, "ours").map(|record| record.version), Some(version(1)));
        let recount = store.recount().expect("counted");
        assert!(recount.wrong.is_empty(), "{:?}", recount.wrong);
        drop(store);
        bench = Default::default();
    }
}

pub fn pages_carry_what_lies_on_the_disk(bench: impl Bench) {
    let store = replica(&bench);
    for key in ["a", "b", "c"] {
        apply(&store, write(place(SYNC_TABLE, key), record(1, key)));
    }
    let mut over = Extent { table: SYNC_TABLE, epoch: EPOCH, interval: Interval::everything() };
    let mut found = Vec::new();
    loop {
        let request = RangeRequest::Page { over: over.clone(), bytes: 1 };
        let RangeReply::Paged(paged) = store.serve_range(&request, || false) else { panic!("it is whole") };
        assert!(paged.is_sound(&over.interval), "{paged:?}");
        assert!(paged.records.len() <= 1, "one is enough for so few bytes");
        found.extend(paged.records);
        let Some(until) = paged.until else { break };
        over.interval.start = until;
    }
    let mut expected = page(&[("a", 1), ("b", 1), ("c", 1)]);
    for raw in &mut expected {
        let key = ["a", "b", "c"].into_iter().find(|key| sort_key(key) == raw.sort_key).expect("one of them");
        raw.record = record(1, key).encode().into();
    }
    assert_eq!(found, expected);
}
