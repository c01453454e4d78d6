//! What may be said on the command line.

use std::path::PathBuf;

use clap::{Args, ValueEnum};
use quorate_jepsen::breakage::BREAKAGES;
use quorate_jepsen::cluster::NodeShape;
use quorate_jepsen::suite::Suite;
use quorate_jepsen::workload::Durability;

/// A segment shorter than this has no time to break and heal anything.
pub const SECONDS_MIN: u64 = 5;

/// Where nodes live.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum HostsKind {
    /// In namespaces if this is root, else on loopback
    Auto,
    /// Each in a network namespace of its own; needs root
    Namespaces,
    /// Processes beside each other, with the faults that need no root
    Loopback,
}

/// How to run a suite.
#[derive(Args, Debug)]
pub struct SuiteArguments {
    /// Which suite
    #[arg(long)]
    pub suite: Option<Suite>,
    /// Begin no segment after so many minutes, those of earlier sittings included
    #[arg(long, value_parser = clap::value_parser!(u64).range(1..=100_000))]
    pub minutes: Option<u64>,
    /// Go on with the suite of this folder: what is done stays done
    #[arg(long, conflicts_with_all = ["suite", "folder", "seed"])]
    pub resume: Option<PathBuf>,
    /// Where the run's files go
    #[arg(long)]
    pub folder: Option<PathBuf>,
    /// The `quorate` binary; without it, the one beside this program
    #[arg(long)]
    binary: Option<PathBuf>,
    /// The `quorate` binary of the version before; without it no node is upgraded
    #[arg(long)]
    pub previous: Option<PathBuf>,
    /// Where nodes live
    #[arg(long, value_enum, default_value_t = HostsKind::Auto)]
    pub hosts: HostsKind,
    /// Decides what clients do and what breaks
    #[arg(long, default_value_t = 1)]
    pub seed: u64,
}

impl SuiteArguments {
    /// The binary under test.
    pub fn binary(&self) -> std::io::Result<PathBuf> {
        binary(self.binary.as_ref())
    }
}

/// How to run a workload.
#[derive(Args, Debug)]
pub struct RunArguments {
    /// What breaks meanwhile: names of faults, separated by commas; `all`; or `none`
    #[arg(long, default_value = "none")]
    pub nemesis: String,
    /// How long clients work
    #[arg(long, default_value_t = 60, value_parser = clap::value_parser!(u64).range(SECONDS_MIN..=864_000))]
    pub seconds: u64,
    /// How long a segment is: after it, the next begins with a new cluster
    #[arg(long, default_value_t = 120, value_parser = clap::value_parser!(u64).range(SECONDS_MIN..=3_600))]
    pub segment_seconds: u64,
    /// The longest that a fault holds
    #[arg(long, default_value_t = 6, value_parser = clap::value_parser!(u64).range(1..=60))]
    pub hold_seconds: u64,
    /// How many clients work at once
    #[arg(long, default_value_t = 10, value_parser = clap::value_parser!(u32).range(1..=10))]
    pub clients: u32,
    /// How many operations a key gets before it is left for another
    #[arg(long, default_value_t = 1_000, value_parser = clap::value_parser!(u32).range(1..=2_000))]
    pub operations_per_key: u32,
    /// How many keys are in use at one moment
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u16).range(1..=1_000))]
    pub keys_at_once: u16,
    /// What an acknowledgement means in the table
    #[arg(long, value_enum, default_value_t = Durability::Sync)]
    pub durability: Durability,
    /// Where to copy the history of the first segment to, as JSON lines
    #[arg(long)]
    pub history: Option<PathBuf>,
    /// Where the run's files go
    #[arg(long)]
    pub folder: Option<PathBuf>,
    /// The `quorate` binary of the version before; without it no node is upgraded
    #[arg(long)]
    pub previous: Option<PathBuf>,
    /// Where nodes live
    #[arg(long, value_enum, default_value_t = HostsKind::Auto)]
    pub hosts: HostsKind,
    /// More variables of the nodes' environment, as NAME=VALUE
    #[arg(long)]
    env: Vec<String>,
    #[command(flatten)]
    pub cluster: ClusterArguments,
}

impl RunArguments {
    /// More variables of the nodes' environment.
    pub fn environment(&self) -> Result<Vec<(String, String)>, String> {
        let pair = |text: &String| {
            let (name, value) = text.split_once('=').ok_or(format!("{text:?} is not NAME=VALUE"))?;
            Ok((name.to_owned(), value.to_owned()))
        };
        self.env.iter().map(pair).collect()
    }
}

/// How to judge a history again.
#[derive(Args, Debug)]
pub struct JudgeArguments {
    /// The history, as JSON lines
    pub history: PathBuf,
    /// The workload whose judge it gets
    #[arg(long)]
    pub workload: String,
}

/// How to make the report of a run.
#[derive(Args, Debug)]
pub struct ReportArguments {
    /// The run's folder
    pub folder: PathBuf,
}

/// The breakages that can be named.
fn breakage_names() -> clap::builder::PossibleValuesParser {
    BREAKAGES.iter().map(|breakage| breakage.name).collect::<Vec<_>>().into()
}

/// How to look for breakages.
#[derive(Args, Debug)]
pub struct BreakagesArguments {
    /// The broken build: `quorate-broken`, built with the feature `mutants`
    #[arg(long)]
    pub binary: PathBuf,
    /// Only these, separated by commas
    #[arg(long, value_delimiter = ',', value_parser = breakage_names())]
    pub only: Vec<String>,
    /// Where the run's files go
    #[arg(long)]
    pub folder: Option<PathBuf>,
    /// Decides what clients do and what breaks
    #[arg(long, default_value_t = 1)]
    pub seed: u64,
}

/// How to load a cluster while nodes die and come back.
#[derive(Args, Debug)]
pub struct LoadArguments {
    /// How often a node is killed and comes back
    #[arg(long, default_value_t = 10, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    pub rounds: u32,
    /// Requests a second that the clients aim at
    #[arg(long, default_value_t = 300, value_parser = clap::value_parser!(u32).range(200..=100_000))]
    pub rate: u32,
    /// How long a node stays away
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u64).range(1..=3_600))]
    pub down_seconds: u64,
    /// How long all nodes are up between two rounds
    #[arg(long, default_value_t = 2, value_parser = clap::value_parser!(u64).range(1..=3_600))]
    pub quiet_seconds: u64,
    #[command(flatten)]
    pub cluster: ClusterArguments,
}

/// How to ask a cluster for more than it can serve.
#[derive(Args, Debug)]
pub struct OverloadArguments {
    /// How long the overload lasts
    #[arg(long, default_value_t = 25, value_parser = clap::value_parser!(u64).range(5..=3_600))]
    pub seconds: u64,
    /// How many times the peak is asked for
    #[arg(long, default_value_t = 3.0)]
    pub factor: f64,
    /// The nodes' limit of requests at work, low enough that it is the peak's limit and not the processor
    #[arg(long, default_value_t = 32, value_parser = clap::value_parser!(u32).range(1..=65_536))]
    pub requests_running_max: u32,
    /// How long each sync of a node's disk takes at least, in milliseconds; 0: as long as it does. Needs strace
    #[arg(long, default_value_t = 50, value_parser = clap::value_parser!(u32).range(0..=1_000))]
    pub sync_delay_ms: u32,
    #[command(flatten)]
    pub cluster: ClusterArguments,
}

/// Which cluster to start.
#[derive(Args, Debug)]
pub struct ClusterArguments {
    /// The `quorate` binary; without it, the one beside this program
    #[arg(long)]
    binary: Option<PathBuf>,
    /// How many nodes
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u16).range(1..=15))]
    nodes: u16,
    /// In how many zones, in turn; without it the nodes' default
    #[arg(long, value_parser = clap::value_parser!(u16).range(1..=15))]
    zones: Option<u16>,
    /// The nodes' weights, in order; without it the nodes' default
    #[arg(long, value_delimiter = ',')]
    weights: Vec<u32>,
    /// Decides what clients do and what breaks
    #[arg(long, default_value_t = 1)]
    pub seed: u64,
}

impl ClusterArguments {
    /// The binary under test.
    pub fn binary(&self) -> std::io::Result<PathBuf> {
        binary(self.binary.as_ref())
    }

    /// The nodes.
    pub fn shapes(&self) -> Result<Vec<NodeShape>, String> {
        if !self.weights.is_empty() && self.weights.len() != usize::from(self.nodes) {
            return Err(format!("{} weights for {} nodes", self.weights.len(), self.nodes));
        }
        let shape = |index: u16| NodeShape {
            zone: self.zones.map(|zones| format!("z{}", index % zones + 1)),
            weight: self.weights.get(usize::from(index)).copied(),
        };
        Ok((0..self.nodes).map(shape).collect())
    }
}

/// The binary that was named, or the one beside this program, which a build of both puts there.
fn binary(named: Option<&PathBuf>) -> std::io::Result<PathBuf> {
    named.map_or_else(|| Ok(std::env::current_exe()?.with_file_name("quorate")), |named| Ok(named.clone()))
}
