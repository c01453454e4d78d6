//! What owners ask each other to find out where they differ, over either engine.

use crate::bench::{Bench, EPOCH, OTHERS_TABLE, SYNC_TABLE, apply, limits, record, record_of, usual_layout};
use quorate_model::sync::{Cuts, Fetched, Items, Keyed, Listed, Parted, Proof};
use quorate_model::{
    Boot, ClusterId, Durability, Extent, Interval, NodeId, Place, RangeReply, RangeRequest, Refusal, Reply,
    Request, Rules, Run, SortKey, TableId,
};
use quorate_storage::{Engine, PageLimit, ReadTier, Replica, SumsSetting};

const PAGE: PageLimit = PageLimit { items: 100, bytes: 1 << 20 };

fn replica<B: Bench>(bench: &B) -> Replica<B::E> {
    let run = Run { incarnation: 1, boot: Boot(1) };
    let setting = SumsSetting { chunk_keys: 64, ..SumsSetting::of(ClusterId(1)) };
    let replica = Replica::new(bench.engine(), NodeId(9), run, Rules::INTACT, limits(), setting);
    replica.install(usual_layout());
    replica
}

fn key(number: u32) -> SortKey {
    SortKey::new(format!("k{number:05}").into_bytes())
}

fn put<E: Engine>(store: &Replica<E>, number: u32, seq: u64) {
    let at = Place { table: SYNC_TABLE, epoch: EPOCH, sort_key: key(number) };
    let write = Request::Write {
        at,
        record: record(seq, "v"),
        durability: Durability::Os,
        origin: quorate_model::Origin::Fresh,
    };
    apply(store, write);
}

fn fill<E: Engine>(store: &Replica<E>, keys: std::ops::Range<u32>) {
    keys.for_each(|number| put(store, number, 1));
}

fn count_all<E: Engine>(store: &Replica<E>) {
    while store.walk_sums(PAGE).expect("a sound disk") {}
    assert_eq!(store.recount().expect("a sound disk").wrong, Vec::<String>::new());
}

fn over(start: &str, end: Option<&str>) -> Extent {
    let at = |text: &str| SortKey::new(text.as_bytes().to_vec());
    Extent { table: SYNC_TABLE, epoch: EPOCH, interval: Interval { start: at(start), end: end.map(at) } }
}

fn everything() -> Extent {
    over("", None)
}

fn ask<E: Engine>(store: &Replica<E>, request: RangeRequest) -> RangeReply {
    store.serve_range(&request, || false)
}

fn proof<E: Engine>(store: &Replica<E>, over: Extent) -> Proof {
    match ask(store, RangeRequest::Sums { of: vec![over] }) {
        RangeReply::Sums(proofs) => proofs[0],
        other => panic!("no sums: {other:?}"),
    }
}

fn parts<E: Engine>(store: &Replica<E>, over: Extent, cuts: Cuts) -> Parted {
    match ask(store, RangeRequest::Parts { over, cuts }) {
        RangeReply::Parted(parted) => parted,
        other => panic!("no parts: {other:?}"),
    }
}

fn list<E: Engine>(store: &Replica<E>, over: Extent, items: u32, keys: bool) -> Listed {
    match ask(store, RangeRequest::List { over, items, keys }) {
        RangeReply::Listed(listed) => listed,
        other => panic!("no list: {other:?}"),
    }
}

fn fetch<E: Engine>(store: &Replica<E>, over: Extent, wanted: Option<Items>, bytes: u32) -> Fetched {
    match ask(store, RangeRequest::Fetch { over, wanted, bytes, but: None }) {
        RangeReply::Fetched(fetched) => fetched,
        other => panic!("nothing fetched: {other:?}"),
    }
}

fn sum(items: &[u64]) -> u64 {
    items.iter().fold(0, |sum, item| sum.wrapping_add(*item))
}

fn low_bits(proof: Proof) -> u64 {
    match proof {
        Proof::Counted(sum) => sum.0 as u64,
        other => panic!("not counted: {other:?}"),
    }
}

/// Whatever is kept and whatever must be read: the parts are what the list says, and add up to the whole.
pub fn sums_of_parts_are_those_of_the_list(bench: impl Bench) {
    let store = replica(&bench);
    fill(&store, 0..1_000);
    for counted in [false, true] {
        if counted {
            count_all(&store);
        }
        let listed = list(&store, everything(), 5_000, true);
        assert_eq!((listed.items.0.len(), listed.until), (1_000, None));
        let own = parts(&store, everything(), Cuts::Own(1_000));
        assert!(!counted || own.ends.len() >= 7, "{} parts", own.ends.len());
        assert_eq!(own.sums.0.len(), own.ends.len() + 1);
        assert_eq!(sum(&own.sums.0), low_bits(proof(&store, everything())));
        for step in [1_usize, 7, 50, 400] {
            let cuts: Vec<SortKey> = listed.keys.iter().skip(step).step_by(step).cloned().collect();
            let cuts = cuts[..cuts.len().min(1_000)].to_vec();
            let at = |cuts: &[SortKey]| {
                parts(&store, everything(), Cuts::At { keys: cuts.to_vec(), adopt: false })
            };
            let parted = at(&cuts);
            assert_eq!(parted.ends, vec![], "who asks knows where");
            let chunks = listed.items.0.chunks(step).map(sum).collect::<Vec<_>>();
            assert_eq!(parted.sums.0, chunks);
        }
    }
}

pub fn where_the_owner_chose_to_stop_it_says_so(bench: impl Bench) {
    let store = replica(&bench);
    fill(&store, 0..1_000);
    count_all(&store);
    let few = parts(&store, everything(), Cuts::Own(3));
    assert_eq!((few.sums.0.len(), few.ends.len()), (3, 3));
    let at_once = |request: RangeRequest| store.serve_range(&request, || true);
    let cuts = Cuts::Own(100);
    let RangeReply::Parted(one) = at_once(RangeRequest::Parts { over: everything(), cuts }) else {
        panic!("parts were asked for")
    };
    assert_eq!((one.sums.0.len(), one.ends.len()), (1, 1), "the first part in any case");
    let some = list(&store, everything(), 10, false);
    assert_eq!((some.items.0.len(), some.keys.len(), some.until), (10, 0, Some(key(9).successor())));
}

/// Where another owner's chunks end, this one's end afterwards: then nothing has to be read for that sum.
pub fn boundaries_are_adopted_where_both_sides_have_enough_keys(bench: impl Bench) {
    let store = replica(&bench);
    fill(&store, 0..600);
    count_all(&store);
    let is_kept = |from: u32, until: u32| {
        let interval = Interval { start: key(from), end: Some(key(until)) };
        store.interval_figures(SYNC_TABLE, &[interval])[0].is_exact
    };
    assert!(!is_kept(110, 240));
    let before = low_bits(proof(&store, everything()));
    // Eight keys are the least: the third cut is too near to the second.
    let keys = vec![key(110), key(240), key(242)];
    parts(&store, everything(), Cuts::At { keys: keys.clone(), adopt: false });
    count_all(&store);
    assert!(!is_kept(110, 240), "not unless it is asked");
    parts(&store, everything(), Cuts::At { keys, adopt: true });
    count_all(&store);
    assert!(is_kept(110, 240));
    assert!(!is_kept(240, 242));
    assert_eq!(low_bits(proof(&store, everything())), before);
    put(&store, 200, 2);
    count_all(&store);
    assert!(is_kept(110, 240) && before != low_bits(proof(&store, everything())));
}

pub fn records_are_fetched_by_their_items_or_all(bench: impl Bench) {
    let store = replica(&bench);
    fill(&store, 0..2_500);
    let listed = list(&store, everything(), 5_000, true);
    let wanted = Items(vec![listed.items.0[3], listed.items.0[2_400], 7]);
    let fetched = fetch(&store, everything(), Some(wanted), 1 << 20);
    let keys: Vec<SortKey> = fetched.records.iter().map(|keyed| keyed.sort_key.clone()).collect();
    assert_eq!((keys, fetched.until), (vec![key(3), key(2_400)], None));
    assert_eq!(fetched.records[0].record, record(1, "v"));
    let mut rest = everything();
    let mut all = Vec::new();
    loop {
        let page = fetch(&store, rest.clone(), None, 50_000);
        assert!(page.records.len() <= 1_000);
        all.extend(page.records.into_iter().map(|keyed| keyed.sort_key));
        let Some(until) = page.until else { break };
        rest.interval.start = until;
    }
    assert_eq!(all, listed.keys);
}

fn held<E: Engine>(store: &Replica<E>, number: u32) -> quorate_model::Record {
    let at = Place { table: SYNC_TABLE, epoch: EPOCH, sort_key: key(number) };
    match store.read(&Request::Read { at, whole: true }, ReadTier::Disk) {
        Some(Reply::Record(Some(record))) => record,
        other => panic!("a record was expected, not {other:?}"),
    }
}

pub fn what_comes_is_merged_by_version_with_the_ids_of_both(bench: impl Bench) {
    let store = replica(&bench);
    let keyed = |number, record| Keyed { sort_key: key(number), record };
    put(&store, 1, 5);
    put(&store, 2, 5);
    let records = vec![
        keyed(1, record_of(4, "older", "a")),
        keyed(2, record_of(6, "newer", "a")),
        keyed(3, record(1, "new")),
    ];
    let request = RangeRequest::Merge { over: everything(), records };
    for _ in 0..2 {
        assert_eq!(ask(&store, request.clone()), RangeReply::Merged);
        assert_eq!(held(&store, 1).version, record(5, "").version, "nothing is overwritten");
        assert!(!held(&store, 1).operations.is_empty(), "and the id is united");
        assert_eq!(held(&store, 2), record_of(6, "newer", "a"));
        assert_eq!(held(&store, 3), record(1, "new"));
    }
    count_all(&store);
    let outside =
        RangeRequest::Merge { over: over("k", Some("k00002")), records: vec![keyed(2, record(9, "v"))] };
    assert_eq!(ask(&store, outside), RangeReply::Refused(Refusal::NotOwner));
    assert_eq!(held(&store, 2), record_of(6, "newer", "a"));
}

pub fn only_an_owner_at_that_epoch_that_trusts_its_disk_answers(bench: impl Bench) {
    let store = replica(&bench);
    fill(&store, 0..10);
    let all = |over: Extent| {
        [
            RangeRequest::Parts { over: over.clone(), cuts: Cuts::Own(1) },
            RangeRequest::List { over: over.clone(), items: 1, keys: false },
            RangeRequest::Fetch { over: over.clone(), wanted: None, bytes: 1, but: None },
            RangeRequest::Merge { over, records: vec![Keyed { sort_key: key(1), record: record(9, "v") }] },
        ]
    };
    let refused = |over: Extent, refusal: Refusal| {
        assert_eq!(proof(&store, over.clone()), Proof::Refused(refusal));
        for request in all(over) {
            assert_eq!(ask(&store, request), RangeReply::Refused(refusal));
        }
    };
    let epoch = |epoch| Extent { epoch: quorate_model::Epoch(epoch), ..everything() };
    refused(epoch(4), Refusal::Stale { current: EPOCH });
    refused(epoch(6), Refusal::Behind { current: EPOCH });
    refused(Extent { table: OTHERS_TABLE, ..everything() }, Refusal::NotOwner);
    refused(Extent { table: TableId(77), ..everything() }, Refusal::Stale { current: EPOCH });
    assert_eq!(held(&store, 1), record(1, "v"), "nothing was merged");
    store.doubt("a test says so");
    refused(everything(), Refusal::Doubtful);
}
