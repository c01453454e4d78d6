//! The chunks of one table: an ordered map from where each begins to what its records add up to.
//!
//! The chunks cover the whole sort space without a gap: each ends where the next one begins, the last at the end of the
//! table. One that is not counted yet is *missing*. Boundaries are where they happened to be cut, but for the *cuts*: those
//! are where shards begin and end, and no chunk may lie across one for longer than it takes to count it. Others are *wanted*:
//! there another owner's chunks end, and where both sides have enough keys a chunk is cut, too, when it is read the next time.

use super::item::{Item, Total};
use super::row::Row;
use crate::rules::sums;
use bytes::Bytes;
use quorate_model::{Interval, Rules, SortKey};
use std::collections::{BTreeMap, BTreeSet};
use std::ops::Bound;

/// One chunk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Chunk {
    /// What its records add up to; nothing while it is missing.
    pub total: Total,
    /// What is known of it.
    pub state: State,
}

/// What is known of a chunk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// Its records are not counted yet.
    Missing,
    /// Right, and changed since rows were last looked through.
    Changed,
    /// Right, and unchanged since rows were last looked through.
    Quiet,
    /// Right, and on the disk.
    Written,
}

/// What an interval adds up to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Figure {
    /// Of all that is counted.
    pub total: Total,
    /// Whether that is all there is. Otherwise it is a part: chunks are still being counted, or cut.
    pub is_exact: bool,
}

/// See the module's essay.
#[derive(Debug)]
pub struct Chunks {
    map: BTreeMap<Bytes, Chunk>,
    cuts: BTreeSet<Bytes>,
    wanted: BTreeSet<Bytes>,
    missing: u64,
    counted: Total,
}

/// Wanted cuts that are remembered.
const WANTED_MAX: usize = 4_096;

const MISSING: Chunk =
    Chunk { total: Total { sum: 0, records: 0, bytes: 0, removals: 0, expiring: 0 }, state: State::Missing };

impl Chunks {
    /// Of a table that holds nothing.
    pub fn empty() -> Self {
        let nothing = Chunk { state: State::Changed, ..MISSING };
        Self {
            map: BTreeMap::from([(Bytes::new(), nothing)]),
            cuts: BTreeSet::new(),
            wanted: BTreeSet::new(),
            missing: 0,
            counted: Total::default(),
        }
    }

    /// Of a table that holds something, by the rows of it, ordered by start; what lies between them is missing. `None`:
    /// two of them overlap, so that one at least is wrong.
    pub fn of_rows(rows: impl IntoIterator<Item = (Bytes, Row)>) -> Option<Self> {
        let mut chunks = Self { map: BTreeMap::new(), ..Self::empty() };
        // Where the last one ended; `None`: at the end of the table.
        let mut covered = Some(Bytes::new());
        for (start, row) in rows {
            let until = covered.filter(|until| *until <= start)?;
            if until < start {
                chunks.put(until, MISSING);
            }
            let end = row.end.map(|end| end.0);
            if end.as_ref().is_some_and(|end| *end <= start) {
                return None;
            }
            chunks.put(start, Chunk { total: row.total, state: State::Written });
            covered = end;
        }
        if let Some(until) = covered {
            chunks.put(until, MISSING);
        }
        Some(chunks)
    }

    /// The chunk that a sort key lies in, and where it begins.
    pub fn of_key(&self, sort_key: &[u8]) -> (&Bytes, &Chunk) {
        let before = self.map.range::<[u8], _>((Bound::Unbounded, Bound::Included(sort_key)));
        before.last().expect("the first chunk begins where the table does")
    }

    /// The chunk that begins there.
    pub fn starting(&self, start: &[u8]) -> Option<&Chunk> {
        self.map.get(start)
    }

    /// Where a chunk ends; `None`: at the end of the table.
    pub fn end_of(&self, start: &[u8]) -> Option<Bytes> {
        let behind = self.map.range::<[u8], _>((Bound::Excluded(start), Bound::Unbounded)).next();
        behind.map(|(end, _)| end.clone())
    }

    /// A record of a counted chunk became another. Returns the chunk as it is now.
    pub fn change(&mut self, sort_key: &[u8], before: Option<Item>, after: Option<Item>) -> Chunk {
        let until = self.map.range_mut::<[u8], _>((Bound::Unbounded, Bound::Included(sort_key)));
        let (_, chunk) = until.last().expect("the first chunk begins where the table does");
        match chunk.state {
            State::Missing => {}
            State::Changed | State::Quiet | State::Written => {
                chunk.total.replace(before, after);
                chunk.state = State::Changed;
                self.counted.replace(before, after);
            }
        }
        *chunk
    }

    /// Puts a chunk in the place of the one that begins there, or makes one begin there.
    pub fn put(&mut self, start: Bytes, chunk: Chunk) {
        if let Some(before) = self.map.insert(start, chunk) {
            self.missing -= u64::from(before.state == State::Missing);
            self.counted -= before.total;
        }
        self.missing += u64::from(chunk.state == State::Missing);
        self.counted += chunk.total;
    }

    /// Says what is known of a chunk from now on; not whether it is missing.
    pub fn mark(&mut self, start: &[u8], state: State) {
        if let Some(chunk) = self.map.get_mut(start) {
            debug_assert!(chunk.state != State::Missing && state != State::Missing);
            chunk.state = state;
        }
    }

    /// Cuts the chunk that begins at `start` in two. `left` is what its records before `at` add up to.
    pub fn split(&mut self, start: &Bytes, at: Bytes, left: Total) {
        let Some(whole) = self.map.get(start).copied() else { return };
        let mut right = whole;
        match whole.state {
            State::Missing => {}
            State::Changed | State::Quiet | State::Written => {
                right.total -= left;
                right.state = State::Changed;
            }
        }
        self.put(start.clone(), Chunk { total: left, state: State::Changed });
        self.put(at, right);
    }

    /// Makes one of a chunk and the one behind it. Both are counted.
    pub fn join(&mut self, start: &Bytes) {
        let Some(behind) = self.end_of(start) else { return };
        let Some(right) = self.map.remove(&behind) else { return };
        self.counted -= right.total;
        if let Some(left) = self.map.get(start).copied() {
            let mut total = left.total;
            total += right.total;
            self.put(start.clone(), Chunk { total, state: State::Changed });
        }
    }

    /// Where shards begin and end from now on. Returns where chunks begin that must be cut there and hold something: the
    /// others are cut at once, but not `busy`.
    pub fn cut(&mut self, rules: Rules, cuts: BTreeSet<Bytes>, busy: Option<&Bytes>) -> Vec<Bytes> {
        let mut crossed = Vec::new();
        let known = std::mem::take(&mut self.cuts);
        for at in cuts.difference(&known) {
            let (start, chunk) = self.of_key(at);
            let (start, chunk) = (start.clone(), *chunk);
            let is_free =
                chunk.state == State::Missing || (chunk.total.records == 0 && chunk.state != State::Written);
            if start == *at {
                continue;
            }
            if !is_free && !sums::counts_parts(rules) {
                self.put(at.clone(), Chunk { state: State::Changed, ..MISSING });
            } else if is_free && busy != Some(&start) {
                self.put(at.clone(), chunk);
                crossed.extend((chunk.state == State::Missing).then(|| at.clone()));
            } else {
                crossed.push(start);
            }
        }
        self.cuts = cuts;
        crossed
    }

    /// Wants a chunk to be cut there; where the chunk begins, if it is not yet.
    pub fn want(&mut self, at: &Bytes) -> Option<Bytes> {
        if self.map.contains_key(at) {
            return None;
        }
        if self.wanted.len() >= WANTED_MAX {
            self.wanted.clear();
        }
        self.wanted.insert(at.clone());
        Some(self.of_key(at).0.clone())
    }

    /// The first place inside a chunk where it must be cut, or is wanted to be.
    pub fn next_cut(&self, start: &[u8]) -> Option<Bytes> {
        let end = self.end_of(start);
        let first = |cuts: &BTreeSet<Bytes>| {
            cuts.range::<[u8], _>((Bound::Excluded(start), Bound::Unbounded)).next().cloned()
        };
        let inside = first(&self.cuts).into_iter().chain(first(&self.wanted)).min();
        inside.filter(|at| end.is_none_or(|end| *at < end))
    }

    /// Whether a chunk of which so many records lie before `at` is to be cut there. A wanted cut that leaves few of them on
    /// one side is not made, and not wanted any more.
    pub fn is_worth(&mut self, start: &[u8], at: &Bytes, before: u64, least: u64) -> bool {
        if !self.wanted.remove(at) || self.cuts.contains(at) {
            return true;
        }
        self.map.get(start).is_none_or(|chunk| match chunk.state {
            State::Missing => true,
            State::Changed | State::Quiet | State::Written => {
                before >= least && chunk.total.records.saturating_sub(before) >= least
            }
        })
    }

    /// Whether a boundary is one that must stay.
    pub fn is_cut(&self, at: &[u8]) -> bool {
        self.cuts.contains(at)
    }

    /// Chunks from `from` on, in order.
    pub fn from(&self, from: &[u8]) -> impl Iterator<Item = (&Bytes, &Chunk)> {
        self.map.range::<[u8], _>((Bound::Included(from), Bound::Unbounded))
    }

    /// The row of a chunk.
    pub fn row(&self, start: &[u8]) -> Option<Row> {
        let total = self.map.get(start)?.total;
        Some(Row { end: self.end_of(start).map(SortKey), total })
    }

    /// How many there are, and how many of them are missing.
    pub fn counts(&self) -> (u64, u64) {
        (self.map.len() as u64, self.missing)
    }

    /// What the whole table adds up to.
    pub fn whole(&self) -> Figure {
        Figure { total: self.counted, is_exact: self.missing == 0 }
    }

    /// The place inside an interval where a chunk begins and about half of the bytes lie before it; `None`: none begins inside,
    /// or nothing is counted.
    pub fn half(&self, interval: &Interval) -> Option<SortKey> {
        let is_inside = |start: &Bytes| interval.end.as_ref().is_none_or(|end| *start < end.0);
        let (first, _) = self.of_key(interval.start.as_bytes());
        let inside = || self.from(first).take_while(|(start, _)| is_inside(start));
        let all: u64 = inside().map(|(_, chunk)| chunk.total.bytes).sum();
        let mut before = 0;
        let places = inside().map(|(start, chunk)| {
            let at = (start, before);
            before += chunk.total.bytes;
            at
        });
        let places = places.filter(|(start, before)| **start > interval.start.0 && (1..all).contains(before));
        let nearest = places.min_by_key(|(_, before)| before.abs_diff(all - before));
        nearest.map(|(start, _)| SortKey(start.clone()))
    }

    /// What an interval adds up to.
    pub fn figure(&self, interval: &Interval) -> Figure {
        let mut figure = Figure { total: Total::default(), is_exact: true };
        let (first, _) = self.of_key(interval.start.as_bytes());
        for (start, chunk) in self.from(first) {
            if interval.end.as_ref().is_some_and(|end| *start >= end.0) {
                break;
            }
            let end = || self.end_of(start).map(SortKey);
            let is_inside = *start >= interval.start.0
                && interval.end.as_ref().is_none_or(|until| end().is_some_and(|end| end <= *until));
            if chunk.state == State::Missing {
                figure.is_exact = false;
            } else if is_inside {
                figure.total += chunk.total;
            } else if chunk.total.records > 0 {
                figure.is_exact = false;
            }
        }
        figure
    }
}
