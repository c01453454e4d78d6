//! One page of a table, and what a range of it adds up to, as the HTTP edge asks for them.

use super::Core;
use crate::clock;
use crate::drive::Subject;
use quorate_coordinator::scan::sum::{self, Question, Sum, Summed};
use quorate_coordinator::scan::{Answer, Error, Request};
use quorate_coordinator::{GetError, Position};
use quorate_model::{Interval, Level, Table};
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;

impl Core {
    /// Reads one page of a table, as [`Core::table`] gave it, for a client that waits so long.
    pub async fn scan(&self, table: &Table, request: Request, timeout: Duration) -> Answer {
        if self.links.is_duplicate() {
            return Err(nothing_known(table, request.level));
        }
        self.scanner.run(table.id, request, timeout).await
    }

    /// What all records of a range of a table add up to, removals too, at this level or the one that sums need; shard
    /// by shard, until it is known that it can't be told.
    pub async fn sum(
        &self,
        table: &Table,
        range: Interval,
        level: Level,
        timeout: Duration,
    ) -> Result<Summed, Error> {
        let (deadline, level) = (Instant::now() + timeout, sum::level_of(level, table));
        let view = self.view();
        let entry = view.table_by_id(table.id).filter(|_| !self.links.is_duplicate());
        let entry = entry.ok_or_else(|| nothing_known(table, level))?;
        let (mut start, mut all) = (range.start.clone(), None::<Summed>);
        loop {
            let shard = entry.shard_at(&start);
            let ends = [range.end.clone(), shard.interval.end.clone()];
            let end = ends.into_iter().flatten().min();
            // One that is empty adds up to nothing wherever it lies.
            let end = end.map(|end| end.max(start.clone()));
            let piece = Interval { start: start.clone(), end: end.clone() };
            let plan = Arc::new(view.plan_at(entry, start, self.node));
            let question = Question { range: piece.clone(), level, deadline: clock::instant(deadline) };
            let machine = Sum::new(plan, question, self.context);
            let at = Position::Range { range: piece, reverse: false };
            let subject = Subject { table: table.id, at, deadline, value_bytes: 0 };
            let answer = self.driver.run(machine, subject).await;
            let answer = answer.unwrap_or_else(|panicked| panicked.propagate());
            let here = answer.map_err(|error| Error { error, shard: Some(shard.id) })?;
            let summed = all.map_or(here, |all| Summed {
                sum: all.sum.zip(here.sum).map(|(all, here)| all.wrapping_add(here)),
                worth: all.worth.and(here.worth.guarantee, here.worth.lowered),
            });
            match end {
                Some(end) if summed.sum.is_some() && range.end.as_ref().is_none_or(|last| end < *last) => {
                    (start, all) = (end, Some(summed));
                }
                Some(_) | None => return Ok(summed),
            }
        }
    }
}

/// No owner may be asked.
fn nothing_known(table: &Table, level: Level) -> Error {
    let (required, n) = (level.within(table.n), table.n);
    Error { error: GetError::Unavailable { required, acks: 0, n, replicas: Vec::new() }, shard: None }
}
