//! What a replica makes of a bad disk: power cuts, errors, damage, no space. Over the memory engine, which can be
//! told to.

use quorate_model::layout::{Copy, Role};
use quorate_model::{
    Body, Boot, ClusterId, Durability, Epoch, Interval, Layout, NodeId, Operations, Pieces, Place, Record,
    Refusal, Reply, Request, Rules, Run, ShardLayout, SortKey, Stamps, TableId, TableLayout, WallTime,
};
use quorate_storage::engine::Batch;
use quorate_storage::{
    Engine as _, Family, Fault, MemoryEngine, PageLimit, RaftStore, ReadTier, Replica, ReplicaLimits,
    SumsSetting, keys,
};
use std::collections::BTreeMap;
use std::sync::Arc;

const SYNC: TableId = TableId(1);
const OS: TableId = TableId(2);
const DOUBTFUL: Reply = Reply::Refused(Refusal::Doubtful);

fn replica(engine: &Arc<MemoryEngine>) -> Replica<MemoryEngine> {
    replica_with(engine, Rules::INTACT)
}

fn replica_with(engine: &Arc<MemoryEngine>, rules: Rules) -> Replica<MemoryEngine> {
    let limits = ReplicaLimits { free_bytes_min: 0, ..ReplicaLimits::default() };
    let replica = Replica::new(
        Arc::clone(engine),
        NodeId(1),
        Run { incarnation: 1, boot: Boot(1) },
        rules,
        limits,
        SumsSetting::of(ClusterId(1)),
    );
    let table = |durability| {
        let shard = ShardLayout {
            interval: Interval::everything(),
            epoch: Epoch(1),
            copy: Some(Copy { role: Role::Owner, since: Epoch(0) }),
        };
        TableLayout { durability, shards: Pieces::of([shard]) }
    };
    let tables = BTreeMap::from([(SYNC, table(Durability::Sync)), (OS, table(Durability::Os))]);
    replica.install(Layout { epoch: Epoch(1), incarnation: 1, tables });
    replica
}

fn place(table: TableId, key: &str) -> Place {
    Place { table, epoch: Epoch(1), sort_key: SortKey::new(key.as_bytes().to_vec()) }
}

fn record(seq: u64, body: Body) -> Record {
    let mut stamps = Stamps::new(NodeId(2), Boot(1));
    let version = (0..seq).fold(None, |seen, _| stamps.draw().above(seen).ok()).expect("seq counts from 1");
    Record { version, written_at: WallTime(1), expires_at: None, body, operations: Operations::default() }
}

fn value(text: &str) -> Body {
    Body::Value { content_type: String::new(), payload: text.as_bytes().to_vec().into() }
}

fn write(table: TableId, key: &str, seq: u64) -> Request {
    let record = record(seq, value(&format!("{key} {seq}")));
    Request::Write {
        at: place(table, key),
        record,
        durability: Durability::Os,
        origin: quorate_model::Origin::Fresh,
    }
}

fn apply(replica: &Replica<MemoryEngine>, request: Request) -> Reply {
    replica.apply(&[request]).pop().expect("one reply")
}

fn is_written(reply: &Reply) -> bool {
    matches!(reply, Reply::Written { .. })
}

fn seq_of(replica: &Replica<MemoryEngine>, table: TableId, key: &str) -> Option<u64> {
    match replica.read(&Request::Ask { at: place(table, key) }, ReadTier::Disk) {
        Some(Reply::Known { held, .. }) => held.map(|held| held.version.seq()),
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_power_cut_takes_what_was_promised_to_the_system_only() {
    let engine = Arc::new(MemoryEngine::new());
    let store = replica(&engine);
    assert!(is_written(&apply(&store, write(OS, "before", 1))));
    assert!(is_written(&apply(&store, write(SYNC, "k", 1))));
    assert!(is_written(&apply(&store, write(OS, "after", 1))));
    assert_eq!(engine.unsynced_batches(), 1);
    engine.crash();
    let store = replica(&engine);
    assert_eq!(seq_of(&store, SYNC, "k"), Some(1), "acknowledged is durable");
    assert_eq!(seq_of(&store, OS, "before"), Some(1), "one log: an earlier record was synced along");
    assert_eq!(seq_of(&store, OS, "after"), None, "an os table promises no more");
    assert!(store.health().doubt.is_none(), "a power cut is no doubt");
}

#[test]
fn a_power_cut_may_keep_the_first_of_what_was_unsynced() {
    let engine = Arc::new(MemoryEngine::new());
    let store = replica(&engine);
    for seq in 1..=3 {
        apply(&store, write(OS, "k", seq));
    }
    engine.crash_keeping(2);
    assert_eq!(seq_of(&replica(&engine), OS, "k"), Some(2));
    engine.crash();
    assert_eq!(seq_of(&replica(&engine), OS, "k"), Some(2), "what was kept is on the disk");
}

#[test]
fn an_earlier_lifes_unsynced_records_are_synced_before_they_count() {
    let engine = Arc::new(MemoryEngine::new());
    apply(&replica(&engine), write(OS, "k", 1));
    // The process ends, the machine goes on.
    let store = replica(&engine);
    let raised = Request::Write {
        at: place(OS, "k"),
        record: record(1, value("k 1")),
        durability: Durability::Sync,
        origin: quorate_model::Origin::Fresh,
    };
    assert!(is_written(&apply(&store, raised)));
    engine.crash();
    assert_eq!(seq_of(&replica(&engine), OS, "k"), Some(1));
}

#[test]
fn a_failed_write_breaks_its_batch_and_poisons_the_replica() {
    for fault in [Fault::Write, Fault::Sync, Fault::SyncKept] {
        let engine = Arc::new(MemoryEngine::new());
        let store = replica(&engine);
        apply(&store, write(SYNC, "held", 1));
        engine.fail_next(fault);
        let mut stale = place(SYNC, "k");
        stale.epoch = Epoch(0);
        let batch = [
            write(SYNC, "k", 1),
            Request::Ask { at: place(SYNC, "held") },
            Request::Write {
                at: stale,
                record: record(1, Body::Tombstone),
                durability: Durability::Os,
                origin: quorate_model::Origin::Fresh,
            },
        ];
        let replies = store.apply(&batch);
        assert_eq!(replies[0], Reply::Broken, "{fault:?}: it may or may not be there");
        assert_eq!(replies[1], DOUBTFUL, "{fault:?}");
        assert_eq!(
            replies[2],
            Reply::Refused(Refusal::Stale { current: Epoch(1) }),
            "nothing was stored for it"
        );
        assert_eq!(apply(&store, write(SYNC, "k", 2)), DOUBTFUL);
        assert!(store.health().doubt.is_some());
        engine.crash();
        let store = replica(&engine);
        assert_eq!(apply(&store, write(SYNC, "k", 2)), DOUBTFUL, "{fault:?}: a restart heals nothing");
        assert!(RaftStore::new(Arc::clone(&engine)).vote().is_err(), "{fault:?}: nor does it vote");
        engine.wipe();
        assert!(is_written(&apply(&replica(&engine), write(SYNC, "k", 2))), "a new disk, a new incarnation");
    }
}

#[test]
fn a_failed_read_is_never_not_found() {
    let engine = Arc::new(MemoryEngine::new());
    let store = replica(&engine);
    engine.fail_next(Fault::Read);
    let ask = Request::Ask { at: place(SYNC, "k") };
    assert_eq!(store.read(&ask, ReadTier::Disk), Some(DOUBTFUL));
    assert_eq!(store.read(&ask, ReadTier::Disk), Some(DOUBTFUL));
}

#[test]
fn a_read_that_fails_for_a_batch_stores_nothing_of_it() {
    let engine = Arc::new(MemoryEngine::new());
    let store = replica(&engine);
    apply(&store, write(SYNC, "bad", 1));
    assert!(engine.corrupt(Family::Records, &keys::record(SYNC, &place(SYNC, "bad").sort_key)));
    let used = engine.used_bytes();
    let replies = store.apply(&[write(SYNC, "a", 1), write(SYNC, "bad", 2), write(SYNC, "b", 1)]);
    assert_eq!(replies, [DOUBTFUL, DOUBTFUL, DOUBTFUL], "a refusal is a promise");
    assert_eq!(engine.used_bytes(), used);
}

#[test]
fn every_damaged_record_is_noticed_by_every_way_to_it() {
    let asks: [fn(Place) -> Request; 5] = [
        |at| Request::Ask { at },
        |at| Request::Read { at, whole: true },
        |at| Request::Read { at, whole: false },
        |at| Request::Inspect { at },
        |at| Request::Write {
            at,
            record: record(2, value("new")),
            durability: Durability::Os,
            origin: quorate_model::Origin::Fresh,
        },
    ];
    for ask in asks {
        let engine = Arc::new(MemoryEngine::new());
        let store = replica(&engine);
        apply(&store, write(SYNC, "k", 1));
        assert!(engine.corrupt(Family::Records, &keys::record(SYNC, &place(SYNC, "k").sort_key)));
        let request = ask(place(SYNC, "k"));
        assert_eq!(store.read(&request, ReadTier::Disk), Some(DOUBTFUL), "{request:?}");
    }
}

/// Written by a newer version before the node was taken back to this one; its checksum is right.
#[test]
fn a_record_of_a_newer_version_is_refused_and_not_held_against_the_disk() {
    let engine = Arc::new(MemoryEngine::new());
    let store = replica(&engine);
    let mut bytes = record(2, value("new")).encode();
    bytes[0] += 1;
    let content = bytes.len() - 4;
    let checksum = crc32fast::hash(&bytes[..content]).to_be_bytes();
    bytes[content..].copy_from_slice(&checksum);
    let mut batch = Batch::default();
    batch.put(Family::Records, keys::record(SYNC, &place(SYNC, "k").sort_key), bytes);
    engine.write(batch, Durability::Sync).expect("written");
    assert_eq!(store.read(&Request::Ask { at: place(SYNC, "k") }, ReadTier::Disk), Some(DOUBTFUL));
    assert_eq!(apply(&store, write(SYNC, "k", 3)), DOUBTFUL, "it is not written over");
    assert!(store.health().doubt.is_none(), "the disk is sound");
    assert!(is_written(&apply(&store, write(SYNC, "other", 1))), "the rest is served");
}

#[test]
fn a_damaged_hint_is_noticed() {
    let engine = Arc::new(MemoryEngine::new());
    let store = replica(&engine);
    let owner = NodeId(5);
    let hint = Request::Hint { owner, at: place(SYNC, "k"), record: record(1, value("v")) };
    assert_eq!(apply(&store, hint), Reply::Hinted);
    assert!(engine.corrupt(Family::Hints, &keys::hint(owner, SYNC, &place(SYNC, "k").sort_key)));
    assert_eq!(store.hints_for(owner, None, PageLimit::BULK), Err(Refusal::Doubtful));
    assert!(store.health().doubt.is_some());
}

#[test]
fn a_batch_that_does_not_fit_is_refused_whole_and_later_ones_go_on() {
    let engine = Arc::new(MemoryEngine::new());
    let store = replica(&engine);
    apply(&store, write(SYNC, "held", 1));
    engine.set_capacity(Some(engine.used_bytes() + 150));
    let owner = NodeId(5);
    let replies = store.apply(&[
        write(SYNC, "a", 1),
        Request::Hint { owner, at: place(SYNC, "a"), record: record(1, value("v")) },
        write(SYNC, "b", 1),
    ]);
    assert!(replies.iter().all(|reply| *reply == Reply::Refused(Refusal::DiskFull)), "{replies:?}");
    assert_eq!(store.hint_counts().get(&owner).copied().unwrap_or_default().count, 0, "the books say so too");
    assert_eq!(seq_of(&store, SYNC, "held"), Some(1), "reads go on");
    assert_eq!(seq_of(&store, SYNC, "a"), None);
    assert!(is_written(&apply(&store, write(SYNC, "a", 1))), "what fits is taken");
    engine.set_capacity(None);
    assert!(is_written(&apply(&store, write(SYNC, "b", 1))));
}

#[test]
fn a_cold_cache_is_said_so_and_not_taken_for_absence() {
    let engine = Arc::new(MemoryEngine::new());
    let store = replica(&engine);
    apply(&store, write(SYNC, "k", 1));
    engine.set_cold(true);
    for request in [
        Request::Ask { at: place(SYNC, "k") },
        Request::Read { at: place(SYNC, "k"), whole: true },
        Request::Inspect { at: place(SYNC, "k") },
    ] {
        assert_eq!(store.read(&request, ReadTier::BlockCache), None);
        assert!(store.read(&request, ReadTier::Disk).is_some());
    }
}

#[test]
fn a_failed_sync_while_a_table_is_raised_is_a_doubt() {
    let engine = Arc::new(MemoryEngine::new());
    let store = replica(&engine);
    apply(&store, write(OS, "k", 1));
    engine.fail_next(Fault::Sync);
    let shard = ShardLayout {
        interval: Interval::everything(),
        epoch: Epoch(1),
        copy: Some(Copy { role: Role::Owner, since: Epoch(0) }),
    };
    let table = TableLayout { durability: Durability::Sync, shards: Pieces::of([shard]) };
    store.install(Layout { epoch: Epoch(2), incarnation: 1, tables: BTreeMap::from([(OS, table)]) });
    assert_eq!(store.read(&Request::Ask { at: place(OS, "k") }, ReadTier::Disk), Some(DOUBTFUL));
}

/// Each rule that a replica keeps, broken: the difference must show here, else the suite above proves nothing.
#[cfg(feature = "mutants")]
mod mutants {
    use super::*;
    use quorate_model::{Mutant, Operation, OperationId};

    fn broken(mutant: Mutant) -> (Arc<MemoryEngine>, Replica<MemoryEngine>) {
        let engine = Arc::new(MemoryEngine::new());
        let store = replica_with(&engine, Rules::breaking(mutant));
        (engine, store)
    }

    #[test]
    fn acknowledged_before_durable_loses_a_write() {
        let (engine, store) = broken(Mutant::AcknowledgedBeforeDurable);
        assert!(is_written(&apply(&store, write(SYNC, "k", 1))));
        engine.crash();
        assert_eq!(seq_of(&replica(&engine), SYNC, "k"), None);
    }

    #[test]
    fn last_arrival_wins_goes_back() {
        let (_engine, store) = broken(Mutant::LastArrivalWins);
        apply(&store, write(SYNC, "k", 2));
        apply(&store, write(SYNC, "k", 1));
        assert_eq!(seq_of(&store, SYNC, "k"), Some(1));
    }

    #[test]
    fn a_losing_record_takes_its_ids_with_it() {
        let (_engine, store) = broken(Mutant::IdsLostWithLosingRecord);
        apply(&store, write(SYNC, "k", 2));
        let loser = record(1, value("loser"));
        let id = OperationId { client: "c".into(), sequence: 1 };
        let operations = Operations::of(Operation { id, version: loser.version, digest: 1 });
        let loser = Record { operations, ..loser };
        apply(
            &store,
            Request::Write {
                at: place(SYNC, "k"),
                record: loser,
                durability: Durability::Os,
                origin: quorate_model::Origin::Fresh,
            },
        );
        let known = store.read(&Request::Ask { at: place(SYNC, "k") }, ReadTier::Disk);
        assert!(matches!(known, Some(Reply::Known { operations, .. }) if operations.is_empty()));
    }

    #[test]
    fn an_expired_flag_is_undone() {
        let (_engine, store) = broken(Mutant::ExpiredFlagUndone);
        let due = Record { expires_at: Some(WallTime(2)), ..record(1, value("v")) };
        for record in [due.clone().into_expired(), due.clone()] {
            apply(
                &store,
                Request::Write {
                    at: place(SYNC, "k"),
                    record,
                    durability: Durability::Os,
                    origin: quorate_model::Origin::Fresh,
                },
            );
        }
        let read = store.read(&Request::Read { at: place(SYNC, "k"), whole: true }, ReadTier::Disk);
        assert_eq!(read, Some(Reply::Record(Some(due))));
    }

    #[test]
    fn tombstones_go_only_while_that_rule_is_broken() {
        for (rules, left) in
            [(Rules::INTACT, Some(1)), (Rules::breaking(Mutant::TombstonesDroppedByAge), None)]
        {
            let engine = Arc::new(MemoryEngine::new());
            let store = replica_with(&engine, rules);
            for (key, seq) in [("old", 1), ("young", 2)] {
                let dead = record(seq, Body::Tombstone);
                apply(
                    &store,
                    Request::Write {
                        at: place(SYNC, key),
                        record: dead,
                        durability: Durability::Os,
                        origin: quorate_model::Origin::Fresh,
                    },
                );
            }
            apply(&store, write(SYNC, "alive", 1));
            store.drop_records(|record| record.body == Body::Tombstone && record.version.seq() < 2);
            assert_eq!(seq_of(&store, SYNC, "old"), left);
            assert_eq!(seq_of(&store, SYNC, "young"), Some(2));
            assert_eq!(seq_of(&store, SYNC, "alive"), Some(1));
        }
    }
}
