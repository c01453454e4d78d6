//! The books of one member: what it was told to do, what came of it, and when each shard was last found equal.

use super::{Cause, Found, JobId, Kind, Order, Part, Proofs, Remembered, Said, Taken};
use crate::clock;
use quorate_model::{Boot, Interval, NodeId, SortKey, TableId};
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::{Mutex, MutexGuard, PoisonError};
use thiserror::Error;
use tokio::sync::Notify;
use tokio::time::Instant;

/// Parts that are remembered: so many of orders, and so many of those that were begun without one.
const PARTS_MAX: usize = 16;

/// Orders that may wait.
const WAITING_MAX: usize = 8;

/// Too many orders wait already; this one was not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("{WAITING_MAX} jobs that were ordered wait there already")]
pub struct Full;

/// See the module's essay.
#[derive(Debug)]
pub struct Books {
    node: NodeId,
    boot: Boot,
    begun: Instant,
    state: Mutex<State>,
    bell: Notify,
}

#[derive(Debug, Default)]
struct State {
    /// The oldest first.
    parts: VecDeque<Part>,
    taken: VecDeque<Taken>,
    last_number: u32,
    /// By table and where the shard begins.
    proven: BTreeMap<(TableId, SortKey), Proven>,
    /// Records found at one owner only, of each table.
    differences: BTreeMap<TableId, u64>,
    /// Of all parts since the start.
    totals: Found,
}

/// When a shard was found equal at all its owners, and where it ended then.
#[derive(Clone, Debug)]
struct Proven {
    end: Option<SortKey>,
    at: Option<Instant>,
}

impl Books {
    /// Of this run of a member's process.
    pub fn new(node: NodeId, boot: Boot) -> Self {
        Self { node, boot, begun: Instant::now(), state: Mutex::default(), bell: Notify::new() }
    }

    /// A new order of a person or a program, to be told to every member, this one too.
    pub fn order(&self, kind: Kind, table: Option<TableId>) -> Result<Order, Full> {
        let mut state = self.state();
        state.expect_room()?;
        let (id, ordered_at) = (state.next_id(self.node, self.boot), clock::wall());
        let order = Order { id, kind, table, cause: Cause::Order, ordered_at };
        state.taken.push_back(Taken { order, by: Vec::new() });
        if state.taken.len() > PARTS_MAX {
            state.taken.pop_front();
        }
        Ok(order)
    }

    /// What the members said to an order.
    pub fn told(&self, id: JobId, by: Vec<Said>) {
        if let Some(taken) = self.state().taken.iter_mut().find(|taken| taken.order.id == id) {
            taken.by = by;
        }
    }

    /// This member is to do its part of an order; the run of its process. The same order once more changes nothing.
    pub fn take(&self, order: Order) -> Result<Boot, Full> {
        let mut state = self.state();
        if state.parts.iter().any(|part| part.order.id == order.id) {
            return Ok(self.boot);
        }
        state.expect_room()?;
        state.add(order);
        drop(state);
        self.bell.notify_one();
        Ok(self.boot)
    }

    /// Begins a sync of all tables without an order, unless one waits already.
    pub(crate) fn begin_unordered(&self, cause: Cause) {
        let mut state = self.state();
        let is_same = |part: &Part| part.began_at.is_none() && part.order.kind == Kind::Sync;
        if state.parts.iter().any(|part| is_same(part) && part.order.table.is_none()) {
            return;
        }
        let id = state.next_id(self.node, self.boot);
        state.add(Order { id, kind: Kind::Sync, table: None, cause, ordered_at: clock::wall() });
        drop(state);
        self.bell.notify_one();
    }

    /// Waits until there is something to do.
    pub(crate) async fn ordered(&self) {
        self.bell.notified().await;
    }

    /// The next part that waits, begun.
    pub(crate) fn begin(&self) -> Option<Order> {
        let mut state = self.state();
        let part = state.parts.iter_mut().find(|part| part.began_at.is_none())?;
        part.began_at = Some(clock::wall());
        Some(part.order)
    }

    /// The part under way is done.
    pub(crate) fn end(&self) {
        let mut state = self.state();
        let Some(part) = state.running() else { return };
        part.ended_at = Some(clock::wall());
        let Part { order, found, .. } = part.clone();
        drop(state);
        let Found { differences, pulled, pushed, bytes, open, not_counted, .. } = found;
        if differences + pulled + pushed + open + not_counted > 0 {
            let kind = order.kind;
            tracing::info!(
                ?kind,
                differences,
                pulled,
                pushed,
                bytes,
                open,
                not_counted,
                "owners were compared"
            );
        }
    }

    /// What came of the part under way, beside what is known already.
    pub(crate) fn found(&self, table: Option<TableId>, found: Found) {
        let mut state = self.state();
        state.totals += found;
        if let Some(table) = table.filter(|_| found.differences > 0) {
            *state.differences.entry(table).or_default() += found.differences;
        }
        if let Some(part) = state.running() {
            part.found += found;
        }
    }

    /// What the part under way waits for, or why shards are left open.
    pub(crate) fn says(&self, reason: Option<String>) {
        if let Some(part) = self.state().running() {
            part.reason = reason;
        }
    }

    /// A shard was found equal at all its owners. One that is longer by now was not.
    pub(crate) fn proved(&self, table: TableId, shard: &Interval) {
        let mut state = self.state();
        let proven = state.proven.get_mut(&(table, shard.start.clone()));
        if let Some(proven) = proven.filter(|proven| proven.end == shard.end) {
            proven.at = Some(Instant::now());
        }
    }

    /// These are the shards whose sync this member runs now. A part of one that was found equal is; what two were merged to is
    /// found equal anew.
    pub(crate) fn retain(&self, shards: impl Iterator<Item = (TableId, Interval)>) {
        let mut state = self.state();
        let known = std::mem::take(&mut state.proven);
        let proven = |(table, interval): (TableId, Interval)| {
            let key = (table, interval.start.clone());
            let before = known.range(..=key.clone()).next_back().filter(|((of, start), proven)| {
                let whole = Interval { start: start.clone(), end: proven.end.clone() };
                *of == table && whole.covers(&interval)
            });
            let at = before.and_then(|(_, proven)| proven.at);
            (key, Proven { end: interval.end, at })
        };
        state.proven = shards.map(proven).collect();
        let tables: BTreeSet<TableId> = state.proven.keys().map(|(table, _)| *table).collect();
        state.differences.retain(|table, _| tables.contains(table));
    }

    /// What is remembered of jobs.
    pub fn remembered(&self) -> Remembered {
        let state = self.state();
        Remembered {
            boot: self.boot,
            parts: state.parts.iter().rev().cloned().collect(),
            taken: state.taken.iter().rev().cloned().collect(),
        }
    }

    /// When the shards of each table were last found equal, of those whose sync this member runs.
    pub fn proofs(&self) -> Vec<Proofs> {
        let state = self.state();
        let mut proofs: BTreeMap<TableId, Proofs> = BTreeMap::new();
        for ((table, _), proven) in &state.proven {
            let differences = state.differences.get(table).copied().unwrap_or(0);
            let none = Proofs { table: *table, shards: 0, never: 0, oldest_ms: 0, differences };
            let of = proofs.entry(*table).or_insert(none);
            of.shards += 1;
            of.never += u64::from(proven.at.is_none());
            // What was never proven is as old as this run at least.
            of.oldest_ms = of.oldest_ms.max(age_ms(proven.at.unwrap_or(self.begun)));
        }
        proofs.into_values().collect()
    }

    /// Milliseconds since the shard that begins here was last found equal; the inner `None`: never in this run. The outer
    /// one: this member does not run its sync.
    pub fn proven_ms(&self, table: TableId, start: &SortKey) -> Option<Option<u64>> {
        let at = self.state().proven.get(&(table, start.clone()))?.at;
        Some(at.map(age_ms))
    }

    /// What came of all parts since the start.
    pub fn totals(&self) -> Found {
        self.state().totals
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // Every change of it is complete, even after a panic elsewhere.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn age_ms(at: Instant) -> u64 {
    u64::try_from(at.elapsed().as_millis()).unwrap_or(u64::MAX)
}

impl Part {
    fn is_ordered(&self) -> bool {
        self.order.cause == Cause::Order
    }
}

impl State {
    fn expect_room(&self) -> Result<(), Full> {
        let waiting = self.parts.iter().filter(|part| part.began_at.is_none() && part.is_ordered());
        if waiting.count() < WAITING_MAX { Ok(()) } else { Err(Full) }
    }

    fn next_id(&mut self, node: NodeId, boot: Boot) -> JobId {
        self.last_number += 1;
        JobId::new(node, boot, self.last_number)
    }

    /// Adds a part; the oldest one of its sort that has ended is forgotten, if there are too many.
    fn add(&mut self, order: Order) {
        let part = Part { order, began_at: None, ended_at: None, found: Found::default(), reason: None };
        let is_like = |other: &Part| other.is_ordered() == part.is_ordered();
        if self.parts.iter().filter(|other| is_like(other)).count() >= PARTS_MAX {
            let oldest = self.parts.iter().position(|other| is_like(other) && other.ended_at.is_some());
            if let Some(oldest) = oldest {
                self.parts.remove(oldest);
            }
        }
        self.parts.push_back(part);
    }

    fn running(&mut self) -> Option<&mut Part> {
        self.parts.iter_mut().find(|part| part.began_at.is_some() && part.ended_at.is_none())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn books() -> Books {
        Books::new(NodeId(1), Boot(7))
    }

    fn done(books: &Books) {
        books.begin().expect("one waits");
        books.end();
    }

    #[test]
    fn what_goes_on_by_itself_does_not_push_orders_out() {
        let books = books();
        let order = books.order(Kind::Verify, None).expect("room");
        books.take(order).expect("taken");
        done(&books);
        for _ in 0..2 * PARTS_MAX {
            books.begin_unordered(Cause::Time);
            done(&books);
        }
        let remembered = books.remembered();
        assert_eq!(remembered.parts.len(), PARTS_MAX + 1);
        assert!(remembered.parts.iter().any(|part| part.order.id == order.id));
        assert_eq!(remembered.taken[0].order, order);
    }

    #[test]
    fn an_order_counts_once_and_few_may_wait() {
        let books = books();
        let another = || books.order(Kind::Sync, None);
        let (order, late) = (another().expect("room"), another().expect("room"));
        assert_eq!((books.take(order), books.take(order)), (Ok(Boot(7)), Ok(Boot(7))));
        assert_eq!(books.remembered().parts.len(), 1);
        for _ in 1..WAITING_MAX {
            books.take(another().expect("room")).expect("room");
        }
        assert_eq!((another(), books.take(late)), (Err(Full), Err(Full)));
        books.begin_unordered(Cause::Returned);
        assert_eq!(books.remembered().parts.len(), WAITING_MAX, "a sync of all waits already");
        done(&books);
        assert_eq!(books.take(late), Ok(Boot(7)));
    }

    #[test]
    fn a_shard_that_another_runs_is_not_spoken_of() {
        let books = books();
        let start = |byte: u8| SortKey(vec![byte].into());
        let piece = |from: u8, to: u8| (TableId(1), Interval { start: start(from), end: Some(start(to)) });
        let shard = |byte: u8| piece(byte, byte + 1);
        books.retain([shard(0), shard(1)].into_iter());
        books.proved(TableId(1), &shard(0).1);
        books.found(Some(TableId(1)), Found { differences: 3, ..Found::default() });
        let proofs = books.proofs();
        assert_eq!((proofs[0].shards, proofs[0].never, proofs[0].differences), (2, 1, 3));
        assert!(books.proven_ms(TableId(1), &start(0)).is_some_and(|age| age.is_some()));
        assert_eq!(books.proven_ms(TableId(1), &start(1)), Some(None));
        books.retain([piece(0, 2)].into_iter());
        books.proved(TableId(1), &shard(0).1);
        assert_eq!(books.proven_ms(TableId(1), &start(0)), Some(None), "half of it never was");
        books.proved(TableId(1), &piece(0, 2).1);
        books.retain([shard(0), shard(1)].into_iter());
        assert!(
            [0, 1].iter().all(|byte| books.proven_ms(TableId(1), &start(*byte)).flatten().is_some()),
            "both parts"
        );
        books.retain([shard(1)].into_iter());
        assert_eq!(books.proven_ms(TableId(1), &start(0)), None);
        books.retain([].into_iter());
        assert_eq!(books.proofs(), []);
        assert_eq!(books.totals().differences, 3);
    }
}
