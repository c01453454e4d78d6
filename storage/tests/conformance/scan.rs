//! What a replica answers about a range, over either engine.

use crate::bench::{Bench, EPOCH, OTHERS_TABLE, SYNC_TABLE, apply, record, replica, write};
use quorate_model::layout::{Copy, Role};
use quorate_model::message::SMALL_BYTES;
use quorate_model::range::{Extent, Scanned, Walk};
use quorate_model::{
    Body, Durability, Epoch, Interval, Layout, Pieces, Place, RangeReply, RangeRequest, Record, Refusal,
    ShardLayout, SortKey, TableId, TableLayout,
};
use quorate_storage::{Engine, Replica};
use std::collections::BTreeMap;

fn sort_key(key: &str) -> SortKey {
    SortKey::new(key.as_bytes().to_vec())
}

fn place(table: TableId, key: &str) -> Place {
    Place { table, epoch: EPOCH, sort_key: sort_key(key) }
}

const WALK: Walk = Walk { reverse: false, items: 1_000, bytes: 1 << 20, values: false };

fn over(table: TableId, epoch: Epoch, start: &str, end: Option<&str>) -> Extent {
    Extent { table, epoch, interval: Interval { start: sort_key(start), end: end.map(sort_key) } }
}

fn scan<E: Engine>(store: &Replica<E>, over: Extent, walk: Walk) -> Scanned {
    match store.serve_range(&RangeRequest::Scan { over, walk }, || false) {
        RangeReply::Scanned(scanned) => scanned,
        other => panic!("not scanned: {other:?}"),
    }
}

fn keys(scanned: &Scanned) -> Vec<String> {
    let text = |key: &SortKey| String::from_utf8(key.as_bytes().to_vec()).expect("text");
    scanned.entries.iter().map(|entry| text(&entry.sort_key)).collect()
}

pub fn pages_of_a_range_are_the_range(bench: impl Bench) {
    let store = replica(&bench);
    let names: Vec<String> = (0..2_500).map(|number| format!("k{number:05}")).collect();
    let requests: Vec<_> = names.iter().map(|name| write(place(SYNC_TABLE, name), record(1, "v"))).collect();
    for some in requests.chunks(500) {
        store.apply(some);
    }
    for (reverse, items) in [(false, 700), (true, 700), (false, 3_000), (true, 3_000)] {
        let mut asked = over(SYNC_TABLE, EPOCH, "k00001", Some("k02499"));
        let mut found = Vec::new();
        loop {
            let page = scan(&store, asked.clone(), Walk { reverse, items, ..WALK });
            assert!(page.entries.len() <= items as usize);
            found.extend(keys(&page));
            let until = page.until.expect("the range has an end");
            let goal = if reverse { sort_key("k00001") } else { sort_key("k02499") };
            if until == goal {
                break;
            }
            if reverse {
                asked.interval.end = Some(until);
            } else {
                asked.interval.start = until;
            }
        }
        if reverse {
            found.reverse();
        }
        assert_eq!(found, names[1..2_499]);
    }
}

pub fn removals_are_listed_and_small_records_come_whole(bench: impl Bench) {
    let store = replica(&bench);
    let large = "x".repeat(SMALL_BYTES + 1);
    apply(&store, write(place(SYNC_TABLE, "a"), record(1, "small")));
    apply(&store, write(place(SYNC_TABLE, "b"), Record { body: Body::Tombstone, ..record(2, "") }));
    apply(&store, write(place(SYNC_TABLE, "c"), record(3, &large)));
    let page = scan(&store, over(SYNC_TABLE, EPOCH, "", None), Walk { values: true, ..WALK });
    let shown: Vec<_> =
        page.entries.iter().map(|entry| (entry.value_bytes, entry.record.is_some())).collect();
    assert_eq!(shown, [(Some(5), true), (None, true), (Some(large.len() as u64), false)]);
    assert_eq!(page.until, None, "to the end of the space");
}

pub fn an_answer_ends_at_its_limit_of_bytes(bench: impl Bench) {
    let store = replica(&bench);
    for name in ["a", "b", "c"] {
        apply(&store, write(place(SYNC_TABLE, name), record(1, "v")));
    }
    let page = scan(&store, over(SYNC_TABLE, EPOCH, "", None), Walk { bytes: 1, ..WALK });
    assert_eq!((keys(&page), page.until), (vec!["a".to_owned()], Some(sort_key("a\0"))));
    let walk = Walk { bytes: 1, reverse: true, ..WALK };
    let page = scan(&store, over(SYNC_TABLE, EPOCH, "", None), walk);
    assert_eq!((keys(&page), page.until), (vec!["c".to_owned()], Some(sort_key("c"))));
}

pub fn a_range_is_answered_as_far_as_its_shard_and_at_its_epoch_only(bench: impl Bench) {
    let store = replica(&bench);
    for name in ["a", "m", "z"] {
        apply(&store, write(place(SYNC_TABLE, name), record(1, "v")));
    }
    let shard = |start, end, epoch, owned: bool| ShardLayout {
        interval: Interval { start: sort_key(start), end },
        epoch: Epoch(epoch),
        copy: owned.then_some(Copy { role: Role::Owner, since: Epoch(0) }),
    };
    let shards = Pieces::of([
        shard("", Some(sort_key("m")), 6, true),
        shard("m", Some(sort_key("z")), 7, true),
        shard("z", None, 7, false),
    ]);
    let table = TableLayout { durability: Durability::Sync, shards };
    store.install(Layout { epoch: Epoch(7), incarnation: 1, tables: BTreeMap::from([(SYNC_TABLE, table)]) });
    let page = scan(&store, over(SYNC_TABLE, Epoch(6), "", None), WALK);
    assert_eq!((keys(&page), page.until), (vec!["a".to_owned()], Some(sort_key("m"))));
    let down = Walk { reverse: true, ..WALK };
    let page = scan(&store, over(SYNC_TABLE, Epoch(7), "", Some("z")), down);
    assert_eq!((keys(&page), page.until), (vec!["m".to_owned()], Some(sort_key("m"))));
    let refused = |over, walk| store.serve_range(&RangeRequest::Scan { over, walk }, || false);
    let stale = RangeReply::Refused(Refusal::Stale { current: Epoch(7) });
    assert_eq!(refused(over(SYNC_TABLE, Epoch(6), "m", None), WALK), stale);
    let not_owner = RangeReply::Refused(Refusal::NotOwner);
    assert_eq!(refused(over(SYNC_TABLE, Epoch(7), "z", None), WALK), not_owner);
    assert_eq!(refused(over(SYNC_TABLE, Epoch(7), "", None), down), not_owner);
    let gone = RangeReply::Refused(Refusal::Stale { current: Epoch(7) });
    assert_eq!(refused(over(OTHERS_TABLE, EPOCH, "", None), WALK), gone);
}
