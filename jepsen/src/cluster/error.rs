//! Why there is no cluster to test.

use std::time::Duration;

use super::slot::SLOTS;
use crate::tool;

/// Why there is no cluster to test. Nothing was proved.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A folder, a log file or a port could not be had.
    #[error("{what}: {cause}")]
    Host {
        /// What was wanted.
        what: String,
        /// What the operating system said.
        cause: std::io::Error,
    },
    /// No run of free ports was found.
    #[error("no free ports on loopback; end other test clusters")]
    NoFreePorts,
    /// Hosts of their own need root.
    #[error(
        "hosts of their own need root; --hosts loopback runs processes on loopback, with the faults that need no root"
    )]
    NotRoot,
    /// As many runs as there may be are on this machine.
    #[error("{SLOTS} runs are on this machine already; let one of them end")]
    NoFreeSlot,
    /// A program of the system failed.
    #[error(transparent)]
    Tool(#[from] tool::Error),
    /// A node ended by itself.
    #[error("node {node} ended by itself: {how}")]
    Exited {
        /// Its name.
        node: String,
        /// Its exit status, and the end of its log.
        how: String,
    },
    /// A condition did not come in time.
    #[error("{what} did not come within {} s; last seen: {last}", waited.as_secs())]
    TooLate {
        /// What was waited for.
        what: String,
        /// For how long.
        waited: Duration,
        /// The last thing seen.
        last: String,
    },
}

impl Error {
    /// Of something of the operating system that could not be had.
    pub fn host(what: impl std::fmt::Display) -> impl FnOnce(std::io::Error) -> Error {
        move |cause| Error::Host { what: what.to_string(), cause }
    }
}
