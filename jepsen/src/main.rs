//! The command line of the proofs: `quorate-jepsen register --nemesis kill --seconds 60 --binary PATH`.
//!
//! Exit codes: 0 passed, 1 violated or broken off, 2 usage, 3 undecided, 4 void.

use std::io::Write as _;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use clap::{Args, Command, FromArgMatches};
use quorate_jepsen::cluster::{self, Cluster, NodeShape, Plan};
use quorate_jepsen::load;
use quorate_jepsen::nemesis::FAULTS;
use quorate_jepsen::run::{self, Nemesis, Settings, Verdict};
use quorate_jepsen::workload::{self, WORKLOADS};
use serde_json::json;
use tokio::signal::unix::{SignalKind, signal};

/// How to run a workload.
#[derive(Args, Debug)]
struct RunArguments {
    /// What breaks meanwhile: the name of a fault, or `none`
    #[arg(long, default_value = "none")]
    nemesis: String,
    /// How long clients work
    #[arg(long, default_value_t = 60, value_parser = clap::value_parser!(u64).range(5..=86_400))]
    seconds: u64,
    /// How many clients work at once
    #[arg(long, default_value_t = 10, value_parser = clap::value_parser!(u32).range(1..=10))]
    clients: u32,
    /// How many operations a key gets before it is left for another
    #[arg(long, default_value_t = 1_000, value_parser = clap::value_parser!(u32).range(1..=2_000))]
    operations_per_key: u32,
    /// How many keys are in use at one moment
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u16).range(1..=1_000))]
    keys_at_once: u16,
    /// Where to write the history, as JSON lines
    #[arg(long)]
    history: Option<PathBuf>,
    #[command(flatten)]
    cluster: ClusterArguments,
}

/// How to load a cluster while nodes die and come back.
#[derive(Args, Debug)]
struct LoadArguments {
    /// How often a node is killed and comes back
    #[arg(long, default_value_t = 10, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    rounds: u32,
    /// Requests a second that the clients aim at
    #[arg(long, default_value_t = 300, value_parser = clap::value_parser!(u32).range(200..=100_000))]
    rate: u32,
    /// How long a node stays away
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u64).range(1..=3_600))]
    down_seconds: u64,
    /// How long all nodes are up between two rounds
    #[arg(long, default_value_t = 2, value_parser = clap::value_parser!(u64).range(1..=3_600))]
    quiet_seconds: u64,
    #[command(flatten)]
    cluster: ClusterArguments,
}

/// Which cluster to start.
#[derive(Args, Debug)]
struct ClusterArguments {
    /// The `quorate` binary
    #[arg(long)]
    binary: PathBuf,
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
    seed: u64,
}

impl ClusterArguments {
    fn plan(&self, name: &str) -> Result<Plan, String> {
        if !self.weights.is_empty() && self.weights.len() != usize::from(self.nodes) {
            return Err(format!("{} weights for {} nodes", self.weights.len(), self.nodes));
        }
        let shape = |index: u16| NodeShape {
            zone: self.zones.map(|zones| format!("z{}", index % zones + 1)),
            weight: self.weights.get(usize::from(index)).copied(),
        };
        Ok(Plan {
            binary: self.binary.clone(),
            folder: cluster::run_folder(name),
            nodes: (0..self.nodes).map(shape).collect(),
        })
    }
}

/// The subcommand that is no workload: it proves something about requests rather than about histories.
const LOAD: &str = "load";

const LOAD_ABOUT: &str =
    "Mixed load while nodes are killed and come back: nobody else may notice, all must converge";

fn command() -> Command {
    let faults: Vec<String> =
        FAULTS.iter().map(|fault| format!("  {:<10} {}", fault.name, fault.about)).collect();
    let faults = faults.join("\n");
    Command::new("quorate-jepsen")
        .about("Proves, or refutes, the promises of Quorate on real nodes under real faults")
        .after_help(format!(
            "Faults:\n{faults}\n\nExit codes: 0 passed, 1 violated, 2 usage, 3 undecided, 4 void"
        ))
        .subcommand_required(true)
        .subcommands(
            WORKLOADS
                .iter()
                .map(|entry| RunArguments::augment_args(Command::new(entry.name)).about(entry.about)),
        )
        .subcommand(LoadArguments::augment_args(Command::new(LOAD)).about(LOAD_ABOUT))
}

#[tokio::main]
async fn main() -> ExitCode {
    // The only way that this fails is a provider that is there already, which is just as good.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let matches = command().get_matches();
    let (name, matches) = matches.subcommand().expect("a subcommand is required");
    let work = async {
        match WORKLOADS.iter().find(|entry| entry.name == name) {
            Some(entry) => run_workload(entry, &parsed(matches)).await,
            None if name == LOAD => run_load(&parsed(matches)).await,
            None => unreachable!("clap knows only these subcommands"),
        }
    };
    // Whoever ends a run early must not leave nodes behind: dropping the work kills them.
    let done = tokio::select! {
        done = work => done,
        () = told_to_end() => Err("ended before it was done; nothing was proved".into()),
    };
    done.unwrap_or_else(|error| {
        eprintln!("{error}");
        ExitCode::from(1)
    })
}

/// The arguments of a subcommand, or the end of the process with an explanation.
fn parsed<T: FromArgMatches>(matches: &clap::ArgMatches) -> T {
    T::from_arg_matches(matches).unwrap_or_else(|error| error.exit())
}

/// Returns when the process is asked to end.
async fn told_to_end() {
    let mut terminate = signal(SignalKind::terminate()).expect("a signal handler needs nothing but memory");
    tokio::select! {
        _ = terminate.recv() => {}
        _ = tokio::signal::ctrl_c() => {}
    }
}

async fn run_workload(
    entry: &workload::Entry,
    arguments: &RunArguments,
) -> Result<ExitCode, Box<dyn std::error::Error>> {
    let fault = match FAULTS.iter().find(|fault| fault.name == arguments.nemesis) {
        Some(fault) => Some((fault.make)()),
        None if arguments.nemesis == "none" => None,
        None => return Err(format!("no fault is called {:?}; see --help", arguments.nemesis).into()),
    };
    let options = workload::Options {
        operations_per_key: arguments.operations_per_key,
        keys_at_once: usize::from(arguments.keys_at_once),
    };
    let workload = (entry.make)(options);
    let plan = arguments.cluster.plan(entry.name)?;
    eprintln!("nodes and logs are in {}", plan.folder.display());
    let mut cluster = Cluster::start(&plan).await?;
    cluster.make_table(workload.table()).await?;
    eprintln!("{} nodes are ready: {}", cluster.nodes().len(), cluster.endpoints().join(" "));
    let settings = Settings {
        clients: arguments.clients,
        time: Duration::from_secs(arguments.seconds),
        seed: arguments.cluster.seed,
    };
    let endpoints = cluster.endpoints();
    let nemesis = fault.map(|fault| Nemesis { fault, cluster: &mut cluster });
    let mut report = run::run(workload, endpoints, nemesis, settings).await;
    report.misdeeds = cluster.misdeeds();
    if let Some(path) = &arguments.history {
        report.history.write_file(path)?;
        eprintln!("the history is in {}", path.display());
    }
    writeln!(std::io::stdout(), "{report}seed: {}", settings.seed)?;
    drop(cluster);
    Ok(exit_code(report.verdict(), &plan))
}

async fn run_load(arguments: &LoadArguments) -> Result<ExitCode, Box<dyn std::error::Error>> {
    let plan = arguments.cluster.plan(LOAD)?;
    eprintln!("nodes and logs are in {}", plan.folder.display());
    let mut cluster = Cluster::start(&plan).await?;
    cluster.make_table(json!({ "name": load::TABLE, "sharding": "hash", "n": 3 })).await?;
    eprintln!("{} nodes are ready: {}", cluster.nodes().len(), cluster.endpoints().join(" "));
    let settings = load::Settings {
        rounds: arguments.rounds,
        rate: arguments.rate,
        down: Duration::from_secs(arguments.down_seconds),
        quiet: Duration::from_secs(arguments.quiet_seconds),
        seed: arguments.cluster.seed,
    };
    let report = load::run(&mut cluster, settings).await?;
    writeln!(std::io::stdout(), "{report}seed: {}", settings.seed)?;
    drop(cluster);
    Ok(exit_code(report.verdict(), &plan))
}

/// The exit code of a verdict. What the nodes left behind is kept, unless everything is well.
fn exit_code(verdict: Verdict, plan: &Plan) -> ExitCode {
    match verdict {
        Verdict::Passed => {
            cluster::remove_folder(&plan.folder);
            ExitCode::SUCCESS
        }
        Verdict::Violated => ExitCode::from(1),
        Verdict::Undecided => ExitCode::from(3),
        Verdict::Void => ExitCode::from(4),
    }
}
