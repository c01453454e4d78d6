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
//! - A change is answered once every member that can be reached has applied it: a client that was told that a table
//!   exists can use it through any node.
//! - A change that takes something away (a drop, another durability) is answered once enough owners durably refuse what
//!   was before (`closing.rs`), those too that could not be reached at first.
//!
//! # What is left out
//!
//! What a member does with its shards when it comes or goes: jobs of the catalog carry that out (`conduct.rs`).

pub mod closing;
mod figures;
mod find;
mod forget;
pub mod found;
pub mod hand_on;
mod healing;
mod jobs;
pub mod living;
mod log_end;
mod messages;
mod moving;
pub mod page;
mod propose;
mod proposed;
pub mod publish;
pub mod replace;
mod report;
mod tended;
mod traffic;
pub mod voters;

pub use find::find_members;
pub use found::{JoinError, Joined, cluster_at, join, replace};
pub use healing::{Healing, LACKS_MAX, ShardLack};
pub use living::Living;
pub use messages::{ControlReply, ControlRequest, DiskState, LogEnd, Replacement, Report, ShardFigure};
pub use moving::{CopySaid, Moving};
pub use page::WAITING;
pub use proposed::{ProposeError, Proposed};
pub use tended::Tended;
pub use traffic::{Answered, Traffic};

use crate::engine::Replica;
use crate::heat::Meter;
use crate::jobs::Books;
use crate::views::Views;
use quorate_consensus::{Consensus, Openraft};
use quorate_model::{Boot, NodeId};
use quorate_transport::Links;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, OnceLock};
use tokio::sync::{Mutex, watch};
use tokio::time::Instant;

/// The control plane of one node.
pub struct Control {
    node: NodeId,
    /// The cluster's name by this node's folder; its id is the links'. The catalog knows those that it was founded with, and a
    /// cluster that was cloned has others.
    cluster_name: String,
    consensus: Arc<Openraft>,
    links: Arc<Links>,
    views: Arc<Views>,
    replica: Arc<Replica>,
    meter: Arc<Meter>,
    books: Arc<Books>,
    /// When the others were last asked for their epoch; held while they are.
    refreshed: Mutex<Option<(Instant, bool)>>,
    /// Held while this node, as the leader, changes who takes part.
    changing: Mutex<()>,
    /// Processes that were let in as members whose data are gone, and when: while this node leads.
    let_in: std::sync::Mutex<BTreeMap<NodeId, (Boot, Instant)>>,
    /// Held while the fence is noted on the disk.
    noting: Arc<Mutex<()>>,
    /// Says what this node has answered its clients, once something stands before it that counts them.
    traffic: OnceLock<Box<dyn Fn() -> Traffic + Send + Sync>>,
}

impl Control {
    /// Over a consensus that runs, or that is silent.
    pub fn new(
        node: NodeId,
        cluster_name: String,
        consensus: Arc<Openraft>,
        links: Arc<Links>,
        views: Arc<Views>,
        (replica, meter): (Arc<Replica>, Arc<Meter>),
        books: Arc<Books>,
    ) -> Arc<Self> {
        Arc::new(Self {
            node,
            cluster_name,
            consensus,
            links,
            views,
            replica,
            meter,
            books,
            refreshed: Mutex::default(),
            changing: Mutex::default(),
            let_in: std::sync::Mutex::default(),
            noting: Arc::default(),
            traffic: OnceLock::new(),
        })
    }

    /// The leader, as this node knows it; `None` while there is none with a majority.
    pub fn leader(&self) -> Option<NodeId> {
        self.consensus.leader()
    }

    /// Whether this node leads now.
    pub fn leads(&self) -> bool {
        self.consensus.is_leader()
    }

    /// Says when something about consensus has changed.
    pub fn changes(&self) -> watch::Receiver<u64> {
        self.consensus.changes()
    }

    /// The views.
    pub fn views(&self) -> &Arc<Views> {
        &self.views
    }

    /// This node.
    pub fn node(&self) -> NodeId {
        self.node
    }

    /// Whether this node began without consensus, since it doubts its disk: its catalog will never be newer.
    pub fn is_silent(&self) -> bool {
        self.consensus.is_silent()
    }

    /// Who votes, as this node's own consensus knows it.
    pub fn voters(&self) -> BTreeSet<NodeId> {
        self.consensus.membership().voters
    }

    /// From now on this says what the node has answered its clients. The first to be given is asked.
    pub fn count_traffic(&self, count: impl Fn() -> Traffic + Send + Sync + 'static) {
        let _later = self.traffic.set(Box::new(count));
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
