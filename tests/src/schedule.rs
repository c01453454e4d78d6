//! Virtual time: what happens next, and when.
//!
//! Events are taken in the order of their time; two of the same moment in the order in which they were planned. No
//! real clock takes part, so a second of the simulated cluster costs as long as its events take to compute.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

/// What is still to happen.
#[derive(Debug)]
pub struct Schedule<E> {
    now: u64,
    planned: u64,
    heap: BinaryHeap<Reverse<Entry<E>>>,
}

#[derive(Debug)]
struct Entry<E> {
    at: u64,
    order: u64,
    event: E,
}

impl<E> Schedule<E> {
    /// Nothing planned, at time 0.
    pub fn new() -> Self {
        Self { now: 0, planned: 0, heap: BinaryHeap::new() }
    }

    /// The present, in microseconds since the beginning.
    pub fn now(&self) -> u64 {
        self.now
    }

    /// Plans an event at a time; one in the past happens at once.
    pub fn at(&mut self, at: u64, event: E) {
        let order = self.planned;
        self.planned += 1;
        self.heap.push(Reverse(Entry { at: at.max(self.now), order, event }));
    }

    /// Plans an event after so many microseconds.
    pub fn after(&mut self, micros: u64, event: E) {
        self.at(self.now.saturating_add(micros), event);
    }

    /// Goes on to the next event, if it comes before `until`; otherwise time stops there.
    pub fn next(&mut self, until: u64) -> Option<E> {
        if self.heap.peek().is_none_or(|Reverse(entry)| entry.at >= until) {
            self.now = self.now.max(until);
            return None;
        }
        let Reverse(entry) = self.heap.pop()?;
        self.now = entry.at;
        Some(entry.event)
    }
}

impl<E> Default for Schedule<E> {
    fn default() -> Self {
        Self::new()
    }
}

impl<E> PartialEq for Entry<E> {
    fn eq(&self, other: &Self) -> bool {
        (self.at, self.order) == (other.at, other.order)
    }
}

impl<E> Eq for Entry<E> {}

impl<E> PartialOrd for Entry<E> {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl<E> Ord for Entry<E> {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        (self.at, self.order).cmp(&(other.at, other.order))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_of_one_moment_keep_their_order() {
        let mut schedule = Schedule::new();
        for (at, event) in [(5, 'c'), (3, 'a'), (5, 'd'), (3, 'b')] {
            schedule.at(at, event);
        }
        let told: String = std::iter::from_fn(|| schedule.next(100)).collect();
        assert_eq!((told.as_str(), schedule.now()), ("abcd", 100));
    }

    #[test]
    fn what_comes_later_waits() {
        let mut schedule = Schedule::new();
        schedule.at(10, ());
        assert_eq!(schedule.next(10), None);
        assert_eq!(schedule.next(11), Some(()));
    }
}
