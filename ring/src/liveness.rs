//! Who seems down, to one node: judged from signs of presence, and nothing but an order in which to ask.
//!
//! The signs are the frames of the connections that each node has to each member anyway. No third node is asked: what
//! matters is whether *this* node reaches the member.
//!
//! ```text
//!            connected, heard                       phi 5                  phi 8
//!   unknown ──────────────────> alive ──────────────────────> late ─────────────> down
//!      │  not connected           ▲  3 calls unanswered          │   not connected 300 ms
//!      └───────────> down         └──────────────────────────────┘   "I have not heard you" for 1.5 s
//!                      └───────────── steady for the time asked for ──────────────────┘
//! ```
//!
//! - *Phi accrual* (Hayashibara, Défago, Yared, Katayama: The φ Accrual Failure Detector, 2004): the silence since the last
//!   sign is held against the last intervals between signs. Phi 8: a silence so long was to be expected once in 10^8.
//! - *Mutual*: a member that says that it does not hear this node is down for it, however well it is heard. A cut in one
//!   direction is a cut.
//! - *Damped*: each fall within a minute doubles the time for which a member must be steady before it counts as alive
//!   again. A flapping member is simply down.
//!
//! # What is absent
//!
//! Sockets and clocks: the time and the signs are arguments. Agreement: two nodes may judge differently.

mod detector;

pub use detector::{Detector, Limits, Signs, Standing, Verdict, Why};

use quorate_model::NodeId;
use std::sync::Arc;

/// Which members seem down, or may be, to one node. Few at any time, so short ordered lists.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Liveness {
    down: Arc<[NodeId]>,
    late: Arc<[NodeId]>,
}

impl Liveness {
    /// No node seems down.
    pub fn all_alive() -> Self {
        Self::default()
    }

    /// These seem down, the others alive.
    pub fn with_down(nodes: impl IntoIterator<Item = NodeId>) -> Self {
        Self { down: ordered(nodes), ..Self::default() }
    }

    /// These too may be down: they are asked after those that seem alive.
    #[must_use]
    pub fn and_late(self, nodes: impl IntoIterator<Item = NodeId>) -> Self {
        Self { late: ordered(nodes), ..self }
    }

    /// Whether a node does not seem down. A late one is alive.
    pub fn is_alive(&self, node: NodeId) -> bool {
        self.down.binary_search(&node).is_err()
    }

    /// Whether a node may be down.
    pub fn is_late(&self, node: NodeId) -> bool {
        self.late.binary_search(&node).is_ok()
    }

    /// The nodes that seem down, ordered by id.
    pub fn down(&self) -> &[NodeId] {
        &self.down
    }
}

fn ordered(nodes: impl IntoIterator<Item = NodeId>) -> Arc<[NodeId]> {
    let mut nodes: Vec<NodeId> = nodes.into_iter().collect();
    nodes.sort_unstable();
    nodes.dedup();
    nodes.into()
}

#[cfg(test)]
mod tests;
