//! Log lines: written beside the service, never at its cost.
//!
//! ```text
//!   a node's threads ──> filter ──> floods ──> format ──> queue ──> one thread ──> standard error, or a file
//!                                     │                     │            │
//!                                 held back              full: dropped   failed: dropped
//! ```
//!
//! A thread that logs hands its line to a bounded queue and goes on. One thread writes; what it can't write, because
//! the disk is full, the pipe closed, or its reader asleep, is dropped and counted, and the thread says so once the
//! sink takes lines again.
//!
//! # Invariants
//!
//! - No state of a sink (closed, full, stuck, failing) ends, blocks or slows what logs.
//! - Every line that was dropped or held back is counted, and the counts are metrics.
//! - A panic's line is waited for, a moment long: what comes after it may be the end of the process.

use super::floods::Floods;
use quorate_http::metrics::lines::DROPPED;
use quorate_node::PANICKED;
use std::fs::{File, TryLockError};
use std::io::{self, IsTerminal, Write};
use std::os::unix::fs::MetadataExt as _;
use std::panic::PanicHookInfo;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, TrySendError, sync_channel};
use std::time::{Duration, Instant};
use thiserror::Error;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{Layer, Registry, fmt};

/// Lines that may wait to be written.
const QUEUE_LINES_MAX: usize = 4_096;

/// Size at which a log file begins anew, in bytes.
const LOG_FILE_BYTES_MAX: u64 = 64 << 20;

/// How often held back and dropped lines are summed up.
const TICK: Duration = Duration::from_secs(1);

/// How long the end of a process waits for its last lines.
const FLUSH_PATIENCE: Duration = Duration::from_secs(1);

/// The process's one queue.
static QUEUE: OnceLock<Queue> = OnceLock::new();

/// How log lines look.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogFormat {
    /// Text if standard error is a terminal, else JSON.
    Auto,
    /// For people.
    Text,
    /// One object a line, for machines.
    Json,
}

/// Sends log lines to standard error, for the rest of this process's run.
pub fn start_logging(filter: &str, format: LogFormat) -> Result<(), super::Error> {
    let terminal = io::stderr().is_terminal();
    let json = match format {
        LogFormat::Auto => !terminal,
        LogFormat::Text => false,
        LogFormat::Json => true,
    };
    let color = terminal && std::env::var_os("NO_COLOR").is_none_or(|no| no.is_empty());
    start(log_filter(filter)?, Shape { json, color }, Sink::StandardError)
}

/// Sends log lines to a file instead, as text.
pub fn start_logging_into(file: LogFile, filter: &str) -> Result<(), super::Error> {
    start(log_filter(filter)?, Shape { json: false, color: false }, Sink::File(file))
}

/// How lines look.
#[derive(Clone, Copy)]
struct Shape {
    json: bool,
    color: bool,
}

fn start(filter: Targets, shape: Shape, sink: Sink) -> Result<(), super::Error> {
    let floods = Floods::default();
    let queue =
        Queue::start(sink, floods.clone()).map_err(|error| super::Error::Threads(error.to_string()))?;
    let lines = lines(shape, queue.clone());
    if Registry::default().with(filter).with(floods).with(lines).try_init().is_ok() {
        // The only error of both is that there is a logger already.
        let _already = QUEUE.set(queue);
    }
    Ok(())
}

/// The layer that makes lines of events.
fn lines<S>(shape: Shape, queue: Queue) -> Box<dyn Layer<S> + Send + Sync>
where
    S: tracing::Subscriber + for<'a> tracing_subscriber::registry::LookupSpan<'a>,
{
    // An error of the writer would be reported on standard error, with a panic if that fails too. Ours has none.
    let layer = fmt::layer().with_writer(queue).log_internal_errors(false);
    if shape.json {
        layer.json().flatten_event(true).with_current_span(true).with_span_list(false).boxed()
    } else {
        layer.with_ansi(shape.color).boxed()
    }
}

/// The filter of this text.
pub fn log_filter(filter: &str) -> Result<Targets, super::Error> {
    // The consensus library complains twice a second about each member that is away; what matters of it (leaders,
    // lost connections, failures) is logged by this program. A filter that names it gets it.
    let quiet =
        if filter.contains("openraft") { filter.to_owned() } else { format!("{filter},openraft=off") };
    quiet.parse().map_err(|_| super::Error::LogFilter { filter: filter.escape_default().to_string() })
}

/// Opens the log file anew, if lines go to one: what a rotation of logs has moved away is left alone from then on.
/// Says whether there is one.
pub fn reopen_log() -> bool {
    let Some(queue) = QUEUE.get().filter(|queue| queue.has_file) else { return false };
    // A queue that is full now is asked again by the next signal.
    queue.messages.try_send(Message::Reopen).is_ok()
}

/// Waits, a moment long, until what was logged so far is written.
pub fn flush_log() {
    let Some(queue) = QUEUE.get() else { return };
    let (done, written) = sync_channel(1);
    let until = Instant::now() + FLUSH_PATIENCE;
    let mut message = Message::Flush(done);
    while let Err(TrySendError::Full(back)) = queue.messages.try_send(message) {
        if Instant::now() >= until {
            return;
        }
        message = back;
        std::thread::yield_now();
    }
    let _late = written.recv_timeout(until.saturating_duration_since(Instant::now()));
}

/// Logs every panic, with its place, before whatever catches it: a panic is a bug, even where the process goes on.
pub fn log_panics() {
    std::panic::set_hook(Box::new(|panic: &PanicHookInfo<'_>| {
        let place = panic.location().map(ToString::to_string).unwrap_or_default();
        let thread = std::thread::current().name().unwrap_or("unnamed").to_owned();
        let message = panic.payload_as_str().unwrap_or("a value that is no text");
        if tracing::enabled!(tracing::Level::ERROR) {
            tracing::error!(%place, %thread, "{PANICKED}: {message}");
            if std::thread::current().name() != Some(THREAD) {
                flush_log();
            }
        } else {
            // Standard error is closed: that cannot be told, either.
            let _unread =
                writeln!(io::stderr().lock(), "{PANICKED}, in thread {thread} at {place}: {message}");
        }
    }));
}

/// The name of the thread that writes.
const THREAD: &str = "log";

/// What the writing thread is told.
enum Message {
    Line(Vec<u8>),
    Reopen,
    Flush(SyncSender<()>),
}

/// Where lines wait.
#[derive(Clone)]
struct Queue {
    messages: SyncSender<Message>,
    has_file: bool,
}

impl Queue {
    fn start(sink: Sink, floods: Floods) -> io::Result<Self> {
        let (messages, waiting) = sync_channel(QUEUE_LINES_MAX);
        let has_file = matches!(sink, Sink::File(_));
        std::thread::Builder::new().name(THREAD.to_owned()).spawn(move || write(sink, &waiting, &floods))?;
        Ok(Self { messages, has_file })
    }
}

/// Never fails: a line that finds no room is counted.
impl Write for Queue {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        if self.messages.try_send(Message::Line(line.to_vec())).is_err() {
            DROPPED.count();
        }
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl MakeWriter<'_> for Queue {
    type Writer = Self;

    fn make_writer(&self) -> Self {
        self.clone()
    }
}

/// Writes what comes, until no sender is left.
fn write(mut sink: Sink, waiting: &Receiver<Message>, floods: &Floods) {
    let mut ticked = Instant::now();
    let mut told = DROPPED.total();
    loop {
        let mut has_written = false;
        match waiting.recv_timeout(TICK.saturating_sub(ticked.elapsed())) {
            Ok(Message::Line(line)) => match sink.write_all(&line) {
                Ok(()) => has_written = true,
                Err(_) => DROPPED.count(),
            },
            Ok(Message::Reopen) => match sink.reopen() {
                Ok(()) => tracing::info!("the log file is opened anew"),
                Err(error) => {
                    tracing::warn!("the log file can't be opened anew, and goes on as it is: {error}");
                }
            },
            Ok(Message::Flush(done)) => {
                let _unread = sink.flush();
                // A caller that waits no longer has gone on.
                let _gone = done.try_send(());
            }
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => return,
        }
        // Only a sink that takes lines is told of those that it did not take.
        let dropped = DROPPED.total() - told;
        if has_written && dropped > 0 {
            told += dropped;
            tracing::warn!(
                dropped,
                "log lines were dropped: they could not be written, or not as fast as they came"
            );
        }
        if ticked.elapsed() >= TICK {
            ticked = Instant::now();
            floods.sum_up(ticked);
        }
    }
}

/// Where lines end.
enum Sink {
    StandardError,
    File(LogFile),
    #[cfg(test)]
    Test(Box<dyn Write + Send>),
}

impl Sink {
    fn reopen(&mut self) -> Result<(), LogFileError> {
        match self {
            Sink::File(file) if !file.is_in_its_place() => *file = LogFile::open(&file.path.clone())?,
            _ => {}
        }
        Ok(())
    }
}

impl Write for Sink {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        match self {
            Sink::StandardError => io::stderr().lock().write(line),
            Sink::File(file) => file.write(line),
            #[cfg(test)]
            Sink::Test(sink) => sink.write(line),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match self {
            Sink::StandardError => io::stderr().lock().flush(),
            Sink::File(file) => file.flush(),
            #[cfg(test)]
            Sink::Test(sink) => sink.flush(),
        }
    }
}

/// A file of log lines that begins anew when it is full. It is this process's alone: who holds the log of a folder
/// holds the folder.
pub struct LogFile {
    path: PathBuf,
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
    Failed(#[from] io::Error),
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
        Ok(Self { path: path.to_owned(), file, written })
    }
}

impl LogFile {
    /// Whether it was not moved away.
    fn is_in_its_place(&self) -> bool {
        let found = |facts: io::Result<std::fs::Metadata>| facts.ok().map(|facts| (facts.dev(), facts.ino()));
        found(self.file.metadata()) == found(std::fs::metadata(&self.path))
    }
}

impl Write for LogFile {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        if self.written > LOG_FILE_BYTES_MAX {
            // What is appended next stands at its beginning.
            self.file.set_len(0)?;
            self.written = 0;
        }
        self.file.write_all(line)?;
        self.written += line.len() as u64;
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

#[cfg(test)]
mod tests;
