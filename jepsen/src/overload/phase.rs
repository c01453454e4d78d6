//! What became of the requests of one phase, read out of the run's history.

use std::fmt;
use std::time::Duration;

use quorate_checkers::history::History;
use quorate_checkers::operation::Status;

use crate::generator::{Worked, whole};
use crate::outcome::{LOST, UNTOLD};

/// When a phase was, and what is known of it besides its requests.
#[derive(Clone, Debug, Default)]
pub(super) struct Stretch {
    /// When it began, in nanoseconds of the history.
    pub from: u64,
    /// How long requests were due.
    pub time: Duration,
    /// What the generator did.
    pub worked: Worked,
    /// The nodes' memory meanwhile.
    pub memory: Memory,
}

/// What was seen of the nodes' memory.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Memory {
    /// The most of one node, in KiB.
    pub most_kib: u64,
    /// Processes whose memory could be read, whenever it was looked at: the fewest.
    pub measured: usize,
}

/// What became of the requests of one phase.
#[derive(Clone, Debug, Default)]
pub(super) struct Phase {
    /// How long requests were sent.
    pub time: Duration,
    /// Requests sent.
    pub sent: u64,
    /// Served.
    pub served: u64,
    /// Refused with 503 and `Retry-After`.
    pub shed: u64,
    /// 504.
    pub late: u64,
    /// Refused otherwise. Refusals without `Retry-After` too.
    pub wrong: u64,
    /// Without an answer.
    pub lost: u64,
    /// Not sent, since too many were waited for: the generator's own limit.
    pub unsent: u64,
    /// When each request was due that was not served, or not even sent, since the phase began.
    pub unserved: Vec<Duration>,
    /// Of each request served: when it was due, since the phase began, and how long after that it was answered, in
    /// microseconds.
    pub latencies: Vec<(Duration, u32)>,
    /// The most resident memory of one node, in KiB.
    pub memory_kib: u64,
    /// Processes whose memory could be read, whenever it was looked at: the fewest.
    pub measured: usize,
}

impl Phase {
    /// The requests that were due in a stretch of a history.
    pub fn of(history: &History, stretch: &Stretch) -> Phase {
        let Stretch { from, time, worked, memory } = stretch;
        let due = |at: u64| Duration::from_nanos(at.saturating_sub(*from));
        let mut phase = Phase {
            time: *time,
            unsent: worked.unsent.len() as u64,
            unserved: worked.unsent.iter().map(|at| due(*at)).collect(),
            memory_kib: memory.most_kib,
            measured: memory.measured,
            ..Phase::default()
        };
        let until = *from + u64::try_from(time.as_nanos()).unwrap_or(u64::MAX);
        for operation in history.operations.iter().filter(|one| (*from..until).contains(&one.call)) {
            if operation.status == Status::Ok {
                let took = operation.ret.unwrap_or(u64::MAX).saturating_sub(operation.call) / 1_000;
                phase.served += 1;
                phase.latencies.push((due(operation.call), u32::try_from(took).unwrap_or(u32::MAX)));
                continue;
            }
            phase.unserved.push(due(operation.call));
            match operation.detail.refusal.as_deref().unwrap_or_default() {
                refusal if LOST.contains(&refusal) => phase.lost += 1,
                refusal if refusal.starts_with("503") && !refusal.ends_with(UNTOLD) => phase.shed += 1,
                refusal if refusal.starts_with("504") => phase.late += 1,
                _ => phase.wrong += 1,
            }
        }
        let ended = phase.served + phase.shed + phase.late + phase.wrong + phase.lost;
        // A closed shift sends a request only once the one before has its end.
        phase.sent = if worked.sent == 0 { ended } else { worked.sent };
        phase
    }

    /// Requests served a second: those whose answer came while requests were sent. What came later does not count.
    pub fn goodput(&self) -> f64 {
        let in_time = |(due, us): &&(Duration, u32)| *due + Duration::from_micros((*us).into()) <= self.time;
        let served = self.latencies.iter().filter(in_time).count();
        served as f64 / self.time.as_secs_f64().max(0.001)
    }

    /// Requests sent of which it is not known what became: none, once the phase is drained.
    pub fn unaccounted(&self) -> u64 {
        let Self { sent, served, shed, late, wrong, lost, .. } = self;
        sent.abs_diff(served + shed + late + wrong + lost)
    }

    /// Which share of the requests due between two moments was served; `None`: there were none.
    pub fn served_share(&self, from: Duration, until: Duration) -> Option<f64> {
        let within = |due: &Duration| (from..until).contains(due);
        let served = self.latencies.iter().filter(|(due, _)| within(due)).count();
        let all = served + self.unserved.iter().filter(|due| within(due)).count();
        (all > 0).then(|| served as f64 / all as f64)
    }

    /// The latency in milliseconds below which this share of the served requests lies, of those due between two
    /// moments; `None`: there are none.
    pub fn latency_ms(&self, share: f64, from: Duration, until: Duration) -> Option<f64> {
        let within = self.latencies.iter().filter(|(due, _)| (from..until).contains(due));
        let mut sorted: Vec<u32> = within.map(|(_, us)| *us).collect();
        sorted.sort_unstable();
        sorted
            .get(whole(sorted.len() as f64 * share).min(sorted.len().saturating_sub(1) as u64) as usize)
            .map(|us| f64::from(*us) / 1_000.0)
    }
}

impl fmt::Display for Phase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ms = |share| self.latency_ms(share, Duration::ZERO, Duration::MAX).unwrap_or_default();
        write!(
            f,
            "{:.0}/s served of {:.0}/s sent; p50 {:.1} ms, p99 {:.1} ms; {} shed, {} late, {} wrong, {} lost, {} \
             unsent; {} MiB",
            self.goodput(),
            self.sent as f64 / self.time.as_secs_f64().max(0.001),
            ms(0.5),
            ms(0.99),
            self.shed,
            self.late,
            self.wrong,
            self.lost,
            self.unsent,
            self.memory_kib / 1024,
        )
    }
}

#[cfg(test)]
mod tests {
    use quorate_checkers::operation::{Detail, Kind, Operation};

    use super::*;

    const SECOND: u64 = 1_000_000_000;

    fn request(due: u64, status: Status, refusal: Option<&str>) -> Operation {
        Operation {
            detail: Detail { refusal: refusal.map(str::to_owned), ..Detail::default() },
            ..Operation::new(1, "k", Kind::Write { value: "v".into() }, due, Some(due + SECOND / 100), status)
        }
    }

    #[test]
    fn each_end_is_counted_in_the_phase_in_which_it_was_due() {
        let refused = |due, refusal| request(due, Status::Unknown, Some(refusal));
        let without = format!("503 overloaded{UNTOLD}");
        let history = History {
            operations: vec![
                request(SECOND - 1, Status::Ok, None),
                request(SECOND, Status::Ok, None),
                refused(SECOND, "503 overloaded"),
                refused(SECOND, &without),
                refused(SECOND, "504 write-timeout"),
                refused(SECOND, "500"),
                refused(SECOND, "timeout"),
                refused(SECOND, "not sent"),
                request(2 * SECOND, Status::Ok, None),
            ],
        };
        let worked = Worked { sent: 8, unsent: vec![SECOND + SECOND / 2], broken: Vec::new() };
        let stretch = Stretch { from: SECOND, time: Duration::from_secs(1), worked, ..Stretch::default() };
        let phase = Phase::of(&history, &stretch);
        let Phase { served, shed, late, wrong, lost, unsent, .. } = phase;
        assert_eq!((served, shed, late, wrong, lost, unsent), (1, 1, 1, 2, 2, 1));
        assert_eq!((phase.unaccounted(), phase.latencies.clone()), (1, vec![(Duration::ZERO, 10_000)]));
        assert_eq!(phase.served_share(Duration::ZERO, Duration::MAX), Some(1.0 / 8.0));
    }
}
