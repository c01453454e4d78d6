//! Whether a replica can be relied on.

use super::Replica;
use crate::doubt::Doubt;
use crate::engine::Engine;

/// Whether a replica can be relied on, for health pages.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ReplicaHealth {
    /// Why everything is refused; `None`: nothing is wrong.
    pub doubt: Option<Doubt>,
    /// Whether writes are refused for want of space.
    pub disk_full: bool,
}

impl<E: Engine> Replica<E> {
    /// Whether this replica can be relied on.
    pub fn health(&self) -> ReplicaHealth {
        ReplicaHealth { doubt: self.engine.doubt(), disk_full: self.is_disk_full() }
    }
}
