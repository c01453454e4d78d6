//! What is expected of a cluster under overload, and whether it kept to it.

use std::fmt;
use std::time::Duration;

use quorate_checkers::judgement::{Finding, Judgement, Measure};

use super::NAME;
use super::phase::Phase;
use crate::generator::whole;

/// Share of the peak's goodput that must be left.
const GOODPUT_MIN: f64 = 0.9;
/// A cluster that serves this share of its peak, or more, under overload was never at its peak before.
const GOODPUT_MAX: f64 = 1.25;
/// A phase may need as much more memory than the peak did.
const MEMORY_FACTOR_MAX: f64 = 1.5;
/// ... and this much, in KiB, for connections.
const MEMORY_MORE_KIB: u64 = 64 * 1024;
/// How soon the latency must be normal again.
const RECOVERY_MAX: Duration = Duration::from_secs(5);
/// Normal: at most so many times the median, and the 95th percentile, of the phase before.
const NORMAL_FACTOR: f64 = 2.0;
/// Share of the requests that may be answered late (504).
const LATE_MAX: f64 = 0.01;
/// Share of the requests that must be served in each second under the normal load.
const SERVED_MIN: f64 = 0.99;
/// Share of the requests that the generator must have been able to send; else the run is void.
const SENT_MIN: f64 = 0.9;

/// What was seen.
#[derive(Clone, Debug)]
pub(super) struct Report {
    /// How many nodes there are.
    pub nodes: usize,
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
}

impl Report {
    /// Goodput under overload, as a share of the peak's.
    pub fn goodput_kept(&self) -> f64 {
        self.overload.goodput() / self.peak.goodput()
    }

    /// The first whole second after the overload from which on the latency is normal and the requests are served;
    /// `None`: there was none.
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
        let is_served = |from: Duration| {
            self.after.served_share(from, from + second).is_some_and(|share| share >= SERVED_MIN)
        };
        let seconds = self.after.time.as_secs() as u32;
        let windows = |from: u32| (from..seconds).map(|at| second * at);
        // One slow second of all is the machine's; one without answers is not.
        let mut pairs = windows(0).zip(windows(1)).zip(0..);
        let found = pairs
            .find(|((from, next), at)| is_normal(*from) && is_normal(*next) && windows(*at).all(is_served));
        found.map(|((from, _), _)| from)
    }

    fn memory_bound_kib(&self) -> u64 {
        whole(self.peak.memory_kib as f64 * MEMORY_FACTOR_MAX) + MEMORY_MORE_KIB
    }

    /// Each thing that is expected, and whether it was kept.
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
                shed.late as f64 <= shed.sent as f64 * LATE_MAX,
                format!("late: {} of {} (at most {LATE_MAX} of them)", shed.late, shed.sent),
            ),
            (
                shed.unaccounted() + self.after.unaccounted() == 0,
                format!("of unknown end: {}", shed.unaccounted() + self.after.unaccounted()),
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
                format!(
                    "served at the normal latency again after: {after} (at most {} s)",
                    RECOVERY_MAX.as_secs()
                ),
            ),
        ]
    }

    /// Why this run shows nothing, whatever was seen.
    fn void(&self) -> Option<String> {
        let asked = self.peak.goodput() * self.factor * self.overload.time.as_secs_f64();
        if (self.overload.sent as f64) < asked * SENT_MIN {
            return Some(format!("{} requests were sent, and {asked:.0} were to be", self.overload.sent));
        }
        let kept = self.goodput_kept();
        if kept > GOODPUT_MAX {
            return Some(format!("the peak was not found: {kept:.2} of it was served under overload"));
        }
        let measured = self.peak.measured.min(self.overload.measured);
        if measured < self.nodes {
            return Some(format!("the memory of {measured} of {} nodes was measured", self.nodes));
        }
        let served = self.before.served_share(Duration::ZERO, Duration::MAX).unwrap_or_default();
        if served < SERVED_MIN {
            return Some(format!("{served:.2} of the normal load was served before the overload"));
        }
        None
    }

    /// As the judgement of a workload. Void where the generator itself could not send what it should have, where the
    /// memory of a node was not seen, or where the load was not normal to begin with: then nothing is found either.
    pub fn judgement(&self) -> Judgement {
        let void: Vec<String> = self.void().into_iter().collect();
        let broken = self.findings().into_iter().filter(|(kept, _)| !kept && void.is_empty());
        let finding =
            |(_, what): (bool, String)| Finding { key: NAME.to_owned(), what, operations: Vec::new() };
        let seconds = self.recovery().map_or(f64::INFINITY, |after| after.as_secs_f64());
        let measures = vec![
            Measure { name: "peak".to_owned(), value: self.peak.goodput(), unit: "1/s".to_owned() },
            Measure {
                name: "goodput kept".to_owned(),
                value: 100.0 * self.goodput_kept(),
                unit: "%".to_owned(),
            },
            Measure {
                name: "normal again after".to_owned(),
                value: seconds.min(f64::MAX),
                unit: "s".to_owned(),
            },
        ];
        let mut judgement = Judgement::of(self.to_string(), broken.map(finding).collect(), measures);
        judgement.void = void;
        judgement
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
        let lines = self.findings().into_iter().map(|(kept, what)| {
            let word = if kept { "kept  " } else { "BROKEN" };
            format!("{word} {what}")
        });
        f.write_str(&lines.collect::<Vec<_>>().join("\n"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TIME: Duration = Duration::from_secs(10);

    #[derive(Debug, PartialEq, Eq)]
    enum Verdict {
        Passed,
        Violated,
        Void,
    }

    impl Report {
        fn verdict(&self) -> Verdict {
            let judgement = self.judgement();
            match (judgement.findings.is_empty(), judgement.void.is_empty()) {
                (true, true) => Verdict::Passed,
                (false, _) => Verdict::Violated,
                (true, false) => Verdict::Void,
            }
        }
    }

    /// When the requests of a phase are due, so many of them.
    fn dues(count: u64) -> impl Iterator<Item = Duration> {
        (0..count).map(move |at| TIME.mul_f64(at as f64 / count as f64))
    }

    fn phase(served: u64, latency_us: u32) -> Phase {
        let latencies = dues(served).map(|due| (due, latency_us)).collect();
        Phase {
            time: TIME,
            sent: served,
            served,
            latencies,
            memory_kib: 100 * 1024,
            measured: 3,
            ..Phase::default()
        }
    }

    /// Three thousand requests, of which so many are refused, so many late, and the rest served.
    fn flooded(shed: u64, late: u64) -> Phase {
        let served = phase(3_000 - shed - late, 9_000);
        Phase { sent: 3_000, shed, late, unserved: dues(shed + late).collect(), ..served }
    }

    fn good() -> Report {
        Report {
            nodes: 3,
            peak: phase(1_000, 8_000),
            before: phase(500, 4_000),
            overload: flooded(2_050, 0),
            after: phase(500, 5_000),
            factor: 3.0,
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
        let spoils: [(&str, Spoil); 11] = [
            ("too little goodput", |report| report.overload = flooded(2_200, 0)),
            ("goodput after the end", |report| {
                report.overload.latencies.iter_mut().for_each(|it| it.1 = 9_000_000);
            }),
            ("no refusals", |report| {
                report.overload = Phase { late: 2_050, shed: 0, ..flooded(2_050, 0) };
            }),
            ("too many late", |report| report.overload = flooded(1_950, 100)),
            ("refused otherwise", |report| {
                (report.overload.shed, report.overload.wrong) = (2_049, 1);
            }),
            ("without an answer", |report| {
                (report.overload.shed, report.overload.lost) = (2_049, 1);
            }),
            ("of unknown end", |report| report.overload.shed -= 1),
            ("too much memory", |report| report.overload.memory_kib = 300 * 1024),
            ("slow for ever", |report| report.after = phase(500, 50_000)),
            ("fast and refusing for ever", |report| {
                let refused =
                    Phase { sent: 510, shed: 10, unserved: dues(10).collect(), ..phase(500, 5_000) };
                report.after = refused;
            }),
            ("nothing served any more", |report| {
                report.after = Phase { sent: 500, shed: 500, unserved: dues(500).collect(), ..phase(0, 0) };
            }),
        ];
        for (what, spoil) in spoils {
            let mut report = good();
            spoil(&mut report);
            assert_eq!(report.verdict(), Verdict::Violated, "{what}: {report}");
        }
    }

    #[test]
    fn a_few_late_answers_are_forgiven() {
        let report = Report { overload: flooded(2_030, 20), ..good() };
        assert_eq!(report.verdict(), Verdict::Passed, "{report}");
    }

    #[test]
    fn memory_that_was_not_measured_proves_nothing() {
        let spoils: [fn(&mut Report); 3] = [
            |report| report.peak.measured = 2,
            |report| report.overload.measured = 0,
            |report| (report.peak.measured, report.peak.memory_kib) = (0, 0),
        ];
        for spoil in spoils {
            let mut report = good();
            spoil(&mut report);
            assert_eq!(report.verdict(), Verdict::Void, "{report}");
        }
    }

    #[test]
    fn a_peak_that_was_none_proves_nothing() {
        let report = Report { overload: flooded(1_500, 0), ..good() };
        assert_eq!(report.verdict(), Verdict::Void, "{report}");
    }

    #[test]
    fn a_cluster_that_was_not_well_before_proves_nothing() {
        let mut report = good();
        report.before.unserved = dues(50).collect();
        assert_eq!(report.verdict(), Verdict::Void, "{report}");
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

    #[test]
    fn recovery_waits_for_the_last_second_with_refusals() {
        let mut report = good();
        report.after.unserved = vec![Duration::from_millis(6_500); 5];
        assert_eq!(report.recovery(), Some(Duration::from_secs(7)));
        assert_eq!(report.verdict(), Verdict::Violated, "{report}");
    }
}
