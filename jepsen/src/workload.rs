//! What clients do, and how it is judged.
//!
//! A workload is one file below this one and one line in [`WORKLOADS`]. It says which table it needs, what one client
//! does at its turn, which keys are read at the very end when everything is healed, and which checker judges the history.
//! It knows nothing of faults, nor of how often it is a client's turn: that is the [generator's](crate::generator) matter.
//! Two others have a course of their own, and files of their own: [`crate::load`] and [`crate::overload`].
//!
//! | workload | asks | is judged by |
//! |---|---|---|
//! | register, register-all | reads, writes, deletes of few keys | an order that explains every answer |
//! | register-one | the same at level one | integrity, agreement of the owners in the end; staleness is measured |
//! | set | keys that are written once | what is known never goes away |
//! | scan | the same in a range table, looked for by scans over parts of it | the same, and that each key is listed once, in order |
//! | retries | writes with an id, again at other nodes | an acknowledged id is never applied again |
//! | churn | keys deleted and made again | an order, and nothing that is over comes back |
//! | ttl | values that expire | the same, where a value may expire once at any time |
//! | regular | writes from one up to a table whose `w` is one, reads at all | each read sees the last acknowledged write |
//! | dropped | the same as register, of a table that is dropped and made again | an order in which a drop deletes every key |
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
mod dropped;
mod elements;
mod keys;
mod mixed;
mod paging;
mod register;
mod register_one;
mod regular;
mod retries;
mod scan;
mod set;
mod single;
mod ttl;

use std::collections::{BTreeMap, BTreeSet};
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use rand::SeedableRng as _;
use rand_chacha::ChaCha8Rng;
use serde_json::{Value, json};

use crate::cluster::Cluster;
use crate::http::Http;
use crate::outcome::COPIES;
use crate::record::EventRecord;
use crate::recorder::Recorder;
use crate::tally::Tally;
pub use ask::{Asked, How, ManyAsked, Parameter, Request};
pub use client::Client;
use quorate_checkers::history::History;
use quorate_checkers::judgement::{Finding, Judgement, Measure};
use quorate_checkers::operation::ClientId;

/// A future of which a table of workloads can tell the type.
pub type Running<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// What clients do. One value serves one run.
pub trait Workload: Send + Sync {
    /// The table that it needs, as the body of `POST /v1/tables`.
    fn table(&self) -> Value;

    /// What one client does at its turn: one request, or a few that belong together.
    fn act<'a>(&'a self, client: &'a mut Client) -> Running<'a, ()>;

    /// Every key that clients may have touched.
    fn keys(&self) -> Vec<String>;

    /// What is done when everything is healed and the clients have stopped: every key is read at every node, at quorum.
    fn close<'a>(&'a self, run: &'a Arc<Run>) -> Running<'a, Closed> {
        closing::at_quorum(run, self.keys())
    }

    /// What the history proves. It looks at nothing but the history, so a file can be judged again.
    fn judge(&self, history: &History) -> Judgement;

    /// Whether requests at a quorum or below succeed wherever a majority is well: its table is there all the time, and
    /// its `w` is a quorum. Below that, round one of a write needs more owners than a quorum.
    fn is_served_by_a_majority(&self) -> bool {
        true
    }

    /// How clients are driven and disturbed, where it is not the ordinary way: at their own pace, under the faults of the
    /// run.
    fn course(&self) -> Option<&dyn Course> {
        None
    }
}

/// What drives clients. It does things to a cluster, and stays in the task that owns it.
pub type Driving<'a> = Pin<Box<dyn Future<Output = Driven> + 'a>>;

/// A run with an order of its own.
pub trait Course: Send + Sync {
    /// Drives clients of a workload, and does to the cluster what belongs to it.
    fn drive<'a>(
        &'a self,
        workload: &'a Arc<dyn Workload>,
        run: &'a Arc<Run>,
        cluster: &'a mut Cluster,
    ) -> Driving<'a>;
}

/// What came of the clients' work.
#[derive(Debug, Default)]
pub struct Driven {
    /// What was broken and healed.
    pub events: Vec<EventRecord>,
    /// Until when clients worked, in nanoseconds of the history.
    pub until: u64,
    /// What broke off, and so proves nothing.
    pub void: Vec<String>,
}

/// What came of the closing reads, beside what is in the history.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Closed {
    /// Why the run proves nothing: above all what could not be read.
    pub void: Vec<String>,
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
        judgement.void.extend(self.void);
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

const fn entry(name: &'static str, about: &'static str, make: fn(Options) -> Arc<dyn Workload>) -> Entry {
    Entry { name, about, make }
}

/// All workloads.
#[rustfmt::skip]
pub const WORKLOADS: &[Entry] = &[
    entry("register", "Read, write and delete single keys at quorum; judged for linearizability per key",
        |options| Arc::new(register::at_quorum(options))),
    entry("register-all", "The same at level all",
        |options| Arc::new(register::at_all(options))),
    entry("register-one", "The same at level one; judged for integrity and agreement in the end, staleness is measured",
        |options| Arc::new(register_one::make(options))),
    entry("set", "Write each key once and look for all of them; nothing that is known may go away",
        |options| Arc::new(set::Set::new(options))),
    entry("scan", "Write each key of a range table once and scan parts of it; each key that is there appears once, in order",
        |options| Arc::new(scan::Scans::new(options))),
    entry("retries", "Write with operation ids and retry at other nodes; no acknowledged write is applied again",
        |options| Arc::new(retries::Retries::new(options))),
    entry("churn", "Delete keys and make them again; nothing that is over comes back",
        |options| Arc::new(churn::Churn::new(options))),
    entry("ttl", "Write values that expire; once seen expired, never seen again",
        |options| Arc::new(ttl::make(options))),
    entry("regular", "Writes at one and above, reads at all, of a table whose w is one; no read misses what was acknowledged",
        |options| Arc::new(regular::make(options))),
    entry("dropped", "Drop the table and make it again while its keys are used; a drop is a delete of every key",
        |options| Arc::new(dropped::Dropped::new(options))),
    entry("mixed", "All levels on the same keys; what is asked at a quorum is linearizable",
        |options| Arc::new(mixed::make(options))),
];

/// What the clients of one run share.
#[derive(Debug)]
pub struct Run {
    endpoints: Vec<String>,
    table: String,
    seed: u64,
    /// Gives the times, and collects what was done.
    pub recorder: Recorder,
    /// Counts outcomes.
    pub tally: Tally,
    http: Http,
    excused: Mutex<BTreeMap<usize, String>>,
    avoided: Mutex<BTreeSet<usize>>,
    clients: AtomicU32,
}

impl Run {
    /// A run against these nodes, on this table, that starts now.
    pub fn start(endpoints: Vec<String>, table: String, seed: u64) -> Run {
        assert!(!endpoints.is_empty(), "a run needs a node");
        Run {
            endpoints,
            table,
            seed,
            recorder: Recorder::start(),
            tally: Tally::default(),
            http: Http::new(),
            excused: Mutex::default(),
            avoided: Mutex::default(),
            clients: AtomicU32::new(0),
        }
    }

    /// The next client, with a number of its own, which works until it is over.
    pub fn client(self: &Arc<Self>, over: &Arc<AtomicBool>) -> Client {
        let number = self.clients.fetch_add(1, Ordering::Relaxed) + 1;
        Client::new(Arc::clone(self), ClientId(number), Arc::clone(over))
    }

    /// The address of the node whose turn it is.
    fn endpoint(&self, turn: usize) -> &str {
        &self.endpoints[turn % self.endpoints.len()]
    }

    /// Decides what clients do.
    pub fn seed(&self) -> u64 {
        self.seed
    }

    /// From now on no client asks this node, counted from 0.
    pub fn avoid(&self, node: usize) {
        self.avoided.lock().unwrap_or_else(PoisonError::into_inner).insert(node);
    }

    /// Clients may ask this node again.
    pub fn welcome(&self, node: usize) {
        self.avoided.lock().unwrap_or_else(PoisonError::into_inner).remove(&node);
    }

    /// A node, counted from 0, need not answer the closing reads, nor does the member of this name that it is: what was
    /// done to it obliges it to refuse. Clients still ask it, and what it answers still counts.
    pub fn excuse(&self, node: usize, member: &str) {
        let mut excused = self.excused.lock().unwrap_or_else(PoisonError::into_inner);
        excused.insert(node, member.to_owned());
    }

    /// The nodes that must answer in the end, counted from 0.
    pub fn answerable(&self) -> Vec<usize> {
        let excused = self.excused.lock().unwrap_or_else(PoisonError::into_inner);
        (0..self.endpoints.len()).filter(|node| !excused.contains_key(node)).collect()
    }

    /// The names of the others.
    pub fn absent_names(&self) -> BTreeSet<String> {
        let excused = self.excused.lock().unwrap_or_else(PoisonError::into_inner);
        excused.values().cloned().collect()
    }

    /// The node, counted from 0, that a client asks when it is its so many-th turn: the next one that is not avoided.
    fn node_for(&self, client: ClientId, turn: usize) -> usize {
        let number = client.0 as usize;
        let is_faithful = number.is_multiple_of(2);
        let avoided = self.avoided.lock().unwrap_or_else(PoisonError::into_inner);
        self.next_node(if is_faithful { number / 2 } else { turn }, &avoided)
    }

    /// A node to look at owners from, another each turn: one that must answer and that is not avoided.
    pub fn looker(&self, turn: usize) -> usize {
        let avoided = self.avoided.lock().unwrap_or_else(PoisonError::into_inner);
        let excused = self.excused.lock().unwrap_or_else(PoisonError::into_inner);
        self.next_node(turn, &avoided.iter().chain(excused.keys()).copied().collect())
    }

    fn next_node(&self, from: usize, left_out: &BTreeSet<usize>) -> usize {
        let count = self.endpoints.len();
        let mut from_here = (from..from + count).map(|turn| turn % count);
        from_here.find(|node| !left_out.contains(node)).unwrap_or(from % count)
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
        let run = Run::start(vec!["http://127.0.0.1:1".into(); 5], "t".into(), 1);
        let asked =
            |client| (0..20).map(|turn| run.node_for(ClientId(client), turn)).collect::<BTreeSet<_>>();
        let faithful: Vec<u32> = (1..=10).filter(|client| asked(*client).len() == 1).collect();
        assert_eq!(faithful, [2, 4, 6, 8, 10]);
        assert_eq!(faithful.iter().flat_map(|client| asked(*client)).collect::<BTreeSet<_>>().len(), 5);
        assert!((1..=10).filter(|client| client % 2 == 1).all(|client| asked(client).len() == 5));
        run.avoid(3);
        assert!((1..=10).all(|client| !asked(client).contains(&3)));
        run.welcome(3);
        assert!(asked(6).contains(&3));
    }
}
