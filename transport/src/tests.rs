//! Two ends of the peer traffic over loopback, with a service that does what each test needs.

mod calls;
mod handshakes;

use crate::{
    Caller, Forgetful, Identity, Incoming, Lane, Limits, Links, RefusalReason, Responder, Secret, Server,
    Service,
};
use quorate_model::{Boot, ClusterId, Gone, NodeId};
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::time::Instant;

/// Everything must have happened by then.
const PATIENCE: Duration = Duration::from_secs(20);

const SECRET: &[u8] = b"the secret of the tests";

fn identity(node: u64) -> Identity {
    Identity { cluster: ClusterId(7), node: NodeId(node), boot: Boot(100 + node), incarnation: 1 }
}

/// Short times, so that a test waits for what it tests and not for defaults.
fn limits() -> Limits {
    Limits { keepalive: Duration::from_millis(100), silence: Duration::from_millis(400), ..Limits::default() }
}

/// Answers with what it was asked, or keeps what it was asked.
#[derive(Default)]
struct Echo {
    keeps: bool,
    kept: Mutex<Vec<Responder>>,
}

impl Service for Echo {
    fn begin(&self, incoming: Incoming, responder: Responder) {
        if self.keeps {
            self.kept.lock().expect("unpoisoned").push(responder);
        } else {
            responder.answer(|out| out.extend_from_slice(&incoming.payload));
        }
    }

    fn heard_of(&self, _: NodeId, _: Option<&str>) {}

    fn admits(&self, caller: &Caller, _: Option<&str>) -> Result<(), RefusalReason> {
        let node = caller.node;
        let gone = match node.0 {
            0..90 => return Ok(()),
            96 => Some(Gone::Removed),
            97 => Some(Gone::Banned),
            _ => None,
        };
        Err(RefusalReason::NotMember { node, gone })
    }
}

struct Acceptor {
    server: Arc<Server>,
    echo: Arc<Echo>,
    address: SocketAddr,
    task: tokio::task::JoinHandle<()>,
}

impl Acceptor {
    async fn start(identity: Identity, secret: &[u8], echo: Echo) -> Self {
        Self::limited(identity, secret, echo, limits()).await
    }

    async fn limited(identity: Identity, secret: &[u8], echo: Echo, limits: Limits) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("bound");
        let echo = Arc::new(echo);
        let service: Arc<dyn Service> = Arc::clone(&echo) as Arc<dyn Service>;
        let server =
            Server::new(identity, Secret::new(secret), limits, service, Arc::new(Forgetful), Arc::default());
        let task = tokio::spawn(Arc::clone(&server).run(listener));
        Self { server, echo, address, task }
    }
}

fn links(identity: Identity, secret: &[u8], to: NodeId, address: SocketAddr) -> Links {
    let links = Links::new(identity, Secret::new(secret), limits(), Arc::new(Forgetful));
    let address = address.to_string();
    links.set_members([(to, address.as_str())].into_iter());
    links
}

/// Waits until something holds, looking again at each change of the links (and now and then).
async fn until(what: &str, links: &Links, holds: impl Fn() -> bool) {
    let by = Instant::now() + PATIENCE;
    let mut changes = links.changes();
    while !holds() {
        assert!(Instant::now() < by, "waited in vain until {what}");
        drop(tokio::time::timeout(Duration::from_millis(20), changes.changed()).await);
    }
}

async fn connected(links: &Links, to: NodeId) {
    until("all lanes are up", links, || Lane::ALL.iter().all(|lane| links.is_lane_up(to, *lane))).await;
}
