//! Overload: more requests than a cluster can serve.
//!
//! A service that takes on more than it can finish finishes nothing in time: queues grow, every answer is late, and the
//! clients' retries keep it so after the rush is over. A node therefore has limits on what is at work, and says no
//! beyond them, at once and cheaply: 503 with `Retry-After`, before it has read a body. This proof drives a cluster past
//! its peak and looks at what is left of it:
//!
//! ```text
//!   normal            closed loop, ever more clients     open loop                   normal
//!   half of the peak  until it serves no more            three times the peak        half of the peak
//!   ── its latency ── peak, memory ───────────────────── goodput, refusals, memory ─ seconds until the latency is back
//! ```
//!
//! All figures are ratios taken in one run, so that they do not depend on the machine. The first normal phase comes
//! after the peak is known.
//!
//! **Whose limit it is.** The load shares the machine with the cluster. Were the processor the limit, the load's own
//! work would take from the requests that are served, and the figure would tell of the machine. So the peak is put
//! low, where the processor is mostly idle: writes are synced to a disk that takes a fixed time for it (`strace` delays
//! each sync, `--sync-delay-ms`), and `requests_running_max` bounds how many are at work meanwhile. The peak is what so
//! many requests at work can do, and refusals must not change it.
//!
//! **Left out**: overload of a single shard or owner, of bandwidth, and of the processor: there each refusal costs what
//! a part of a request costs, and goodput falls with their number.

mod judge;
mod phase;

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use quorate_checkers::history::History;
use quorate_checkers::judgement::Judgement;
use rand::Rng as _;
use serde_json::{Value, json};

use crate::cluster::Cluster;
use crate::generator::{Shift, Worked};
use crate::workload::{Client, Closed, Course, Driven, Driving, How, Request, Run, Running, Workload};
use judge::Report;
use phase::{Memory, Phase, Stretch};

/// The name of the workload and of its table.
pub const NAME: &str = "overload";

/// Keys that are written.
const KEYS: u64 = 10_000;
/// Bytes of each value.
const VALUE_BYTES: usize = 100;
/// How many clients the closed loop tries, in turn.
const CLIENTS: [u32; 7] = [6, 12, 24, 48, 96, 192, 384];
/// How long each of them works.
const STEP: Duration = Duration::from_secs(4);
/// More clients must serve this much more, or they are too many.
const GROWTH_MIN: f64 = 1.05;
/// The peak is found once so many steps in a row did not: a single one may be the machine's.
const STEPS_WITHOUT_GROWTH: u32 = 2;
/// How long the normal load works before the overload.
const NORMAL: Duration = Duration::from_secs(10);
/// How long it works after it.
const AFTER: Duration = Duration::from_secs(15);

/// How often the nodes' memory is looked at.
const SAMPLE_EVERY: Duration = Duration::from_millis(250);

/// What to do.
#[derive(Clone, Copy, Debug)]
pub struct Settings {
    /// How long the overload lasts.
    pub time: Duration,
    /// How many times the peak is asked for.
    pub factor: f64,
}

/// What the nodes' environment must say, so that requests at work are what is short.
pub fn environment(requests_running_max: u32) -> Vec<(String, String)> {
    vec![("QUORATE_LIMITS_REQUESTS_RUNNING_MAX".to_owned(), requests_running_max.to_string())]
}

/// What nodes must run under for each sync of their disk to take so long at least, in milliseconds; 0: as long as it does.
/// The tracer stands aside: the process keeps its id, and the tracer ends with it.
pub fn tracer(sync_delay_ms: u32) -> Vec<String> {
    let delay = format!("inject=fdatasync:delay_enter={sync_delay_ms}ms");
    let words = [
        "strace",
        "-D",
        "-f",
        "--seccomp-bpf",
        "-qq",
        "-o",
        "/dev/null",
        "-e",
        "trace=fdatasync",
        "-e",
        &delay,
    ];
    if sync_delay_ms == 0 { Vec::new() } else { words.map(str::to_owned).to_vec() }
}

/// Writes of small values, far too many of them.
#[derive(Debug)]
pub struct Overload {
    settings: Settings,
    seen: Mutex<Option<Seen>>,
}

/// When each phase was.
#[derive(Clone, Debug)]
struct Seen {
    nodes: usize,
    peak: Stretch,
    before: Stretch,
    overload: Stretch,
    after: Stretch,
}

impl Overload {
    /// One that has not begun.
    pub fn new(settings: Settings) -> Overload {
        Overload { settings, seen: Mutex::default() }
    }

    async fn phases(
        &self,
        workload: &Arc<dyn Workload>,
        run: &Arc<Run>,
        cluster: &mut Cluster,
        broken: &mut Vec<String>,
    ) -> Seen {
        let now = || run.recorder.now();
        let goodput = |stretch: &Stretch| Phase::of(&run.recorder.history(), stretch).goodput();
        let mut peak: Option<(f64, Stretch)> = None;
        let mut without_growth = 0;
        // The first one only warms up.
        for (number, clients) in [CLIENTS[0]].into_iter().chain(CLIENTS).enumerate() {
            let (from, shift) = (now(), Shift::closed(workload, run, clients));
            let memory = spend(cluster, STEP).await;
            broken.extend(shift.end().await.broken);
            let step = Stretch { from, time: STEP, memory, worked: Worked::default() };
            if number == 0 {
                continue;
            }
            let (served, best) = (goodput(&step), peak.as_ref().map_or(0.0, |(best, _)| *best));
            eprintln!("{clients:>4} clients: {}", Phase::of(&run.recorder.history(), &step));
            without_growth = if served > best * GROWTH_MIN { 0 } else { without_growth + 1 };
            if served > best {
                peak = Some((served, step));
            }
            if without_growth == STEPS_WITHOUT_GROWTH {
                break;
            }
        }
        let (best, peak) = peak.unwrap_or_default();
        let (normal, flood) = (best / 2.0, best * self.settings.factor);
        let mut open = async |rate, time| {
            let shift = Shift::open(workload, run, rate, time);
            let memory = spend(cluster, time).await;
            let from = shift.began;
            (shift, Stretch { from, time, memory, worked: Worked::default() })
        };
        let drained =
            async |(shift, stretch): (Shift, Stretch)| Stretch { worked: shift.end().await, ..stretch };
        let before = drained(open(normal, NORMAL).await).await;
        let overload = open(flood, self.settings.time).await;
        // At once: what the overload has left at work is in its way.
        let after = open(normal, AFTER).await;
        let (overload, after) = (drained(overload).await, drained(after).await);
        for stretch in [&before, &overload, &after] {
            broken.extend(stretch.worked.broken.iter().cloned());
        }
        Seen { nodes: cluster.nodes().len(), peak, before, overload, after }
    }
}

impl Workload for Overload {
    fn table(&self) -> Value {
        json!({ "name": NAME, "sharding": "hash", "n": 3, "durability": "sync" })
    }

    fn act<'a>(&'a self, client: &'a mut Client) -> Running<'a, ()> {
        Box::pin(async move {
            let key = format!("k{}", client.random.random_range(0..KEYS));
            let value = format!("{:v<VALUE_BYTES$}", client.unique());
            client.ask(&key, Request::Write { value }, How::default()).await;
        })
    }

    fn keys(&self) -> Vec<String> {
        (0..KEYS).map(|number| format!("k{number}")).collect()
    }

    /// Nothing is read: this is about requests, and not about data.
    fn close<'a>(&'a self, _run: &'a Arc<Run>) -> Running<'a, Closed> {
        Box::pin(async { Closed::default() })
    }

    fn judge(&self, history: &History) -> Judgement {
        let seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let Some(Seen { nodes, peak, before, overload, after }) = seen else {
            let void = "no phase was done".to_owned();
            let mut judgement = Judgement::of(void.clone(), Vec::new(), Vec::new());
            judgement.void.push(void);
            return judgement;
        };
        let report = Report {
            nodes,
            peak: Phase::of(history, &peak),
            before: Phase::of(history, &before),
            overload: Phase::of(history, &overload),
            after: Phase::of(history, &after),
            factor: self.settings.factor,
        };
        report.judgement()
    }

    fn course(&self) -> Option<&dyn Course> {
        Some(self)
    }
}

impl Course for Overload {
    fn drive<'a>(
        &'a self,
        workload: &'a Arc<dyn Workload>,
        run: &'a Arc<Run>,
        cluster: &'a mut Cluster,
    ) -> Driving<'a> {
        Box::pin(async move {
            let mut driven = Driven::default();
            let seen = self.phases(workload, run, cluster, &mut driven.void).await;
            *self.seen.lock().unwrap_or_else(PoisonError::into_inner) = Some(seen);
            driven.until = run.recorder.now();
            driven
        })
    }
}

/// Lets time pass, and looks at the nodes' memory meanwhile.
async fn spend(cluster: &mut Cluster, time: Duration) -> Memory {
    let until = Instant::now() + time;
    let mut seen: Option<Memory> = None;
    while Instant::now() < until {
        let sizes = cluster.sample_memory();
        let measured = sizes.len();
        let most_kib = sizes.into_iter().max().unwrap_or_default() / 1_024;
        seen = Some(seen.map_or(Memory { most_kib, measured }, |before| Memory {
            most_kib: before.most_kib.max(most_kib),
            measured: before.measured.min(measured),
        }));
        tokio::time::sleep_until((Instant::now() + SAMPLE_EVERY).min(until).into()).await;
    }
    seen.unwrap_or_default()
}
