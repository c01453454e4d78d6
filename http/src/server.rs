//! The accept loop: how connections come, how many, and how they all end.
//!
//! ```text
//!   backlog ──┬─ room for one more ──────────────> serves everything
//!             ├─ full, but the reserve is not ───> one answer on health, metrics or limits; all else 503 overloaded
//!             └─ both are full ──────────────────> waits in the backlog
//! ```
//!
//! A node that is full must still be able to say that it lives: who asks for its health is a load balancer or an
//! operator, and silence would make them replace a node that only has much to do.

use super::App;
use super::connection;
use super::edge::Edge;
use super::failures;
use crate::access::Guard;
use crate::audit::Audit;
use crate::edge::Setup;
use crate::limits::Limits;
use crate::metrics::{Metrics, States};
use crate::scope::Scope;
use quorate_node::core::Core;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio::task::{JoinHandle, JoinSet};
use tokio::time::{sleep, timeout};

/// How long the loop rests when the process can't take a connection (no descriptors left).
const REST: Duration = Duration::from_millis(100);

/// Room for one connection, given back when this is dropped.
#[derive(Debug)]
struct Slot {
    scope: Scope,
    _permit: OwnedSemaphorePermit,
}

/// Room for connections.
#[derive(Clone, Debug)]
struct Slots {
    everything: Arc<Semaphore>,
    health: Arc<Semaphore>,
}

impl Slots {
    fn new(limits: &Limits) -> Self {
        Self {
            everything: Arc::new(Semaphore::new(limits.connections_max)),
            health: Arc::new(Semaphore::new(limits.health_connections_max)),
        }
    }

    /// A place, once there is one; where there are both, one that serves everything.
    async fn wait(&self) -> Slot {
        let of = |room: &Arc<Semaphore>| Arc::clone(room).acquire_owned();
        let (scope, permit) = tokio::select! {
            biased;
            permit = of(&self.everything) => (Scope::Everything, permit),
            permit = of(&self.health) => (Scope::Health, permit),
        };
        Slot { scope, _permit: permit.expect("this semaphore is never closed") }
    }

    /// The same place, or a better one that has become free meanwhile.
    fn better(&self, slot: Slot) -> Slot {
        match (slot.scope, Arc::clone(&self.everything).try_acquire_owned()) {
            (Scope::Health, Ok(permit)) => Slot { scope: Scope::Everything, _permit: permit },
            (Scope::Everything, _) | (Scope::Health, Err(_)) => slot,
        }
    }
}

/// A running HTTP server. Dropping it ends every connection at once; [`Server::drain`] lets requests finish.
#[derive(Debug)]
pub struct Server {
    edge: Arc<Edge>,
    address: SocketAddr,
    drain: watch::Sender<bool>,
    drain_notice: Duration,
    drain_timeout: Duration,
    accepting: JoinHandle<()>,
}

impl Server {
    /// Serves a listening socket. Until a node is there ([`Server::open`]) it says that it is starting.
    pub fn start(listener: TcpListener, setup: Setup) -> io::Result<Self> {
        Self::over(Arc::new(Edge::new(setup, Arc::new(Metrics::default()))), listener)
    }

    /// Serves this edge on a listening socket.
    fn over(edge: Arc<Edge>, listener: TcpListener) -> io::Result<Self> {
        let address = listener.local_addr()?;
        let (drain, draining) = watch::channel(false);
        let (drain_notice, drain_timeout) = (edge.limits.drain_notice, edge.limits.drain_timeout);
        let accepting = tokio::spawn(accept(Arc::clone(&edge), listener, draining));
        Ok(Self { edge, address, drain, drain_notice, drain_timeout, accepting })
    }

    /// Serves this node from now on.
    pub fn open(&self, core: &Arc<Core>) {
        self.edge.metrics.register(Box::new(States::new(Arc::downgrade(core))));
        let Edge { limits, in_force, broken, metrics, access, audit, .. } = &*self.edge;
        let guard = Guard::new(*access, limits, Arc::clone(metrics));
        let audit = Audit::new(audit.clone(), Arc::clone(metrics));
        let counted = Arc::clone(metrics);
        core.count_traffic(move || counted.traffic());
        self.edge.open(App::new(
            Arc::clone(core),
            Arc::clone(limits),
            Arc::clone(in_force),
            broken.clone(),
            Arc::clone(metrics),
            (guard, audit),
        ));
    }

    /// Says from now on that the node, which is reached here, waits to become a member of a cluster.
    pub fn wait_to_join(&self, address: &str) {
        self.edge.wait_to_join(address);
    }

    /// Serves these routes from now on, in place of a node's.
    pub fn open_routes(&self, routes: axum::Router) {
        self.edge.open_routes(routes);
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Serves on for a moment, each connection for one more answer, so that a load balancer that asks for health hears that
    /// the node stops before anything is refused. Then takes no new connection, ends idle ones, lets requests at work
    /// finish within the drain timeout, and ends what is left.
    pub async fn drain(mut self) {
        self.edge.announce_stop();
        sleep(self.drain_notice).await;
        self.drain.send_replace(true);
        // A little longer than the loop itself waits.
        let _ = timeout(self.drain_timeout + Duration::from_secs(1), &mut self.accepting).await;
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

async fn accept(edge: Arc<Edge>, listener: TcpListener, mut drain: watch::Receiver<bool>) {
    let draining = drain.clone();
    let slots = Slots::new(&edge.limits);
    // Dropped with this task, and with it every connection.
    let mut connections = JoinSet::new();
    let mut summing_up = tokio::time::interval(failures::INTERVAL);
    loop {
        tokio::select! {
            _ = summing_up.tick() => edge.failures.sum_up(),
            // An error means that the server is gone.
            _ = drain.wait_for(|drain| *drain) => break,
            (socket, slot) = next(&listener, &slots) => {
                // Without delay even where the peer's answers are small; a socket that refuses works too.
                let _ = socket.set_nodelay(true);
                edge.metrics.connections.inc();
                connections.spawn(one(Arc::clone(&edge), socket, draining.clone(), slot));
            }
        }
        while connections.try_join_next().is_some() {}
    }
    drop(listener);
    let finished = async { while connections.join_next().await.is_some() {} };
    let _ = timeout(edge.limits.drain_timeout, finished).await;
}

/// The next connection, once there is room for one more; until then they wait in the backlog.
async fn next(listener: &TcpListener, slots: &Slots) -> (TcpStream, Slot) {
    let slot = slots.wait().await;
    loop {
        match listener.accept().await {
            Ok((socket, _)) => return (socket, slots.better(slot)),
            Err(error) => {
                // A connection that ended before it was taken, or no descriptor left for it.
                tracing::warn!(%error, "can't take a connection");
                sleep(REST).await;
            }
        }
    }
}

async fn one(edge: Arc<Edge>, socket: TcpStream, drain: watch::Receiver<bool>, slot: Slot) {
    /// Counts down also where the task is aborted.
    struct Open(Arc<Edge>);
    impl Drop for Open {
        fn drop(&mut self) {
            self.0.metrics.connections_open.dec();
        }
    }
    edge.metrics.connections_open.inc();
    let open = Open(Arc::clone(&edge));
    connection::serve(edge, socket, drain, slot.scope).await;
    drop((open, slot));
}

#[cfg(test)]
mod tests;
