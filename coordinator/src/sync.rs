//! Sync: owners of a shard find out where they differ, and bring each other up to date, without any client.
//!
//! Hints, repairs and resends make owners equal in nearly all cases, and forget in the rest: a hint that did not fit, one
//! that died with its coordinator, a write that ended unknown. Here the owners compare what they hold, by sums that each
//! keeps while it writes.
//!
//! ```text
//!   whole sums ──equal──> proven: nothing was read, 16 bytes came
//!       └─ differ ─> sums of groups of chunks ─> of chunks ─> of some keys each ─> items ─> records ─> whole sums
//! ```
//!
//! [`Exchange`] compares an interval of this node's replica with one other owner's and brings over what is newer: from
//! there to here only, in both ways, or not at all. It asks this node's own replica by the same requests as the other. A
//! [`Round`] does so with all other owners of some shards, and only where their whole sums differ.
//!
//! # Invariants
//!
//! - A record is only ever *merged*: by version, with the operation ids of both. Nothing is overwritten, taken away or
//!   made anew, so whatever goes on beside it, and however old what comes is, nothing is lost or weakened.
//! - What is equal is not sent. What is sent is bounded in keys and bytes at a time, and so is what is remembered.
//! - Everything before [`Exchange::at`] is done: an exchange that ends early goes on from there.
//! - A refusal by either ends the exchange: a shard that has other owners now, or another epoch, is looked at anew.
//!
//! # What is left out
//!
//! A sketch (an IBLT) instead of lists: it would halve the bytes where differences are dense.

mod asking;
mod bring;
mod exchange;
mod limits;
mod round;
mod stream;
mod throttle;
mod turns;
mod wanted;
mod work;

pub use exchange::Exchange;
pub use limits::SyncLimits;
pub use round::{Outcome, Round, RoundAction, Shard};
pub use throttle::Throttle;
pub use turns::turns;
pub use wanted::{Action, Counts, Ending, ExchangeLimits, Input, Task, Way};

#[cfg(test)]
pub(crate) mod tests;
