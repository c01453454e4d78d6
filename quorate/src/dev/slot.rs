//! One node's place in a development cluster: its name, folder and ports, whether it runs or not.

use super::error::Error;
use super::plan::{Plan, folder_of};
use crate::breakage;
use crate::instance::{AUDIT_FILE, Instance, InstanceConfig};
use crate::process::{self, OpenFiles};
use quorate_coordinator::Timing;
use quorate_http::{AccessSetup, AuditSetup, Limits};
use quorate_model::Epoch;
use quorate_node::FillLimits;
use quorate_node::hints::ReplayLimits;
use quorate_node::node::BOOT_ID_FILE;
use quorate_node::purge::PurgeLimits;
use quorate_node::sync::SyncLimits;
use quorate_node::{Ended, Entry, NodeConfig, StartError, StorageConfig};
use quorate_ring::Weight;
use quorate_storage::RocksOptions;
use quorate_transport::Secret;
use serde::Serialize;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::PathBuf;
use std::time::Duration;

/// From one node's ports to the next one's.
pub const PORT_STEP: u16 = 10;

/// Client connections of each node; a machine that plays three should not need many open files.
const CONNECTIONS_MAX: usize = 256;

/// Threads of each node.
const WORKERS: usize = 2;

/// One node's place, whether it runs or not.
pub struct Slot {
    pub number: usize,
    pub name: String,
    pub zone: String,
    pub http: SocketAddr,
    pub peer: SocketAddr,
    pub folder: PathBuf,
    pub running: Option<Running>,
    /// Why it did not start: it is no member any more.
    pub dismissed: Option<Ended>,
    /// The last epoch at which some node's catalog had it as a member.
    pub member_at: Option<Epoch>,
}

/// A node that runs.
pub struct Running {
    pub instance: Instance,
    pub is_cut: bool,
}

/// A node, as the command port shows it.
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

/// Makes sure that so many nodes can live with the files that this process may open.
pub fn raise_open_files(nodes: usize) -> Result<(), process::Error> {
    let of_one = OpenFiles {
        connections: CONNECTIONS_MAX + Limits::default().health_connections_max,
        peers: quorate_transport::Limits::default().open_files_max(nodes),
        tables: RocksOptions::default().open_files_max.into(),
    };
    process::raise_open_files(of_one, nodes)
}

impl Slot {
    /// Before it has ever run.
    pub fn new(plan: &Plan, number: usize) -> Self {
        let at = number - 1;
        let step = u16::try_from(at).expect("a few nodes") * PORT_STEP;
        let address = |offset: u16| {
            let port = if plan.port == 0 { 0 } else { plan.port + step + offset };
            SocketAddr::from((Ipv4Addr::LOCALHOST, port))
        };
        Self {
            zone: format!("z{}", at % plan.zones + 1),
            http: address(0),
            peer: address(1),
            folder: folder_of(&plan.folder, number),
            name: format!("n{number}"),
            number,
            running: None,
            dismissed: None,
            member_at: None,
        }
    }

    /// What its instance is told.
    pub fn config(&self, entry: Entry) -> InstanceConfig {
        // No load balancer watches this machine: it stops without notice.
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
            admin: None,
            secret: Secret::new(Vec::new()),
            peer_limits: quorate_transport::Limits::default(),
            storage: StorageConfig::default(),
            replay: ReplayLimits::default(),
            sync: SyncLimits::default(),
            fill: FillLimits::default(),
            purge: PurgeLimits::default(),
            shards: Some(quorate_node::automatic::ShardLimits::default()),
            heal: true,
            timing: Timing::default(),
            rules: breakage::rules(),
            boot_id_file: BOOT_ID_FILE.into(),
        };
        InstanceConfig {
            listen: self.http,
            advertise: None,
            allowed_hosts: Vec::new(),
            limits,
            access: AccessSetup::default(),
            audit: AuditSetup { file: Some(self.folder.join(AUDIT_FILE)), required: false },
            workers: Some(WORKERS),
            auto: false,
            node,
        }
    }

    /// Starts it.
    pub async fn start(&mut self, entry: Entry) -> Result<(), Error> {
        let started = Instance::start(self.config(entry)).await;
        self.started(started)
    }

    /// What came of starting it. One that is no member any more does not run, and is no failure.
    pub fn started(&mut self, started: Result<Instance, StartError>) -> Result<(), Error> {
        match started {
            Ok(instance) => self.runs(instance),
            Err(StartError::Ended(ended)) => self.dismissed = Some(ended),
            Err(error) => return Err(Error::Start { name: self.name.clone(), error: Box::new(error) }),
        }
        Ok(())
    }

    /// Whether it has found out that it is no member any more.
    pub fn is_dismissed(&self) -> bool {
        let failed =
            self.running.as_ref().and_then(|running| running.instance.node().failed().borrow().clone());
        self.dismissed.clone().or(failed).is_some_and(|ended| match ended {
            Ended::Gone { .. } => true,
            Ended::Duplicate(_) => false,
        })
    }

    /// Draws its ports now, where any will do: the others must know where it will be.
    pub fn settle(&mut self) {
        for address in [&mut self.http, &mut self.peer] {
            if address.port() == 0 {
                *address = free_address().unwrap_or(*address);
            }
        }
    }

    /// Which zone the catalog says it is in.
    pub fn learn_zone(&mut self) {
        let Some(running) = &self.running else { return };
        let view = running.instance.node().core().view();
        if let Some(known) = view.catalog().node(running.instance.node().id()) {
            self.zone.clone_from(&known.zone);
        }
    }

    /// It runs from now on.
    pub fn runs(&mut self, instance: Instance) {
        // A port that was drawn is kept: a node that is started again is found where it was.
        self.http = instance.http_address();
        self.peer = instance.node().peer_address();
        self.running = Some(Running { instance, is_cut: false });
    }

    /// As the command port shows it.
    pub fn state(&self) -> NodeState {
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

/// An address on loopback that was free a moment ago.
fn free_address() -> Option<SocketAddr> {
    TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).and_then(|listener| listener.local_addr()).ok()
}
