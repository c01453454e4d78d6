//! What this node and its peers remember of each other, and how the members' disks are: carried between the replica,
//! which decides what is remembered and what it proves ([`quorate_storage::recollection`]), and the connections.

use crate::automatic::ShardLimits;
use crate::control::{DiskState, Moving, Tended};
use crate::engine::{Engine, Replica};
use crate::heat::Meter;
use crate::recovery::Recovery;
use crate::views::Views;
use quorate_model::{Answer, Boot, Committed, NodeId, Run};
use quorate_storage::ReplicaHealth;
use quorate_storage::recollection::{self, LISTEN_MAX};
use quorate_transport::{Copied, Links, PeerCounters};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::sync::watch;
use tokio::time::Instant;

/// How often it is looked whether all have been heard.
const LOOK: Duration = Duration::from_millis(5);

/// See the module's essay.
pub struct Recollection {
    known: recollection::Recollection<Engine>,
    replica: Arc<Replica>,
    views: Arc<Views>,
    recovery: Arc<Recovery>,
    node: NodeId,
    incarnation: u64,
    meter: Arc<Meter>,
    /// When shards change by themselves, if they do.
    shards: Option<ShardLimits>,
    /// What each member said last of its disk.
    disks: Mutex<BTreeMap<NodeId, DiskState>>,
    /// Counts what members say anew of shards that move.
    news: watch::Sender<u64>,
    /// Bytes that this node holds of shards that it does not own any more; `None`: not counted yet.
    leftover: Mutex<Option<u64>>,
}

impl Recollection {
    /// Of a node that runs so, on a folder that has had these boot ids.
    pub fn new(
        replica: Arc<Replica>,
        views: Arc<Views>,
        recovery: Arc<Recovery>,
        (node, run): (NodeId, Run),
        boots: BTreeSet<Boot>,
        (meter, shards): (Arc<Meter>, Option<ShardLimits>),
    ) -> Self {
        let incarnation = run.incarnation;
        let known = recollection::Recollection::new(Arc::clone(&replica), node, run).on_folder(boots);
        let (disks, news, leftover) = (Mutex::default(), watch::Sender::new(0), Mutex::default());
        Self { known, replica, views, recovery, node, incarnation, meter, shards, disks, news, leftover }
    }

    /// What this node answers a peer.
    pub fn answer<T>(&self, reply: T) -> Answer<T> {
        self.known.answer(reply)
    }

    /// The reply of a peer's answer.
    pub fn open<T>(&self, by: NodeId, answer: Answer<T>) -> T {
        self.known.open(by, answer)
    }

    /// How this node's own disk is.
    pub fn disk(&self) -> DiskState {
        let ReplicaHealth { doubt, disk_full } = self.replica.health();
        let doubt = doubt.map(|doubt| doubt.cause.as_str().to_owned());
        DiskState {
            committed: self.known.committed(),
            doubt,
            full: disk_full,
            healing: self.recovery.healing(),
            moving: Some(self.moving()),
        }
    }

    /// What this node says of shards that move.
    pub fn moving(&self) -> Moving {
        let view = self.views.current();
        let waiting = self.recovery.progress().waiting;
        let tended = self
            .shards
            .map(|limits| Tended::of(self.node, &self.replica, &self.meter, view.catalog(), &limits.tend()));
        let moving = Moving::of(self.node, self.incarnation, &self.replica, &waiting, view.catalog());
        Moving { tended, leftover_bytes: *self.leftover(), ..moving }
    }

    /// Notes how many bytes this node holds of shards that it does not own any more.
    pub fn note_leftover(&self, bytes: u64) {
        *self.leftover() = Some(bytes);
    }

    /// Whether this node doubts its own disk.
    pub fn doubts(&self) -> bool {
        self.replica.is_doubtful()
    }

    /// News of what members say of shards that move.
    pub fn news(&self) -> watch::Receiver<u64> {
        self.news.subscribe()
    }

    /// Says that there is something new of this node itself.
    pub fn say_news(&self) {
        self.news.send_modify(|count| *count += 1);
    }

    /// News of how far this node's own copies are filled.
    pub fn fills(&self) -> watch::Receiver<u64> {
        self.recovery.news()
    }

    /// Notes what a member says of its disk.
    pub fn note(&self, peer: NodeId, state: DiskState) {
        self.known.remember(peer, state.committed);
        let moving = state.moving.clone();
        let before = self.disks().insert(peer, state);
        if before.and_then(|before| before.moving) != moving {
            self.say_news();
        }
    }

    /// What the members say of their disks, this node too: what it has heard, which may be a moment old.
    pub fn disk_states(&self) -> BTreeMap<NodeId, DiskState> {
        self.disks().clone()
    }

    /// Waits until every other member of the last known catalog has told what it remembers or can't be reached, but
    /// not beyond [`LISTEN_MAX`].
    pub async fn hear_members(&self, links: &Links) {
        let until = Instant::now() + LISTEN_MAX;
        let view = self.views.current();
        let unheard = || self.known.unheard(view.catalog().nodes().map(|node| node.id));
        // One that is no member any more has nothing to wait for.
        let is_gone = || links.gone().borrow().is_some();
        let has_all = || unheard().iter().all(|node| links.is_unreachable(*node));
        while !has_all() && !is_gone() && Instant::now() < until {
            tokio::time::sleep(LOOK).await;
        }
        let silent: Vec<String> = unheard().iter().map(ToString::to_string).collect();
        if !silent.is_empty() {
            tracing::info!(
                "not heard from {} about how far this node had come; each is heard before it is answered",
                silent.join(", ")
            );
        }
    }

    /// The incarnation that counts in the place of this one, if a member has said so.
    pub fn counts_instead(&self) -> Option<u64> {
        self.known.counts_instead()
    }

    fn leftover(&self) -> std::sync::MutexGuard<'_, Option<u64>> {
        self.leftover.lock().expect("nothing panics while it holds this lock")
    }

    fn disks(&self) -> std::sync::MutexGuard<'_, BTreeMap<NodeId, DiskState>> {
        self.disks.lock().expect("nothing panics while it holds this lock")
    }
}

impl PeerCounters for Recollection {
    fn of(&self, peer: NodeId) -> Option<Committed> {
        self.known.tells(peer)
    }

    fn told(&self, peer: NodeId, of_this_node: Option<Committed>) -> Result<(), Copied> {
        if let Some(boot) = self.known.met_copy(peer, of_this_node) {
            return Err(Copied { boot });
        }
        self.known.told(peer, of_this_node);
        Ok(())
    }

    fn incarnation_that_counts(&self, node: NodeId) -> Option<u64> {
        self.views.current().catalog().node(node).map(|node| u64::from(node.incarnation))
    }

    fn superseded(&self, by: NodeId, counts: u64) {
        self.known.superseded(by, counts);
    }
}
