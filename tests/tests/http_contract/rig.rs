//! Three nodes in this process.

use super::ask::{get, post};
use quorate::config::{Config, settings::limits_in_force};
use quorate::instance::{AUDIT_FILE, Instance, InstanceConfig};
use quorate_api::token::{SECRET_BYTES, Token};
use quorate_coordinator::Timing;
use quorate_http::access::new_token;
use quorate_http::{AccessSetup, AuditSetup, Limits, Server, Setup};
use quorate_model::{Durability, Rules, WallTime};
use quorate_node::FillLimits;
use quorate_node::hints::ReplayLimits;
use quorate_node::purge::PurgeLimits;
use quorate_node::sync::SyncLimits;
use quorate_node::{Entry, NodeConfig, StorageConfig, bind};
use quorate_ports::Block;
use quorate_ring::{NewAdmin, Weight};
use quorate_storage::RocksOptions;
use quorate_storage::rocks::FreeBytes;
use quorate_transport::Secret;
use serde_json::{Value as Json, json};
use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::{Duration, Instant};
use tempfile::TempDir;
use tokio::runtime::Runtime;

/// Says that every cluster has access control on, and that every request says who asks.
const SWITCH: &str = "QUORATE_CONTRACT_ACCESS";

/// A secret that is none.
const TOKEN: Token = Token { id: 0xa7, secret: [7; SECRET_BYTES] };

/// Nothing takes longer, or the test fails.
const PATIENCE: Duration = Duration::from_mins(1);

/// A cluster of nodes n1, n2, n3, with a table `t` (n = 3, quorum, `os`).
pub struct Cluster {
    nodes: Vec<Mutex<Option<Instance>>>,
    configs: Vec<InstanceConfig>,
    addresses: Vec<SocketAddr>,
    disk_is_full: Arc<AtomicBool>,
    runtime: Runtime,
    _folder: TempDir,
    /// Where peers listen, so that an address is free again when its node has ended.
    _ports: Block,
}

/// The cluster that all tests share that break nothing. Ends with the last of them.
pub fn shared() -> Arc<Cluster> {
    static SHARED: Mutex<Weak<Cluster>> = Mutex::new(Weak::new());
    // A test that failed while it waited for the cluster must not fail the others.
    let mut shared = SHARED.lock().unwrap_or_else(PoisonError::into_inner);
    shared.upgrade().unwrap_or_else(|| {
        let cluster = Arc::new(Cluster::of_three());
        *shared = Arc::downgrade(&cluster);
        cluster
    })
}

/// Whether every cluster has access control on.
pub fn all_are_guarded() -> bool {
    std::env::var_os(SWITCH).is_some_and(|value| value == "1")
}

/// The token of the admin of every cluster with access control.
pub fn token() -> String {
    TOKEN.reveal()
}

/// Waits for a condition.
#[track_caller]
pub fn until<T>(what: &str, mut condition: impl FnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + PATIENCE;
    loop {
        if let Some(met) = condition() {
            return met;
        }
        assert!(Instant::now() < deadline, "{what}: not in {PATIENCE:?}");
        std::thread::yield_now();
    }
}

impl Cluster {
    pub fn of_three() -> Self {
        let cluster = Self::start(3, Limits::default());
        cluster.make_table("t", 3, Durability::Os);
        cluster
    }

    pub fn start(count: usize, limits: Limits) -> Self {
        let names: Vec<String> = (1..=count).map(|number| format!("n{number}")).collect();
        Self::called(&names.iter().map(String::as_str).collect::<Vec<_>>(), limits)
    }

    /// Nodes of these names: the first has the id n1, and so on.
    pub fn called(names: &[&str], limits: Limits) -> Self {
        Self::launch(names, limits, all_are_guarded())
    }

    /// One node without access control.
    pub fn open() -> Self {
        Self::launch(&["n1"], Limits::default(), false)
    }

    /// Three nodes with access control, and with a table `t`.
    pub fn guarded() -> Self {
        let cluster = Self::launch(&["n1", "n2", "n3"], Limits::default(), true);
        cluster.make_table("t", 3, Durability::Os);
        cluster
    }

    fn launch(names: &[&str], limits: Limits, is_guarded: bool) -> Self {
        let count = names.len();
        // The second time it is there already.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let runtime =
            tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let folder = tempfile::tempdir().expect("a folder");
        let ports = Block::take().expect("free ports");
        let disk_is_full = Arc::new(AtomicBool::new(false));
        let mut nodes: Vec<Instance> = Vec::new();
        let mut configs = Vec::new();
        for (index, name) in names.iter().enumerate() {
            let entry = match nodes.first() {
                None => Entry::found("contract"),
                Some(first) => Entry::Join { addresses: vec![first.http_address().to_string()] },
            };
            let full = Arc::clone(&disk_is_full);
            let free = move |_: &Path| Ok(if full.load(Ordering::Relaxed) { 0 } else { u64::MAX });
            let node = NodeConfig {
                data: folder.path().join(format!("n{}", index + 1)),
                name: (*name).to_owned(),
                zone: format!("z{}", index + 1),
                weight: Weight::ONE,
                http_address: String::new(),
                peer_listen: (Ipv4Addr::LOCALHOST, ports.port(u16::try_from(index).expect("a few"))).into(),
                peer_advertise: None,
                peer_backlog: limits.connections_backlog,
                entry,
                admin: (is_guarded && index == 0).then(|| NewAdmin {
                    user: "admin".to_owned(),
                    token: new_token(&TOKEN, WallTime(1), None),
                }),
                secret: Secret::new(Vec::new()),
                // The end of a node in this process is seen at once, and its silence is that of a busy machine.
                peer_limits: quorate_transport::Limits {
                    silence: Duration::from_secs(30),
                    ..quorate_transport::Limits::default()
                },
                storage: StorageConfig {
                    rocks: RocksOptions {
                        block_cache_bytes: 8 << 20,
                        memtable_bytes: 8 << 20,
                        free_bytes: FreeBytes(Arc::new(free)),
                        ..RocksOptions::default()
                    },
                    ..StorageConfig::default()
                },
                replay: ReplayLimits::default(),
                heal: false,
                sync: SyncLimits::default(),
                fill: FillLimits::default(),
                purge: PurgeLimits::default(),
                shards: Some(quorate_node::automatic::ShardLimits::default()),
                timing: Timing::default(),
                rules: Rules::INTACT,
                boot_id_file: quorate_node::node::BOOT_ID_FILE.into(),
            };
            let config = InstanceConfig {
                listen: (Ipv4Addr::LOCALHOST, 0).into(),
                advertise: None,
                allowed_hosts: vec!["db.example".to_owned()],
                limits: limits.clone(),
                access: AccessSetup::default(),
                audit: AuditSetup { file: Some(node.data.join(AUDIT_FILE)), required: false },
                workers: Some(2),
                auto: false,
                node,
            };
            configs.push(config.clone());
            nodes.push(runtime.block_on(Instance::start(config)).expect("a node that starts"));
        }
        let addresses: Vec<SocketAddr> = nodes.iter().map(Instance::http_address).collect();
        let nodes = nodes.into_iter().map(|node| Mutex::new(Some(node))).collect();
        let cluster =
            Self { nodes, configs, addresses, disk_is_full, runtime, _folder: folder, _ports: ports };
        for node in 0..count {
            until("every node knows every node, and that it is up", || {
                let seen = get("/v1/cluster").by(&token()).of(cluster.at(node)).is(200).json();
                (seen["nodes"] == count && seen["nodes_up"] == count).then_some(())
            });
        }
        cluster
    }

    /// Waits until every node votes on the catalog.
    pub fn all_vote(&self) {
        until("every node is a voter", || {
            let view = self.with(0, |instance| instance.node().core().view());
            let mut nodes = view.catalog().nodes();
            nodes.all(|node| node.voter).then_some(())
        });
    }

    /// The lines of a node's audit log.
    pub fn audit(&self, node: usize) -> Vec<Json> {
        let text = std::fs::read_to_string(self.configs[node].node.data.join(AUDIT_FILE)).expect("a log");
        text.lines().map(|line| serde_json::from_str(line).expect("a document a line")).collect()
    }

    /// The address of a node, counted from 0.
    pub fn at(&self, node: usize) -> SocketAddr {
        self.addresses[node]
    }

    /// Makes a table of `n` copies, known to every node.
    pub fn make_table(&self, name: &str, n: u8, durability: Durability) {
        let table = json!({"name": name, "n": n, "shards": 8, "durability": durability.as_str()});
        post("/v1/tables", &table).by(&token()).of(self.at(0)).is(201);
        for address in &self.addresses {
            until("every node is ready", || (get("/health/ready").of(*address).status == 200).then_some(()));
        }
    }

    /// Whether every disk says that it is full.
    pub fn fill_disks(&self, full: bool) {
        self.disk_is_full.store(full, Ordering::Relaxed);
    }

    /// Stops a node as a killed process would.
    pub fn kill(&self, node: usize) {
        let killed = self.nodes[node].lock().unwrap().take().expect("it runs");
        self.runtime.block_on(killed.kill());
    }

    /// Kills a node and starts it again, on ports of its own, with a mark in its folder that says why its disk was
    /// doubted. Where it listens now.
    pub fn restart_in_doubt(&self, node: usize, mark: &str) -> SocketAddr {
        self.restart(node, |folder| std::fs::write(folder.join("doubtful"), mark).expect("a mark"))
    }

    /// The same after its database has vanished, and its catalog with it.
    pub fn restart_without_database(&self, node: usize) -> SocketAddr {
        self.restart(node, |folder| std::fs::remove_dir_all(folder.join("db")).expect("removed"))
    }

    fn restart(&self, node: usize, harm: impl FnOnce(&Path)) -> SocketAddr {
        // Its peers' port is the one it had: at another address it would be let in only once its former process is surely
        // silent.
        self.kill(node);
        harm(&self.configs[node].node.data);
        self.start_again(node)
    }

    /// Starts a node that was killed. Where it listens now.
    pub fn start_again(&self, node: usize) -> SocketAddr {
        let mut config = self.configs[node].clone();
        config.node.entry = Entry::Existing;
        config.node.admin = None;
        let started = self.runtime.block_on(Instance::start(config)).expect("its folder is there");
        let address = started.http_address();
        *self.nodes[node].lock().unwrap() = Some(started);
        address
    }

    /// An HTTP server without a node behind it yet.
    pub fn server_without_node(&self) -> Server {
        let _inside = self.runtime.enter();
        let listener = bind((Ipv4Addr::LOCALHOST, 0).into(), 16).expect("a loopback port");
        Server::start(listener, Setup::default()).expect("a listening socket")
    }

    /// Looks into a node.
    pub fn with<T>(&self, node: usize, look: impl FnOnce(&Instance) -> T) -> T {
        look(self.nodes[node].lock().unwrap().as_ref().expect("it runs"))
    }

    /// Waits until a node sees so many nodes up.
    pub fn sees_up(&self, node: usize, count: usize) {
        until("a node sees who is up", || {
            let seen = get("/v1/cluster").by(&token()).of(self.at(node)).is(200).json();
            (seen["nodes_up"] == count).then_some(())
        });
    }

    /// A further HTTP server of a node, with limits of its own.
    pub fn second_server(&self, node: usize, limits: Limits) -> Server {
        self.server_with(node, Setup { limits, ..Setup::default() })
    }

    /// The same, set up so.
    pub fn server_with(&self, node: usize, setup: Setup) -> Server {
        let _inside = self.runtime.enter();
        let listener = bind((Ipv4Addr::LOCALHOST, 0).into(), 16).expect("a loopback port");
        let in_force = limits_in_force(&Config { limits: setup.limits.clone(), ..Config::default() });
        let setup = Setup { in_force, ..setup };
        let server = Server::start(listener, setup).expect("a listening socket");
        self.with(node, |instance| server.open(instance.node().core()));
        server
    }

    /// Stops a node in order.
    pub fn shut_down(&self, node: usize) {
        let stopped = self.nodes[node].lock().unwrap().take().expect("it runs");
        self.runtime.block_on(stopped.shutdown());
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        for node in &self.nodes {
            let node = node.lock().unwrap_or_else(PoisonError::into_inner).take();
            if let Some(node) = node {
                self.runtime.block_on(node.kill());
            }
        }
    }
}

/// A path of one key of the table `t`.
pub fn key(name: &str) -> String {
    format!("/v1/tables/t/keys/{name}")
}
