//! One measurement: requests of one kind, and what servers and clients spent on them.

use crate::Outcome;
use crate::cluster::Cluster;
use crate::process::Process;
use crate::report::Figure;
use quorate_cli::bench::{Asked, Http};
use quorate_client::Endpoint;
use quorate_load::{Arrival, Keys, Mix, Plan, Work, run};
use rustix::time::{ClockId, clock_gettime};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

/// Bytes of a value.
pub const VALUE_BYTES: usize = 100;

/// So long before it counts, the load is the same.
const WARM_UP: Duration = Duration::from_secs(1);

/// After so long a request has failed.
const TIMEOUT: Duration = Duration::from_secs(5);

/// Requests of one kind.
pub struct Case {
    /// What it is called.
    pub name: &'static str,
    /// On which table.
    pub table: &'static str,
    /// Reads in a hundred.
    pub reads_percent: u8,
    /// How many owners must answer.
    pub level: &'static str,
    /// What an acknowledgement means.
    pub durability: &'static str,
}

/// What is measured of our nodes.
pub const OURS: &[Case] = &[
    Case { name: "GET one", table: "os", reads_percent: 100, level: "one", durability: "os" },
    Case { name: "GET quorum", table: "os", reads_percent: 100, level: "quorum", durability: "os" },
    Case { name: "PUT quorum, os", table: "os", reads_percent: 0, level: "quorum", durability: "os" },
    Case { name: "PUT quorum, sync", table: "sync", reads_percent: 0, level: "quorum", durability: "sync" },
];

/// How much of it.
#[derive(Clone, Copy, Debug)]
pub struct Load {
    connections: usize,
    keys: u64,
    time: Duration,
    /// Requests a second; `None`: as many as can be.
    rate: Option<f64>,
    is_fill: bool,
}

impl Load {
    /// Every key once.
    pub fn fill(keys: u64) -> Self {
        Self { connections: 64, keys, time: Duration::ZERO, rate: None, is_fill: true }
    }

    /// As many requests as can be.
    pub fn closed(connections: usize, keys: u64, time: Duration) -> Self {
        Self { connections, keys, time, rate: None, is_fill: false }
    }

    /// So many a second.
    pub fn open(connections: usize, keys: u64, time: Duration, rate: f64) -> Self {
        Self { rate: Some(rate), ..Self::closed(connections, keys, time) }
    }

    fn work(&self, case: &Case) -> Work {
        if self.is_fill {
            return Work::Fill { keys: self.keys };
        }
        Work::Ask {
            mix: Mix { keys: Keys::even(self.keys), reads_percent: case.reads_percent },
            arrival: self.rate.map_or(Arrival::Closed, |per_second| Arrival::Open { per_second }),
            warm_up: WARM_UP,
            time: self.time,
        }
    }
}

/// Where requests go.
pub trait Target {
    /// Over HTTP, to these addresses.
    fn endpoints(&self) -> Vec<Endpoint>;
}

impl Target for Cluster {
    fn endpoints(&self) -> Vec<Endpoint> {
        self.addresses().into_iter().map(Endpoint::from).collect()
    }
}

impl Target for [SocketAddr; 1] {
    fn endpoints(&self) -> Vec<Endpoint> {
        self.iter().copied().map(Endpoint::from).collect()
    }
}

/// Sends the load, and counts what it costs from its first request to its last.
pub async fn measure(servers: &[&Process], case: &Case, target: &impl Target, load: Load) -> Outcome<Figure> {
    let mut asked = Asked::of(case.table, target.endpoints(), TIMEOUT, VALUE_BYTES);
    asked.read_query = format!("?consistency={}", case.level);
    asked.write_query = format!("?consistency={}&durability={}", case.level, case.durability);
    let asked = Arc::new(asked);
    let connections: Vec<Http> = (0..load.connections).map(|number| Http::new(&asked, number)).collect();
    let used = || -> Outcome<Duration> { servers.iter().map(|server| server.cpu()).sum() };
    let (servers_before, client_before) = (used()?, own_cpu());
    let mut done = 0;
    let measured =
        run(connections, Plan { work: load.work(case), seed: 1 }, |progress| done = progress.done).await?;
    let each = |time: Duration| time.as_secs_f64() * 1e6 / (done.max(1) as f64);
    let (server_us, client_us) = (each(used()? - servers_before), each(own_cpu() - client_before));
    if measured.failed() > 0 {
        eprintln!("quorate-bench: {}: failed: {:?}", case.name, measured.failures);
    }
    let of = if case.reads_percent > 0 && !load.is_fill { &measured.reads } else { &measured.writes };
    Ok(Figure {
        case: case.name,
        connections: load.connections,
        rate: load.rate,
        per_second: measured.per_second(),
        server_us,
        client_us,
        p50_us: of.quantile(0.5).as_micros() as u64,
        p99_us: of.quantile(0.99).as_micros() as u64,
        p99_9_us: of.quantile(0.999).as_micros() as u64,
        longest_us: of.longest().as_micros() as u64,
        failed: measured.failed(),
        unsent: measured.unsent,
    })
}

/// Time of the processors that this process has had.
fn own_cpu() -> Duration {
    let time = clock_gettime(ClockId::ProcessCPUTime);
    Duration::new(u64::try_from(time.tv_sec).unwrap_or(0), u32::try_from(time.tv_nsec).unwrap_or(0))
}
