//! What a process that runs nodes does once: open files, logs, panics, signals.

use crate::config::LogFormat;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use std::fs::{File, TryLockError};
use std::io::{IsTerminal, Write};
use std::panic::PanicHookInfo;
use std::path::Path;
use std::sync::Mutex;
use thiserror::Error;
use tokio::signal::unix::{SignalKind, signal};
use tracing_subscriber::EnvFilter;

/// Open files that a node needs beside connections and tables: RocksDB's logs, listening sockets, the process's own.
const OPEN_FILES_RESERVE: u64 = 64;

/// Size at which a log file begins anew, in bytes.
const LOG_FILE_BYTES_MAX: u64 = 64 << 20;

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
        "log_filter '{filter}' is no filter: write error, warn, info, debug or trace, or a list such as info,quorate_node::http=debug"
    )]
    LogFilter {
        /// What was given.
        filter: String,
    },
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

/// Sends log lines to standard error, for the rest of this process's life.
pub fn start_logging(filter: &str, format: LogFormat) -> Result<(), Error> {
    let filter = log_filter(filter)?;
    let terminal = std::io::stderr().is_terminal();
    let json = match format {
        LogFormat::Auto => !terminal,
        LogFormat::Text => false,
        LogFormat::Json => true,
    };
    let lines = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    // The only error is that there is a logger already.
    let _already = if json {
        lines.json().flatten_event(true).with_current_span(true).with_span_list(false).try_init()
    } else {
        let color = terminal && std::env::var_os("NO_COLOR").is_none_or(|no| no.is_empty());
        lines.with_ansi(color).try_init()
    };
    Ok(())
}

/// Sends log lines to a file instead, as text.
pub fn start_logging_into(file: LogFile, filter: &str) -> Result<(), Error> {
    let lines = tracing_subscriber::fmt().with_env_filter(log_filter(filter)?).with_ansi(false);
    let _already = lines.with_writer(Mutex::new(file)).try_init();
    Ok(())
}

/// The filter of this text.
pub fn log_filter(filter: &str) -> Result<EnvFilter, Error> {
    // The consensus library complains twice a second about each member that is away; what matters of it (leaders,
    // lost connections, failures) is logged by this program. A filter that names it gets it.
    let quiet =
        if filter.contains("openraft") { filter.to_owned() } else { format!("{filter},openraft=off") };
    EnvFilter::try_new(quiet).map_err(|_| Error::LogFilter { filter: filter.escape_default().to_string() })
}

/// A file of log lines that begins anew when it is full. It is this process's alone: who holds the log of a folder
/// holds the folder.
pub struct LogFile {
    file: File,
    written: u64,
}

/// Why a log file can't be written.
#[derive(Debug, Error)]
pub enum LogFileError {
    /// Another process writes it.
    #[error("another process writes it")]
    Taken,
    /// The operating system.
    #[error("{0}")]
    Failed(#[from] std::io::Error),
}

impl LogFile {
    /// Makes it, or goes on behind what an earlier process has written.
    pub fn open(path: &Path) -> Result<Self, LogFileError> {
        let file = File::options().create(true).append(true).open(path)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(LogFileError::Taken),
            Err(TryLockError::Error(error)) => return Err(error.into()),
        }
        let written = file.metadata()?.len();
        Ok(Self { file, written })
    }
}

impl Write for LogFile {
    fn write(&mut self, line: &[u8]) -> std::io::Result<usize> {
        if self.written > LOG_FILE_BYTES_MAX {
            // What is appended next stands at its beginning.
            self.file.set_len(0)?;
            self.written = 0;
        }
        self.file.write_all(line)?;
        self.written += line.len() as u64;
        Ok(line.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        self.file.flush()
    }
}

/// What every log line about a panic has in it, so that whoever reads logs finds all of them; pinned.
pub const PANICKED: &str = "a panic, which is a bug";

/// Logs every panic, with its place, before whatever catches it: a panic is a bug, even where the process goes on.
pub fn log_panics() {
    std::panic::set_hook(Box::new(|panic: &PanicHookInfo<'_>| {
        let place = panic.location().map(ToString::to_string).unwrap_or_default();
        let thread = std::thread::current().name().unwrap_or("unnamed").to_owned();
        let message = panic.payload_as_str().unwrap_or("a value that is no text");
        if tracing::enabled!(tracing::Level::ERROR) {
            tracing::error!(%place, %thread, "{PANICKED}: {message}");
        } else {
            eprintln!("{PANICKED}, in thread {thread} at {place}: {message}");
        }
    }));
}

/// Waits until somebody wants this process to stop: SIGTERM or SIGINT. Returns the signal's name.
pub struct StopSignal {
    terminate: tokio::signal::unix::Signal,
    interrupt: tokio::signal::unix::Signal,
}

impl StopSignal {
    /// From now on the signals no longer end the process by themselves.
    pub fn listen() -> Result<Self, Error> {
        let of = |kind| signal(kind).map_err(|error| Error::Signals(error.to_string()));
        Ok(Self { terminate: of(SignalKind::terminate())?, interrupt: of(SignalKind::interrupt())? })
    }

    /// The next one.
    pub async fn wait(&mut self) -> &'static str {
        tokio::select! {
            _ = self.terminate.recv() => "SIGTERM",
            _ = self.interrupt.recv() => "SIGINT",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_log_goes_on_where_it_ended_and_belongs_to_one() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("log");
        let mut first = LogFile::open(&path).expect("made");
        first.write_all(b"one\n").expect("written");
        assert!(matches!(LogFile::open(&path), Err(LogFileError::Taken)));
        drop(first);
        let mut second = LogFile::open(&path).expect("free again");
        second.write_all(b"two\n").expect("written");
        second.written = LOG_FILE_BYTES_MAX + 1;
        assert_eq!(std::fs::read(&path).expect("readable"), b"one\ntwo\n");
        second.write_all(b"three\n").expect("written");
        assert_eq!(std::fs::read(&path).expect("readable"), b"three\n", "it was full");
    }

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
