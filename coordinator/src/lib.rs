//! How a read or a write reaches its quorum: decides, never does.
//!
//! # The problem
//!
//! A client asks for one key; N owners hold it, some of which are slow, gone, behind or back from the dead. How many
//! must answer, what may be said when they disagree, and what is certain when they fall silent? These decisions
//! are where quorum stores lose data, and they are hard to test where they are tangled with sockets.
//!
//! # The idea
//!
//! Each operation is a state machine without I/O (`machine.rs`): told of a start, an answer, a failure or a moment, it
//! says what to send, what to answer, and when it is done. Quorums are counted by small pure objects over *sets*
//! of owners (`owners.rs`), so that a shard that moves (two sets) needs no special path.
//!
//! ```text
//!   put ──┬── round one ──> gather ───┐
//!         ├── retry ──> fetch ────────┼──> round two ──> Respond ──> settle (hints)
//!         └── assign (`one`) ─────────┘
//!   get ───── gather ──> judge ──┬──> Respond ──> repair
//!                                └──> round two (repair before the answer) ──> Respond
//!   scan ──┬─ segment ── gather ──> side by side ──> Respond      operations of their own,
//!          └─ get, for each key that owners differ on             one after the other
//! ```
//!
//! # Invariants
//!
//! - One write has one version, however often it is sent; a newer plan changes where it goes, never what it is.
//! - Nothing is answered as acknowledged that fewer than W owners durably hold. Hints never count.
//! - *Not applied* is said only when no owner can have the record; everything else that fails is *unknown*.
//! - At `quorum` and above a read answers only what a write quorum holds.
//! - Every machine ends: each call is answered, failed, or outlived by a deadline.
//!
//! Each rule of the protocol is a function with a name (the folder `rules`), and the mutants that break it are there; the
//! machines read as the protocol. The rules' page is `docs/rules.md`.
//!
//! # What is absent
//!
//! No clock, no randomness, no sockets, no storage, no knowledge of hash or range. What drives these machines is the
//! process (`node`) or the simulator (`tests`). Compare-and-set comes with its tables.

pub mod answer;
pub mod context;
pub mod fill;
pub mod get;
mod machine;
pub mod order;
mod owners;
mod plans;
pub mod purge;
mod put;
pub mod replay;
pub mod scan;
pub mod session;
pub mod sync;

mod calls;
mod course;
mod few;
mod gather;
mod need;
mod round_two;
mod rules;
mod settling;
#[cfg(test)]
mod story;

pub use answer::{GetAnswer, GetError, Lowered, Outcome, PutAnswer, PutError, ReplicaReport, ReplicaResult};
pub use context::{Context, Timing};
pub use get::{Get, Question};
pub use machine::{Ask, Call, Effect, EffectOf, Failure, Input, InputOf, Machine};
pub use order::{Attempt, Order};
pub use plans::Plans;
pub use put::Put;
pub use replay::{Replay, ReplayLimits};
pub use rules::closing::answers;
pub use scan::Scan;
pub use session::{Action, ActionOf, Ended, EndedOf, Position, Said, Session, Subject};
pub use sync::{Exchange, ExchangeLimits, SyncLimits};
