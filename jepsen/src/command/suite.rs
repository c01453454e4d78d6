//! `quorate-jepsen --suite quick`, `--resume FOLDER`.

use std::process::ExitCode;

use quorate_jepsen::campaign;
use quorate_jepsen::cluster;
use quorate_jepsen::record::{RunFolder, RunRecord};
use quorate_jepsen::suite::Suite;

use super::{Failure, ground, must_be_new, run_record, run_segments};
use crate::arguments::SuiteArguments;

/// Does a suite, or the rest of one.
pub async fn run(arguments: &SuiteArguments) -> Result<ExitCode, Failure> {
    let begun =
        arguments.resume.as_ref().map(|folder| RunFolder::new(folder.clone()).read_run()).transpose()?;
    let suite = match &begun {
        Some(run) => clap::ValueEnum::from_str(run.suite.as_deref().unwrap_or_default(), true)
            .map_err(|error| format!("the run of this folder is not one of a suite: {error}"))?,
        None => arguments.suite.ok_or("say --suite quick, --suite full, or the name of a workload")?,
    };
    let folder = arguments
        .resume
        .clone()
        .or_else(|| arguments.folder.clone())
        .unwrap_or_else(|| cluster::run_folder(Suite::name(suite)));
    if begun.is_none() {
        must_be_new(&folder)?;
    }
    let programs = (&*arguments.binary()?, arguments.previous.as_deref());
    let ground = ground(programs, arguments.hosts, folder, &[])?;
    let minutes = arguments.minutes.map_or(String::new(), |minutes| format!(" --minutes {minutes}"));
    let seed = begun.as_ref().map_or(arguments.seed, |run| run.seed);
    let command = format!("scripts/jepsen --suite {}{minutes} --seed {seed}", suite.name());
    let mut record = RunRecord {
        suite: Some(suite.name().to_owned()),
        segments_planned: suite.segments().unwrap_or(0),
        minutes: arguments.minutes,
        seconds_max: suite.seconds_max(),
        ..run_record(&ground, command, seed)
    };
    if let Some(begun) = begun {
        record = resumed(begun, &record, arguments.minutes)?;
    }
    let left = record.minutes.map(|minutes| minutes as f64 * 60.0 - record.seconds_spent);
    run_segments(&ground, record, |number| suite.segment(number, seed), left.map(campaign::in_seconds)).await
}

/// A run that was broken off and goes on: it must be of the same program on the same ground, or its verdict would be of
/// neither. More minutes than it was given may be said.
fn resumed(begun: RunRecord, now: &RunRecord, minutes: Option<u64>) -> Result<RunRecord, Failure> {
    if (&begun.version, &begun.hosts) != (&now.version, &now.hosts) {
        return Err(format!(
            "this run was begun with {:?} and nodes in {}; now it would go on with {:?} and nodes in {}. Begin a new one",
            begun.version, begun.hosts, now.version, now.hosts
        )
        .into());
    }
    Ok(RunRecord { minutes: minutes.or(begun.minutes), ..begun })
}
