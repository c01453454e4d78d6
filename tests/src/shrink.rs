//! From a failing history to the shortest one that fails in the same promise.
//!
//! Greedy: cut after cut is tried, the coarse ones first, and stays if the history that is left still breaks the same
//! promise. It ends when nothing more can be cut, or after so many histories. No chance takes part: the same case is
//! shrunk to the same case.

use crate::cut::{Case, Cut, Trouble};
use crate::invariants::Invariant;
use crate::run::{Report, run};
use crate::story::Telling;
use quorate_model::Rules;

/// Histories that a shrinking may cost.
pub const RUNS_MAX: usize = 2_000;

/// What came of it.
#[derive(Debug)]
pub struct Shrunk {
    /// The shortest history found, told.
    pub report: Report,
    /// The promise that it breaks, as the first one did.
    pub invariant: Invariant,
    /// Histories that it took.
    pub runs: usize,
    /// Operations of the first history and of the shortest one.
    pub operations: (usize, usize),
}

struct Shrinking<'a> {
    is_stopped: &'a dyn Fn() -> bool,
    rules: Rules,
    invariant: Invariant,
    best: Case,
    report: Report,
    runs: usize,
}

/// Shrinks a case that breaks a promise; `None` if it breaks none.
pub fn shrink(case: &Case, rules: Rules, guards: &[Invariant]) -> Option<Shrunk> {
    shrink_unless(case, rules, guards, &|| false)
}

/// The same, with what it has come to if it is stopped before.
pub fn shrink_unless(
    case: &Case,
    rules: Rules,
    guards: &[Invariant],
    is_stopped: &dyn Fn() -> bool,
) -> Option<Shrunk> {
    let report = run(case, rules, Telling::Silent);
    let broken = || report.violations.iter().map(|violation| violation.invariant);
    let invariant = broken().find(|invariant| guards.contains(invariant)).or_else(|| broken().next())?;
    let before = report.actions.len();
    let mut shrinking = Shrinking { is_stopped, rules, invariant, best: case.clone(), report, runs: 1 };
    while shrinking.pass() && !shrinking.is_over() {}
    let Shrinking { best, runs, .. } = shrinking;
    let report = run(&best, rules, Telling::Aloud);
    let operations = (before, report.actions.len());
    Some(Shrunk { report, invariant, runs, operations })
}

impl Shrinking<'_> {
    fn is_over(&self) -> bool {
        self.runs >= RUNS_MAX || (self.is_stopped)()
    }

    /// Tries every cut once; whether any was taken.
    fn pass(&mut self) -> bool {
        let before = self.best.clone();
        self.fewer();
        self.calmer();
        self.whole();
        self.skip();
        self.best != before
    }

    /// Takes the cuts if what is left breaks the same promise.
    fn attempt(&mut self, cuts: impl IntoIterator<Item = Cut>) -> bool {
        let case = self.best.with(cuts);
        if self.is_over() || case == self.best {
            return false;
        }
        self.runs += 1;
        let report = run(&case, self.rules, Telling::Silent);
        let fails = report.breaks(&[self.invariant]);
        if fails {
            (self.best, self.report) = (case, report);
        }
        fails
    }

    /// Fewer of everything that is counted: the least first.
    fn fewer(&mut self) {
        let setting = self.best.setting();
        let least = |most: u64| (0..=16).map(|power| 1_u64 << power).take_while(move |few| *few < most);
        // Of the same kind as these, with another number.
        let counts = [
            Cut::Operations(setting.operations),
            Cut::Tables(setting.tables.len()),
            Cut::Keys(setting.keys),
            Cut::Clients(setting.clients),
            Cut::Nodes(setting.nodes),
            Cut::Alters(setting.alters),
        ];
        for now in counts {
            let Some(count) = now.count() else { continue };
            let none = matches!(now, Cut::Alters(_)).then_some(0);
            for few in none.into_iter().chain(least(count)).chain(count.checked_sub(1)) {
                if few < count && self.attempt([now.with_count(few)]) {
                    break;
                }
            }
        }
    }

    fn calmer(&mut self) {
        for (trouble, _) in Trouble::ALL {
            self.attempt([Cut::Calm(trouble)]);
        }
    }

    /// Fewer mishaps: none at all, or each in turn.
    fn whole(&mut self) {
        let all: Vec<Cut> = (0..self.report.mishaps).map(Cut::Whole).collect();
        if !self.attempt(all.iter().copied()) {
            for cut in all {
                self.attempt([cut]);
            }
        }
    }

    /// Fewer actions: halves, then quarters, then each.
    fn skip(&mut self) {
        let mut size = self.report.actions.len().div_ceil(2);
        while size > 0 {
            let actions = self.report.actions.clone();
            for some in actions.chunks(size).rev() {
                self.attempt(some.iter().map(|(client, action)| Cut::Skip(*client, *action)));
            }
            size /= 2;
        }
    }
}

impl Shrunk {
    /// The story for people: what clients asked and heard, what broke and was mended, and the promise that it breaks.
    pub fn glance(&self) -> String {
        let is_told = |line: &&str| {
            let words = line.trim_start().split_once(' ').map_or("", |(_, words)| words);
            ["client ", "!! ", "ok ", "== "].iter().any(|start| words.starts_with(start))
        };
        let lines: Vec<&str> = self.report.story.lines().filter(is_told).collect();
        let (before, after) = self.operations;
        format!(
            "{}\n{}\nshrunk from {before} operations to {after}, in {} histories",
            lines.join("\n"),
            self.report.sentence(),
            self.runs
        )
    }
}
