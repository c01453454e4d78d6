//! One page of a table, as the HTTP edge asks for it.

use super::Core;
use crate::scan::Scanner;
use quorate_coordinator::GetError;
use quorate_coordinator::scan::{Answer, Error, Request};
use quorate_model::{Interval, Level, Table};
use std::sync::Arc;
use std::time::Duration;

/// A page of a table's keys.
#[derive(Clone, Debug)]
pub struct ScanRequest {
    /// The table, as [`Core::table`] gave it.
    pub table: Arc<Table>,
    /// What is left of the range, in the table's sort space.
    pub range: Interval,
    /// Whether from its end downwards.
    pub reverse: bool,
    /// How many owners must answer for each key.
    pub level: Level,
    /// Most keys, at least one.
    pub items: usize,
    /// About how many bytes of keys and values.
    pub bytes: usize,
    /// Whether values are wanted.
    pub values: bool,
    /// How long the client waits.
    pub timeout: Duration,
}

impl Core {
    /// Reads one page of a table.
    pub async fn scan(&self, request: &ScanRequest) -> Answer {
        let ScanRequest { table, range, reverse, level, items, bytes, values, timeout } = request;
        if self.links.is_duplicate() {
            let (required, n) = (level.within(table.n), table.n);
            let error = GetError::Unavailable { required, acks: 0, n, replicas: Vec::new() };
            return Err(Error { error, shard: None });
        }
        let page = Request {
            table: table.id,
            range: range.clone(),
            reverse: *reverse,
            level: *level,
            items: *items,
            bytes: *bytes,
            values: *values,
            deadline: Scanner::deadline(*timeout),
        };
        self.scanner.run(page).await
    }
}
