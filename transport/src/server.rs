//! The acceptor: proves who dials, then hands each request to a [`Service`].

use crate::connection::{self, READ_BUFFER_BYTES};
use crate::contact::{self, Contact, Contacts};
use crate::frame::{self, FrameError, Kind};
use crate::handshake::{self, HandshakeError, Identity, Proven, RefusalReason, Secret};
use crate::outbox::{Outbox, Responder, Working, Writing};
use crate::{Lane, Limits, PeerCounters};
use bytes::{Bytes, BytesMut};
use quorate_model::{Boot, NodeId};
use std::collections::{HashMap, VecDeque};
use std::io;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;
use tokio::io::AsyncReadExt;
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio::task::AbortHandle;
use tokio::time::Instant;

/// The same refusal is logged again after so long.
const REFUSAL_LOG_PAUSE: Duration = Duration::from_secs(10);

/// Opens a listening socket whose backlog holds `backlog` connections.
pub fn bind(address: SocketAddr, backlog: u32) -> io::Result<TcpListener> {
    let socket = if address.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    socket.listen(backlog)
}

/// Who asks.
pub type Caller = Proven;

/// One request of a peer.
#[derive(Debug)]
pub struct Incoming {
    /// Who asks.
    pub from: Caller,
    /// What kind of request.
    pub kind: Kind,
    /// Until when the peer waits.
    pub deadline: Instant,
    /// The request itself.
    pub payload: Bytes,
}

/// Who carries out the requests of peers. Called on the connection's task: it must not block or wait, only begin.
pub trait Service: Send + Sync + 'static {
    /// Begins one request; the answer may come later, from any thread.
    fn begin(&self, incoming: Incoming, responder: Responder);

    /// A member has dialed this node: it is there, and says where it is reached.
    fn heard_of(&self, node: NodeId, peer_address: Option<&str>);

    /// Whether a node that has proved the secret may connect. Not asked about a node that wants to join.
    fn admits(&self, caller: &Caller, peer_address: Option<&str>) -> Result<(), RefusalReason>;
}

/// The acceptor of one node.
pub struct Server {
    identity: Identity,
    secret: Secret,
    limits: Limits,
    service: Arc<dyn Service>,
    counters: Arc<dyn PeerCounters>,
    contacts: Arc<Contacts>,
    cut: watch::Sender<bool>,
    /// Which process of each member is connected.
    alive: Mutex<HashMap<NodeId, Alive>>,
    begun: Instant,
    last_refusal: Mutex<Option<(String, Instant)>>,
    unproven: Mutex<Unproven>,
    /// Room for proven connections.
    addresses: Arc<Semaphore>,
}

/// Connections that have not proved the secret yet, the oldest first.
#[derive(Default)]
struct Unproven {
    waiting: VecDeque<(u64, AbortHandle)>,
    /// Of the next connection.
    number: u64,
}

/// A process of a member that is connected.
struct Alive {
    boot: Boot,
    connections: usize,
    /// When it was heard last on any of them, in milliseconds since the server's beginning.
    heard_ms: Arc<AtomicU64>,
    /// Turns true when all of them end, since it is no member any more.
    out: watch::Sender<bool>,
}

/// One place among the connections of a member.
struct Admission {
    server: Arc<Server>,
    node: NodeId,
    /// Where it says it is.
    peer_address: Option<String>,
    heard_ms: Arc<AtomicU64>,
    out: watch::Receiver<bool>,
    _place: OwnedSemaphorePermit,
}

impl Server {
    /// An acceptor that has not begun.
    pub fn new(
        identity: Identity,
        secret: Secret,
        limits: Limits,
        service: Arc<dyn Service>,
        counters: Arc<dyn PeerCounters>,
        contacts: Arc<Contacts>,
    ) -> Arc<Self> {
        Arc::new(Self {
            addresses: Arc::new(Semaphore::new(limits.incoming_max)),
            unproven: Mutex::default(),
            identity,
            secret,
            limits,
            service,
            counters,
            contacts,
            cut: watch::Sender::new(false),
            alive: Mutex::default(),
            begun: Instant::now(),
            last_refusal: Mutex::default(),
        })
    }

    /// Accepts connections until the task is aborted.
    pub async fn run(self: Arc<Self>, listener: TcpListener) {
        let mut said: Option<Instant> = None;
        loop {
            let socket = match listener.accept().await {
                Ok((socket, _)) => socket,
                Err(error) => {
                    // Out of descriptors, mostly: accepting again at once would spin.
                    if said.is_none_or(|at| at.elapsed() > REFUSAL_LOG_PAUSE) {
                        tracing::warn!("accepting a peer connection failed: {error}; trying again");
                        said = Some(Instant::now());
                    }
                    tokio::time::sleep(Duration::from_millis(50)).await;
                    continue;
                }
            };
            self.begin(socket);
        }
    }

    /// Serves a connection that has proved nothing yet. If too many have not, the one that had the most time for it
    /// goes.
    fn begin(self: &Arc<Self>, socket: TcpStream) {
        let server = Arc::clone(self);
        // Held until the connection is noted: it can't have been proven and forgotten before.
        let mut unproven = self.unproven();
        let number = unproven.number;
        unproven.number += 1;
        let task = tokio::spawn(async move {
            let mut cut = server.cut.subscribe();
            tokio::select! {
                () = Arc::clone(&server).serve(socket, number) => {}
                _ = cut.wait_for(|cut| *cut) => {}
            }
            server.forget_unproven(number);
        });
        unproven.waiting.push_back((number, task.abort_handle()));
        if unproven.waiting.len() > self.limits.unproven_max
            && let Some((_, oldest)) = unproven.waiting.pop_front()
        {
            oldest.abort();
            drop(unproven);
            self.refused("too many connections that prove no secret");
        }
    }

    fn unproven(&self) -> MutexGuard<'_, Unproven> {
        self.unproven.lock().expect("nothing panics while it holds this lock")
    }

    fn forget_unproven(&self, number: u64) {
        self.unproven().waiting.retain(|(waiting, _)| *waiting != number);
    }

    /// Drops all incoming connections and refuses new ones, or takes them again.
    pub fn cut(&self, cut: bool) {
        self.cut.send_replace(cut);
    }

    /// Ends the connections of nodes that are no members any more. [`Service::admits`] must refuse them already.
    pub fn end_connections(&self, is_gone: impl Fn(NodeId) -> bool) {
        let alive = self.alive.lock().expect("nothing panics while it holds this lock");
        for (_, gone) in alive.iter().filter(|(node, _)| is_gone(**node)) {
            gone.out.send_replace(true);
        }
    }

    /// Why the last connection was refused.
    pub fn last_refusal(&self) -> Option<String> {
        let last = self.last_refusal.lock().expect("nothing panics while it holds this lock");
        last.as_ref().map(|(why, _)| why.clone())
    }

    async fn serve(self: Arc<Self>, mut socket: TcpStream, number: u64) {
        if *self.cut.borrow() || socket.set_nodelay(true).is_err() {
            return;
        }
        let admit = |proven, peer_address| self.admit(proven, peer_address);
        let handshake = handshake::accept(&mut socket, &self.secret, self.identity, &*self.counters, admit);
        let accepted = tokio::time::timeout(self.limits.handshake, handshake).await;
        self.forget_unproven(number);
        let (caller, admission) = match accepted {
            Ok(Ok(accepted)) => accepted,
            // A port that is probed, or a dialer that died: nothing to tell an operator.
            Ok(Err(HandshakeError::Io(_))) | Err(_) => return,
            Ok(Err(error)) => return self.refused(&error.to_string()),
        };
        if caller.node != NodeId(0) {
            self.service.heard_of(caller.node, admission.peer_address.as_deref());
        }
        // One that wants to join is no member yet: it is not judged.
        let contact = self.contacts.of(caller.node);
        contact.heard();
        let every = || self.limits.alive_every(caller.lane, self.contacts.expected());
        let heard = (&*admission.heard_ms, &*contact);
        let mut out = admission.out.clone();
        let outbox = Arc::new(Outbox::new(self.limits.queued_bytes_max));
        let mut writing = Writing::default();
        let (mut from, mut to) = socket.split();
        tokio::select! {
            _ = outbox.write_to(&mut to, &mut writing) => {}
            () = self.read_requests(&mut from, caller, &outbox, heard) => {}
            never = connection::say_alive(&outbox, &contact, every) => match never {},
            _ = out.wait_for(|out| *out) => {}
        }
        outbox.close();
    }

    /// Reads requests and begins them, until the dialer fails or falls silent.
    async fn read_requests<R: AsyncReadExt + Unpin>(
        &self,
        from: &mut R,
        caller: Caller,
        outbox: &Arc<Outbox>,
        (heard_ms, contact): (&AtomicU64, &Contact),
    ) {
        let working = Arc::new(Working::default());
        let mut buffer = BytesMut::with_capacity(READ_BUFFER_BYTES);
        loop {
            // A dialer that lives says so: silence means that it is gone.
            match tokio::time::timeout(self.limits.silence, from.read_buf(&mut buffer)).await {
                Ok(Ok(0) | Err(_)) | Err(_) => return,
                Ok(Ok(_)) => {
                    heard_ms.store(self.millis(), Ordering::Relaxed);
                    contact.heard();
                }
            }
            loop {
                let (header, payload) = match frame::decode(&mut buffer, self.limits.frame_bytes_max) {
                    Ok(None) => break,
                    Ok(Some(frame)) => frame,
                    Err(FrameError::Kind { number, id }) => {
                        // A later version asks for something, unless it only says something.
                        if id != 0 {
                            tracing::warn!(
                                "node {} asked what this version does not have: {number}",
                                caller.node
                            );
                            Responder::new(Arc::clone(outbox), id, Arc::clone(&working), 0).not_understood();
                        }
                        continue;
                    }
                    Err(error) => return self.refused(&format!("node {}: {error}", caller.node)),
                };
                match header.kind {
                    Kind::Alive => {
                        if let Some(alive) = contact::decode(&payload) {
                            contact.said(alive);
                        }
                    }
                    Kind::Handshake => {
                        if let Some(reason) = handshake::late_refusal(&payload) {
                            self.refused(&format!("refused by the other node: {reason}"));
                        }
                        return;
                    }
                    Kind::Answer | Kind::NotUnderstood => return,
                    Kind::Data | Kind::Batch | Kind::Range | Kind::Consensus | Kind::Control => {
                        let bytes = payload.len() + READ_BUFFER_BYTES / 1_024;
                        let responder =
                            Responder::new(Arc::clone(outbox), header.id, Arc::clone(&working), bytes);
                        let deadline = Instant::now() + header.remaining();
                        let kind = header.kind;
                        self.service.begin(Incoming { from: caller, kind, deadline, payload }, responder);
                    }
                }
            }
            if buffer.is_empty() && buffer.capacity() > 16 * READ_BUFFER_BYTES {
                buffer = BytesMut::with_capacity(READ_BUFFER_BYTES);
            }
            // Past its share a peer is not read: its own queue fills, and it refuses. While it is not
            // read, its end would go unnoticed, so that this may not last longer than silence may.
            let room = async {
                working.at_most(self.limits.working_bytes_max).await;
                outbox.shrunk_below(self.limits.queued_bytes_max / 2).await;
            };
            if tokio::time::timeout(self.limits.silence, room).await.is_err() {
                let (node, waited) = (caller.node, self.limits.silence);
                tracing::warn!("hung up on node {node}: its requests have been at work for {waited:?}");
                return;
            }
        }
    }

    fn millis(&self) -> u64 {
        u64::try_from(self.begun.elapsed().as_millis()).unwrap_or(u64::MAX)
    }

    /// A proven node takes its place, unless another process of it is here.
    fn admit(
        self: &Arc<Self>,
        proven: Proven,
        peer_address: Option<String>,
    ) -> Result<Admission, RefusalReason> {
        let Proven { node, boot, lane, .. } = proven;
        let joining = node == NodeId(0);
        if joining && lane != Lane::Urgent {
            return Err(RefusalReason::NotMember { node, gone: None });
        }
        if node == self.identity.node {
            return Err(RefusalReason::Duplicate { node, other: self.identity.boot, heard_ms: Some(0) });
        }
        let place = Arc::clone(&self.addresses).try_acquire_owned().map_err(|_| RefusalReason::TooMany)?;
        let mut alive = self.alive.lock().expect("nothing panics while it holds this lock");
        match alive.get(&node) {
            Some(other) if other.boot != boot && !joining => {
                let heard_ms = self.millis().saturating_sub(other.heard_ms.load(Ordering::Relaxed));
                let (other, heard_ms) = (other.boot, Some(heard_ms));
                return Err(RefusalReason::Duplicate { node, other, heard_ms });
            }
            Some(same) if !joining && same.connections >= self.limits.incoming_per_member_max => {
                return Err(RefusalReason::TooMany);
            }
            Some(others) if joining && others.connections >= self.limits.unproven_max => {
                return Err(RefusalReason::TooMany);
            }
            Some(_) | None => {}
        }
        if !joining {
            self.service.admits(&proven, peer_address.as_deref())?;
        }
        let none =
            || Alive { boot, connections: 0, heard_ms: Arc::default(), out: watch::Sender::new(false) };
        let here = alive.entry(node).or_insert_with(none);
        here.connections += 1;
        here.heard_ms.store(self.millis(), Ordering::Relaxed);
        let (heard_ms, out) = (Arc::clone(&here.heard_ms), here.out.subscribe());
        Ok(Admission { server: Arc::clone(self), node, peer_address, heard_ms, out, _place: place })
    }

    /// Remembers why a connection was refused, and logs it unless it was just logged.
    fn refused(&self, why: &str) {
        let mut last = self.last_refusal.lock().expect("nothing panics while it holds this lock");
        let logged = last.as_ref().filter(|(known, at)| known == why && at.elapsed() < REFUSAL_LOG_PAUSE);
        if logged.is_none() {
            tracing::warn!("refused a peer connection: {why}");
            *last = Some((why.to_owned(), Instant::now()));
        }
    }
}

impl Drop for Admission {
    fn drop(&mut self) {
        let mut alive = self.server.alive.lock().expect("nothing panics while it holds this lock");
        if let Some(entry) = alive.get_mut(&self.node) {
            entry.connections -= 1;
            if entry.connections == 0 {
                alive.remove(&self.node);
            }
        }
    }
}
