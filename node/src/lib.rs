//! The process: sockets, tasks, HTTP, and the running node.

pub mod breakage;
pub mod cli;
pub mod clock;
pub mod config;
pub mod control;
pub mod core;
pub mod decoders;
pub mod dev;
pub mod drive;
pub mod engine;
pub mod hints;
pub mod http;
pub mod limits;
pub mod metrics;
pub mod node;
pub mod peer;
pub mod process;
pub mod recollection;
pub mod switch;
pub mod transport;
pub mod views;

pub use node::{Entry, Node, NodeConfig, StartError};
