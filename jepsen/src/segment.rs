//! A segment: one workload under one set of faults, on a cluster founded for it alone.
//!
//! A run is a sequence of segments rather than one long stretch, so that a node that was damaged doesn't end it, that
//! no history grows past what can be judged, and that a run which was broken off loses one segment at most. Each has
//! its own seed, drawn from the run's, and can be done again alone by the command that its record names.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use crate::cluster::{self, Cluster, NodeShape, Plan};
use crate::nemesis::needs::Machine;
use crate::nemesis::{self, needs::Need};
use crate::record::{CountRecord, RunFolder, SegmentFolder, SegmentRecord, by_second, of_faults};
use crate::run::{self, Nemesis, Report, Settings, Verdict};
use crate::workload::{self, Durability, Workload};
use quorate_checkers::judgement::Measure;

/// How large each node's disk is where it has one of its own. The file takes only what is written.
const DISK_BYTES: u64 = 512 << 20;

/// What all segments of a run have in common.
#[derive(Debug)]
pub struct Ground {
    /// The binary under test.
    pub binary: PathBuf,
    /// The one of the version before, from which nodes are upgraded.
    pub previous: Option<PathBuf>,
    /// What the machine can do.
    pub machine: Machine,
    /// Where the run's files go.
    pub folder: RunFolder,
    /// Whether the binary takes the path of the machine's boot id.
    pub knows_boot_ids: bool,
}

/// What clients do in a segment, made anew each time that it is done.
#[derive(Clone)]
pub struct Proof {
    /// The name of the workload.
    pub name: &'static str,
    /// What the nodes run under, as the beginning of a command line; empty: nothing.
    pub under: Vec<String>,
    /// The command that does it again, where it has a course of its own; `None`: that of its workload.
    pub command: Option<String>,
    /// How much of it, and what an acknowledgement means in its table.
    pub options: workload::Options,
    /// Makes the workload.
    pub make: Arc<dyn Fn() -> Arc<dyn Workload> + Send + Sync>,
}

impl Proof {
    /// A workload of the table.
    pub fn of(entry: &'static workload::Entry, options: workload::Options) -> Proof {
        let make = Arc::new(move || (entry.make)(options));
        Proof { name: entry.name, under: Vec::new(), command: None, options, make }
    }

    /// A workload with a course of its own, and the command that does it again.
    pub fn with_course<W: Workload + 'static>(
        name: &'static str,
        command: String,
        make: impl Fn() -> W + Send + Sync + 'static,
    ) -> Proof {
        let (options, make) = (workload::Options::default(), Arc::new(move || Arc::new(make()) as _));
        Proof { name, under: Vec::new(), command: Some(command), options, make }
    }
}

/// What one segment does.
#[derive(Clone)]
pub struct Segment {
    /// Its number in the run, from 1.
    pub number: u32,
    /// What clients do.
    pub proof: Proof,
    /// What breaks.
    pub faults: Vec<&'static nemesis::Entry>,
    /// No fault holds longer than this.
    pub hold_max: Duration,
    /// The nodes.
    pub nodes: Vec<NodeShape>,
    /// More variables of their environment.
    pub environment: Vec<(String, String)>,
    /// How many clients, how long, and the seed.
    pub settings: Settings,
}

/// Why a segment came to no end. Nothing of it is kept.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// There was no cluster to test.
    #[error(transparent)]
    Cluster(#[from] cluster::Error),
    /// What came of it could not be written.
    #[error(transparent)]
    Record(#[from] crate::record::Error),
}

impl Segment {
    /// Does it, writes down what came of it, and gives that back, for people and for machines.
    ///
    /// What the nodes left behind is kept beside it, unless everything is well.
    pub async fn run(&self, ground: &Ground) -> Result<(SegmentRecord, Report), Error> {
        let folder = ground.folder.segment(self.number);
        let plan = self.plan(ground, &folder);
        let started = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
        let workload = (self.proof.make)();
        let table = workload.table();
        folder.clear()?;
        let mut cluster = Cluster::start(&plan).await?;
        cluster.make_table(table).await?;
        let endpoints = cluster.endpoints();
        let nemesis = Nemesis { faults: self.faults.clone(), hold_max: self.hold_max, cluster: &mut cluster };
        let mut report = run::run(workload, endpoints, Some(nemesis), self.settings).await;
        report.misdeeds.extend(cluster.misdeeds().await);
        report.judgement.measures.extend(self.upgraded(&cluster));
        let record = self.record(ground, &cluster, &report, started);
        if record.verdict != Verdict::Passed {
            // What the nodes left is evidence.
            cluster.keep_data().iter().for_each(|lost| eprintln!("not kept: {lost}"));
        }
        drop(cluster);
        let seconds = by_second(&report.history, &record.nodes);
        folder.write(&record, &report.history, &report.events, &seconds)?;
        if record.verdict == Verdict::Passed {
            cluster::remove_folder(&plan.folder);
        }
        Ok((record, report))
    }

    fn plan(&self, ground: &Ground, folder: &SegmentFolder) -> Plan {
        let needs = |need| self.faults.iter().any(|fault| fault.needs.contains(&need));
        Plan {
            binary: ground.binary.clone(),
            previous: ground.previous.clone().filter(|_| needs(Need::Previous)),
            folder: folder.nodes_path(),
            nodes: self.nodes.clone(),
            slot: ground.machine.slot.clone(),
            disk_bytes: needs(Need::Disks).then_some(DISK_BYTES),
            clock: ground.machine.clock.clone().filter(|_| needs(Need::Clock)),
            knows_boot_ids: ground.knows_boot_ids,
            environment: self.environment.clone(),
            under: self.proof.under.clone(),
        }
    }

    /// How many nodes are of the current version in the end, if they began as the one before.
    fn upgraded(&self, cluster: &Cluster) -> Option<Measure> {
        let nodes = cluster.nodes();
        let upgraded = nodes.iter().filter(|node| !node.is_to_be_upgraded()).count();
        let unit = format!("of {} nodes", nodes.len());
        let measure = Measure { name: "upgraded".to_owned(), value: upgraded as f64, unit };
        self.faults.iter().any(|fault| fault.is_upgrade()).then_some(measure)
    }

    fn record(&self, ground: &Ground, cluster: &Cluster, report: &Report, started: u64) -> SegmentRecord {
        let count = |((verb, status, label), count): (&(crate::outcome::Verb, _, String), &u64)| {
            CountRecord { verb: verb.name().to_owned(), status: *status, label: label.clone(), count: *count }
        };
        let names: Vec<String> = cluster.nodes().iter().map(|node| node.name().to_owned()).collect();
        let peaks = cluster.memory_peaks();
        SegmentRecord {
            number: self.number,
            workload: self.proof.name.to_owned(),
            durability: self.proof.options.durability.name().to_owned(),
            faults: self.faults.iter().map(|fault| fault.name.to_owned()).collect(),
            seed: self.settings.seed,
            command: self.command(ground),
            started,
            seconds: report.worked.as_secs_f64(),
            memory_peak_bytes: names.iter().map(|name| peaks.get(name).copied().unwrap_or(0)).collect(),
            nodes: names,
            clients: self.settings.clients,
            verdict: report.verdict(),
            explanation: report.judgement.text.clone(),
            void: report.void.clone(),
            misdeeds: report.misdeeds.clone(),
            breaches_count: report.counts.breaches_count,
            breaches: report.counts.breaches.clone(),
            findings_count: report.judgement.findings_count as u64,
            findings: report.judgement.findings.clone(),
            measures: report.judgement.measures.clone(),
            counts: report.counts.outcomes.iter().map(count).collect(),
            completed: report.throughput.completed,
            per_second: report.throughput.per_second,
            longest_gap_ms: report.throughput.longest_gap as f64 / 1e6,
            by_fault: of_faults(&report.history, &report.events),
        }
    }

    /// The command that does the same again.
    fn command(&self, ground: &Ground) -> String {
        if let Some(command) = &self.proof.command {
            return command.clone();
        }
        let faults: Vec<&str> = self.faults.iter().map(|fault| fault.name).collect();
        let faults = if faults.is_empty() { "none".to_owned() } else { faults.join(",") };
        let mut more = String::new();
        if ground.machine.slot.is_none() {
            more += " --hosts loopback";
        }
        let weights: Vec<String> =
            self.nodes.iter().filter_map(|node| node.weight).map(|weight| weight.to_string()).collect();
        if !weights.is_empty() {
            more += &format!(" --weights {}", weights.join(","));
        }
        let zones: BTreeSet<&String> = self.nodes.iter().filter_map(|node| node.zone.as_ref()).collect();
        if !zones.is_empty() {
            more += &format!(" --zones {}", zones.len());
        }
        for (name, value) in &self.environment {
            more += &format!(" --env {name}={value}");
        }
        if let Some(previous) =
            ground.previous.as_ref().filter(|_| self.faults.iter().any(|one| one.is_upgrade()))
        {
            more += &format!(" --previous {}", previous.display());
        }
        if !self.environment.is_empty() {
            more += &format!(" --binary {}", ground.binary.display());
        }
        let os = match self.proof.options.durability {
            Durability::Sync => "",
            Durability::Os => " --durability os",
        };
        let seconds = self.settings.time.as_secs();
        format!(
            "scripts/jepsen {}{os} --nemesis {faults} --seconds {seconds} --segment-seconds {seconds} --nodes {} \
             --clients {} --operations-per-key {} --keys-at-once {} --hold-seconds {} --seed {}{more}",
            self.proof.name,
            self.nodes.len(),
            self.settings.clients,
            self.proof.options.operations_per_key,
            self.proof.options.keys_at_once,
            self.hold_max.as_secs(),
            self.settings.seed,
        )
    }
}

/// The seed of a segment, drawn from the run's.
pub fn seed_of(run: u64, number: u32) -> u64 {
    use rand::{Rng as _, SeedableRng as _};
    let mut random = rand_chacha::ChaCha8Rng::seed_from_u64(run);
    random.set_stream(u64::from(number));
    // Short enough to be typed, long enough not to meet again within a night.
    random.random_range(1..1_000_000_000)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seeds_of_segments_differ_and_come_again() {
        let seeds: std::collections::BTreeSet<u64> = (1..=100).map(|number| seed_of(7, number)).collect();
        assert_eq!(seeds.len(), 100);
        assert_eq!(seed_of(7, 3), seed_of(7, 3));
        assert_ne!(seed_of(7, 3), seed_of(8, 3));
    }
}
