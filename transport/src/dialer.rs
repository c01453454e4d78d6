//! One lane to one member: dials, runs the connection, and dials again, for as long as the member is one.

use crate::handshake::{self, HandshakeError, Identity, Proven, RefusalReason, Secret};
use crate::pending::Calls;
use crate::{Lane, Limits, Memory, connection};
use arc_swap::ArcSwapOption;
use quorate_model::NodeId;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::net::TcpStream;
use tokio::sync::{Notify, watch};
use tokio::time::Instant;

/// What all dialers of a node share.
pub struct Dialing {
    /// Who this node is.
    pub identity: Identity,
    /// The cluster's secret.
    pub secret: Secret,
    /// Limits of the traffic.
    pub limits: Limits,
    /// What is remembered of the past.
    pub memory: Arc<dyn Memory>,
    /// Whether all peer traffic is cut.
    pub cut: watch::Receiver<bool>,
    /// Counts changes of any link's state.
    pub changes: watch::Sender<u64>,
    /// Told whenever a peer says that another live process has our id.
    pub duplicate: watch::Sender<Option<Duplicate>>,
}

/// A peer has refused this node because another live process has its id.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Duplicate {
    /// The peer.
    pub peer: NodeId,
    /// Its sentence.
    pub why: String,
}

/// One lane to one member.
pub struct Link {
    /// The member.
    pub node: NodeId,
    /// Which lane.
    pub lane: Lane,
    /// Where it is dialed; changes when the member moves.
    pub address: watch::Sender<String>,
    /// What the catalog said last; only another address there moves the link.
    pub announced: Mutex<String>,
    /// The connection, while there is one.
    pub calls: ArcSwapOption<Calls>,
    /// Dial at once: the member has just been heard of.
    pub wake: Notify,
    /// Connections made since the start.
    pub connects: AtomicU64,
    /// Calls queued on connections that have ended.
    pub sent_before: AtomicU64,
    /// Whether nobody answered at its address when it was dialed last.
    pub unreachable: AtomicBool,
    /// Why the last connection ended, or was not made.
    pub last_error: Mutex<Option<String>>,
}

impl Link {
    /// A link that nobody dials yet.
    pub fn new(node: NodeId, lane: Lane, address: String) -> Self {
        Self {
            node,
            lane,
            announced: Mutex::new(address.clone()),
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
        let mut announced = self.announced.lock().expect("nothing panics while it holds this lock");
        if *announced != address {
            address.clone_into(&mut announced);
            self.move_to(address);
        }
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
            let dialed = tokio::time::timeout(dialing.limits.handshake, self.dial(&dialing, &target)).await;
            let why = match dialed {
                Ok(Ok((socket, proven))) => {
                    pause = first;
                    // Before anything passes: this node may have to doubt itself.
                    dialing.memory.told(self.node, proven.remembered);
                    let connection = self.run(&dialing, socket, proven);
                    tokio::select! {
                        why = connection => why,
                        _ = cut.wait_for(|cut| *cut) => "peer traffic is cut".to_owned(),
                        _ = address.changed() => "its address has changed".to_owned(),
                    }
                }
                Ok(Err(error)) => {
                    self.unreachable.store(matches!(error, HandshakeError::Io(_)), Ordering::Relaxed);
                    if let Some(RefusalReason::Incarnation { node, counts, .. }) = error.refusal()
                        && *node == dialing.identity.node
                    {
                        dialing.memory.superseded(self.node, *counts);
                    }
                    if let Some(duplicate @ RefusalReason::Duplicate { node, .. }) = error.refusal()
                        && *node == dialing.identity.node
                    {
                        let why = duplicate.to_string();
                        dialing.duplicate.send_replace(Some(Duplicate { peer: self.node, why }));
                    }
                    error.to_string()
                }
                Err(_) => format!("no connection within {} ms", dialing.limits.handshake.as_millis()),
            };
            self.ended(&dialing, &target, why);
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
        let mut socket = TcpStream::connect(target).await?;
        socket.set_nodelay(true)?;
        let Dialing { secret, identity, memory, .. } = dialing;
        let dialed = handshake::dial(&mut socket, secret, *identity, self.node, self.lane, &**memory).await;
        dialed.map(|proven| (socket, proven))
    }

    /// Runs a connection to its end. The guard clears up also when this future is dropped half-way.
    async fn run(&self, dialing: &Dialing, socket: TcpStream, proven: Proven) -> String {
        let calls = Arc::new(Calls::new(dialing.limits.queued_bytes_max, proven.protocol));
        self.connects.fetch_add(1, Ordering::Relaxed);
        self.unreachable.store(false, Ordering::Relaxed);
        *self.error() = None;
        // The peer believes in this life of ours; what another one has said still stands.
        dialing
            .duplicate
            .send_if_modified(|known| known.take_if(|duplicate| duplicate.peer == self.node).is_some());
        self.calls.store(Some(Arc::clone(&calls)));
        match self.lane {
            Lane::Data => tracing::info!(node = %self.node, boot = %proven.boot, "connected to a peer"),
            Lane::Urgent | Lane::Bulk => {
                tracing::debug!(node = %self.node, lane = %self.lane, "connected to a peer");
            }
        }
        dialing.changes.send_modify(|changes| *changes += 1);
        let up = Up { link: self, dialing, calls: &calls };
        let why = connection::run(socket, &calls, &dialing.limits).await;
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
