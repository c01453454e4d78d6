//! Nothing that is over comes back: the checker for deletes and expiry, over a run of any length.
//!
//! Values are unique and each is written by one request at most once, so the life of a value has one beginning and
//! one end. It is *known to have begun* when its write was acknowledged, or when a read saw it. It is *known to be
//! over* when, after that, something else was acknowledged (another write, a delete) or was seen (another value, or
//! nothing, as when it expired). A read that begins from then on and sees the value has seen it come back.
//!
//! ```text
//!   write a  |====|                    a is known to have begun
//!   delete           |===|             a is known to be over
//!   read                     |==| a    a came back
//! ```
//!
//! That is less than linearizability, and follows from it; in return it costs little however often a key is looked
//! at, and it needs no word for *when* a value expires. What it cannot see: an acknowledged value that vanishes.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use crate::history::History;
use crate::judgement::{Finding, Judgement, Measure};
use crate::operation::{Kind, Operation, Status};

/// What was found.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Report {
    /// How many values were written, or may have been.
    pub values: usize,
    /// How many of them were known to be over, and looked for afterwards.
    pub judged: usize,
    /// What came back, with what began it, what ended it and who saw it again.
    pub findings: Vec<Finding>,
}

/// Judges a history of unique values, in any order.
pub fn check(history: &History) -> Report {
    let mut report = Report::default();
    for operations in history.by_key(|one| one.status != Status::Fail).values() {
        check_key(operations, &mut report);
    }
    report
}

fn check_key(operations: &[&Operation], report: &mut Report) {
    let ok: Vec<&Operation> = operations.iter().copied().filter(|one| one.status == Status::Ok).collect();
    let mut ended: Vec<&Operation> = ok.clone();
    ended.sort_by_key(|one| one.ret);
    let mut last_called = ok;
    last_called.sort_by_key(|one| one.call);
    for (value, write) in written_once(operations) {
        report.values += 1;
        let begins = ended.iter().find(|one| tells_of(one, value));
        let Some((begins, known)) = begins.and_then(|one| one.ret.map(|ret| (*one, ret))) else { continue };
        let ends = ended.iter().find(|one| one.call > known && !tells_of(one, value));
        let Some((ends, over)) = ends.and_then(|one| one.ret.map(|ret| (*one, ret))) else { continue };
        let after = last_called.partition_point(|one| one.call <= over);
        let mut looks = last_called[after..].iter().filter(|one| matches!(one.kind, Kind::Read { .. }));
        report.judged += usize::from(looks.clone().next().is_some());
        if let Some(again) = looks.find(|one| tells_of(one, value)) {
            report.findings.push(finding(value, write, begins, ends, again));
        }
    }
}

/// The values that one operation alone wrote, or may have.
fn written_once<'a>(operations: &[&'a Operation]) -> BTreeMap<&'a str, &'a Operation> {
    let (mut once, mut more) = (BTreeMap::new(), BTreeSet::new());
    for operation in operations {
        if let Kind::Write { value } = &operation.kind
            && once.insert(value.as_str(), *operation).is_some()
        {
            more.insert(value.as_str());
        }
    }
    once.retain(|value, _| !more.contains(value));
    once
}

/// Whether an operation that succeeded shows that this value was there.
fn tells_of(operation: &Operation, value: &str) -> bool {
    match &operation.kind {
        Kind::Read { value: told } => told.as_deref() == Some(value),
        Kind::Write { value: told } | Kind::Cas { value: told, .. } => told == value,
        Kind::Delete => false,
    }
}

fn finding(
    value: &str,
    write: &Operation,
    begins: &Operation,
    ends: &Operation,
    again: &Operation,
) -> Finding {
    let milliseconds = |ns: u64| ns as f64 / 1e6;
    let over = milliseconds(ends.ret.unwrap_or(ends.call));
    let mut operations = vec![write.clone()];
    for operation in [begins, ends, again] {
        if !operations.contains(operation) {
            operations.push(operation.clone());
        }
    }
    operations.sort_by_key(|operation| (operation.call, operation.client));
    Finding {
        key: write.key.clone(),
        what: format!(
            "{value:?} came back: it was over by {over:.3} ms, and a read that was called at {:.3} ms saw it",
            milliseconds(again.call)
        ),
        operations,
    }
}

impl Report {
    /// As the judgement of a workload.
    pub fn judgement(self) -> Judgement {
        let measures = vec![Measure::count("values seen to be over and looked for again", self.judged)];
        Judgement::of(self.to_string(), self.findings, measures)
    }
}

impl fmt::Display for Report {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (values, judged, back) = (self.values, self.judged, self.findings.len());
        write!(
            formatter,
            "{values} values, {judged} of them known to be over and looked for again: {back} came back"
        )?;
        for finding in &self.findings {
            write!(formatter, "\n  key {:?}: {}", finding.key, finding.what)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
