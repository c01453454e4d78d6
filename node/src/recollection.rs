//! What this node and its peers remember of each other, so that a node that lost the end of its log knows it.
//!
//! ```text
//!   this node answers ──> Answer { reply, committed } ──> the coordinator remembers, before the reply counts
//!   now and then      ──> DiskState                   ──> every other member remembers
//!   each handshake    <── "you had come so far"       <── whoever remembers; judged before anything is answered
//! ```
//!
//! Between two nodes nothing is answered before each has told the other what it remembers of it. Beyond that, a node that
//! starts again listens to *all* members that it can reach before it answers anybody or votes, a moment at most
//! ([`PATIENCE`]): the one that remembers most may not be the one that asks first.
//!
//! Left out: certainty while members are away. What only an absent member has seen is missed until it is back; the
//! guarantees say so.

use crate::control::DiskState;
use crate::engine::Replica;
use crate::views::Views;
use quorate_model::{Committed, Life, NodeId};
use quorate_storage::{Cause, Doubt, ReplicaHealth};
use quorate_transport::{Links, Memory};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::time::Instant;

/// How long a node that starts listens for what the members remember of it.
pub const PATIENCE: Duration = Duration::from_secs(1);

/// How often it is looked whether all have been heard.
const LOOK: Duration = Duration::from_millis(5);

/// See the module's essay.
pub struct Recollection {
    replica: Arc<Replica>,
    views: Arc<Views>,
    life: Life,
    /// Who has told this life of the node what it remembers.
    heard: Mutex<BTreeSet<NodeId>>,
    /// What each member said last of its disk.
    disks: Mutex<BTreeMap<NodeId, DiskState>>,
}

impl Recollection {
    /// Of a node that lives this life.
    pub fn new(replica: Arc<Replica>, views: Arc<Views>, life: Life) -> Self {
        Self { replica, views, life, heard: Mutex::default(), disks: Mutex::default() }
    }

    /// How far this node has come, for its answers; `None` while it doubts its disk.
    pub fn committed(&self) -> Option<Committed> {
        self.replica.committed().map(|counter| Committed { life: self.life, counter })
    }

    /// How this node's own disk is.
    pub fn disk(&self) -> DiskState {
        let ReplicaHealth { doubt, disk_full } = self.replica.health();
        let doubt = doubt.map(|doubt| doubt.cause.as_str().to_owned());
        DiskState { committed: self.committed(), doubt, full: disk_full }
    }

    /// Notes what a member says of its disk.
    pub fn note(&self, peer: NodeId, state: DiskState) {
        self.remember(peer, state.committed);
        self.disks().insert(peer, state);
    }

    /// What the members say of their disks, this node too: what it has heard, which may be a moment old.
    pub fn disk_states(&self) -> BTreeMap<NodeId, DiskState> {
        self.disks().clone()
    }

    /// Remembers how far a peer has come, if it says so.
    pub fn remember(&self, peer: NodeId, committed: Option<Committed>) {
        if let Some(committed) = committed {
            self.replica.remember(peer, committed);
        }
    }

    /// Waits until every other member of the last known catalog has told what it remembers or can't be reached, but
    /// not beyond [`PATIENCE`].
    pub async fn hear_members(&self, links: &Links) {
        let until = Instant::now() + PATIENCE;
        let me = links.identity().node;
        let view = self.views.current();
        let others: Vec<NodeId> = view.catalog().nodes().map(|node| node.id).filter(|id| *id != me).collect();
        let is_settled = |node: &NodeId| self.heard().contains(node) || links.is_unreachable(*node);
        while !others.iter().all(is_settled) && Instant::now() < until {
            tokio::time::sleep(LOOK).await;
        }
        let silent: Vec<String> =
            others.iter().filter(|node| !self.heard().contains(node)).map(ToString::to_string).collect();
        if !silent.is_empty() {
            tracing::info!(
                "not heard from {} about how far this node had come; each is heard before it is answered",
                silent.join(", ")
            );
        }
    }

    fn disks(&self) -> std::sync::MutexGuard<'_, BTreeMap<NodeId, DiskState>> {
        self.disks.lock().expect("nothing panics while it holds this lock")
    }

    fn heard(&self) -> std::sync::MutexGuard<'_, BTreeSet<NodeId>> {
        self.heard.lock().expect("nothing panics while it holds this lock")
    }
}

impl Memory for Recollection {
    fn of(&self, peer: NodeId) -> Option<Committed> {
        self.replica.remembered(peer)
    }

    fn told(&self, peer: NodeId, of_this_node: Option<Committed>) {
        if let Some(remembered) = of_this_node {
            self.replica.recall(peer, remembered, self.life);
        }
        self.heard().insert(peer);
    }

    fn incarnation_that_counts(&self, node: NodeId) -> Option<u64> {
        self.views.current().catalog().node(node).map(|node| u64::from(node.incarnation))
    }

    fn superseded(&self, by: NodeId, counts: u64) {
        self.replica.suspect(Doubt::new(
            Cause::Behind,
            format!(
                "node {by} says that incarnation {counts} of this node counts, and this folder is of incarnation {}: it is \
                 from before a loss was accepted",
                self.life.incarnation
            ),
        ));
    }
}
