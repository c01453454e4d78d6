//! What a cluster under overload owes to its clients, and whether it kept to it.

use std::fmt;
use std::time::Duration;

use super::generator::{Phase, whole};
use crate::run::Verdict;

/// Share of the peak's goodput that must be left.
const GOODPUT_MIN: f64 = 0.9;
/// A phase may need as much more memory than the peak did.
const MEMORY_FACTOR_MAX: f64 = 1.5;
/// ... and this much, in KiB, for connections.
const MEMORY_MORE_KIB: u64 = 64 * 1024;
/// How soon the latency must be normal again.
const RECOVERY_MAX: Duration = Duration::from_secs(5);
/// Normal: at most so many times the median, and the 95th percentile, of the phase before.
const NORMAL_FACTOR: f64 = 2.0;
/// Share of the requests that the generator must have been able to send; else the run is void.
const SENT_MIN: f64 = 0.9;

/// What was seen.
#[derive(Clone, Debug)]
pub struct Report {
    /// The closed loop at its best.
    pub peak: Phase,
    /// Half of the peak, before.
    pub before: Phase,
    /// Far beyond the peak.
    pub overload: Phase,
    /// Half of the peak, at once after it.
    pub after: Phase,
    /// How many times the peak was asked for.
    pub factor: f64,
    /// Nodes that ended, and panics.
    pub misdeeds: Vec<String>,
}

impl Report {
    /// Goodput under overload, as a share of the peak's.
    pub fn goodput_kept(&self) -> f64 {
        self.overload.goodput() / self.peak.goodput()
    }

    /// The first whole second after the overload from which on the latency is normal; `None`: it never was.
    pub fn recovery(&self) -> Option<Duration> {
        let second = Duration::from_secs(1);
        let normal = |share| self.before.latency_ms(share, Duration::ZERO, Duration::MAX);
        let (median, tail) = (normal(0.5)?, normal(0.95)?);
        let is_normal = |from: Duration| {
            let at = |share| self.after.latency_ms(share, from, from + second).unwrap_or(f64::INFINITY);
            // Below a millisecond a factor measures the machine.
            at(0.5) <= (median * NORMAL_FACTOR).max(median + 1.0)
                && at(0.95) <= (tail * NORMAL_FACTOR).max(tail + 2.0)
        };
        let seconds = self.after.time.as_secs() as u32;
        // The last second is not over for all of its requests. One bad second of all is the machine's.
        let mut windows = (0..seconds.saturating_sub(1)).map(|at| second * at);
        windows.find(|from| is_normal(*from) && is_normal(*from + second))
    }

    fn memory_bound_kib(&self) -> u64 {
        whole(self.peak.memory_kib as f64 * MEMORY_FACTOR_MAX) + MEMORY_MORE_KIB
    }

    /// Each thing that is owed, and whether it was kept.
    fn findings(&self) -> Vec<(bool, String)> {
        let kept = self.goodput_kept();
        let shed = &self.overload;
        let recovery = self.recovery();
        let after = recovery.map_or("never".to_owned(), |after| format!("{} s", after.as_secs()));
        vec![
            (kept >= GOODPUT_MIN, format!("goodput kept: {kept:.2} of the peak's (at least {GOODPUT_MIN})")),
            (
                shed.shed > 0 && shed.wrong == 0 && shed.lost == 0,
                format!(
                    "refused with 503 and Retry-After: {}; otherwise: {}; without an answer: {}",
                    shed.shed, shed.wrong, shed.lost
                ),
            ),
            (
                shed.memory_kib <= self.memory_bound_kib(),
                format!(
                    "memory of a node: {:.2} of the peak's ({} of at most {} MiB)",
                    shed.memory_kib as f64 / self.peak.memory_kib.max(1) as f64,
                    shed.memory_kib / 1024,
                    self.memory_bound_kib() / 1024
                ),
            ),
            (
                recovery.is_some_and(|after| after <= RECOVERY_MAX),
                format!("normal latency again after: {after} (at most {} s)", RECOVERY_MAX.as_secs()),
            ),
            (self.misdeeds.is_empty(), format!("nodes that ended or panicked: {}", self.misdeeds.len())),
        ]
    }

    /// The verdict. Void where the generator itself could not send what it should have.
    pub fn verdict(&self) -> Verdict {
        let asked = self.peak.goodput() * self.factor * self.overload.time.as_secs_f64();
        if (self.overload.sent as f64) < asked * SENT_MIN {
            return Verdict::Void;
        }
        if self.findings().iter().all(|(kept, _)| *kept) { Verdict::Passed } else { Verdict::Violated }
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (name, phase) in [
            ("peak", &self.peak),
            ("normal", &self.before),
            ("overload", &self.overload),
            ("normal again", &self.after),
        ] {
            writeln!(f, "{name:<13} {phase}")?;
        }
        for (kept, what) in self.findings() {
            writeln!(f, "{} {what}", if kept { "kept  " } else { "BROKEN" })?;
        }
        for misdeed in &self.misdeeds {
            writeln!(f, "{misdeed}")?;
        }
        writeln!(f, "{}", self.verdict().word())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn phase(served: u64, latency_us: u32) -> Phase {
        let time = Duration::from_secs(10);
        let due = |at| time * u32::try_from(at).expect("few") / u32::try_from(served).expect("few");
        let latencies = (0..served).map(|at| (due(at), latency_us)).collect();
        Phase { time, sent: served, served, latencies, memory_kib: 100 * 1024, ..Phase::default() }
    }

    fn good() -> Report {
        let overload = Phase { sent: 3_000, shed: 2_050, ..phase(950, 9_000) };
        Report {
            peak: phase(1_000, 8_000),
            before: phase(500, 4_000),
            overload,
            after: phase(500, 5_000),
            factor: 3.0,
            misdeeds: Vec::new(),
        }
    }

    #[test]
    fn a_good_run_passes() {
        assert_eq!(good().verdict(), Verdict::Passed, "{}", good());
        assert_eq!(good().recovery(), Some(Duration::ZERO));
    }

    #[test]
    fn each_promise_can_be_broken() {
        type Spoil = fn(&mut Report);
        let spoils: [Spoil; 6] = [
            |report| report.overload.served = 800,
            |report| report.overload.wrong = 1,
            |report| report.overload.lost = 1,
            |report| report.overload.memory_kib = 300 * 1024,
            |report| report.after = phase(500, 50_000),
            |report| report.misdeeds.push("n1 ended".to_owned()),
        ];
        for (at, spoil) in spoils.into_iter().enumerate() {
            let mut report = good();
            spoil(&mut report);
            assert_eq!(report.verdict(), Verdict::Violated, "{at}: {report}");
        }
    }

    #[test]
    fn a_generator_that_was_too_slow_proves_nothing() {
        let mut report = good();
        report.overload.sent = 1_500;
        assert_eq!(report.verdict(), Verdict::Void);
    }

    #[test]
    fn recovery_is_the_first_second_that_stays_normal() {
        let mut report = good();
        for (due, us) in &mut report.after.latencies {
            if *due < Duration::from_secs(3) {
                *us = 100_000;
            }
        }
        assert_eq!(report.recovery(), Some(Duration::from_secs(3)));
    }
}
