//! The numbers of a session's writes, by which a retry is told from another write.
//!
//! A node refuses a number below one that it has seen of the same client at the same key. So a session that has several
//! writes in flight can't be *one* client to the nodes: a write that is overtaken would be refused. Each write in flight
//! has a *lane*, a client id of its own: within a lane one write ends before the next begins. A key remembers its last
//! sixteen clients, so lanes are used again, the first one first.

use quorate_model::OperationId;
use std::collections::BTreeSet;
use std::sync::{Mutex, MutexGuard};

/// The lanes of one session.
#[derive(Debug)]
pub(crate) struct Lanes {
    /// What its client ids begin with; drawn at random, so that no two sessions have the same.
    name: String,
    all: Mutex<All>,
}

#[derive(Debug, Default)]
struct All {
    /// The last number of each lane.
    numbers: Vec<u64>,
    free: BTreeSet<usize>,
}

/// A lane, for as long as a write or a batch is in flight.
#[derive(Debug)]
pub(crate) struct Lane<'a> {
    lanes: &'a Lanes,
    at: usize,
}

impl Lanes {
    /// Of a new session.
    pub fn draw() -> Self {
        let random = getrandom::u64().expect("the operating system has random bytes");
        Self { name: format!("rs-{random:016x}"), all: Mutex::default() }
    }

    /// The first lane that is free.
    pub fn lane(&self) -> Lane<'_> {
        let mut all = self.all();
        let at = all.free.pop_first().unwrap_or_else(|| {
            all.numbers.push(0);
            all.numbers.len() - 1
        });
        Lane { lanes: self, at }
    }

    fn all(&self) -> MutexGuard<'_, All> {
        self.all.lock().expect("nothing panics while it holds this lock")
    }
}

impl Lane<'_> {
    /// The operation id of its next write.
    pub fn next_id(&self) -> OperationId {
        let mut all = self.lanes.all();
        all.numbers[self.at] += 1;
        OperationId { client: format!("{}.{}", self.lanes.name, self.at), sequence: all.numbers[self.at] }
    }
}

impl Drop for Lane<'_> {
    fn drop(&mut self) {
        self.lanes.all().free.insert(self.at);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_grow_within_a_lane_and_writes_in_flight_have_lanes_of_their_own() {
        let lanes = Lanes::draw();
        let said = |id: OperationId| id.to_string().rsplit_once('.').expect("a lane").1.to_owned();
        let (first, second) = (lanes.lane(), lanes.lane());
        assert_eq!([first.next_id(), second.next_id(), second.next_id()].map(said), ["0:1", "1:1", "1:2"]);
        drop(first);
        drop(second);
        assert_eq!(said(lanes.lane().next_id()), "0:2");
        assert!(lanes.lane().next_id().to_string().parse::<OperationId>().is_ok());
        assert_ne!(Lanes::draw().name, lanes.name);
    }
}
