//! Why there is no cluster to test.

use std::fmt;
use std::time::Duration;

use super::slot;
use crate::tool;

/// Why there is no cluster to test. Nothing was proved.
#[derive(Debug)]
pub enum Error {
    /// A folder, a log file or a port could not be had.
    Host {
        /// What was wanted.
        what: String,
        /// What the operating system said.
        cause: std::io::Error,
    },
    /// No run of free ports was found.
    NoFreePorts,
    /// Hosts of their own need root.
    NotRoot,
    /// As many runs as there may be are on this machine.
    NoFreeSlot,
    /// A program of the system failed.
    Tool(tool::Error),
    /// A node ended by itself.
    Exited {
        /// Its name.
        node: String,
        /// Its exit status, and the end of its log.
        how: String,
    },
    /// A condition did not come in time.
    TooLate {
        /// What was waited for.
        what: String,
        /// For how long.
        waited: Duration,
        /// The last thing seen.
        last: String,
    },
}

impl fmt::Display for Error {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Error::Host { what, cause } => write!(formatter, "{what}: {cause}"),
            Error::NoFreePorts => formatter.write_str("no free ports on loopback; end other test clusters"),
            Error::NotRoot => formatter.write_str(
                "hosts of their own need root; --hosts loopback runs processes on loopback, with the faults that need \
                 no root",
            ),
            Error::NoFreeSlot => {
                write!(formatter, "{} runs are on this machine already; let one of them end", slot::SLOTS)
            }
            Error::Tool(error) => error.fmt(formatter),
            Error::Exited { node, how } => write!(formatter, "node {node} ended by itself: {how}"),
            Error::TooLate { what, waited, last } => {
                write!(formatter, "{what} did not come within {} s; last seen: {last}", waited.as_secs())
            }
        }
    }
}

impl std::error::Error for Error {}

impl From<tool::Error> for Error {
    fn from(error: tool::Error) -> Error {
        Error::Tool(error)
    }
}
