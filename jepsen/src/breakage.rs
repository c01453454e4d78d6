//! Broken builds: would the suite notice?
//!
//! A suite that finds nothing may be blind. So each line of [`BREAKAGES`] breaks one rule of the protocol in the real
//! binary (a build that no release contains), together with the workload and the faults under which it has to show. A
//! breakage is found when the judge of a segment's history finds something; segments with new seeds follow each other
//! until then.
//!
//! A suite that always finds something is as blind. So the same build must pass first, with nothing broken, under the
//! same workload and faults: where it does not, nothing that is found there counts.

use std::collections::{BTreeMap, VecDeque};
use std::time::{Duration, Instant};

use crate::campaign::Agenda;
use crate::cluster::NodeShape;
use crate::nemesis;
use crate::nemesis::needs::Machine;
use crate::record::SegmentRecord;
use crate::run::{Report, Settings, Verdict};
use crate::segment::{Proof, Segment, seed_of};
use crate::workload::{self, WORKLOADS};

/// The variable that tells the broken build what to break.
const VARIABLE: &str = "QUORATE_BREAK";

/// What that variable says of a build in which nothing is broken.
const NOTHING: &str = "none";

/// A breakage that is not found within this time was missed.
const TIME_MAX: Duration = Duration::from_mins(10);

/// A segment has time for so many of the longest strikes.
const HOLDS_MIN: u64 = 7;

/// So many segments are tried until the whole build passes: one may have too little load.
const WHOLE_TRIES_MAX: u32 = 3;

/// One way to be wrong, and where it shows.
#[derive(Debug)]
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
    breakage("drop-not-awaited",            "dropped",  "partition-halves",       5, 70),
    breakage("scan-error-ends-quietly",     "scan",     "partition,kill",         3, 30),
];

/// How one breakage was met.
#[derive(Clone, Debug)]
struct Met {
    /// Its name.
    name: &'static str,
    /// After how long it was found; `None` if it was missed.
    found: Option<Duration>,
    /// How many segments that took.
    segments: u32,
    /// What the judge said in the end.
    said: String,
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

/// Looks for breakages, one after the other: the agenda of a run.
#[derive(Debug)]
pub struct Hunt {
    /// From which each segment draws its own.
    seed: u64,
    /// Those that are still to be met; the first is being looked for.
    open: VecDeque<&'static Breakage>,
    /// When the looking for the first began, what came of it so far.
    looking: Option<(Instant, Met)>,
    /// What the whole build did, by workload, faults, nodes and seconds.
    whole: BTreeMap<Spot, Whole>,
    /// How each was met.
    met: Vec<Met>,
}

/// Where a breakage shows: workload, faults, nodes, seconds.
type Spot = (&'static str, &'static str, usize, u64);

/// What the whole build does under a workload and faults.
#[derive(Clone, Debug)]
enum Whole {
    /// It passes.
    Passes,
    /// It was tried so often, and did not pass for this reason. One that may have been the machine's is tried again.
    Doubtful(u32, String),
    /// Something was found in it.
    Broken(String),
}

impl Breakage {
    fn place(&self) -> Spot {
        (self.workload, self.faults, self.nodes, self.seconds)
    }

    fn met(&self) -> Met {
        Met { name: self.name, found: None, segments: 0, said: String::new() }
    }
}

/// The environment of a build in which this is broken.
pub fn environment(broken: &str) -> Vec<(String, String)> {
    vec![(VARIABLE.to_owned(), broken.to_owned())]
}

/// The same with nothing broken.
pub fn whole() -> Vec<(String, String)> {
    environment(NOTHING)
}

impl Hunt {
    /// A hunt for these, or for all if none is named. Segments draw their seeds from this one.
    pub fn new(seed: u64, only: &[String], machine: &Machine) -> Hunt {
        let is_chosen = |one: &&Breakage| only.is_empty() || only.iter().any(|name| name == one.name);
        let (mut open, mut met) = (VecDeque::new(), Vec::new());
        for one in BREAKAGES.iter().filter(is_chosen) {
            let faults = nemesis::named(one.faults).expect("a test reads every line");
            match faults.iter().find_map(|fault| machine.lacks_for(fault)) {
                Some(why) => {
                    let said = format!("this machine cannot break what it needs: {why}");
                    met.push(Met { said, ..one.met() });
                }
                None => open.push_back(one),
            }
        }
        for one in &met {
            println!("{one}");
        }
        Hunt { seed, open, looking: None, whole: BTreeMap::new(), met }
    }

    /// How many were chosen and not found: missed, or never looked for since the run ended before.
    pub fn missed(&self) -> usize {
        self.open.len() + self.met.iter().filter(|met| met.found.is_none()).count()
    }

    /// The first is met, and the next takes its place.
    fn meet(&mut self, met: Met) {
        println!("{met}");
        self.met.push(met);
        self.open.pop_front();
        self.looking = None;
    }

    /// What a segment said counts for what is being looked for.
    fn note(&mut self, said: Said) {
        let Some(one) = self.open.front().copied() else { return };
        let Some((begun, met)) = &mut self.looking else {
            let tries = match self.whole.get(&one.place()) {
                Some(Whole::Doubtful(tries, _)) => *tries,
                Some(Whole::Passes | Whole::Broken(_)) | None => 0,
            };
            let whole = match said {
                Said::Passed => Whole::Passes,
                Said::Found(what) => Whole::Broken(what),
                Said::Otherwise(why) => Whole::Doubtful(tries + 1, why),
            };
            self.whole.insert(one.place(), whole);
            return;
        };
        met.segments += 1;
        met.said = match said {
            Said::Found(what) => {
                met.found = Some(begun.elapsed());
                what
            }
            Said::Passed => "nothing was found".to_owned(),
            Said::Otherwise(what) => what,
        };
    }
}

impl Agenda for Hunt {
    fn next(&mut self, number: u32) -> Option<Segment> {
        loop {
            let one = self.open.front().copied()?;
            let time = Duration::from_secs(one.seconds);
            match (&self.looking, self.whole.get(&one.place())) {
                (Some((begun, met)), _) if met.found.is_some() || begun.elapsed() + time >= TIME_MAX => {
                    let met = met.clone();
                    self.meet(met);
                }
                (Some(_), _) => return Some(segment(one, one.name, number, self.seed)),
                (None, Some(Whole::Passes)) => self.looking = Some((Instant::now(), one.met())),
                (None, Some(Whole::Broken(why))) => {
                    let said = format!("with nothing broken, the same does not pass: {why}");
                    self.meet(Met { said, ..one.met() });
                }
                (None, Some(Whole::Doubtful(tries, why))) if *tries >= WHOLE_TRIES_MAX => {
                    let said = format!("with nothing broken, the same does not pass: {why}");
                    self.meet(Met { said, ..one.met() });
                }
                (None, Some(Whole::Doubtful(..)) | None) => {
                    return Some(segment(one, NOTHING, number, self.seed));
                }
            }
        }
    }

    fn done(&mut self, segment: &SegmentRecord, _report: &Report) {
        self.note(said_by(segment));
    }

    fn found_no_cluster(&mut self, _number: u32, why: &str) {
        self.note(Said::Otherwise(why.to_owned()));
    }
}

/// A segment with this broken.
fn segment(breakage: &Breakage, broken: &str, number: u32, run_seed: u64) -> Segment {
    let workload = WORKLOADS.iter().find(|entry| entry.name == breakage.workload);
    let options = workload::Options { keys_at_once: 3, ..workload::Options::default() };
    Segment {
        number,
        proof: Proof::of(workload.expect("a test reads every line"), options),
        faults: nemesis::named(breakage.faults).expect("a test reads every line"),
        hold_max: Duration::from_secs(breakage.seconds / HOLDS_MIN),
        nodes: vec![NodeShape::default(); breakage.nodes],
        environment: environment(broken),
        settings: Settings {
            clients: 10,
            time: Duration::from_secs(breakage.seconds),
            seed: seed_of(run_seed, number),
        },
    }
}

/// What a segment says about a build.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Said {
    /// The judge of the history found something.
    Found(String),
    /// It passed.
    Passed,
    /// Neither: void, undecided, without a cluster, or something that is no finding of the judge.
    Otherwise(String),
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

    fn hunt(names: &[&str]) -> Hunt {
        let open = BREAKAGES.iter().filter(|one| names.contains(&one.name)).collect();
        Hunt { seed: 1, open, looking: None, whole: BTreeMap::new(), met: Vec::new() }
    }

    fn broken(hunt: &mut Hunt) -> Option<String> {
        Some(hunt.next(1)?.environment[0].1.clone())
    }

    #[test]
    fn the_whole_build_must_pass_first_and_once_for_each_place() {
        let mut hunt = hunt(&["hints-count", "one-ack-too-few"]);
        assert_eq!(broken(&mut hunt).as_deref(), Some(NOTHING));
        hunt.note(Said::Otherwise("too little load".into()));
        assert_eq!(broken(&mut hunt).as_deref(), Some(NOTHING));
        hunt.note(Said::Passed);
        assert_eq!(broken(&mut hunt).as_deref(), Some("hints-count"));
        hunt.note(Said::Passed);
        assert_eq!(broken(&mut hunt).as_deref(), Some("hints-count"));
        hunt.note(Said::Found("lost".into()));
        assert_eq!(broken(&mut hunt).as_deref(), Some("one-ack-too-few"), "the same place passed before");
        hunt.note(Said::Found("lost".into()));
        assert_eq!((broken(&mut hunt), hunt.missed()), (None, 0));
        assert_eq!(hunt.met[0].segments, 2);
    }

    #[test]
    fn what_is_found_where_nothing_is_broken_does_not_count() {
        let mut hunt = hunt(&["hints-count"]);
        broken(&mut hunt);
        hunt.note(Said::Found("lost".into()));
        assert_eq!((broken(&mut hunt), hunt.missed()), (None, 1));
    }

    #[test]
    fn a_whole_build_that_never_passes_ends_the_search() {
        let mut hunt = hunt(&["hints-count"]);
        for _ in 0..WHOLE_TRIES_MAX {
            assert_eq!(broken(&mut hunt).as_deref(), Some(NOTHING));
            hunt.note(Said::Otherwise("no cluster".into()));
        }
        assert_eq!((broken(&mut hunt), hunt.missed()), (None, 1));
    }
}
