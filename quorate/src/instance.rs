//! One node with the HTTP server before it: what `serve` starts once and `dev` several times in one process.
//!
//! ```text
//!   start:  listen for clients ──> HTTP says "starting" ──> node ──> HTTP serves it
//!   stop:   the node says that it drains ──> HTTP lets requests finish ──> node stops in order
//! ```
//!
//! The HTTP server runs on the node's own threads, so that both end as one when they are killed.

use crate::breakage;
use crate::config::{Config, settings::limits_in_force};
use crate::share::Share;
use quorate_http::{AccessSetup, AuditSetup, Hosts, Limits, Server, Setup};
use quorate_node::node::listen;
use quorate_node::{Entry, Node, NodeConfig, Runtime, StartError};
use quorate_storage::Identity;
use std::net::SocketAddr;

/// The audit log in a data folder, unless another file is named.
pub const AUDIT_FILE: &str = "audit.log";

/// Everything that a node and its HTTP server are told.
#[derive(Clone, Debug)]
pub struct InstanceConfig {
    /// Where clients are answered. Port 0: one that is free.
    pub listen: SocketAddr,
    /// `host:port` where clients reach it; default: `listen`.
    pub advertise: Option<String>,
    /// Other names under which clients reach it, such as a load balancer's: a request for any other host is refused.
    pub allowed_hosts: Vec<String>,
    /// What clients may make it hold.
    pub limits: Limits,
    /// What of access control is not in the catalog.
    pub access: AccessSetup,
    /// Where administrative acts are written down.
    pub audit: AuditSetup,
    /// Threads of the node; `None`: as many as there are processors.
    pub workers: Option<usize>,
    /// Whether the node gives itself a share of the data once it has become a member.
    pub auto: bool,
    /// The node, but for its `http_address`, which is known once it listens.
    pub node: NodeConfig,
}

/// A running node and its HTTP server. Dropped without being stopped, it ends like a killed one, which the drop waits for.
pub struct Instance {
    http: Server,
    node: Node,
    /// Gets the node its share of the data, if it should.
    share: Option<Share>,
}

impl Instance {
    /// Starts both. Returns once it serves; a node that joins keeps trying, while it says so, until it is a member.
    pub async fn start(config: InstanceConfig) -> Result<Self, StartError> {
        let runtime = Runtime::new(&config.node.name, config.workers)?;
        let auto = config.auto;
        // What can't be read is said when the node opens its folder.
        let is_new = matches!(config.node.entry, Entry::Join { .. })
            && matches!(Identity::read(&config.node.data), Ok(None));
        let (http, node) = runtime.run(async move { serve_starting(config) }).await??;
        let http_address = http.address();
        let node = Node::start(runtime, node).await?;
        http.open(node.core());
        if let Some(broken) = breakage::broken() {
            tracing::error!(node = %node.id(), broken, "this build breaks a rule of the protocol on purpose");
        }
        tracing::info!(
            node = %node.id(), peers = %node.peer_address(), clients = %http_address, "the node serves"
        );
        let share = auto.then(|| Share::begin(node.core(), is_new));
        Ok(Self { http, node, share })
    }

    /// The node.
    pub fn node(&self) -> &Node {
        &self.node
    }

    /// Where clients are answered.
    pub fn http_address(&self) -> SocketAddr {
        self.http.address()
    }

    /// Stops both in order: nothing that was begun is lost.
    pub async fn shutdown(self) {
        if let Some(share) = self.share {
            share.end().await;
        }
        self.node.core().announce_stop();
        self.http.drain().await;
        self.node.shutdown().await;
    }

    /// Stops both as a killed process would: nothing is finished, nothing is flushed. Returns once the node's folder can
    /// be opened again.
    pub async fn kill(self) {
        if let Some(share) = self.share {
            share.end().await;
        }
        drop(self.http);
        self.node.kill().await;
    }
}

/// Listens for clients, who are told from here on that the node is starting; what the node is told.
fn serve_starting(config: InstanceConfig) -> Result<(Server, NodeConfig), StartError> {
    let InstanceConfig {
        listen: address,
        advertise,
        allowed_hosts,
        limits,
        access,
        audit,
        workers: _,
        auto: _,
        mut node,
    } = config;
    let in_force = limits_in_force(&Config {
        limits: limits.clone(),
        peer_limits: node.peer_limits.clone(),
        storage: node.storage.clone(),
        replay: node.replay,
        sync: node.sync,
        fill: node.fill,
        purge: node.purge,
        timing: node.timing,
        ..Config::default()
    });
    let (listener, address) = listen("clients", address, limits.connections_backlog)?;
    node.http_address = advertise.unwrap_or_else(|| address.to_string());
    let hosts = Hosts::new(allowed_hosts.iter().chain([&node.http_address, &node.name]));
    let setup = Setup { hosts, limits, in_force, broken: breakage::broken(), access, audit };
    let failed = |error| StartError::Listen { what: "clients", address, error };
    let server = Server::start(listener, setup).map_err(failed)?;
    // What can't be read is said when the node opens its folder.
    if matches!(node.entry, Entry::Join { .. }) && matches!(Identity::read(&node.data), Ok(None)) {
        server.wait_to_join(&node.http_address);
    }
    Ok((server, node))
}
