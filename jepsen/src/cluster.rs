//! A real cluster: `quorate serve` processes, each with its own folder, log and, if there is root, its own host.
//!
//! Everything a fault does to processes goes through here, so that no process outlives the run: dropping the
//! cluster kills what is left of it, and its hosts and disks go too. Nodes are started exactly as the handbook says.
//! The first founds the cluster, the others join it. One that comes back is told the others with `--join`: its folder knows
//! who it is, but not where members are that moved, nor whom to ask to come back if its files are damaged.
//!
//! **Claims.** Several faults work at once. One that does something to a process or a disk claims the node first, so
//! that another doesn't start what it has killed; faults of the network and of clocks need no claim.
//!
//! **Damage.** Some faults leave a node that must not serve for now: it has lost, or may have lost, what it had
//! acknowledged. Such nodes are known here: they need not be ready, there are never more of them than the copies of a key
//! can bear, and each is held to its [expected behaviour](doubt), which is to be whole again by itself where it can be.

pub mod clock;
pub mod disk;
pub mod doubt;
mod error;
mod founding;
pub mod hosts;
mod kept;
pub mod limits;
mod looks;
mod memory;
pub mod network;
mod node;
mod plan;
pub mod slot;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use crate::http::Http;
use doubt::{Expected, Probe};
pub use error::Error;
use hosts::Hosts;
use memory::Memory;
pub use node::{Excuse, Node};
pub use plan::{NodeShape, Plan};
use quorate_checkers::panics;
use quorate_ports::Block;
use serde_json::Value;

/// How often a condition is looked at again.
const POLL_INTERVAL: Duration = Duration::from_millis(50);

/// How long a damaged node may take to do what is expected of it when everything is over.
const LAST_WORD_TIMEOUT: Duration = Duration::from_secs(10);

/// How long moves may take to end after that.
const MOVES_TIMEOUT: Duration = Duration::from_secs(60);

/// How many copies of a key the workloads' tables ask for.
pub const COPIES: usize = 3;

/// Running nodes. Those still alive are killed when it is dropped, and everything that was made for them goes.
#[derive(Debug)]
pub struct Cluster {
    // Dropped in this order: nodes first, then what they stand on.
    nodes: Vec<Node>,
    hosts: Option<Hosts>,
    /// Without hosts of their own: nodes that are killed must get the same ports back.
    _ports: Vec<Block>,
    http: Http,
    claims: BTreeMap<usize, &'static str>,
    /// Nodes whose disks were damaged, or may have forgotten.
    damaged: BTreeMap<usize, Expected>,
    /// The incarnations of nodes that came back from a loss; all others are the first.
    incarnations: BTreeMap<usize, u64>,
    /// What those did that was not expected.
    unexpected: Vec<String>,
    /// The path of the table that probes are in; empty until there is one.
    table: String,
    /// Its id; null until there is one.
    table_id: Value,
    probes: Vec<Probe>,
    forgets_on_power_cut: bool,
    memory: Memory,
}

impl Cluster {
    /// The base addresses of all nodes, as URLs without a path.
    pub fn endpoints(&self) -> Vec<String> {
        self.nodes.iter().map(Node::endpoint).collect()
    }

    /// The nodes.
    pub fn nodes(&self) -> &[Node] {
        &self.nodes
    }

    /// One node, to do something to it.
    pub fn node_mut(&mut self, index: usize) -> &mut Node {
        &mut self.nodes[index]
    }

    /// The hosts, if the nodes have any of their own.
    pub fn hosts_mut(&mut self) -> Option<&mut Hosts> {
        self.hosts.as_mut()
    }

    /// The hosts, if the nodes have any of their own.
    pub fn hosts(&self) -> Option<&Hosts> {
        self.hosts.as_ref()
    }

    /// Nodes that no fault has claimed and that are not damaged.
    pub fn free(&self) -> Vec<usize> {
        (0..self.nodes.len())
            .filter(|index| !self.claims.contains_key(index) && !self.damaged.contains_key(index))
            .collect()
    }

    /// Claims a node that is free for a fault.
    pub fn claim(&mut self, index: usize, fault: &'static str) {
        let before = self.claims.insert(index, fault);
        assert!(before.is_none(), "{before:?} has node {index} already");
    }

    /// Gives back nodes that a fault has claimed; those that it has not got to yet are free anyway.
    pub fn release_all(&mut self, nodes: &[usize]) {
        self.claims.retain(|index, _| !nodes.contains(index));
    }

    /// Lets a node join as a new member with an empty folder, under its name.
    pub fn begin_anew(&mut self, index: usize) -> Result<(), Error> {
        self.is_new(index);
        self.nodes[index].lose_all()?;
        self.nodes[index].join_anew()
    }

    /// Lets a node whose folder is empty join as a new member, under another name.
    pub fn join_as_another(&mut self, index: usize) -> Result<(), Error> {
        self.is_new(index);
        self.nodes[index].join_as_another()
    }

    /// Its incarnations begin anew. Of one that had lost something the first is a later one than any before.
    fn is_new(&mut self, index: usize) {
        self.incarnations.insert(index, u64::from(!self.damaged.contains_key(&index)));
    }

    /// Something went wrong that no history shows.
    pub fn note_misdeed(&mut self, what: String) {
        self.unexpected.push(what);
    }

    /// The name of the workload's table; empty until there is one.
    pub fn table(&self) -> &str {
        self.table.rsplit('/').next().unwrap_or_default()
    }

    /// The nodes that go on serving without these, if every key still has a quorum of its owners among them; empty if
    /// it may have none.
    pub fn majority_without(&self, missing: &[usize]) -> Vec<usize> {
        let copies = COPIES.min(self.nodes.len());
        let is_enough = missing.len() <= (copies - 1) / 2 && self.damaged.is_empty();
        let others = (0..self.nodes.len()).filter(|index| !missing.contains(index));
        if is_enough { others.collect() } else { Vec::new() }
    }

    /// Whether its tables acknowledge what a power cut may take back.
    pub fn forgets_on_power_cut(&self) -> bool {
        self.forgets_on_power_cut
    }

    /// Looks at how much memory the nodes take, in bytes, of each whose process is there, and remembers the most.
    pub fn sample_memory(&mut self) -> Vec<u64> {
        let memory = &mut self.memory;
        self.nodes.iter().filter_map(|node| memory.sample(node.name(), node.pid()?)).collect()
    }

    /// The most memory that each node was seen to take, in bytes.
    pub fn memory_peaks(&self) -> &BTreeMap<String, u64> {
        self.memory.peaks()
    }

    /// Waits until all nodes that are not damaged say that they are ready, one right after the other.
    pub async fn wait_ready(&mut self, timeout: Duration) -> Result<(), Error> {
        self.wait("readiness of all", timeout, async |cluster| {
            for index in (0..cluster.nodes.len()).filter(|index| !cluster.damaged.contains_key(index)) {
                let name = cluster.nodes[index].name();
                cluster.is_ready(index).await.map_err(|why| format!("{name}: {why}"))?;
            }
            Ok(())
        })
        .await
    }

    /// Waits until one node says that it is ready.
    pub async fn wait_node_ready(&mut self, index: usize, timeout: Duration) -> Result<(), Error> {
        let what = format!("readiness of {}", self.nodes[index].name());
        self.wait(&what, timeout, async |cluster| cluster.is_ready(index).await).await
    }

    /// Ends of processes that had an excuse, in words; each is told once.
    pub fn tell_excused_ends(&mut self) -> Vec<String> {
        self.nodes.iter_mut().flat_map(Node::tell_excused_ends).collect()
    }

    /// What went wrong with the processes by themselves: nodes that ended without being killed, panics in logs and
    /// metrics, memory without bound, and what damaged nodes did that was not expected.
    pub async fn misdeeds(&mut self) -> Vec<String> {
        self.ask_damaged(LAST_WORD_TIMEOUT).await;
        let causeless = self.causeless_losses().await;
        let moving = self.moves_without_end().await;
        let lost = self.probes_not_kept().await;
        let mut misdeeds: Vec<String> = self.nodes.iter_mut().flat_map(Node::misdeeds).collect();
        for node in self.nodes.iter().filter(|node| node.is_running()) {
            if let Ok(answer) = self.http.get(&format!("{}/metrics", node.endpoint())).await.answer() {
                let page = String::from_utf8_lossy(&answer.body);
                let panics = panics::in_metrics(&page).into_iter();
                misdeeds.extend(panics.map(|said| format!("{} panicked: {said}", node.name())));
            }
        }
        misdeeds.extend(causeless);
        misdeeds.extend(moving);
        misdeeds.extend(lost);
        misdeeds.extend(self.memory.misdeeds());
        misdeeds.extend(self.unexpected.iter().cloned());
        misdeeds
    }

    /// Kills all nodes and keeps their data where they are found when the cluster is gone, and says what could not be
    /// kept.
    pub fn keep_data(&mut self) -> Vec<String> {
        let keep = |node: &mut Node| node.keep_data().err().map(|error| format!("{}: {error}", node.name()));
        self.nodes.iter_mut().filter_map(keep).collect()
    }

    /// Jobs that move shards and do not come to an end, now that nothing is broken any more.
    async fn moves_without_end(&self) -> Vec<String> {
        let deadline = Instant::now() + MOVES_TIMEOUT;
        loop {
            let Some(node) = self.nodes.iter().find(|node| node.is_running()) else { return Vec::new() };
            let jobs = self.http.get(&format!("{}/v1/jobs", node.endpoint())).await.success();
            let jobs = jobs.map(|answer| answer.json()).unwrap_or_default();
            let moves = jobs["moves"].as_array().cloned().unwrap_or_default();
            let goes_on = |job: &&Value| job["ended_epoch"].is_null();
            let going: Vec<String> = moves.iter().filter(goes_on).map(Value::to_string).collect();
            if going.is_empty() || Instant::now() > deadline {
                return going.into_iter().map(|job| format!("shards move without an end: {job}")).collect();
            }
            tokio::time::sleep(POLL_INTERVAL).await;
        }
    }

    async fn is_ready(&self, index: usize) -> Result<(), String> {
        self.get_ok(index, "/health/ready").await
    }

    async fn get_ok(&self, index: usize, path: &str) -> Result<(), String> {
        self.http.get(&format!("{}{path}", self.nodes[index].endpoint())).await.success().map(drop)
    }

    /// Waits for a condition, as long as no node ends by itself.
    async fn wait(
        &mut self,
        what: &str,
        timeout: Duration,
        condition: impl AsyncFn(&Cluster) -> Result<(), String>,
    ) -> Result<(), Error> {
        let deadline = Instant::now() + timeout;
        loop {
            let last = match condition(self).await {
                Ok(()) => return Ok(()),
                Err(last) => last,
            };
            for node in &mut self.nodes {
                if let Some(how) = node.ended_by_itself() {
                    return Err(Error::Exited { node: node.name().to_owned(), how });
                }
            }
            if Instant::now() > deadline {
                return Err(Error::TooLate { what: what.to_owned(), waited: timeout, last });
            }
            tokio::time::sleep(POLL_INTERVAL).await;
        }
    }
}

/// A folder for one run, below the place for temporary files.
pub fn run_folder(name: &str) -> PathBuf {
    let moment = std::time::SystemTime::now()
        .duration_since(std::time::UNIX_EPOCH)
        .map_or(0, |since| since.as_millis());
    std::env::temp_dir().join(format!("quorate-jepsen-{name}-{moment}-{}", std::process::id()))
}

/// Removes the folder of a run that passed. What cannot be removed stays, and is told.
pub fn remove_folder(folder: &Path) {
    if let Err(error) = std::fs::remove_dir_all(folder) {
        eprintln!("{}: {error}", folder.display());
    }
}
