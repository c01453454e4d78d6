//! The control plane of one node: consensus on the catalog, and what is done around it.
//!
//! ```text
//!   propose ──> leader? ── yes ──> Consensus::write ──> Catalog::apply on every node ──> Publisher ──> views
//!                  └────── no ───> the leader, over the urgent lane
//! ```
//!
//! # Invariants
//!
//! - Key traffic never waits for anything here. A node works from the last catalog that it applied, from its own disk
//!   after a restart, with or without a majority.
//! - A change that is reported as *not applied* was handed to no log. What was handed to one and not confirmed is
//!   *unknown*; commands carry a request id where a repetition must find the first one's result.
//! - A change is answered once every member that can be reached has applied it: whoever was told that a table exists
//!   can use it through any node.
//!
//! # What is left out
//!
//! Replacing a voter that stays away (an operator's `replace`), recovery without a majority, and jobs: they come with
//! moves.

pub(crate) mod find;
mod forget;
pub(crate) mod found;
mod messages;
mod propose;
pub mod publish;
pub mod raft;
mod report;
pub mod voters;

pub use find::find_members;
pub use found::{JoinError, cluster_at, join};
pub use messages::{ControlReply, ControlRequest, DiskState};
pub use report::Report;

use crate::engine::Replica;
use crate::transport::Links;
use crate::views::Views;
use quorate_model::NodeId;
use quorate_ring::{Command, Receipt, Rejection};
use std::collections::BTreeSet;
use std::sync::Arc;
use tokio::sync::{Mutex, watch};
use tokio::time::Instant;

/// Consensus on a log of commands, as the rest of the node wants it.
pub trait Consensus: Send + Sync + 'static {
    /// Makes this node the only voter of a new cluster. Harmless if it is one already.
    fn found(&self) -> impl Future<Output = Result<(), String>> + Send;

    /// Writes a command, if this node leads; answers with what `Catalog::apply` said on this node.
    fn write(
        &self,
        command: Command,
        deadline: Instant,
    ) -> impl Future<Output = Result<Result<Receipt, Rejection>, WriteError>> + Send;

    /// The leader, if there is one with a majority as far as this node knows.
    fn leader(&self) -> Option<NodeId>;

    /// Whether this node leads, with a majority.
    fn is_leader(&self) -> bool;

    /// Who votes and who learns.
    fn membership(&self) -> MembershipNow;

    /// Begins to send a member the log.
    fn add_learner(&self, node: NodeId) -> impl Future<Output = Result<(), String>> + Send;

    /// Takes a member out of consensus altogether: it neither votes nor is sent the log, until it is added anew.
    fn remove(&self, node: NodeId) -> impl Future<Output = Result<(), String>> + Send;

    /// Changes who votes.
    fn set_voters(&self, voters: BTreeSet<NodeId>) -> impl Future<Output = Result<(), String>> + Send;

    /// Counts changes of the leader, the membership and the applied log.
    fn changes(&self) -> watch::Receiver<u64>;

    /// Stops it in order.
    fn stop(&self) -> impl Future<Output = ()> + Send;
}

/// Who takes part in consensus, as the leader sees it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct MembershipNow {
    /// Who votes.
    pub voters: BTreeSet<NodeId>,
    /// Everybody who is sent the log.
    pub members: BTreeSet<NodeId>,
    /// Members that miss next to nothing.
    pub up_to_date: BTreeSet<NodeId>,
    /// Whether a change is under way.
    pub changing: bool,
}

/// Why a command was not written here, or whether nobody knows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum WriteError {
    /// This node does not lead, as it found before it handed the command to its log; perhaps that one does. Not
    /// written.
    NotLeader(Option<NodeId>),
    /// It led and has lost its majority. Not written.
    NoMajority,
    /// Consensus does not run on this node. Not written.
    Stopped(String),
    /// It was handed to the log and nobody confirmed it: it is there, was cut off again by another leader, or came
    /// to nothing.
    Unknown(String),
}

/// The control plane of one node.
pub struct Control {
    node: NodeId,
    consensus: Arc<raft::Openraft>,
    links: Arc<Links>,
    views: Arc<Views>,
    replica: Arc<Replica>,
    /// When the others were last asked for their epoch; held while they are.
    refreshed: Mutex<Option<Instant>>,
    /// Held while this node, as the leader, changes who takes part.
    changing: Mutex<()>,
}

impl Control {
    /// Over a consensus that runs, or that is silent.
    pub fn new(
        node: NodeId,
        consensus: Arc<raft::Openraft>,
        links: Arc<Links>,
        views: Arc<Views>,
        replica: Arc<Replica>,
    ) -> Arc<Self> {
        let (refreshed, changing) = (Mutex::default(), Mutex::default());
        Arc::new(Self { node, consensus, links, views, replica, refreshed, changing })
    }

    /// The leader, as this node knows it; `None` while there is none with a majority.
    pub fn leader(&self) -> Option<NodeId> {
        self.consensus.leader()
    }

    /// Whether this node began without consensus, since it doubts its disk: its catalog will never be newer.
    pub fn is_silent(&self) -> bool {
        self.consensus.is_silent()
    }

    /// Who votes, as this node's own consensus knows it.
    pub fn voters(&self) -> BTreeSet<NodeId> {
        self.consensus.membership().voters
    }

    /// Stops consensus on this node.
    pub async fn stop(&self) {
        self.consensus.stop().await;
    }

    /// Carries out a peer's message of consensus; returns the encoded answer.
    pub async fn serve_consensus(&self, payload: &[u8]) -> Vec<u8> {
        let answer = self.consensus.serve(payload).await;
        minicbor::to_vec(answer).expect("encoding into memory cannot fail")
    }
}
