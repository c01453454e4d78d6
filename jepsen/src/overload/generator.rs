//! The load: requests as fast as they are answered (closed), or as fast as they are asked for (open).

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{RngCore as _, SeedableRng as _};
use tokio::task::JoinSet;

use super::TABLE;

/// Keys that are written.
const KEYS: u64 = 10_000;
/// Bytes of each value.
const VALUE_BYTES: usize = 100;
/// How long a request is waited for: past the server's own deadline of two seconds.
const PATIENCE: Duration = Duration::from_secs(5);
/// Requests that are waited for at the same time. Beyond it the open loop does not send, which its report tells.
const OPEN_MAX: usize = 8_192;
/// How often the open loop sends what is due.
const TICK: Duration = Duration::from_millis(2);

/// Makes requests of one kind: writes of small values at the table's default level.
pub struct Generator {
    client: reqwest::Client,
    endpoints: Arc<[String]>,
    pids: Vec<u32>,
    random: ChaCha8Rng,
}

/// How one request ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    /// Served: 200.
    Served,
    /// 503 with `Retry-After`.
    Shed,
    /// Anything else. Refusals without `Retry-After` too.
    Failed(Failure),
}

/// What a node must not do, however much it is asked for; a late answer (504) it may give now and then.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Failure {
    /// 504.
    Late,
    /// 503 without `Retry-After`, or another status.
    Wrong,
    /// No answer.
    Lost,
}

/// What became of the requests of one phase.
#[derive(Clone, Debug, Default)]
pub struct Phase {
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
    /// Refused otherwise.
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
    /// Requests served a second: those whose answer came while requests were sent. What came later helps nobody's rate.
    pub fn goodput(&self) -> f64 {
        let in_time = |(due, us): &&(Duration, u32)| *due + Duration::from_micros((*us).into()) <= self.time;
        let served = self.latencies.iter().filter(in_time).count();
        served as f64 / self.time.as_secs_f64().max(0.001)
    }

    /// Requests sent of which nobody knows what became: none, once the phase is drained.
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

    fn count(&mut self, due: Duration, took: Duration, end: End) {
        if end != End::Served {
            self.unserved.push(due);
        }
        match end {
            End::Served => {
                self.served += 1;
                self.latencies.push((due, u32::try_from(took.as_micros()).unwrap_or(u32::MAX)));
            }
            End::Shed => self.shed += 1,
            End::Failed(Failure::Late) => self.late += 1,
            End::Failed(Failure::Wrong) => self.wrong += 1,
            End::Failed(Failure::Lost) => self.lost += 1,
        }
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

impl Generator {
    /// Against these nodes, whose processes are looked at for their memory.
    pub fn new(endpoints: Vec<String>, pids: Vec<u32>, seed: u64) -> Self {
        let client = reqwest::Client::builder()
            // Plain HTTP alone: a system without certificates of authorities is no reason to fail.
            .tls_certs_only([])
            .no_proxy()
            .retry(reqwest::retry::never())
            .pool_max_idle_per_host(OPEN_MAX)
            .timeout(PATIENCE)
            .build()
            .expect("these options need nothing that can be missing once a provider is installed");
        Self { client, endpoints: endpoints.into(), pids, random: ChaCha8Rng::seed_from_u64(seed) }
    }

    /// So many clients, evenly over the nodes, each of which sends its next request once the last one is answered.
    /// One that is refused waits a moment.
    pub async fn closed(&mut self, clients: usize, time: Duration) -> Phase {
        let began = Instant::now();
        let phase = Arc::new(Mutex::new(Phase { time, ..Phase::default() }));
        let mut working = JoinSet::new();
        for number in 0..clients {
            let mut random = ChaCha8Rng::seed_from_u64(self.random.next_u64());
            let (client, endpoints, phase) =
                (self.client.clone(), Arc::clone(&self.endpoints), Arc::clone(&phase));
            working.spawn(async move {
                while began.elapsed() < time {
                    let due = began.elapsed();
                    let end = one(&client, &endpoints[number % endpoints.len()], random.next_u64()).await;
                    let took = began.elapsed().saturating_sub(due);
                    {
                        let mut phase = phase.lock().unwrap_or_else(PoisonError::into_inner);
                        phase.sent += 1;
                        phase.count(due, took, end);
                    }
                    if end != End::Served {
                        tokio::time::sleep(Duration::from_millis(20)).await;
                    }
                }
            });
        }
        let watched = self.watch(time);
        while working.join_next().await.is_some() {}
        let memory = watched.await.unwrap_or_default();
        let mut phase = std::mem::take(&mut *phase.lock().unwrap_or_else(PoisonError::into_inner));
        (phase.memory_kib, phase.measured) = (memory.most_kib, memory.measured);
        phase
    }

    /// So many requests a second, whatever becomes of them. Latency counts from the moment at which each was due. Returns
    /// once all are sent.
    pub async fn open(&mut self, rate: f64, time: Duration) -> Draining {
        let began = Instant::now();
        let phase = Arc::new(Mutex::new(Phase { time, ..Phase::default() }));
        let watched = self.watch(time);
        let waiting = Arc::new(AtomicU64::new(0));
        let (mut sent, mut unsent) = (0u64, Vec::new());
        while began.elapsed() < time {
            let due_by_now = whole(began.elapsed().as_secs_f64() * rate);
            while sent + (unsent.len() as u64) < due_by_now {
                let due = Duration::from_secs_f64((sent + unsent.len() as u64) as f64 / rate);
                if waiting.load(Ordering::Relaxed) >= OPEN_MAX as u64 {
                    unsent.push(due);
                    continue;
                }
                sent += 1;
                waiting.fetch_add(1, Ordering::Relaxed);
                let (client, endpoints, phase) =
                    (self.client.clone(), Arc::clone(&self.endpoints), Arc::clone(&phase));
                let (draw, waiting) = (self.random.next_u64(), Arc::clone(&waiting));
                tokio::spawn(async move {
                    let end = one(&client, &endpoints[draw as usize % endpoints.len()], draw >> 8).await;
                    let took = began.elapsed().saturating_sub(due);
                    phase.lock().unwrap_or_else(PoisonError::into_inner).count(due, took, end);
                    waiting.fetch_sub(1, Ordering::Release);
                });
            }
            tokio::time::sleep(TICK).await;
        }
        let memory = watched.await.unwrap_or_default();
        {
            let mut phase = phase.lock().unwrap_or_else(PoisonError::into_inner);
            (phase.sent, phase.unsent) = (sent, unsent.len() as u64);
            phase.unserved.append(&mut unsent);
            (phase.memory_kib, phase.measured) = (memory.most_kib, memory.measured);
        }
        Draining { phase, waiting }
    }

    /// Looks at the memory of the nodes for a time.
    fn watch(&self, time: Duration) -> tokio::task::JoinHandle<Memory> {
        let (pids, began) = (self.pids.clone(), Instant::now());
        tokio::spawn(async move {
            let mut seen: Option<Memory> = None;
            while began.elapsed() < time {
                let sizes: Vec<u64> = pids.iter().map(|pid| resident_kib(*pid)).collect();
                let measured = sizes.iter().filter(|kib| **kib > 0).count();
                let most_kib = sizes.into_iter().max().unwrap_or_default();
                seen = Some(seen.map_or(Memory { most_kib, measured }, |before| Memory {
                    most_kib: before.most_kib.max(most_kib),
                    measured: before.measured.min(measured),
                }));
                tokio::time::sleep(Duration::from_millis(250)).await;
            }
            seen.unwrap_or_default()
        })
    }
}

/// What was seen of the nodes' memory.
#[derive(Clone, Copy, Debug, Default)]
struct Memory {
    /// The most of one node, in KiB.
    most_kib: u64,
    /// The fewest processes that had any.
    measured: usize,
}

/// A phase all of whose requests are sent, and of which some may not be answered yet. The next phase can begin at once.
#[derive(Debug)]
pub struct Draining {
    phase: Arc<Mutex<Phase>>,
    waiting: Arc<AtomicU64>,
}

impl Draining {
    /// The phase, once every request has its end: each is given up after a while, so that this is bounded.
    pub async fn drained(self) -> Phase {
        let until = Instant::now() + PATIENCE * 2;
        while self.waiting.load(Ordering::Acquire) > 0 && Instant::now() < until {
            tokio::time::sleep(TICK).await;
        }
        self.phase.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// The whole part of a number that is not below zero.
#[expect(clippy::cast_sign_loss, reason = "it is not below zero")]
pub(super) fn whole(number: f64) -> u64 {
    number as u64
}

/// The resident memory of a process; 0 if there is none.
fn resident_kib(pid: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    line.and_then(|line| line.trim().trim_end_matches(" kB").parse().ok()).unwrap_or_default()
}

/// One request, of the key that is in `draw`.
async fn one(client: &reqwest::Client, endpoint: &str, draw: u64) -> End {
    let url = format!("{endpoint}/v1/tables/{TABLE}/keys/k{}", draw % KEYS);
    let Ok(response) = client.put(url).body(vec![b'v'; VALUE_BYTES]).send().await else {
        return End::Failed(Failure::Lost);
    };
    let status = response.status().as_u16();
    let says_when = response.headers().contains_key("retry-after");
    if response.bytes().await.is_err() {
        return End::Failed(Failure::Lost);
    }
    match status {
        200 => End::Served,
        503 if says_when => End::Shed,
        504 => End::Failed(Failure::Late),
        _ => End::Failed(Failure::Wrong),
    }
}
