//! Is everything that was added still there? The checker for sets that only grow.
//!
//! A register cannot see an acknowledged write that was lost and then overwritten unread. A set can: every element is
//! added once, under its own name, and nothing ever removes it. So of each element it is known when it must be there:
//! from the moment it was acknowledged, or was first seen, until the end. Every look at the whole set that begins
//! after that moment must show it (the idea is that of the set-full checker of Jepsen).
//!
//! | finding | meaning |
//! |---|---|
//! | lost | known, then missing in a look, and never seen again |
//! | flicker | known, then missing in a look, and seen again later |
//! | phantom | seen, though its adding failed, had not begun, or was never asked for |
//! | twice | shown more than once by one look |
//!
//! An element whose adding is of unknown outcome may be missing, until a read has seen it.
//!
//! The verdict is *undecided* if an acknowledged element was never looked for afterwards. **Left out**: removal; a
//! register with deletes is the workload for that.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use crate::history::History;
use crate::judgement::{self, Judgement, Measure, Verdict};
use crate::operation::{Kind, Operation, Status};

/// So many findings of each kind are told one by one.
const TOLD_MAX: usize = 5;

/// One element that a client asked to add. Elements are unique.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Add {
    /// Its name.
    pub element: String,
    /// When the client called, in nanoseconds since the history began.
    pub call: u64,
    /// When the client had its answer or gave up, likewise.
    pub ret: u64,
    /// What came of it. [`Status::Mismatch`] counts as [`Status::Fail`].
    pub status: Status,
}

/// One complete look at the set. Looks that failed, or were cut short, are not looks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Look {
    /// When it began, in nanoseconds since the history began.
    pub call: u64,
    /// When it ended, likewise.
    pub ret: u64,
    /// What it showed, in the order it came.
    pub elements: Vec<String>,
}

/// What is wrong with one element.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Finding {
    /// Known, then missing, and never seen again.
    Lost {
        /// From when it was known to be there.
        known: u64,
        /// The call of the first look that missed it.
        missed: u64,
    },
    /// Known, then missing, and seen again later.
    Flicker {
        /// From when it was known to be there.
        known: u64,
        /// The call of the first look that missed it.
        missed: u64,
    },
    /// Seen without a reason.
    Phantom {
        /// The call of the first look that showed it.
        seen: u64,
    },
    /// Shown more than once by one look.
    Twice {
        /// The call of that look.
        seen: u64,
    },
}

/// The judgement of a set.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// How many elements were acknowledged.
    pub acknowledged: usize,
    /// How many looks there were.
    pub looks: usize,
    /// What was found, by element.
    pub findings: BTreeMap<String, Vec<Finding>>,
    /// Acknowledged elements for which no client looked afterwards.
    pub unjudged: BTreeSet<String>,
    /// The longest time, in nanoseconds, between the acknowledgement of an element and the call of a later look that
    /// still missed it; `None` if no look missed any.
    pub longest_invisible: Option<u64>,
    /// Elements of unknown outcome that a read saw.
    pub surfaced: usize,
    /// The longest time, in nanoseconds, from the call of such an adding to the end of the first look that showed it.
    pub longest_surfacing: Option<u64>,
}

impl Report {
    fn add(&mut self, other: Report) {
        self.acknowledged += other.acknowledged;
        self.looks += other.looks;
        for (element, findings) in other.findings {
            self.findings.entry(element).or_default().extend(findings);
        }
        self.unjudged.extend(other.unjudged);
        self.longest_invisible = self.longest_invisible.max(other.longest_invisible);
        self.surfaced += other.surfaced;
        self.longest_surfacing = self.longest_surfacing.max(other.longest_surfacing);
    }

    /// As the judgement of a workload whose history this is: each finding with what was done about its element.
    pub fn judgement(&self, history: &History) -> Judgement {
        let findings = self.told().into_iter().map(|(element, finding)| judgement::Finding {
            key: element.to_owned(),
            what: finding.to_string(),
            operations: told_by(history, element, finding),
        });
        let measures = vec![
            Measure::count("elements acknowledged", self.acknowledged),
            Measure::time("longest time from acknowledged to visible", self.longest_invisible.unwrap_or(0)),
            Measure::count("elements of unknown outcome that were seen", self.surfaced),
            Measure::time("longest time until one of those was seen", self.longest_surfacing.unwrap_or(0)),
        ];
        let mut judgement = Judgement::of(self.to_string(), findings.collect(), measures);
        judgement.findings_count = self.findings.values().map(Vec::len).sum();
        judgement.verdict = self.verdict();
        judgement
    }

    /// The first few findings of each kind.
    fn told(&self) -> Vec<(&str, &Finding)> {
        let mut counts = BTreeMap::new();
        let all =
            self.findings.iter().flat_map(|(element, found)| found.iter().map(move |one| (element, one)));
        all.filter(|(_, finding)| {
            let count = counts.entry(finding.kind()).or_insert(0);
            *count += 1;
            *count <= TOLD_MAX
        })
        .map(|(element, finding)| (element.as_str(), finding))
        .collect()
    }

    /// The verdict.
    pub fn verdict(&self) -> Verdict {
        if !self.findings.is_empty() {
            Verdict::Violation
        } else if !self.unjudged.is_empty() || self.looks == 0 {
            Verdict::Undecided
        } else {
            Verdict::Passed
        }
    }
}

impl fmt::Display for Report {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            formatter,
            "{} acknowledged elements, {} looks: {} wrong, {} never looked for",
            self.acknowledged,
            self.looks,
            self.findings.len(),
            self.unjudged.len(),
        )?;
        for (element, finding) in self.told() {
            write!(formatter, "\n  element {element:?}: {finding}")?;
        }
        Ok(())
    }
}

impl Finding {
    fn kind(&self) -> &'static str {
        match self {
            Finding::Lost { .. } => "lost",
            Finding::Flicker { .. } => "flickers",
            Finding::Phantom { .. } => "seen",
            Finding::Twice { .. } => "shown twice",
        }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = self.kind();
        let ms = |ns: &u64| *ns as f64 / 1e6;
        match self {
            Finding::Lost { known, missed } => {
                write!(
                    formatter,
                    "{kind}: known since {:.3} ms, missing from {:.3} ms on",
                    ms(known),
                    ms(missed)
                )
            }
            Finding::Flicker { known, missed } => {
                let (known, missed) = (ms(known), ms(missed));
                write!(
                    formatter,
                    "{kind}: known since {known:.3} ms, missing at {missed:.3} ms, seen again later"
                )
            }
            Finding::Phantom { seen } => {
                write!(formatter, "{kind} at {:.3} ms, though no client can have added it", ms(seen))
            }
            Finding::Twice { seen } => write!(formatter, "{kind} at {:.3} ms", ms(seen)),
        }
    }
}

/// Judges a history in which each element is a key of its own, written once: each read is a look for it alone.
pub fn check_history(history: &History) -> Report {
    let mut by_element: BTreeMap<&str, (Vec<Add>, Vec<Look>)> = BTreeMap::new();
    for operation in &history.operations {
        let (adds, looks) = by_element.entry(&operation.key).or_default();
        let (call, ret) = (operation.call, operation.ret.unwrap_or(u64::MAX));
        match &operation.kind {
            Kind::Write { .. } => {
                adds.push(Add { element: operation.key.clone(), call, ret, status: operation.status });
            }
            Kind::Read { value } if operation.status == Status::Ok => {
                // What is not the element itself was never asked for.
                looks.push(Look { call, ret, elements: value.iter().cloned().collect() });
            }
            Kind::Read { .. } | Kind::Delete | Kind::Cas { .. } => {}
        }
    }
    let mut whole = Report::default();
    for (adds, looks) in by_element.values() {
        whole.add(check(adds, looks));
    }
    whole
}

/// Judges a set by what was added and what was seen, both in any order.
pub fn check(adds: &[Add], looks: &[Look]) -> Report {
    let mut looks: Vec<&Look> = looks.iter().collect();
    looks.sort_by_key(|look| (look.call, look.ret));
    let seen: Vec<BTreeSet<&str>> =
        looks.iter().map(|look| look.elements.iter().map(String::as_str).collect()).collect();
    let is_acknowledged = |add: &&Add| add.status == Status::Ok;
    let mut report = Report {
        acknowledged: adds.iter().filter(is_acknowledged).count(),
        looks: looks.len(),
        ..Report::default()
    };
    let mut reasons: BTreeMap<&str, u64> = BTreeMap::new();
    for add in adds {
        match add.status {
            Status::Ok | Status::Unknown => reasons.insert(&add.element, add.call),
            Status::Fail | Status::Mismatch => continue,
        };
        judge_add(add, &looks, &seen, &mut report);
    }
    for look in looks {
        judge_look(look, &reasons, &mut report);
    }
    report
}

/// The operations that show a finding: the adding, the first look that showed the element, and the one that is wrong.
fn told_by(history: &History, element: &str, finding: &Finding) -> Vec<Operation> {
    let wrong = match finding {
        Finding::Lost { missed, .. } | Finding::Flicker { missed, .. } => *missed,
        Finding::Phantom { seen } | Finding::Twice { seen } => *seen,
    };
    let of_element = || history.operations.iter().filter(|operation| operation.key == element);
    let shows = |operation: &&Operation| matches!(operation.kind, Kind::Read { value: Some(_) });
    let is_wrong = |operation: &&Operation| {
        matches!(operation.kind, Kind::Read { .. })
            && operation.call == wrong
            && operation.status == Status::Ok
    };
    let adding = of_element().find(|operation| matches!(operation.kind, Kind::Write { .. }));
    let first_shown = of_element().filter(shows).min_by_key(|operation| operation.ret);
    let mut told: Vec<Operation> = Vec::new();
    for operation in [adding, first_shown, of_element().find(is_wrong)].into_iter().flatten() {
        if !told.contains(operation) {
            told.push(operation.clone());
        }
    }
    told.sort_by_key(|operation| operation.call);
    told
}

/// Whether an element stayed, once it was known.
fn judge_add(add: &Add, looks: &[&Look], seen: &[BTreeSet<&str>], report: &mut Report) {
    let shows = |index: &usize| seen[*index].contains(add.element.as_str());
    let acknowledged = (add.status == Status::Ok).then_some(add.ret);
    let first_seen = (0..looks.len()).filter(shows).map(|index| looks[index].ret).min();
    if let (None, Some(seen)) = (acknowledged, first_seen) {
        report.surfaced += 1;
        report.longest_surfacing = report.longest_surfacing.max(Some(seen.saturating_sub(add.call)));
    }
    let Some(known) = acknowledged.into_iter().chain(first_seen).min() else { return };
    let mut missed = (0..looks.len()).filter(|index| looks[*index].call > known && !shows(index));
    if let Some(first) = missed.next() {
        let last = missed.next_back().unwrap_or(first);
        let is_back = (0..looks.len()).filter(shows).any(|index| looks[index].ret > looks[last].call);
        let missed = looks[first].call;
        let finding =
            if is_back { Finding::Flicker { known, missed } } else { Finding::Lost { known, missed } };
        report.findings.entry(add.element.clone()).or_default().push(finding);
        if let Some(acknowledged) = acknowledged {
            let invisible = looks[last].call.saturating_sub(acknowledged);
            report.longest_invisible = report.longest_invisible.max(Some(invisible));
        }
    }
    if acknowledged.is_some_and(|ret| looks.last().is_none_or(|look| look.call <= ret)) {
        report.unjudged.insert(add.element.clone());
    }
}

/// Whether everything that a look showed has a reason, and was shown once.
fn judge_look(look: &Look, reasons: &BTreeMap<&str, u64>, report: &mut Report) {
    let mut shown: BTreeSet<&str> = BTreeSet::new();
    for element in &look.elements {
        let is_phantom = reasons.get(element.as_str()).is_none_or(|call| *call > look.ret);
        if is_phantom {
            let findings = report.findings.entry(element.clone()).or_default();
            if !findings.iter().any(|finding| matches!(finding, Finding::Phantom { .. })) {
                findings.push(Finding::Phantom { seen: look.call });
            }
        }
        if !shown.insert(element) {
            report.findings.entry(element.clone()).or_default().push(Finding::Twice { seen: look.call });
        }
    }
}

#[cfg(test)]
mod tests;
