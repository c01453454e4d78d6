//! What the commands share: the ground that a run stands on, its record, and the telling of what came of it.

pub mod breakages;
pub mod files;
pub mod proofs;
pub mod suite;

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use quorate_jepsen::campaign::{self, Agenda};
use quorate_jepsen::cluster;
use quorate_jepsen::cluster::slot::Slot;
use quorate_jepsen::nemesis::needs::Machine;
use quorate_jepsen::record::{RunFolder, RunRecord, SegmentRecord};
use quorate_jepsen::report;
use quorate_jepsen::run::{Report, Verdict};
use quorate_jepsen::segment::{Ground, Segment};
use quorate_jepsen::tool;

use crate::arguments::HostsKind;

/// Why a command came to no end.
pub type Failure = Box<dyn std::error::Error>;

/// What a run stands on: looks at the machine, and takes a number of it if there shall be hosts. The programs are the one
/// under test and, where there is one, that of the version before.
pub fn ground(
    (binary, previous): (&Path, Option<&Path>),
    hosts: HostsKind,
    folder: PathBuf,
    environment: &[(String, String)],
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
    let previous = previous.map(std::path::absolute).transpose()?;
    let programs = (binary.as_path(), previous.as_deref());
    let machine = Machine::try_all(slot, &folder.join("machine"), programs, environment)?;
    // A build that can break its rules wants to be told which, whatever it is asked.
    let variables = ["QUORATE_BOOT_ID_FILE=/dev/null", "QUORATE_BREAK=none"];
    let knows = |program: &PathBuf, count: usize| {
        let program = program.display().to_string();
        tool::run("env", &[&variables[..count], &[&program, "config", "check"]].concat()).is_ok()
    };
    let knows_boot_ids =
        std::iter::once(&binary).chain(&previous).all(|program| knows(program, 1) || knows(program, 2));
    eprintln!("the run is in {}", folder.display());
    Ok(Ground { binary, previous, machine, folder: RunFolder::new(folder), knows_boot_ids })
}

/// What was asked for, for the run's folder.
pub fn run_record(ground: &Ground, command: String, seed: u64) -> RunRecord {
    let said = |program: &str, arguments: &[&str]| {
        tool::run(program, arguments).unwrap_or_default().trim().replace('\n', " ")
    };
    let version = |program: &Path| said(&program.display().to_string(), &["--version"]);
    let previous = ground
        .previous
        .as_ref()
        .map(|previous| format!("; to be upgraded from {} ({})", version(previous), previous.display()));
    let hosts = if ground.machine.slot.is_some() { "network namespaces" } else { "loopback" };
    RunRecord {
        command,
        seed,
        version: version(&ground.binary) + &previous.unwrap_or_default(),
        machine: format!("{}, {} processors", said("uname", &["-srm"]), said("nproc", &[])),
        hosts: hosts.to_owned(),
        started: SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs()),
        ..RunRecord::default()
    }
}

/// Segments that are known by their numbers, each told of when it ends.
struct Listed<F> {
    segments: F,
}

impl<F: FnMut(u32) -> Option<Segment>> Agenda for Listed<F> {
    fn next(&mut self, number: u32) -> Option<Segment> {
        (self.segments)(number)
    }

    fn done(&mut self, segment: &SegmentRecord, report: &Report) {
        let faults = if segment.faults.is_empty() { "none".to_owned() } else { segment.faults.join(",") };
        println!("segment {}: {} under {faults}, seed {}", segment.number, segment.workload, segment.seed);
        print!("{report}");
        // A reader behind a pipe wants to know of each segment when it ends.
        let _ = std::io::stdout().flush();
        for fault in &segment.by_fault {
            println!(
                "  {}: {} strikes, longest gap {:.0} ms, progress after {:?} ms, ready after {:?} ms, whole again \
                 after {:?} ms",
                fault.fault,
                fault.strikes,
                fault.longest_gap_ms,
                fault.progress_ms,
                fault.ready_ms,
                fault.whole_ms
            );
        }
        for measure in &segment.measures {
            println!("  {}: {:.1} {}", measure.name, measure.value, measure.unit);
        }
    }
}

/// Does the segments of a run, tells of each, and gives the exit code of all.
pub async fn run_segments(
    ground: &Ground,
    record: RunRecord,
    segments: impl FnMut(u32) -> Option<Segment>,
    until: Option<Instant>,
) -> Result<ExitCode, Failure> {
    let outcome = campaign::run(ground, record, &mut Listed { segments }, until).await?;
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

/// Makes the report of a run's folder.
pub fn write_report(folder: &RunFolder) -> Result<(), Failure> {
    let path = report::write(folder)?;
    writeln!(std::io::stdout(), "the report is {}", path.display())?;
    Ok(())
}

/// A folder in which a run has begun would lend its segments to another.
pub fn must_be_new(folder: &Path) -> Result<(), Failure> {
    if RunFolder::new(folder).is_begun() {
        let folder = folder.display();
        return Err(
            format!("{folder} holds a run already: choose another folder, or --resume a suite's").into()
        );
    }
    Ok(())
}

/// The exit code of a verdict.
pub fn exit_code(verdict: Verdict) -> ExitCode {
    match verdict {
        Verdict::Passed => ExitCode::SUCCESS,
        Verdict::Violated => ExitCode::from(1),
        Verdict::Undecided => ExitCode::from(3),
        Verdict::Void => ExitCode::from(4),
    }
}
