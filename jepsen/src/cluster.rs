//! A real cluster: `quorate serve` processes, each with its own folder, log and, if there is root, its own host.
//!
//! Everything a fault does to processes goes through here, so that no process outlives the run: whoever drops the
//! cluster kills what is left of it, and its hosts and disks go too. Nodes are started exactly as the handbook says.
//! The first founds the cluster, the others join it; one that comes back after a crash gets neither flag, since its
//! folder knows who it is.
//!
//! **Claims.** Several faults work at once. One that does something to a process or a disk claims the node first, so
//! that another doesn't start what it has killed; faults of the network and of clocks need no claim.
//!
//! **Poison.** Some faults leave a node that must not serve any more: it has lost, or may have lost, what it had
//! acknowledged. Such nodes are known here: nobody waits for them to be ready, there are never more of them than the
//! copies of a key can bear, and each is held to what it [owes](owed).

pub mod clock;
pub mod disk;
mod error;
pub mod hosts;
pub mod limits;
mod memory;
pub mod network;
mod node;
pub mod owed;
mod ports;
pub mod slot;

use std::cell::Cell;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use reqwest::Method;
use serde_json::Value;

use crate::http::{Body, Http, Reply};
use clock::Clock;
pub use error::Error;
use hosts::Hosts;
use memory::Memory;
use node::Place;
pub use node::{Excuse, Node};
use owed::{Owed, Probes};
use quorate_checkers::panics;
use slot::Slot;

/// How long a cluster may take to found itself, gather its members and make a table.
const FOUNDING_TIMEOUT: Duration = Duration::from_mins(1);

/// How often a condition is looked at again.
const POLL_INTERVAL: Duration = Duration::from_millis(50);

/// How many keys are written before anything breaks, to see that no damaged node calls them absent: of so many each
/// node owns some.
const PROBES: usize = 8;

/// How long a poisoned node may take to say what it owes when everything is over.
const LAST_WORD_TIMEOUT: Duration = Duration::from_secs(10);

/// The file with the secret that all members share, in the cluster's folder.
const SECRET_FILE: &str = "secret";

/// How many copies of a key the workloads' tables ask for.
pub const COPIES: usize = 3;

/// What distinguishes one node from the others.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NodeShape {
    /// Its zone; `None` leaves it to the node's default.
    pub zone: Option<String>,
    /// Its weight; `None` leaves it to the node's default.
    pub weight: Option<u32>,
}

/// What a cluster is made of.
#[derive(Clone, Debug)]
pub struct Plan {
    /// The `quorate` binary.
    pub binary: PathBuf,
    /// Where the nodes' folders and logs go. Must be empty or not there.
    pub folder: PathBuf,
    /// The nodes, named n1, n2 and so on.
    pub nodes: Vec<NodeShape>,
    /// Where each node gets a host of its own; without it all are processes on loopback.
    pub slot: Option<Arc<Slot>>,
    /// How large a disk of its own each node gets; without it they have folders. Needs a slot.
    pub disk_bytes: Option<u64>,
    /// The clock that each node gets; without it they have the machine's.
    pub clock: Option<Clock>,
    /// Whether the binary takes the path of the machine's boot id.
    pub knows_boot_ids: bool,
    /// More variables of the nodes' environment.
    pub environment: Vec<(String, String)>,
}

impl Plan {
    /// So many equal nodes on loopback.
    pub fn on_loopback(binary: PathBuf, folder: PathBuf, nodes: usize) -> Plan {
        let nodes = vec![NodeShape::default(); nodes];
        Plan {
            binary,
            folder,
            nodes,
            slot: None,
            disk_bytes: None,
            clock: None,
            knows_boot_ids: false,
            environment: Vec::new(),
        }
    }
}

/// Running nodes. Those still alive are killed when it is dropped, and everything that was made for them goes.
#[derive(Debug)]
pub struct Cluster {
    // Dropped in this order: nodes first, then what they stand on.
    nodes: Vec<Node>,
    hosts: Option<Hosts>,
    http: Http,
    claims: BTreeMap<usize, &'static str>,
    poisoned: BTreeMap<usize, Owed>,
    /// What poisoned nodes did not do that they owed.
    unpaid: Vec<String>,
    probes: Option<Probes>,
    forgets_on_power_cut: bool,
    memory: Memory,
}

impl Cluster {
    /// Starts all nodes and waits until every one of them is a member and ready.
    pub async fn start(plan: &Plan) -> Result<Cluster, Error> {
        std::fs::create_dir_all(&plan.folder)
            .map_err(|cause| Error::Host { what: format!("folder {}", plan.folder.display()), cause })?;
        let hosts =
            plan.slot.as_ref().map(|slot| Hosts::make(Arc::clone(slot), plan.nodes.len())).transpose()?;
        let places = match &hosts {
            Some(hosts) => {
                write_secret(&plan.folder)?;
                hosts.all().iter().cloned().map(Place::Host).collect()
            }
            None => places_on_loopback(plan.nodes.len())?,
        };
        let mut nodes = Vec::new();
        for (index, (shape, place)) in plan.nodes.iter().zip(places).enumerate() {
            nodes.push(Node::prepare(plan, index, shape, place)?);
        }
        let mut cluster = Cluster {
            nodes,
            hosts,
            http: Http::new(),
            claims: BTreeMap::new(),
            poisoned: BTreeMap::new(),
            unpaid: Vec::new(),
            probes: None,
            forgets_on_power_cut: false,
            memory: Memory::default(),
        };
        let founder = cluster.nodes[0].address();
        cluster.nodes[0].found()?;
        cluster
            .wait("the founder to live", FOUNDING_TIMEOUT, async |cluster| cluster.is_live(0).await)
            .await?;
        for node in &mut cluster.nodes[1..] {
            node.join(&founder)?;
        }
        cluster
            .wait("all members to be listed by every node", FOUNDING_TIMEOUT, async |cluster| {
                cluster.all_know_all().await
            })
            .await?;
        cluster.bound_memory().await?;
        Ok(cluster)
    }

    /// Learns from a node's own limits how much memory nodes may take.
    async fn bound_memory(&mut self) -> Result<(), Error> {
        let bound = Cell::new(None);
        self.wait("the limits of a node", FOUNDING_TIMEOUT, async |cluster| {
            let url = format!("{}/v1/limits", cluster.nodes[0].endpoint());
            match cluster.http.ask(Method::GET, &url, Body::Empty).await {
                Reply::Answer(answer) => {
                    bound.set(Some(memory::bound(&answer.json())?));
                    Ok(())
                }
                Reply::NotSent { cause } | Reply::Lost { cause, .. } => Err(cause),
            }
        })
        .await?;
        self.memory.set_bound(bound.get());
        Ok(())
    }

    /// Makes a table and waits until every node is ready to serve it.
    pub async fn make_table(&mut self, table: Value) -> Result<(), Error> {
        self.forgets_on_power_cut |= table["durability"] == "os";
        self.wait("the table to be made", FOUNDING_TIMEOUT, async |cluster| {
            let url = format!("{}/v1/tables", cluster.nodes[0].endpoint());
            let reply = cluster.http.ask(Method::POST, &url, Body::Json(table.clone())).await;
            match reply {
                Reply::Answer(answer) if answer.is_success() || answer.status == 409 => Ok(()),
                Reply::Answer(answer) => {
                    Err(format!("{}: {}", answer.status, String::from_utf8_lossy(&answer.body)))
                }
                Reply::NotSent { cause } | Reply::Lost { cause, .. } => Err(cause),
            }
        })
        .await?;
        self.wait_ready(FOUNDING_TIMEOUT).await?;
        let name = table["name"].as_str().unwrap_or_default().to_owned();
        let probes = Probes { table: name, count: PROBES };
        self.wait("all owners to have the probes", FOUNDING_TIMEOUT, async |cluster| {
            owed::write_probes(&cluster.http, &cluster.nodes[0].endpoint(), &probes).await
        })
        .await?;
        self.probes = Some(probes);
        Ok(())
    }

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

    /// Nodes that nobody claims and that are not poisoned.
    pub fn free(&self) -> Vec<usize> {
        (0..self.nodes.len())
            .filter(|index| !self.claims.contains_key(index) && !self.poisoned.contains_key(index))
            .collect()
    }

    /// Claims a node that is free for a fault.
    pub fn claim(&mut self, index: usize, fault: &'static str) {
        let before = self.claims.insert(index, fault);
        assert!(before.is_none(), "{before:?} has node {index} already");
    }

    /// Gives back nodes that a fault has claimed; those that it has not got to yet are nobody's.
    pub fn release_all(&mut self, nodes: &[usize]) {
        self.claims.retain(|index, _| !nodes.contains(index));
    }

    /// How many more nodes may be poisoned: a minority of a key's copies in all, whoever holds them.
    pub fn may_poison(&self) -> usize {
        let minority = (COPIES.min(self.nodes.len()) - 1) / 2;
        minority.saturating_sub(self.poisoned.len())
    }

    /// From now on nobody expects this node to be ready. It owes something else, which may be said again if more is
    /// known.
    pub fn poison(&mut self, index: usize, owed: Owed) {
        self.poisoned.insert(index, owed);
    }

    /// What was to damage this node has damaged nothing: it is to be ready like the others.
    pub fn absolve(&mut self, index: usize) {
        self.poisoned.remove(&index);
    }

    /// The nodes that are poisoned.
    pub fn poisoned(&self) -> impl Iterator<Item = usize> {
        self.poisoned.keys().copied()
    }

    /// The nodes that go on serving without these, if every key still has a quorum of its owners among them; empty if
    /// it may have none.
    pub fn majority_without(&self, missing: &[usize]) -> Vec<usize> {
        let copies = COPIES.min(self.nodes.len());
        let is_enough = missing.len() <= (copies - 1) / 2 && self.poisoned.is_empty();
        let others = (0..self.nodes.len()).filter(|index| !missing.contains(index));
        if is_enough { others.collect() } else { Vec::new() }
    }

    /// Whether its tables acknowledge what a power cut may take back.
    pub fn forgets_on_power_cut(&self) -> bool {
        self.forgets_on_power_cut
    }

    /// Looks at how much memory the nodes take, and remembers the most.
    pub fn sample_memory(&mut self) {
        for node in &self.nodes {
            if let Some(pid) = node.pid() {
                self.memory.sample(node.name(), pid);
            }
        }
    }

    /// The most memory that each node was seen to take, in bytes.
    pub fn memory_peaks(&self) -> &BTreeMap<String, u64> {
        self.memory.peaks()
    }

    /// Waits until all nodes that are not poisoned say that they are ready, one right after the other.
    pub async fn wait_ready(&mut self, timeout: Duration) -> Result<(), Error> {
        self.wait("readiness of all", timeout, async |cluster| {
            for index in (0..cluster.nodes.len()).filter(|index| !cluster.poisoned.contains_key(index)) {
                let name = cluster.nodes[index].name();
                cluster.is_ready(index).await.map_err(|why| format!("{name}: {why}"))?;
            }
            Ok(())
        })
        .await
    }

    /// Holds each poisoned node to what it owes, and gives the answers in a few words. Each has this time to say it;
    /// one that does not is noted as a misdeed.
    pub async fn say_of_poisoned(&mut self, timeout: Duration) -> Vec<String> {
        let mut said = Vec::new();
        for (index, owed) in self.poisoned.clone() {
            let deadline = Instant::now() + timeout;
            let name = self.nodes[index].name().to_owned();
            loop {
                // One that may end, and did, says nothing more; one that may not has been noticed.
                self.nodes[index].ended_by_itself();
                let testimony = self.testimony(index).await;
                match owed::judge(owed, &testimony) {
                    Ok(words) => {
                        said.push(format!("{name} {words}"));
                        break;
                    }
                    Err(why) if Instant::now() > deadline || !testimony.lies.is_empty() => {
                        let misdeed = format!("{name} {why}; after its damage it owes {owed:?}");
                        said.push(misdeed.clone());
                        if !self.unpaid.contains(&misdeed) {
                            self.unpaid.push(misdeed);
                        }
                        break;
                    }
                    Err(_) => tokio::time::sleep(POLL_INTERVAL).await,
                }
            }
        }
        said
    }

    async fn testimony(&self, index: usize) -> owed::Testimony {
        let node = &self.nodes[index];
        if !node.is_running() {
            return owed::Testimony::default();
        }
        let is_other = |other: &usize| *other != index && !self.poisoned.contains_key(other);
        let other = (0..self.nodes.len()).find(is_other).map(|other| self.nodes[other].endpoint());
        owed::hear(&self.http, node.name(), &node.endpoint(), other.as_deref(), self.probes.as_ref()).await
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

    /// What went wrong with the processes by themselves: nodes that ended though nobody killed them, panics in logs and
    /// metrics, memory without bound, and what damaged nodes owed and did not do.
    pub async fn misdeeds(&mut self) -> Vec<String> {
        self.say_of_poisoned(LAST_WORD_TIMEOUT).await;
        let mut misdeeds: Vec<String> = self.nodes.iter_mut().flat_map(Node::misdeeds).collect();
        for node in self.nodes.iter().filter(|node| node.is_running()) {
            let url = format!("{}/metrics", node.endpoint());
            if let Reply::Answer(answer) = self.http.ask(Method::GET, &url, Body::Empty).await {
                let page = String::from_utf8_lossy(&answer.body);
                let panics = panics::in_metrics(&page).into_iter();
                misdeeds.extend(panics.map(|said| format!("{} panicked: {said}", node.name())));
            }
        }
        misdeeds.extend(self.memory.misdeeds());
        misdeeds.extend(self.unpaid.iter().cloned());
        misdeeds
    }

    /// Kills all nodes and keeps their data where they are found when the cluster is gone, and says what could not be
    /// kept.
    pub fn keep_data(&mut self) -> Vec<String> {
        let keep = |node: &mut Node| node.keep_data().err().map(|error| format!("{}: {error}", node.name()));
        self.nodes.iter_mut().filter_map(keep).collect()
    }

    async fn is_live(&self, index: usize) -> Result<(), String> {
        self.get_ok(index, "/health/live").await
    }

    async fn is_ready(&self, index: usize) -> Result<(), String> {
        self.get_ok(index, "/health/ready").await
    }

    async fn get_ok(&self, index: usize, path: &str) -> Result<(), String> {
        let url = format!("{}{path}", self.nodes[index].endpoint());
        match self.http.ask(Method::GET, &url, Body::Empty).await {
            Reply::Answer(answer) if answer.status == 200 => Ok(()),
            Reply::Answer(answer) => {
                let problem = answer.json();
                let whole = String::from_utf8_lossy(&answer.body);
                Err(format!("{} {}", answer.status, problem["detail"].as_str().unwrap_or(&whole)))
            }
            Reply::NotSent { cause } | Reply::Lost { cause, .. } => Err(cause),
        }
    }

    async fn all_know_all(&self) -> Result<(), String> {
        for node in &self.nodes {
            let url = format!("{}/v1/cluster/nodes", node.endpoint());
            let members = match self.http.ask(Method::GET, &url, Body::Empty).await {
                Reply::Answer(answer) if answer.status == 200 => count_members(&answer.json()),
                Reply::Answer(answer) => return Err(format!("{}: {}", node.name(), answer.status)),
                Reply::NotSent { cause } | Reply::Lost { cause, .. } => {
                    return Err(format!("{}: {cause}", node.name()));
                }
            };
            if members != self.nodes.len() {
                return Err(format!("{} knows {members} of {} members", node.name(), self.nodes.len()));
            }
        }
        Ok(())
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

/// A secret that all members of one cluster share.
fn write_secret(folder: &Path) -> Result<(), Error> {
    let path = folder.join(SECRET_FILE);
    std::fs::write(&path, "the secret of a cluster that lives for a minute\n")
        .map_err(|cause| Error::Host { what: format!("secret {}", path.display()), cause })
}

/// Ports for so many nodes on loopback.
fn places_on_loopback(count: usize) -> Result<Vec<Place>, Error> {
    let ports = ports::free(count * 2)?;
    Ok(ports.chunks_exact(2).map(|two| Place::Loopback { port: two[0], peer_port: two[1] }).collect())
}

/// The members that an answer lists: an array, alone or as the member `nodes` or `items`.
fn members(json: &Value) -> Option<&Vec<Value>> {
    json.as_array().or_else(|| ["nodes", "items"].iter().find_map(|name| json[name].as_array()))
}

/// How many there are.
fn count_members(json: &Value) -> usize {
    members(json).map_or(0, Vec::len)
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
