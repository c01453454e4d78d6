//! Requests of one kind, and how many of them.

use quorate_load::{Arrival, Keys, Mix, Work};
use std::time::Duration;

/// So long before it counts, the load is the same.
const WARM_UP: Duration = Duration::from_secs(1);

/// Requests of one kind.
pub struct Case {
    /// What it is called.
    pub name: &'static str,
    /// On which table.
    pub table: &'static str,
    /// Reads in a hundred.
    pub reads_percent: u8,
    /// How many owners must answer.
    pub level: &'static str,
    /// What an acknowledgement means.
    pub durability: &'static str,
}

/// What a request to the bare server is: it knows no levels and no tables.
pub const BARE: Case =
    Case { name: "bare hyper", table: "bare", reads_percent: 100, level: "one", durability: "os" };

/// A read at one owner.
const GET_ONE: Case =
    Case { name: "GET one", table: "os", reads_percent: 100, level: "one", durability: "os" };

/// A linearizable read.
pub const GET: Case = Case { name: "GET quorum", level: "quorum", ..GET_ONE };

/// A write that survives the process.
pub const PUT: Case = Case { name: "PUT quorum, os", reads_percent: 0, ..GET };

/// A write that survives the power.
const PUT_SYNC: Case = Case { name: "PUT quorum, sync", table: "sync", durability: "sync", ..PUT };

/// What is measured of our nodes.
pub const OURS: &[Case] = &[GET_ONE, GET, PUT, PUT_SYNC];

/// How much of it.
#[derive(Clone, Copy, Debug)]
pub struct Load {
    /// Connections, with one request in flight on each.
    pub connections: usize,
    /// Requests a second; `None`: as many as can be.
    pub rate: Option<f64>,
    keys: u64,
    time: Duration,
    is_fill: bool,
}

impl Load {
    /// Every key once.
    pub fn fill(keys: u64) -> Self {
        Self { connections: 64, keys, time: Duration::ZERO, rate: None, is_fill: true }
    }

    /// As many requests as can be.
    pub fn closed(connections: usize, keys: u64, time: Duration) -> Self {
        Self { connections, keys, time, rate: None, is_fill: false }
    }

    /// So many a second.
    pub fn open(connections: usize, keys: u64, time: Duration, rate: f64) -> Self {
        Self { rate: Some(rate), ..Self::closed(connections, keys, time) }
    }

    /// The same for the generator.
    pub fn work(&self, case: &Case) -> Work {
        if self.is_fill {
            return Work::Fill { keys: self.keys };
        }
        Work::Ask {
            mix: Mix { keys: Keys::even(self.keys), reads_percent: case.reads_percent },
            arrival: self.rate.map_or(Arrival::Closed, |per_second| Arrival::Open { per_second }),
            warm_up: WARM_UP,
            time: self.time,
        }
    }
}
