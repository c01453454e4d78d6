//! What a cluster is made of.

use std::path::PathBuf;
use std::sync::Arc;

use super::clock::Clock;
use super::slot::Slot;

/// What distinguishes one node from the others.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NodeShape {
    /// Its zone; `None` leaves it to the node's default.
    pub zone: Option<String>,
    /// Its weight; `None` leaves it to the node's default.
    pub weight: Option<u32>,
}

/// What a cluster is made of.
#[derive(Clone, Debug)]
pub struct Plan {
    /// The `quorate` binary.
    pub binary: PathBuf,
    /// The one of the version before, which nodes run until they are upgraded; without it they run the other one at once.
    pub previous: Option<PathBuf>,
    /// Where the nodes' folders and logs go. Must be empty or not there.
    pub folder: PathBuf,
    /// The nodes, named n1, n2 and so on.
    pub nodes: Vec<NodeShape>,
    /// Where each node gets a host of its own; without it all are processes on loopback.
    pub slot: Option<Arc<Slot>>,
    /// How large a disk of its own each node gets; without it they have folders. Needs a slot.
    pub disk_bytes: Option<u64>,
    /// The clock that each node gets; without it they have the machine's.
    pub clock: Option<Clock>,
    /// Whether the binary takes the path of the machine's boot id.
    pub knows_boot_ids: bool,
    /// More variables of the nodes' environment.
    pub environment: Vec<(String, String)>,
    /// What the binary runs under, as the beginning of its command line; empty: nothing.
    pub under: Vec<String>,
}
