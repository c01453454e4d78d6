//! What a process that runs nodes does once: open files, the rights of new files, logs, panics, signals.

mod floods;
mod log;
mod signals;

pub use log::{
    LogFile, LogFileError, LogFormat, flush_log, log_filter, log_panics, start_logging, start_logging_into,
};
pub use signals::StopSignal;

use rustix::fs::Mode;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit, umask};
use thiserror::Error;

/// Open files that a node needs beside connections and tables: RocksDB's logs, listening sockets, the process's own.
const OPEN_FILES_RESERVE: u64 = 64;

/// Why this process can't run a node. Nothing was started.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum Error {
    /// Too few open files allowed.
    #[error(
        "this process may open {allowed} files and needs {needed} ({connections} client connections and {} for storage \
         and peers): raise the hard limit (ulimit -Hn, or LimitNOFILE in a unit file), or lower limits.connections_max \
         or rocksdb.open_files_max",
        .needed - .connections
    )]
    OpenFiles {
        /// The hard limit.
        allowed: u64,
        /// What is needed.
        needed: u64,
        /// Client connections among them.
        connections: u64,
    },
    /// A filter that is none.
    #[error(
        "log_filter '{filter}' is no filter: write error, warn, info, debug or trace, or a list such as info,quorate_http=debug"
    )]
    LogFilter {
        /// What was given.
        filter: String,
    },
    /// No threads.
    #[error("no thread could be started: {0}")]
    Threads(String),
    /// No signals.
    #[error("signals cannot be waited for: {0}")]
    Signals(String),
}

/// Open files of one node, by what they are for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OpenFiles {
    /// Connections of clients.
    pub connections: usize,
    /// Connections to and from members.
    pub peers: usize,
    /// Table files.
    pub tables: usize,
}

/// Raises the soft limit of open files to the hard one, and makes sure that so many nodes can live with it.
pub fn raise_open_files(of_one: OpenFiles, nodes: usize) -> Result<(), Error> {
    let limit = getrlimit(Resource::Nofile);
    // A limit that can't be raised is judged as it is.
    let _unraised = setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, maximum: limit.maximum });
    // No limit at all is none.
    let allowed = getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX);
    let connections = (of_one.connections * nodes) as u64;
    let needed = connections + ((of_one.peers + of_one.tables) as u64 + OPEN_FILES_RESERVE) * nodes as u64;
    if allowed < needed { Err(Error::OpenFiles { allowed, needed, connections }) } else { Ok(()) }
}

/// From now on what this process makes is for its user alone: folders 0700, files 0600, RocksDB's too.
pub fn keep_files_private() {
    umask(Mode::RWXG | Mode::RWXO);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_with_too_few_files_says_how_many_it_needs() {
        let of_one = |connections| OpenFiles { connections, peers: 100, tables: 64 };
        let error = raise_open_files(of_one(1 << 40), 1).expect_err("no machine has so many");
        assert!(
            error.to_string().contains("LimitNOFILE") && error.to_string().contains("228 for storage"),
            "{error}"
        );
        raise_open_files(of_one(16), 1).expect("every machine has so many");
    }
}
