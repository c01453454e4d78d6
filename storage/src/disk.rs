//! Which engine a running node stores in: the one place that names it.

/// The engine of every node.
pub type Engine = crate::RocksEngine;

/// A replica over it.
pub type Replica = crate::Replica<Engine>;
