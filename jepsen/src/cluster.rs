//! A real cluster: `quorate serve` processes on loopback, each with its own folder, ports and log.
//!
//! Everything a fault does to processes goes through here, so that no process outlives the run: whoever drops the
//! cluster kills what is left of it. Nodes are started exactly as the handbook says. The first founds the cluster,
//! the others join it; one that comes back after a crash gets neither flag, since its folder knows who it is.
//!
//! **Left out**: hosts of their own. On loopback only faults that need no network can be made.

mod node;
mod ports;

use std::fmt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use reqwest::Method;
use serde_json::Value;

use crate::http::{Body, Http, Reply};
pub use node::Node;

/// How long a cluster may take to found itself, gather its members and make a table.
const FOUNDING_TIMEOUT: Duration = Duration::from_mins(1);

/// How often a condition is looked at again.
const POLL_INTERVAL: Duration = Duration::from_millis(50);

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
}

/// Running nodes. Those still alive are killed when it is dropped.
#[derive(Debug)]
pub struct Cluster {
    nodes: Vec<Node>,
    http: Http,
}

/// Why there is no cluster to test. Nothing was proved.
#[derive(Debug)]
pub enum Error {
    /// A folder, a log file or a port could not be had.
    Host {
        /// What was wanted.
        what: String,
        /// What the operating system said.
        cause: std::io::Error,
    },
    /// No run of free ports was found.
    NoFreePorts,
    /// A node ended by itself.
    Exited {
        /// Its name.
        node: String,
        /// Its exit status, and the end of its log.
        how: String,
    },
    /// A condition did not come in time.
    TooLate {
        /// What was waited for.
        what: String,
        /// For how long.
        waited: Duration,
        /// The last thing seen.
        last: String,
    },
}

impl fmt::Display for Error {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Error::Host { what, cause } => write!(formatter, "{what}: {cause}"),
            Error::NoFreePorts => formatter.write_str("no free ports on loopback; end other test clusters"),
            Error::Exited { node, how } => write!(formatter, "node {node} ended by itself: {how}"),
            Error::TooLate { what, waited, last } => {
                write!(formatter, "{what} did not come within {} s; last seen: {last}", waited.as_secs())
            }
        }
    }
}

impl std::error::Error for Error {}

impl Cluster {
    /// Starts all nodes and waits until every one of them is a member and ready.
    pub async fn start(plan: &Plan) -> Result<Cluster, Error> {
        let ports = ports::free(plan.nodes.len() * 2)?;
        let mut nodes = Vec::new();
        for (index, shape) in plan.nodes.iter().enumerate() {
            nodes.push(Node::prepare(plan, index, shape, ports[2 * index], ports[2 * index + 1])?);
        }
        let mut cluster = Cluster { nodes, http: Http::new() };
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
        Ok(cluster)
    }

    /// Makes a table and waits until every node is ready to serve it.
    pub async fn make_table(&mut self, table: Value) -> Result<(), Error> {
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
        self.wait_ready(FOUNDING_TIMEOUT).await
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

    /// Waits until every node says that it is ready.
    pub async fn wait_ready(&mut self, timeout: Duration) -> Result<(), Error> {
        for index in 0..self.nodes.len() {
            self.wait_node_ready(index, timeout).await?;
        }
        Ok(())
    }

    /// Waits until one node says that it is ready.
    pub async fn wait_node_ready(&mut self, index: usize, timeout: Duration) -> Result<(), Error> {
        let what = format!("readiness of {}", self.nodes[index].name());
        self.wait(&what, timeout, async |cluster| cluster.is_ready(index).await).await
    }

    /// What went wrong with the processes by themselves: nodes that ended though nobody killed them, and panics in
    /// logs.
    pub fn misdeeds(&mut self) -> Vec<String> {
        self.nodes.iter_mut().flat_map(Node::misdeeds).collect()
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
                Err(format!("{} {}", answer.status, String::from_utf8_lossy(&answer.body)))
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

/// How many members an answer lists: an array, alone or as the member `nodes` or `items`.
fn count_members(json: &Value) -> usize {
    let list = json.as_array().or_else(|| ["nodes", "items"].iter().find_map(|name| json[name].as_array()));
    list.map_or(0, Vec::len)
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
