//! What breaks.
//!
//! A fault is one line in [`FAULTS`] and belongs to one file below this one: it strikes, and it heals what it struck.
//! [`schedule`] decides when, and which of several at once; [`needs`] knows what of this machine each fault needs, so
//! that one that cannot be made here is left out by name rather than skipped in silence.

pub mod aim;
mod clock;
mod damage;
mod disk;
mod latency;
mod member;
pub mod needs;
mod packet_loss;
mod partition;
mod power;
mod process;
mod reset;
pub mod schedule;
mod slow_link;
mod starve;

use rand_chacha::ChaCha8Rng;

use crate::cluster::{Cluster, Error};
use aim::{Extent, aimed};
use clock::Clock;
use damage::{Damage, Kind};
use disk::Disk;
use member::{Copies, Leave, Move, Place, Program, Replace, Restart, Return, Split, Weight};
use needs::Need;
use partition::{Partition, Shape};
use power::Power;
use process::Process;
use reset::Reset;
use starve::Starve;

/// Breaks something, and heals it.
pub trait Fault: Send {
    /// Breaks something, and says what. `None` if there was nothing to break at this moment: every node that it could
    /// strike is in the hands of another fault, or as many are doubtful as may be.
    ///
    /// After an error something may be broken: it must be healed all the same.
    fn strike(&mut self, cluster: &mut Cluster, random: &mut ChaCha8Rng) -> Result<Option<Struck>, Error>;

    /// Goes on with what takes several steps, as long as it is struck; whether it is through, so that it can be healed. It is
    /// called again and again, also while other faults are in force, and may not wait for anything.
    fn go_on(&mut self, _cluster: &mut Cluster) -> Result<bool, Error> {
        Ok(true)
    }

    /// Heals everything that was struck, and says what, in the words of a timeline. One that is not through by then, although
    /// all other faults are healed for long, is given up, and says what is wrong.
    fn heal(&mut self, cluster: &mut Cluster) -> Result<String, Error>;
}

/// What was struck.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Struck {
    /// The nodes, by their place in the cluster.
    pub nodes: Vec<usize>,
    /// What happened to them, in the words of a timeline.
    pub what: String,
    /// The nodes that must go on serving without them; empty where nothing is promised.
    pub majority: Vec<usize>,
}

impl Struck {
    /// The same thing happened to all of these nodes; nothing did if there are none.
    fn of(cluster: &Cluster, nodes: &[usize], what: &str) -> Option<Struck> {
        let names: Vec<&str> = nodes.iter().map(|index| cluster.nodes()[*index].name()).collect();
        let what = format!("{}: {what}", names.join(" "));
        (!nodes.is_empty()).then(|| Struck { nodes: nodes.to_vec(), what, majority: Vec::new() })
    }

    /// The others must go on serving, if every key still has a quorum among them.
    fn others_serve(self, cluster: &Cluster) -> Struck {
        Struck { majority: cluster.majority_without(&self.nodes), ..self }
    }
}

/// A line in the table of faults.
pub struct Entry {
    /// Its name on the command line. The part before a dash is a name for all that share it, and no fault's own.
    pub name: &'static str,
    /// What it does, in one line.
    pub about: &'static str,
    /// What of the machine it needs.
    pub needs: &'static [Need],
    /// The bounds of the time from a strike to its healing, in milliseconds.
    pub hold_ms: std::ops::Range<u64>,
    /// Whether it may leave a node that must not serve any more.
    pub makes_doubtful: bool,
    /// Makes one for a run.
    pub make: fn() -> Box<dyn Fault>,
}

impl Entry {
    /// The part of its name before a dash: a name for all that share it.
    pub fn family(&self) -> &'static str {
        self.name.split('-').next().unwrap_or(self.name)
    }

    /// Whether nodes begin as the version before where it is among the faults.
    pub fn is_upgrade(&self) -> bool {
        self.needs.contains(&Need::Previous)
    }
}

/// A while in which a node is missed, its hints are kept and its peers have given it up.
const WHILE: std::ops::Range<u64> = 500..6_000;

/// Long enough that an election, or several, can happen meanwhile.
const LONG: std::ops::Range<u64> = 2_000..12_000;

/// What makes a network that can be bent.
const BRIDGE: &[Need] = &[Need::Hosts, Need::Rules];

const fn entry(
    name: &'static str,
    about: &'static str,
    needs: &'static [Need],
    hold_ms: std::ops::Range<u64>,
    make: fn() -> Box<dyn Fault>,
) -> Entry {
    Entry { name, about, needs, hold_ms, makes_doubtful: false, make }
}

const fn damaging(
    name: &'static str,
    about: &'static str,
    needs: &'static [Need],
    make: fn() -> Box<dyn Fault>,
) -> Entry {
    Entry { name, about, needs, hold_ms: WHILE, makes_doubtful: true, make }
}

/// All faults. To break nothing is no fault: that is a run without a nemesis.
#[rustfmt::skip]
pub const FAULTS: &[Entry] = &[
    entry("kill-one", "kill -9 of one node, and its return", &[], WHILE,
        || aimed(Extent::One, Process::Kill)),
    entry("kill-minority", "kill -9 of some nodes, fewer than half", &[], WHILE,
        || aimed(Extent::Minority, Process::Kill)),
    entry("kill-all", "kill -9 of all nodes at once", &[], 200..3_000,
        || aimed(Extent::All, Process::Kill)),
    entry("pause-short", "SIGSTOP of some nodes for a while", &[], 1_000..6_000,
        || aimed(Extent::Minority, Process::Pause)),
    entry("pause-long", "SIGSTOP of one node past every timeout", &[], 12_000..60_000,
        || aimed(Extent::One, Process::Pause)),
    entry("partition-one", "one node alone", BRIDGE, LONG,
        || Box::new(Partition::new("partition-one", Shape::One))),
    entry("partition-halves", "a minority and a majority", BRIDGE, LONG,
        || Box::new(Partition::new("partition-halves", Shape::Halves))),
    entry("partition-ring", "each sees a majority, no two the same", BRIDGE, LONG,
        || Box::new(Partition::new("partition-ring", Shape::Ring))),
    entry("partition-bridge", "two sides, and one node that sees both", BRIDGE, LONG,
        || Box::new(Partition::new("partition-bridge", Shape::Bridge))),
    entry("partition-oneway", "one node is not heard, or does not hear", BRIDGE, LONG,
        || Box::new(Partition::new("partition-oneway", Shape::OneWay))),
    entry("packet-loss", "frames are lost at some hosts", BRIDGE, LONG,
        || aimed(Extent::Some, packet_loss::PacketLoss)),
    entry("slow-link", "narrow links at some hosts", &[Need::Hosts, Need::Shaping], LONG,
        || aimed(Extent::Minority, slow_link::SlowLink)),
    entry("latency", "latency with jitter between hosts", &[Need::Hosts, Need::Redirection, Need::Cutting], LONG,
        || aimed(Extent::Some, latency::Latency::default())),
    entry("reset-cut", "connections between members are cut", &[Need::Hosts, Need::Cutting], 200..1_000,
        || aimed(Extent::Some, Reset::Cut)),
    entry("reset-all", "all that some hosts send to members is answered with resets", &[Need::Hosts, Need::Rejection],
        WHILE, || aimed(Extent::Minority, Reset::Reject)),
    entry("clock-step", "clocks jump by 1 s to 5 min", &[Need::Clock], LONG,
        || aimed(Extent::Some, Clock::new(clock::Manner::Step))),
    entry("clock-strobe", "clocks jump to and fro", &[Need::Clock], LONG,
        || aimed(Extent::Some, Clock::new(clock::Manner::Strobe))),
    entry("clock-rate", "clocks run at half or twice the speed", &[Need::Clock], LONG,
        || aimed(Extent::Some, Clock::new(clock::Manner::Rate))),
    entry("power-one", "one machine loses its power", &[Need::Disks], WHILE,
        || aimed(Extent::One, Power::default())),
    entry("power-minority", "some machines lose their power, fewer than half", &[Need::Disks], WHILE,
        || aimed(Extent::Minority, Power::default())),
    entry("power-all", "all machines lose their power at once", &[Need::Disks], 200..3_000,
        || aimed(Extent::All, Power::default())),
    entry("disk-slow", "syncs take 50 to 700 ms", &[Need::Tracing], WHILE,
        || aimed(Extent::Minority, Disk::new(disk::Manner::Slow))),
    entry("disk-full", "no space is left", &[Need::Disks], WHILE,
        || aimed(Extent::Minority, Disk::new(disk::Manner::Full))),
    damaging("disk-fails", "every sync of one node fails", &[Need::Tracing],
        || aimed(Extent::One, Disk::new(disk::Manner::Fails))),
    damaging("flip-log", "a bit flips in one node's log", &[],
        || Box::new(Damage::new(damage::Manner::Flip, Kind::Log))),
    damaging("flip-table", "a bit flips in one node's tables", &[],
        || Box::new(Damage::new(damage::Manner::Flip, Kind::Table))),
    damaging("flip-own", "a bit flips in one node's own files", &[],
        || Box::new(Damage::new(damage::Manner::Flip, Kind::Own))),
    damaging("cut-log", "the end of one node's log is missing", &[],
        || Box::new(Damage::new(damage::Manner::Cut, Kind::Log))),
    damaging("cut-table", "the end of one node's table is missing", &[],
        || Box::new(Damage::new(damage::Manner::Cut, Kind::Table))),
    damaging("cut-own", "the end of one of a node's own files is missing", &[],
        || Box::new(Damage::new(damage::Manner::Cut, Kind::Own))),
    entry("member-weight", "a member's share of the data shrinks or grows: shards move", &[], LONG,
        || Box::new(Weight::new())),
    entry("member-leave", "a member leaves, and joins as a new one", &[], LONG,
        || Box::new(Leave::new())),
    entry("member-copies", "a table gets another number of copies", &[], LONG,
        || Box::new(Copies::new())),
    entry("shard-split", "shards are split, and neighbours merged when it heals", &[], WHILE,
        || Box::new(Split::new())),
    entry("shard-move", "a copy of a shard moves to another node", &[], LONG,
        || Box::new(Move::new())),
    damaging("member-itself", "one loses its disk, and takes its own place at the same address", &[],
        || Box::new(Replace::new(Place::ByItself))),
    damaging("member-other", "one loses its disk, and a new member takes its place", &[],
        || Box::new(Replace::new(Place::ByAnother))),
    damaging("member-return", "one that is given up for dead returns with what it had", &[],
        || Box::new(Return::new())),
    entry("rolling-restart", "one node after another stops in order, and starts again", &[], WHILE,
        || Box::new(Restart::new(Program::Same))),
    entry("rolling-upgrade", "all begin as the version before; one after another is replaced by this one",
        &[Need::Previous], WHILE, || Box::new(Restart::new(Program::Current))),
    entry("starve-processor", "2 to 15 % of a processor for some nodes", &[Need::Groups], LONG,
        || aimed(Extent::Minority, Starve::of_processor())),
    entry("starve-memory", "hardly any more memory for some nodes", &[Need::Groups], LONG,
        || aimed(Extent::Minority, Starve::of_memory())),
];

/// The faults that a list of names means: names of faults, names that several share (`partition`, `clock`), `all` (but
/// those that begin with another program), or `none`. An error names the part that is none of these.
pub fn named(list: &str) -> Result<Vec<&'static Entry>, String> {
    let mut found: Vec<&'static Entry> = Vec::new();
    for name in list.split(',').map(str::trim).filter(|name| !name.is_empty() && *name != "none") {
        let before = found.len();
        let is_meant = |entry: &&Entry| match name {
            "all" => !entry.is_upgrade(),
            name => entry.name == name || entry.family() == name,
        };
        found.extend(FAULTS.iter().filter(is_meant));
        if found.len() == before {
            return Err(format!("no fault is called {name:?}; see --help"));
        }
    }
    let mut seen = std::collections::BTreeSet::new();
    found.retain(|entry| seen.insert(entry.name));
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(list: &str) -> Vec<&'static str> {
        named(list).expect("a list of faults").iter().map(|entry| entry.name).collect()
    }

    #[test]
    fn a_list_names_faults_groups_all_or_none() {
        assert_eq!(names("kill-one"), ["kill-one"]);
        assert_eq!(names("kill"), ["kill-one", "kill-minority", "kill-all"]);
        assert_eq!(
            names("packet-loss, clock,packet-loss"),
            ["packet-loss", "clock-step", "clock-strobe", "clock-rate"]
        );
        assert_eq!(names("partition").len(), 5);
        assert_eq!(names("all").len(), FAULTS.len() - 1);
        assert_eq!(names("rolling"), ["rolling-restart", "rolling-upgrade"]);
        assert!(names("none").is_empty() && names("").is_empty());
        assert!(named("kill,earthquake").is_err_and(|error| error.contains("earthquake")));
    }

    #[test]
    fn names_differ_and_bounds_are_not_empty() {
        let unique: std::collections::BTreeSet<&str> = FAULTS.iter().map(|entry| entry.name).collect();
        assert_eq!(unique.len(), FAULTS.len());
        let is_alone =
            |entry: &Entry| FAULTS.iter().filter(|other| other.family() == entry.family()).count() == 1;
        for entry in FAULTS {
            assert!(entry.name != entry.family() || is_alone(entry), "{} would hide its family", entry.name);
        }
        assert!(FAULTS.iter().all(|entry| !entry.hold_ms.is_empty()));
    }
}
