//! One page of a table, as the HTTP edge asks for it.

use super::Core;
use quorate_coordinator::GetError;
use quorate_coordinator::scan::{Answer, Error, Request};
use quorate_model::Table;
use std::time::Duration;

impl Core {
    /// Reads one page of a table, as [`Core::table`] gave it, for a client that waits so long.
    pub async fn scan(&self, table: &Table, request: Request, timeout: Duration) -> Answer {
        if self.links.is_duplicate() {
            let (required, n) = (request.level.within(table.n), table.n);
            let error = GetError::Unavailable { required, acks: 0, n, replicas: Vec::new() };
            return Err(Error { error, shard: None });
        }
        self.scanner.run(table.id, request, timeout).await
    }
}
