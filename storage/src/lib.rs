//! What one node durably holds.
//!
//! The promise of a quorum is only as good as the disks below it: an owner that acknowledges and then forgets turns
//! a majority into a minority unnoticed. So this crate is about two words, *durable* and *doubtful*:
//!
//! ```text
//!   requests                questions
//!      │                        │
//!  Committer (one thread)       │            RaftStore (consensus log)      Identity (a file)
//!      │ batches                │                 │
//!      └─> Replica::apply   Replica::read         │
//!               └──────┬────────┘                 │
//!                   Engine: one log, atomic batches, four families
//!                   ├── RocksEngine    a disk
//!                   └── MemoryEngine   the simulator's disk: crashes, errors, damage, no space, on demand
//! ```
//!
//! A sync costs about as much as a few hundred requests, so the committer gathers whatever waits into one batch and
//! one sync. Everything else is plain, single-threaded code over the engine trait: the simulator calls
//! [`Replica`] directly, and both engines pass one conformance suite.
//!
//! # Invariants
//!
//! - Nothing is acknowledged before it is as durable as was asked for, whichever caller stored it.
//! - After any doubt about the disk (a failed sync, a checksum, a damaged log) the replica refuses everything, also
//!   after a restart; it never answers "not found" out of ignorance.
//! - A refusal means that nothing was stored. If that can't be promised the answer is
//!   [`Reply::Broken`](quorate_model::Reply::Broken).
//! - Nothing above this crate knows RocksDB, and nothing here knows nodes, rings, quorums or tokio.
//!
//! What the records of each piece of a table add up to is kept while they change (`sums.rs`).
//!
//! Each rule of the protocol that a replica keeps is a function with a name ([`rules`]), and the mutants that break it
//! are there. The rules' page is `docs/rules.md`.
//!
//! # What is left out
//!
//! No clock (deadlines of the committer excepted): nothing is dropped because of its age. No shards: a shard is an
//! interval of keys, so that a split or a merge rewrites nothing. No cache of records: RocksDB has one.

mod acceptance;
mod boots;
mod cloning;
mod committer;
pub mod decoders;
pub mod disk;
mod doubt;
pub mod engine;
mod file;
pub mod floors;
pub mod identity;
pub mod keys;
pub mod ledger;
mod limits;
mod memory;
mod privacy;
mod raft_store;
pub mod recollection;
mod replica;
pub mod rocks;
pub mod rules;
mod run_note;
mod sums;

pub use acceptance::{Acceptance, AcceptanceError, ConsensusFate, DataFate, ReadAll};
pub use boots::{last_boot, note_boot};
pub use cloning::{CloneError, clone_as};
pub use committer::{CommitQueue, Committer, CommitterStatistics, Complete};
pub use doubt::{Cause, Doubt};
pub use engine::{Engine, EngineError, EngineStatistics, Family, PageLimit, ReadTier};
pub use identity::{Identity, IdentityError, Stage};
pub use limits::{CommitterLimits, ReplicaLimits};
pub use memory::{Fault, MemoryEngine};
pub use privacy::{PrivacyError, keep_private};
pub use raft_store::{RaftEntry, RaftStore};
pub use recollection::Recollection;
pub use replica::{ClearError, OwnerHints, Replica, ReplicaHealth, ReplicaStatistics};
pub use replica::{Recount, Standing, SumsSetting};
pub use rocks::{OpenError, OpenMode, RocksEngine, RocksOptions};
pub use run_note::{RunNote, machine_run};
pub use sums::SumStatistics;
pub use sums::chunks::Figure;
pub use sums::item::Total;
