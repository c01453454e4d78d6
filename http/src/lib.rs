//! The HTTP edge: text becomes requests to the core, and answers become text. It decides nothing about data.
//!
//! ```text
//!   socket ──> connection ──> edge ─────────> routes ──> keys, bulk, tables, cluster, health ──> Core
//!              timeouts       id, host,       the whole  parse (query, head, target, body),
//!              caps, drain    room, panics    one match  ask, answer; refuse with a Problem
//!                                             may it?
//! ```
//!
//! # Invariants
//!
//! - Everything that is refused is refused before the core hears of it, with a sentence that says what happened to
//!   the data and what to do. There is one way to a refusal: [`problem`].
//! - A parameter or header that could weaken or condition a request is understood or refused, never ignored.
//! - A key is decoded once, from the path as it came. It is never part of a log line but escaped.
//! - Whatever a stranger may make this node hold has a limit ([`crate::limits`]).
//! - Where access control is on, no handler is reached before it is known who asks and that it may ([`access`]).
//!
//! # What is absent
//!
//! TLS and CORS: a web page of another origin gets nothing. Compression: values are stored as they come.
//! Conditions on writes: a register cannot judge them.

pub mod access;
mod acts;
mod admit;
mod answer;
mod app;
pub mod audit;
pub mod body;
mod broken;
mod budget;
mod bulk;
pub mod certificate;
mod cluster;
mod connection;
pub mod decoders;
pub mod edge;
mod ends;
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
mod roles;
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
mod users;
mod wire;

pub use access::AccessSetup;
pub use app::App;
pub use audit::AuditSetup;
pub use edge::{Edge, Setup};
pub use health::described;
pub use host::Hosts;
pub use limits::{InForce, Limits};
pub use server::Server;
