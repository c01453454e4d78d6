//! The simulator by hand, and all night.
//!
//! `sim` runs seeds until it is stopped (or for `--seconds`), prints its figures now and then, and appends the seeds
//! that failed to a file. `sim --seed 7` runs one seed and tells its story.

use quorate_model::Rules;
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
  --failures FILE  append failing seeds there (default: sim-failures.txt)";

struct Order {
    seed: Option<u64>,
    from: u64,
    length: Option<Duration>,
    failures: PathBuf,
}

fn main() -> ExitCode {
    match parse(std::env::args().skip(1)) {
        Ok(Order { seed: Some(seed), .. }) => tell(seed),
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
    };
    while let Some(word) = words.next() {
        let value = words.next().ok_or_else(|| format!("{word} needs a value, or is not known"))?;
        let number = || value.parse().map_err(|_| format!("{word} needs a number, not {value}"));
        match word.as_str() {
            "--seed" => order.seed = Some(number()?),
            "--from" => order.from = number()?,
            "--seconds" => order.length = Some(Duration::from_secs(number()?)),
            "--failures" => order.failures = PathBuf::from(&value),
            _ => return Err(format!("{word} is not known")),
        }
    }
    Ok(order)
}

fn tell(seed: u64) -> ExitCode {
    let report = run(seed, Rules::INTACT, Telling::Aloud);
    println!("{}\n{}", report.story, report.sentence());
    if report.violations.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// Runs on until the time is over; whether no seed failed.
fn run_on(order: &Order) -> std::io::Result<bool> {
    let begun = Instant::now();
    let mut total = Figures::default();
    let mut from = order.from;
    println!("from seed {from}; failing seeds go to {}", order.failures.display());
    while order.length.is_none_or(|length| begun.elapsed() < length) {
        let figures = run_many(from..from + CHUNK, Rules::INTACT, usize::MAX);
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
