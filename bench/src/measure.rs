//! One measurement: requests of one kind, and what servers and clients spent on them.

use crate::Outcome;
use crate::case::{Case, Load};
use crate::figure::Figure;
use crate::process::Process;
use quorate_cli::bench::{Asked, Http};
use quorate_client::Endpoint;
use quorate_load::{Plan, run};
use rustix::time::{ClockId, clock_gettime};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Bytes of a value.
const VALUE_BYTES: usize = 100;

/// After so long a request has failed.
const TIMEOUT: Duration = Duration::from_secs(5);

/// Servers are quiet when they use less than a tenth of this.
const QUIET: Duration = Duration::from_millis(300);

/// They need not be quiet after so long.
const PATIENCE: Duration = Duration::from_secs(20);

/// Processes that serve together, and where.
pub struct Servers<'a> {
    /// The processes.
    pub processes: Vec<&'a Process>,
    /// Where they answer clients.
    pub addresses: Vec<SocketAddr>,
}

/// Sends the load, and counts what it costs from its first request until the servers are quiet again: what they do for a
/// request after its answer belongs to it. An error where a fill fails.
pub async fn measure(servers: &Servers<'_>, case: &Case, load: Load) -> Outcome<Figure> {
    let endpoints = servers.addresses.iter().copied().map(Endpoint::from).collect();
    let mut asked = Asked::of(case.table, endpoints, TIMEOUT, VALUE_BYTES);
    asked.read_query = format!("?consistency={}", case.level);
    asked.write_query = format!("?consistency={}&durability={}", case.level, case.durability);
    let asked = Arc::new(asked);
    let connections: Vec<Http> = (0..load.connections).map(|number| Http::new(&asked, number)).collect();
    let (before, client_before) = (servers.quiet().await?, own_cpu());
    let (mut done, work) = (0, load.work(case));
    let measured = run(connections, Plan { work, seed: 1 }, |progress| done = progress.done).await?;
    let client = own_cpu().saturating_sub(client_before);
    let server = servers.quiet().await?.saturating_sub(before);
    let failed = measured.failed() + measured.absent;
    if let (Some(cause), quorate_load::Work::Fill { .. }) = (measured.failures.keys().next(), work) {
        return Err(format!("table {} could not be filled: {cause}", case.table).into());
    }
    let each = |time: Duration| time.as_secs_f64() * 1e6 / (done.max(1) as f64);
    let of = if case.reads_percent > 0 { &measured.reads } else { &measured.writes };
    let microseconds = |time: Duration| u64::try_from(time.as_micros()).unwrap_or(u64::MAX);
    Ok(Figure {
        case: case.name,
        connections: load.connections,
        rate: load.rate,
        per_second: measured.per_second(),
        server_us: each(server),
        client_us: each(client),
        p50_us: microseconds(of.quantile(0.5)),
        p99_us: microseconds(of.quantile(0.99)),
        p99_9_us: microseconds(of.quantile(0.999)),
        longest_us: microseconds(of.longest()),
        failed,
        unsent: measured.unsent,
    })
}

impl Servers<'_> {
    fn used(&self) -> Outcome<Duration> {
        self.processes.iter().map(|process| process.cpu()).sum()
    }

    /// What they have used, once they hardly use any more.
    async fn quiet(&self) -> Outcome<Duration> {
        let (mut used, deadline) = (self.used()?, Instant::now() + PATIENCE);
        loop {
            tokio::time::sleep(QUIET).await;
            let now = self.used()?;
            if now.saturating_sub(used) < QUIET / 10 || Instant::now() > deadline {
                return Ok(now);
            }
            used = now;
        }
    }
}

/// Time of the processors that this process has had.
fn own_cpu() -> Duration {
    let time = clock_gettime(ClockId::ProcessCPUTime);
    Duration::new(u64::try_from(time.tv_sec).unwrap_or(0), u32::try_from(time.tv_nsec).unwrap_or(0))
}
