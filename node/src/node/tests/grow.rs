//! Shards that move: a fourth node gets its share while clients write, through restarts, a lost leader, an abort.

use super::*;
use crate::core::{Kept, MoveProgress, PlanError};
use quorate_ring::planner::Wish;
use quorate_ring::{JobId, JobState, Order, Shard};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};

/// The plan that a wish comes to.
async fn planned(node: &Node, wish: &Wish) -> Result<Arc<Kept>, PlanError> {
    node.core().make_plan(wish, BTreeSet::new(), TIMEOUT).await
}

/// The job that carries out a wish.
pub async fn begun(node: &Node, wish: &Wish) -> JobId {
    let kept = planned(node, wish).await.expect("there is a plan");
    let progress = node.core().apply_plan(&kept.id.to_string(), TIMEOUT).await.expect("applied");
    progress.job.id
}

fn add(node: u64) -> Wish {
    Wish::Add { nodes: vec![NodeId(node)] }
}

fn progress(node: &Node, job: JobId) -> MoveProgress {
    node.core().move_job(job).expect("it is kept")
}

pub async fn ended(node: &Node, job: JobId) -> MoveProgress {
    let by = Instant::now() + PATIENCE;
    loop {
        let now = progress(node, job);
        if now.job.state.is_ended() {
            return now;
        }
        let waits: Vec<_> = now.waiting.iter().map(|it| (it.shard.id, it.waits_for.clone())).collect();
        assert!(Instant::now() < by, "the job has not ended: {:?}, {waits:?}", now.job);
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// Copies of the shards of all tables by owner; none of them moves.
fn copies(node: &Node) -> BTreeMap<NodeId, usize> {
    let view = node.core().view();
    let shards: Vec<&Shard> = view.catalog().tables().flat_map(|table| table.shards()).collect();
    assert!(shards.iter().all(|shard| shard.joint.is_none()), "every shard is at rest");
    let mut copies = BTreeMap::new();
    for owner in shards.iter().flat_map(|shard| shard.owner_nodes()) {
        *copies.entry(owner).or_insert(0) += 1;
    }
    copies
}

/// A client that writes one key after the other through the nodes in turn, and notes what was acknowledged.
pub struct Writer {
    acknowledged: Arc<AtomicU32>,
    stops: Arc<AtomicBool>,
    task: tokio::task::JoinHandle<Vec<String>>,
}

impl Writer {
    pub fn start(cluster: &Cluster, through: &[usize], table: &Arc<Table>) -> Self {
        let cores: Vec<Arc<Core>> =
            through.iter().map(|index| Arc::clone(cluster.node(*index).core())).collect();
        let (acknowledged, stops) = (Arc::new(AtomicU32::new(0)), Arc::new(AtomicBool::new(false)));
        let (table, count, stop) = (Arc::clone(table), Arc::clone(&acknowledged), Arc::clone(&stops));
        let task = tokio::spawn(async move {
            let mut written = Vec::new();
            for number in 0.. {
                if stop.load(Ordering::Relaxed) {
                    break;
                }
                let key = format!("w{number}");
                let request = PutRequest {
                    table: Arc::clone(&table),
                    key: Key::new(key.as_bytes().to_vec()),
                    level: Level::Quorum,
                    durability: Durability::Os,
                    expiry: None,
                    operation: None,
                    timeout: TIMEOUT,
                };
                let payload = key.as_bytes().to_vec().into();
                let body = Body::Value { content_type: "text/plain".into(), payload };
                if cores[number % cores.len()].put(&request, body).await.is_ok() {
                    written.push(key);
                    count.fetch_add(1, Ordering::Relaxed);
                }
                tokio::time::sleep(Duration::from_millis(2)).await;
            }
            written
        });
        Self { acknowledged, stops, task }
    }

    pub fn count(&self) -> u32 {
        self.acknowledged.load(Ordering::Relaxed)
    }

    pub async fn written(self) -> Vec<String> {
        self.stops.store(true, Ordering::Relaxed);
        self.task.await.expect("it ends")
    }
}

/// Each key is read at a quorum through a node, with what was written.
pub async fn all_there(node: &Node, table: &Arc<Table>, keys: &[String]) {
    for key in keys {
        assert_eq!(value(get(node, table, key, 2).await).as_ref(), Some(key), "{key}");
    }
}

#[tokio::test]
async fn a_fourth_node_gets_its_share_under_writes_and_none_of_them_is_lost() {
    let mut cluster = Cluster::start(3).await;
    let table = cluster.create_table("users", 3).await;
    let writer = Writer::start(&cluster, &[0, 1, 2], &table);
    until("something is there", || writer.count() > 100).await;
    cluster.join().await;
    until("the fourth is seen", || cluster.running().all(|node| node.core().liveness().len() == 4)).await;
    let kept = planned(cluster.node(1), &add(4)).await.expect("there is a plan");
    let moves = kept.planned.moves.len();
    assert!((5..=6).contains(&moves), "a quarter of 24 copies, or one less: {moves}");
    assert!(kept.planned.preview.bytes > 0, "owners said what they hold");
    let id = kept.id.to_string();
    let job = cluster.node(1).core().apply_plan(&id, TIMEOUT).await.expect("applied").job.id;
    let again = cluster.node(1).core().apply_plan(&id, TIMEOUT).await.expect("the same");
    assert_eq!(again.job.id, job, "it is applied once");
    let now = ended(cluster.node(0), job).await;
    assert_eq!((&now.job.state, now.job.done as usize), (&JobState::Done, moves));
    assert_eq!(now.bytes_done, now.job.bytes_total);
    until("each node knows", || {
        cluster.running().all(|node| node.core().view().catalog().moving().count() == 0)
    })
    .await;
    let written = writer.written().await;
    let (before, balanced) = (written.len(), copies(cluster.node(3)));
    let held = |index: usize| {
        let figures = cluster.node(index).core().local.replica().table_figures();
        figures.values().map(|figure| figure.total.records).sum::<u64>()
    };
    until("former owners have cleared what moved", || (0..4).map(held).sum::<u64>() == 3 * before as u64)
        .await;
    until("they say so", || progress(cluster.node(0), job).leftover_bytes == Some(0)).await;
    assert!(balanced.len() == 4 && balanced.values().all(|copies| (5..=7).contains(copies)), "{balanced:?}");
    assert!(before > 100);
    all_there(cluster.node(3), &table, &written).await;
    for node in cluster.running() {
        assert_eq!(node.core().readiness(), Vec::<String>::new());
        assert!(node.core().local.replica().gaps(9).is_empty(), "{} holds all that it owns", node.id());
    }
}

/// A table whose shards arrive only once every old owner has heard of the move: with one of them away they stay at work.
async fn table_of_all(cluster: &Cluster) -> Arc<Table> {
    let mut table = NewTable::hash("users", request_id());
    (table.n, table.w, table.shards) = (3, Level::All, 8);
    cluster.node(0).core().propose(Command::CreateTable(table), TIMEOUT).await.expect("created");
    cluster.table(0, "users").await
}

/// A node of the first three that does not lead.
fn follower(cluster: &Cluster) -> usize {
    let leader = cluster.node(0).core().leader().expect("there is one");
    (0..3).find(|index| cluster.node(*index).id() != leader).expect("two of three follow")
}

#[tokio::test]
async fn an_abort_in_the_middle_takes_back_what_is_at_work() {
    let mut cluster = Cluster::start(4).await;
    // The fourth gets nothing when the table is made.
    cluster.node(0).core().drain_member(NodeId(4), true, TIMEOUT).await.expect("drained");
    let table = table_of_all(&cluster).await;
    cluster.node(0).core().drain_member(NodeId(4), false, TIMEOUT).await.expect("undrained");
    cluster.settled().await;
    let away = follower(&cluster);
    cluster.kill(away).await;
    let up: Vec<usize> = (0..3).filter(|index| *index != away).collect();
    until("it is seen", || cluster.running().all(|node| node.core().view().liveness().down().len() == 1))
        .await;
    let writer = Writer::start(&cluster, &up, &table);
    until("something is there", || writer.count() > 100).await;
    let job = begun(cluster.node(up[0]), &add(4)).await;
    until("it is said what shards wait for", || {
        let now = progress(cluster.node(up[1]), job);
        let waits = now.waiting.iter().filter_map(|it| it.waits_for.as_deref());
        now.job.active > 0 && waits.into_iter().any(|why| why.contains("refuse what was before"))
    })
    .await;
    let paused = cluster.node(3).core().order_moves(job, Order::Pause, TIMEOUT).await.expect("paused");
    assert_eq!(paused.job.state, JobState::Paused);
    cluster.node(up[0]).core().order_moves(job, Order::Abort, TIMEOUT).await.expect("aborted");
    let now = ended(cluster.node(up[0]), job).await;
    assert_eq!((&now.job.state, now.job.done), (&JobState::Aborted, 0));
    let refused =
        cluster.node(up[0]).core().order_moves(job, Order::Resume, TIMEOUT).await.expect_err("over");
    assert!(refused.to_string().contains("can't be paused or resumed any more"), "{refused}");
    let written = writer.written().await;
    assert_eq!(copies(cluster.node(up[0])).get(&NodeId(4)), None);
    all_there(cluster.node(up[1]), &table, &written).await;
    until("what the fourth had begun with is cleared there", || {
        cluster
            .node(3)
            .core()
            .local
            .replica()
            .table_figures()
            .values()
            .all(|figure| figure.total.records == 0)
    })
    .await;
    // The same once more, to the end.
    cluster.restart(away).await;
    cluster.settled().await;
    let job = begun(cluster.node(up[0]), &add(4)).await;
    assert_eq!(ended(cluster.node(up[0]), job).await.job.state, JobState::Done);
    all_there(cluster.node(3), &table, &written).await;
}

/// Shards that an owner which is away gives up wait for it: they can't be whole before it returns. When it does, a paused
/// job's receivers leave them alone.
#[tokio::test]
async fn receivers_stand_still_while_their_job_is_paused_and_go_on_when_it_does() {
    let mut cluster = Cluster::start(4).await;
    cluster.node(0).core().drain_member(NodeId(4), true, TIMEOUT).await.expect("drained");
    let mut table = NewTable::hash("users", request_id());
    (table.n, table.shards) = (3, 8);
    cluster.node(0).core().propose(Command::CreateTable(table), TIMEOUT).await.expect("created");
    let table = cluster.table(0, "users").await;
    cluster.node(0).core().drain_member(NodeId(4), false, TIMEOUT).await.expect("undrained");
    cluster.settled().await;
    let written: Vec<String> = (0..100).map(|number| format!("w{number}")).collect();
    for key in &written {
        put(cluster.node(0), &table, key, key).await.expect("written");
    }
    let away = follower(&cluster);
    cluster.kill(away).await;
    until("it is seen", || cluster.running().all(|node| node.core().view().liveness().down().len() == 1))
        .await;
    let up = (0..3).find(|index| *index != away).expect("two are up");
    let job = begun(cluster.node(up), &add(4)).await;
    let receiver = Arc::clone(cluster.node(3).core());
    let receiving = || receiver.receiving();
    let all_wait = || {
        let waiting = progress(cluster.node(up), job).waiting;
        waiting.iter().all(|it| it.waits_for.as_deref().is_some_and(|why| why.contains("can't be reached")))
    };
    until("what is left waits for the one that is away", || receiving() > 0 && all_wait()).await;
    cluster.node(up).core().order_moves(job, Order::Pause, TIMEOUT).await.expect("paused");
    let stands = receiving();
    cluster.restart(away).await;
    cluster.settled().await;
    assert_eq!(receiving(), stands, "nothing was received since");
    let now = progress(cluster.node(up), job);
    assert!(
        now.waiting.iter().any(|it| it.waits_for.as_deref().is_some_and(|why| why.contains("it is paused")))
    );
    cluster.node(up).core().order_moves(job, Order::Resume, TIMEOUT).await.expect("resumed");
    assert_eq!(ended(cluster.node(up), job).await.job.state, JobState::Done);
    all_there(cluster.node(3), &table, &written).await;
}

#[tokio::test]
async fn a_receiver_and_the_leader_may_stop_in_the_middle() {
    let mut cluster = Cluster::start(4).await;
    cluster.node(0).core().drain_member(NodeId(4), true, TIMEOUT).await.expect("drained");
    let table = table_of_all(&cluster).await;
    cluster.node(0).core().drain_member(NodeId(4), false, TIMEOUT).await.expect("undrained");
    cluster.settled().await;
    let written: Vec<String> = (0..200).map(|number| format!("w{number}")).collect();
    for key in &written {
        put(cluster.node(0), &table, key, key).await.expect("written");
    }
    let away = follower(&cluster);
    cluster.kill(away).await;
    until("it is seen", || cluster.running().all(|node| node.core().view().liveness().down().len() == 1))
        .await;
    let leader = cluster.node(3).core().leader().expect("there is one");
    let led = usize::try_from(leader.0 - 1).expect("a small number");
    let third = (0..3).find(|index| *index != away && *index != led).expect("three voters");
    let job = begun(cluster.node(third), &add(4)).await;
    until("shards are at work", || progress(cluster.node(third), job).job.active > 0).await;
    cluster.kill(3).await;
    cluster.kill(led).await;
    cluster.restart(3).await;
    cluster.restart(away).await;
    until("another one leads", || cluster.node(third).core().leader().is_some_and(|now| now != leader)).await;
    let halfway = progress(cluster.node(third), job);
    assert!(!halfway.job.state.is_ended() && halfway.job.done == 0, "w is all: {halfway:?}");
    cluster.restart(led).await;
    let now = ended(cluster.node(third), job).await;
    assert_eq!((&now.job.state, now.job.done), (&JobState::Done, now.job.total));
    cluster.settled().await;
    all_there(cluster.node(3), &table, &written).await;
}

#[tokio::test]
async fn a_member_that_is_removed_gives_away_what_it_owns_and_is_no_member_then() {
    let mut cluster = Cluster::start(4).await;
    let table = cluster.create_table("users", 3).await;
    for number in 0..100 {
        let key = format!("w{number}");
        put(cluster.node(0), &table, &key, &key).await.expect("written");
    }
    let job = begun(cluster.node(0), &Wish::Remove { nodes: vec![NodeId(2)], dead: false }).await;
    assert_eq!(ended(cluster.node(0), job).await.job.state, JobState::Done);
    until("it is no member any more", || {
        [0, 2, 3].iter().all(|index| {
            let view = cluster.node(*index).core().view();
            view.catalog().node(NodeId(2)).is_none() && view.catalog().voters().count() == 3
        })
    })
    .await;
    cluster.kill(1).await;
    let balanced = copies(cluster.node(0));
    assert_eq!(balanced.values().copied().collect::<Vec<_>>(), [8; 3], "{balanced:?}");
    let written: Vec<String> = (0..100).map(|number| format!("w{number}")).collect();
    all_there(cluster.node(3), &table, &written).await;
}

#[tokio::test]
async fn a_drained_member_keeps_what_it_has_gets_nothing_and_is_not_ready() {
    let cluster = Cluster::start(4).await;
    cluster.create_table("users", 3).await;
    let before = copies(cluster.node(0));
    cluster.node(0).core().drain_member(NodeId(4), true, TIMEOUT).await.expect("drained");
    until("it says so", || !cluster.node(3).core().readiness().is_empty()).await;
    let said = cluster.node(3).core().readiness();
    assert!(said[0].contains("is drained") && said.len() == 1, "{said:?}");
    let refused = planned(cluster.node(0), &add(4)).await.expect_err("it gets nothing");
    assert!(refused.to_string().contains("gets no copies"), "{refused}");
    let epoch = cluster.node(1).core().drain_member(NodeId(4), true, TIMEOUT).await.expect("it is so");
    assert_eq!(epoch, cluster.node(1).core().view().epoch(), "nothing is written twice");
    cluster.node(3).core().drain_member(NodeId(4), false, TIMEOUT).await.expect("undrained");
    cluster.settled().await;
    assert_eq!(copies(cluster.node(0)), before);
}

#[tokio::test]
async fn a_drained_leader_hands_the_lead_on_and_leads_no_more_until_it_is_undrained() {
    let cluster = Cluster::start(3).await;
    let leader = cluster.node(0).core().leader().expect("there is one");
    let at = |node: NodeId| usize::try_from(node.0 - 1).expect("a small number");
    cluster.node(at(leader)).core().drain_member(leader, true, TIMEOUT).await.expect("drained");
    until("another one leads", || {
        let said = cluster.running().map(|node| node.core().leader());
        let said: BTreeSet<Option<NodeId>> = said.collect();
        said.len() == 1 && said.first().is_some_and(|now| now.is_some_and(|now| now != leader))
    })
    .await;
    assert!(cluster.node(at(leader)).core().is_drained());
    let epoch =
        cluster.node(at(leader)).core().drain_member(leader, false, TIMEOUT).await.expect("undrained");
    assert!(epoch > cluster.node(0).core().view().catalog().node(leader).expect("a member").joined);
    cluster.settled().await;
}

#[tokio::test]
async fn a_plan_of_an_earlier_state_of_the_cluster_is_refused() {
    let cluster = Cluster::start(4).await;
    cluster.create_table("users", 3).await;
    let kept = planned(cluster.node(0), &Wish::Remove { nodes: vec![NodeId(3)], dead: false })
        .await
        .expect("a plan");
    cluster.create_table("more", 3).await;
    let id = kept.id.to_string();
    let refused = cluster.node(0).core().apply_plan(&id, TIMEOUT).await.expect_err("it has changed");
    assert!(refused.to_string().contains("make the plan again"), "{refused}");
    let elsewhere = cluster.node(1).core().kept_plan(&id).expect_err("n1 has it");
    assert!(elsewhere.to_string().contains("kept by n1"), "{elsewhere}");
    cluster.node(0).core().discard_plan(&id).expect("forgotten");
    assert!(cluster.node(0).core().plans().is_empty());
}
