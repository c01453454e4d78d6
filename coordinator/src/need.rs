//! How many owners an operation needs, and for what: a number for each set of the plan in force.
//!
//! An operation keeps what it needs, not how many that is. A set's size decides that, the two sets of a shard that moves
//! may differ in size, and after a newer plan both may be others.

use crate::rules::{expiry, read, write};
use quorate_model::{Level, Rules, level};
use quorate_ring::{Plan, Quota};

/// What owners must have done, before it goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Need {
    /// Shown what they hold, to a read at this level.
    Read(Level),
    /// Told their version, to round one of a write at this level.
    Asked(Level),
    /// Acknowledged a write at this level.
    Acknowledged(Level),
    /// Held an earlier attempt of a write that is tried again at this level.
    Repeated(Level),
    /// Held what a read at this level answers.
    Answered(Level),
    /// Held the flag of a value that has expired.
    Flagged,
    /// Held what is made safe after the answer: a write quorum.
    Quorum,
}

impl Need {
    /// How many owners that is in each set.
    pub fn quota(self, rules: Rules, plan: &Plan) -> Quota {
        plan.quota_by(|n| self.of(rules, n, plan.table.w.within(n)))
    }

    fn of(self, rules: Rules, n: u8, table_w: u8) -> u8 {
        match self {
            Need::Read(level) => read::answered_by(rules, level.within(n)),
            Need::Asked(level) => write::asked_in_round_one(rules, n, table_w, level.within(n)),
            Need::Acknowledged(level) => write::acknowledged_by(rules, level.within(n)),
            Need::Repeated(level) => write::acknowledged_by(rules, level.within(n).max(level::quorum(n))),
            Need::Answered(level) => read::held_before_answer(rules, level.within(n), n),
            Need::Flagged => expiry::flagged_before_answer(rules, n),
            Need::Quorum => level::quorum(n),
        }
    }
}
