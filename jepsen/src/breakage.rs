//! Broken builds: would the suite notice?
//!
//! A suite that finds nothing may be blind. So each line of [`BREAKAGES`] breaks one rule of the protocol in the real
//! binary (a build that no release contains), together with the workload and the faults under which it has to show. A
//! breakage is found when the judge of a segment's history finds something; segments with new seeds follow each other
//! until then.
//!
//! A suite that always finds something is as blind. So the same build must pass first, with nothing broken, under the
//! same workload and faults: where it does not, nothing that is found there counts.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use crate::cluster::NodeShape;
use crate::nemesis;
use crate::record::SegmentRecord;
use crate::run::{Settings, Verdict};
use crate::segment::{Error, Ground, Segment, seed_of};
use crate::workload::{self, WORKLOADS};

/// The variable that tells the broken build what to break.
pub const VARIABLE: &str = "QUORATE_BREAK";

/// What that variable says of a build in which nothing is broken.
const NOTHING: &str = "none";

/// A breakage that is not found within this time was missed.
pub const TIME_MAX: Duration = Duration::from_mins(10);

/// So many segments are tried until the whole build passes: one may have too little load.
const WHOLE_TRIES_MAX: u32 = 3;

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

/// Looks for breakages, one after the other.
#[derive(Debug)]
pub struct Hunt {
    /// From which each segment draws its own.
    seed: u64,
    /// The number of the next segment.
    next: u32,
    /// What the whole build did, by workload, faults, nodes and seconds: why it did not pass, if it did not.
    whole: BTreeMap<(&'static str, &'static str, usize, u64), Result<(), String>>,
}

impl Hunt {
    /// One that has not begun. Segments draw their seeds from this one.
    pub fn new(seed: u64) -> Hunt {
        Hunt { seed, next: 1, whole: BTreeMap::new() }
    }

    /// Lets the suite look for one breakage. The environment of the ground is changed for it.
    pub async fn meet(&mut self, ground: &mut Ground, breakage: &Breakage) -> Result<Met, Error> {
        let mut met = Met { name: breakage.name, found: None, segments: 0, said: String::new() };
        let faults = nemesis::named(breakage.faults).expect("a test reads every line");
        if let Some(why) = faults.iter().find_map(|fault| ground.machine.lacks_for(fault)) {
            met.said = format!("this machine cannot break what it needs: {why}");
            return Ok(met);
        }
        let place = (breakage.workload, breakage.faults, breakage.nodes, breakage.seconds);
        let known = self.whole.get(&place).cloned();
        let whole = match known {
            Some(whole) => whole,
            None => self.try_whole(ground, breakage).await?,
        };
        self.whole.insert(place, whole.clone());
        if let Err(why) = whole {
            met.said = format!("with nothing broken, the same does not pass: {why}");
            return Ok(met);
        }
        let begun = Instant::now();
        let time = Duration::from_secs(breakage.seconds);
        let mut without_cluster = 0;
        while met.found.is_none()
            && begun.elapsed() + time < TIME_MAX
            && without_cluster < WITHOUT_CLUSTER_MAX
        {
            met.segments += 1;
            let said = self.one_segment(ground, breakage, breakage.name).await?;
            without_cluster += u32::from(matches!(said, Said::NoCluster(_)));
            met.said = match said {
                Said::Found(what) => {
                    met.found = Some(begun.elapsed());
                    what
                }
                Said::Passed => "nothing was found".to_owned(),
                Said::Otherwise(what) | Said::NoCluster(what) => what,
            };
        }
        Ok(met)
    }

    /// Whether the build passes where nothing is broken. Too little load, or no cluster, is tried again.
    async fn try_whole(
        &mut self,
        ground: &mut Ground,
        breakage: &Breakage,
    ) -> Result<Result<(), String>, Error> {
        let mut why = String::new();
        for _ in 0..WHOLE_TRIES_MAX {
            match self.one_segment(ground, breakage, NOTHING).await? {
                Said::Passed => return Ok(Ok(())),
                Said::Found(what) => return Ok(Err(what)),
                Said::Otherwise(what) | Said::NoCluster(what) => why = what,
            }
        }
        Ok(Err(why))
    }

    async fn one_segment(
        &mut self,
        ground: &mut Ground,
        breakage: &Breakage,
        broken: &str,
    ) -> Result<Said, Error> {
        let Some(workload) = WORKLOADS.iter().find(|entry| entry.name == breakage.workload) else {
            return Ok(Said::NoCluster(format!("there is no workload {}", breakage.workload)));
        };
        let number = self.next;
        self.next += 1;
        ground.environment = vec![(VARIABLE.to_owned(), broken.to_owned())];
        let segment = Segment {
            number,
            workload,
            options: workload::Options { keys_at_once: 3, ..workload::Options::default() },
            faults: nemesis::named(breakage.faults).expect("a test reads every line"),
            hold_max: Duration::from_secs(4),
            nodes: vec![NodeShape::default(); breakage.nodes],
            settings: Settings {
                clients: 10,
                time: Duration::from_secs(breakage.seconds),
                seed: seed_of(self.seed, number),
            },
        };
        match segment.run(ground).await {
            Ok((record, _)) => Ok(said_by(&record)),
            Err(Error::Cluster(error)) => Ok(Said::NoCluster(error.to_string())),
            Err(error @ Error::Record(_)) => Err(error),
        }
    }
}

/// What a segment says about a build.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Said {
    /// The judge of the history found something.
    Found(String),
    /// It passed.
    Passed,
    /// Neither: void, undecided, or something that is no finding of the judge.
    Otherwise(String),
    /// There was nothing to test.
    NoCluster(String),
}

/// A process that ended or panicked, and an answer that broke the contract, are no findings of the judge: they would be
/// seen without it.
fn said_by(record: &SegmentRecord) -> Said {
    match record.verdict {
        Verdict::Passed => Said::Passed,
        Verdict::Violated if record.findings_count > 0 && record.misdeeds.is_empty() => {
            Said::Found(record.explanation.clone())
        }
        Verdict::Violated | Verdict::Undecided | Verdict::Void => {
            let reasons = [&record.misdeeds[..], &record.breaches, &record.void].concat();
            Said::Otherwise(format!("{:?}: {}", record.verdict, reasons.join("; ")))
        }
    }
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
