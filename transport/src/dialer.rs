//! One lane to one member: dials, runs the connection, and dials again, for as long as the member is one.
//!
//! A member may be elsewhere than the catalog says: where it was heard last, or where another member says it is. Each
//! such place is dialed in turn, and the handshake proves who is there. Where another member than the expected one
//! answers, that one is looked for there.

use crate::addresses::Addresses;
use crate::contact::Contacts;
use crate::handshake::{self, HandshakeError, Identity, Proven, RefusalReason, Secret, Whereabouts};
use crate::pending::Calls;
use crate::{Lane, Limits, PeerCounters, connection};
use arc_swap::ArcSwapOption;
use quorate_model::{Boot, Gone, NodeId};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::net::TcpStream;
use tokio::sync::{Notify, mpsc, watch};
use tokio::time::Instant;

/// What all dialers of a node share.
pub struct Dialing {
    /// Who this node is.
    pub identity: Identity,
    /// What it says of itself beside that.
    pub whereabouts: Whereabouts,
    /// The cluster's secret.
    pub secret: Secret,
    /// Limits of the traffic.
    pub limits: Limits,
    /// What is remembered of the past.
    pub counters: Arc<dyn PeerCounters>,
    /// When each member was heard last.
    pub contacts: Arc<Contacts>,
    /// Whether all peer traffic is cut.
    pub cut: watch::Receiver<bool>,
    /// Counts changes of any link's state.
    pub changes: watch::Sender<u64>,
    /// Told whenever a peer says that another live process has our id.
    pub duplicate: watch::Sender<Option<Duplicate>>,
    /// Told once a member says that this node is none any more.
    pub gone: watch::Sender<Option<Dismissal>>,
    /// Members that were found where another one was expected.
    pub found: mpsc::Sender<(NodeId, String)>,
}

/// A peer has refused this node because another live process has its id.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Duplicate {
    /// The peer.
    pub peer: NodeId,
    /// Where it was dialed.
    pub address: String,
    /// Its sentence.
    pub why: String,
    /// When it said so.
    pub said: Instant,
    /// When it had heard the other process.
    pub heard: Instant,
}

/// A member has said that this node is no member any more. That is for good.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Dismissal {
    /// The member.
    pub peer: NodeId,
    /// Why.
    pub gone: Gone,
}

/// One lane to one member.
pub struct Link {
    /// The member.
    pub node: NodeId,
    /// Which lane.
    pub lane: Lane,
    /// Where it is dialed; changes when the member moves.
    pub address: watch::Sender<String>,
    /// Where else it may be.
    pub addresses: Mutex<Addresses>,
    /// Who was there last, and where: proved.
    pub met: Mutex<Option<Met>>,
    /// The connection, while there is one.
    pub calls: ArcSwapOption<Calls>,
    /// Dial at once: the member has just been heard of.
    pub wake: Notify,
    /// Connections made since the start.
    pub connects: AtomicU64,
    /// Calls queued on connections that have ended.
    pub sent_before: AtomicU64,
    /// Whether no process answered at its address when it was dialed last.
    pub unreachable: AtomicBool,
    /// Why the last connection ended, or was not made.
    pub last_error: Mutex<Option<String>>,
}

/// A member that has proved who it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Met {
    /// Its process.
    pub boot: Boot,
    /// Where it was dialed.
    pub address: String,
    /// When it was heard last, once the connection has ended.
    pub heard: Option<Instant>,
}

impl Dialing {
    /// Makes a connection to a member and proves who is there.
    pub async fn dial(
        &self,
        node: NodeId,
        lane: Lane,
        target: &str,
    ) -> Result<(TcpStream, Proven), HandshakeError> {
        let mut socket = TcpStream::connect(target).await?;
        socket.set_nodelay(true)?;
        let Dialing { secret, identity, whereabouts, counters, .. } = self;
        let whom = (node, lane);
        let dialed = handshake::dial(&mut socket, secret, *identity, whereabouts, whom, &**counters).await;
        dialed.map(|proven| (socket, proven))
    }

    /// Acts on why there is no connection to a member at an address.
    pub fn heed(&self, peer: NodeId, target: &str, error: &HandshakeError) {
        let me = self.identity.node;
        match error.proven_refusal() {
            Some(RefusalReason::Incarnation { node, counts, .. }) if *node == me => {
                self.counters.superseded(peer, *counts);
            }
            Some(duplicate @ RefusalReason::Duplicate { node, heard_ms, .. }) if *node == me => {
                let said = Instant::now();
                let heard = heard_ms.and_then(|ms| said.checked_sub(Duration::from_millis(ms)));
                let (heard, why) = (heard.unwrap_or(said), duplicate.to_string());
                let address = target.to_owned();
                self.duplicate.send_replace(Some(Duplicate { peer, address, why, said, heard }));
            }
            Some(RefusalReason::NotMember { node, gone: Some(gone) }) if *node == me => {
                let first = |known: &mut Option<Dismissal>| {
                    let is_first = known.is_none();
                    known.get_or_insert(Dismissal { peer, gone: *gone });
                    is_first
                };
                self.gone.send_if_modified(first);
            }
            Some(_) | None => {}
        }
        if let Some(instead) = error.found_instead().filter(|instead| *instead != NodeId(0)) {
            // A hint more or less: the queue may be full.
            let _full = self.found.try_send((instead, target.to_owned()));
        }
    }

    /// A member at an address believes in this process; what another one has said still stands.
    pub fn believed(&self, peer: NodeId, target: &str) {
        self.duplicate
            .send_if_modified(|known| known.take_if(|it| it.peer == peer && it.address == target).is_some());
    }
}

impl Link {
    /// A link that is not dialed yet.
    pub fn new(node: NodeId, lane: Lane, address: String) -> Self {
        Self {
            node,
            lane,
            addresses: Mutex::new(Addresses::new(&address)),
            met: Mutex::default(),
            address: watch::Sender::new(address),
            calls: ArcSwapOption::empty(),
            wake: Notify::new(),
            connects: AtomicU64::new(0),
            sent_before: AtomicU64::new(0),
            unreachable: AtomicBool::new(false),
            last_error: Mutex::default(),
        }
    }

    /// Takes the catalog's address, where that is another than before.
    pub fn announce(&self, address: &str) {
        if self.addresses().announce(address) {
            self.move_to(address);
        }
    }

    /// Takes an address at which the member may be; dials it, unless there is a connection.
    pub fn suggest(&self, address: &str) {
        self.addresses().suggest(address);
        if self.calls.load().is_none() {
            self.move_to(address);
            self.wake.notify_one();
        }
    }

    fn addresses(&self) -> std::sync::MutexGuard<'_, Addresses> {
        self.addresses.lock().expect("nothing panics while it holds this lock")
    }

    /// Who was there last.
    pub fn met(&self) -> std::sync::MutexGuard<'_, Option<Met>> {
        self.met.lock().expect("nothing panics while it holds this lock")
    }

    /// From now on the member is dialed there; a connection to elsewhere ends.
    pub fn move_to(&self, address: &str) {
        self.address.send_if_modified(|known| {
            let moved = known != address;
            if moved {
                address.clone_into(known);
            }
            moved
        });
    }

    /// Dials and runs connections until the task is aborted.
    pub async fn keep(self: Arc<Self>, dialing: Arc<Dialing>) {
        let (first, longest) = (dialing.limits.backoff_min, dialing.limits.backoff_max);
        let mut pause = first;
        let mut cut = dialing.cut.clone();
        let mut address = self.address.subscribe();
        loop {
            if cut.wait_for(|cut| !cut).await.is_err() {
                return;
            }
            let target = address.borrow_and_update().clone();
            if target.is_empty() {
                self.unreachable.store(true, Ordering::Relaxed);
                self.ended(&dialing, &target, "where it is is not known yet".to_owned());
                if address.changed().await.is_err() {
                    return;
                }
                continue;
            }
            let dialed = tokio::time::timeout(dialing.limits.handshake, self.dial(&dialing, &target)).await;
            let why = match dialed {
                Ok(Ok((socket, proven))) => {
                    pause = first;
                    // What was only suggested meanwhile is of no interest any more.
                    let wanted = address.borrow_and_update().clone();
                    if wanted != target && !self.addresses().is_announced(&wanted) {
                        self.move_to(&target);
                        address.mark_unchanged();
                    }
                    let connection = self.run(&dialing, socket, proven, &target);
                    tokio::select! {
                        why = connection => why,
                        _ = cut.wait_for(|cut| *cut) => "peer traffic is cut".to_owned(),
                        _ = address.changed() => "its address has changed".to_owned(),
                    }
                }
                Ok(Err(error)) => {
                    let is_there = !matches!(error, HandshakeError::Io(_)) && error.found_instead().is_none();
                    self.unreachable.store(!is_there, Ordering::Relaxed);
                    dialing.heed(self.node, &target, &error);
                    error.to_string()
                }
                Err(_) => {
                    self.unreachable.store(true, Ordering::Relaxed);
                    format!("no connection within {} ms", dialing.limits.handshake.as_millis())
                }
            };
            self.ended(&dialing, &target, why);
            // The next attempt is made where it may be else. What was announced or suggested meanwhile comes first.
            if *address.borrow() == target
                && let Some(next) = self.addresses().after(&target)
            {
                self.move_to(&next);
            }
            // Up to half of the pause is random, so that a cluster does not dial in step.
            let until = Instant::now() + pause.mul_f64(0.5 + random_fraction() / 2.0);
            pause = (pause * 2).min(longest);
            tokio::select! {
                () = tokio::time::sleep_until(until) => {}
                () = self.wake.notified() => tokio::time::sleep(Duration::from_millis(1)).await,
            }
        }
    }

    async fn dial(&self, dialing: &Dialing, target: &str) -> Result<(TcpStream, Proven), HandshakeError> {
        dialing.dial(self.node, self.lane, target).await
    }

    /// Runs a connection to its end. The guard clears up also when this future is dropped half-way.
    async fn run(&self, dialing: &Dialing, socket: TcpStream, proven: Proven, target: &str) -> String {
        let calls = Arc::new(Calls::new(dialing.limits.queued_bytes_max, proven.protocol));
        self.connects.fetch_add(1, Ordering::Relaxed);
        self.unreachable.store(false, Ordering::Relaxed);
        *self.error() = None;
        *self.met() = Some(Met { boot: proven.boot, address: target.to_owned(), heard: None });
        dialing.believed(self.node, target);
        self.calls.store(Some(Arc::clone(&calls)));
        match self.lane {
            Lane::Data => tracing::info!(node = %self.node, boot = %proven.boot, "connected to a peer"),
            Lane::Urgent | Lane::Bulk => {
                tracing::debug!(node = %self.node, lane = %self.lane, "connected to a peer");
            }
        }
        dialing.changes.send_modify(|changes| *changes += 1);
        let up = Up { link: self, dialing, calls: &calls };
        let contact = dialing.contacts.of(self.node);
        // It has just proved who it is.
        contact.heard();
        let every = || dialing.limits.alive_every(self.lane, dialing.contacts.expected());
        let why = connection::run(socket, &calls, &dialing.limits, (&contact, every)).await;
        drop(up);
        why
    }

    fn ended(&self, dialing: &Dialing, target: &str, why: String) {
        let mut last = self.error();
        if last.as_ref() != Some(&why) && !*dialing.cut.borrow() {
            // What ends one lane ends all three, mostly: it is said once.
            match self.lane {
                Lane::Data => {
                    tracing::warn!(node = %self.node, address = target, "no connection to a peer: {why}");
                }
                Lane::Urgent | Lane::Bulk => {
                    tracing::debug!(node = %self.node, lane = %self.lane, "no connection to a peer: {why}");
                }
            }
        }
        *last = Some(why);
    }

    fn error(&self) -> std::sync::MutexGuard<'_, Option<String>> {
        self.last_error.lock().expect("nothing panics while it holds this lock")
    }
}

/// A connection that is up, for as long as this exists.
struct Up<'a> {
    link: &'a Link,
    dialing: &'a Dialing,
    calls: &'a Calls,
}

impl Drop for Up<'_> {
    fn drop(&mut self) {
        if let Some(met) = &mut *self.link.met() {
            met.heard = Instant::now().checked_sub(self.calls.silent_for());
        }
        self.link.calls.store(None);
        self.link.sent_before.fetch_add(self.calls.sent(), Ordering::Relaxed);
        self.calls.close(&[]);
        self.dialing.changes.send_modify(|changes| *changes += 1);
    }
}

/// From 0 to 1.
fn random_fraction() -> f64 {
    let bits = getrandom::u32().expect("the operating system has random bytes");
    f64::from(bits) / f64::from(u32::MAX)
}
