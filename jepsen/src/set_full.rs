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
//! An element whose adding is of unknown outcome may be missing, until somebody has seen it.
//!
//! The verdict is *undecided* if an acknowledged element was never looked for afterwards. **Left out**: removal; a
//! register with deletes is the workload for that.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use crate::history::History;
use crate::operation::{Kind, Operation, Status};
use crate::workload::{self, Judgement, Measure};

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
    /// Acknowledged elements for which nobody looked afterwards.
    pub unjudged: BTreeSet<String>,
    /// The longest time, in nanoseconds, between the acknowledgement of an element and the call of a later look that
    /// still missed it; `None` if no look missed any.
    pub longest_invisible: Option<u64>,
    /// Elements of unknown outcome that somebody saw.
    pub surfaced: usize,
    /// The longest time, in nanoseconds, from the call of such an adding to the end of the first look that showed it.
    pub longest_surfacing: Option<u64>,
}

/// The verdict of a set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Nothing is wrong, and every acknowledged element was looked for.
    Passed,
    /// Something is wrong.
    Violation,
    /// Nothing wrong was seen, but not everything was looked for. This is not a pass.
    Undecided,
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
        let findings = self.told().into_iter().map(|(element, finding)| workload::Finding {
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
        judgement.verdict = match self.verdict() {
            Verdict::Passed => workload::Verdict::Passed,
            Verdict::Violation => workload::Verdict::Violation,
            Verdict::Undecided => workload::Verdict::Undecided,
        };
        judgement
    }

    /// The first few findings of each kind.
    fn told(&self) -> Vec<(&str, &Finding)> {
        let mut counts = [0; 4];
        let mut told = Vec::new();
        for (element, findings) in &self.findings {
            for finding in findings {
                let kind = match finding {
                    Finding::Lost { .. } => 0,
                    Finding::Flicker { .. } => 1,
                    Finding::Phantom { .. } => 2,
                    Finding::Twice { .. } => 3,
                };
                counts[kind] += 1;
                if counts[kind] <= TOLD_MAX {
                    told.push((element.as_str(), finding));
                }
            }
        }
        told
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

impl fmt::Display for Finding {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let milliseconds = |ns: &u64| *ns as f64 / 1e6;
        match self {
            Finding::Lost { known, missed } => write!(
                formatter,
                "lost: known since {:.3} ms, missing from {:.3} ms on",
                milliseconds(known),
                milliseconds(missed)
            ),
            Finding::Flicker { known, missed } => write!(
                formatter,
                "flickers: known since {:.3} ms, missing at {:.3} ms, seen again later",
                milliseconds(known),
                milliseconds(missed)
            ),
            Finding::Phantom { seen } => {
                write!(formatter, "seen at {:.3} ms, though nobody can have added it", milliseconds(seen))
            }
            Finding::Twice { seen } => write!(formatter, "shown twice at {:.3} ms", milliseconds(seen)),
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
mod tests {
    use Status::{Fail, Ok, Unknown};
    use rand::{Rng, SeedableRng};
    use rand_chacha::ChaCha8Rng;

    use super::*;
    use crate::linearizable;
    use crate::operation::{ClientId, Detail, Kind, Operation};

    fn add(element: &str, call: u64, ret: u64, status: Status) -> Add {
        Add { element: element.into(), call, ret, status }
    }

    fn look(call: u64, ret: u64, elements: &[&str]) -> Look {
        Look { call, ret, elements: elements.iter().map(ToString::to_string).collect() }
    }

    #[track_caller]
    fn finds(adds: &[Add], looks: &[Look], expected: &[(&str, Finding)]) {
        let report = check(adds, looks);
        let found: Vec<(&str, Finding)> = report
            .findings
            .iter()
            .flat_map(|(element, findings)| {
                findings.iter().map(|finding| (element.as_str(), finding.clone()))
            })
            .collect();
        assert_eq!(found, expected, "{report}");
        let verdict = if expected.is_empty() { Verdict::Passed } else { Verdict::Violation };
        assert_eq!(report.verdict(), verdict, "{report}");
    }

    #[test]
    fn everything_is_there() {
        finds(&[add("a", 0, 1, Ok), add("b", 2, 3, Ok)], &[look(4, 5, &["b", "a"])], &[]);
    }

    #[test]
    fn what_is_being_added_may_be_seen_or_not() {
        let adds = [add("a", 0, 10, Ok), add("b", 0, 10, Ok)];
        finds(&adds, &[look(1, 2, &["a"]), look(11, 12, &["a", "b"])], &[]);
    }

    #[test]
    fn an_unknown_element_may_come_late_or_never() {
        let adds = [add("a", 0, 1, Unknown), add("b", 0, 1, Unknown)];
        finds(&adds, &[look(2, 3, &[]), look(4, 5, &["a"]), look(6, 7, &["a"])], &[]);
    }

    #[test]
    fn a_look_that_began_before_the_first_sight_ended_may_miss_it() {
        finds(&[add("a", 0, 50, Ok)], &[look(1, 9, &["a"]), look(2, 8, &[]), look(51, 52, &["a"])], &[]);
    }

    #[test]
    fn an_acknowledged_element_is_lost() {
        let looks = [look(2, 3, &["a"]), look(4, 5, &[]), look(6, 7, &[])];
        finds(&[add("a", 0, 1, Ok)], &looks, &[("a", Finding::Lost { known: 1, missed: 4 })]);
    }

    #[test]
    fn an_unknown_element_is_lost_after_it_was_seen() {
        let looks = [look(2, 3, &["a"]), look(4, 5, &[])];
        finds(&[add("a", 0, 1, Unknown)], &looks, &[("a", Finding::Lost { known: 3, missed: 4 })]);
    }

    #[test]
    fn an_acknowledged_element_flickers() {
        let looks = [look(2, 3, &[]), look(4, 5, &["a"])];
        finds(&[add("a", 0, 1, Ok)], &looks, &[("a", Finding::Flicker { known: 1, missed: 2 })]);
    }

    #[test]
    fn phantoms_failed_were_never_asked_for_or_come_too_early() {
        let adds = [add("failed", 0, 1, Fail), add("early", 10, 11, Ok)];
        let looks = [look(2, 3, &["failed", "stranger", "early"]), look(12, 13, &["early"])];
        finds(
            &adds,
            &looks,
            &[
                ("early", Finding::Phantom { seen: 2 }),
                ("failed", Finding::Phantom { seen: 2 }),
                ("stranger", Finding::Phantom { seen: 2 }),
            ],
        );
    }

    #[test]
    fn one_look_shows_an_element_twice() {
        finds(&[add("a", 0, 1, Ok)], &[look(2, 3, &["a", "a"])], &[("a", Finding::Twice { seen: 2 })]);
    }

    #[test]
    fn what_nobody_looked_for_is_undecided() {
        let report = check(&[add("a", 0, 10, Ok)], &[look(1, 2, &[])]);
        assert_eq!(report.verdict(), Verdict::Undecided);
        assert_eq!(report.unjudged, BTreeSet::from(["a".to_owned()]));
        assert_eq!(check(&[], &[]).verdict(), Verdict::Undecided);
    }

    #[test]
    fn the_longest_time_to_visibility_is_told() {
        let looks = [look(5, 6, &["b"]), look(9, 10, &["b"]), look(12, 13, &["a", "b"])];
        let report = check(&[add("a", 0, 2, Ok), add("b", 0, 1, Ok)], &looks);
        assert_eq!(report.longest_invisible, Some(7));
    }

    #[test]
    fn a_history_of_keys_is_judged_element_by_element() {
        let operation = |key: &str, kind, call, status| Operation {
            client: ClientId(1),
            key: key.into(),
            kind,
            call,
            ret: Some(call + 1),
            status,
            closing: false,
            detail: Detail::default(),
        };
        let wrote = |key: &str, call, status| operation(key, Kind::Write { value: key.into() }, call, status);
        let read = |key: &str, value: Option<&str>, call| {
            operation(key, Kind::Read { value: value.map(str::to_owned) }, call, Ok)
        };
        let mut history = History {
            operations: vec![
                wrote("a", 0, Ok),
                wrote("b", 0, Unknown),
                read("a", Some("a"), 4),
                read("b", None, 4),
                read("b", Some("b"), 8),
            ],
        };
        let good = check_history(&history);
        assert_eq!(good.verdict(), Verdict::Passed, "{good}");
        assert_eq!((good.surfaced, good.longest_surfacing), (1, Some(9)));
        history.operations.push(read("a", None, 12));
        let bad = check_history(&history).judgement(&history);
        assert_eq!(bad.verdict, workload::Verdict::Violation);
        assert_eq!(bad.findings.len(), 1);
        assert_eq!(bad.findings[0].operations.len(), 3, "{:?}", bad.findings);
        history.operations.pop();
        history.operations.push(read("a", Some("other"), 12));
        let phantom = check_history(&history);
        assert!(phantom.findings.contains_key("other"), "{phantom}");
    }

    /// One element is a register that is written once: the two checkers must agree on it.
    #[test]
    fn each_element_is_judged_as_a_register_would_be() {
        let (mut good, mut bad) = (0, 0);
        for seed in 0..5_000 {
            let mut random = ChaCha8Rng::seed_from_u64(seed);
            let mut interval = || {
                let call = random.random_range(0..30);
                (call, call + random.random_range(0..10), random.random_range(0..8))
            };
            let (call, ret, luck) = interval();
            let status = [Ok, Ok, Ok, Ok, Ok, Unknown, Unknown, Fail][luck];
            let looks: Vec<Look> = (0..=seed % 5)
                .map(|_| interval())
                .map(|(call, ret, luck)| look(call, ret, if call + luck as u64 > 20 { &["a"] } else { &[] }))
                .collect();
            let as_register = |kind, call, ret, status| {
                let (client, key, detail) = (ClientId(0), String::new(), Detail::default());
                Operation { client, key, kind, call, ret: Some(ret), status, closing: false, detail }
            };
            let mut register = vec![as_register(Kind::Write { value: "a".into() }, call, ret, status)];
            register.extend(looks.iter().map(|look| {
                as_register(Kind::Read { value: look.elements.first().cloned() }, look.call, look.ret, Ok)
            }));
            let answer = linearizable::answer_key(&register, &linearizable::Limits::default());
            let report = check(&[add("a", call, ret, status)], &looks);
            match answer {
                linearizable::Answer::Yes => good += 1,
                linearizable::Answer::No => bad += 1,
                linearizable::Answer::Undecided => panic!("seed {seed}: undecided"),
            }
            let is_good = answer == linearizable::Answer::Yes;
            assert_eq!(report.findings.is_empty(), is_good, "seed {seed}: {register:#?}\n{report}");
        }
        assert!(good > 1_000 && bad > 1_000, "one-sided: {good} good, {bad} bad");
    }
}
