//! What a replica promises, over either engine.

use crate::bench::{
    Bench, EPOCH, OS_TABLE, OTHERS_TABLE, SYNC_TABLE, apply, assign, damage, held, layout, limits, place,
    record, record_of, replica, replica_of, replica_with, sort_key, usual_layout, value, version, write,
};
use quorate_model::message::SMALL_BYTES;
use quorate_model::{
    Body, Boot, Durability, Epoch, Held, Layout, NodeId, Operations, Pieces, Record, Refusal, Reply, Request,
    Run, ShardLayout, TableId, WallTime,
};
use quorate_storage::{ClearError, Engine, Family, ReadTier, keys};

pub fn a_write_is_read_back(mut bench: impl Bench) {
    let store = replica(&bench);
    let written = record_of(3, "v", "client");
    let reply = apply(&store, write(place(SYNC_TABLE, "k"), written.clone()));
    assert_eq!(reply, Reply::Written { held: written.held() });
    drop(store);
    bench.restart();
    let store = replica(&bench);
    assert_eq!(held(&store, SYNC_TABLE, "k"), Some(written.clone()));
    let ask = store.read(&Request::Ask { at: place(SYNC_TABLE, "k") }, ReadTier::Disk);
    let (held, operations) = (Some(written.held()), written.operations.clone());
    let known = Reply::Known { held, operations, floor: None, forgot: None };
    assert_eq!(ask, Some(known));
    let brief = |key| store.read(&Request::Read { at: place(SYNC_TABLE, key), whole: false }, ReadTier::Disk);
    assert_eq!(brief("k"), Some(Reply::Record(Some(written))), "small: cheaper sent than asked for again");
    let large = record(1, &"x".repeat(SMALL_BYTES + 1));
    apply(&store, write(place(SYNC_TABLE, "large"), large.clone()));
    assert_eq!(
        brief("large"),
        Some(Reply::Digest {
            held: Some(large.held()),
            digest: large.digest(),
            operations: large.operations.clone(),
        })
    );
}

pub fn nothing_held_is_said_so(bench: impl Bench) {
    let store = replica(&bench);
    let at = || place(SYNC_TABLE, "k");
    let read = |request| store.read(&request, ReadTier::Disk);
    assert_eq!(
        read(Request::Ask { at: at() }),
        Some(Reply::Known { held: None, operations: Operations::default(), floor: None, forgot: None })
    );
    assert_eq!(read(Request::Read { at: at(), whole: true }), Some(Reply::Record(None)));
    assert_eq!(
        read(Request::Read { at: at(), whole: false }),
        Some(Reply::Digest { held: None, digest: 0, operations: Operations::default() })
    );
}

pub fn the_greater_version_wins_in_any_order(bench: impl Bench) {
    let store = replica(&bench);
    for (key, order) in [("up", [1, 2, 3]), ("down", [3, 2, 1]), ("mixed", [2, 3, 1])] {
        let mut highest = 0;
        for seq in order {
            highest = highest.max(seq);
            let reply = apply(&store, write(place(SYNC_TABLE, key), record(seq, &format!("v{seq}"))));
            assert_eq!(reply, Reply::Written { held: Held::live(version(highest)) }, "{key}");
        }
        assert_eq!(held(&store, SYNC_TABLE, key), Some(record(3, "v3")), "{key}");
    }
}

pub fn operation_ids_of_a_losing_record_are_kept(bench: impl Bench) {
    let store = replica(&bench);
    apply(&store, write(place(SYNC_TABLE, "k"), record_of(5, "winner", "a")));
    apply(&store, write(place(SYNC_TABLE, "k"), record_of(2, "loser", "b")));
    let now = held(&store, SYNC_TABLE, "k").expect("held");
    assert_eq!((now.version, &now.body), (version(5), &value("winner")));
    let clients: Vec<&str> = now.operations.as_slice().iter().map(|known| known.id.client.as_str()).collect();
    assert_eq!(clients, ["a", "b"]);
}

pub fn an_expired_record_beats_its_version_and_stays(bench: impl Bench) {
    let store = replica(&bench);
    let due = Record { expires_at: Some(WallTime(10)), ..record(4, "v") };
    let at = || place(SYNC_TABLE, "k");
    apply(&store, write(at(), due.clone()));
    let expired = due.clone().into_expired();
    let flagged = Held { version: version(4), expired: true };
    assert_eq!(apply(&store, write(at(), expired)), Reply::Written { held: flagged });
    assert_eq!(apply(&store, write(at(), due)), Reply::Written { held: flagged }, "the flag is never undone");
    assert_eq!(held(&store, SYNC_TABLE, "k").map(|record| record.body), Some(Body::Expired));
    apply(&store, write(at(), record(5, "later")));
    assert_eq!(held(&store, SYNC_TABLE, "k"), Some(record(5, "later")));
}

pub fn writes_of_one_batch_see_each_other(bench: impl Bench) {
    let store = replica(&bench);
    let at = || place(SYNC_TABLE, "k");
    let batch = [
        write(at(), record_of(1, "one", "a")),
        assign(at(), "two"),
        write(at(), record_of(1, "one", "b")),
        write(place(SYNC_TABLE, "other"), record(7, "x")),
    ];
    let batches = store.statistics().batches;
    let replies = store.apply(&batch);
    let Reply::Assigned { record: assigned } = &replies[1] else { panic!("{replies:?}") };
    assert_eq!(assigned.version.seq(), 2);
    assert_eq!(assigned.operations.as_slice().len(), 1, "the ids of what it replaced");
    assert_eq!(replies[2], Reply::Written { held: assigned.held() });
    let now = held(&store, SYNC_TABLE, "k").expect("held");
    assert_eq!((now.version, now.operations.as_slice().len()), (assigned.version, 2));
    assert_eq!(store.statistics().batches, batches + 1);
}

pub fn assign_goes_above_what_is_held(bench: impl Bench) {
    let store = replica(&bench);
    let at = || place(SYNC_TABLE, "k");
    apply(&store, write(at(), record(41, "v")));
    let Reply::Assigned { record: assigned } = apply(&store, assign(at(), "w")) else {
        panic!("not assigned")
    };
    assert_eq!(assigned.version.seq(), 42);
    assert_eq!(assigned.version.node(), quorate_model::NodeId(9));
    assert_eq!(held(&store, SYNC_TABLE, "k"), Some(assigned));
}

pub fn assign_of_two_lives_never_ties(mut bench: impl Bench) {
    let mut versions = Vec::new();
    for boot in [1, 2] {
        let store = replica_with(&bench, limits(), Boot(boot));
        for key in [format!("a{boot}"), format!("b{boot}")] {
            let reply = apply(&store, assign(place(SYNC_TABLE, &key), "v"));
            let Reply::Assigned { record } = reply else { panic!("{reply:?}") };
            versions.push(record.version);
        }
        drop(store);
        bench.restart();
    }
    let assigned = versions.len();
    versions.sort();
    versions.dedup();
    assert_eq!(versions.len(), assigned);
}

pub fn places_not_owned_are_refused(bench: impl Bench) {
    let store = replica(&bench);
    let mut at = place(SYNC_TABLE, "k");
    at.epoch = Epoch(4);
    let stale = Reply::Refused(Refusal::Stale { current: EPOCH });
    assert_eq!(apply(&store, write(at.clone(), record(1, "v"))), stale);
    assert_eq!(store.read(&Request::Ask { at: at.clone() }, ReadTier::Disk), Some(stale.clone()));
    assert_eq!(apply(&store, assign(at.clone(), "v")), stale);
    at.epoch = Epoch(6);
    let behind = Reply::Refused(Refusal::Behind { current: EPOCH });
    assert_eq!(apply(&store, write(at, record(1, "v"))), behind);
    let elsewhere = apply(&store, write(place(OTHERS_TABLE, "k"), record(1, "v")));
    assert_eq!(elsewhere, Reply::Refused(Refusal::NotOwner));
    assert_eq!(held(&store, SYNC_TABLE, "k"), None, "a refusal stores nothing");
}

/// It began anew after a loss, and its catalog is from before: so may be all that it owns by it.
pub fn an_incarnation_that_no_catalog_names_yet_answers_nothing(bench: impl Bench) {
    let store = replica_of(&bench, limits(), Run { incarnation: 2, boot: Boot(1) });
    let at = || place(SYNC_TABLE, "k");
    let behind = Reply::Refused(Refusal::Behind { current: EPOCH });
    for request in [write(at(), record(1, "v")), assign(at(), "v")] {
        assert_eq!(apply(&store, request), behind);
    }
    for request in [Request::Ask { at: at() }, Request::Read { at: at(), whole: true }] {
        assert_eq!(store.read(&request, ReadTier::Disk), Some(behind.clone()));
    }
    let hint = Request::Hint { owner: NodeId(7), at: at(), record: record(1, "v") };
    assert_eq!(apply(&store, hint), Reply::Hinted, "what it keeps for others has nothing to do with it");
    store.install(Layout { incarnation: 2, epoch: Epoch(6), ..usual_layout() });
    assert_eq!(held(&store, SYNC_TABLE, "k"), None, "a refusal stored nothing");
    assert!(matches!(apply(&store, write(at(), record(1, "v"))), Reply::Written { .. }));
    // A folder from before the loss, should it turn up again.
    let earlier = replica_of(&bench, limits(), Run { incarnation: 1, boot: Boot(2) });
    earlier.install(Layout { incarnation: 2, epoch: Epoch(6), ..usual_layout() });
    let behind = Reply::Refused(Refusal::Behind { current: Epoch(6) });
    assert_eq!(earlier.read(&Request::Ask { at: at() }, ReadTier::Disk), Some(behind));
}

pub fn an_older_layout_is_ignored(bench: impl Bench) {
    let store = replica(&bench);
    store.install(layout(Epoch(4), &[]));
    apply(&store, write(place(SYNC_TABLE, "k"), record(1, "v")));
    assert_eq!(held(&store, SYNC_TABLE, "k"), Some(record(1, "v")));
}

pub fn a_batch_of_many_syncs_once(bench: impl Bench) {
    let store = replica(&bench);
    let before = bench.engine().statistics();
    let batch: Vec<Request> =
        (0..100).map(|n| write(place(SYNC_TABLE, &format!("k{n}")), record(1, "v"))).collect();
    let replies = store.apply(&batch);
    assert!(replies.iter().all(|reply| matches!(reply, Reply::Written { .. })), "{replies:?}");
    let after = bench.engine().statistics();
    assert_eq!((after.writes - before.writes, after.syncs - before.syncs), (1, 1));
    store.apply(&batch);
    let again = bench.engine().statistics();
    assert_eq!((again.writes, again.syncs), (after.writes, after.syncs), "held and durable already");
    assert_eq!((store.statistics().stored, store.statistics().unchanged), (100, 100));
}

pub fn an_os_table_syncs_only_when_asked(bench: impl Bench) {
    let store = replica(&bench);
    let syncs = || bench.engine().statistics().syncs;
    let before = syncs();
    apply(&store, write(place(OS_TABLE, "k"), record(1, "v")));
    assert_eq!(syncs(), before);
    let raised = Request::Write {
        at: place(OS_TABLE, "l"),
        record: record(1, "v"),
        durability: Durability::Sync,
        origin: quorate_model::Origin::Fresh,
    };
    apply(&store, raised);
    assert_eq!(syncs(), before + 1);
    apply(&store, write(place(SYNC_TABLE, "k"), record(1, "v")));
    assert_eq!(syncs(), before + 2, "a request never lowers what its table says");
}

pub fn a_raised_write_syncs_what_was_held(bench: impl Bench) {
    let store = replica(&bench);
    let at = || place(OS_TABLE, "k");
    apply(&store, write(at(), record(5, "v")));
    let before = bench.engine().statistics();
    let raised = |seq| Request::Write {
        at: at(),
        record: record(seq, "v"),
        durability: Durability::Sync,
        origin: quorate_model::Origin::Fresh,
    };
    assert_eq!(apply(&store, raised(5)), Reply::Written { held: Held::live(version(5)) });
    let after = bench.engine().statistics();
    assert_eq!(
        (after.writes - before.writes, after.syncs - before.syncs),
        (0, 1),
        "synced, though nothing is new"
    );
    apply(&store, raised(3));
    assert_eq!(bench.engine().statistics().syncs, after.syncs, "nothing unsynced is left underneath");
}

pub fn a_table_raised_to_sync_is_synced_first(mut bench: impl Bench) {
    let store = replica(&bench);
    apply(&store, write(place(OS_TABLE, "k"), record(5, "v")));
    let before = bench.engine().statistics().syncs;
    let mut raised = usual_layout();
    raised.epoch = Epoch(6);
    let table = raised.tables.get_mut(&OS_TABLE).expect("there");
    table.durability = Durability::Sync;
    table.shards =
        Pieces::of(table.shards.iter().map(|shard| ShardLayout { epoch: Epoch(6), ..shard.clone() }));
    store.install(raised);
    assert_eq!(bench.engine().statistics().syncs, before + 1);
    drop(store);
    bench.restart();
    let store = replica(&bench);
    store.install(layout(Epoch(6), &[(OS_TABLE, Durability::Sync)]));
    assert_eq!(held(&store, OS_TABLE, "k"), Some(record(5, "v")));
}

pub fn inspect_shows_what_is_held(bench: impl Bench) {
    let store = replica(&bench);
    let inspect = |key| {
        let at = place(SYNC_TABLE, key);
        match store.read(&Request::Inspect { at }, ReadTier::Disk) {
            Some(Reply::Inspected(inspection)) => inspection,
            other => panic!("{other:?}"),
        }
    };
    let written = record(1, "value");
    apply(&store, write(place(SYNC_TABLE, "k"), written.clone()));
    apply(&store, write(place(SYNC_TABLE, "dead"), Record { body: Body::Tombstone, ..record(2, "") }));
    let shown = inspect("k");
    assert_eq!((shown.held, shown.value_bytes, shown.tombstone), (Some(written.held()), 5, false));
    assert_eq!((shown.digest, shown.written_at), (written.digest(), Some(WallTime(1))));
    assert!(inspect("dead").tombstone);
    assert_eq!(inspect("nothing").held, None);
}

pub fn a_dropped_table_is_purged(mut bench: impl Bench) {
    let store = replica(&bench);
    apply(&store, write(place(SYNC_TABLE, "k"), record(1, "v")));
    apply(&store, write(place(OS_TABLE, "k"), record(1, "v")));
    assert_eq!(store.stored_tables(), Ok(vec![SYNC_TABLE, OS_TABLE]));
    assert_eq!(store.clear_table(SYNC_TABLE), Err(ClearError::InUse(SYNC_TABLE)));
    store.install(layout(Epoch(6), &[(OS_TABLE, Durability::Os)]));
    let gone = apply(&store, write(place(SYNC_TABLE, "k"), record(2, "v")));
    assert_eq!(gone, Reply::Refused(Refusal::Stale { current: Epoch(6) }));
    assert_eq!(store.clear_table(SYNC_TABLE), Ok(()));
    assert_eq!(store.clear_table(TableId(77)), Ok(()), "what is not there is cleared already");
    drop(store);
    bench.restart();
    let store = replica(&bench);
    store.install(layout(Epoch(7), &[(SYNC_TABLE, Durability::Sync), (OS_TABLE, Durability::Os)]));
    assert_eq!(store.stored_tables(), Ok(vec![OS_TABLE]));
    assert_eq!(held(&store, SYNC_TABLE, "k"), None);
    assert_eq!(held(&store, OS_TABLE, "k"), Some(record(1, "v")));
}

pub fn a_damaged_record_poisons_for_good(mut bench: impl Bench) {
    let store = replica(&bench);
    apply(&store, write(place(SYNC_TABLE, "bad"), record(1, "v")));
    apply(&store, write(place(SYNC_TABLE, "good"), record(1, "v")));
    damage(&*bench.engine(), Family::Records, keys::record(SYNC_TABLE, &sort_key("bad")));
    let doubtful = Reply::Refused(Refusal::Doubtful);
    let read = |key| Request::Read { at: place(SYNC_TABLE, key), whole: true };
    assert_eq!(store.read(&read("bad"), ReadTier::Disk), Some(doubtful.clone()), "never not-found");
    assert_eq!(store.read(&read("good"), ReadTier::Disk), Some(doubtful.clone()), "one doubt ends all");
    assert_eq!(apply(&store, write(place(SYNC_TABLE, "new"), record(1, "v"))), doubtful);
    assert!(store.health().doubt.is_some());
    assert!(store.hints_for(quorate_model::NodeId(1), None, quorate_storage::PageLimit::BULK).is_err());
    drop(store);
    bench.restart();
    let store = replica(&bench);
    assert_eq!(store.read(&read("good"), ReadTier::Disk), Some(doubtful), "a restart heals nothing");
}

pub fn a_full_disk_refuses_writes_only(bench: impl Bench) {
    let store = replica(&bench);
    apply(&store, write(place(SYNC_TABLE, "k"), record(1, "v")));
    bench.set_free_bytes(999);
    let full = Reply::Refused(Refusal::DiskFull);
    assert_eq!(apply(&store, write(place(SYNC_TABLE, "k"), record(2, "w"))), full);
    assert_eq!(apply(&store, assign(place(SYNC_TABLE, "k"), "w")), full);
    assert_eq!(
        apply(&store, write(place(SYNC_TABLE, "k"), record(1, "v"))),
        Reply::Written { held: Held::live(version(1)) },
        "what is held already is acknowledged: reads of a quorum count on it"
    );
    assert!(store.health().disk_full && store.health().doubt.is_none());
    assert_eq!(held(&store, SYNC_TABLE, "k"), Some(record(1, "v")), "reads go on");
    bench.set_free_bytes(1_000_000);
    assert_eq!(
        apply(&store, write(place(SYNC_TABLE, "k"), record(2, "w"))),
        Reply::Written { held: Held::live(version(2)) }
    );
    assert!(!store.health().disk_full);
}

pub fn questions_in_a_batch_see_its_writes(bench: impl Bench) {
    let store = replica(&bench);
    store.install(usual_layout());
    let at = || place(SYNC_TABLE, "k");
    let replies = store.apply(&[Request::Read { at: at(), whole: true }, write(at(), record(1, "v"))]);
    assert_eq!(replies[0], Reply::Record(Some(record(1, "v"))));
    let write_as_question = write(at(), record(2, "w"));
    assert_eq!(store.read(&write_as_question, ReadTier::BlockCache), None, "a write waits for the disk");
    let written = store.read(&write_as_question, ReadTier::Disk);
    assert_eq!(written, Some(Reply::Written { held: Held::live(version(2)) }));
}
