//! Load for a measurement: which requests, when each should begin, and how long each took.
//!
//! ```text
//!   closed  each connection sends its next request when the last one is answered: how much is possible
//!
//!   open    requests fall due at a rate, whether or not those before are answered: how long a client waits
//!
//!           due      |    |  |       |   |     |
//!           sent     |    |  |...........|..|  |         a stall delays those behind it,
//!           answered  |    |             |   |  |  |     and all of that counts: latency is from when it was due
//! ```
//!
//! One thread drives all connections, each with one request in flight, so that a generator that is the bottleneck shows: it
//! uses all of one core. What a request is on the wire, a [`Connection`] knows; so the same load goes to any server.
//!
//! # What is absent
//!
//! Averages of quantiles, and latencies from when a request could be sent: both hide what a stall does to clients ("coordinated
//! omission", Gil Tene).

mod arrival;
mod keys;
mod latencies;
mod request;
mod run;
mod timer;

pub use arrival::Arrival;
pub use keys::{Keys, Mix};
pub use latencies::Latencies;
pub use request::{Answer, Connection, Request};
pub use run::{Measured, Plan, Progress, Work, run};
