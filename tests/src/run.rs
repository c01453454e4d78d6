//! One history from beginning to end, and many of them.

use crate::coverage::Coverage;
use crate::cut::Case;
use crate::invariants::{Evidence, Invariant, Violation, judge};
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
    /// The history.
    pub case: Case,
    /// Promises that were broken.
    pub violations: Vec<Violation>,
    /// Operations that clients began.
    pub operations: usize,
    /// Those that succeeded.
    pub succeeded: usize,
    /// Simulated time, in microseconds.
    pub simulated: u64,
    /// What it met.
    pub coverage: Coverage,
    /// What clients began: whose, which action; without the second phase.
    pub actions: Vec<(u32, u32)>,
    /// How many mishaps were drawn.
    pub mishaps: usize,
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
    /// What they met.
    pub coverage: Coverage,
    /// Reports of the seeds that failed, in order of their seeds.
    pub failed: Vec<Report>,
}

/// Runs one history. A panic anywhere in it is a broken promise like any other.
pub fn run(case: &Case, rules: Rules, telling: Telling) -> Report {
    let run = std::panic::AssertUnwindSafe(|| run_unguarded(case, rules, telling));
    std::panic::catch_unwind(run).unwrap_or_else(|panic| {
        let text = panic.downcast_ref::<String>().cloned();
        let text = text.or_else(|| panic.downcast_ref::<&str>().map(|text| (*text).to_owned()));
        let what = format!("a panic: {}", text.unwrap_or_else(|| "without a word".to_owned()));
        Report {
            case: case.clone(),
            violations: vec![Violation { invariant: Invariant::Sound, spot: None, what }],
            operations: 0,
            succeeded: 0,
            simulated: 0,
            coverage: Coverage::default(),
            actions: Vec::new(),
            mishaps: 0,
            story: String::new(),
        }
    })
}

fn run_unguarded(case: &Case, rules: Rules, telling: Telling) -> Report {
    let mut world = World::new(case.setting(), rules, telling);
    world.run_breaking();
    let ending = world.run_closing();
    let mishaps = world.mishaps.len();
    let (setting, history, story, simulated) = world.into_parts();
    let evidence = Evidence { setting: &setting, history: &history, ending: &ending };
    let violations = judge(&evidence);
    let succeeded = history.acknowledged().count() + history.answered().count();
    let begun = history.attempts.iter().filter(|attempt| attempt.client < setting.clients);
    let mut actions: Vec<(u32, u32)> = begun.map(|attempt| (attempt.client, attempt.name.action)).collect();
    actions.dedup();
    Report {
        case: case.clone(),
        violations,
        operations: history.attempts.len(),
        succeeded,
        simulated,
        coverage: history.coverage,
        actions,
        mishaps,
        story: story.into_text(),
    }
}

/// Runs seeds on as many threads as there are cores, until there are no more or so many have failed.
pub fn run_many(seeds: std::ops::Range<u64>, rules: Rules, stop_after: usize) -> Figures {
    run_until(seeds, rules, |figures| figures.failed.len() >= stop_after)
}

/// Runs seeds on as many threads as there are cores, until there are no more or it is enough.
pub fn run_until(
    seeds: std::ops::Range<u64>,
    rules: Rules,
    is_enough: impl Fn(&Figures) -> bool + Sync,
) -> Figures {
    let begun = Instant::now();
    let next = AtomicU64::new(seeds.start);
    let figures = Mutex::new(Figures::default());
    let lock = || figures.lock().unwrap_or_else(PoisonError::into_inner);
    let threads = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                while !is_enough(&lock()) {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    if seed >= seeds.end {
                        break;
                    }
                    let report = run(&Case::of_seed(seed), rules, Telling::Silent);
                    lock().add(report);
                }
            });
        }
    });
    let mut figures = figures.into_inner().unwrap_or_else(PoisonError::into_inner);
    figures.real = begun.elapsed();
    figures.failed.sort_by_key(|report| report.case.seed);
    figures
}

impl Figures {
    fn add(&mut self, report: Report) {
        self.seeds += 1;
        self.operations += report.operations as u64;
        self.succeeded += report.succeeded as u64;
        self.simulated += report.simulated;
        self.coverage.join(&report.coverage);
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
        self.coverage.join(&other.coverage);
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
    /// Whether it broke one of these promises.
    pub fn breaks(&self, invariants: &[Invariant]) -> bool {
        self.violations.iter().any(|violation| invariants.contains(&violation.invariant))
    }

    /// The case and what it broke, one line each.
    pub fn sentence(&self) -> String {
        let mut text = format!("seed {}", self.case);
        for violation in &self.violations {
            let spot = violation.spot.map_or(String::new(), |spot| format!(" {spot}"));
            let _ = write!(text, "\n  {}{spot}: {}", violation.invariant, violation.what);
        }
        text
    }
}
