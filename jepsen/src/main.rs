//! The command line of the proofs: `quorate-jepsen register --nemesis kill,partition --seconds 60`, `quorate-jepsen
//! --suite quick`.
//!
//! Exit codes: 0 passed, 1 violated or broken off, 2 usage, 3 undecided, 4 void.

mod arguments;

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use arguments::{
    BreakagesArguments, HostsKind, JudgeArguments, LoadArguments, OverloadArguments, ReportArguments,
    RunArguments, SuiteArguments,
};
use clap::{Args, Command, FromArgMatches};
use quorate_jepsen::breakage::{self, BREAKAGES, Hunt};
use quorate_jepsen::campaign;
use quorate_jepsen::cluster::slot::Slot;
use quorate_jepsen::cluster::{self, Cluster, Plan};
use quorate_jepsen::load;
use quorate_jepsen::nemesis::needs::Machine;
use quorate_jepsen::nemesis::{self, FAULTS};
use quorate_jepsen::overload;
use quorate_jepsen::record::{RunFolder, RunRecord, SegmentRecord};
use quorate_jepsen::rejudge;
use quorate_jepsen::relay;
use quorate_jepsen::report;
use quorate_jepsen::run::{Report, Settings, Verdict};
use quorate_jepsen::segment::{Ground, Segment, seed_of};
use quorate_jepsen::suite::Suite;
use quorate_jepsen::tool;
use quorate_jepsen::workload::{self, WORKLOADS};
use serde_json::json;
use tokio::signal::unix::{SignalKind, signal};

/// The subcommand that is no workload: it proves something about requests rather than about histories.
const LOAD: &str = "load";

/// The other one of that kind.
const OVERLOAD: &str = "overload";

const OVERLOAD_ABOUT: &str =
    "Three times the peak: the cluster sheds, keeps its goodput and its memory, and recovers at once";

const LOAD_ABOUT: &str =
    "Mixed load while nodes are killed and come back: nobody else may notice, all must converge";

/// The subcommand that looks for rules that a broken build breaks.
const BREAKAGES_NAME: &str = "breakages";

const BREAKAGES_ABOUT: &str = "Would the suite notice? Looks for each rule that a broken build can break";

/// The subcommand that judges a history file again.
const JUDGE: &str = "judge";

/// The subcommand that makes the report of a run's folder.
const REPORT: &str = "report";

type Failure = Box<dyn std::error::Error>;

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
    .subcommand(LoadArguments::augment_args(Command::new(LOAD)).about(LOAD_ABOUT))
    .subcommand(OverloadArguments::augment_args(Command::new(OVERLOAD)).about(OVERLOAD_ABOUT))
    .subcommand(BreakagesArguments::augment_args(Command::new(BREAKAGES_NAME)).about(BREAKAGES_ABOUT))
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
        let Some((name, matches)) = matches.subcommand() else { return run_suite(&parsed(&matches)).await };
        match WORKLOADS.iter().find(|entry| entry.name == name) {
            Some(entry) => run_workload(entry, &parsed(matches)).await,
            None if name == LOAD => run_load(&parsed(matches)).await,
            None if name == OVERLOAD => run_overload(&parsed(matches)).await,
            None if name == BREAKAGES_NAME => run_breakages(&parsed(matches)).await,
            None if name == JUDGE => judge(&parsed(matches)),
            None if name == REPORT => {
                write_report(&RunFolder::new(parsed::<ReportArguments>(matches).folder))
            }
            None if name == relay::SUBCOMMAND => {
                Ok(relay::run(parsed(matches)).await.map(|()| ExitCode::SUCCESS)?)
            }
            None => unreachable!("clap knows only these subcommands"),
        }
    };
    // Whoever ends a run early must not leave nodes behind: dropping the work kills them, and removes their hosts.
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

/// What a run stands on: looks at the machine, and takes a number of it if there shall be hosts.
fn ground(
    binary: &Path,
    hosts: HostsKind,
    folder: PathBuf,
    environment: Vec<(String, String)>,
) -> Result<Ground, Failure> {
    let slot = match hosts {
        HostsKind::Namespaces => Some(Slot::take()?),
        HostsKind::Loopback => None,
        HostsKind::Auto => match Slot::take() {
            Ok(slot) => Some(slot),
            Err(error @ cluster::Error::NotRoot) => {
                eprintln!("{error}; going on with that");
                None
            }
            Err(error) => return Err(error.into()),
        },
    };
    let folder = std::path::absolute(folder)?;
    let binary = std::path::absolute(binary)?;
    let machine = Machine::try_all(slot, &folder.join("machine"), &binary, &environment)?;
    let program = binary.display().to_string();
    // A build that can break its rules wants to be told which, whatever it is asked.
    let variables = ["QUORATE_BOOT_ID_FILE=/dev/null", "QUORATE_BREAK=none"];
    let known = |count: usize| {
        tool::run("env", &[&variables[..count], &[&program, "config", "check"]].concat()).is_ok()
    };
    let knows_boot_ids = known(1) || known(2);
    eprintln!("the run is in {}", folder.display());
    Ok(Ground { binary, machine, folder: RunFolder::new(folder), knows_boot_ids, environment })
}

/// What was asked for, for the run's folder.
fn run_record(ground: &Ground, command: String, seed: u64) -> RunRecord {
    let program = ground.binary.display().to_string();
    let said = |program: &str, arguments: &[&str]| {
        tool::run(program, arguments).unwrap_or_default().trim().replace('\n', " ")
    };
    let hosts = if ground.machine.slot.is_some() { "network namespaces" } else { "loopback" };
    RunRecord {
        command,
        seed,
        version: said(&program, &["--version"]),
        machine: format!("{}, {} processors", said("uname", &["-srm"]), said("nproc", &[])),
        hosts: hosts.to_owned(),
        started: SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs()),
        ..RunRecord::default()
    }
}

/// Does the segments of a run, tells of each, and gives the exit code of all.
async fn run_segments(
    ground: &Ground,
    record: RunRecord,
    segments: impl Fn(u32) -> Option<Segment>,
    until: Option<std::time::Instant>,
) -> Result<ExitCode, Failure> {
    let tell = |segment: &SegmentRecord, report: &Report| {
        let faults = if segment.faults.is_empty() { "none".to_owned() } else { segment.faults.join(",") };
        println!("segment {}: {} under {faults}, seed {}", segment.number, segment.workload, segment.seed);
        print!("{report}");
        // A reader behind a pipe wants to know of each segment when it ends.
        let _ = std::io::stdout().flush();
        for fault in &segment.by_fault {
            println!(
                "  {}: {} strikes, longest gap {:.0} ms, progress after {:?} ms, ready after {:?} ms",
                fault.fault, fault.strikes, fault.longest_gap_ms, fault.progress_ms, fault.ready_ms
            );
        }
    };
    let outcome = campaign::run(ground, record, segments, until, tell).await?;
    let mut out = std::io::stdout();
    for reason in outcome.reasons_to_doubt() {
        writeln!(out, "  {reason}")?;
    }
    for left in &outcome.run.left_out {
        writeln!(out, "  left out: {}: {}", left.what, left.why)?;
    }
    writeln!(out, "seed: {}, folder: {}", outcome.run.seed, ground.folder.path().display())?;
    write_report(&ground.folder)?;
    writeln!(out, "{}", outcome.line())?;
    Ok(exit_code(outcome.verdict()))
}

/// Judges a history file again.
fn judge(arguments: &JudgeArguments) -> Result<ExitCode, Failure> {
    let judgement = rejudge::judge_file(&arguments.history, &arguments.workload)?;
    let verdict = rejudge::verdict(&judgement);
    let mut out = std::io::stdout();
    writeln!(out, "{}\n{}", verdict.word(), judgement.text)?;
    for reason in &judgement.void {
        writeln!(out, "  {reason}")?;
    }
    for measure in &judgement.measures {
        writeln!(out, "  {}: {:.1} {}", measure.name, measure.value, measure.unit)?;
    }
    Ok(exit_code(verdict))
}

/// Makes the report of a run's folder.
fn write_report(folder: &RunFolder) -> Result<ExitCode, Failure> {
    let path = report::write(folder)?;
    writeln!(std::io::stdout(), "the report is {}", path.display())?;
    Ok(ExitCode::SUCCESS)
}

async fn run_suite(arguments: &SuiteArguments) -> Result<ExitCode, Failure> {
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
    let ground = ground(&arguments.binary()?, arguments.hosts, folder, Vec::new())?;
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

/// A folder in which a run has begun would lend its segments to another.
fn must_be_new(folder: &Path) -> Result<(), Failure> {
    if RunFolder::new(folder).is_begun() {
        let folder = folder.display();
        return Err(
            format!("{folder} holds a run already: choose another folder, or --resume a suite's").into()
        );
    }
    Ok(())
}

async fn run_workload(
    entry: &'static workload::Entry,
    arguments: &RunArguments,
) -> Result<ExitCode, Failure> {
    let faults = nemesis::named(&arguments.nemesis)?;
    let seed = arguments.cluster.seed;
    let folder = arguments.folder.clone().unwrap_or_else(|| cluster::run_folder(entry.name));
    must_be_new(&folder)?;
    let environment = arguments.environment()?;
    let ground = ground(&arguments.cluster.binary()?, arguments.hosts, folder, environment)?;
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
            workload: entry,
            options,
            faults: faults.clone(),
            hold_max: Duration::from_secs(arguments.hold_seconds),
            nodes: nodes.clone(),
            settings: Settings {
                clients: arguments.clients,
                time: Duration::from_secs(seconds),
                // A run of one segment is how a segment of another run is done again.
                seed: if count == 1 { seed } else { seed_of(seed, number) },
            },
        })
    };
    let again: Vec<String> = std::env::args().skip(1).collect();
    let mut record = run_record(&ground, format!("scripts/jepsen {}", again.join(" ")), seed);
    record.segments_planned = u32::try_from(count).unwrap_or(u32::MAX);
    let code = run_segments(&ground, record, segment, None).await?;
    if let Some(path) = &arguments.history {
        std::fs::copy(ground.folder.segment(1).history_path(), path)?;
        eprintln!("the history of the first segment is in {}", path.display());
    }
    Ok(code)
}

async fn run_breakages(arguments: &BreakagesArguments) -> Result<ExitCode, Failure> {
    let folder = arguments.folder.clone().unwrap_or_else(|| cluster::run_folder(BREAKAGES_NAME));
    must_be_new(&folder)?;
    let whole = vec![(breakage::VARIABLE.to_owned(), "none".to_owned())];
    let mut ground = ground(&arguments.binary, HostsKind::Namespaces, folder, whole)?;
    let (mut hunt, mut missed) = (Hunt::new(arguments.seed), 0);
    let mut record = run_record(&ground, format!("scripts/jepsen {BREAKAGES_NAME}"), arguments.seed);
    record.suite = Some(BREAKAGES_NAME.to_owned());
    ground.folder.write_run(&record)?;
    let chosen = BREAKAGES.iter().filter(|breakage| {
        arguments.only.is_empty() || arguments.only.iter().any(|name| name == breakage.name)
    });
    for one in chosen {
        let met = hunt.meet(&mut ground, one).await?;
        println!("{met}");
        missed += u32::from(met.found.is_none());
    }
    println!(
        "{}",
        if missed == 0 {
            "PASS: every breakage was found".to_owned()
        } else {
            format!("{missed} were missed")
        }
    );
    Ok(if missed == 0 { ExitCode::SUCCESS } else { ExitCode::from(1) })
}

async fn run_overload(arguments: &OverloadArguments) -> Result<ExitCode, Failure> {
    let settings = overload::Settings {
        time: Duration::from_secs(arguments.seconds),
        factor: arguments.factor,
        requests_running_max: arguments.requests_running_max,
        sync_delay_ms: arguments.sync_delay_ms,
        seed: arguments.cluster.seed,
    };
    let nodes = arguments.cluster.shapes()?;
    let folder = cluster::run_folder(OVERLOAD);
    let plan = Plan { nodes, ..Plan::on_loopback(arguments.cluster.binary()?, folder, 0) };
    let plan = overload::limited(plan, &settings)?;
    eprintln!("nodes and logs are in {}", plan.folder.display());
    let mut cluster = Cluster::start(&plan).await?;
    eprintln!("{} nodes are ready: {}", cluster.nodes().len(), cluster.endpoints().join(" "));
    let report = overload::run(&mut cluster, &plan.folder, &settings).await?;
    writeln!(std::io::stdout(), "{report}seed: {}", settings.seed)?;
    drop(cluster);
    // What the nodes left behind is kept, unless everything is well.
    if report.verdict() == Verdict::Passed {
        cluster::remove_folder(&plan.folder);
    }
    Ok(exit_code(report.verdict()))
}

async fn run_load(arguments: &LoadArguments) -> Result<ExitCode, Failure> {
    let nodes = arguments.cluster.shapes()?;
    let plan = Plan { nodes, ..Plan::on_loopback(arguments.cluster.binary()?, cluster::run_folder(LOAD), 0) };
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
    // What the nodes left behind is kept, unless everything is well.
    if report.verdict() == Verdict::Passed {
        cluster::remove_folder(&plan.folder);
    }
    Ok(exit_code(report.verdict()))
}

fn exit_code(verdict: Verdict) -> ExitCode {
    match verdict {
        Verdict::Passed => ExitCode::SUCCESS,
        Verdict::Violated => ExitCode::from(1),
        Verdict::Undecided => ExitCode::from(3),
        Verdict::Void => ExitCode::from(4),
    }
}
