//! What a judge says of a history: the verdict, why, and what was measured on the way.

use serde::{Deserialize, Serialize};

use crate::linearizable;
use crate::operation::Operation;

/// So many findings of one history are kept; the text says how many there were.
const FINDINGS_MAX: usize = 20;

/// So many lines of what one judge says are kept.
const LINES_MAX: usize = 60;

/// A verdict, with what explains it.
#[derive(Clone, Debug, PartialEq)]
pub struct Judgement {
    /// The verdict.
    pub verdict: Verdict,
    /// The explanation, for people.
    pub text: String,
    /// Why the history proves nothing, beside a broken promise, if it does not: what it is about happened
    /// too seldom.
    pub void: Vec<String>,
    /// How many things were found wrong.
    pub findings_count: usize,
    /// Those of them that are told one by one.
    pub findings: Vec<Finding>,
    /// What was measured, and is no promise.
    pub measures: Vec<Measure>,
}

/// What a history proves.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Verdict {
    /// All promises were kept.
    Passed,
    /// The judge could not decide. This is not a pass.
    Undecided,
    /// A promise was broken.
    Violation,
}

/// One thing that is wrong, with the few operations that show it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Finding {
    /// The key.
    pub key: String,
    /// What is wrong with it, in a sentence.
    pub what: String,
    /// The operations that show it, in the order of their calls.
    pub operations: Vec<Operation>,
}

/// A figure.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Measure {
    /// What it is, in a few words.
    pub name: String,
    /// How much.
    pub value: f64,
    /// Its unit: `ms`, `s`, `%`, or empty for a count.
    pub unit: String,
}

impl Measure {
    /// A count.
    pub fn count(name: &str, count: usize) -> Measure {
        Measure { name: name.to_owned(), value: count as f64, unit: String::new() }
    }

    /// A time, given in nanoseconds.
    pub fn time(name: &str, nanoseconds: u64) -> Measure {
        Measure { name: name.to_owned(), value: nanoseconds as f64 / 1e6, unit: "ms".to_owned() }
    }

    /// A part of a whole; of nothing, all of it.
    pub fn share(name: &str, part: usize, whole: usize) -> Measure {
        let value = if whole == 0 { 100.0 } else { 100.0 * part as f64 / whole as f64 };
        Measure { name: name.to_owned(), value, unit: "%".to_owned() }
    }
}

impl Judgement {
    /// Of these findings, and nothing else wrong.
    pub fn of(text: String, findings: Vec<Finding>, measures: Vec<Measure>) -> Judgement {
        let verdict = if findings.is_empty() { Verdict::Passed } else { Verdict::Violation };
        let (void, findings_count) = (Vec::new(), findings.len());
        Judgement { verdict, text, void, findings_count, findings, measures }
    }

    /// What the search for an order says.
    pub fn of_registers(report: &linearizable::Report) -> Judgement {
        let findings: Vec<Finding> = report
            .violations()
            .map(|(key, operations)| Finding {
                key: key.to_owned(),
                what: "has no order that explains every answer".to_owned(),
                operations: operations.to_vec(),
            })
            .collect();
        let mut judgement = Judgement::of(report.to_string(), findings, Vec::new());
        if judgement.findings.is_empty() && !report.passed() {
            judgement.verdict = Verdict::Undecided;
        }
        judgement
    }

    /// Adds what else was found wrong.
    pub fn add_findings(&mut self, findings: Vec<Finding>) {
        if !findings.is_empty() {
            self.verdict = Verdict::Violation;
            self.findings_count += findings.len();
            self.findings.extend(findings);
        }
    }

    /// Adds what another judge says of the same history. The worse verdict counts.
    pub fn add(&mut self, other: Judgement) {
        self.verdict = self.verdict.max(other.verdict);
        self.text = format!("{}\n{}", bounded(&self.text, LINES_MAX), bounded(&other.text, LINES_MAX));
        self.void.extend(other.void);
        self.findings_count += other.findings_count;
        self.findings.extend(other.findings);
        self.measures.extend(other.measures);
    }

    /// The same, bounded in size: where everything is wrong, what is shown by the fewest
    /// operations tells enough.
    #[must_use]
    pub fn bounded(mut self) -> Judgement {
        self.findings.sort_by_key(|finding| (finding.operations.is_empty(), finding.operations.len()));
        self.findings.truncate(FINDINGS_MAX);
        self.text = bounded(&self.text, 2 * LINES_MAX);
        self
    }
}

fn bounded(text: &str, lines_max: usize) -> String {
    let lines = text.lines().count();
    if lines <= lines_max {
        return text.to_owned();
    }
    let kept: Vec<&str> = text.lines().take(lines_max).collect();
    format!("{}\n  and {} lines more", kept.join("\n"), lines - lines_max)
}
