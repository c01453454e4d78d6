//! The links of this node to all other members: who is there, who answers, and how to call.

use crate::dialer::{Dialing, Dismissal, Duplicate, Link, Met};
use crate::frame::Asked;
use crate::handshake::{HandshakeError, Identity, Proven, Secret, Whereabouts};
use crate::pending::{Answered, Sink};
use crate::{CallError, Contacts, Lane, Limits, PeerCounters};
use arc_swap::ArcSwap;
use quorate_model::{NodeId, Protocol};
use std::collections::BTreeMap;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::AbortHandle;
use tokio::time::Instant;

/// All links of this node.
pub struct Links {
    members: ArcSwap<BTreeMap<NodeId, Arc<Member>>>,
    /// Held while members change.
    changing: Mutex<()>,
    dialing: Arc<Dialing>,
    cut: watch::Sender<bool>,
    /// Members that were found where another one was expected, until the control plane looks.
    found: Mutex<Option<mpsc::Receiver<(NodeId, String)>>>,
    /// Since when it could have heard a peer.
    begun: Instant,
}

/// Members found at addresses of others that wait to be looked at.
const FOUND_MAX: usize = 64;

/// One other member: a link for each lane, each with the task that keeps it.
struct Member {
    links: [Arc<Link>; 3],
    keepers: [AbortHandle; 3],
}

/// What one link has seen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LinkReport {
    /// The member.
    pub node: NodeId,
    /// Which lane.
    pub lane: Lane,
    /// Whether it is connected.
    pub up: bool,
    /// Calls that wait for an answer.
    pub in_flight: usize,
    /// Bytes that wait to be written.
    pub queued_bytes: usize,
    /// Calls queued since the start.
    pub sent: u64,
    /// Connections made since the start.
    pub connects: u64,
    /// Why there is none, or why the last one ended.
    pub last_error: Option<String>,
}

impl Member {
    fn link(&self, lane: Lane) -> &Link {
        &self.links[lane as usize]
    }
}

impl Drop for Member {
    fn drop(&mut self) {
        self.keepers.iter().for_each(AbortHandle::abort);
    }
}

impl Links {
    /// No members yet.
    pub fn new(identity: Identity, secret: Secret, limits: Limits, counters: Arc<dyn PeerCounters>) -> Self {
        Self::of(identity, Whereabouts::default(), secret, limits, counters)
    }

    /// No members yet; this node says where it is reached.
    pub fn of(
        identity: Identity,
        whereabouts: Whereabouts,
        secret: Secret,
        limits: Limits,
        counters: Arc<dyn PeerCounters>,
    ) -> Self {
        let cut = watch::Sender::new(false);
        let (found, look) = mpsc::channel(FOUND_MAX);
        let dialing = Dialing {
            identity,
            whereabouts,
            found,
            secret,
            limits,
            counters,
            contacts: Arc::default(),
            cut: cut.subscribe(),
            changes: watch::Sender::new(0),
            duplicate: watch::Sender::new(None),
            gone: watch::Sender::new(None),
        };
        Self {
            members: ArcSwap::default(),
            changing: Mutex::default(),
            dialing: Arc::new(dialing),
            cut,
            found: Mutex::new(Some(look)),
            begun: Instant::now(),
        }
    }

    /// Takes the members of a newer catalog with their peer addresses; this node itself is left out. Must be called
    /// on the runtime, since each new link gets a task.
    pub fn set_members<'a>(&self, members: impl Iterator<Item = (NodeId, &'a str)>) {
        let _changing = self.changing.lock().expect("nothing panics while it holds this lock");
        let old = self.members.load_full();
        let mut new = BTreeMap::new();
        for (node, address) in members.filter(|(node, _)| *node != self.dialing.identity.node) {
            let member = old.get(&node).map_or_else(|| self.member(node, address), Arc::clone);
            for link in &member.links {
                link.announce(address);
            }
            new.insert(node, member);
        }
        self.dialing.contacts.expect(new.len() + 1);
        self.members.store(Arc::new(new));
        self.dialing.changes.send_modify(|changes| *changes += 1);
    }

    /// A member may be reached at this address, as another member says: its links that are down dial it there. The
    /// process that answers must still prove that it is that member.
    pub fn suggest(&self, node: NodeId, address: &str) {
        let members = self.members.load();
        let Some(member) = members.get(&node) else { return };
        for link in &member.links {
            link.suggest(address);
        }
    }

    /// Looks for members where they answered in the place of others, until the task is aborted.
    pub async fn look_where_found(&self) {
        let found = self.found.lock().expect("nothing panics while it holds this lock").take();
        let Some(mut found) = found else { return };
        while let Some((node, address)) = found.recv().await {
            self.suggest(node, &address);
        }
    }

    /// The process of a member that a connection leads to now, and where.
    pub fn met(&self, node: NodeId) -> Option<Met> {
        let members = self.members.load();
        let mut up = members.get(&node)?.links.iter().filter(|link| link.calls.load().is_some());
        up.find_map(|link| link.met().clone())
    }

    /// How long nothing has been heard of a member on any connection to it; counted from the start at most.
    pub fn silent_for(&self, node: NodeId) -> Duration {
        let members = self.members.load();
        let heard = members.get(&node).into_iter().flat_map(|member| &member.links).filter_map(|link| {
            let calls = link.calls.load();
            match calls.as_ref() {
                Some(calls) => Instant::now().checked_sub(calls.silent_for()),
                None => link.met().as_ref().and_then(|met| met.heard),
            }
        });
        heard.fold(self.begun, Ord::max).elapsed()
    }

    /// How long a member must be silent to count as gone.
    pub fn silence(&self) -> Duration {
        self.dialing.limits.silence
    }

    /// Asks who is at an address, as a connection to this member would, and acts on the answer.
    pub async fn probe(&self, node: NodeId, address: &str) -> Result<Proven, HandshakeError> {
        let dialed = self.dialing.dial(node, Lane::Urgent, address);
        let late = |_| HandshakeError::Io(std::io::ErrorKind::TimedOut.into());
        let dialed = tokio::time::timeout(self.dialing.limits.handshake, dialed).await.map_err(late);
        match dialed.flatten() {
            Ok((_, proven)) => {
                self.dialing.believed(node, address);
                Ok(proven)
            }
            Err(error) => {
                self.dialing.heed(node, address, &error);
                Err(error)
            }
        }
    }

    /// The members that there are links to.
    pub fn members(&self) -> Vec<NodeId> {
        self.members.load().keys().copied().collect()
    }

    fn member(&self, node: NodeId, address: &str) -> Arc<Member> {
        let links = Lane::ALL.map(|lane| Arc::new(Link::new(node, lane, address.to_owned())));
        let keepers = links
            .each_ref()
            .map(|link| tokio::spawn(Arc::clone(link).keep(Arc::clone(&self.dialing))).abort_handle());
        Arc::new(Member { links, keepers })
    }

    /// Sends a request; the sink hears its end, at `deadline` at the latest.
    pub fn send(
        &self,
        to: NodeId,
        lane: Lane,
        asked: impl Into<Asked>,
        deadline: Instant,
        fill: impl FnOnce(&mut Vec<u8>),
        sink: Sink,
    ) {
        let calls = {
            let members = self.members.load();
            let Some(member) = members.get(&to) else {
                return sink(Err(CallError::NotSent("it is not a member of this cluster")));
            };
            member.link(lane).calls.load_full()
        };
        match calls {
            Some(calls) => calls.send(asked.into(), deadline, fill, sink),
            None => sink(Err(CallError::NotSent("there is no connection to this node"))),
        }
    }

    /// Sends a request, now; the returned future waits for its end.
    pub fn call<A: Into<Asked>>(
        &self,
        to: NodeId,
        lane: Lane,
        asked: A,
        deadline: Instant,
        payload: &[u8],
    ) -> impl Future<Output = Answered> + use<A> {
        let (tell, hear) = oneshot::channel();
        let sink = Box::new(move |answered| {
            // The caller may have gone; no one else waits for the answer.
            drop(tell.send(answered));
        });
        self.send(to, lane, asked.into(), deadline, |out| out.extend_from_slice(payload), sink);
        async { hear.await.unwrap_or(Err(CallError::Lost("the connection was torn down"))) }
    }

    /// When each member was heard last, for the connections that come in.
    pub fn contacts(&self) -> Arc<Contacts> {
        Arc::clone(&self.dialing.contacts)
    }

    /// How often a member says that it is there, if it has the same settings.
    pub fn alive_every(&self) -> Duration {
        self.dialing.limits.alive_every(Lane::Urgent, self.dialing.contacts.expected())
    }

    /// Calls of key traffic to a member, in a row up to the last, that have waited for an answer for longer than
    /// `late`, or have none.
    pub fn unanswered(&self, node: NodeId, late: Duration) -> u32 {
        let members = self.members.load();
        let calls = members.get(&node).and_then(|member| member.link(Lane::Data).calls.load_full());
        calls.map_or(0, |calls| calls.unanswered(late))
    }

    /// Who this node is, on each of its connections.
    pub fn identity(&self) -> Identity {
        self.dialing.identity
    }

    /// Whether key traffic can reach a member now.
    pub fn is_up(&self, node: NodeId) -> bool {
        self.is_lane_up(node, Lane::Data)
    }

    /// Whether this lane of a member is connected.
    pub fn is_lane_up(&self, node: NodeId, lane: Lane) -> bool {
        self.members.load().get(&node).is_some_and(|member| member.link(lane).calls.load().is_some())
    }

    /// A member that is not known to have what exists since `since`: it speaks an older version, or is not connected.
    /// The oldest version is every member's.
    pub fn lacks(&self, since: Protocol) -> Option<NodeId> {
        if since <= Protocol::OLDEST {
            return None;
        }
        let has = |member: &Member| {
            let calls = member.link(Lane::Urgent).calls.load();
            calls.as_ref().is_some_and(|calls| calls.protocol().has(since))
        };
        self.members.load().iter().find(|(_, member)| !has(member)).map(|(node, _)| *node)
    }

    /// Whether a peer has refused this node because another live process has its id.
    pub fn is_duplicate(&self) -> bool {
        self.dialing.duplicate.borrow().is_some()
    }

    /// Forgets such a refusal, which was not repeated.
    pub fn forget_duplicate(&self) {
        self.dialing.duplicate.send_replace(None);
    }

    /// Says so once a member has refused this node because it is no member any more.
    pub fn gone(&self) -> watch::Receiver<Option<Dismissal>> {
        self.dialing.gone.subscribe()
    }

    /// Whether no process answers at a member's address: waiting for it would be in vain.
    pub fn is_unreachable(&self, node: NodeId) -> bool {
        let members = self.members.load();
        members
            .get(&node)
            .is_some_and(|member| member.links.iter().all(|link| link.unreachable.load(Ordering::Relaxed)))
    }

    /// Counts changes of members and of link states.
    pub fn changes(&self) -> watch::Receiver<u64> {
        self.dialing.changes.subscribe()
    }

    /// Says so whenever a peer refuses this node because another live process has its id.
    pub fn duplicate(&self) -> watch::Receiver<Option<Duplicate>> {
        self.dialing.duplicate.subscribe()
    }

    /// The catalog knows this run of this node: a member that has refused it so far may let it in now.
    pub fn wake_all(&self) {
        let members = self.members.load();
        members.keys().for_each(|node| self.wake(*node));
    }

    /// A member has just been heard of: dial it now rather than after its pause.
    pub fn wake(&self, node: NodeId) {
        if let Some(member) = self.members.load().get(&node) {
            for link in member.links.iter().filter(|link| link.calls.load().is_none()) {
                link.wake.notify_one();
            }
        }
    }

    /// Cuts all outgoing connections, or lets them be made again.
    pub fn cut(&self, cut: bool) {
        self.cut.send_replace(cut);
    }

    /// Ends all links: every call ends, no more are made.
    pub fn close(&self) {
        let _changing = self.changing.lock().expect("nothing panics while it holds this lock");
        self.members.store(Arc::default());
        self.cut.send_replace(true);
    }

    /// What each link has seen.
    pub fn report(&self) -> Vec<LinkReport> {
        let members = self.members.load();
        let links = members.values().flat_map(|member| &member.links);
        links.map(|link| report(link)).collect()
    }
}

fn report(link: &Link) -> LinkReport {
    let calls = link.calls.load();
    let calls = calls.as_ref();
    LinkReport {
        node: link.node,
        lane: link.lane,
        up: calls.is_some(),
        in_flight: calls.map_or(0, |calls| calls.in_flight()),
        queued_bytes: calls.map_or(0, |calls| calls.outbox.bytes()),
        sent: link.sent_before.load(Ordering::Relaxed) + calls.map_or(0, |calls| calls.sent()),
        connects: link.connects.load(Ordering::Relaxed),
        last_error: link.last_error.lock().expect("nothing panics while it holds this lock").clone(),
    }
}
