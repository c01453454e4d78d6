//! The simulator by hand, and all night.
//!
//! Without arguments: so many histories, every mutant, and the figures. With `--night`: histories until it is stopped;
//! failing ones are kept in a folder, each as a line with the command that shows it again and as its shortest story.

use quorate_model::{Mutant, Rules, Token};
use quorate_tests::coverage::Happening;
use quorate_tests::invariants::Invariant;
use quorate_tests::mutants::{catch, guards};
use quorate_tests::run::{Figures, Report, run_many};
use quorate_tests::shrink::shrink;
use quorate_tests::{Case, Telling, run};
use std::fmt::Write as _;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{Duration, Instant};

/// Histories between two lines of figures.
const CHUNK: u64 = 2_000;

/// Histories within which every mutant must be caught.
const MUTANT_SEEDS_MAX: u64 = 1_000;

/// Stories that are shrunk in one night; further failures are only noted.
const SHRUNK_MAX: usize = 20;

const USAGE: &str = "usage: sim [--seeds N] [--from N] [--mutant NAME] [--seed CASE [--shrink yes]] [--night [--seconds N] [--folder DIR]]

  (nothing)        2,000 histories, every mutant, what was met, and the figures
  --seeds N        so many histories instead
  --from N         first seed (default 0; at night the time, so that every night is another one)
  --seed CASE      one history, told: a seed, or a seed and its cuts as a failure prints them
  --shrink yes     with --seed: the shortest history that breaks the same promise
  --mutant NAME    break this rule: with --seed in that history, else until it is caught, and show its shortest story
  --mutants N      for each mutant, how many of N histories show it, and in which promises
  --digest N       one number over the stories of N histories
  --night          histories until it is stopped, or for --seconds N; failures go to --folder (default sim-failures)";

#[derive(Debug)]
struct Order {
    case: Option<Case>,
    shrinks: bool,
    seeds: u64,
    from: Option<u64>,
    mutant: Option<Mutant>,
    census: Option<u64>,
    digest: Option<u64>,
    night: bool,
    length: Option<Duration>,
    folder: PathBuf,
}

fn main() -> ExitCode {
    let order = match parse(std::env::args().skip(1)) {
        Ok(order) => order,
        Err(wrong) => {
            eprintln!("{wrong}\n{USAGE}");
            return ExitCode::from(2);
        }
    };
    let rules = order.mutant.map_or(Rules::INTACT, Rules::breaking);
    let guards = order.mutant.map_or(&[][..], guards);
    let passed = match &order {
        Order { case: Some(case), shrinks: true, .. } => show_shortest(case, rules, guards),
        Order { case: Some(case), .. } => tell(case, rules),
        Order { digest: Some(seeds), .. } => {
            println!("{:016x}", digest(*seeds, rules));
            true
        }
        Order { census: Some(seeds), .. } => census(*seeds),
        Order { night: true, .. } => night(&order, rules).unwrap_or_else(|error| {
            eprintln!("{}: {error}; the failures are above", order.folder.display());
            false
        }),
        Order { mutant: Some(mutant), .. } => show_mutant(*mutant),
        _ => day(&order),
    };
    if passed { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn parse(mut words: impl Iterator<Item = String>) -> Result<Order, String> {
    let mut order = Order {
        case: None,
        shrinks: false,
        seeds: 2_000,
        from: None,
        mutant: None,
        census: None,
        digest: None,
        night: false,
        length: None,
        folder: PathBuf::from("sim-failures"),
    };
    while let Some(word) = words.next() {
        if word == "--night" {
            order.night = true;
            continue;
        }
        let value = words.next().ok_or_else(|| format!("{word} needs a value, or is not known"))?;
        let number = || value.parse().map_err(|_| format!("{word} needs a number, not {value}"));
        match word.as_str() {
            "--seed" => order.case = Some(value.parse()?),
            "--shrink" => order.shrinks = value == "yes",
            "--seeds" => order.seeds = number()?,
            "--from" => order.from = Some(number()?),
            "--mutant" => {
                let mutant = Mutant::named(&value).ok_or_else(|| format!("there is no mutant {value}"))?;
                order.mutant = Some(mutant);
            }
            "--mutants" => order.census = Some(number()?),
            "--digest" => order.digest = Some(number()?),
            "--seconds" => order.length = Some(Duration::from_secs(number()?)),
            "--folder" => order.folder = PathBuf::from(&value),
            _ => return Err(format!("{word} is not known")),
        }
    }
    Ok(order)
}

/// So many histories, every mutant, what was met, and the figures.
fn day(order: &Order) -> bool {
    let from = order.from.unwrap_or(0);
    let figures = run_many(from..from + order.seeds, Rules::INTACT, usize::MAX);
    for report in &figures.failed {
        println!("{}", report.sentence());
    }
    println!("what was met:");
    for line in figures.coverage.lines() {
        println!("  {line}");
    }
    let (caught, escaped) = catch_all();
    println!("{}", figures.sentence());
    println!("{caught} of {} mutants caught", Mutant::ALL.len());
    let unmet = Happening::ALL.iter().filter(|happening| figures.coverage.of(**happening) == 0).count();
    figures.failed.is_empty() && escaped.is_empty() && (unmet == 0 || order.seeds < 2_000)
}

/// Breaks every rule in turn: how many were caught, and which were not.
fn catch_all() -> (usize, Vec<Mutant>) {
    let escaped = |mutant: &Mutant| catch(*mutant, MUTANT_SEEDS_MAX).is_none();
    let escaped: Vec<Mutant> = Mutant::ALL.into_iter().filter(escaped).collect();
    for mutant in &escaped {
        println!("not caught within {MUTANT_SEEDS_MAX} histories: {}", mutant.name());
    }
    (Mutant::ALL.len() - escaped.len(), escaped)
}

/// Histories until it is stopped or the time is over; whether none failed.
fn night(order: &Order, rules: Rules) -> std::io::Result<bool> {
    let since_epoch = std::time::UNIX_EPOCH.elapsed().map_or(0, |elapsed| elapsed.as_secs());
    // Far apart, so that two nights do not run the same seeds.
    let mut from = order.from.unwrap_or(since_epoch << 20);
    let begun = Instant::now();
    let (caught, _) = catch_all();
    println!("{caught} of {} mutants caught", Mutant::ALL.len());
    println!("from seed {from}; failures go to {}", order.folder.display());
    let (mut total, mut shrunk) = (Figures::default(), 0);
    while order.length.is_none_or(|length| begun.elapsed() < length) {
        let figures = run_many(from..from + CHUNK, rules, usize::MAX);
        from += CHUNK;
        for report in &figures.failed {
            shrunk += 1;
            keep(&order.folder, report, rules, order.mutant, shrunk <= SHRUNK_MAX)?;
        }
        total.join(figures);
        println!("{}", total.sentence());
    }
    Ok(total.failed.is_empty())
}

/// Keeps a failure: a line with the command that shows it again, and its shortest story in a file.
fn keep(
    folder: &Path,
    report: &Report,
    rules: Rules,
    mutant: Option<Mutant>,
    shrinks: bool,
) -> std::io::Result<()> {
    println!("{}", report.sentence());
    std::fs::create_dir_all(folder)?;
    let broken = mutant.map_or(String::new(), |mutant| format!(" --mutant {}", mutant.name()));
    let mut line = format!("scripts/sim --seed {}{broken}", report.case);
    if let Some(shrunk) = Some(()).filter(|()| shrinks).and_then(|()| shrink(&report.case, rules, &[])) {
        let story = folder.join(format!("{}.txt", report.case.seed));
        std::fs::write(&story, format!("{}\n\n{}", shrunk.glance(), shrunk.report.story))?;
        let _ = write!(line, "  # {}; shortest: {}", shrunk.invariant, shrunk.report.case);
    }
    let failures = std::fs::OpenOptions::new().create(true).append(true).open(folder.join("failures"));
    writeln!(failures?, "{line}")
}

fn tell(case: &Case, rules: Rules) -> bool {
    let report = run(case, rules, Telling::Aloud);
    println!("{}\n{}", report.story, report.sentence());
    report.violations.is_empty()
}

fn show_shortest(case: &Case, rules: Rules, guards: &[Invariant]) -> bool {
    match shrink(case, rules, guards) {
        Some(shrunk) => println!("{}", shrunk.glance()),
        None => println!("seed {case} breaks no promise: there is nothing to shrink"),
    }
    true
}

fn show_mutant(mutant: Mutant) -> bool {
    let Some(report) = catch(mutant, MUTANT_SEEDS_MAX) else {
        println!("{} is not caught within {MUTANT_SEEDS_MAX} histories", mutant.name());
        return false;
    };
    println!("{}, caught by seed {}: its shortest story", mutant.name(), report.case);
    show_shortest(&report.case, Rules::breaking(mutant), guards(mutant))
}

fn census(seeds: u64) -> bool {
    for mutant in Mutant::ALL {
        let figures = run_many(0..seeds, Rules::breaking(mutant), usize::MAX);
        let mut judges = std::collections::BTreeMap::new();
        for report in &figures.failed {
            let names: std::collections::BTreeSet<String> =
                report.violations.iter().map(|violation| violation.invariant.to_string()).collect();
            for name in names {
                *judges.entry(name).or_insert(0) += 1;
            }
        }
        let caught = figures.failed.iter().filter(|report| report.breaks(guards(mutant)));
        let first = caught.clone().next().map_or("never".to_owned(), |report| report.case.seed.to_string());
        println!("{:<26} {:>5} of {seeds}, first {first:>5}  {judges:?}", mutant.name(), caught.count());
    }
    true
}

/// One number over the stories of so many seeds, in their order: a change that is meant to change nothing that nodes
/// do leaves it as it was.
fn digest(seeds: u64, rules: Rules) -> u64 {
    let mut chain = Token(0);
    for seed in 0..seeds {
        let story = run(&Case::of_seed(seed), rules, Telling::Aloud).story;
        chain = Token::of(format!("{:016x}{story}", chain.0).as_bytes());
    }
    chain.0
}
