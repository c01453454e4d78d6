//! The command line of the proofs: `quorate-jepsen register --nemesis kill,partition --seconds 60`, `quorate-jepsen
//! --suite quick`.
//!
//! Exit codes: 0 passed, 1 violated or broken off, 2 usage, 3 undecided, 4 void.

mod arguments;
mod command;

use std::process::ExitCode;

use arguments::{
    BreakagesArguments, JudgeArguments, LoadArguments, OverloadArguments, ReportArguments, RunArguments,
    SuiteArguments,
};
use clap::{Args, Command, FromArgMatches};
use command::{breakages, files, proofs, suite};
use quorate_jepsen::nemesis::FAULTS;
use quorate_jepsen::workload::WORKLOADS;
use quorate_jepsen::{load, overload, relay};
use tokio::signal::unix::{SignalKind, signal};

const OVERLOAD_ABOUT: &str =
    "Three times the peak: the cluster sheds, keeps its goodput and its memory, and recovers at once";

const LOAD_ABOUT: &str =
    "Mixed load while nodes are killed and come back: no request fails at the others, all must converge";

const BREAKAGES_ABOUT: &str = "Would the suite notice? Looks for each rule that a broken build can break";

/// The subcommand that judges a history file again.
const JUDGE: &str = "judge";

/// The subcommand that makes the report of a run's folder.
const REPORT: &str = "report";

fn command() -> Command {
    let faults: Vec<String> =
        FAULTS.iter().map(|fault| format!("  {:<17} {}", fault.name, fault.about)).collect();
    let faults = faults.join("\n");
    let root = SuiteArguments::augment_args(Command::new("quorate-jepsen"))
        .about("Proves, or refutes, the promises of Quorate on real nodes under real faults")
        .after_help(format!(
            "Faults:\n{faults}\n\nThe part of a name before a dash means all that share it; `all` means all.\n\n\
             Exit codes: 0 passed, 1 violated, 2 usage, 3 undecided, 4 void"
        ))
        .subcommand_negates_reqs(true)
        .args_conflicts_with_subcommands(true)
        .arg_required_else_help(true);
    root.subcommands(
        WORKLOADS.iter().map(|entry| RunArguments::augment_args(Command::new(entry.name)).about(entry.about)),
    )
    .subcommand(LoadArguments::augment_args(Command::new(load::NAME)).about(LOAD_ABOUT))
    .subcommand(OverloadArguments::augment_args(Command::new(overload::NAME)).about(OVERLOAD_ABOUT))
    .subcommand(BreakagesArguments::augment_args(Command::new(breakages::NAME)).about(BREAKAGES_ABOUT))
    .subcommand(JudgeArguments::augment_args(Command::new(JUDGE)).about("Judges a history file again"))
    .subcommand(ReportArguments::augment_args(Command::new(REPORT)).about("Makes the HTML report of a run"))
    .subcommand(relay::Arguments::augment_args(Command::new(relay::SUBCOMMAND)).hide(true))
}

#[tokio::main]
async fn main() -> ExitCode {
    // The only way that this fails is a provider that is there already, which is just as good.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let matches = command().get_matches();
    let work = async {
        let Some((name, matches)) = matches.subcommand() else { return suite::run(&parsed(&matches)).await };
        match WORKLOADS.iter().find(|entry| entry.name == name) {
            Some(entry) => proofs::workload(entry, &parsed(matches)).await,
            None if name == load::NAME => proofs::load(&parsed(matches)).await,
            None if name == overload::NAME => proofs::overload(&parsed(matches)).await,
            None if name == breakages::NAME => breakages::run(&parsed(matches)).await,
            None if name == JUDGE => files::judge(&parsed(matches)),
            None if name == REPORT => files::report(&parsed::<ReportArguments>(matches).folder),
            None if name == relay::SUBCOMMAND => {
                Ok(relay::run(parsed(matches)).await.map(|()| ExitCode::SUCCESS)?)
            }
            None => unreachable!("clap knows only these subcommands"),
        }
    };
    // A run that is ended early must not leave nodes behind: dropping the work kills them, and removes their hosts.
    let done = tokio::select! {
        done = work => done,
        () = told_to_end() => Err("ended before it was done; what is done so far is in the run's folder".into()),
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
    let mut hung_up = signal(SignalKind::hangup()).expect("a signal handler needs nothing but memory");
    tokio::select! {
        _ = terminate.recv() => {}
        _ = hung_up.recv() => {}
        _ = tokio::signal::ctrl_c() => {}
    }
}
