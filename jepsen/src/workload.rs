//! What clients do, and how it is judged.
//!
//! A workload is one file below this one and one line in [`WORKLOADS`]. It says which table it needs, what one client
//! does until the run is over, what is read at the very end when everything is healed, and which checker judges the
//! history. It knows nothing of faults.
//!
//! | workload | asks | is judged by |
//! |---|---|---|
//! | register, register-all | reads, writes, deletes of few keys | an order that explains every answer |
//! | register-one | the same at level one | integrity, agreement of the owners in the end; staleness is measured |
//! | set | keys that are written once | what is known never goes away |
//! | retries | writes with an id, again at other nodes | an acknowledged id is never applied again |
//! | churn | keys deleted and made again | an order, and nothing that is over comes back |
//! | ttl | values that expire | the same, where a value may expire once at any time |
//! | regular | writes from one up to a table whose `w` is one, reads at all | each read sees the last acknowledged write |
//! | mixed | all levels on the same keys | an order of what was asked at a quorum |
//!
//! Their tables have [`crate::outcome::COPIES`] copies, and a `w` of a quorum but for `regular`. Every other client asks another
//! node each time, also one that is down: a client cannot know that. The rest stay with a node of their own, so that
//! those whose node is well go on while the others wait for one that stands still: otherwise the longest gap would tell
//! of the clients' patience rather than of the cluster.

mod ask;
mod churn;
mod client;
mod closing;
mod keys;
mod mixed;
mod register;
mod register_one;
mod regular;
mod retries;
mod set;
mod ttl;

use std::collections::BTreeSet;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use rand::SeedableRng as _;
use rand_chacha::ChaCha8Rng;
use serde_json::{Value, json};

use crate::http::Http;
use crate::outcome::COPIES;
use crate::recorder::Recorder;
use crate::tally::Tally;
pub use ask::{Asked, How, ManyAsked, Parameter, Request};
use quorate_checkers::history::History;
use quorate_checkers::judgement::{Finding, Judgement, Measure};
use quorate_checkers::level::Level;
use quorate_checkers::operation::ClientId;

/// A future of which a table of workloads can tell the type.
pub type Running<T> = Pin<Box<dyn Future<Output = T> + Send>>;

/// What clients do. One value serves one run.
pub trait Workload: Send + Sync {
    /// The table that it needs, as the body of `POST /v1/tables`.
    fn table(&self) -> Value;

    /// What one client does, until the run is over.
    fn client(self: Arc<Self>, run: Arc<Run>, client: ClientId) -> Running<()>;

    /// The closing reads, when everything is healed and the clients have stopped.
    fn close(self: Arc<Self>, run: Arc<Run>) -> Running<Closed>;

    /// What the history proves. It looks at nothing but the history, so a file can be judged again.
    fn judge(&self, history: &History) -> Judgement;
}

/// What came of the closing reads, beside what is in the history.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Closed {
    /// What could not be read. It makes the run void.
    pub unread: Vec<String>,
    /// What was found wrong by looking at the nodes rather than by reading.
    pub findings: Vec<Finding>,
    /// What was measured, and is no promise.
    pub measures: Vec<Measure>,
}

impl Closed {
    /// Adds it to what the judge of the history says.
    pub fn add_to(self, judgement: &mut Judgement) {
        for finding in &self.findings {
            judgement.text += &format!("\n  key {:?}: {}", finding.key, finding.what);
        }
        judgement.add_findings(self.findings);
        judgement.void.extend(self.unread);
        judgement.measures.extend(self.measures);
    }
}

/// What may be said about how much clients do, and to which table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Options {
    /// Operations on one key before it is left for another, from 1 to 2,000. A workload that needs more keys than
    /// that gives uses less.
    pub operations_per_key: u32,
    /// Keys in use at one moment, from 1. Fewer keys mean more contention on each.
    pub keys_at_once: usize,
    /// What an acknowledgement means.
    pub durability: Durability,
}

/// What an acknowledgement means in a table.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum Durability {
    /// On the disk: it survives a loss of power.
    #[default]
    Sync,
    /// With the operating system: it survives the process.
    Os,
}

impl Durability {
    /// Its name in requests and reports.
    pub fn name(self) -> &'static str {
        match self {
            Durability::Sync => "sync",
            Durability::Os => "os",
        }
    }
}

impl Default for Options {
    /// A thousand operations on a key, five keys at once, on the disk.
    fn default() -> Options {
        Options { operations_per_key: 1_000, keys_at_once: 5, durability: Durability::Sync }
    }
}

impl Options {
    /// The table that all workloads use, each under its own name.
    fn table(&self, name: &str) -> Value {
        json!({ "name": name, "sharding": "hash", "n": COPIES, "durability": self.durability.name() })
    }
}

/// A line in the table of workloads.
pub struct Entry {
    /// Its name on the command line.
    pub name: &'static str,
    /// What it does, in one line.
    pub about: &'static str,
    /// Makes one for a run.
    pub make: fn(Options) -> Arc<dyn Workload>,
}

/// All workloads.
pub const WORKLOADS: &[Entry] = &[
    Entry {
        name: "register",
        about: "Read, write and delete single keys at quorum; judged for linearizability per key",
        make: |options| Arc::new(register::Register::new(options, Level::Quorum)),
    },
    Entry {
        name: "register-all",
        about: "The same at level all",
        make: |options| Arc::new(register::Register::new(options, Level::All)),
    },
    Entry {
        name: "register-one",
        about: "The same at level one; judged for integrity and agreement in the end, staleness is measured",
        make: |options| Arc::new(register_one::RegisterOne::new(options)),
    },
    Entry {
        name: "set",
        about: "Write each key once and look for all of them; nothing that is known may go away",
        make: |options| Arc::new(set::Set::new(options)),
    },
    Entry {
        name: "retries",
        about: "Write with operation ids and retry at other nodes; no acknowledged write is applied again",
        make: |options| Arc::new(retries::Retries::new(options)),
    },
    Entry {
        name: "churn",
        about: "Delete keys and make them again; nothing that is over comes back",
        make: |options| Arc::new(churn::Churn::new(options)),
    },
    Entry {
        name: "ttl",
        about: "Write values that expire; once seen expired, never seen again",
        make: |options| Arc::new(ttl::Ttl::new(options)),
    },
    Entry {
        name: "regular",
        about: "Writes at one and above, reads at all, of a table whose w is one; no read misses what was acknowledged",
        make: |options| Arc::new(regular::Regular::new(options)),
    },
    Entry {
        name: "mixed",
        about: "All levels on the same keys; what is asked at a quorum is linearizable",
        make: |options| Arc::new(mixed::Mixed::new(options)),
    },
];

/// What the clients of one run share.
#[derive(Debug)]
pub struct Run {
    /// The nodes, as URLs without a path.
    pub endpoints: Vec<String>,
    /// Decides what clients do; when they do it is up to the machine.
    pub seed: u64,
    /// The history.
    pub recorder: Recorder,
    /// The counts.
    pub tally: Tally,
    http: Http,
    excused: Mutex<BTreeSet<usize>>,
    over: AtomicBool,
}

impl Run {
    /// A run against these nodes that starts now.
    pub fn start(endpoints: Vec<String>, seed: u64) -> Run {
        assert!(!endpoints.is_empty(), "a run needs a node");
        Run {
            endpoints,
            seed,
            recorder: Recorder::start(),
            tally: Tally::default(),
            http: Http::new(),
            excused: Mutex::default(),
            over: AtomicBool::new(false),
        }
    }

    /// Whether clients must stop.
    pub fn is_over(&self) -> bool {
        self.over.load(Ordering::Relaxed)
    }

    /// Lets the clients stop after their present operation.
    pub fn end(&self) {
        self.over.store(true, Ordering::Relaxed);
    }

    /// A node, counted from 0, need not answer the closing reads: what was done to it obliges it to refuse. Clients
    /// still ask it, and what it answers still counts.
    pub fn excuse(&self, node: usize) {
        self.excused.lock().unwrap_or_else(PoisonError::into_inner).insert(node);
    }

    /// The nodes that must answer in the end, counted from 0.
    pub fn answerable(&self) -> Vec<usize> {
        let excused = self.excused.lock().unwrap_or_else(PoisonError::into_inner);
        (0..self.endpoints.len()).filter(|node| !excused.contains(node)).collect()
    }

    /// The names of the others.
    fn absent_names(&self) -> BTreeSet<String> {
        let excused = self.excused.lock().unwrap_or_else(PoisonError::into_inner);
        excused.iter().map(|node| format!("n{}", node + 1)).collect()
    }

    /// The node, counted from 0, that a client asks when it is its so many-th turn.
    fn node_for(&self, client: ClientId, turn: usize) -> usize {
        let number = client.0 as usize;
        let is_faithful = number.is_multiple_of(2);
        if is_faithful { number / 2 % self.endpoints.len() } else { turn % self.endpoints.len() }
    }

    /// The randomness of one client.
    fn random(&self, client: ClientId) -> ChaCha8Rng {
        let mut random = ChaCha8Rng::seed_from_u64(self.seed);
        random.set_stream(u64::from(client.0) + 1);
        random
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn half_of_the_clients_stay_with_a_node_and_together_they_ask_all() {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let run = Run::start(vec!["http://127.0.0.1:1".into(); 5], 1);
        let asked =
            |client| (0..20).map(|turn| run.node_for(ClientId(client), turn)).collect::<BTreeSet<_>>();
        let faithful: Vec<u32> = (1..=10).filter(|client| asked(*client).len() == 1).collect();
        assert_eq!(faithful, [2, 4, 6, 8, 10]);
        assert_eq!(faithful.iter().flat_map(|client| asked(*client)).collect::<BTreeSet<_>>().len(), 5);
        assert!((1..=10).filter(|client| client % 2 == 1).all(|client| asked(client).len() == 5));
    }
}
