//! One history from beginning to end, and many of them.

use crate::coverage::Coverage;
use crate::cut::Case;
use crate::invariants::{Evidence, Invariant, Violation, judge};
use crate::story::Telling;
use crate::world::World;
use quorate_model::Rules;
use std::fmt::Write;
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
    /// Seeds that failed.
    pub failures: u64,
    /// Reports of the seeds that failed, in order of their seeds; not those of joined figures.
    pub failed: Vec<Report>,
}

/// Runs one history. A panic anywhere in it is a broken promise like any other; what had happened until then is kept.
pub fn run(case: &Case, rules: Rules, telling: Telling) -> Report {
    // Outside of what may panic. It is only looked at afterwards.
    let mut world = World::new(case.setting(), rules, telling);
    let ending = guarded(|| {
        world.run_breaking();
        world.run_closing()
    });
    let mishaps = world.mishaps.len();
    let (setting, history, mut story, simulated) = world.into_parts();
    let judged = ending.and_then(|ending| {
        let evidence = Evidence { setting: &setting, history: &history, ending: &ending };
        guarded(|| judge(&evidence))
    });
    let violations = judged.unwrap_or_else(|violation| {
        story.tell(simulated, || violation.what.clone());
        vec![violation]
    });
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

/// Does what may panic; a panic is a broken promise.
fn guarded<T>(work: impl FnOnce() -> T) -> Result<T, Violation> {
    std::panic::catch_unwind(std::panic::AssertUnwindSafe(work)).map_err(|panic| {
        let text = panic.downcast_ref::<String>().cloned();
        let text = text.or_else(|| panic.downcast_ref::<&str>().map(|text| (*text).to_owned()));
        let what = format!("a panic: {}", text.unwrap_or_else(|| "without a word".to_owned()));
        Violation { invariant: Invariant::Sound, spot: None, what }
    })
}

/// How many histories a batch has, unless it is said: so many that each happening is met often enough.
pub const SEEDS: u64 = 2_600;

/// Runs seeds on as many threads as there are cores, until there are no more or so many have failed.
pub fn run_many(seeds: std::ops::Range<u64>, rules: Rules, stop_after: usize) -> Figures {
    run_until(seeds, rules, |figures| figures.failed.len() >= stop_after, |_| ())
}

/// Runs seeds on as many threads as there are cores, until there are no more or it is enough. Each failure is told as
/// soon as it is there, one at a time.
pub fn run_until(
    seeds: impl Iterator<Item = u64> + Send,
    rules: Rules,
    is_enough: impl Fn(&Figures) -> bool + Sync,
    on_failure: impl Fn(&Report) + Sync,
) -> Figures {
    let begun = Instant::now();
    let seeds = Mutex::new(seeds);
    let next = || seeds.lock().unwrap_or_else(PoisonError::into_inner).next();
    let figures = Mutex::new(Figures::default());
    let lock = || figures.lock().unwrap_or_else(PoisonError::into_inner);
    let threads = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                while !is_enough(&lock()) {
                    let Some(seed) = next() else { break };
                    let report = run(&Case::of_seed(seed), rules, Telling::Silent);
                    let mut figures = lock();
                    if !report.violations.is_empty() {
                        on_failure(&report);
                    }
                    figures.add(report);
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
            self.failures += 1;
            self.failed.push(report);
        }
    }

    /// Adds the numbers of another run, and hands back its reports: a night has no room for all of them.
    pub fn join(&mut self, other: Figures) -> Vec<Report> {
        self.seeds += other.seeds;
        self.operations += other.operations;
        self.succeeded += other.succeeded;
        self.simulated += other.simulated;
        self.real += other.real;
        self.failures += other.failures;
        self.coverage.join(&other.coverage);
        other.failed
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
            self.failures,
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
