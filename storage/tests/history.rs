//! Laws over random histories: whatever is written, in whatever batches, with power cuts in between, a replica holds
//! the merge of everything it acknowledged, and nothing that no client wrote.

use proptest::prelude::*;
use quorate_model::layout::{Copy, Role};
use quorate_model::message::Draft;
use quorate_model::{
    Body, Boot, ClusterId, Durability, Epoch, Interval, Layout, NodeId, Operation, OperationId, Operations,
    Pieces, Place, Record, Reply, Request, Rules, Run, ShardLayout, SortKey, Stamps, TableId, TableLayout,
    WallTime, record,
};
use quorate_storage::{MemoryEngine, PageLimit, ReadTier, Replica, ReplicaLimits, SumsSetting};
use std::collections::BTreeMap;
use std::sync::Arc;

const TABLE: TableId = TableId(1);
const OWNER: NodeId = NodeId(7);

#[derive(Clone, Debug)]
enum Step {
    Write {
        key: u8,
        seq: u64,
        writer: u64,
        expired: bool,
    },
    Assign {
        key: u8,
    },
    Hint {
        key: u8,
        seq: u64,
        writer: u64,
    },
    EndOfBatch,
    PowerCut,
    /// The process ends; the disk keeps what the operating system has.
    Kill,
    /// Rows of sums are written, and a page is counted.
    KeepSums,
}

fn any_step() -> impl Strategy<Value = Step> {
    let key = 0u8..3;
    prop_oneof![
        6 => (key.clone(), 1u64..6, 1u64..3, any::<bool>())
            .prop_map(|(key, seq, writer, expired)| Step::Write { key, seq, writer, expired }),
        2 => key.clone().prop_map(|key| Step::Assign { key }),
        2 => (key, 1u64..6, 1u64..3).prop_map(|(key, seq, writer)| Step::Hint { key, seq, writer }),
        3 => Just(Step::EndOfBatch),
        1 => Just(Step::PowerCut),
        1 => Just(Step::Kill),
        3 => Just(Step::KeepSums),
    ]
}

fn replica(engine: &Arc<MemoryEngine>, boot: u64) -> Replica<MemoryEngine> {
    let limits = ReplicaLimits::default();
    let replica = Replica::new(
        Arc::clone(engine),
        NodeId(9),
        Run { incarnation: 1, boot: Boot(boot) },
        Rules::INTACT,
        limits,
        SumsSetting { chunk_keys: 1, ..SumsSetting::of(ClusterId(1)) },
    );
    let shard = ShardLayout {
        interval: Interval::everything(),
        epoch: Epoch(1),
        copy: Some(Copy { role: Role::Owner, since: Epoch(0) }),
    };
    let table = TableLayout { durability: Durability::Sync, shards: Pieces::of([shard]) };
    replica.install(Layout { epoch: Epoch(1), incarnation: 1, tables: BTreeMap::from([(TABLE, table)]) });
    replica
}

fn place(key: u8) -> Place {
    Place { table: TABLE, epoch: Epoch(1), sort_key: SortKey::new(vec![key]) }
}

/// One version, one content: what the protocol guarantees.
fn written(seq: u64, writer: u64, expired: bool) -> Record {
    let mut stamps = Stamps::new(NodeId(writer), Boot(1));
    let version = (0..seq).fold(None, |seen, _| stamps.draw().above(seen).ok()).expect("seq counts from 1");
    let id = OperationId { client: format!("c{writer}"), sequence: seq };
    let record = Record {
        version,
        written_at: WallTime(seq),
        expires_at: Some(WallTime(1)),
        body: Body::Value { content_type: String::new(), payload: version.to_string().into() },
        operations: Operations::of(Operation { id, version, digest: seq }),
    };
    if expired { record.into_expired() } else { record }
}

fn request(step: &Step) -> Option<Request> {
    let durability = Durability::Os;
    match step {
        Step::Write { key, seq, writer, expired } => Some(Request::Write {
            at: place(*key),
            record: written(*seq, *writer, *expired),
            durability,
            origin: quorate_model::Origin::Fresh,
        }),
        Step::Assign { key } => {
            let body = Body::Value { content_type: String::new(), payload: "assigned".into() };
            let draft = Draft { body, written_at: WallTime(0), expires_at: None };
            Some(Request::Assign { at: place(*key), draft, durability })
        }
        Step::Hint { key, seq, writer } => {
            Some(Request::Hint { owner: OWNER, at: place(*key), record: written(*seq, *writer, false) })
        }
        Step::EndOfBatch | Step::PowerCut | Step::Kill | Step::KeepSums => None,
    }
}

/// What should be held, by key.
type Expected = BTreeMap<u8, Record>;

fn expect_merged(expected: &mut Expected, key: u8, record: Record) {
    let merged = match expected.remove(&key) {
        Some(before) => record::merge(before, record),
        None => record,
    };
    expected.insert(key, merged);
}

fn run_batch(
    replica: &Replica<MemoryEngine>,
    batch: &mut Vec<Request>,
    records: &mut Expected,
    hints: &mut Expected,
) {
    let requests = std::mem::take(batch);
    for (request, reply) in requests.iter().zip(replica.apply(&requests)) {
        let key = request.place().sort_key.as_bytes()[0];
        match (request, reply) {
            (Request::Write { record, .. }, Reply::Written { held }) => {
                expect_merged(records, key, record.clone());
                assert_eq!(held, records[&key].held());
            }
            (Request::Assign { .. }, Reply::Assigned { record }) => {
                let before = records.get(&key).map(|before| before.version);
                assert!(Some(record.version) > before, "above what is held");
                expect_merged(records, key, record);
            }
            (Request::Hint { record, .. }, Reply::Hinted) => expect_merged(hints, key, record.clone()),
            (request, reply) => panic!("{request:?}: {reply:?}"),
        }
    }
}

fn check(replica: &Replica<MemoryEngine>, records: &Expected, hints: &Expected) {
    for key in 0..3 {
        let read = replica.read(&Request::Read { at: place(key), whole: true }, ReadTier::Disk);
        assert_eq!(read, Some(Reply::Record(records.get(&key).cloned())), "key {key}");
    }
    let kept = replica.hints_for(OWNER, None, PageLimit::BULK).expect("readable");
    let kept: Expected = kept.into_iter().map(|hint| (hint.sort_key.as_bytes()[0], hint.record)).collect();
    assert_eq!(&kept, hints);
    let sums = replica.recount().expect("a sound disk");
    assert!(sums.wrong.is_empty(), "{:?}", sums.wrong);
    let counted = replica.hint_counts().get(&OWNER).map_or(0, |hints| hints.count);
    assert_eq!(counted, hints.len() as u64);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]
    #[test]
    fn what_is_held_is_the_merge_of_what_was_acknowledged(steps in prop::collection::vec(any_step(), 1..60)) {
        let engine = Arc::new(MemoryEngine::new());
        let mut boot = 1;
        let mut store = replica(&engine, boot);
        let (mut records, mut hints) = (Expected::new(), Expected::new());
        let mut batch = Vec::new();
        for step in &steps {
            match step {
                Step::Write { .. } | Step::Assign { .. } | Step::Hint { .. } => batch.extend(request(step)),
                Step::EndOfBatch => run_batch(&store, &mut batch, &mut records, &mut hints),
                Step::KeepSums => {
                    store.settle_sums().expect("a sound disk");
                    store.walk_sums(PageLimit { items: 1, bytes: 1 }).expect("a sound disk");
                }
                Step::PowerCut | Step::Kill => {
                    // What was not applied was never acknowledged.
                    batch.clear();
                    if matches!(step, Step::PowerCut) {
                        engine.crash();
                    }
                    boot += 1;
                    store = replica(&engine, boot);
                    check(&store, &records, &hints);
                }
            }
        }
        run_batch(&store, &mut batch, &mut records, &mut hints);
        check(&store, &records, &hints);
        prop_assert!(store.health().doubt.is_none());
    }

    #[test]
    fn keys_of_the_disk_are_told_apart(bytes in prop::collection::vec(any::<u8>(), 0..40)) {
        if let Some(key) = quorate_storage::keys::DiskKey::decode(&bytes) {
            prop_assert_eq!(key.encode(), bytes);
        }
    }
}
