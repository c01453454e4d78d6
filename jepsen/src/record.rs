//! What is kept of a run: the files of a run's folder, from which the report is made.
//!
//! ```text
//! run.json                      what was asked for, and what was left out
//! segment-0001/
//!     history.jsonl             every operation (see [`quorate_checkers::history`])
//!     events.jsonl              what broke and healed, one event a line
//!     throughput.jsonl          one line for each second and node
//!     segment.json              the verdict and the figures; written last, so that a segment without it is not done
//! report.html
//! ```
//!
//! The run writes these files as it goes on; their reader knows nothing of the run. A run that was
//! broken off is a folder like any other: what is there counts, and what is missing is said. Files are replaced as a
//! whole, by renaming, so that none is ever seen half written.
//!
//! **Left out**: the nodes' logs and data, which lie where the run put them.

mod faults;
mod folder;
mod second;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::run;
use quorate_checkers::judgement::{Finding, Measure};
use quorate_checkers::operation::Status;

pub use faults::{FaultRecord, of_faults};
pub use folder::{Error, RunFolder, SegmentFolder};
pub use second::{SecondRecord, availability, by_second};

/// `run.json`: what was asked for.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RunRecord {
    /// The command that does the same again, as one line for a shell.
    pub command: String,
    /// The seed from which all segments draw theirs.
    pub seed: u64,
    /// What the binary under test says of its version.
    pub version: String,
    /// The machine in a few words: kernel, processors, memory.
    pub machine: String,
    /// Where nodes live, in a few words: `network namespaces`, `loopback`.
    pub hosts: String,
    /// The suite, if it is one.
    #[serde(default)]
    pub suite: Option<String>,
    /// When it began, in seconds of Unix time.
    pub started: u64,
    /// How many segments were planned; 0 if it goes on until it is stopped.
    pub segments_planned: u32,
    /// For how many minutes segments are begun; nothing if until there are none left.
    #[serde(default)]
    pub minutes: Option<u64>,
    /// In how many seconds all of it must be done to count; nothing if it may take as long as it does.
    #[serde(default)]
    pub seconds_max: Option<u64>,
    /// How long its segments took in all sittings, founding and judging included, in seconds.
    #[serde(default)]
    pub seconds_spent: f64,
    /// What this machine cannot do, and why.
    #[serde(default)]
    pub left_out: Vec<LeftOut>,
    /// The numbers of segments that were void at first and were done once more, each with the reasons.
    #[serde(default)]
    pub void_at_first: BTreeMap<u32, String>,
    /// The numbers of segments that found no cluster to test, each with the reason.
    #[serde(default)]
    pub without_cluster: BTreeMap<u32, String>,
}

/// Something that a run did not do.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LeftOut {
    /// What: the name of a fault or a workload.
    pub what: String,
    /// Why.
    pub why: String,
}

/// `segment.json`: one workload under one set of faults, on a cluster of its own.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SegmentRecord {
    /// Its number in the run, from 1.
    pub number: u32,
    /// The name of the workload.
    pub workload: String,
    /// What an acknowledgement means in its table: `sync` or `os`.
    pub durability: String,
    /// The names of the faults, in order; none if nothing was broken.
    pub faults: Vec<String>,
    /// Its own seed.
    pub seed: u64,
    /// The command that does this segment again, as one line for a shell.
    pub command: String,
    /// When it began, in seconds of Unix time.
    pub started: u64,
    /// How long clients worked, in seconds, without founding, closing reads and judging.
    pub seconds: f64,
    /// The nodes' names, in order.
    pub nodes: Vec<String>,
    /// How many clients worked at once; 0 where the workload has a course of its own.
    pub clients: u32,
    /// How it ended.
    pub verdict: run::Verdict,
    /// What the judge says, for people.
    pub explanation: String,
    /// Why it proves nothing, if it does not.
    #[serde(default)]
    pub void: Vec<String>,
    /// What processes did wrong by themselves: ended, panicked, grew too large.
    #[serde(default)]
    pub misdeeds: Vec<String>,
    /// How many answers broke the contract.
    #[serde(default)]
    pub breaches_count: u64,
    /// The first of them.
    #[serde(default)]
    pub breaches: Vec<String>,
    /// How many things were found wrong.
    #[serde(default)]
    pub findings_count: u64,
    /// The first of them.
    #[serde(default)]
    pub findings: Vec<Finding>,
    /// What was measured, and is no promise.
    #[serde(default)]
    pub measures: Vec<Measure>,
    /// How often each kind of request came to which end.
    pub counts: Vec<CountRecord>,
    /// Operations that completed with success while the clients worked.
    pub completed: u64,
    /// The same per second.
    pub per_second: f64,
    /// The longest time in which nothing completed with success, in milliseconds.
    pub longest_gap_ms: f64,
    /// The figures of each kind of fault.
    pub by_fault: Vec<FaultRecord>,
    /// The most memory that each node was seen to use, in bytes and in the order of the nodes; empty if unknown.
    #[serde(default)]
    pub memory_peak_bytes: Vec<u64>,
}

#[cfg(test)]
impl SegmentRecord {
    /// A segment of which only what a test is about need be said.
    pub(crate) fn example() -> SegmentRecord {
        SegmentRecord {
            number: 1,
            workload: "register".into(),
            durability: "sync".into(),
            faults: vec!["kill".into()],
            seed: 7,
            command: "quorate-jepsen register --seed 7".into(),
            started: 1_800_000_000,
            seconds: 10.5,
            nodes: vec!["n1".into()],
            clients: 5,
            verdict: run::Verdict::Passed,
            explanation: "so it is".into(),
            void: Vec::new(),
            misdeeds: Vec::new(),
            breaches_count: 0,
            breaches: Vec::new(),
            findings_count: 0,
            findings: Vec::new(),
            measures: Vec::new(),
            counts: Vec::new(),
            completed: 1,
            per_second: 0.1,
            longest_gap_ms: 1.5,
            by_fault: vec![FaultRecord { fault: "kill".into(), ..FaultRecord::default() }],
            memory_peak_bytes: Vec::new(),
        }
    }
}

/// How often one kind of request came to one end.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CountRecord {
    /// What was asked for: `read`, `write`, `delete`.
    pub verb: String,
    /// What the client concluded.
    pub status: Status,
    /// The answer in a few words.
    pub label: String,
    /// How often.
    pub count: u64,
}

/// One line of `events.jsonl`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EventRecord {
    /// When, in nanoseconds of the history's clock.
    pub at: u64,
    /// Which kind of event it is.
    pub kind: EventKind,
    /// The name of the fault.
    pub fault: String,
    /// The names of the nodes that it struck; empty if it is not about some more than about others.
    #[serde(default)]
    pub nodes: Vec<String>,
    /// The names of the nodes that must go on serving without those; empty where nothing is promised.
    #[serde(default)]
    pub majority: Vec<String>,
    /// What happened, in a sentence.
    pub what: String,
}

/// The kinds of events.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum EventKind {
    /// Something broke.
    Strike,
    /// What this fault broke is not broken any more.
    Heal,
    /// All nodes that can be are ready again, after this fault was healed.
    Recovered,
    /// A node that this fault had made lose something holds everything again.
    Whole,
    /// Something did not happen as it should: a fault that could not be made or healed, a node not ready in time.
    Trouble,
}
