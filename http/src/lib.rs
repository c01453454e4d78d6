//! The HTTP edge: text becomes requests to the core, and answers become text. It decides nothing about data.
//!
//! ```text
//!   socket ──> connection ──> edge ─────────> routes ──> keys, bulk, tables, cluster, health ──> Core
//!              timeouts       id, host,       the whole  parse (query, head, target, body),
//!              caps, drain    room, panics    one match  ask, answer; refuse with a Problem
//! ```
//!
//! # Invariants
//!
//! - Everything that is refused is refused before the core hears of it, with a sentence that says what happened to
//!   the data and what to do. There is one way to a refusal: [`problem`].
//! - A parameter or header that could weaken or condition a request is understood or refused, never ignored.
//! - A key is decoded once, from the path as it came. It is never part of a log line but escaped.
//! - Whatever a stranger may make this node hold has a limit ([`crate::limits`]).
//!
//! # What is absent
//!
//! TLS, tokens and CORS: a web page of another origin gets nothing. Compression: values are stored as they come.
//! Conditions on writes: a register cannot judge them.

mod answer;
mod app;
pub mod body;
mod broken;
mod budget;
mod bulk;
mod cluster;
mod connection;
pub mod decoders;
pub mod edge;
mod failures;
pub mod fault;
pub mod head;
mod health;
pub mod host;
mod jobs;
mod keys;
pub mod limits;
mod locate;
mod loss;
mod members;
pub mod metrics;
mod moves;
mod observe;
mod plans;
pub mod problem;
mod recover;
mod root;
mod routes;
mod scan;
mod scope;
pub mod server;
mod shards;
mod table_stats;
mod tables;
mod timers;
mod ui;
mod wire;

pub use app::App;
pub use edge::{Edge, Setup};
pub use health::described;
pub use host::Hosts;
pub use limits::{InForce, Limits};
pub use server::Server;
