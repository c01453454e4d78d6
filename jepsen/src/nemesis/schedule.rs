//! When things break, and which of several at once.
//!
//! ```text
//!   quiet | strike a ... strike b ... heal a ... heal b | all must be ready again | quiet | ...
//! ```
//!
//! A round breaks one thing, or several that overlap; each is healed when its own time is over. One that takes several steps
//! goes on with them meanwhile; if it is not through by then, it is healed after the others, once it is: what it waits for
//! may be one of them. Half of the rounds of a
//! run with several faults break one alone, so that there are figures for it alone. Those that had their turn least often
//! come first; one that finds nothing to strike leaves its place in the round to the next, and chance, drawn from the seed, decides among them and about all lengths. When everything is healed, all nodes
//! that are not damaged must be ready again in time; that moment belongs to each fault of the round. Then each that
//! lost something must be whole again, while clients go on. The last round
//! ends early enough that the clients see a healed cluster for a while before the run is over.

use std::time::{Duration, Instant};

use rand::seq::SliceRandom as _;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

use super::{Entry, Fault};
use crate::cluster::Cluster;
use crate::cluster::doubt::{Said, WHOLE_TIMEOUT};
use crate::record::{EventKind, EventRecord};
use crate::recorder::Recorder;

/// The bounds of the time between a recovery and the next strike, in milliseconds.
const QUIET_MS: std::ops::Range<u64> = 1_000..4_000;

/// The bounds of the time between two strikes of one round, in milliseconds.
const BETWEEN_MS: std::ops::Range<u64> = 0..1_500;

/// At most so many faults at once.
const AT_ONCE_MAX: usize = 3;

/// How long all nodes may take to be ready again after a healing.
pub const RECOVERY_TIMEOUT: Duration = Duration::from_secs(20);

/// How long a fault that takes several steps may take once nothing else is broken: past the time in which a node that lost
/// something must be whole again.
const STEPS_TIMEOUT: Duration = Duration::from_secs(90);

/// How often nodes' memory is looked at, and faults that take several steps go on.
const SAMPLE_EVERY: Duration = Duration::from_millis(500);

/// A fault of a run, and how often it struck.
struct Running {
    entry: &'static Entry,
    fault: Box<dyn Fault>,
    strikes: u32,
    /// How often it was its turn and it found nothing to strike: it makes room for others all the same.
    in_vain: u32,
    /// Whether it struck, and is not through with what it does.
    goes_on: bool,
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
        let running = |entry: &&'static Entry| Running {
            entry,
            fault: (entry.make)(),
            strikes: 0,
            in_vain: 0,
            goes_on: false,
        };
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
        if self
            .faults
            .iter()
            .any(|running| running.entry.makes_doubtful || running.entry.family() == "member")
        {
            self.cluster.refresh_probes().await;
        }
        let (order, wanted) = self.choose();
        for chosen in order {
            if healing.len() == wanted {
                break;
            }
            // One that finds nothing leaves its place in the round to the next.
            if !self.strike(chosen) {
                continue;
            }
            let entry = self.faults[chosen].entry;
            // One that must hold for long to be what it is holds at least as long as it must.
            let hold_min = Duration::from_millis(entry.hold_ms.start);
            let hold = self.draw(entry.hold_ms.clone()).min(self.hold_max.max(hold_min));
            healing.push((Instant::now() + hold, chosen));
            let between = self.draw(BETWEEN_MS);
            self.rest((Instant::now() + between).min(until)).await;
        }
        healing.sort_unstable();
        let mut late = Vec::new();
        for (due, chosen) in &healing {
            self.rest((*due).min(until)).await;
            if self.faults[*chosen].goes_on {
                late.push(*chosen);
            } else {
                self.heal(*chosen);
            }
        }
        self.heal_late(late).await;
        let healed = Instant::now();
        let ready = self.cluster.wait_ready(RECOVERY_TIMEOUT).await;
        self.cluster.sample_memory();
        let recovered = self.recorder.now();
        let took = healed.elapsed().as_secs_f64();
        let mut said = self.cluster.tell_excused_ends();
        let mut whole_again = Vec::new();
        let kind = match ready {
            Ok(()) => {
                said.insert(0, format!("ready after {took:.3} s"));
                for one in self.cluster.ask_damaged(WHOLE_TIMEOUT).await {
                    if one.is_whole_again {
                        whole_again.push((self.recorder.now(), one));
                    } else {
                        said.push(one.words);
                    }
                }
                EventKind::Recovered
            }
            Err(error) => {
                said.insert(0, error.to_string());
                EventKind::Trouble
            }
        };
        for (_, chosen) in healing {
            self.note_at(recovered, kind, chosen, said.join("; "));
        }
        for (at, Said { node, words, .. }) in whole_again {
            if let Some(fault) = self.damaged_by(node) {
                self.note_at(at, EventKind::Whole, fault, words);
            }
        }
    }

    /// Heals what was not through when its time was over, each as soon as it is, and in the end as it is.
    async fn heal_late(&mut self, mut late: Vec<usize>) {
        let deadline = Instant::now() + STEPS_TIMEOUT;
        while !late.is_empty() {
            let is_over = Instant::now() > deadline;
            for chosen in
                late.extract_if(.., |chosen| is_over || !self.faults[*chosen].goes_on).collect::<Vec<_>>()
            {
                self.heal(chosen);
            }
            if !late.is_empty() {
                self.rest(Instant::now() + SAMPLE_EVERY).await;
            }
        }
    }

    /// The fault that struck a node last of those that may make it lose something.
    fn damaged_by(&self, node: usize) -> Option<usize> {
        let name = self.cluster.nodes()[node].name();
        let takes = |entry: &Entry| entry.makes_doubtful || entry.family() == "power";
        self.events.iter().rev().filter(|event| event.kind == EventKind::Strike).find_map(|event| {
            let fault = self.faults.iter().position(|running| running.entry.name == event.fault)?;
            let is_it = takes(self.faults[fault].entry) && event.nodes.iter().any(|struck| struck == name);
            is_it.then_some(fault)
        })
    }

    /// All faults, those first that had their turn least often, and how many of them strike in this round.
    fn choose(&mut self) -> (Vec<usize>, usize) {
        let mut order: Vec<usize> = (0..self.faults.len()).collect();
        order.shuffle(&mut self.random);
        // Of those an upgrade comes first: most of a run is to be about the program under test.
        let turns = |running: &Running| (running.strikes + running.in_vain, !running.entry.is_upgrade());
        order.sort_by_key(|index| turns(&self.faults[*index]));
        let most = self.faults.len().min(AT_ONCE_MAX);
        let count =
            if most > 1 && self.random.random() { self.random.random_range(2..=most) } else { most.min(1) };
        (order, count)
    }

    /// Lets a fault strike, and says whether there is something to heal now.
    fn strike(&mut self, index: usize) -> bool {
        let running = &mut self.faults[index];
        match running.fault.strike(self.cluster, &mut self.random) {
            Ok(Some(struck)) => {
                running.strikes += 1;
                running.goes_on = true;
                let names = |nodes: &[usize]| {
                    nodes.iter().map(|node| self.cluster.nodes()[*node].name().to_owned()).collect()
                };
                self.events.push(EventRecord {
                    at: self.recorder.now(),
                    kind: EventKind::Strike,
                    fault: running.entry.name.to_owned(),
                    nodes: names(&struck.nodes),
                    majority: names(&struck.majority),
                    what: struck.what,
                });
                true
            }
            Ok(None) => {
                running.in_vain += 1;
                false
            }
            Err(error) => {
                running.in_vain += 1;
                running.goes_on = false;
                self.note(EventKind::Trouble, index, error.to_string());
                true
            }
        }
    }

    fn heal(&mut self, index: usize) {
        self.faults[index].goes_on = false;
        match self.faults[index].fault.heal(self.cluster) {
            Ok(what) => self.note(EventKind::Heal, index, what),
            Err(error) => self.note(EventKind::Trouble, index, error.to_string()),
        }
    }

    fn note(&mut self, kind: EventKind, index: usize, what: String) {
        self.note_at(self.recorder.now(), kind, index, what);
    }

    fn note_at(&mut self, at: u64, kind: EventKind, index: usize, what: String) {
        let fault = self.faults[index].entry.name.to_owned();
        self.events.push(EventRecord { at, kind, fault, nodes: Vec::new(), majority: Vec::new(), what });
    }

    fn draw(&mut self, ms: std::ops::Range<u64>) -> Duration {
        Duration::from_millis(self.random.random_range(ms))
    }

    /// Lets each fault that struck take its next step. One that can't is healed as it is.
    fn go_on(&mut self) {
        for index in 0..self.faults.len() {
            let running = &mut self.faults[index];
            if running.goes_on {
                let is_through = running.fault.go_on(self.cluster);
                running.goes_on = matches!(is_through, Ok(false));
                if let Err(error) = is_through {
                    self.note(EventKind::Trouble, index, error.to_string());
                }
            }
        }
    }

    /// Waits until a moment. Meanwhile faults go on, and the nodes' memory is looked at.
    async fn rest(&mut self, until: Instant) {
        while Instant::now() < until {
            self.cluster.sample_memory();
            self.go_on();
            tokio::time::sleep_until((Instant::now() + SAMPLE_EVERY).min(until).into()).await;
        }
    }
}
