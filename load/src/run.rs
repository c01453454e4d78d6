//! A run: all connections at work for a while, and what came of it.

use crate::arrival::{Arrival, Schedule};
use crate::keys::Mix;
use crate::latencies::Latencies;
use crate::timer::Timer;
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use std::collections::BTreeMap;
use std::io;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};
use tokio::task::JoinSet;

/// So often progress is told.
const TOLD_EVERY: Duration = Duration::from_secs(1);

/// After its end a run waits so long for answers that are still on their way.
const PATIENCE: Duration = Duration::from_secs(30);

/// What one request is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Request {
    /// The value of a key.
    Read {
        /// Its number.
        key: u64,
    },
    /// A new value for a key.
    Write {
        /// Its number.
        key: u64,
    },
}

/// One connection to what is measured.
pub trait Connection: Send + 'static {
    /// Does one request and waits for its answer; an error is its cause, in few words that are alike for like causes. The next
    /// call comes in any case: one that has lost its connection makes another.
    fn call(&mut self, request: Request) -> impl Future<Output = Result<(), String>> + Send;
}

/// What is to be done.
#[derive(Clone, Copy, Debug)]
pub enum Work {
    /// Each of so many keys is written once.
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
        /// So long before it counts.
        warm_up: Duration,
        /// For so long it counts.
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
    /// Reads that were answered.
    pub reads: Latencies,
    /// Writes that were.
    pub writes: Latencies,
    /// How many requests failed, by cause.
    pub failures: BTreeMap<String, u64>,
    /// Requests of an open load that fell due and were not sent before its end: it was more than could be done.
    pub unsent: u64,
}

/// What all connections share.
struct Shared {
    plan: Plan,
    begin: Instant,
    schedule: Mutex<Schedule>,
    next_key: AtomicU64,
    done: AtomicU64,
    failed: AtomicU64,
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
        done: AtomicU64::new(0),
        failed: AtomicU64::new(0),
    });
    let mut workers = JoinSet::new();
    for (at, connection) in (1..).zip(connections) {
        workers.spawn(work(connection, Arc::clone(&shared), plan.seed.wrapping_add(at)));
    }
    let mut measured = Measured::default();
    let mut tick = tokio::time::interval_at(tokio::time::Instant::now() + TOLD_EVERY, TOLD_EVERY);
    loop {
        tokio::select! {
            one = workers.join_next() => match one {
                None => break,
                Some(one) => measured.add(one.map_err(io::Error::other)??),
            },
            _ = tick.tick() => told(shared.progress()),
        }
    }
    told(shared.progress());
    measured.elapsed = match plan.work {
        Work::Fill { .. } => begin.elapsed(),
        Work::Ask { time, .. } => time,
    };
    if let (Work::Ask { .. }, Arrival::Open { .. }) = (plan.work, arrival) {
        let mut schedule = shared.schedule.lock().expect("no worker panics with it");
        while schedule.next() < shared.end() {
            measured.unsent += 1;
        }
    }
    Ok(measured)
}

impl Shared {
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
                (key < keys).then(|| (Request::Write { key }, Instant::now()))
            }
            Work::Ask { mix, .. } => {
                // What is overdue when all is over stays for the count of what was not sent.
                if Instant::now() >= self.end() {
                    return None;
                }
                let due = self.schedule.lock().expect("no worker panics with it").next();
                (due < self.end()).then(|| (mix.draw(random), due))
            }
        }
    }
}

impl Measured {
    fn add(&mut self, other: Self) {
        self.reads.add(&other.reads);
        self.writes.add(&other.writes);
        for (cause, times) in other.failures {
            *self.failures.entry(cause).or_default() += times;
        }
    }

    /// Requests that failed, of all causes.
    pub fn failed(&self) -> u64 {
        self.failures.values().sum()
    }

    /// Requests that were answered, each second that counted.
    pub fn per_second(&self) -> f64 {
        (self.reads.count() + self.writes.count()) as f64 / self.elapsed.as_secs_f64().max(f64::MIN_POSITIVE)
    }
}

/// One connection's part.
async fn work<C: Connection>(mut connection: C, shared: Arc<Shared>, seed: u64) -> io::Result<Measured> {
    let mut random = ChaCha8Rng::seed_from_u64(seed);
    let timer = Timer::new()?;
    let mut measured = Measured::default();
    let counts_from = shared.counts_from();
    let give_up = tokio::time::Instant::from_std(shared.end() + PATIENCE);
    while let Some((request, due)) = shared.next(&mut random) {
        timer.until(due).await?;
        let Ok(answer) = tokio::time::timeout_at(give_up, connection.call(request)).await else {
            *measured.failures.entry("no answer until long after the end".to_owned()).or_default() += 1;
            break;
        };
        let took = due.elapsed();
        let counter = if answer.is_ok() { &shared.done } else { &shared.failed };
        counter.fetch_add(1, Ordering::Relaxed);
        if due < counts_from {
            continue;
        }
        match (answer, request) {
            (Ok(()), Request::Read { .. }) => measured.reads.record(took),
            (Ok(()), Request::Write { .. }) => measured.writes.record(took),
            (Err(cause), _) => *measured.failures.entry(cause).or_default() += 1,
        }
    }
    Ok(measured)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::keys::Keys;
    use std::collections::BTreeSet;

    /// Answers after a while, but for keys of which it says that they fail; remembers what was written.
    struct Slow {
        takes: Duration,
        written: Arc<Mutex<BTreeSet<u64>>>,
    }

    impl Connection for Slow {
        async fn call(&mut self, request: Request) -> Result<(), String> {
            tokio::time::sleep(self.takes).await;
            match request {
                Request::Write { key } => {
                    let is_new = self.written.lock().expect("not poisoned").insert(key);
                    if is_new { Ok(()) } else { Err("written before".to_owned()) }
                }
                Request::Read { .. } => Ok(()),
            }
        }
    }

    fn connections(count: usize, takes: Duration) -> Vec<Slow> {
        let written = Arc::default();
        (0..count).map(|_| Slow { takes, written: Arc::clone(&written) }).collect()
    }

    #[tokio::test]
    async fn a_fill_writes_each_key_once() {
        let plan = Plan { work: Work::Fill { keys: 1_000 }, seed: 1 };
        let measured = run(connections(8, Duration::ZERO), plan, |_| ()).await.expect("it runs");
        assert_eq!((measured.writes.count(), measured.failed()), (1_000, 0));
    }

    #[tokio::test]
    async fn latency_is_counted_from_when_a_request_was_due() {
        // One connection that takes 20 ms each can answer 50 a second; 200 a second fall due.
        let work = Work::Ask {
            mix: Mix { keys: Keys::even(10), reads_percent: 100 },
            arrival: Arrival::Open { per_second: 200.0 },
            warm_up: Duration::ZERO,
            time: Duration::from_millis(500),
        };
        let measured = run(connections(1, Duration::from_millis(20)), Plan { work, seed: 1 }, |_| ()).await;
        let measured = measured.expect("it runs");
        assert!(measured.reads.longest() > Duration::from_millis(200), "{:?}", measured.reads.longest());
        assert!(measured.unsent > 20, "{} of some 100 were not sent", measured.unsent);
    }

    #[tokio::test]
    async fn failures_are_counted_by_cause() {
        let work = Work::Ask {
            mix: Mix { keys: Keys::even(2), reads_percent: 0 },
            arrival: Arrival::Closed,
            warm_up: Duration::ZERO,
            time: Duration::from_millis(50),
        };
        let mut told = Progress::default();
        let measured =
            run(connections(2, Duration::from_millis(1)), Plan { work, seed: 1 }, |progress| told = progress);
        let measured = measured.await.expect("it runs");
        assert_eq!(measured.writes.count(), 2);
        assert!(measured.failures["written before"] > 5, "{:?}", measured.failures);
        assert_eq!((told.done, told.failed), (2, measured.failed()));
    }
}
