//! Laws of the sums over random histories, in which pages are read in the middle of writes: what is counted is what the
//! records add up to, what is on the disk too, and in the end everything is counted.

use super::*;
use proptest::prelude::*;
use quorate_model::layout::{Copy, Role};
use quorate_model::{
    Body, Boot, Durability, Epoch, NodeId, Operation, OperationId, Operations, Pieces, Record, ShardLayout,
    SortKey, Stamps, TableLayout, Version, WallTime,
};

const TABLE: TableId = TableId(7);
/// A page is full with so many.
const PAGE_KEYS: usize = 3;

fn hasher() -> Hasher {
    Hasher::new(ClusterId(1), Rules::INTACT)
}

fn version(seq: u64) -> Version {
    let mut stamps = Stamps::new(NodeId(1), Boot(1));
    (0..=seq).fold(None, |seen, _| stamps.draw().above(seen).ok()).expect("seq counts from 0")
}

fn record(seq: u64) -> Record {
    Record {
        version: version(seq),
        written_at: WallTime(seq),
        expires_at: None,
        body: Body::Value { content_type: String::new(), payload: format!("v{seq}").into() },
        operations: Operations::default(),
    }
}

fn item(key: u8, record: &Record) -> Item {
    hasher().item(&[key], &record.encode()).expect("a record")
}

/// A replica's records and rows, as its disk has them.
#[derive(Clone, Debug, Default)]
struct Disk {
    records: BTreeMap<u8, Item>,
    rows: BTreeMap<Bytes, Row>,
}

#[derive(Clone, Debug)]
enum Step {
    Write {
        key: u8,
        seq: u64,
    },
    Erase {
        key: u8,
    },
    /// A page is asked for.
    Begin,
    /// One key more of it is read, as it is now.
    Look,
    /// The page is handed in.
    End,
    Settle,
    WriteAll,
    Cut {
        at: [u8; 2],
    },
    /// Another owner's chunks end there.
    Adopt {
        at: [u8; 2],
    },
    Restart,
    Drop,
}

fn any_step() -> impl Strategy<Value = Step> {
    prop_oneof![
        30 => (0u8..40, 0u64..6).prop_map(|(key, seq)| Step::Write { key, seq }),
        4 => (0u8..40).prop_map(|key| Step::Erase { key }),
        12 => Just(Step::Begin),
        24 => Just(Step::Look),
        12 => Just(Step::End),
        4 => Just(Step::Settle),
        1 => Just(Step::WriteAll),
        1 => (1u8..40, 1u8..40).prop_map(|(a, b)| Step::Cut { at: [a, b] }),
        2 => (1u8..40, 1u8..40).prop_map(|(a, b)| Step::Adopt { at: [a, b] }),
        2 => Just(Step::Restart),
        1 => Just(Step::Drop),
    ]
}

fn layout(cuts: &[u8]) -> Layout {
    let mut cuts: Vec<SortKey> = cuts.iter().map(|at| SortKey::new(vec![*at])).collect();
    cuts.sort();
    cuts.dedup();
    let starts = [SortKey::new(Vec::new())].into_iter().chain(cuts.clone());
    let ends = cuts.into_iter().map(Some).chain([None]);
    let shards = starts.zip(ends).map(|(start, end)| ShardLayout {
        interval: Interval { start, end },
        epoch: Epoch(1),
        copy: Some(Copy { role: Role::Owner, since: Epoch(0) }),
    });
    let table = TableLayout { durability: Durability::Sync, shards: Pieces::of(shards) };
    Layout { epoch: Epoch(1), incarnation: 1, tables: BTreeMap::from([(TABLE, table)]) }
}

fn fresh() -> Sums {
    Sums::new(ClusterId(1), Rules::INTACT, 4)
}

/// A page under way: what was asked for, what was seen, and up to where it was looked.
type Reading = Option<(Page, Vec<(Bytes, Item)>, u8)>;

#[derive(Debug)]
struct Bench {
    sums: Sums,
    disk: Disk,
    reading: Reading,
}

impl Bench {
    fn new() -> Self {
        let mut sums = fresh();
        sums.load(&[], Vec::new()).expect("nothing overlaps");
        Self { sums, disk: Disk::default(), reading: None }
    }

    fn change(&mut self, key: u8, after: Option<Item>) {
        let before = self.disk.records.get(&key).copied();
        if let Some(row) = self.sums.row_to_delete(TABLE, &[key]) {
            self.disk.rows.remove(&row).expect("a row that is to be deleted is there");
        }
        match after {
            Some(item) => self.disk.records.insert(key, item),
            None => self.disk.records.remove(&key),
        };
        self.sums.change(TABLE, &[key], before, after);
    }

    fn begin(&mut self) -> bool {
        self.sums.not_read();
        self.reading = None;
        let Some(page) = self.sums.next_page() else { return false };
        if page.has_row {
            self.disk.rows.remove(&page.start).expect("the row is there");
            self.sums.row_deleted(TABLE, &page.start);
        }
        let from = page.from.first().map_or(0, |from| from + u8::from(page.from.len() > 1));
        self.reading = Some((page, Vec::new(), from));
        true
    }

    /// Reads one key more, as it is now; whether the page goes on.
    fn look(&mut self) -> bool {
        let Some((page, seen, from)) = &mut self.reading else { return false };
        let next = self.disk.records.range(*from..).next().filter(|_| seen.len() < PAGE_KEYS);
        let Some((key, item)) =
            next.filter(|(key, _)| page.end.as_ref().is_none_or(|end| [**key][..] < **end))
        else {
            return false;
        };
        seen.push((Bytes::copy_from_slice(&[*key]), *item));
        *from = key + 1;
        true
    }

    /// Reads the rest of the page and hands it in.
    fn end(&mut self) {
        while self.look() {}
        let Some((page, seen, _)) = self.reading.take() else { return };
        let last = seen.last().filter(|_| seen.len() == PAGE_KEYS);
        let until = last.map(|(key, _)| Bytes::copy_from_slice(&[key[0], 0]));
        self.sums.read(&page, seen, until);
    }

    fn settle(&mut self, which: Which) {
        let mut from = Some((TableId(0), Bytes::new()));
        while let Some(at) = from {
            let settled = self.sums.settle(at, which, 3);
            for (_, start) in &settled.gone {
                self.disk.rows.remove(start).expect("the row is there");
            }
            for (_, start, row) in &settled.rows {
                assert_eq!(self.disk.rows.insert(start.clone(), row.clone()), None, "dirty once");
            }
            self.sums.settled(&settled);
            from = settled.next;
        }
    }

    fn restart(&mut self) {
        self.reading = None;
        let tables: &[TableId] = if self.disk.records.is_empty() { &[] } else { &[TABLE] };
        let rows = self.disk.rows.iter().map(|(start, row)| (TABLE, start.clone(), row.clone())).collect();
        self.sums = fresh();
        self.sums.load(tables, rows).expect("rows never overlap");
    }

    fn run(&mut self, step: &Step) {
        match step {
            Step::Write { key, seq } => self.change(*key, Some(item(*key, &record(*seq)))),
            Step::Erase { key } => self.change(*key, None),
            Step::Begin => drop(self.begin()),
            Step::Look => drop(self.look()),
            Step::End => self.end(),
            Step::Settle => self.settle(Which::Quiet),
            Step::WriteAll => self.settle(Which::All),
            Step::Cut { at } => self.sums.cut(&Layout::default(), &layout(at)),
            Step::Adopt { at } => self.sums.adopt(TABLE, &at.map(|at| SortKey::new(vec![at]))),
            Step::Restart => self.restart(),
            Step::Drop => {
                self.disk = Disk::default();
                self.sums.forget(TABLE);
            }
        }
        self.check();
    }

    fn total(&self, interval: &Interval) -> Total {
        let mut total = Total::default();
        let inside =
            self.disk.records.iter().filter(|(key, _)| interval.contains(&SortKey::new(vec![**key])));
        inside.for_each(|(_, item)| total.add(*item));
        total
    }

    /// Pieces of an interval, one after the other: what is known of them is right, and they are the interval.
    fn check_pieces(&self, interval: &Interval) {
        let mut at = interval.start.0.clone();
        loop {
            let end = interval.end.as_ref().map(|end| &*end.0);
            let piece = self.sums.piece(TABLE, &at, end);
            let over = Interval { start: SortKey(at.clone()), end: piece.end.clone().map(SortKey) };
            if let Some(sum) = piece.sum {
                assert_eq!(sum, self.total(&over).sum, "{over:?}");
            }
            match piece.end {
                Some(end) if interval.end.as_ref().map(|end| &end.0) != Some(&end) => {
                    assert!(at < end, "it goes on");
                    at = end;
                }
                end => return assert_eq!(end.map(SortKey), interval.end),
            }
        }
    }

    fn check(&self) {
        self.check_pieces(&Interval::everything());
        let mut missing = 0;
        for (_, interval, chunk) in self.sums.chunks() {
            match chunk.state {
                State::Missing => missing += 1,
                State::Changed | State::Quiet | State::Written => {
                    assert_eq!(chunk.total, self.total(&interval), "{interval:?}");
                }
            }
            let is_written = chunk.state == State::Written;
            assert_eq!(is_written, self.disk.rows.contains_key(&interval.start.0), "{interval:?}");
        }
        for (start, row) in &self.disk.rows {
            let interval = Interval { start: SortKey(start.clone()), end: row.end.clone() };
            assert_eq!(row.total, self.total(&interval), "the row of {interval:?}");
        }
        assert_eq!(self.sums.statistics().missing, missing);
        for cut in 0..40u8 {
            let interval =
                Interval { start: SortKey::new(vec![cut]), end: Some(SortKey::new(vec![cut + 9])) };
            let figure = self.sums.figure(TABLE, &interval);
            self.check_pieces(&interval);
            if figure.is_exact {
                assert_eq!(figure.total, self.total(&interval), "{interval:?}");
            }
        }
        let whole = self.sums.figure(TABLE, &Interval::everything());
        assert!(whole.total.records <= self.disk.records.len() as u64, "what is counted is there");
        for (_, figure) in self.sums.tables() {
            assert_eq!(figure, whole, "kept and added up");
        }
    }

    /// Goes on until everything is counted.
    fn finish(&mut self) {
        let mut rounds = 0;
        while self.begin() {
            self.end();
            self.check();
            rounds += 1;
            assert!(rounds < 1_000, "the walk comes to an end");
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(600))]
    #[test]
    fn what_is_counted_is_what_is_there(steps in prop::collection::vec(any_step(), 1..160)) {
        let mut bench = Bench::new();
        for step in &steps {
            bench.run(step);
        }
        bench.finish();
        let whole = bench.sums.figure(TABLE, &Interval::everything());
        prop_assert!(whole.is_exact);
        prop_assert_eq!(whole.total, bench.total(&Interval::everything()));
        for (_, _, chunk) in bench.sums.chunks() {
            prop_assert!(chunk.total.records <= 8, "a chunk of {} keys", chunk.total.records);
        }
        bench.settle(Which::All);
        bench.check();
        bench.restart();
        bench.check();
        let whole = bench.sums.figure(TABLE, &Interval::everything());
        let has_empty = bench.sums.statistics().missing > 0;
        prop_assert!(whole.is_exact || has_empty, "what was written is not counted again");
        prop_assert_eq!(whole.total, bench.total(&Interval::everything()), "only what is empty has no row");
    }
}

#[test]
fn shards_of_a_table_are_counted_exactly_from_its_first_record_on() {
    let mut bench = Bench::new();
    bench.sums.cut(&Layout::default(), &layout(&[10, 20]));
    for key in 0..40 {
        bench.run(&Step::Write { key, seq: 1 });
    }
    for (start, end, keys) in [(10, 20, 10), (20, 40, 20)] {
        let interval =
            Interval { start: SortKey::new(vec![start]), end: (end < 40).then(|| SortKey::new(vec![end])) };
        let figure = bench.sums.figure(TABLE, &interval);
        assert!(figure.is_exact);
        assert_eq!(figure.total.values(), keys);
    }
}

#[test]
fn a_shard_is_halved_where_a_chunk_begins_nearest_to_half_of_its_bytes() {
    let mut bench = Bench::new();
    let everything = Interval::everything();
    assert_eq!(bench.sums.half(TABLE, &everything), None, "it holds nothing");
    bench.run(&Step::Write { key: 7, seq: 1 });
    assert_eq!(bench.sums.half(TABLE, &everything), None, "it holds too little");
    (0..40).for_each(|key| bench.run(&Step::Write { key, seq: 1 }));
    bench.finish();
    let within = |start: u8, end: Option<u8>| Interval {
        start: SortKey::new(vec![start]),
        end: end.map(|end| SortKey::new(vec![end])),
    };
    for (start, end) in [(0, None), (10, Some(30)), (20, None)] {
        let interval = within(start, end);
        let half = bench.sums.half(TABLE, &interval).expect("there is enough");
        assert!(half > interval.start && interval.contains(&half));
        let before = bench.total(&Interval { end: Some(half), ..interval.clone() }).bytes;
        let all = bench.total(&interval).bytes;
        assert!((all / 4..=all * 3 / 4).contains(&before), "{before} of {all}");
    }
}

#[test]
fn a_figure_that_leaves_something_out_says_so() {
    let mut bench = Bench::new();
    (0..40).for_each(|key| bench.run(&Step::Write { key, seq: 1 }));
    bench.restart();
    let before = bench.sums.figure(TABLE, &Interval::everything());
    assert!(!before.is_exact && before.total.records == 0);
    bench.finish();
    assert!(bench.sums.figure(TABLE, &Interval::everything()).is_exact);
    assert!(!fresh().figure(TABLE, &Interval::everything()).is_exact, "a disk that was not looked at");
}

#[test]
fn whatever_tells_two_records_apart_makes_two_items() {
    let plain = record(1);
    let id = OperationId { client: "c".into(), sequence: 1 };
    let operations = Operations::of(Operation { id, version: version(1), digest: 7 });
    let others = [
        record(2),
        Record { operations, ..plain.clone() },
        Record { body: Body::Tombstone, ..plain.clone() },
        plain.clone().into_expired(),
        Record { expires_at: Some(WallTime(9)), ..plain.clone() },
    ];
    for other in &others {
        assert_ne!(item(1, other), item(1, &plain), "{other:?}");
    }
    assert_ne!(item(1, &plain), item(2, &plain), "another key");
    let elsewhere = Hasher::new(ClusterId(2), Rules::INTACT).item(&[1], &plain.encode());
    assert_ne!(elsewhere, Some(item(1, &plain)), "another cluster");
    let later = Record { written_at: WallTime(99), ..plain.clone() };
    assert_eq!(item(1, &later), item(1, &plain), "the clock's time is shown, never compared");
    let long = vec![3; 5_000];
    assert!(hasher().item(&long, &plain.encode()).is_some(), "a long key");
    assert_eq!(hasher().item(&[1], &plain.encode()[..50]), None);
}

#[test]
fn rows_that_overlap_are_not_believed() {
    let row = |end: Option<u8>| Row { end: end.map(|end| SortKey::new(vec![end])), total: Total::default() };
    let at = |key: u8| Bytes::copy_from_slice(&[key]);
    for rows in [
        vec![(TABLE, at(1), row(Some(5))), (TABLE, at(4), row(Some(6)))],
        vec![(TABLE, at(1), row(None)), (TABLE, at(4), row(Some(6)))],
        vec![(TABLE, at(4), row(Some(4)))],
    ] {
        assert_eq!(fresh().load(&[TABLE], rows.clone()), None, "{rows:?}");
    }
    let mut sums = fresh();
    sums.load(&[], vec![(TABLE, at(1), row(Some(5))), (TABLE, at(5), row(Some(6)))]).expect("side by side");
    assert_eq!(sums.statistics(), SumStatistics { chunks: 4, missing: 2 });
}
