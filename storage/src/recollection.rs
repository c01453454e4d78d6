//! What this node and its peers remember of each other, so that a node that lost the end of its log knows it.
//!
//! ```text
//!   this node answers ──> Answer { reply, committed } ──> the asker remembers, before the reply counts
//!   each handshake    <── "you had come so far"       <── told and judged before anything is answered
//! ```
//!
//! Between two nodes nothing is answered before each has told the other what it remembers of it. Beyond that, a node
//! that starts again listens to *all* members that it can reach before it answers a request or votes, a moment at most
//! ([`LISTEN_MAX`]): the one that remembers most may not be the one that asks first.
//!
//! Plain code without threads or clocks of its own: the node and the simulator carry its words.
//!
//! Left out: certainty while members are away. What only an absent member has seen is missed until it is back; the
//! guarantees say so.

use crate::doubt::{Cause, Doubt};
use crate::engine::Engine;
use crate::replica::Replica;
use quorate_model::{Answer, Boot, Committed, NodeId, Run};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// How long a node that starts listens for what the members remember of it.
pub const LISTEN_MAX: Duration = Duration::from_secs(1);

/// See the module's essay.
#[derive(Debug)]
pub struct Recollection<E> {
    replica: Arc<Replica<E>>,
    node: NodeId,
    run: Run,
    /// The boot ids that the folder has had; none where it has no such file.
    boots: BTreeSet<Boot>,
    /// Who has told this start of the node what it remembers, and what it told last.
    heard: Mutex<BTreeMap<NodeId, Option<Committed>>>,
    /// The incarnation that counts in the place of this one, as a member has said; 0: none has said so.
    counts: AtomicU64,
}

impl<E: Engine> Recollection<E> {
    /// Of a node that runs so over this replica.
    pub fn new(replica: Arc<Replica<E>>, node: NodeId, run: Run) -> Self {
        Self {
            replica,
            node,
            run,
            boots: BTreeSet::new(),
            heard: Mutex::default(),
            counts: AtomicU64::new(0),
        }
    }

    /// The same, on a folder that has had these boot ids.
    #[must_use]
    pub fn on_folder(self, boots: BTreeSet<Boot>) -> Self {
        Self { boots, ..self }
    }

    /// Which run of the node it is.
    pub fn run(&self) -> Run {
        self.run
    }

    /// How far this node has come; `None` while it doubts its disk.
    pub fn committed(&self) -> Option<Committed> {
        self.replica.committed().map(|counter| Committed { run: self.run, counter })
    }

    /// What this node answers a peer: the reply, with how far it has come by now.
    pub fn answer<T>(&self, reply: T) -> Answer<T> {
        Answer::new(reply, self.committed())
    }

    /// The reply of a peer's answer. How far the peer has come is remembered before.
    pub fn open<T>(&self, by: NodeId, answer: Answer<T>) -> T {
        answer.open(|committed| self.remember(by, committed))
    }

    /// Remembers how far a peer has come, if it says so.
    pub fn remember(&self, peer: NodeId, committed: Option<Committed>) {
        if let Some(committed) = committed.filter(|_| peer != self.node) {
            self.replica.remember(peer, committed);
        }
    }

    /// What this node tells a peer in the handshake: how far that peer had come.
    pub fn tells(&self, peer: NodeId) -> Option<Committed> {
        self.replica.remembered(peer)
    }

    /// Another process with this node's id that a peer has met since it told this start of the node something else: a
    /// copy of the folder was started. What such a process did is nothing that this one lost, so it is not told to the
    /// replica; but the peer counts on it, so nothing may pass between the two.
    pub fn met_copy(&self, by: NodeId, of_this_node: Option<Committed>) -> Option<Boot> {
        let remembered = of_this_node?;
        let boot = remembered.run.boot;
        let said_before = self.heard().get(&by).copied();
        remembered.proves_copy(self.run, self.boots.contains(&boot), said_before).then_some(boot)
    }

    /// A peer tells what it remembers of this node. The replica becomes doubtful if it is more than there is; whether
    /// it did.
    pub fn told(&self, by: NodeId, of_this_node: Option<Committed>) -> bool {
        let lost = of_this_node.is_some_and(|remembered| self.replica.recall(by, remembered, self.run));
        self.heard().insert(by, of_this_node);
        lost
    }

    /// A peer says that another incarnation of this node counts: then this folder is from before a loss, and the member went
    /// on without it.
    pub fn superseded(&self, by: NodeId, counts: u64) {
        self.counts.fetch_max(counts, Ordering::Relaxed);
        self.replica.mark_doubtful(Doubt::new(
            Cause::Behind,
            format!(
                "node {by} says that incarnation {counts} of this node counts, and this folder is of incarnation {}: it is \
                 from before the member went on, and nothing brings it back",
                self.run.incarnation
            ),
        ));
    }

    /// The incarnation that counts in the place of this one, if a member has said so to this start of the node: a later folder
    /// of it exists, or has.
    pub fn counts_instead(&self) -> Option<u64> {
        Some(self.counts.load(Ordering::Relaxed)).filter(|counts| *counts > 0)
    }

    /// Those of the members that have not told this start of the node what they remember of it.
    pub fn unheard(&self, members: impl IntoIterator<Item = NodeId>) -> Vec<NodeId> {
        let heard = self.heard();
        members.into_iter().filter(|member| *member != self.node && !heard.contains_key(member)).collect()
    }

    fn heard(&self) -> MutexGuard<'_, BTreeMap<NodeId, Option<Committed>>> {
        // Every change of it is complete, even after a panic elsewhere.
        self.heard.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
