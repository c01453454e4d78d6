//! The simulator by hand, and all night.
//!
//! Without arguments: so many histories, every mutant, and the figures. With `--night`: histories until it is stopped
//! by a signal, or too many have failed; each that fails is noted at once as a line with the command that shows it
//! again, and the first of them are kept as their shortest stories. Memory and disk stay bounded however long it lasts.

use quorate_model::{Mutant, Rules, Token};
use quorate_tests::coverage::Happening;
use quorate_tests::invariants::Invariant;
use quorate_tests::mutants::{SEEDS_MAX, catch, catch_unless, guards};
use quorate_tests::run::{Figures, Report, SEEDS, run_many, run_until};
use quorate_tests::setting::Profile;
use quorate_tests::shrink::{shrink, shrink_unless};
use quorate_tests::{Case, Telling, run};
use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// Histories between two lines of figures.
const CHUNK: u64 = 2_000;

/// Stories that are shrunk and kept in one night; further failures are only noted.
const SHRUNK_MAX: usize = 20;

/// Failures after which a night ends: one cause has more of them than are worth a look.
const FAILURES_MAX: u64 = 500;

/// Whether a signal has asked for the end.
static STOPPED: AtomicBool = AtomicBool::new(false);

const USAGE: &str = "usage: sim [--seeds N] [--from N] [--mutant NAME] [--seed CASE [--shrink yes]] [--night [--seconds N] [--folder DIR]]

  (nothing)        2,600 histories, every mutant, what was met, and the figures
  --seeds N        so many histories instead
  --from N         first seed (default 0; at night the time, so that every night is another one)
  --only PROFILE   so many histories that are aimed at this (grave, moving, ...); with --mutant of that broken rule
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
    only: Option<Profile>,
    census: Option<u64>,
    digest: Option<u64>,
    night: bool,
    length: Option<Duration>,
    folder: PathBuf,
}

fn main() -> ExitCode {
    if std::env::args().any(|argument| argument == "--help" || argument == "-h") {
        println!("{USAGE}");
        return ExitCode::SUCCESS;
    }
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
        Order { mutant: Some(mutant), only: None, .. } => show_mutant(*mutant),
        _ => day(&order),
    };
    if passed { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn parse(mut words: impl Iterator<Item = String>) -> Result<Order, String> {
    let mut order = Order {
        case: None,
        shrinks: false,
        seeds: SEEDS,
        from: None,
        mutant: None,
        only: None,
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
            "--only" => {
                let profile = Profile::named(&value);
                order.only = Some(profile.ok_or_else(|| format!("there is no profile {value}"))?);
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
    if let Some(profile) = order.only {
        return only(profile, order);
    }
    let figures = run_many(from..from + order.seeds, Rules::INTACT, usize::MAX);
    for report in &figures.failed {
        println!("{}", report.sentence());
    }
    println!("what was met:");
    for line in figures.coverage.lines() {
        println!("  {line}");
    }
    let (tried, escaped) = catch_all();
    println!("{}", figures.sentence());
    println!("{} of {tried} mutants caught", tried - escaped.len());
    let unmet = Happening::ALL.iter().filter(|happening| figures.coverage.of(**happening) == 0).count();
    figures.failed.is_empty() && escaped.is_empty() && (unmet == 0 || order.seeds < SEEDS)
}

/// So many histories that are aimed at one rule; of a mutant, in which of them it is caught.
fn only(profile: Profile, order: &Order) -> bool {
    let (from, seeds) = (order.from.unwrap_or(0), order.seeds);
    let rules = order.mutant.map_or(Rules::INTACT, Rules::breaking);
    let guards = order.mutant.map_or(&[][..], guards);
    let tell = |report: &Report| {
        let is_caught = !guards.is_empty() && report.breaks(guards);
        println!("{}{}", if is_caught { "caught: " } else { "" }, report.sentence());
    };
    let meant = (from..).filter(|seed| Case::of_seed(*seed).setting().profile == profile);
    let meant = meant.take(usize::try_from(seeds).unwrap_or(usize::MAX));
    let figures = run_until(meant, rules, |_| is_stopped(), tell);
    for line in figures.coverage.lines() {
        println!("  {line}");
    }
    println!("{}", figures.sentence());
    figures.failed.is_empty()
}

/// Breaks every rule in turn, until it is stopped, and says where each was caught: how many were tried, and which were
/// not caught.
fn catch_all() -> (usize, Vec<Mutant>) {
    let (mut tried, mut escaped) = (0, Vec::new());
    for mutant in Mutant::ALL {
        let caught = catch_unless(mutant, SEEDS_MAX, is_stopped);
        if caught.is_none() && is_stopped() {
            break;
        }
        tried += 1;
        if let Some(report) = caught {
            let (seed, broken) = (report.case.to_string(), broken_by(&report, mutant));
            println!("  {:<28} seed {seed:<5} {broken}", mutant.name());
        } else {
            println!("not caught within {SEEDS_MAX} histories: {}", mutant.name());
            escaped.push(mutant);
        }
    }
    (tried, escaped)
}

/// The promises that a broken rule broke, of those that guard it.
fn broken_by(report: &Report, mutant: Mutant) -> String {
    let guards = guards(mutant);
    let broken = guards.iter().filter(|guard| report.breaks(&[**guard])).map(ToString::to_string);
    broken.collect::<Vec<_>>().join(", ")
}

fn is_stopped() -> bool {
    STOPPED.load(Ordering::Relaxed)
}

/// From now on the signals that would end the process only ask for its end.
fn listen() -> std::io::Result<()> {
    use tokio::signal::unix::{SignalKind, signal};
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let (mut interrupt, mut terminate) = {
        let _inside = runtime.enter();
        (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?)
    };
    std::thread::spawn(move || {
        runtime.block_on(async {
            tokio::select! {
                _ = interrupt.recv() => {}
                _ = terminate.recv() => {}
            }
        });
        STOPPED.store(true, Ordering::Relaxed);
    });
    Ok(())
}

/// Histories until it is stopped, the time is over or too many have failed; whether none failed and no mutant escaped.
fn night(order: &Order, rules: Rules) -> std::io::Result<bool> {
    listen()?;
    let since_epoch = std::time::UNIX_EPOCH.elapsed().map_or(0, |elapsed| elapsed.as_secs());
    // Far apart, so that two nights do not run the same seeds.
    let mut from = order.from.unwrap_or(since_epoch << 20);
    let (tried, escaped) = catch_all();
    println!("{} of {tried} mutants caught", tried - escaped.len());
    println!("from seed {from}; failures go to {}", order.folder.display());
    let begun = Instant::now();
    let (mut total, mut shrunk) = (Figures::default(), 0);
    let is_over = || is_stopped() || order.length.is_some_and(|length| begun.elapsed() >= length);
    while !is_over() && total.failures < FAILURES_MAX {
        let room = FAILURES_MAX - total.failures;
        // A story is shrunk as soon as there is one to shrink, as long as they are kept.
        let enough = if shrunk < SHRUNK_MAX { 1 } else { room };
        let is_enough = |figures: &Figures| is_over() || figures.failures >= enough;
        let unnoted = std::sync::Mutex::new(None);
        let figures = run_until(from..from + CHUNK, rules, is_enough, |report| {
            if let Err(error) = note(order, report) {
                STOPPED.store(true, Ordering::Relaxed);
                *unnoted.lock().expect("no panic while it is held") = Some(error);
            }
        });
        // Whatever was begun is done.
        from += figures.seeds;
        if let Some(error) = unnoted.into_inner().expect("no panic while it is held") {
            return Err(error);
        }
        for report in total.join(figures).into_iter().take(SHRUNK_MAX - shrunk) {
            if is_stopped() {
                break;
            }
            shrunk += 1;
            keep_story(order, &report, rules)?;
        }
        println!("{}", total.sentence());
    }
    if total.failures >= FAILURES_MAX {
        println!("{FAILURES_MAX} histories have failed: that is enough to look at");
    }
    println!("{}; {} of {tried} mutants caught", total.sentence(), tried - escaped.len());
    Ok(total.failures == 0 && escaped.is_empty())
}

/// What shows a failure again.
fn command(order: &Order, case: &Case) -> String {
    let broken = order.mutant.map_or(String::new(), |mutant| format!(" --mutant {}", mutant.name()));
    format!("scripts/sim --seed {case}{broken}")
}

/// Notes a failure, as soon as it is there.
fn note(order: &Order, report: &Report) -> std::io::Result<()> {
    println!("{}", report.sentence());
    add_line(order, &command(order, &report.case))
}

fn add_line(order: &Order, line: &str) -> std::io::Result<()> {
    std::fs::create_dir_all(&order.folder)?;
    let path = order.folder.join("failures");
    writeln!(std::fs::OpenOptions::new().create(true).append(true).open(path)?, "{line}")
}

/// Keeps the shortest story of a failure, and a line that names it.
fn keep_story(order: &Order, report: &Report, rules: Rules) -> std::io::Result<()> {
    let guards = order.mutant.map_or(&[][..], guards);
    let Some(shrunk) = shrink_unless(&report.case, rules, guards, &is_stopped) else { return Ok(()) };
    let story = order.folder.join(format!("{}.txt", report.case.seed));
    std::fs::write(&story, format!("{}\n\n{}", shrunk.glance(), shrunk.report.story))?;
    let shortest = command(order, &shrunk.report.case);
    add_line(order, &format!("{shortest}  # {}: the shortest of seed {}", shrunk.invariant, report.case))
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
    let Some(report) = catch(mutant, SEEDS_MAX) else {
        println!("{} is not caught within {SEEDS_MAX} histories", mutant.name());
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
