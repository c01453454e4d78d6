//! Suites: which segments there are, one after another.
//!
//! *Quick* is a fixed list that fits into ten minutes of a machine with two cores, founding and judging included: every
//! workload, and every fault, alone and together, but upgrades: they want a second program, which takes minutes to build. *Full* has no end: turn by turn one fault alone, a few at
//! random, and all at once, each with the next workload, so that in the long run everything meets everything; it runs
//! for as long as it is told to.

use std::time::Duration;

use rand::seq::SliceRandom as _;
use rand::{Rng as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;

use crate::cluster::NodeShape;
use crate::nemesis::{self, FAULTS};
use crate::run::Settings;
use crate::segment::{Proof, Segment, seed_of};
use crate::workload::{self, Durability, WORKLOADS};

/// How many nodes a segment has: enough for partitions of every shape.
pub const NODES: usize = 5;

/// How many clients work at once.
const CLIENTS: u32 = 10;

/// How long a segment of the full suite takes.
const FULL_SECONDS: u64 = 60;

/// In the full suite, one round of all workloads of so many has tables of the weaker durability.
const OS_EVERY: usize = 4;

/// The longest that a fault holds in the quick suite.
const QUICK_HOLD: Duration = Duration::from_secs(4);

/// The longest that a fault holds in the full suite: no bound but the fault's own.
const FULL_HOLD: Duration = Duration::from_secs(60);

/// Workloads under which nothing makes a node doubtful: they ask every owner for an answer, in the end at least, and a
/// doubtful node gives none; or they drop their table, and with it the probes that show what a node has lost.
const BEARS_NO_DOUBT: [&str; 4] = ["register-all", "register-one", "regular", "dropped"];

/// Workloads whose levels are numbers of owners of three: with more copies they would mean something else.
const BEARS_NO_MORE_COPIES: [&str; 3] = ["register-one", "regular", "mixed"];

/// Workloads whose table needs every owner for round one of a write, so that no node is ever safe to stop.
const BEARS_NO_STOP: [&str; 1] = ["regular"];

/// A line of the quick suite.
struct Line {
    workload: &'static str,
    faults: &'static str,
    durability: Durability,
    seconds: u64,
}

const fn line(workload: &'static str, faults: &'static str, seconds: u64) -> Line {
    Line { workload, faults, durability: Durability::Sync, seconds }
}

/// The same with a table that acknowledges what only the operating system has.
const fn os_line(workload: &'static str, faults: &'static str, seconds: u64) -> Line {
    Line { workload, faults, durability: Durability::Os, seconds }
}

/// The quick suite.
const QUICK: &[Line] = &[
    line("register", "kill,partition-halves,pause", 20),
    line("set", "partition,reset,power-all", 20),
    line("scan", "shard,kill-one,partition-one", 25),
    line("retries", "kill,partition,packet-loss", 15),
    line("churn", "kill-minority,pause-short,partition-one,rolling-restart", 25),
    line("ttl", "clock,power-one,partition-ring", 20),
    line("dropped", "kill,partition-halves", 20),
    line("mixed", "packet-loss,latency,slow-link,starve", 15),
    line("register-all", "kill,disk-slow,disk-full", 20),
    line("register-one", "kill,partition", 20),
    line("regular", "kill,partition", 15),
    line("register", "disk-fails,kill", 20),
    line("set", "flip-table,cut-table,kill", 20),
    line("churn", "flip-log,cut-log,kill", 20),
    line("register", "flip-own,cut-own,kill", 20),
    line("register", "member-weight,member-leave,member-copies,kill-one", 30),
    line("set", "member-itself,member-other,member-return,partition-one", 30),
    os_line("set", "power,kill", 20),
    line("register", "all", 25),
];

/// Which suite.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Suite {
    /// A fixed list that takes less than ten minutes.
    Quick,
    /// Everything, for as long as it is told to.
    Full,
}

impl Suite {
    /// Its name.
    pub fn name(self) -> &'static str {
        match self {
            Suite::Quick => "quick",
            Suite::Full => "full",
        }
    }

    /// In how many seconds all of it must be done, founding and judging included; `None` if it has no end.
    pub fn seconds_max(self) -> Option<u64> {
        match self {
            Suite::Quick => Some(600),
            Suite::Full => None,
        }
    }

    /// How many segments it has; `None` if it has no end.
    pub fn segments(self) -> Option<u32> {
        match self {
            Suite::Quick => Some(u32::try_from(QUICK.len()).expect("a short list")),
            Suite::Full => None,
        }
    }

    /// The segment of this number, from 1; `None` past the end.
    pub fn segment(self, number: u32, run_seed: u64) -> Option<Segment> {
        let (workload, faults, durability, seconds, hold_max) = match self {
            Suite::Quick => {
                let line = QUICK.get(number as usize - 1)?;
                let workload = WORKLOADS.iter().find(|entry| entry.name == line.workload)?;
                let faults = nemesis::named(line.faults).expect("a test reads every line");
                (workload, faults, line.durability, line.seconds, QUICK_HOLD)
            }
            Suite::Full => {
                let index = number as usize - 1;
                // Put on by one each time that all faults have had their turn alone.
                let cycle = 3 * FAULTS.len();
                let workload = &WORKLOADS[(index % cycle + index / cycle) % WORKLOADS.len()];
                let round = (number as usize - 1) / WORKLOADS.len();
                let durability =
                    if round % OS_EVERY == OS_EVERY - 1 { Durability::Os } else { Durability::Sync };
                (workload, faults_of_full(number, run_seed), durability, FULL_SECONDS, FULL_HOLD)
            }
        };
        let mut faults = faults;
        let options = workload::Options { durability, ..workload::Options::default() };
        faults.retain(|fault| bears(workload.name, durability, fault));
        if faults.is_empty() {
            faults = vec![next_borne(workload, durability, number)];
        }
        Some(Segment {
            number,
            proof: Proof::of(workload, options),
            faults,
            hold_max,
            nodes: vec![NodeShape::default(); NODES],
            environment: Vec::new(),
            settings: Settings {
                clients: CLIENTS,
                time: Duration::from_secs(seconds),
                seed: seed_of(run_seed, number),
            },
        })
    }
}

/// Where a workload bears none of the faults whose turn it is, it meets the next one in the table that it bears.
fn next_borne(workload: &workload::Entry, durability: Durability, number: u32) -> &'static nemesis::Entry {
    let mut from_here = FAULTS.iter().cycle().skip(number as usize / 3);
    from_here
        .find(|fault| bears(workload.name, durability, fault))
        .expect("every workload bears a killed process")
}

/// Whether a workload can be judged under a fault: some can't if the fault makes a node doubtful, or stops nodes in turn
/// once they are safe to stop.
pub fn bears(workload: &str, durability: Durability, fault: &nemesis::Entry) -> bool {
    let forgets = durability == Durability::Os && fault.name.starts_with("power");
    let is_asked_of_all = BEARS_NO_DOUBT.contains(&workload) && (fault.makes_doubtful || forgets);
    let is_of_three = BEARS_NO_MORE_COPIES.contains(&workload) && fault.name == "member-copies";
    let needs_all = BEARS_NO_STOP.contains(&workload) && fault.name.starts_with("rolling");
    !(is_asked_of_all || is_of_three || needs_all)
}

/// The faults of a segment of the full suite: turn by turn one alone, a few, all. The workloads go round at their own
/// pace, so that each meets every turn unless their number is a multiple of three; then the turn is put off by one with
/// each round of them.
fn faults_of_full(number: u32, run_seed: u64) -> Vec<&'static nemesis::Entry> {
    let index = number as usize - 1;
    let put_off = if WORKLOADS.len().is_multiple_of(3) { index / WORKLOADS.len() } else { 0 };
    let mut random = ChaCha8Rng::seed_from_u64(seed_of(run_seed, number));
    match (index + put_off) % 3 {
        0 => vec![&FAULTS[(index / 3) % FAULTS.len()]],
        1 => {
            let count = random.random_range(2..=5);
            let mut few: Vec<&'static nemesis::Entry> = FAULTS.iter().collect();
            few.shuffle(&mut random);
            few.truncate(count);
            few
        }
        _ => FAULTS.iter().filter(|fault| !fault.is_upgrade()).collect(),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn the_quick_suite_knows_its_words_and_leaves_nothing_out() {
        for line in QUICK {
            assert!(WORKLOADS.iter().any(|entry| entry.name == line.workload), "{}", line.workload);
            assert!(nemesis::named(line.faults).is_ok(), "{}", line.faults);
        }
        for entry in WORKLOADS {
            assert!(QUICK.iter().any(|line| line.workload == entry.name), "{} is in no line", entry.name);
        }
        let faults: BTreeSet<&str> = QUICK
            .iter()
            .filter(|line| line.faults != "all")
            .flat_map(|line| nemesis::named(line.faults).expect("read above"))
            .map(|entry| entry.name)
            .collect();
        for entry in FAULTS {
            let is_due = !entry.is_upgrade();
            assert_eq!(faults.contains(entry.name), is_due, "{}, but for the line of all", entry.name);
        }
        let seconds: u64 = QUICK.iter().map(|line| line.seconds).sum();
        assert!(seconds <= 400, "{seconds} s of work leave too little time for founding and judging");
    }

    #[test]
    fn the_full_suite_meets_every_fault_alone_and_every_workload() {
        let segments = (1..=600).filter_map(|number| Suite::Full.segment(number, 1));
        let (mut alone, mut workloads) = (BTreeSet::new(), BTreeSet::new());
        for segment in segments {
            workloads.insert(segment.proof.name);
            if let [fault] = segment.faults[..] {
                alone.insert(fault.name);
            }
        }
        assert_eq!(alone.len(), FAULTS.len(), "{alone:?}");
        assert_eq!(workloads.len(), WORKLOADS.len());
    }
}
