//! What breaks, and when.
//!
//! A fault is one file below this one and one line in [`FAULTS`]: it strikes, and it heals what it struck. The nemesis
//! decides when: a quiet time, a strike, a while in the broken state, the healing, and then it waits until the cluster
//! says that it is whole. Lengths are drawn from the seed. It stops early enough that the clients see a healed cluster
//! for a while before the run ends.

mod kill;

use std::fmt;
use std::time::{Duration, Instant};

use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

use crate::cluster::{Cluster, Error};
use crate::history::Recorder;

/// The bounds of the time between a healing and the next strike, in milliseconds.
const QUIET_MS: std::ops::Range<u64> = 1_000..4_000;

/// The bounds of the time between a strike and its healing, in milliseconds.
const BROKEN_MS: std::ops::Range<u64> = 500..6_000;

/// How long all nodes may take to be ready again after a healing.
pub const RECOVERY_TIMEOUT: Duration = Duration::from_secs(10);

/// Breaks something, and heals it.
pub trait Fault: Send {
    /// Breaks something, and says what, in the words of a timeline.
    fn strike(&mut self, cluster: &mut Cluster, random: &mut ChaCha8Rng) -> Result<String, Error>;

    /// Heals everything that was struck, and says what, in the words of a timeline.
    fn heal(&mut self, cluster: &mut Cluster) -> Result<String, Error>;
}

/// A line in the table of faults.
pub struct Entry {
    /// Its name on the command line.
    pub name: &'static str,
    /// What it does, in one line.
    pub about: &'static str,
    /// Makes one for a run.
    pub make: fn() -> Box<dyn Fault>,
}

/// All faults. To break nothing is no fault: that is a run without a nemesis.
pub const FAULTS: &[Entry] = &[Entry {
    name: "kill",
    about: "kill -9 of one node, and its return on the same folder",
    make: || Box::new(kill::Kill::default()),
}];

/// What happened when, in nanoseconds of the run's clock.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    /// When.
    pub at: u64,
    /// What.
    pub what: String,
    /// Which kind of event it is.
    pub kind: EventKind,
}

/// The kinds of events.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EventKind {
    /// Something broke.
    Strike,
    /// Everything that was broken is not any more.
    Heal,
    /// All nodes say that they are ready.
    Recovered,
    /// Not all nodes said so in time, or the fault could not be made or healed. A run with such an event is void.
    Trouble,
}

impl fmt::Display for Event {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{:>9.3} s  {}", self.at as f64 / 1e9, self.what)
    }
}

/// Strikes and heals until the given moment, and leaves everything healed.
pub async fn disturb(
    fault: &mut dyn Fault,
    cluster: &mut Cluster,
    recorder: &Recorder,
    seed: u64,
    until: Instant,
) -> Vec<Event> {
    let mut random = ChaCha8Rng::seed_from_u64(seed);
    let mut events = Vec::new();
    let mut note = |kind, what| events.push(Event { at: recorder.now(), what, kind });
    loop {
        let quiet = Duration::from_millis(random.random_range(QUIET_MS));
        let broken = Duration::from_millis(random.random_range(BROKEN_MS));
        tokio::time::sleep_until((Instant::now() + quiet).min(until).into()).await;
        if Instant::now() >= until {
            return events;
        }
        match fault.strike(cluster, &mut random) {
            Ok(what) => note(EventKind::Strike, what),
            Err(error) => note(EventKind::Trouble, error.to_string()),
        }
        tokio::time::sleep_until((Instant::now() + broken).min(until).into()).await;
        match fault.heal(cluster) {
            Ok(what) => note(EventKind::Heal, what),
            Err(error) => note(EventKind::Trouble, error.to_string()),
        }
        let healed = Instant::now();
        match cluster.wait_ready(RECOVERY_TIMEOUT).await {
            Ok(()) => {
                note(
                    EventKind::Recovered,
                    format!("all ready after {:.3} s", healed.elapsed().as_secs_f64()),
                );
            }
            Err(error) => note(EventKind::Trouble, error.to_string()),
        }
    }
}
