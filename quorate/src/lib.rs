//! The program: what ties the crates together and talks to the operating system.
//!
//! ```text
//!   main ──> program (the command line) ──┬─> serve ──> config ──> instance (HTTP server, node)
//!                                         ├─> dev ────────────────> several of them
//!                                         └─> quorate_cli ──> a node's HTTP port
//! ```

mod admin;
pub mod breakage;
mod commands;
pub mod config;
pub mod decoders;
pub mod dev;
pub mod instance;
pub mod process;
pub mod program;
mod share;

pub use instance::{Instance, InstanceConfig};
