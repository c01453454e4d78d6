//! Which storage engine a node runs on.

pub use quorate_storage::disk::{Engine, Replica};
