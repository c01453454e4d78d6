//! What a development cluster is made of.

use std::path::PathBuf;

/// Most nodes of a development cluster: each has an engine, threads and ports of its own.
pub const NODES_MAX: usize = 9;

/// What to build.
#[derive(Clone, Debug)]
pub struct Plan {
    /// How many nodes, from 1 to [`NODES_MAX`].
    pub nodes: usize,
    /// How many zones they are spread over, from 1 to the number of nodes.
    pub zones: usize,
    /// The first port; 0: whatever is free, for tests.
    pub port: u16,
    /// The folder that holds the nodes' folders.
    pub folder: PathBuf,
}
