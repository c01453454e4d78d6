//! What replicas say to each other.

use super::made::{a_record, held, place, value};
use quorate_model::floors::{Floored, Raise, Removal, Removals, Wanted};
use quorate_model::message::Draft;
use quorate_model::range::{self, Extent, Scanned, Walk};
use quorate_model::sync::{Cuts, Fetched, Items, Keyed, Listed, Parted, Proof, Sum};
use quorate_model::{
    Body, Durability, Epoch, Floors, Inspection, Interval, NodeId, Operations, Paged, RangeReply,
    RangeRequest, Raw, Refusal, Reply, Request, SortKey, TableId, WallTime,
};

pub fn requests() -> Vec<Request> {
    let (at, durability) = (place(), Durability::Sync);
    let draft = Draft { body: value(), written_at: WallTime(1), expires_at: None };
    vec![
        Request::Ask { at: at.clone() },
        Request::Read { at: at.clone(), whole: true },
        Request::Write {
            at: at.clone(),
            record: a_record(value()),
            durability,
            origin: quorate_model::Origin::Fresh,
        },
        Request::Assign { at: at.clone(), draft, durability },
        Request::Hint { owner: NodeId(2), at: at.clone(), record: a_record(Body::Tombstone) },
        Request::Inspect { at },
    ]
}

pub fn replies() -> Vec<Reply> {
    let inspection = Inspection { held: Some(held()), hints_for: vec![NodeId(2)], ..Inspection::default() };
    vec![
        Reply::Known {
            held: Some(held()),
            operations: a_record(value()).operations,
            floor: Some(held().version),
            forgot: Some(held().version),
        },
        Reply::Record(Some(a_record(Body::Expired))),
        Reply::Digest { held: None, digest: 0, operations: Operations::default() },
        Reply::Written { held: held() },
        Reply::Assigned { record: a_record(value()) },
        Reply::Hinted,
        Reply::Inspected(inspection),
        Reply::Refused(Refusal::Stale { current: Epoch(3) }),
        Reply::Refused(Refusal::Below { floor: held().version }),
        Reply::Broken,
        Reply::Absent { sealed: held().version },
    ]
}

pub fn range_requests() -> Vec<RangeRequest> {
    let end = Some(SortKey::new(&b"b"[..]));
    let interval = Interval { start: SortKey::new(&b"a"[..]), end };
    let over = Extent { table: TableId(2), epoch: Epoch(7), interval };
    let walk = Walk { reverse: false, items: 100, bytes: 1 << 20, values: true };
    let keys = vec![SortKey::new(&b"aa"[..])];
    let records = vec![Keyed { sort_key: place().sort_key, record: a_record(value()) }];
    vec![
        RangeRequest::Scan { over: over.clone(), walk },
        RangeRequest::Sums { of: vec![over.clone()] },
        RangeRequest::Parts { over: over.clone(), cuts: Cuts::At { keys, adopt: true } },
        RangeRequest::Parts { over: over.clone(), cuts: Cuts::Own(16) },
        RangeRequest::List { over: over.clone(), items: 10, keys: false },
        RangeRequest::Fetch {
            over: over.clone(),
            wanted: Some(Items(vec![1, 2])),
            bytes: 1 << 20,
            but: None,
        },
        RangeRequest::Fetch { over: over.clone(), wanted: None, bytes: 1 << 20, but: Some(Items(vec![3])) },
        RangeRequest::Merge { over: over.clone(), records },
        RangeRequest::Page { over: over.clone(), bytes: 1 << 20 },
        RangeRequest::Floors {
            over: over.clone(),
            raise: Raise::Seal { up_to: held().version, forgets: true },
        },
        RangeRequest::Removals {
            over: over.clone(),
            wanted: Wanted { up_to: None, before: WallTime(2), with_ids_before: WallTime(1), items: 10 },
        },
        RangeRequest::Confirm { over: over.clone(), removals: vec![removal()] },
        RangeRequest::Drop { over, up_to: held().version, removals: vec![removal()] },
    ]
}

fn removal() -> Removal {
    Removal { sort_key: place().sort_key, held: held(), has_ids: true }
}

pub fn range_replies() -> Vec<RangeReply> {
    let entry = |body, whole| range::Entry::of(place().sort_key, a_record(body), whole);
    let entries = vec![entry(value(), true), entry(value(), false), entry(Body::Tombstone, false)];
    vec![
        RangeReply::Scanned(Scanned { entries, until: Some(SortKey::new(&b"b"[..])) }),
        RangeReply::Scanned(Scanned { entries: Vec::new(), until: None }),
        RangeReply::Refused(Refusal::Behind { current: Epoch(3) }),
        RangeReply::Sums(vec![
            Proof::Counted(Sum(1 << 100)),
            Proof::NotCounted,
            Proof::Refused(Refusal::NotOwner),
        ]),
        RangeReply::Parted(Parted { sums: Items(vec![5]), ends: vec![SortKey::new(&b"aa"[..])] }),
        RangeReply::Listed(Listed { items: Items(vec![5]), keys: vec![place().sort_key], until: None }),
        RangeReply::Fetched(Fetched {
            records: vec![Keyed { sort_key: place().sort_key, record: a_record(Body::Tombstone) }],
            until: None,
        }),
        RangeReply::Merged,
        RangeReply::Broken,
        RangeReply::Floored(vec![Floored {
            interval: Interval::everything(),
            floors: Floors { sealed: Some(held().version), ..Floors::default() },
        }]),
        RangeReply::Removals(Removals {
            found: vec![removal()],
            due: vec![Keyed { sort_key: place().sort_key, record: a_record(Body::Expired) }],
            until: None,
        }),
        RangeReply::Confirmed(vec![1, 2]),
        RangeReply::Dropped(3),
        RangeReply::Paged(Paged {
            records: vec![Raw { sort_key: place().sort_key, record: a_record(value()).encode().into() }],
            until: None,
        }),
    ]
}
