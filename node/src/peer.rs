//! What peers (and this node's own coordinator) ask of this node's replica, and of its control plane.
//!
//! ```text
//!   peer ──> Server ──> Peers ──┬─ data, batch ──> Local ──┬─ reads: block cache, or else the disk pool
//!                               │                          └─ writes: the committer
//!   own coordinator ────────────┼────────────────────┘
//!                               └─ consensus, control ──> Control
//! ```
//!
//! # Invariants
//!
//! - Nothing here blocks the reactor: a read that is not in memory goes to a bounded pool, a write to the committer.
//! - A refusal is a promise that nothing was stored. `Behind` is answered only after waiting for the catalog, since the
//!   epoch that the sender knows is on its way here too.
//! - What panics is counted and answered by silence (the caller finds its call lost); it never ends the node.

mod admission;
mod batch;
mod local;
mod service;

pub use batch::{BATCH_ITEMS_MAX, answers, requests};
pub use local::{DiskReads, Local, ReadLimits};
pub use service::Peers;
