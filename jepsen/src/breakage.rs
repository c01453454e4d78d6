//! Broken builds: would the suite notice?
//!
//! A suite that finds nothing may be blind. So each line of [`BREAKAGES`] breaks one rule of the protocol in the real
//! binary (a build that no release contains), together with the workload and the faults under which it has to show. A
//! breakage is found when a segment is judged as violated; segments with new seeds follow each other until then.

use std::time::{Duration, Instant};

use crate::cluster::NodeShape;
use crate::nemesis;
use crate::run::{Settings, Verdict};
use crate::segment::{Error, Ground, Segment, seed_of};
use crate::workload::{self, WORKLOADS};

/// The variable that tells the broken build what to break.
pub const VARIABLE: &str = "QUORATE_BREAK";

/// A breakage that is not found within this time was missed.
pub const TIME_MAX: Duration = Duration::from_mins(10);

/// If so many segments find no cluster to test, the breakage was missed: the build itself does not work.
const WITHOUT_CLUSTER_MAX: u32 = 3;

/// One way to be wrong, and where it shows.
pub struct Breakage {
    /// Its name, as the broken build knows it.
    pub name: &'static str,
    /// What clients do.
    pub workload: &'static str,
    /// What breaks besides.
    pub faults: &'static str,
    /// How many nodes.
    pub nodes: usize,
    /// How long a segment is.
    pub seconds: u64,
}

const fn breakage(
    name: &'static str,
    workload: &'static str,
    faults: &'static str,
    nodes: usize,
    seconds: u64,
) -> Breakage {
    Breakage { name, workload, faults, nodes, seconds }
}

/// The breakages.
#[rustfmt::skip]
pub const BREAKAGES: &[Breakage] = &[
    breakage("repair-after-answer",         "register", "partition,pause",        3, 30),
    breakage("no-read-repair",              "register", "partition,pause",        3, 30),
    breakage("hints-count",                 "set",      "partition,kill",         3, 30),
    breakage("acknowledged-before-durable", "set",      "power-all",              3, 30),
    breakage("unknown-called-failed",       "register", "partition,pause",        3, 30),
    breakage("round-one-by-request-w",      "regular",  "kill",                   3, 30),
    breakage("retries-applied",             "retries",  "partition,kill,pause",   3, 30),
    breakage("lower-sequence-applied",      "retries",  "partition,kill,pause",   3, 30),
    breakage("last-arrival-wins",           "register", "partition,pause",        3, 30),
    breakage("expiry-not-flagged",          "ttl",      "clock",                  3, 40),
    breakage("one-ack-too-few",             "set",      "partition,kill",         3, 30),
];

/// How one breakage was met.
#[derive(Clone, Debug)]
pub struct Met {
    /// Its name.
    pub name: &'static str,
    /// After how long it was found; `None` if it was missed.
    pub found: Option<Duration>,
    /// How many segments that took.
    pub segments: u32,
    /// What the judge said in the end.
    pub said: String,
}

impl std::fmt::Display for Met {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let name = self.name;
        match self.found {
            Some(after) => {
                let said = self.said.lines().next().unwrap_or_default();
                write!(formatter, "{name:<28} found after {:.0} s: {said}", after.as_secs_f64())
            }
            None => write!(formatter, "{name:<28} MISSED in {} segments: {}", self.segments, self.said),
        }
    }
}

/// Lets the suite look for one breakage. Segments are numbered from the given number on.
pub async fn meet(ground: &Ground, breakage: &Breakage, first: u32, seed: u64) -> Result<Met, Error> {
    let begun = Instant::now();
    let mut met = Met { name: breakage.name, found: None, segments: 0, said: String::new() };
    let Some(workload) = WORKLOADS.iter().find(|entry| entry.name == breakage.workload) else {
        met.said = format!("there is no workload {}", breakage.workload);
        return Ok(met);
    };
    let faults = nemesis::named(breakage.faults).expect("a test reads every line");
    if let Some(why) = faults.iter().find_map(|fault| ground.machine.lacks_for(fault)) {
        met.said = format!("this machine cannot break what it needs: {why}");
        return Ok(met);
    }
    let time = Duration::from_secs(breakage.seconds);
    let mut without_cluster = 0;
    while met.found.is_none() && begun.elapsed() + time < TIME_MAX && without_cluster < WITHOUT_CLUSTER_MAX {
        let number = first + met.segments;
        let segment = Segment {
            number,
            workload,
            options: workload::Options { keys_at_once: 3, ..workload::Options::default() },
            faults: faults.clone(),
            hold_max: Duration::from_secs(4),
            nodes: vec![NodeShape::default(); breakage.nodes],
            settings: Settings { clients: 10, time, seed: seed_of(seed, number) },
        };
        met.segments += 1;
        match segment.run(ground).await {
            Ok((record, _)) => {
                // A process that ended or panicked is no finding of the judges.
                let is_found = record.verdict == Verdict::Violated && record.misdeeds.is_empty();
                met.found = is_found.then(|| begun.elapsed());
                let misdeeds = record.misdeeds.join("; ");
                met.said =
                    if is_found { record.explanation } else { format!("{:?} {misdeeds}", record.verdict) };
            }
            Err(Error::Cluster(error)) => {
                without_cluster += 1;
                met.said = error.to_string();
            }
            Err(error @ Error::Record(_)) => return Err(error),
        }
    }
    Ok(met)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_line_names_a_workload_and_faults() {
        for breakage in BREAKAGES {
            assert!(WORKLOADS.iter().any(|entry| entry.name == breakage.workload), "{}", breakage.workload);
            assert!(nemesis::named(breakage.faults).is_ok_and(|faults| !faults.is_empty()));
        }
        assert!(BREAKAGES.len() >= 6);
    }
}
