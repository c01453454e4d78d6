//! A run: all connections at work for a while, and what came of it.

use crate::arrival::{Arrival, Schedule};
use crate::keys::Mix;
use crate::latencies::Latencies;
use crate::request::{Answer, Connection, Request};
use crate::timer::Timer;
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use std::collections::BTreeMap;
use std::io;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Duration, Instant};
use tokio::task::JoinSet;

/// So often progress is told.
const TOLD_EVERY: Duration = Duration::from_secs(1);

/// After its end a run waits so long for answers that are still on their way.
const PATIENCE: Duration = Duration::from_secs(30);

/// What is to be done.
#[derive(Clone, Copy, Debug)]
pub enum Work {
    /// Each of so many keys is written once, until one can't be.
    Fill {
        /// How many.
        keys: u64,
    },
    /// Requests for a while.
    Ask {
        /// Of which kinds.
        mix: Mix,
        /// When each begins.
        arrival: Arrival,
        /// How long the load runs before it counts.
        warm_up: Duration,
        /// How long it counts.
        time: Duration,
    },
}

/// A run.
#[derive(Clone, Copy, Debug)]
pub struct Plan {
    /// What is to be done.
    pub work: Work,
    /// Equal seeds draw equal requests.
    pub seed: u64,
}

/// How far a run is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Progress {
    /// Since it began.
    pub elapsed: Duration,
    /// Requests that were answered, since it began.
    pub done: u64,
    /// Those that failed.
    pub failed: u64,
}

/// What came of it.
#[derive(Clone, Debug, Default)]
pub struct Measured {
    /// For how long it counted.
    pub elapsed: Duration,
    /// Requests that were answered in that time, whenever they were due.
    pub answered: u64,
    /// Reads that fell due in that time and were answered.
    pub reads: Latencies,
    /// Writes of that kind.
    pub writes: Latencies,
    /// Reads of keys that were not there.
    pub absent: u64,
    /// How many requests that fell due in that time failed, by cause.
    pub failures: BTreeMap<String, u64>,
    /// Requests of an open load that fell due in that time and were not sent before its end: it was more than could be done,
    /// and they are in no latency.
    pub unsent: u64,
}

/// What all connections share.
struct Shared {
    plan: Plan,
    begin: Instant,
    schedule: Mutex<Schedule>,
    next_key: AtomicU64,
    is_stopped: AtomicBool,
    done: AtomicU64,
    failed: AtomicU64,
    measured: Mutex<Measured>,
}

/// Sends the load over these connections, one request in flight on each; `told` hears each second how far it is.
///
/// On a runtime of one thread; an error is one of its timers.
pub async fn run<C: Connection>(
    connections: Vec<C>,
    plan: Plan,
    mut told: impl FnMut(Progress),
) -> io::Result<Measured> {
    let (begin, random) = (Instant::now(), ChaCha8Rng::seed_from_u64(plan.seed));
    let arrival = match plan.work {
        Work::Fill { .. } => Arrival::Closed,
        Work::Ask { arrival, .. } => arrival,
    };
    let shared = Arc::new(Shared {
        plan,
        begin,
        schedule: Mutex::new(Schedule::new(arrival, begin, random)),
        next_key: AtomicU64::new(0),
        is_stopped: AtomicBool::new(false),
        done: AtomicU64::new(0),
        failed: AtomicU64::new(0),
        measured: Mutex::default(),
    });
    let mut workers = JoinSet::new();
    for (at, connection) in (1..).zip(connections) {
        let timer = match arrival {
            Arrival::Closed => None,
            Arrival::Open { .. } => Some(Timer::new()?),
        };
        workers.spawn(work(connection, timer, Arc::clone(&shared), plan.seed.wrapping_add(at)));
    }
    let mut tick = tokio::time::interval_at(tokio::time::Instant::now() + TOLD_EVERY, TOLD_EVERY);
    loop {
        tokio::select! {
            one = workers.join_next() => match one {
                None => break,
                Some(one) => one.map_err(io::Error::other)??,
            },
            _ = tick.tick() => told(shared.progress()),
        }
    }
    told(shared.progress());
    let mut measured = std::mem::take(&mut *shared.measured());
    measured.elapsed = match plan.work {
        Work::Fill { .. } => begin.elapsed(),
        Work::Ask { time, .. } => time,
    };
    if let (Work::Ask { .. }, Arrival::Open { .. }) = (plan.work, arrival) {
        let mut schedule = shared.schedule();
        let left = std::iter::from_fn(|| Some(schedule.next()).filter(|due| *due < shared.end()));
        measured.unsent = left.filter(|due| *due >= shared.counts_from()).count() as u64;
    }
    Ok(measured)
}

impl Shared {
    fn schedule(&self) -> MutexGuard<'_, Schedule> {
        self.schedule.lock().expect("no worker panics with it")
    }

    fn measured(&self) -> MutexGuard<'_, Measured> {
        self.measured.lock().expect("no worker panics with it")
    }

    fn progress(&self) -> Progress {
        Progress {
            elapsed: self.begin.elapsed(),
            done: self.done.load(Ordering::Relaxed),
            failed: self.failed.load(Ordering::Relaxed),
        }
    }

    /// From when on requests count.
    fn counts_from(&self) -> Instant {
        match self.plan.work {
            Work::Fill { .. } => self.begin,
            Work::Ask { warm_up, .. } => self.begin + warm_up,
        }
    }

    /// When no more is sent.
    fn end(&self) -> Instant {
        match self.plan.work {
            // It ends with its last key.
            Work::Fill { .. } => self.begin + Duration::from_secs(u64::from(u32::MAX)),
            Work::Ask { warm_up, time, .. } => self.begin + warm_up + time,
        }
    }

    /// The next request and when it is due; `None`: there is none.
    fn next(&self, random: &mut ChaCha8Rng) -> Option<(Request, Instant)> {
        match self.plan.work {
            Work::Fill { keys } => {
                let key = self.next_key.fetch_add(1, Ordering::Relaxed);
                let goes_on = key < keys && !self.is_stopped.load(Ordering::Relaxed);
                goes_on.then(|| (Request::Write { key }, Instant::now()))
            }
            Work::Ask { mix, .. } => {
                // What is overdue when all is over stays for the count of what was not sent.
                if Instant::now() >= self.end() {
                    return None;
                }
                let due = self.schedule().next();
                (due < self.end()).then(|| (mix.draw(random), due))
            }
        }
    }

    /// Takes note of what a request was answered.
    fn take(&self, request: Request, due: Instant, answer: Result<Answer, String>) {
        let now = Instant::now();
        let counter = if answer.is_ok() { &self.done } else { &self.failed };
        counter.fetch_add(1, Ordering::Relaxed);
        if let (Work::Fill { .. }, Err(_)) = (self.plan.work, &answer) {
            self.is_stopped.store(true, Ordering::Relaxed);
        }
        let mut measured = self.measured();
        measured.answered += u64::from(answer.is_ok() && now >= self.counts_from() && now < self.end());
        if due < self.counts_from() {
            return;
        }
        match (answer, request) {
            (Ok(answer), Request::Read { .. }) => {
                measured.reads.record(now - due);
                measured.absent += u64::from(answer == Answer::Absent);
            }
            (Ok(_), Request::Write { .. }) => measured.writes.record(now - due),
            (Err(cause), _) => *measured.failures.entry(cause).or_default() += 1,
        }
    }
}

impl Measured {
    /// Requests that failed, of all causes.
    pub fn failed(&self) -> u64 {
        self.failures.values().sum()
    }

    /// Requests that were answered, each second that counted.
    pub fn per_second(&self) -> f64 {
        self.answered as f64 / self.elapsed.as_secs_f64().max(f64::MIN_POSITIVE)
    }
}

/// One connection's part.
async fn work<C: Connection>(
    mut connection: C,
    timer: Option<Timer>,
    shared: Arc<Shared>,
    seed: u64,
) -> io::Result<()> {
    let mut random = ChaCha8Rng::seed_from_u64(seed);
    let give_up = tokio::time::Instant::from_std(shared.end() + PATIENCE);
    while let Some((request, due)) = shared.next(&mut random) {
        if let Some(timer) = &timer {
            timer.until(due).await?;
        }
        let Ok(answer) = tokio::time::timeout_at(give_up, connection.call(request)).await else {
            shared.take(request, due, Err("no answer until long after the end".to_owned()));
            break;
        };
        shared.take(request, due, answer);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::keys::Keys;
    use std::collections::BTreeSet;

    /// Answers after a while; a key that was written before can't be written again.
    struct Slow {
        takes: Duration,
        written: Arc<Mutex<BTreeSet<u64>>>,
    }

    impl Connection for Slow {
        async fn call(&mut self, request: Request) -> Result<Answer, String> {
            tokio::time::sleep(self.takes).await;
            match request {
                Request::Write { key } => {
                    let is_new = self.written.lock().expect("unpoisoned").insert(key);
                    if is_new { Ok(Answer::Done) } else { Err("written before".to_owned()) }
                }
                Request::Read { .. } => Ok(Answer::Absent),
            }
        }
    }

    fn connections(count: usize, takes: Duration, written: &[u64]) -> Vec<Slow> {
        let written = Arc::new(Mutex::new(written.iter().copied().collect()));
        (0..count).map(|_| Slow { takes, written: Arc::clone(&written) }).collect()
    }

    fn ask(reads_percent: u8, arrival: Arrival, warm_up: Duration, time: Duration) -> Plan {
        let mix = Mix { keys: Keys::even(2), reads_percent };
        Plan { work: Work::Ask { mix, arrival, warm_up, time }, seed: 1 }
    }

    #[tokio::test]
    async fn a_fill_writes_each_key_once_and_ends_where_one_cannot_be_written() {
        let plan = Plan { work: Work::Fill { keys: 1_000 }, seed: 1 };
        let measured = run(connections(8, Duration::ZERO, &[]), plan, |_| ()).await.expect("it runs");
        assert_eq!((measured.writes.count(), measured.answered, measured.failed()), (1_000, 1_000, 0));
        let measured = run(connections(1, Duration::ZERO, &[10]), plan, |_| ()).await.expect("it runs");
        assert_eq!((measured.writes.count(), measured.failed()), (10, 1));
    }

    #[tokio::test]
    async fn latency_is_counted_from_when_a_request_was_due() {
        // One connection that takes 20 ms each can answer 50 a second; 200 a second fall due.
        let second = Duration::from_secs(1);
        let plan = ask(100, Arrival::Open { per_second: 200.0 }, second / 2, second);
        let measured = run(connections(1, Duration::from_millis(20), &[]), plan, |_| ()).await;
        let measured = measured.expect("it runs");
        assert!(measured.unsent > 20, "{} of some 200 were not sent", measured.unsent);
        // What is answered in the time that counts fell due before it.
        assert!((1..=50).contains(&measured.answered), "{} of 50", measured.answered);
        assert_eq!((measured.reads.count(), measured.absent), (0, 0));
    }

    #[tokio::test]
    async fn failures_are_counted_by_cause() {
        let mut told = Progress::default();
        let plan = ask(0, Arrival::Closed, Duration::ZERO, Duration::from_millis(300));
        let connections = connections(2, Duration::from_millis(1), &[0, 1]);
        let measured = run(connections, plan, |progress| told = progress).await.expect("it runs");
        assert_eq!(measured.answered, 0);
        assert!(measured.failures["written before"] > 0, "{:?}", measured.failures);
        assert_eq!((told.done, told.failed), (0, measured.failed()));
    }
}
