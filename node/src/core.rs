//! The core of a running node: everything that the HTTP edge may ask of it, and nothing about HTTP.
//!
//! ```text
//!   HTTP edge ──> Core ──┬─ get, put, inspect ──> Driver ──> owners (this replica, peers)
//!                        ├─ propose ────────────> Control ──> the leader
//!                        └─ view, statistics, readiness: what is known here and now
//! ```
//!
//! Key traffic works on the newest view that this node has and never waits for the control plane: it goes on while
//! consensus has no majority. Only a table that this node has not heard of is asked for once, before it says no.

mod access;
mod counted;
mod held_back;
mod jobs;
mod loss;
pub(crate) mod plans;
mod readiness;
mod recover;
mod request;
mod scan;
mod shards;
mod statistics;

pub use counted::Counted;
pub use held_back::HeldBack;
pub use loss::{Accepted, Loss, LossError, TableLoss};
pub use plans::{Kept, MoveProgress, PlanError, PlanId, WaitingShard};
pub use recover::{GivenUp, RecoverError, TableGivenUp};
pub use request::{Attempt, Expiry, GetRequest, PutRequest};
pub use shards::ShardError;
pub use statistics::{HintStatistics, LinkStatistics, Statistics, TableHeld};

use crate::access_note::AccessNote;
use crate::clock;
use crate::control::{Control, DiskState, Healing, ProposeError, Proposed, Report, ShardFigure, Traffic};
use crate::drive::{Driver, Load, Subject};
use crate::ended::Ended;
use crate::jobs::Books;
use crate::liveness::Judge;
use crate::peer::Local;
use crate::purge::PurgeBooks;
use crate::recollection::Recollection;
use crate::recovery::Recovery;
use crate::scan::Scanner;
use crate::views::Views;
use quorate_coordinator as coordinator;
use quorate_coordinator::answers;
use quorate_coordinator::fill::Progress;
use quorate_coordinator::{GetAnswer, GetError, Position, PutAnswer, PutError};
use quorate_model::message::Draft;
use quorate_model::{
    Body, ClusterId, Inspection, Key, NodeId, Place, Reply, Request, SortKey, Stamps, Table, TableId,
};
use quorate_ring::liveness::Verdict;
use quorate_ring::{Closing, Command, Plan, View};
use quorate_transport::Links;
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::sync::watch;
use tokio::time::Instant;
use xxhash_rust::xxh3::Xxh3;

/// Which cluster this node belongs to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClusterIdentity {
    /// Drawn at random when the cluster was founded.
    pub id: ClusterId,
    /// Its label.
    pub name: String,
}

/// Where a node is reached.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reached {
    /// `host:port` for clients.
    pub http_address: String,
    /// `host:port` for peers.
    pub peer_address: String,
}

/// See the module's essay. Shared by `Arc`.
pub struct Core {
    pub(crate) node: NodeId,
    pub(crate) cluster: ClusterIdentity,
    pub(crate) context: coordinator::Context,
    pub(crate) views: Arc<Views>,
    pub(crate) links: Arc<Links>,
    pub(crate) local: Arc<Local>,
    pub(crate) driver: Arc<Driver>,
    pub(crate) scanner: Scanner,
    pub(crate) control: Arc<Control>,
    pub(crate) stamps: Mutex<Stamps>,
    pub(crate) stopping: AtomicBool,
    pub(crate) draining: AtomicBool,
    pub(crate) hints: Arc<crate::hints::Progress>,
    pub(crate) sync: Arc<Books>,
    pub(crate) purge: Arc<PurgeBooks>,
    pub(crate) plans: plans::Plans,
    pub(crate) recovery: Arc<Recovery>,
    pub(crate) recollection: Arc<Recollection>,
    pub(crate) judge: Arc<Judge>,
    pub(crate) reached: Reached,
    /// Who may do what, as the folder remembered it when this run began.
    pub(crate) access_note: Option<AccessNote>,
    pub(crate) folder: PathBuf,
    /// Turns true when this node should be stopped and started again.
    pub(crate) restart: watch::Sender<bool>,
}

impl Core {
    /// This node's id.
    pub fn node(&self) -> NodeId {
        self.node
    }

    /// This node's cluster.
    pub fn cluster(&self) -> &ClusterIdentity {
        &self.cluster
    }

    /// The newest view: a request takes one and keeps it.
    pub fn view(&self) -> Arc<View> {
        self.views.current()
    }

    /// The table of this name. A node that does not know it asks the others once for a newer catalog, until
    /// `deadline`, before it says `None`.
    pub async fn table(&self, name: &str, deadline: Instant) -> Option<Arc<Table>> {
        if let Some(table) = self.views.current().table(name) {
            return Some(Arc::clone(table.table()));
        }
        self.control.refresh(deadline).await;
        self.views.current().table(name).map(|table| Arc::clone(table.table()))
    }

    /// Whether requests for keys of this table are taken; the error names the table of its name that was dropped and is
    /// not closed yet.
    pub fn expect_answers(&self, table: &Table) -> Result<(), Arc<Closing>> {
        let view = self.views.current();
        let catalog = view.catalog();
        match catalog.dropping(&table.name) {
            Some(closing) if !answers(self.context.rules, catalog, table) => Err(Arc::clone(closing)),
            Some(_) | None => Ok(()),
        }
    }

    /// A table of this name that was dropped and may still be answered for.
    pub fn dropping(&self, name: &str) -> Option<Arc<Closing>> {
        self.views.current().catalog().dropping(name).cloned()
    }

    /// Waits until a change of a table is closed; the owners that are awaited still after `timeout`.
    pub async fn closed(&self, closing: &Closing, timeout: Duration) -> Vec<NodeId> {
        let (table, deadline) = ((closing.table, Some(closing.name.as_str())), Instant::now() + timeout);
        self.control.closed(table, closing.since, deadline).await
    }

    /// Reads one key.
    pub async fn get(&self, request: &GetRequest) -> Result<GetAnswer, GetError> {
        let GetRequest { table, key, level, timeout } = request;
        let (level, sort_key) = (*level, table.sort_key(key));
        let Some(plan) = self.plan(table, &sort_key) else {
            let (required, n) = (level.within(table.n), table.n);
            return Err(GetError::Unavailable { required, acks: 0, n, replicas: Vec::new() });
        };
        let deadline = Instant::now() + *timeout;
        let question = coordinator::Question { level, deadline: clock::instant(deadline) };
        let machine = coordinator::Get::new(Arc::new(plan), question, self.context);
        let at = Position::Key(sort_key);
        let subject = Subject { table: table.id, at, deadline, value_bytes: 0 };
        self.driver.run(machine, subject).await.unwrap_or_else(|panicked| panicked.propagate())
    }

    /// Writes one key: [`Body::Value`] stores, [`Body::Tombstone`] deletes; [`Body::Expired`] is nothing to write.
    pub async fn put(&self, request: &PutRequest, body: Body) -> Result<PutAnswer, PutError> {
        let PutRequest { table, key, level, durability, expiry, operation, timeout } = request;
        let (level, expiry, sort_key) = (*level, *expiry, table.sort_key(key));
        let Some(plan) = self.plan(table, &sort_key) else {
            let (required, n, replicas) = (level.within(table.n), table.n, Vec::new());
            let retried = operation.as_ref().is_some_and(|attempt| attempt.retry);
            return Err(PutError::Unavailable { required, acks: 0, n, replicas, retried });
        };
        let deadline = Instant::now() + *timeout;
        let value_bytes = body.value_bytes();
        let now = clock::wall();
        let expires_at = match &body {
            Body::Value { .. } => {
                expiry.or(table.ttl_ms.map(Expiry::After)).and_then(|expiry| expiry.end(now))
            }
            Body::Tombstone | Body::Expired => None,
        };
        let attempt = operation.as_ref().map(|Attempt { id, retry }| coordinator::Attempt {
            id: id.clone(),
            digest: digest(&body, expiry),
            is_retry: *retry,
        });
        let stamp = self.stamps.lock().expect("nothing panics while it holds this lock").draw();
        let order = coordinator::Order {
            draft: Draft { body, written_at: now, expires_at },
            level,
            durability: table.durability.max(*durability),
            attempt,
            stamp,
            deadline: clock::instant(deadline),
        };
        let machine = coordinator::Put::new(Arc::new(plan), order, self.context);
        let at = Position::Key(sort_key);
        let subject = Subject { table: table.id, at, deadline, value_bytes };
        self.driver.run(machine, subject).await.unwrap_or_else(|panicked| panicked.propagate())
    }

    /// Runs reads and writes side by side, `most` at a time, and gives back what each came to, in their order; `None`: it
    /// panicked. What they send to one node at one time goes in one message. Where the returned future is dropped, what has
    /// not begun never does.
    pub async fn together<F: Future>(
        &self,
        work: impl Iterator<Item = F>,
        most: usize,
    ) -> Vec<Option<F::Output>> {
        self.driver.together(work, most).await
    }

    /// Where a key lives; `None`: its table is gone, or another live process has this node's id, so that nothing that
    /// this one holds may be served.
    fn plan(&self, table: &Table, sort_key: &SortKey) -> Option<Plan> {
        if self.links.is_duplicate() { None } else { self.views.plan(table.id, sort_key) }
    }

    /// What each owner of a key, and each other member that may keep a hint for it, knows about it.
    pub async fn inspect(
        &self,
        table: &Table,
        key: &Key,
        timeout: Duration,
    ) -> Vec<(NodeId, Result<Inspection, String>)> {
        let Some(plan) = self.views.plan(table.id, &table.sort_key(key)) else { return Vec::new() };
        let members = self.view().catalog().nodes().map(|node| node.id).collect::<Vec<_>>();
        let deadline = Instant::now() + timeout;
        let asked =
            members.into_iter().map(|node| (node, self.ask_to_inspect(node, plan.place.clone(), deadline)));
        let mut answers = Vec::new();
        for (node, answer) in asked.collect::<Vec<_>>() {
            answers.push((node, answer.await));
        }
        answers
    }

    fn ask_to_inspect(
        &self,
        node: NodeId,
        at: Place,
        deadline: Instant,
    ) -> impl Future<Output = Result<Inspection, String>> + use<> {
        let answer = self.driver.ask(node, Request::Inspect { at }, deadline);
        async move {
            match answer.await {
                Ok(Reply::Inspected(inspection)) => Ok(inspection),
                Ok(Reply::Broken) => Err("its disk failed".to_owned()),
                Ok(
                    Reply::Known { .. }
                    | Reply::Record(_)
                    | Reply::Digest { .. }
                    | Reply::Written { .. }
                    | Reply::Assigned { .. }
                    | Reply::Absent { .. }
                    | Reply::Hinted,
                ) => Err("it answered another question".to_owned()),
                Err(coordinator::Failure::NotSent) => Err("there is no connection to it".to_owned()),
                Err(coordinator::Failure::Lost) => Err("no answer in time".to_owned()),
                Ok(Reply::Refused(refusal)) | Err(coordinator::Failure::Refused(refusal)) => {
                    Err(refusal.to_string())
                }
            }
        }
    }

    /// Changes the catalog. Answered once every reachable member has applied the change, or `timeout` has passed.
    pub async fn propose(&self, command: Command, timeout: Duration) -> Result<Proposed, ProposeError> {
        let proposed = self.control.propose(command, Instant::now() + timeout).await;
        proposed.map_err(|error| match error {
            ProposeError::Unavailable { reason } => {
                ProposeError::Unavailable { reason: format!("{reason}; {}", self.what_is_up()) }
            }
            error @ (ProposeError::Rejected(_) | ProposeError::Unknown { .. }) => error,
        })
    }

    /// What became of removals.
    pub fn purge(&self) -> &PurgeBooks {
        &self.purge
    }

    /// What became of comparing what owners hold, and what is ordered, of this node.
    pub fn sync(&self) -> &Books {
        &self.sync
    }

    /// The connections to the other members.
    pub fn links(&self) -> Vec<LinkStatistics> {
        self.links.report().into_iter().map(LinkStatistics::from).collect()
    }

    /// From now on this says what the node has answered its clients: what stands before it counts them.
    pub fn count_traffic(&self, count: impl Fn() -> Traffic + Send + Sync + 'static) {
        self.control.count_traffic(count);
    }

    /// What every member says of itself, or why it said nothing within `timeout`.
    pub async fn reports(&self, timeout: Duration) -> Vec<(NodeId, Result<Report, String>)> {
        self.control.reports(Instant::now() + timeout).await
    }

    /// What every owner of a shard of the table holds of it, or why it said nothing within `timeout`.
    pub async fn figures(
        &self,
        table: TableId,
        timeout: Duration,
    ) -> Vec<(NodeId, Result<Vec<ShardFigure>, String>)> {
        self.control.figures(table, Instant::now() + timeout).await
    }

    /// The leader, as this node knows it; `None` while there is none with a majority of the voters.
    pub fn leader(&self) -> Option<NodeId> {
        self.control.leader()
    }

    /// Whether this node has said that it is about to stop: it is not ready any more. It serves on until it drains.
    pub fn is_stopping(&self) -> bool {
        self.stopping.load(Ordering::Relaxed) || self.is_draining()
    }

    /// Whether this node stops: it finishes what it has begun and takes nothing new.
    pub fn is_draining(&self) -> bool {
        self.draining.load(Ordering::Relaxed)
    }

    /// Whether an operator has drained this node: it takes no requests for keys from clients, and answers its peers.
    pub fn is_drained(&self) -> bool {
        self.view().catalog().node(self.node).is_some_and(|known| known.drained)
    }

    /// Why this node ends: it is no member any more. `None`: it is one, as far as it has heard.
    pub fn dismissed(&self) -> Option<Ended> {
        Ended::dismissed(self.node, &self.links, self.views.current().catalog())
    }

    /// Why this node serves no key at all: it began with a disk that it doubts, so that its catalog stays as it was.
    /// One that began to doubt later goes on coordinating, on the other owners' answers.
    pub fn refuses_keys(&self) -> Option<String> {
        let doubt = self.control.is_silent().then(|| self.local.replica().health().doubt);
        doubt.flatten().map(|doubt| doubt.to_string())
    }

    /// Whether the catalog that this node has names it, as it is now. Before that it may be far too old: one that lost its
    /// log begins with none.
    pub fn is_named(&self) -> bool {
        let view = self.view();
        let incarnation = self.links.identity().incarnation;
        view.catalog().node(self.node).is_some_and(|known| u64::from(known.incarnation) == incarnation)
    }

    /// What the operations at work hold, those that go on after their answer among them.
    pub fn operations(&self) -> Load {
        self.driver.load()
    }

    /// Where this run of the node is reached, whatever the catalog still says.
    pub fn reached(&self) -> &Reached {
        &self.reached
    }

    /// How the members' disks are, as they said last; of itself this node knows.
    pub fn disks(&self) -> BTreeMap<NodeId, DiskState> {
        let mut disks = self.recollection.disk_states();
        disks.insert(self.node, self.recollection.disk());
        disks
    }

    /// How far this node has come back from a loss; `None`: it holds everything that it owns, or it waits for an operator.
    pub fn healing(&self) -> Option<Healing> {
        self.recovery.healing()
    }

    /// Copies that moves give to this node and that are not whole yet.
    pub fn receiving(&self) -> u64 {
        self.recollection.moving().receiving
    }

    /// How far the filling of this node has come since it was started.
    pub fn filling(&self) -> Progress {
        self.recovery.progress()
    }

    /// On whom this node counts now, itself included.
    pub fn counted(&self) -> Counted {
        let alive = self.liveness().into_iter().filter(|(_, alive)| *alive).map(|(node, _)| node);
        Counted::new(alive, self.disks())
    }

    /// What this node makes of each other member's signs of presence.
    pub fn verdicts(&self) -> BTreeMap<NodeId, Verdict> {
        self.judge.verdicts()
    }

    /// Which members do not seem down to this node, itself included.
    pub fn liveness(&self) -> Vec<(NodeId, bool)> {
        let view = self.view();
        let alive = |node: NodeId| node == self.node || view.liveness().is_alive(node);
        view.catalog().nodes().map(|node| (node.id, alive(node.id))).collect()
    }
}

/// Digest of everything that a client says in a write: another body under the same id is refused.
fn digest(body: &Body, expiry: Option<Expiry>) -> u64 {
    let mut hash = Xxh3::new();
    match body {
        Body::Value { content_type, payload } => {
            hash.update(&[0]);
            hash.update(&(content_type.len() as u64).to_be_bytes());
            hash.update(content_type.as_bytes());
            hash.update(payload);
        }
        Body::Tombstone => hash.update(&[1]),
        Body::Expired => hash.update(&[2]),
    }
    match expiry {
        None => hash.update(&0_u64.to_be_bytes()),
        Some(Expiry::After(ttl_ms)) => hash.update(&ttl_ms.saturating_add(1).to_be_bytes()),
        Some(Expiry::At(at)) => {
            hash.update(&[1]);
            hash.update(&at.0.to_be_bytes());
        }
        Some(Expiry::Never) => hash.update(&[2]),
    }
    hash.digest()
}
