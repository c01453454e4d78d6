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

mod generator;
mod judge;

pub use judge::Report;

use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::json;

use crate::cluster::{Cluster, Error, Plan};
use generator::{Generator, Phase};

/// The table that is loaded.
pub const TABLE: &str = "overload";

/// How many clients the closed loop tries, in turn.
const CLIENTS: [usize; 7] = [6, 12, 24, 48, 96, 192, 384];
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

/// What to do.
#[derive(Clone, Debug)]
pub struct Settings {
    /// How long the overload lasts.
    pub time: Duration,
    /// How many times the peak is asked for.
    pub factor: f64,
    /// The nodes' `requests_running_max`.
    pub requests_running_max: u32,
    /// How long each sync of the disk takes at least, in milliseconds; 0: as long as it does. Needs `strace`.
    pub sync_delay_ms: u32,
    /// Decides keys and kinds of requests.
    pub seed: u64,
}

/// Gives a plan's nodes the limits of these settings: a script in place of the binary, which also notes their process
/// ids.
pub fn limited(mut plan: Plan, settings: &Settings) -> Result<Plan, Error> {
    let on_host = |what: String| move |cause| Error::Host { what, cause };
    std::fs::create_dir_all(&plan.folder).map_err(on_host(format!("folder {}", plan.folder.display())))?;
    let script = plan.folder.join("limited-quorate");
    let binary = std::path::absolute(&plan.binary).map_err(on_host("the binary's path".to_owned()))?;
    let delay = match settings.sync_delay_ms {
        0 => String::new(),
        // The tracer stands aside: the process keeps its id, and the tracer ends with it.
        ms => format!(
            "strace -D -f --seccomp-bpf -qq -o /dev/null -e trace=fdatasync -e inject=fdatasync:delay_enter={ms}ms "
        ),
    };
    let text = format!(
        "#!/bin/sh\necho $$ >>'{}'\nexport QUORATE_LIMITS_REQUESTS_RUNNING_MAX={}\nexec {delay}'{}' \"$@\"\n",
        pids(&plan.folder).display(),
        settings.requests_running_max,
        binary.display(),
    );
    std::fs::write(&script, text).map_err(on_host(format!("script {}", script.display())))?;
    let mode = std::os::unix::fs::PermissionsExt::from_mode(0o755);
    std::fs::set_permissions(&script, mode).map_err(on_host(format!("script {}", script.display())))?;
    plan.binary = script;
    Ok(plan)
}

fn pids(folder: &Path) -> PathBuf {
    folder.join("pids")
}

/// Runs all phases on a cluster of nodes that [`limited`] has started.
pub async fn run(cluster: &mut Cluster, folder: &Path, settings: &Settings) -> Result<Report, Error> {
    let table = json!({ "name": TABLE, "sharding": "hash", "n": 3, "durability": "sync" });
    cluster.make_table(table).await?;
    let noted = pids(folder);
    let pids = std::fs::read_to_string(&noted)
        .map_err(|cause| Error::Host { what: format!("process ids in {}", noted.display()), cause })?;
    let pids = pids.lines().filter_map(|line| line.trim().parse().ok()).collect();
    let mut generator = Generator::new(cluster.endpoints(), pids, settings.seed);
    eprintln!("warming up");
    generator.closed(CLIENTS[0], STEP).await;
    let mut peak: Option<Phase> = None;
    let mut without_growth = 0;
    for clients in CLIENTS {
        let step = generator.closed(clients, STEP).await;
        eprintln!("{clients:>4} clients: {step}");
        let best = peak.as_ref().map_or(0.0, Phase::goodput);
        without_growth = if step.goodput() > best * GROWTH_MIN { 0 } else { without_growth + 1 };
        if step.goodput() > best {
            peak = Some(step);
        }
        if without_growth == STEPS_WITHOUT_GROWTH {
            break;
        }
    }
    let peak = peak.expect("there is at least one step");
    let (normal, flood) = (peak.goodput() / 2.0, peak.goodput() * settings.factor);
    let before = generator.open(normal, NORMAL).await.drained().await;
    eprintln!("normal:       {before}");
    let overload = generator.open(flood, settings.time).await;
    // At once: what the overload has left at work is in its way.
    let after = generator.open(normal, AFTER).await;
    let (overload, after) = (overload.drained().await, after.drained().await);
    eprintln!("overload:     {overload}");
    eprintln!("normal again: {after}");
    let (nodes, misdeeds) = (cluster.nodes().len(), cluster.misdeeds().await);
    Ok(Report { nodes, peak, before, overload, after, factor: settings.factor, misdeeds })
}
