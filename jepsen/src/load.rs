//! Load while nodes die and come back: nobody else may notice, and what was missed must be made good.
//!
//! Clients send a mixed load (put, get, delete, mget, all at quorum) at a fixed rate to the nodes that are up. Round
//! by round one node is killed with kill -9, stays away for a while, and comes back on the same folder:
//!
//! ```text
//!   quiet | killed: keys of this phase are written without it | back: others keys are written | quiet | ...
//!                                                             ^ at most 30 s until explain shows, for every key of
//!                                                               the phase before, the same version at every owner
//! ```
//!
//! Two things must hold. No request at another node fails, from the first moment on: a quorum is up all the time. And
//! the node that comes back gets what it missed by itself: this is looked at with `explain` alone, since a read would
//! repair what it looks at. Keys of one phase are not touched in the next, so that what is compared stands still.
//!
//! Requests that were under way at the node when it was killed count for nothing: their client has lost its node.

mod clients;
mod convergence;

use std::collections::BTreeSet;
use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};

use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

use crate::cluster::{Cluster, Error};
use crate::run::Verdict;
use clients::{Clients, Measured};

/// The table that the load works on.
pub const TABLE: &str = "load";

/// Below so many completed requests a second, in any phase, the run is void.
pub const PER_SECOND_MIN: f64 = 200.0;

/// How long a node that came back may take to get what it missed, and to be ready.
pub const CONVERGENCE_TIMEOUT: Duration = Duration::from_secs(30);

/// Of the keys written while a node is away, so many are looked at before it comes back.
const SAMPLE_KEYS: usize = 30;

/// How the load is done.
#[derive(Clone, Copy, Debug)]
pub struct Settings {
    /// How often a node is killed and comes back.
    pub rounds: u32,
    /// Requests a second that the clients aim at.
    pub rate: u32,
    /// How long a node stays away.
    pub down: Duration,
    /// How long all nodes are up between two rounds.
    pub quiet: Duration,
    /// Decides what is asked, and whom the killing begins with.
    pub seed: u64,
}

/// What came of one round.
#[derive(Clone, Debug)]
pub struct Round {
    /// The node that was killed.
    pub node: String,
    /// How many keys were written while it was away.
    pub keys: usize,
    /// Of a sample of them, how many differed between their owners just before it came back. If none did, then that
    /// they are equal afterwards proves nothing.
    pub differed_before: usize,
    /// How long it took, from its start, to be ready; `None` if it was not in time.
    pub ready: Option<Duration>,
    /// How long it took, from its start, until every owner of every key had the same version; if that did not come
    /// in time, the keys that still differed, each with what `explain` said.
    pub converged: Result<Duration, Vec<String>>,
    /// Completed requests a second while it was away.
    pub per_second: f64,
}

/// What came of a load.
#[derive(Clone, Debug)]
pub struct Report {
    /// The rounds.
    pub rounds: Vec<Round>,
    /// What the clients saw.
    pub measured: Measured,
    /// Completed requests a second over the whole run.
    pub per_second: f64,
    /// What processes did wrong by themselves.
    pub misdeeds: Vec<String>,
}

/// Does all rounds.
pub async fn run(cluster: &mut Cluster, settings: Settings) -> Result<Report, Error> {
    let begun = Instant::now();
    let clients = Arc::new(Clients::new(cluster.endpoints()));
    let working = clients::start(&clients, settings.rate, settings.seed);
    let first = ChaCha8Rng::seed_from_u64(settings.seed).random_range(0..cluster.nodes().len());
    let mut rounds = Vec::new();
    for number in 0..settings.rounds {
        clients.begin_phase(format!("quiet-{number}"));
        tokio::time::sleep(settings.quiet).await;
        let index = (first + number as usize) % cluster.nodes().len();
        let round = one_round(cluster, &clients, index, number, settings.down).await?;
        eprintln!("round {}: {round}", number + 1);
        rounds.push(round);
    }
    clients.end();
    for client in working {
        client.await.expect("clients do not panic: every reply has its branch");
    }
    let measured = clients.measured();
    let per_second = measured.completed as f64 / begun.elapsed().as_secs_f64();
    Ok(Report { rounds, measured, per_second, misdeeds: cluster.misdeeds().await })
}

async fn one_round(
    cluster: &mut Cluster,
    clients: &Arc<Clients>,
    index: usize,
    number: u32,
    down: Duration,
) -> Result<Round, Error> {
    let node = cluster.nodes()[index].name().to_owned();
    // No client may choose the node any more when it dies.
    clients.strike(index);
    cluster.node_mut(index).kill();
    clients.begin_phase(format!("down-{number}"));
    let (before, since) = (clients.measured().completed, Instant::now());
    tokio::time::sleep(down).await;
    let per_second = (clients.measured().completed - before) as f64 / since.elapsed().as_secs_f64();
    let missed: BTreeSet<String> = clients.begin_phase(format!("back-{number}"));
    let differed_before = convergence::count_different(clients, missed.iter().take(SAMPLE_KEYS)).await;
    let started = Instant::now();
    cluster.node_mut(index).start_again()?;
    let ready = match cluster.wait_node_ready(index, CONVERGENCE_TIMEOUT).await {
        Ok(()) => {
            clients.welcome(index);
            Some(started.elapsed())
        }
        Err(Error::TooLate { .. }) => None,
        Err(
            error @ (Error::Host { .. }
            | Error::NoFreePorts
            | Error::NotRoot
            | Error::NoFreeSlot
            | Error::Tool(_)
            | Error::Exited { .. }),
        ) => return Err(error),
    };
    let keys = missed.len();
    let converged = convergence::wait(clients, missed, started, CONVERGENCE_TIMEOUT).await;
    Ok(Round { node, keys, differed_before, ready, converged, per_second })
}

impl Report {
    /// How the load ended.
    pub fn verdict(&self) -> Verdict {
        let is_made_good = |round: &Round| round.ready.is_some() && round.converged.is_ok();
        if self.measured.failures_count > 0
            || !self.misdeeds.is_empty()
            || !self.rounds.iter().all(is_made_good)
        {
            Verdict::Violated
        } else if self.lowest_rate() < PER_SECOND_MIN
            || self.rounds.iter().any(|round| round.differed_before == 0)
        {
            Verdict::Void
        } else {
            Verdict::Passed
        }
    }

    fn lowest_rate(&self) -> f64 {
        self.rounds.iter().map(|round| round.per_second).fold(self.per_second, f64::min)
    }
}

impl fmt::Display for Round {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ready = self
            .ready
            .map_or("not ready in time".to_owned(), |ready| format!("ready {:.3} s", ready.as_secs_f64()));
        write!(
            formatter,
            "{} killed, {:.0} requests a second without it; {} of a sample differed; \
             {ready} after its return; ",
            self.node, self.per_second, self.differed_before
        )?;
        match &self.converged {
            Ok(after) => {
                write!(formatter, "all owners of {} keys equal after {:.3} s", self.keys, after.as_secs_f64())
            }
            Err(different) => {
                write!(formatter, "owners of {} of {} keys still differ", different.len(), self.keys)?;
                for one in different.iter().take(3) {
                    write!(formatter, "\n    {one}")?;
                }
                Ok(())
            }
        }
    }
}

impl fmt::Display for Report {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(formatter, "{}", self.verdict().word())?;
        for (number, round) in (1..).zip(&self.rounds) {
            writeln!(formatter, "  round {number}: {round}")?;
        }
        writeln!(
            formatter,
            "load: {} completed, {:.1} a second, lowest phase {:.1}",
            self.measured.completed,
            self.per_second,
            self.lowest_rate(),
        )?;
        writeln!(formatter, "{}", self.measured)?;
        for misdeed in &self.misdeeds {
            writeln!(formatter, "  {misdeed}")?;
        }
        Ok(())
    }
}
