//! A whole cluster in one process, to try things on one machine: real nodes, real TCP on loopback, real folders.
//!
//! ```text
//!            n1            n2            n3            control
//!   HTTP     first         first + 10    first + 20    first + 9
//!   peers    first + 1     first + 11    first + 21
//! ```
//!
//! Nothing here is a simulation: each node is what `serve` starts, with its own folder and its own runtime. What only
//! this mode has is the control port, on loopback alone, where a second terminal can kill a node as abruptly as a
//! power switch, start it again, and cut or heal its peer traffic.
//!
//! # Invariants
//!
//! - A cluster is founded only if none of the folders has a node: a lost folder joins again, as a new member.
//! - Ports are this run's, not the folder's: nodes that come back elsewhere look for each other where this run puts them.
//! - First starts are in order, so that names and ids agree: n1 is `n1`.

pub mod control;

use crate::breakage;
use crate::instance::{Instance, InstanceConfig};
use quorate_client::{Client, Endpoint, Error as ClientError, Options, TableSpec};
use quorate_coordinator::Timing;
use quorate_http::Limits;
use quorate_node::hints::ReplayLimits;
use quorate_node::node::BOOT_ID_FILE;
use quorate_node::{Entry, NodeConfig, StartError, StorageConfig};
use quorate_ring::Weight;
use quorate_storage::{Identity, IdentityError};
use quorate_transport::Secret;
use serde::Serialize;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::time::Duration;
use thiserror::Error;
use tokio::time::{Instant, sleep};

/// Most nodes of a development cluster: each has an engine, threads and ports of its own.
pub const NODES_MAX: usize = 9;

/// From one node's ports to the next one's.
pub const PORT_STEP: u16 = 10;

/// From the first port to the control port.
pub const CONTROL_STEP: u16 = 9;

/// Client connections of each node; a machine that plays three should not need many open files.
pub const CONNECTIONS_MAX: usize = 256;

/// The table that is there from the start.
pub const TABLE: &str = "demo";

/// How long the nodes may take to be ready for their tables.
const READY_TIMEOUT: Duration = Duration::from_mins(1);

/// How often they are asked.
const READY_INTERVAL: Duration = Duration::from_millis(50);

/// A wait that takes longer than this is explained.
const WORDLESS_MAX: Duration = Duration::from_millis(700);

/// Threads of each node.
const WORKERS: usize = 2;

/// What to build.
#[derive(Clone, Debug)]
pub struct Plan {
    /// How many nodes, from 1 to [`NODES_MAX`].
    pub nodes: usize,
    /// How many zones they are spread over, from 1 to the number of nodes.
    pub zones: usize,
    /// The first port; 0: whatever is free, for tests.
    pub port: u16,
    /// The folder that holds the nodes' folders.
    pub folder: PathBuf,
}

/// A development cluster. Dropped without [`Cluster::shutdown`], its nodes end like killed ones.
pub struct Cluster {
    slots: Vec<Slot>,
}

/// One node's place, whether it runs or not.
struct Slot {
    name: String,
    zone: String,
    http: SocketAddr,
    peer: SocketAddr,
    folder: PathBuf,
    running: Option<Running>,
}

struct Running {
    instance: Instance,
    is_cut: bool,
}

/// What a second terminal can do to a node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Act {
    /// End it abruptly: no drain, no flush.
    Kill,
    /// Start it again, on its folder and ports.
    Start,
    /// Drop its peer traffic, both ways.
    Cut,
    /// Let its peer traffic flow again.
    Heal,
}

/// A node, as the control port shows it.
#[derive(Clone, Debug, Serialize)]
pub struct NodeState {
    /// Its name.
    pub name: String,
    /// Its zone.
    pub zone: String,
    /// Where clients reach it.
    pub http: SocketAddr,
    /// Where peers reach it.
    pub peer: SocketAddr,
    /// `up`, `down` or `cut`.
    pub state: &'static str,
}

/// Why the cluster is not there, or does not do what it was told.
#[derive(Debug, Error)]
pub enum Error {
    /// A node did not start.
    #[error("{name} did not start: {error}")]
    Start {
        /// Its name.
        name: String,
        /// Why.
        error: StartError,
    },
    /// A node's folder.
    #[error("{0}")]
    Folder(#[from] IdentityError),
    /// Nodes that run and are not ready.
    #[error("the nodes are not ready after {} s: {reason}", READY_TIMEOUT.as_secs())]
    NotReady {
        /// What the last one said.
        reason: String,
    },
    /// The table could not be made.
    #[error("the table {TABLE} could not be made: {0}")]
    Table(String),
    /// No such node.
    #[error("there is no node {name}; there are {names}")]
    NoSuchNode {
        /// What was asked for.
        name: String,
        /// What there is.
        names: String,
    },
    /// Nothing to do.
    #[error("{name} {state}; nothing was done")]
    Already {
        /// The node.
        name: String,
        /// Its state, as a half sentence.
        state: &'static str,
    },
}

/// The nodes that a folder holds, by their numbers: 1 for n1.
pub fn kept(folder: &Path) -> Result<Vec<usize>, IdentityError> {
    let mut kept = Vec::new();
    for number in 1..=NODES_MAX {
        if Identity::read(&folder.join(format!("n{number}")))?.is_some() {
            kept.push(number);
        }
    }
    Ok(kept)
}

/// An address on loopback that was free a moment ago.
fn free_address() -> Option<SocketAddr> {
    TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).and_then(|listener| listener.local_addr()).ok()
}

impl Cluster {
    /// Starts every node, waits until all are ready, and makes the table. Tells what it waits for, if that takes a while.
    pub async fn start(plan: &Plan, tell: impl Fn(&str)) -> Result<Self, Error> {
        let mut slots: Vec<Slot> = (0..plan.nodes).map(|at| Slot::new(plan, at)).collect();
        let mut begun = Vec::new();
        for slot in &slots {
            begun.push(Identity::read(&slot.folder)?.is_some());
        }
        for (slot, _) in slots.iter_mut().zip(&begun).filter(|(_, begun)| **begun) {
            slot.settle();
        }
        if begun.iter().all(|begun| *begun) {
            start_together(&mut slots).await?;
        } else {
            // Old ones first: new ones join them.
            let mut order: Vec<usize> = (0..slots.len()).collect();
            order.sort_by_key(|at| !begun[*at]);
            let found_first = !begun.contains(&true);
            start_in_order(&mut slots, &order, &begun, found_first).await?;
        }
        let mut cluster = Self { slots };
        cluster.wait_until_ready(&tell).await?;
        cluster.make_table(&tell).await?;
        // Which zone a node is in was settled when it was added.
        for slot in &mut cluster.slots {
            slot.learn_zone();
        }
        Ok(cluster)
    }

    /// Every node's state.
    pub fn nodes(&self) -> Vec<NodeState> {
        self.slots.iter().map(Slot::state).collect()
    }

    /// Does something to a node; returns its state after that.
    pub async fn act(&mut self, name: &str, act: Act) -> Result<NodeState, Error> {
        let names = || self.slots.iter().map(|slot| slot.name.as_str()).collect::<Vec<_>>().join(", ");
        let Some(at) = self.slots.iter().position(|slot| slot.name == name) else {
            return Err(Error::NoSuchNode { name: name.escape_default().to_string(), names: names() });
        };
        let slot = &mut self.slots[at];
        let already = |state| Error::Already { name: name.to_owned(), state };
        match (act, slot.running.take()) {
            (Act::Kill, Some(running)) => {
                running.instance.kill().await;
                tracing::warn!("{name} is killed");
            }
            (Act::Start, None) => {
                slot.start(Entry::Existing).await?;
                tracing::warn!("{name} is started again");
            }
            (Act::Cut | Act::Heal, Some(mut running)) => {
                let cut = act == Act::Cut;
                let changed = running.is_cut != cut;
                running.instance.node().cut(cut);
                running.is_cut = cut;
                slot.running = Some(running);
                if !changed {
                    return Err(already(if cut { "is cut off already" } else { "is not cut off" }));
                }
                tracing::warn!("{name} is {}", if cut { "cut off" } else { "connected again" });
            }
            (Act::Start, Some(running)) => {
                slot.running = Some(running);
                return Err(already("runs already"));
            }
            (Act::Kill, None) => return Err(already("is down already")),
            (Act::Cut | Act::Heal, None) => return Err(already("is down")),
        }
        Ok(self.slots[at].state())
    }

    /// Stops every node in order.
    pub async fn shutdown(self) {
        let stopping: Vec<_> = self
            .slots
            .into_iter()
            .filter_map(|slot| slot.running)
            .map(|running| tokio::spawn(running.instance.shutdown()))
            .collect();
        for node in stopping {
            if node.await.is_err() {
                tracing::error!("a node could not be stopped in order");
            }
        }
    }

    fn client(&self) -> Client {
        let endpoints = self.slots.iter().map(|slot| Endpoint::from(slot.http)).collect();
        Client::new(Options { endpoints, ..Options::default() }).expect("a cluster has at least one node")
    }

    async fn wait_until_ready(&self, tell: impl Fn(&str)) -> Result<(), Error> {
        let began = Instant::now();
        let (deadline, mut told) = (began + READY_TIMEOUT, String::new());
        for slot in &self.slots {
            let options = Options { endpoints: vec![Endpoint::from(slot.http)], ..Options::default() };
            let client = Client::new(options).expect("there is one endpoint");
            while let Err(error) = client.ready().await {
                let reason = format!("{}: {}", slot.name, error.cause());
                if Instant::now() >= deadline {
                    return Err(Error::NotReady { reason });
                }
                if began.elapsed() > WORDLESS_MAX && told != reason {
                    tell(&format!("waiting for {reason}"));
                    told = reason;
                }
                sleep(READY_INTERVAL).await;
            }
        }
        Ok(())
    }

    async fn make_table(&self, tell: impl Fn(&str)) -> Result<(), Error> {
        let client = self.client();
        let failed = |error: ClientError| Error::Table(error.to_string());
        match client.table(TABLE).await {
            Ok(_) => return Ok(()),
            Err(error) if error.code() == "no-such-table" => {}
            Err(error) => return Err(failed(error)),
        }
        let copies = self.slots.len().min(3) as u8;
        let spec = TableSpec { name: TABLE.to_owned(), n: Some(copies), ..TableSpec::default() };
        client.create_table(&spec).await.map_err(failed)?;
        self.wait_until_ready(tell).await
    }
}

/// Nodes that have all been members before need each other to be ready, not to start.
async fn start_together(slots: &mut [Slot]) -> Result<(), Error> {
    let again = again(slots);
    let starting: Vec<_> = slots
        .iter()
        .map(|slot| (slot.name.clone(), tokio::spawn(Instance::start(slot.config(again.clone())))))
        .collect();
    for (slot, (name, started)) in slots.iter_mut().zip(starting) {
        let started = started.await.map_err(|error| StartError::Runtime(error.to_string())).flatten();
        slot.runs(started.map_err(|error| Error::Start { name, error })?);
    }
    Ok(())
}

/// How a node that was a member before starts: where the others are now is not what its catalog says, perhaps.
fn again(slots: &[Slot]) -> Entry {
    let settled = slots.iter().filter(|slot| slot.http.port() != 0);
    Entry::Join { addresses: settled.map(|slot| slot.http.to_string()).collect() }
}

async fn start_in_order(
    slots: &mut [Slot],
    order: &[usize],
    begun: &[bool],
    found_first: bool,
) -> Result<(), Error> {
    let (mut found, again) = (found_first, again(slots));
    for at in order {
        let addresses: Vec<String> =
            slots.iter().filter(|slot| slot.running.is_some()).map(|slot| slot.http.to_string()).collect();
        let entry = match (begun[*at], found) {
            (true, _) => again.clone(),
            (false, true) => Entry::found("dev"),
            (false, false) => Entry::Join { addresses },
        };
        found = false;
        slots[*at].start(entry).await?;
    }
    Ok(())
}

impl Slot {
    fn new(plan: &Plan, at: usize) -> Self {
        let name = format!("n{}", at + 1);
        let step = u16::try_from(at).expect("a few nodes") * PORT_STEP;
        let address = |offset: u16| {
            let port = if plan.port == 0 { 0 } else { plan.port + step + offset };
            SocketAddr::from((Ipv4Addr::LOCALHOST, port))
        };
        Self {
            zone: format!("z{}", at % plan.zones + 1),
            http: address(0),
            peer: address(1),
            folder: plan.folder.join(&name),
            name,
            running: None,
        }
    }

    fn config(&self, entry: Entry) -> InstanceConfig {
        // Nobody balances load over this machine: it stops without notice.
        let limits =
            Limits { connections_max: CONNECTIONS_MAX, drain_notice: Duration::ZERO, ..Limits::default() };
        let node = NodeConfig {
            data: self.folder.clone(),
            name: self.name.clone(),
            zone: self.zone.clone(),
            weight: Weight::ONE,
            http_address: String::new(),
            peer_listen: self.peer,
            peer_advertise: None,
            peer_backlog: limits.connections_backlog,
            entry,
            secret: Secret::new(Vec::new()),
            peer_limits: quorate_transport::Limits::default(),
            storage: StorageConfig::default(),
            replay: ReplayLimits::default(),
            timing: Timing::default(),
            rules: breakage::rules(),
            boot_id_file: BOOT_ID_FILE.into(),
        };
        InstanceConfig {
            listen: self.http,
            advertise: None,
            allowed_hosts: Vec::new(),
            limits,
            workers: Some(WORKERS),
            node,
        }
    }

    async fn start(&mut self, entry: Entry) -> Result<(), Error> {
        let started = Instance::start(self.config(entry)).await;
        self.runs(started.map_err(|error| Error::Start { name: self.name.clone(), error })?);
        Ok(())
    }

    /// Draws its ports now, where any will do: the others must know where it will be.
    fn settle(&mut self) {
        for address in [&mut self.http, &mut self.peer] {
            if address.port() == 0 {
                *address = free_address().unwrap_or(*address);
            }
        }
    }

    /// Which zone the catalog says it is in.
    fn learn_zone(&mut self) {
        let Some(running) = &self.running else { return };
        let view = running.instance.node().core().view();
        if let Some(known) = view.catalog().node(running.instance.node().id()) {
            self.zone.clone_from(&known.zone);
        }
    }

    fn runs(&mut self, instance: Instance) {
        // A port that was drawn is kept: a node that is started again is found where it was.
        self.http = instance.http_address();
        self.peer = instance.node().peer_address();
        self.running = Some(Running { instance, is_cut: false });
    }

    fn state(&self) -> NodeState {
        NodeState {
            name: self.name.clone(),
            zone: self.zone.clone(),
            http: self.http,
            peer: self.peer,
            state: match &self.running {
                None => "down",
                Some(Running { is_cut: true, .. }) => "cut",
                Some(Running { is_cut: false, .. }) => "up",
            },
        }
    }
}

impl Act {
    /// The act of this name.
    pub fn parse(name: &str) -> Option<Self> {
        match name {
            "kill" => Some(Act::Kill),
            "start" => Some(Act::Start),
            "cut" => Some(Act::Cut),
            "heal" => Some(Act::Heal),
            _ => None,
        }
    }

    /// Its name.
    pub fn as_str(self) -> &'static str {
        match self {
            Act::Kill => "kill",
            Act::Start => "start",
            Act::Cut => "cut",
            Act::Heal => "heal",
        }
    }
}
