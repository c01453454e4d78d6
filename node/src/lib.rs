//! One running node: what holds its replica, its links and its consensus together, and nothing of HTTP.
//!
//! ```text
//!   Core (what the HTTP edge asks) ──> drive (runs the coordinator's machines) ──> switch ──┬─> links ──> other nodes
//!     └─> control (consensus, catalog) ──> views                                            └─> peer ──> replica
//! ```

mod access_note;
pub mod automatic;
mod background;
mod clock;
pub mod conduct;
pub mod control;
pub mod core;
pub mod decoders;
mod drive;
mod ended;
mod engine;
mod fill;
#[cfg(test)]
mod fixtures;
mod heal;
mod heat;
pub mod hints;
pub mod jobs;
mod leftover;
pub mod liveness;
pub mod node;
mod owners;
pub mod peer;
pub mod purge;
mod recollection;
mod recovering;
mod recovery;
mod scan;
mod sums;
mod switch;
pub mod sync;
mod views;

pub use ended::Ended;
pub use fill::FillLimits;
pub use node::{Entry, Node, NodeConfig, Runtime, StartError, StorageConfig};
pub use quorate_consensus::PANICKED;
pub use quorate_transport::bind;
