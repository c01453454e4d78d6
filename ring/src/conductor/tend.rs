//! Shards that change by themselves: those that are too large or too hot are split, small cold neighbours are merged, and
//! copies move where they, or the requests for them, lie unevenly.
//!
//! ```text
//!   bytes > most                     ──> split where chunks halve it, at once
//!   load  > least, and far over the mean of its table, for a while ──> split at the key that halves the requests
//!   two neighbours, small and cold, unchanged for long             ──> merged
//!   one node has more copies than its share, another one fewer, for a while ──> copies move
//!   copies lie evenly, and one node carries far more requests, for a while  ──> hot copies and cold ones change places
//! ```
//!
//! Nothing oscillates: a pair that is merged is a quarter of what is split, in bytes and in load, and what has changed is left
//! alone for long. A split moves nothing; it is what gives the balance something to move. A balance begins when it is over a
//! bound, ends well below it, and waits until what it has done can be seen; where that was no help, ever longer.
//!
//! All of it stands back while a job runs. A job that was begun here and comes to wait is aborted: it keeps all others away.
//!
//! # What is absent
//!
//! A shard with one hot key, or whose keys only grow, is not split for its load: that would leave all of it in one part. A
//! member that owns nothing gets nothing: when it begins to is an operator's decision.

mod balance;
mod evening;
mod limits;
mod own;
mod said;
mod steady;

pub use limits::TendLimits;

use super::facts::NodeReport;
use crate::catalog::{Catalog, Command};
use evening::Evening;
use quorate_model::{Instant, NodeId, Span};
use said::Said;
use std::collections::BTreeMap;
use steady::Steady;

/// The level of the catalog that has splits and merges.
const LEVEL_MIN: u32 = 4;

/// How long what is said of a shard that was changed may still be of what it was: some times as long as a report is under way.
const SETTLING: Span = Span::from_millis(5_000);

/// Since when what is so is so: all that a leader remembers of it. A new one begins with nothing, and waits as after a job.
#[derive(Clone, Debug, Default)]
pub struct Tending {
    steady: Steady,
    evening: Evening,
}

impl Tending {
    /// What should be done next, if something is due; to be called again and again.
    pub fn next(
        &mut self,
        catalog: &Catalog,
        reports: &BTreeMap<NodeId, NodeReport>,
        now: Instant,
        limits: &TendLimits,
    ) -> Option<Command> {
        if catalog.level() < LEVEL_MIN {
            return None;
        }
        let said = Said { catalog, reports, limits };
        if let Some(job) = catalog.running_job() {
            return self.evening.stand_back(job, &said, now);
        }
        let Self { steady, evening } = self;
        steady.observe(&said, evening.has_looked(), now);
        evening.look(now);
        // What is said of a shard that was split just now is still of the whole.
        let is_settled = |shard| steady.is_settled(shard, now, SETTLING);
        said.split(|shard| steady.is_hot_for(shard, limits.hot_for, now), is_settled)
            .or_else(|| steady.merge(&said, now))
            .or_else(|| evening.next(&said, steady, now))
    }
}

#[cfg(test)]
mod tests;
