//! The simulator by hand, and all night.
//!
//! `sim` runs seeds until it is stopped (or for `--seconds`), prints its figures now and then, and appends the seeds
//! that failed to a file. `sim --seed 7` runs one seed and tells its story. Built with the feature `mutants`,
//! `sim --mutants 400` shows how often each broken rule shows in so many seeds, and `--break RULE --seed 7` tells one.
//! `sim --digest 2000` prints one number over the stories of so many seeds: a change that is meant to change nothing
//! that nodes do leaves it as it was.

use quorate_model::{Rules, Token};
use quorate_tests::run::{Figures, run_many};
use quorate_tests::{Telling, run};
use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::{Duration, Instant};

/// Seeds between two lines of figures.
const CHUNK: u64 = 20_000;

const USAGE: &str = "usage: sim [--seed N] [--from N] [--seconds N] [--failures FILE]

  --seed N         run one seed and tell its story
  --from N         first seed of an endless run (default: the time, so that every night is another one)
  --seconds N      end the run after so long (default: never)
  --failures FILE  append failing seeds there (default: sim-failures.txt)
  --digest N       print one number over the stories of the first N seeds
  --mutants N      (with the feature `mutants`) break each rule in turn, for N seeds
  --break RULE     (with the feature `mutants`) break this rule";

struct Order {
    seed: Option<u64>,
    from: u64,
    length: Option<Duration>,
    failures: PathBuf,
    mutants: Option<u64>,
    digest: Option<u64>,
    rules: Rules,
}

fn main() -> ExitCode {
    match parse(std::env::args().skip(1)) {
        Ok(Order { mutants: Some(seeds), .. }) => break_each(seeds),
        Ok(Order { digest: Some(seeds), rules, .. }) => {
            println!("{:016x}", digest(seeds, rules));
            ExitCode::SUCCESS
        }
        Ok(Order { seed: Some(seed), rules, .. }) => tell(seed, rules),
        Ok(order) => match run_on(&order) {
            Ok(true) => ExitCode::SUCCESS,
            Ok(false) => ExitCode::FAILURE,
            Err(error) => {
                eprintln!("{}: {error}; the seeds that failed are above", order.failures.display());
                ExitCode::FAILURE
            }
        },
        Err(wrong) => {
            eprintln!("{wrong}\n{USAGE}");
            ExitCode::from(2)
        }
    }
}

fn parse(mut words: impl Iterator<Item = String>) -> Result<Order, String> {
    let since_epoch = std::time::UNIX_EPOCH.elapsed().map_or(0, |elapsed| elapsed.as_secs());
    let mut order = Order {
        seed: None,
        // Far apart, so that two nights do not run the same seeds.
        from: since_epoch << 20,
        length: None,
        failures: PathBuf::from("sim-failures.txt"),
        mutants: None,
        digest: None,
        rules: Rules::INTACT,
    };
    while let Some(word) = words.next() {
        let value = words.next().ok_or_else(|| format!("{word} needs a value, or is not known"))?;
        let number = || value.parse().map_err(|_| format!("{word} needs a number, not {value}"));
        match word.as_str() {
            "--seed" => order.seed = Some(number()?),
            "--from" => order.from = number()?,
            "--seconds" => order.length = Some(Duration::from_secs(number()?)),
            "--failures" => order.failures = PathBuf::from(&value),
            "--digest" => order.digest = Some(number()?),
            "--mutants" => order.mutants = Some(number()?),
            "--break" => order.rules = broken(&value)?,
            _ => return Err(format!("{word} is not known")),
        }
    }
    Ok(order)
}

#[cfg(feature = "mutants")]
fn broken(name: &str) -> Result<Rules, String> {
    let mutant = quorate_model::Mutant::ALL.into_iter().find(|mutant| format!("{mutant:?}") == name);
    mutant.map(Rules::breaking).ok_or_else(|| format!("there is no rule {name}"))
}

#[cfg(not(feature = "mutants"))]
fn broken(_: &str) -> Result<Rules, String> {
    Err("this build cannot break rules: it lacks the feature `mutants`".to_owned())
}

#[cfg(feature = "mutants")]
fn break_each(seeds: u64) -> ExitCode {
    for mutant in quorate_model::Mutant::ALL {
        let figures = run_many(0..seeds, Rules::breaking(mutant), usize::MAX);
        let mut judges = std::collections::BTreeMap::new();
        for report in &figures.failed {
            let names: std::collections::BTreeSet<_> =
                report.violations.iter().map(|v| v.invariant).collect();
            for name in names {
                *judges.entry(name).or_insert(0) += 1;
            }
        }
        let first = figures.failed.first().map_or("never".to_owned(), |report| report.seed.to_string());
        println!(
            "{:<28} {:>5} of {seeds}, first {first}  {judges:?}",
            format!("{mutant:?}"),
            figures.failed.len()
        );
    }
    ExitCode::SUCCESS
}

#[cfg(not(feature = "mutants"))]
fn break_each(_: u64) -> ExitCode {
    eprintln!("this build cannot break rules: it lacks the feature `mutants`");
    ExitCode::from(2)
}

fn tell(seed: u64, rules: Rules) -> ExitCode {
    let report = run(seed, rules, Telling::Aloud);
    println!("{}\n{}", report.story, report.sentence());
    if report.violations.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// One number over the stories of so many seeds, in their order.
fn digest(seeds: u64, rules: Rules) -> u64 {
    let mut chain = Token(0);
    for seed in 0..seeds {
        let story = run(seed, rules, Telling::Aloud).story;
        chain = Token::of(format!("{:016x}{story}", chain.0).as_bytes());
    }
    chain.0
}

/// Runs on until the time is over; whether no seed failed.
fn run_on(order: &Order) -> std::io::Result<bool> {
    let begun = Instant::now();
    let mut total = Figures::default();
    let mut from = order.from;
    println!("from seed {from}; failing seeds go to {}", order.failures.display());
    while order.length.is_none_or(|length| begun.elapsed() < length) {
        let figures = run_many(from..from + CHUNK, order.rules, usize::MAX);
        from += CHUNK;
        for report in &figures.failed {
            println!("{}", report.sentence());
            let mut file = std::fs::OpenOptions::new().create(true).append(true).open(&order.failures)?;
            writeln!(file, "{}", report.sentence())?;
        }
        total.join(figures);
        println!("{}", total.sentence());
    }
    Ok(total.failed.is_empty())
}
