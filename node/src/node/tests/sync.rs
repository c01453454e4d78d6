//! Owners become equal without a client that reads.

use super::*;
use crate::jobs::{Absent, Cause, Kind, LastEqual, Member, Part, State, Whole};
use quorate_model::{Boot, Operations, Origin, Record, Reply, Request, Span, Stamps, WallTime};
use quorate_storage::ReadTier;

const KEYS: usize = 600;

/// No hint is kept, and a node that returned is compared soon.
fn without_hints(config: &mut NodeConfig) {
    config.storage.replica.hints_max = 0;
    config.sync.after_return = Span::from_millis(300);
    config.sync.retry_after = Span::from_millis(500);
}

/// What each node's records of the table add up to; `None`: one of them is still counting.
fn sums(cluster: &Cluster, table: &Arc<Table>) -> Option<Vec<(u128, u64)>> {
    let sum = |node: &Node| {
        let figure = node.core().local.replica().table_figures().get(&table.id).copied()?;
        figure.is_exact.then_some((figure.total.sum, figure.total.records))
    };
    cluster.running().map(sum).collect()
}

fn are_equal(cluster: &Cluster, table: &Arc<Table>) -> bool {
    sums(cluster, table).is_some_and(|sums| sums.windows(2).all(|pair| pair[0] == pair[1]))
}

fn parts(cluster: &Cluster) -> Vec<Part> {
    cluster.running().flat_map(|node| node.core().sync().remembered().parts).collect()
}

/// Orders a job, and waits until all that is known of it is done.
async fn ordered(core: &Core, kind: Kind, table: &Table) -> Whole {
    let id = core.order(kind, Some(table.id), TIMEOUT).await.expect("room");
    let begun = Instant::now();
    loop {
        let (jobs, _) = core.jobs(TIMEOUT).await;
        let job = jobs.into_iter().find(|job| job.order.id == id).expect("it was just ordered");
        if job.ended_at().is_some() {
            return job;
        }
        assert!(begun.elapsed() < PATIENCE, "{job:?}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test]
async fn what_a_killed_node_missed_comes_back_without_a_hint_and_without_a_read() {
    let mut cluster = Cluster::start(3).await;
    let table = cluster.create_table("users", 3).await;
    for n in 0..KEYS {
        put(cluster.node(n % 3), &table, &format!("k{n}"), "first").await.expect("written");
    }
    for index in 0..3 {
        cluster.kill(index).await;
    }
    for index in 0..3 {
        cluster.restart_with(index, without_hints).await;
    }
    cluster.settled().await;
    cluster.kill(2).await;
    until("the others see that it is gone", || {
        (0..2).all(|index| !cluster.node(index).core().view().liveness().is_alive(NodeId(3)))
    })
    .await;
    for n in (0..KEYS).step_by(3) {
        put(cluster.node(n % 2), &table, &format!("k{n}"), "second").await.expect("two of three are enough");
        put(cluster.node(n % 2), &table, &format!("new{n}"), "third").await.expect("two of three are enough");
    }
    assert!(
        cluster.running().all(|node| node.core().statistics().hints.waiting.iter().all(|(_, n)| *n == 0))
    );
    cluster.restart_with(2, without_hints).await;
    let back = Instant::now();
    until("all owners are equal", || are_equal(&cluster, &table)).await;
    let took = back.elapsed();
    assert!(took < Duration::from_secs(30), "it took {took:?}");
    let records = sums(&cluster, &table).expect("counted")[0].1;
    assert_eq!(records, (KEYS + KEYS / 3) as u64);
    until("the rounds are over", || parts(&cluster).iter().all(|part| part.ended_at.is_some())).await;
    let brought: u64 = parts(&cluster).iter().map(|part| part.found.pulled + part.found.pushed).sum();
    assert!(brought >= 2 * KEYS as u64 / 3, "{brought} records were brought");

    // Equal owners are proven equal from memory, and next to nothing is sent.
    let job = ordered(cluster.node(1).core(), Kind::Verify, &table).await;
    let found = job.found();
    assert_eq!((job.state(), found.shards, found.equal), (State::Done, 8, 8), "{job:?}");
    assert_eq!(found.differences + found.open + found.short, 0, "{job:?}");
    assert!(found.bytes <= 8 * 2 * 64, "{} bytes for 8 shards with 2 other owners each", found.bytes);
    let proofs = cluster.node(0).core().proofs(TIMEOUT).await;
    let proofs: Vec<_> = proofs.into_values().flatten().flatten().filter(|of| of.table == table.id).collect();
    assert_eq!(proofs.iter().map(|of| of.shards).sum::<u64>(), 8);
    assert!(proofs.iter().all(|of| of.never == 0));
    let last = cluster.node(2).core().last_equal(&table, &Key::new(&b"k0"[..]), TIMEOUT).await;
    assert!(matches!(last, LastEqual::Ago(..)), "{last:?}");
}

/// As a coordinator leaves a write that dies while it settles it, and owns nothing: two of three owners have the record, no
/// hint is kept, and no owner was away. What is left is that it is time.
#[tokio::test]
async fn what_only_some_owners_were_sent_reaches_the_others_when_it_is_time() {
    let cluster = Cluster::start_with(3, |config| {
        without_hints(config);
        config.sync.every = Span::from_millis(500);
    })
    .await;
    let table = cluster.create_table("users", 3).await;
    let timed = |cluster: &Cluster| {
        let is_timed = |part: &&Part| part.order.cause == Cause::Time && part.ended_at.is_some();
        parts(cluster).iter().filter(is_timed).count()
    };
    // Those who have returned are compared by then.
    until("rounds begin by the clock", || timed(&cluster) >= 6).await;
    let view = cluster.node(0).core().view();
    let entry = view.table_by_id(table.id).expect("the table is there");
    let plan = view.plan(entry, &Key::new(&b"k"[..]), NodeId(1));
    let record = Record {
        version: Stamps::new(NodeId(1), Boot(77)).draw().above(None).expect("the first"),
        written_at: WallTime(1),
        expires_at: None,
        body: Body::Value { content_type: "text/plain".into(), payload: b"v"[..].into() },
        operations: Operations::default(),
    };
    let write = Request::Write { at: plan.place, record, durability: Durability::Os, origin: Origin::Fresh };
    for index in 0..2 {
        let reply = cluster.node(index).core().local.replica().read(&write, ReadTier::Disk);
        assert!(matches!(reply, Some(Reply::Written { .. })), "{reply:?}");
    }
    let holds_it = |sums: &Vec<(u128, u64)>| sums.iter().all(|(_, records)| *records == 1);
    until("all owners have it", || sums(&cluster, &table).as_ref().is_some_and(holds_it)).await;
    assert!(are_equal(&cluster, &table));
}

#[tokio::test]
async fn an_order_is_carried_out_by_every_member_and_shown_by_any() {
    let mut cluster = Cluster::start(3).await;
    let table = cluster.create_table("users", 3).await;
    let job = ordered(cluster.node(2).core(), Kind::Sync, &table).await;
    assert_eq!((job.state(), job.found().shards, job.found().equal), (State::Done, 8, 8), "{job:?}");
    for node in cluster.running() {
        let (jobs, silent) = node.core().jobs(TIMEOUT).await;
        assert_eq!(
            (jobs.iter().find(|other| other.order.id == job.order.id), silent),
            (Some(&job), Vec::new())
        );
    }

    // One that is away is named, whichever member runs its shards meanwhile, and those that lack an owner are counted.
    cluster.kill(0).await;
    until("the others see that it is gone", || {
        (1..3).all(|index| !cluster.node(index).core().view().liveness().is_alive(NodeId(1)))
    })
    .await;
    let short = ordered(cluster.node(1).core(), Kind::Verify, &table).await;
    assert_eq!(
        (short.state(), short.found().shards, short.found().short),
        (State::Incomplete, 8, 8),
        "{short:?}"
    );
    assert!(matches!(&short.members[&NodeId(1)], Member::Absent(Absent::NotTaken, why) if !why.is_empty()));

    // One that has started again has forgotten its part; the others have not.
    cluster.restart(0).await;
    cluster.settled().await;
    let (jobs, _) = cluster.node(0).core().jobs(TIMEOUT).await;
    let job = jobs.iter().find(|other| other.order.id == job.order.id).expect("the others remember it");
    let forgotten = Member::Absent(Absent::Forgotten, "forgotten: it has started again".to_owned());
    assert_eq!((job.state(), &job.members[&NodeId(1)]), (State::Incomplete, &forgotten), "{job:?}");
    assert!(matches!(&job.members[&NodeId(3)], Member::Part(_)));
}
