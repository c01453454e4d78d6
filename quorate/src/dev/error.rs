//! Why a development cluster is not there, or does not do what it was told.

use super::plan::NODES_MAX;
use quorate_node::StartError;
use quorate_storage::IdentityError;
use std::time::Duration;
use thiserror::Error;

/// The table that is there from the start.
pub const TABLE: &str = "demo";

/// How long the nodes may take to be ready for their tables.
pub const READY_TIMEOUT: Duration = Duration::from_mins(1);

/// How long a further node may take to become a member, and to be known to the others.
pub const JOIN_TIMEOUT: Duration = Duration::from_secs(30);

/// Why the cluster is not there, or does not do what it was told.
#[derive(Debug, Error)]
pub enum Error {
    /// A node did not start.
    #[error("{name} did not start: {error}")]
    Start {
        /// Its name.
        name: String,
        /// Why.
        error: Box<StartError>,
    },
    /// A node's folder.
    #[error("{0}")]
    Folder(#[from] IdentityError),
    /// Nodes that run and are not ready.
    #[error("the nodes are not ready after {} s: {reason}", READY_TIMEOUT.as_secs())]
    NotReady {
        /// What the last one said.
        reason: String,
    },
    /// The table could not be made.
    #[error("the table {TABLE} could not be made: {0}")]
    Table(String),
    /// No such node.
    #[error("there is no node {name}; there are {names}")]
    NoSuchNode {
        /// What was asked for.
        name: String,
        /// What there is.
        names: String,
    },
    /// A further node that would have no number.
    #[error(
        "a development cluster numbers its nodes up to n{NODES_MAX}, and no number twice; nothing was done"
    )]
    Full,
    /// A further node that did not become a member.
    #[error(
        "{name} did not become a member within {} s: the catalog needs a majority of its voters for that",
        JOIN_TIMEOUT.as_secs()
    )]
    NotJoined {
        /// Its name.
        name: String,
    },
    /// Too few files for a further node.
    #[error("{0}")]
    OpenFiles(String),
    /// Nothing to do.
    #[error("{name} {state}; nothing was done")]
    Already {
        /// The node.
        name: String,
        /// Its state, as a half sentence.
        state: &'static str,
    },
}
