//! Real nodes over loopback, in one process: founding, joining, restarts, and what goes on without a majority.

mod access;
mod cluster;
mod disk;
mod fewer;
mod gone;
mod grow;
mod heal;
mod hints;
mod membership;
mod moves;
mod purge;
mod replace;
mod sync;

use super::{Entry, Node, NodeConfig, Runtime, StartError, StorageConfig};
use crate::core::{Core, GetRequest, PutRequest};
use crate::fill::FillLimits;
use crate::hints::ReplayLimits;
use crate::purge::PurgeLimits;
use crate::sync::SyncLimits;
use quorate_coordinator::{GetAnswer, GetError, PutAnswer, PutError, Timing};
use quorate_model::{Body, Durability, Key, Level, NodeId, Rules, Table};
use quorate_ports::Block;
use quorate_ring::{Command, NewTable, RequestId, Weight};
use quorate_transport::{self as transport, Secret};
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::time::Instant;

/// Everything must have happened by then.
const PATIENCE: Duration = Duration::from_mins(1);

/// How long a client of these tests waits.
const TIMEOUT: Duration = Duration::from_secs(10);

fn loopback(port: u16) -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], port))
}

/// Nodes with their folders. A node that is killed keeps its folder and its addresses.
struct Cluster {
    folders: Vec<TempDir>,
    nodes: Vec<Option<Node>>,
    addresses: Vec<SocketAddr>,
    contact: SocketAddr,
    /// Where peers listen, so that an address is free again when its node has ended.
    ports: Block,
}

fn config(number: usize, folder: &Path, entry: Entry, peers: SocketAddr) -> NodeConfig {
    NodeConfig {
        data: folder.to_owned(),
        name: format!("n{}", number + 1),
        zone: format!("z{}", number + 1),
        weight: Weight::ONE,
        http_address: format!("127.0.0.1:{}", number + 1),
        peer_listen: peers,
        peer_advertise: None,
        peer_backlog: 16,
        entry,
        admin: None,
        secret: Secret::new(&b"the secret of the tests"[..]),
        peer_limits: transport::Limits {
            keepalive: Duration::from_millis(300),
            silence: Duration::from_millis(1_500),
            ..transport::Limits::default()
        },
        storage: StorageConfig::default(),
        replay: ReplayLimits::default(),
        sync: SyncLimits::default(),
        fill: FillLimits::default(),
        purge: PurgeLimits::default(),
        shards: Some(crate::automatic::ShardLimits::default()),
        heal: false,
        timing: Timing::default(),
        rules: Rules::INTACT,
        boot_id_file: super::BOOT_ID_FILE.into(),
    }
}

async fn start(config: NodeConfig) -> Result<Node, StartError> {
    Node::start(Runtime::new(&config.name, Some(2))?, config).await
}

impl Cluster {
    /// Founds a cluster and lets others join until there are `count`.
    async fn start(count: usize) -> Self {
        Self::start_with(count, |_| ()).await
    }

    /// The same, each of them set up so.
    async fn start_with(count: usize, change: fn(&mut NodeConfig)) -> Self {
        let mut cluster = Self {
            folders: Vec::new(),
            nodes: Vec::new(),
            addresses: Vec::new(),
            contact: loopback(1),
            ports: Block::take().expect("free ports"),
        };
        cluster.add_with(Entry::found("tests"), change).await;
        cluster.contact = serve_page(cluster.node(0)).await;
        for _ in 1..count {
            cluster.join_with(change).await;
        }
        cluster.settled().await;
        cluster
    }

    async fn add_with(&mut self, entry: Entry, change: impl FnOnce(&mut NodeConfig)) {
        let folder = tempfile::tempdir().expect("a folder");
        let place = self.nodes.len();
        let peers = loopback(self.ports.port(u16::try_from(place).expect("a few nodes")));
        let mut config = config(place, folder.path(), entry, peers);
        change(&mut config);
        let node = start(config).await.expect("starts");
        self.addresses.push(node.peer_address());
        self.folders.push(folder);
        self.nodes.push(Some(node));
    }

    async fn join(&mut self) {
        self.join_with(|_| ()).await;
    }

    async fn join_with(&mut self, change: impl FnOnce(&mut NodeConfig)) {
        self.add_with(Entry::Join { addresses: vec![self.contact.to_string()] }, change).await;
    }

    fn node(&self, index: usize) -> &Node {
        self.nodes[index].as_ref().expect("it runs")
    }

    fn running(&self) -> impl Iterator<Item = &Node> {
        self.nodes.iter().flatten()
    }

    async fn kill(&mut self, index: usize) {
        self.nodes[index].take().expect("it runs").kill().await;
    }

    async fn restart(&mut self, index: usize) {
        self.restart_with(index, |_| ()).await;
    }

    /// Starts a node again that was told something else this time.
    async fn restart_with(&mut self, index: usize, change: impl FnOnce(&mut NodeConfig)) {
        let mut config = config(index, self.folders[index].path(), Entry::Existing, self.addresses[index]);
        change(&mut config);
        self.nodes[index] = Some(start(config).await.expect("starts again"));
    }

    /// Waits until all running nodes are ready and know the same catalog, and three of three vote.
    async fn settled(&self) {
        let wanted_voters = match self.nodes.len() {
            0..=2 => 1,
            3 | 4 => 3,
            5.. => 5,
        };
        until("the cluster has settled", || {
            let epoch = self.running().next().expect("one runs").core().view().epoch();
            self.running().all(|node| {
                let view = node.core().view();
                node.core().readiness().is_empty()
                    && view.epoch() == epoch
                    && view.liveness().down().len() == self.nodes.len() - self.running().count()
                    && view.catalog().voters().count() == wanted_voters
                    && node.core().leader().is_some()
            })
        })
        .await;
    }

    async fn create_table(&self, name: &str, n: u8) -> Arc<Table> {
        let mut table = NewTable::hash(name, request_id());
        table.n = n;
        table.shards = 8;
        let proposed =
            self.node(0).core().propose(Command::CreateTable(table), TIMEOUT).await.expect("created");
        assert_eq!(proposed.lagging, Vec::<NodeId>::new());
        self.table(0, name).await
    }

    async fn table(&self, index: usize, name: &str) -> Arc<Table> {
        self.node(index).core().table(name, Instant::now() + TIMEOUT).await.expect("the table is there")
    }
}

fn request_id() -> RequestId {
    let mut bytes = [0; 16];
    getrandom::fill(&mut bytes).expect("random bytes");
    RequestId(u128::from_be_bytes(bytes))
}

async fn put(node: &Node, table: &Arc<Table>, key: &str, value: &str) -> Result<PutAnswer, PutError> {
    let body = Body::Value { content_type: "text/plain".into(), payload: value.as_bytes().to_vec().into() };
    node.core().put(&put_request(table, key), body).await
}

fn put_request(table: &Arc<Table>, key: &str) -> PutRequest {
    PutRequest {
        table: Arc::clone(table),
        key: Key::new(key.as_bytes().to_vec()),
        level: table.w,
        durability: Durability::Os,
        expiry: None,
        operation: None,
        timeout: TIMEOUT,
    }
}

async fn get(node: &Node, table: &Arc<Table>, key: &str, owners: u8) -> Result<GetAnswer, GetError> {
    let level = Level::Count(owners);
    let key = Key::new(key.as_bytes().to_vec());
    node.core().get(&GetRequest { table: Arc::clone(table), key, level, timeout: TIMEOUT }).await
}

fn value(answer: Result<GetAnswer, GetError>) -> Option<String> {
    match answer.expect("answered").record?.body {
        Body::Value { payload, .. } => Some(String::from_utf8(payload.to_vec()).expect("text")),
        Body::Tombstone | Body::Expired => None,
    }
}

async fn until(what: &str, holds: impl Fn() -> bool) {
    let by = Instant::now() + PATIENCE;
    while !holds() {
        assert!(Instant::now() < by, "waited in vain until {what}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// What a node that joins needs of a member: `GET /v1/peer-address`.
fn cluster_page(core: &Core) -> String {
    let (cluster, node, peers) = (core.cluster().id, core.node(), &core.reached().peer_address);
    format!(r#"{{"id":"{cluster}","node":"{node}","peer_address":"{peers}"}}"#)
}

/// Serves that page for as long as the node runs.
async fn serve_page(node: &Node) -> SocketAddr {
    let core = Arc::downgrade(node.core());
    let listener = TcpListener::bind(loopback(0)).await.expect("a free port");
    let address = listener.local_addr().expect("bound");
    tokio::spawn(async move {
        loop {
            let (mut socket, _) = listener.accept().await.expect("accepts");
            let Some(page) = core.upgrade().map(|core| cluster_page(&core)) else { return };
            let mut head = [0; 1_024];
            let _bytes = socket.read(&mut head).await.expect("a request");
            let length = page.len();
            let answer =
                format!("HTTP/1.1 200 OK\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n{page}");
            socket.write_all(answer.as_bytes()).await.expect("answered");
        }
    });
    address
}

fn copy_folder(from: &Path, to: &Path) {
    for entry in std::fs::read_dir(from).expect("read") {
        let entry = entry.expect("read");
        let target = to.join(entry.file_name());
        if entry.file_type().expect("known").is_dir() {
            std::fs::create_dir(&target).expect("made");
            copy_folder(&entry.path(), &target);
        } else {
            std::fs::copy(entry.path(), &target).expect("copied");
        }
    }
}
