//! `quorate-jepsen register`, `load`, `overload`: runs of one workload.

use std::process::ExitCode;
use std::time::Duration;

use quorate_jepsen::cluster;
use quorate_jepsen::load::{self, Load};
use quorate_jepsen::nemesis;
use quorate_jepsen::overload::{self, Overload};
use quorate_jepsen::run::Settings;
use quorate_jepsen::segment::{Proof, Segment, seed_of};
use quorate_jepsen::workload;

use super::{Failure, ground, must_be_new, run_record, run_segments};
use crate::arguments::{self, ClusterArguments, HostsKind, LoadArguments, OverloadArguments, RunArguments};

/// Does one workload under some faults.
pub async fn workload(
    entry: &'static workload::Entry,
    arguments: &RunArguments,
) -> Result<ExitCode, Failure> {
    let faults = nemesis::named(&arguments.nemesis)?;
    let seed = arguments.cluster.seed;
    let folder = arguments.folder.clone().unwrap_or_else(|| cluster::run_folder(entry.name));
    must_be_new(&folder)?;
    let environment = arguments.environment()?;
    let programs = (&*arguments.cluster.binary()?, arguments.previous.as_deref());
    let ground = ground(programs, arguments.hosts, folder, &environment)?;
    let options = workload::Options {
        operations_per_key: arguments.operations_per_key,
        keys_at_once: usize::from(arguments.keys_at_once),
        durability: arguments.durability,
    };
    let count = arguments.seconds.div_ceil(arguments.segment_seconds);
    let nodes = arguments.cluster.shapes()?;
    let segment = |number: u32| {
        let begun = u64::from(number - 1) * arguments.segment_seconds;
        let seconds = arguments.seconds.checked_sub(begun)?.min(arguments.segment_seconds);
        // What would be too short to break and heal anything is left away.
        let is_worth_it = number == 1 || seconds >= arguments::SECONDS_MIN;
        is_worth_it.then(|| Segment {
            number,
            proof: Proof::of(entry, options),
            faults: faults.clone(),
            hold_max: Duration::from_secs(arguments.hold_seconds),
            nodes: nodes.clone(),
            environment: environment.clone(),
            settings: Settings {
                clients: arguments.clients,
                time: Duration::from_secs(seconds),
                // A run of one segment is how a segment of another run is done again.
                seed: if count == 1 { seed } else { seed_of(seed, number) },
            },
        })
    };
    let mut record = run_record(&ground, this_command(), seed);
    record.segments_planned = u32::try_from(count).unwrap_or(u32::MAX);
    let code = run_segments(&ground, record, segment, None).await?;
    if let Some(path) = &arguments.history {
        std::fs::copy(ground.folder.segment(1).history_path(), path)?;
        eprintln!("the history of the first segment is in {}", path.display());
    }
    Ok(code)
}

/// Load while nodes are killed and come back.
pub async fn load(arguments: &LoadArguments) -> Result<ExitCode, Failure> {
    let settings = load::Settings {
        rounds: arguments.rounds,
        rate: arguments.rate,
        down: Duration::from_secs(arguments.down_seconds),
        quiet: Duration::from_secs(arguments.quiet_seconds),
    };
    let proof = Proof::with_course(load::NAME, this_command(), move || Load::new(settings));
    on_loopback(proof, &arguments.cluster, Vec::new()).await
}

/// Far more requests than the cluster can serve.
pub async fn overload(arguments: &OverloadArguments) -> Result<ExitCode, Failure> {
    let settings =
        overload::Settings { time: Duration::from_secs(arguments.seconds), factor: arguments.factor };
    let mut proof = Proof::with_course(overload::NAME, this_command(), move || Overload::new(settings));
    proof.under = overload::tracer(arguments.sync_delay_ms);
    let environment = overload::environment(arguments.requests_running_max);
    on_loopback(proof, &arguments.cluster, environment).await
}

/// One segment of a workload with a course of its own, on loopback.
async fn on_loopback(
    proof: Proof,
    arguments: &ClusterArguments,
    environment: Vec<(String, String)>,
) -> Result<ExitCode, Failure> {
    let (seed, nodes) = (arguments.seed, arguments.shapes()?);
    let folder = cluster::run_folder(proof.name);
    let ground = ground((&arguments.binary()?, None), HostsKind::Loopback, folder, &[])?;
    let mut record = run_record(&ground, this_command(), seed);
    record.segments_planned = 1;
    let segment = |number: u32| {
        (number == 1).then(|| Segment {
            number,
            proof: proof.clone(),
            faults: Vec::new(),
            hold_max: Duration::ZERO,
            nodes: nodes.clone(),
            environment: environment.clone(),
            settings: Settings { clients: 0, time: Duration::ZERO, seed },
        })
    };
    run_segments(&ground, record, segment, None).await
}

/// The command that was given, as one line for a shell.
fn this_command() -> String {
    let again: Vec<String> = std::env::args().skip(1).collect();
    format!("scripts/jepsen {}", again.join(" "))
}
