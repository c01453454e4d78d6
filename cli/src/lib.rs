//! The commands that talk to a cluster over HTTP: what an operator types, and what scripts rely on.
//!
//! ```text
//!   quorate get, table, status, ... ──> quorate_client ──> a node's HTTP port
//! ```
//!
//! # Invariants
//!
//! - Data goes to standard output and nothing else does; words go to standard error.
//! - The exit code says what happened ([`Exit`]); a write of unknown outcome has its own.
//! - Each error names the next step. What loses data asks for the name of what is lost, and `--yes` is no answer.
//! - Bytes of keys and values, and the words of a server, never reach a terminal unescaped, but for the value that
//!   `get` was asked for.
//!
//! # What is absent
//!
//! A node: these commands work against any, and the program adds those that run one.

mod auth;
mod backup;
pub mod bench;
mod bulk;
mod cluster;
pub mod columns;
mod command;
mod confirm;
mod context;
pub mod decoders;
pub mod document;
mod exit;
mod job;
mod key;
mod line;
mod mget;
mod node;
pub mod output;
pub mod plan;
mod progress;
pub mod quantity;
mod ring_picture;
mod scan;
mod shard;
mod status;
mod sync;
mod table;
mod token;
mod wait;
pub mod word;

pub use command::Command;
pub use context::{Context, Global, block_on};
pub use exit::{Exit, Failure};
