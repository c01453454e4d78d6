//! One measurement, in figures.

use serde::Serialize;

/// What one load came to.
#[derive(Clone, Debug, Serialize)]
pub struct Figure {
    /// Of what.
    pub case: &'static str,
    /// Over how many connections.
    pub connections: usize,
    /// Requests a second that fell due; `None`: as many as could be.
    pub rate: Option<f64>,
    /// Requests a second that were answered.
    pub per_second: f64,
    /// Microseconds of CPU of all servers for a request, with what they did for it afterwards.
    pub server_us: f64,
    /// Those of the client.
    pub client_us: f64,
    /// The median of latencies, in microseconds.
    pub p50_us: u64,
    /// 99 of 100 were faster.
    pub p99_us: u64,
    /// 999 of 1,000 were.
    pub p99_9_us: u64,
    /// The slowest one.
    pub longest_us: u64,
    /// Requests that failed, or were of keys that are not there.
    pub failed: u64,
    /// Requests that fell due and were not sent.
    pub unsent: u64,
}
