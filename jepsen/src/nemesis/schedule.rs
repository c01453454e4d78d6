//! When things break, and which of several at once.
//!
//! ```text
//!   quiet | strike a ... strike b ... heal a ... heal b | all must be ready again | quiet | ...
//! ```
//!
//! A round breaks one thing, or several that overlap; each is healed when its own time is over. Half of the rounds of a
//! run with several faults break one alone, so that there are figures for it alone. Those that struck least often come
//! first, and chance, drawn from the seed, decides among them and about all lengths. When everything is healed, all nodes
//! that are not poisoned must be ready again in time; that moment belongs to each fault of the round. The last round
//! ends early enough that the clients see a healed cluster for a while before the run is over.

use std::time::{Duration, Instant};

use rand::seq::SliceRandom as _;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

use super::{Entry, Fault};
use crate::cluster::Cluster;
use crate::history::Recorder;
use crate::record::{EventKind, EventRecord};

/// The bounds of the time between a recovery and the next strike, in milliseconds.
const QUIET_MS: std::ops::Range<u64> = 1_000..4_000;

/// The bounds of the time between two strikes of one round, in milliseconds.
const BETWEEN_MS: std::ops::Range<u64> = 0..1_500;

/// At most so many faults at once.
const AT_ONCE_MAX: usize = 3;

/// How long all nodes may take to be ready again after a healing.
pub const RECOVERY_TIMEOUT: Duration = Duration::from_secs(20);

/// How often nodes' memory is looked at.
const SAMPLE_EVERY: Duration = Duration::from_millis(500);

/// A fault of a run, and how often it struck.
struct Running {
    entry: &'static Entry,
    fault: Box<dyn Fault>,
    strikes: u32,
}

/// The faults of a run, and what happens to a cluster.
pub struct Schedule<'a> {
    cluster: &'a mut Cluster,
    recorder: &'a Recorder,
    faults: Vec<Running>,
    random: ChaCha8Rng,
    /// No fault holds longer than this and its own least time, so that a short run has several rounds.
    hold_max: Duration,
    events: Vec<EventRecord>,
}

impl<'a> Schedule<'a> {
    /// These faults against this cluster.
    pub fn new(
        faults: &[&'static Entry],
        cluster: &'a mut Cluster,
        recorder: &'a Recorder,
        seed: u64,
        hold_max: Duration,
    ) -> Schedule<'a> {
        let running = |entry: &&'static Entry| Running { entry, fault: (entry.make)(), strikes: 0 };
        Schedule {
            faults: faults.iter().map(running).collect(),
            random: ChaCha8Rng::seed_from_u64(seed),
            events: Vec::new(),
            cluster,
            recorder,
            hold_max,
        }
    }

    /// Strikes and heals until the given moment, and leaves everything healed.
    pub async fn disturb(mut self, until: Instant) -> Vec<EventRecord> {
        loop {
            let quiet = self.draw(QUIET_MS);
            self.rest((Instant::now() + quiet).min(until)).await;
            if Instant::now() >= until {
                return self.events;
            }
            self.round(until).await;
        }
    }

    /// Strikes some, heals them, and waits until all is well.
    async fn round(&mut self, until: Instant) {
        let mut healing: Vec<(Instant, usize)> = Vec::new();
        for chosen in self.choose() {
            if self.strike(chosen) {
                let entry = self.faults[chosen].entry;
                // One that must hold for long to be what it is holds at least as long as it must.
                let hold_min = Duration::from_millis(entry.hold_ms.start);
                let hold = self.draw(entry.hold_ms.clone()).min(self.hold_max.max(hold_min));
                healing.push((Instant::now() + hold, chosen));
            }
            let between = self.draw(BETWEEN_MS);
            self.rest((Instant::now() + between).min(until)).await;
        }
        healing.sort_unstable();
        for (due, chosen) in &healing {
            self.rest((*due).min(until)).await;
            self.heal(*chosen);
        }
        if healing.is_empty() {
            return;
        }
        let healed = Instant::now();
        let ready = self.cluster.wait_ready(RECOVERY_TIMEOUT).await;
        self.cluster.sample_memory();
        let recovered = self.recorder.now();
        let took = healed.elapsed().as_secs_f64();
        let said = match ready {
            Ok(()) => self.cluster.say_of_poisoned(RECOVERY_TIMEOUT).await,
            Err(error) => Err(error),
        };
        let (kind, what) = match said {
            Ok(said) => {
                let mut what = format!("ready after {took:.3} s");
                for line in said {
                    what += &format!("; {line}");
                }
                (EventKind::Recovered, what)
            }
            Err(error) => (EventKind::Trouble, error.to_string()),
        };
        for (_, chosen) in healing {
            self.note_at(recovered, kind, chosen, Vec::new(), what.clone());
        }
    }

    /// Which faults strike in this round, those first that struck least often.
    fn choose(&mut self) -> Vec<usize> {
        let mut order: Vec<usize> = (0..self.faults.len()).collect();
        order.shuffle(&mut self.random);
        order.sort_by_key(|index| self.faults[*index].strikes);
        let most = self.faults.len().min(AT_ONCE_MAX);
        let count =
            if most > 1 && self.random.random() { self.random.random_range(2..=most) } else { most.min(1) };
        order.truncate(count);
        order
    }

    /// Lets a fault strike, and says whether there is something to heal now.
    fn strike(&mut self, index: usize) -> bool {
        let running = &mut self.faults[index];
        // One that finds nothing to strike must make room for others too.
        running.strikes += 1;
        match running.fault.strike(self.cluster, &mut self.random) {
            Ok(Some(struck)) => {
                let names =
                    struck.nodes.iter().map(|node| self.cluster.nodes()[*node].name().to_owned()).collect();
                self.note(EventKind::Strike, index, names, struck.what);
                true
            }
            Ok(None) => false,
            Err(error) => {
                self.note(EventKind::Trouble, index, Vec::new(), error.to_string());
                true
            }
        }
    }

    fn heal(&mut self, index: usize) {
        match self.faults[index].fault.heal(self.cluster) {
            Ok(what) => self.note(EventKind::Heal, index, Vec::new(), what),
            Err(error) => self.note(EventKind::Trouble, index, Vec::new(), error.to_string()),
        }
    }

    fn note(&mut self, kind: EventKind, index: usize, nodes: Vec<String>, what: String) {
        self.note_at(self.recorder.now(), kind, index, nodes, what);
    }

    fn note_at(&mut self, at: u64, kind: EventKind, index: usize, nodes: Vec<String>, what: String) {
        let fault = self.faults[index].entry.name.to_owned();
        self.events.push(EventRecord { at, kind, fault, nodes, what });
    }

    fn draw(&mut self, ms: std::ops::Range<u64>) -> Duration {
        Duration::from_millis(self.random.random_range(ms))
    }

    /// Waits until a moment, and looks at the nodes' memory meanwhile.
    async fn rest(&mut self, until: Instant) {
        while Instant::now() < until {
            self.cluster.sample_memory();
            tokio::time::sleep_until((Instant::now() + SAMPLE_EVERY).min(until).into()).await;
        }
    }
}
