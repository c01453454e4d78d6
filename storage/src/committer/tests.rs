//! The committer over the memory engine. Whether it gathers is decided by holding its first batch up in a callback.

use super::*;
use crate::{MemoryEngine, ReplicaLimits, SumsSetting};
use quorate_model::layout::{Copy, Role};
use quorate_model::{
    Body, Boot, ClusterId, Durability, Epoch, Interval, Layout, NodeId, Operations, Pieces, Place, Record,
    Rules, Run, ShardLayout, SortKey, Stamps, TableId, TableLayout, WallTime,
};
use std::collections::BTreeMap;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::Duration;

const PATIENCE: Duration = Duration::from_secs(30);

fn replica() -> Arc<Replica<MemoryEngine>> {
    let engine = Arc::new(MemoryEngine::new());
    let replica = Replica::new(
        engine,
        NodeId(1),
        Run { incarnation: 1, boot: Boot(1) },
        Rules::INTACT,
        ReplicaLimits::default(),
        SumsSetting::of(ClusterId(1)),
    );
    let shard = ShardLayout {
        interval: Interval::everything(),
        epoch: Epoch(1),
        copy: Some(Copy { role: Role::Owner, since: Epoch(0) }),
    };
    let table = TableLayout { durability: Durability::Sync, shards: Pieces::of([shard]) };
    replica.install(Layout {
        epoch: Epoch(1),
        incarnation: 1,
        tables: BTreeMap::from([(TableId(1), table)]),
    });
    Arc::new(replica)
}

fn write(key: &str, value_bytes: usize) -> Request {
    let version = Stamps::new(NodeId(2), Boot(1)).draw().above(None).expect("first");
    let sort_key = SortKey::new(key.as_bytes().to_vec());
    Request::Write {
        at: Place { table: TableId(1), epoch: Epoch(1), sort_key },
        record: Record {
            version,
            written_at: WallTime(1),
            expires_at: None,
            body: Body::Value { content_type: String::new(), payload: vec![7; value_bytes].into() },
            operations: Operations::default(),
        },
        durability: Durability::Os,
        origin: quorate_model::Origin::Fresh,
    }
}

/// Submits a write whose reply is sent to the channel under its key.
fn submit(
    committer: &Committer,
    key: &'static str,
    deadline: Option<Instant>,
    to: &Sender<(&'static str, Reply)>,
) {
    let to = to.clone();
    committer.submit(
        write(key, 10),
        deadline,
        Box::new(move |reply| to.send((key, reply)).expect("the test listens")),
    );
}

/// A committer whose thread stands still in its first callback until the returned sender is used or dropped.
fn held_up(limits: CommitterLimits) -> (Committer, Sender<()>) {
    let committer = Committer::start(replica(), limits).expect("a thread");
    let (go, wait) = channel::<()>();
    let (entered, inside) = channel();
    let complete = move |_| {
        entered.send(()).expect("the test listens");
        // Either answer ends the waiting.
        let _ = wait.recv_timeout(PATIENCE);
    };
    committer.submit(write("first", 1), None, Box::new(complete));
    inside.recv_timeout(PATIENCE).expect("the first request is carried out");
    (committer, go)
}

fn replies(from: &Receiver<(&'static str, Reply)>, count: usize) -> BTreeMap<&'static str, Reply> {
    (0..count).map(|_| from.recv_timeout(PATIENCE).expect("a reply")).collect()
}

fn is_written(reply: &Reply) -> bool {
    matches!(reply, Reply::Written { .. })
}

#[test]
fn what_waits_while_a_batch_is_written_becomes_the_next_batch() {
    let (committer, go) = held_up(CommitterLimits::default());
    let (to, from) = channel();
    for key in ["a", "b", "c", "d"] {
        submit(&committer, key, None, &to);
    }
    assert_eq!(committer.statistics().queue_items, 4);
    go.send(()).expect("it waits");
    assert!(replies(&from, 4).values().all(is_written));
    let statistics = committer.statistics();
    assert_eq!((statistics.batches, statistics.requests, statistics.batch_items_peak), (2, 5, 4));
    assert_eq!((statistics.queue_items, statistics.queue_bytes), (0, 0));
}

#[test]
fn a_batch_is_bounded_in_items_and_in_bytes() {
    for limits in [
        CommitterLimits { batch_items_max: 2, ..CommitterLimits::default() },
        CommitterLimits { batch_bytes_max: 600, ..CommitterLimits::default() },
    ] {
        let (committer, go) = held_up(limits);
        let (to, from) = channel();
        for key in ["a", "b", "c", "d", "e"] {
            submit(&committer, key, None, &to);
        }
        drop(go);
        assert!(replies(&from, 5).values().all(is_written));
        assert_eq!(committer.statistics().batch_items_peak, 2, "{limits:?}");
    }
}

#[test]
fn a_full_queue_refuses_at_once() {
    for limits in [
        CommitterLimits { queue_items_max: 2, ..CommitterLimits::default() },
        CommitterLimits { queue_bytes_max: 600, ..CommitterLimits::default() },
    ] {
        let (committer, go) = held_up(limits);
        let (to, from) = channel();
        for key in ["a", "b", "c"] {
            submit(&committer, key, None, &to);
        }
        assert_eq!(replies(&from, 1), BTreeMap::from([("c", Reply::Refused(Refusal::Overloaded))]));
        drop(go);
        assert!(replies(&from, 2).values().all(is_written), "{limits:?}");
        assert_eq!(committer.statistics().overloaded, 1);
    }
}

#[test]
fn one_request_is_accepted_whatever_its_size() {
    let limits = CommitterLimits { queue_bytes_max: 1, batch_bytes_max: 1, ..CommitterLimits::default() };
    let committer = Committer::start(replica(), limits).expect("a thread");
    let (to, from) = channel();
    submit(&committer, "a", None, &to);
    assert!(replies(&from, 1).values().all(is_written));
}

#[test]
fn a_request_whose_deadline_passed_in_the_queue_is_not_stored() {
    let replica = replica();
    let committer = Committer::start(Arc::clone(&replica), CommitterLimits::default()).expect("a thread");
    let (to, from) = channel();
    submit(&committer, "late", Some(Instant::now()), &to);
    submit(&committer, "in time", Some(Instant::now() + PATIENCE), &to);
    let replies = replies(&from, 2);
    assert_eq!(replies["late"], Reply::Refused(Refusal::Late));
    assert!(is_written(&replies["in time"]));
    let ask = Request::Ask { at: write("late", 1).place().clone() };
    let known = replica.read(&ask, crate::ReadTier::Disk);
    assert_eq!(
        known,
        Some(Reply::Known { held: None, operations: Operations::default(), floor: None, forgot: None })
    );
    assert_eq!(committer.statistics().late, 1);
}

#[test]
fn stopping_carries_out_what_waits_and_refuses_the_rest() {
    let (committer, go) = held_up(CommitterLimits::default());
    let (to, from) = channel();
    submit(&committer, "a", None, &to);
    drop(go);
    committer.stop();
    submit(&committer, "b", None, &to);
    let replies = replies(&from, 2);
    assert!(is_written(&replies["a"]));
    assert_eq!(replies["b"], Reply::Refused(Refusal::Overloaded));
}

#[test]
fn abandoning_completes_no_call() {
    let (committer, go) = held_up(CommitterLimits::default());
    let (to, from) = channel();
    submit(&committer, "a", None, &to);
    drop(to);
    std::thread::scope(|scope| {
        scope.spawn(|| committer.abandon());
        // The waiting request is dropped while the first batch is still under way.
        assert!(from.recv_timeout(PATIENCE).is_err(), "dropped, not answered");
        drop(go);
    });
    assert_eq!(committer.statistics().queue_items, 0);
}

#[test]
fn a_committer_that_panics_leaves_a_doubtful_replica() {
    let replica = replica();
    let committer = Committer::start(Arc::clone(&replica), CommitterLimits::default()).expect("a thread");
    committer.submit(write("a", 1), None, Box::new(|_| panic!("a bug in a callback")));
    // Returns when the thread has ended.
    committer.stop();
    let doubt = replica.health().doubt;
    assert!(doubt.as_ref().is_some_and(|doubt| doubt.reason.contains("committer")), "{doubt:?}");
    let stopped = Committer::start(Arc::clone(&replica), CommitterLimits::default()).expect("a thread");
    stopped.stop();
    assert_eq!(replica.health().doubt, doubt, "stopping in order is no reason");
}
