//! HTTP edge (draft).
pub mod body;
pub mod code;
mod connection;
pub mod edge;
pub mod head;
pub mod host;
pub mod problem;
mod pulse;
pub mod query;
pub mod server;
pub mod target;
pub mod text;
mod wire;
