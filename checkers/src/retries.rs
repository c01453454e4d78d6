//! Retries with operation ids: an acknowledged one is never applied again, and gets the same answer.
//!
//! All attempts at one write carry the same id and the same body. What each may do:
//!
//! | attempt | may take effect |
//! |---|---|
//! | unknown, before the id was acknowledged | once, at any time after its call, or never |
//! | acknowledged, the first to be, and not as a repetition | once, between its call and its return |
//! | acknowledged, the first to be, as a repetition | not itself: one of the unknown ones did, before it returned |
//! | any, after the id was acknowledged | never |
//! | failed | never |
//!
//! So two things are judged. **The answers**: after the first acknowledgement, each must say that it is a repetition,
//! and name the version that the first one named. (If attempts of unknown outcome came before, each of those may have
//! left a version of its own, so as many other versions are borne.) **The order**: with the attempts of an id turned
//! into what they may have done, as the table says, the history must be linearizable (see [`crate::linearizable`]): a
//! write that is applied again shows as a value that comes back.
//!
//! The clients must do the attempts at one id one after the other.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use crate::history::History;
use crate::judgement::{Finding, Judgement, Measure};
use crate::linearizable::{self, Limits};
use crate::operation::{Operation, Status};

/// What was found.
#[derive(Clone, Debug, PartialEq)]
pub struct Report {
    /// Of what the attempts may have done.
    pub orders: linearizable::Report,
    /// Answers that are wrong by themselves.
    pub answers: Vec<Finding>,
    /// Operation ids that were used.
    pub ids: usize,
    /// Of them, those that were acknowledged.
    pub acknowledged: usize,
    /// Answers that repeated an earlier one.
    pub repeated: usize,
    /// Of them, those that told of a write whose earlier attempts were all of unknown outcome.
    pub settled: usize,
}

/// Judges a history in which writes have ids.
pub fn check(history: &History, limits: Limits) -> Report {
    let mut by_id: BTreeMap<&str, Vec<&Operation>> = BTreeMap::new();
    let mut operations = Vec::new();
    for operation in &history.operations {
        match &operation.detail.id {
            Some(id) => by_id.entry(id).or_default().push(operation),
            None => operations.push(operation.clone()),
        }
    }
    let mut report = Report {
        orders: linearizable::Report { operations: 0, keys: BTreeMap::new() },
        answers: Vec::new(),
        ids: by_id.len(),
        acknowledged: 0,
        repeated: history.operations.iter().filter(|one| one.detail.replayed).count(),
        settled: 0,
    };
    for (id, mut attempts) in by_id {
        attempts.sort_by_key(|attempt| attempt.call);
        let attempts = Attempts::of(&attempts);
        report.acknowledged += usize::from(attempts.acknowledged.is_some());
        report.settled += usize::from(attempts.acknowledged.is_some_and(|first| first.detail.replayed));
        report.answers.extend(attempts.wrong_answers(id));
        operations.extend(attempts.effects());
    }
    report.orders = linearizable::check(&History { operations }, limits);
    report
}

/// The attempts at one write.
struct Attempts<'a> {
    all: &'a [&'a Operation],
    /// Of unknown outcome, before any was acknowledged.
    unknown: Vec<&'a Operation>,
    /// The first that was acknowledged.
    acknowledged: Option<&'a Operation>,
    /// Acknowledged later.
    later: Vec<&'a Operation>,
}

impl<'a> Attempts<'a> {
    fn of(all: &'a [&'a Operation]) -> Attempts<'a> {
        let is_ok = |attempt: &&Operation| attempt.status == Status::Ok;
        let first = all.iter().position(is_ok);
        let (before, after) = all.split_at(first.unwrap_or(all.len()));
        let unknown = before.iter().copied().filter(|one| one.status == Status::Unknown).collect();
        let later = after.iter().skip(1).copied().filter(is_ok).collect();
        Attempts { all, unknown, acknowledged: after.first().copied(), later }
    }

    fn wrong_answers(&self, id: &str) -> Vec<Finding> {
        let mut wrong = Vec::new();
        let mut find = |what: String| {
            let operations = self.all.iter().map(|attempt| (*attempt).clone()).collect();
            wrong.push(Finding { key: self.all[0].key.clone(), what, operations });
        };
        let Some(first) = self.acknowledged else { return wrong };
        if self.all.iter().any(|one| one.key != first.key || one.kind != first.kind) {
            find(format!("the attempts at {id} are not of one write: the workload is wrong"));
        }
        if first.detail.replayed && self.unknown.is_empty() {
            find(format!("{id}: the answer repeats another, but no earlier attempt can have been applied"));
        }
        if self.later.iter().any(|one| !one.detail.replayed) {
            find(format!("{id} was acknowledged, and a retry of it was applied again"));
        }
        let others: BTreeSet<&str> = self
            .later
            .iter()
            .filter_map(|one| one.detail.version.as_deref())
            .filter(|version| first.detail.version.as_deref() != Some(version))
            .collect();
        if others.len() > self.unknown.len() && self.later.iter().all(|one| one.detail.replayed) {
            find(format!("{id}: a retry got another answer than the first: {others:?}"));
        }
        wrong
    }

    /// What the attempts may have done, as operations that know nothing of ids.
    fn effects(&self) -> Vec<Operation> {
        let mut unknown: Vec<Operation> = self.unknown.iter().map(|attempt| (*attempt).clone()).collect();
        let Some(first) = self.acknowledged else {
            // Who sees the value of a write that failed must be told from where it came.
            let failed = self.all.iter().find(|_| unknown.is_empty()).map(|attempt| (*attempt).clone());
            unknown.extend(failed);
            return unknown;
        };
        let mut applied = first.clone();
        if first.detail.replayed && !unknown.is_empty() {
            // Any of them may have been the one; the earliest call stands for the first effect.
            applied.call = unknown.remove(0).call;
        }
        unknown.push(applied);
        unknown
    }
}

impl Report {
    /// As the judgement of a workload.
    pub fn judgement(self) -> Judgement {
        let (text, orders) = (self.to_string(), Judgement::of_registers(&self.orders));
        let measures = vec![
            Measure::count("operation ids", self.ids),
            Measure::count("answers that repeated an earlier one", self.repeated),
            Measure::count("writes of unknown outcome that a retry settled", self.settled),
        ];
        let mut judgement = Judgement::of(text, self.answers, measures);
        judgement.add(orders);
        judgement
    }
}

impl fmt::Display for Report {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            formatter,
            "{} ids, {} acknowledged, {} answers repeated, {} wrong",
            self.ids,
            self.acknowledged,
            self.repeated,
            self.answers.len(),
        )?;
        for finding in &self.answers {
            write!(formatter, "\n  key {:?}: {}", finding.key, finding.what)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
