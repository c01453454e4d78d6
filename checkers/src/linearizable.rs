//! Is a history linearizable? The checker behind the promise that a quorum means what people think it means.
//!
//! **The question.** Every operation is an interval, from call to return. A history of one key is linearizable if
//! one moment can be chosen in each interval so that, done one after the other at these moments on a single
//! register that begins absent, the operations give exactly the answers that were seen. Linearizability is local
//! (Herlihy and Wing, 1990, theorem 1): a history of many keys is linearizable if and only if each key's is. So the
//! history is cut up by key, and keys are judged one by one.
//!
//! **What is known of each operation** decides what the search may do with it:
//!
//! | status | meaning for the search |
//! |---|---|
//! | ok | takes effect exactly once, between call and return |
//! | mismatch (compare-and-set) | changes nothing, but at one moment the value was another than expected |
//! | unknown | takes effect once, at any moment after its call, however late, or never |
//! | fail | never takes effect: seeing its value is a violation |
//!
//! Reads that did not succeed say nothing, and are left out.
//!
//! **The search** (Wing and Gong 1993; Lowe, "Testing for linearizability", 2017) walks through the possible orders
//! depth first: an operation may come next if no other open one returned before it was called. A pair of (set of
//! operations done, state of the register) that was seen before need not be tried again. It is exponential in the
//! worst case, and three steps keep it far from that on what workloads do (see `prepare` and `search`):
//!
//! 1. If only one operation can have made a value that a read saw, then that operation did take effect, and did so
//!    before the first who saw it returned. Most operations of unknown outcome become known that way, and the rest
//!    mostly cannot matter at all.
//! 2. An open operation that only observes, and fits the present state, is taken at once: it can never be better to
//!    wait.
//! 3. A value that is still to be seen by a read, and that no other write can bring back, must not be overwritten.
//!
//! **Verdicts** are three: yes, no with the few operations that show it, and *undecided* when a limit was reached.
//! Undecided is not passed. Results depend on the history and the step limit alone: there is no limit of time, and nothing
//! here iterates over a hash map.
//!
//! **Left out**: operations on several keys at once, values other than one register, and any weaker model. A
//! register cannot see an acknowledged write that was lost and then overwritten unread: that is what the set
//! workload is for.

mod minimize;
mod prepare;
mod search;
#[cfg(test)]
mod tests;

pub use search::{Answer, Limits, answer_key};

use std::collections::BTreeMap;
use std::fmt;

use crate::history::History;
use crate::operation::Operation;

/// The judgement of one key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// An order exists that explains every answer.
    Linearizable,
    /// No order exists.
    Violation {
        /// The few operations that show it, in the order of their calls. On their own they have no order either;
        /// every value that they saw is either written among them or was never written. [`check`] leaves them out
        /// for all but the first few keys.
        operations: Vec<Operation>,
    },
    /// The limit came first. This is not a pass.
    Undecided,
}

/// The judgement of a whole history.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Report {
    /// How many operations were judged.
    pub operations: usize,
    /// The verdict of each key, in the order of the keys.
    pub keys: BTreeMap<String, Verdict>,
}

impl Report {
    /// Whether every key is linearizable. Undecided is not passed.
    pub fn passed(&self) -> bool {
        self.keys.values().all(|verdict| match verdict {
            Verdict::Linearizable => true,
            Verdict::Violation { .. } | Verdict::Undecided => false,
        })
    }

    /// The keys with a violation, and the operations that show it.
    pub fn violations(&self) -> impl Iterator<Item = (&str, &[Operation])> {
        self.keys.iter().filter_map(|(key, verdict)| match verdict {
            Verdict::Violation { operations } => Some((key.as_str(), operations.as_slice())),
            Verdict::Linearizable | Verdict::Undecided => None,
        })
    }

    /// The keys without a verdict.
    pub fn undecided(&self) -> impl Iterator<Item = &str> {
        self.keys.iter().filter_map(|(key, verdict)| match verdict {
            Verdict::Undecided => Some(key.as_str()),
            Verdict::Linearizable | Verdict::Violation { .. } => None,
        })
    }
}

impl fmt::Display for Report {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let violations = self.violations().count();
        let undecided = self.undecided().count();
        write!(
            formatter,
            "{} keys, {} operations: {} linearizable, {violations} violated, {undecided} undecided",
            self.keys.len(),
            self.operations,
            self.keys.len() - violations - undecided,
        )?;
        for (key, operations) in self.violations() {
            write!(formatter, "\n  key {key:?} has no order:")?;
            for operation in operations {
                write!(formatter, "\n    {}", sentence(operation))?;
            }
        }
        for key in self.undecided() {
            write!(formatter, "\n  key {key:?} is undecided: the step limit came first")?;
        }
        Ok(())
    }
}

/// So many violations of one history are made small, which takes much longer than to find them.
const SHOWN_MAX: usize = 10;

/// Judges a history key by key. Of the violations, the first few are made small.
pub fn check(history: &History, limits: Limits) -> Report {
    let mut by_key: BTreeMap<&str, Vec<Operation>> = BTreeMap::new();
    for operation in &history.operations {
        by_key.entry(&operation.key).or_default().push(operation.clone());
    }
    let by_key = by_key.into_iter().map(|(key, operations)| (key.to_owned(), operations));
    Report { operations: history.operations.len(), keys: check_keys(by_key, limits) }
}

/// Judges keys one by one. Of the violations, the first few are made small.
pub(crate) fn check_keys(
    by_key: impl Iterator<Item = (String, Vec<Operation>)>,
    limits: Limits,
) -> BTreeMap<String, Verdict> {
    let mut shown = 0;
    let mut judge = |operations: &[Operation]| match answer_key(operations, limits) {
        Answer::Yes => Verdict::Linearizable,
        Answer::Undecided => Verdict::Undecided,
        Answer::No if shown == SHOWN_MAX => Verdict::Violation { operations: Vec::new() },
        Answer::No => {
            shown += 1;
            Verdict::Violation { operations: minimize::minimize(operations, limits.for_minimizing()) }
        }
    };
    by_key.map(|(key, operations)| (key, judge(&operations))).collect()
}

/// Judges the operations of one key, given in any order, and makes a violation small. Their `key` is not looked at.
pub fn check_key(operations: &[Operation], limits: Limits) -> Verdict {
    match answer_key(operations, limits) {
        Answer::Yes => Verdict::Linearizable,
        Answer::No => {
            Verdict::Violation { operations: minimize::minimize(operations, limits.for_minimizing()) }
        }
        Answer::Undecided => Verdict::Undecided,
    }
}

/// One operation as a line for people: times in milliseconds, client, what it did.
pub fn sentence(operation: &Operation) -> String {
    use crate::operation::{Kind, Status};
    let milliseconds = |ns: u64| ns as f64 / 1e6;
    let shown =
        |value: &Option<String>| value.as_ref().map_or("nothing".to_owned(), |value| format!("{value:?}"));
    let what = match &operation.kind {
        Kind::Read { value } => format!("read, saw {}", shown(value)),
        Kind::Write { value } => format!("write {value:?}"),
        Kind::Delete => "delete".to_owned(),
        Kind::Cas { expect, value } => format!("cas from {} to {value:?}", shown(expect)),
    };
    let status = match operation.status {
        Status::Ok => "ok",
        Status::Fail => "failed",
        Status::Unknown => "unknown",
        Status::Mismatch => "mismatch",
    };
    let ret = operation.ret.map_or("never".to_owned(), |ret| format!("{:.3}", milliseconds(ret)));
    format!(
        "{:>12.3} to {ret:>12} ms  client {:<3} {what}: {status}",
        milliseconds(operation.call),
        operation.client.0
    )
}
