//! The whole cluster in a seeded simulation.
//!
//! **The problem.** The bugs of a replicated database need three things to meet: a message that is late, a node that
//! dies, a client that tries again. On real machines they meet once a month. So here the cluster is small, the faults
//! are many, and time is a number: thousands of histories pass in a minute, and each can be seen again.
//!
//! ```text
//!           one seed
//!              │
//!     setting ─┴─ random ──> clients, faults, network, clocks, disks
//!                                │
//!     ┌──────────────── world: events in order of virtual time ───────────────┐
//!     │  client ──> coordinator machines ──> network ──> Replica, MemoryEngine │
//!     │             (the real ones)                      (the real ones)       │
//!     └──────────────────────────────┬──────────────────────────────────────┘
//!                                 history
//!                                    │
//!                 invariants (one file for each promise) ──> violations, or none
//! ```
//!
//! **The real parts** are everything that decides: the coordinator's machines with their sessions, the pages of scans,
//! the replay of hints, the rounds of sync, the runs of the purge, the ring's plans and layouts, the replica with the committer's queue, and what
//! is remembered of peers. **The simulated parts** are everything that does: what carries messages, the network, clocks,
//! disks, power and the lag of the catalog.
//!
//! **Two phases.** First everything breaks, and what clients were told must stay true. Then everything is healed,
//! and the cluster must make progress and come together within a bound.
//!
//! **Invariants of the simulator itself**
//! - One seed decides all. The same seed tells the same story, byte for byte; a test compares them.
//! - A suite that cannot fail proves nothing: each rule of the protocol has a [`quorate_model::Mutant`] that breaks
//!   exactly it, and a test demands that the suite catches every one, in a promise that guards that rule ([`mutants`]).
//! - What is meant to go wrong does: what histories meet is counted ([`coverage`]), and a test demands enough of it.
//! - Each decision has a stream of chance of its own ([`random`]), so that a failing history can be cut down, thing by
//!   thing, to the shortest one that fails in the same promise ([`shrink`]).
//! - Whatever the history knows beyond what clients saw (who made a version, what a replica stored) is used to tell
//!   sooner, never to excuse.
//!
//! **Left out**: consensus on the
//! catalog, of which only its promise is simulated (each node has heard a prefix of one log); and everything
//! below the engine, which the storage crate's conformance suite and the black-box runs cover.

pub mod brief;
pub mod client;
pub mod clock;
pub mod cluster;
pub mod coverage;
pub mod cut;
mod cutting;
pub mod drive;
pub mod faults;
pub mod handshake;
pub mod heal;
pub mod heard;
pub mod history;
pub mod invariants;

pub mod event;
pub mod filling;
pub mod message;
pub mod moving;
pub mod mutants;
mod network;
pub mod node;
mod purge;
pub mod random;
pub mod replay;
pub mod run;
pub mod scan;
pub mod schedule;
pub mod serve;
pub mod setting;
pub mod shrink;
pub mod story;
mod sums;
#[cfg(feature = "mutants")]
mod sweep;
mod sync;
pub mod versions;
mod walk;
pub mod world;

pub use cut::Case;
pub use invariants::{Invariant, Violation};
pub use run::{Report, run};
pub use story::Telling;
