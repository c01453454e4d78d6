//! Writing a history down: one clock for many tasks.
//!
//! Nothing is written to the disk while the run goes on: a run is bounded, and a slow disk must not slow down what is
//! measured.

use std::fs::File;
use std::io::BufReader;
use std::path::Path;
use std::sync::{Mutex, PoisonError};
use std::time::Instant;

use quorate_checkers::history::{History, ReadError};
use quorate_checkers::operation::Operation;

/// Collects the operations of many tasks, and gives all of them the same clock.
#[derive(Debug)]
pub struct Recorder {
    origin: Instant,
    operations: Mutex<Vec<Operation>>,
}

impl Recorder {
    /// A recorder whose time begins now.
    pub fn start() -> Recorder {
        Recorder { origin: Instant::now(), operations: Mutex::new(Vec::new()) }
    }

    /// Nanoseconds since the history began.
    pub fn now(&self) -> u64 {
        u64::try_from(self.origin.elapsed().as_nanos()).unwrap_or(u64::MAX)
    }

    /// Adds an operation that has come to its end.
    pub fn record(&self, operation: Operation) {
        self.operations.lock().unwrap_or_else(PoisonError::into_inner).push(operation);
    }

    /// The history so far, in the order of the calls.
    pub fn history(&self) -> History {
        let operations = self.operations.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let mut history = History { operations };
        history.sort();
        history
    }
}

/// Reads a history from a file.
pub fn read_file(path: &Path) -> Result<History, ReadError> {
    let file = File::open(path).map_err(|error| ReadError { line: 0, cause: error.to_string() })?;
    History::read_from(BufReader::new(file))
}

#[cfg(test)]
mod tests {
    use quorate_checkers::operation::{Kind, Status};

    use super::*;

    #[test]
    fn the_recorder_orders_by_call() {
        let recorder = Recorder::start();
        for (client, call) in [(3, 20), (2, 10), (1, 10)] {
            recorder.record(Operation::new(client, "k", Kind::Delete, call, Some(30), Status::Ok));
        }
        let clients: Vec<u32> =
            recorder.history().operations.iter().map(|operation| operation.client.0).collect();
        assert_eq!(clients, [1, 2, 3]);
    }
}
