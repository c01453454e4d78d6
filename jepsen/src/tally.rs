//! Counts: how often each kind of request came to which end, and which answers broke the contract.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Mutex, PoisonError};

use crate::outcome::{Outcome, Verb};
use quorate_checkers::operation::Status;

/// Of all breaches of the contract, so many are kept word for word.
const BREACHES_KEPT_MAX: usize = 20;

/// Counts the outcomes of many tasks.
#[derive(Debug, Default)]
pub struct Tally {
    counts: Mutex<Counts>,
}

/// How often what happened.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// By verb, status and label.
    pub outcomes: BTreeMap<(Verb, Status, String), u64>,
    /// How many answers broke the contract.
    pub breaches_count: u64,
    /// The first of them.
    pub breaches: Vec<String>,
}

impl Tally {
    /// Counts one outcome.
    pub fn count(&self, verb: Verb, outcome: &Outcome) {
        let mut counts = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        *counts.outcomes.entry((verb, outcome.status, outcome.label.clone())).or_default() += 1;
        if let Some(breach) = &outcome.breach {
            counts.breaches_count += 1;
            if counts.breaches.len() < BREACHES_KEPT_MAX {
                counts.breaches.push(breach.clone());
            }
        }
    }

    /// The counts so far.
    pub fn counts(&self) -> Counts {
        self.counts.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl fmt::Display for Counts {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        for ((verb, status, label), count) in &self.outcomes {
            let status = match status {
                Status::Ok => "ok",
                Status::Fail => "fail",
                Status::Unknown => "unknown",
                Status::Mismatch => "mismatch",
            };
            writeln!(formatter, "  {:<7} {status:<8} {label:<24} {count:>9}", verb.name())?;
        }
        for breach in &self.breaches {
            writeln!(formatter, "  breach of the contract: {breach}")?;
        }
        Ok(())
    }
}
