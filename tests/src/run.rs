//! One history from beginning to end, and many of them.

use crate::invariants::{Evidence, Violation, judge};
use crate::setting::Setting;
use crate::story::Telling;
use crate::world::World;
use quorate_model::Rules;
use std::fmt::Write;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// What came of one seed.
#[derive(Debug)]
pub struct Report {
    /// The seed.
    pub seed: u64,
    /// Promises that were broken.
    pub violations: Vec<Violation>,
    /// Operations that clients began.
    pub operations: usize,
    /// Those that succeeded.
    pub succeeded: usize,
    /// Simulated time, in microseconds.
    pub simulated: u64,
    /// The story, if it was told.
    pub story: String,
}

/// What came of many seeds.
#[derive(Debug, Default)]
pub struct Figures {
    /// Histories.
    pub seeds: u64,
    /// Operations that clients began.
    pub operations: u64,
    /// Those that succeeded.
    pub succeeded: u64,
    /// Simulated time, in microseconds.
    pub simulated: u64,
    /// Real time.
    pub real: Duration,
    /// Reports of the seeds that failed, in order of their seeds.
    pub failed: Vec<Report>,
}

/// Runs one seed. A panic anywhere in it is a broken promise like any other.
pub fn run(seed: u64, rules: Rules, telling: Telling) -> Report {
    let run = std::panic::AssertUnwindSafe(|| run_unguarded(seed, rules, telling));
    std::panic::catch_unwind(run).unwrap_or_else(|panic| {
        let text = panic.downcast_ref::<String>().cloned();
        let text = text.or_else(|| panic.downcast_ref::<&str>().map(|text| (*text).to_owned()));
        let what = text.unwrap_or_else(|| "without a word".to_owned());
        let violation = Violation { invariant: "no panic", spot: None, what };
        Report {
            seed,
            violations: vec![violation],
            operations: 0,
            succeeded: 0,
            simulated: 0,
            story: String::new(),
        }
    })
}

fn run_unguarded(seed: u64, rules: Rules, telling: Telling) -> Report {
    let mut world = World::new(Setting::of_seed(seed), rules, telling);
    world.run_breaking();
    let ending = world.run_closing();
    let (setting, history, story, simulated) = world.into_parts();
    let evidence = Evidence { setting: &setting, history: &history, ending: &ending };
    let violations = judge(&evidence);
    let succeeded = history.acknowledged().count() + history.answered().count();
    Report {
        seed,
        violations,
        operations: history.attempts.len(),
        succeeded,
        simulated,
        story: story.into_text(),
    }
}

/// Runs seeds on as many threads as there are cores, until there are no more or `stop` says so after a failure.
pub fn run_many(seeds: std::ops::Range<u64>, rules: Rules, stop_after: usize) -> Figures {
    let begun = Instant::now();
    let next = AtomicU64::new(seeds.start);
    let figures = Mutex::new(Figures::default());
    let lock = || figures.lock().unwrap_or_else(PoisonError::into_inner);
    let threads = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                while lock().failed.len() < stop_after {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    if seed >= seeds.end {
                        break;
                    }
                    lock().add(run(seed, rules, Telling::Silent));
                }
            });
        }
    });
    let mut figures = figures.into_inner().unwrap_or_else(PoisonError::into_inner);
    figures.real = begun.elapsed();
    figures.failed.sort_by_key(|report| report.seed);
    figures
}

impl Figures {
    fn add(&mut self, report: Report) {
        self.seeds += 1;
        self.operations += report.operations as u64;
        self.succeeded += report.succeeded as u64;
        self.simulated += report.simulated;
        if !report.violations.is_empty() {
            self.failed.push(report);
        }
    }

    /// Adds the figures of another run.
    pub fn join(&mut self, other: Figures) {
        self.seeds += other.seeds;
        self.operations += other.operations;
        self.succeeded += other.succeeded;
        self.simulated += other.simulated;
        self.real += other.real;
        self.failed.extend(other.failed);
    }

    /// The published figures in one line.
    pub fn sentence(&self) -> String {
        let seconds = self.real.as_secs_f64().max(1e-9);
        format!(
            "{} histories, {} operations ({:.0} % succeeded): {:.0} seeds a minute, {:.0} simulated hours an hour, {} failed",
            self.seeds,
            self.operations,
            100.0 * self.succeeded as f64 / self.operations.max(1) as f64,
            60.0 * self.seeds as f64 / seconds,
            self.simulated as f64 / 1e6 / seconds,
            self.failed.len(),
        )
    }
}

impl Report {
    /// The seed and what it broke, one line each.
    pub fn sentence(&self) -> String {
        let mut text = format!("seed {}", self.seed);
        for violation in &self.violations {
            let spot = violation.spot.map_or(String::new(), |spot| format!(" {spot}"));
            let _ = write!(text, "\n  {}{spot}: {}", violation.invariant, violation.what);
        }
        text
    }
}
