//! Which storage engine a node runs on: the one place that names it.

/// The engine of every node.
pub type Engine = quorate_storage::RocksEngine;

/// A replica over it.
pub type Replica = quorate_storage::Replica<Engine>;
