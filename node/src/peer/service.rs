//! Requests of peers, by kind.

use super::admission::{Seen, admission};
use super::batch::requests;
use super::local::Local;
use crate::control::{Control, ControlReply, ControlRequest};
use crate::drive::Sent;
use crate::recollection::Recollection;
use crate::views::Views;
use minicbor::Encode;
use quorate_model::{NodeId, Protocol, RangeReply, RangeRequest, Refusal, Reply, Request};
use quorate_transport::{Caller, Incoming, Kind, Links, RefusalReason, Responder, Service};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, OnceLock};
use tokio::time::Instant;

/// Serves peers.
pub struct Peers {
    node: NodeId,
    local: Arc<Local>,
    links: Arc<Links>,
    views: Arc<Views>,
    recollection: Arc<Recollection>,
    /// Set once consensus runs; until then there is none to ask.
    control: OnceLock<Arc<Control>>,
}

impl Peers {
    /// Over these; [`Peers::set_control`] comes later.
    pub fn new(
        node: NodeId,
        local: Arc<Local>,
        links: Arc<Links>,
        views: Arc<Views>,
        recollection: Arc<Recollection>,
    ) -> Arc<Self> {
        Arc::new(Self { node, local, links, views, recollection, control: OnceLock::new() })
    }

    /// From now on consensus and control are served too.
    pub fn set_control(&self, control: Arc<Control>) {
        assert!(self.control.set(control).is_ok(), "a node has one control plane");
    }

    fn data(&self, payload: &[u8], deadline: Instant, responder: Responder) {
        match minicbor::decode::<Request>(payload) {
            Ok(request) => {
                let (recollection, views) = (Arc::clone(&self.recollection), Arc::clone(&self.views));
                let place = request.place().clone();
                let reply = move |reply: Reply| {
                    let newer = views.current().newer(&place, &reply);
                    answer(responder, &recollection.answer(reply).with_newer(newer));
                };
                self.local.begin(request, deadline, Box::new(reply));
            }
            Err(error) => not_understood(responder, &error),
        }
    }

    fn range(&self, payload: &[u8], deadline: Instant, responder: Responder) {
        match minicbor::decode::<RangeRequest>(payload) {
            Ok(request) => {
                let (recollection, views) = (Arc::clone(&self.recollection), Arc::clone(&self.views));
                let asked = request.clone();
                let reply = move |reply: RangeReply| {
                    let newer = views.current().newer_of_range(&asked, &reply);
                    answer(responder, &recollection.answer(reply).with_newer(newer));
                };
                self.local.begin_range(request, deadline, Box::new(reply));
            }
            Err(error) => not_understood(responder, &error),
        }
    }

    fn batch(&self, payload: &[u8], deadline: Instant, responder: Responder) {
        let requests = match requests(payload) {
            Ok(requests) => requests,
            Err(error) => return not_understood(responder, &error),
        };
        if requests.is_empty() {
            return replied(responder, Vec::<Reply>::new(), &self.recollection);
        }
        let batch = Arc::new(Batch {
            replies: Mutex::new((vec![None; requests.len()], 0)),
            open: AtomicUsize::new(requests.len()),
            responder: Mutex::new(Some(responder)),
            recollection: Arc::clone(&self.recollection),
        });
        for (index, request) in requests.into_iter().enumerate() {
            let batch = Arc::clone(&batch);
            self.local.begin(request, deadline, Box::new(move |reply| batch.replied(index, reply)));
        }
    }
}

/// Most bytes of values in the answer to a batch, unless it is one; who reads more asks for it alone.
const BATCH_ANSWER_BYTES_MAX: usize = 4 * 1024 * 1024;

/// The replies of one batch, until all are there.
struct Batch {
    /// Those that are there, and the bytes of their values.
    replies: Mutex<(Vec<Option<Reply>>, usize)>,
    open: AtomicUsize,
    responder: Mutex<Option<Responder>>,
    recollection: Arc<Recollection>,
}

impl Batch {
    fn replied(&self, index: usize, reply: Reply) {
        let mut replied_so_far = self.replies.lock().expect("nothing panics while it holds this lock");
        let (replies, bytes) = &mut *replied_so_far;
        let more = <Request as Sent>::value_bytes(&reply);
        let has_room = *bytes == 0 || *bytes + more <= BATCH_ANSWER_BYTES_MAX;
        *bytes += if has_room { more } else { 0 };
        replies[index] = Some(if has_room { reply } else { Reply::Refused(Refusal::Overloaded) });
        if self.open.fetch_sub(1, Ordering::AcqRel) > 1 {
            return;
        }
        let replies: Vec<Reply> = replies.drain(..).flatten().collect();
        let responder = self.responder.lock().expect("nothing panics while it holds this lock").take();
        if let Some(responder) = responder {
            replied(responder, replies, &self.recollection);
        }
    }
}

/// Answers with a reply and with how far this node has come by now.
fn replied<T: Encode<()>>(responder: Responder, reply: T, recollection: &Recollection) {
    answer(responder, &recollection.answer(reply));
}

/// Says at once that this version does not have what was asked: a later one does, or the bytes are no version's.
fn not_understood(responder: Responder, error: &minicbor::decode::Error) {
    tracing::warn!("a peer asked what this version does not understand: {error}");
    responder.not_understood();
}

fn answer<T: Encode<()>>(responder: Responder, reply: &T) {
    responder.answer(|out| minicbor::encode(reply, out).expect("encoding into memory cannot fail"));
}

impl Service for Peers {
    fn begin(&self, incoming: Incoming, responder: Responder) {
        let Incoming { from, kind, deadline, payload } = incoming;
        let joining = from.node == NodeId(0);
        // While another live process has this node's id, it is not known which of the two holds the data.
        if matches!(kind, Kind::Data | Kind::Batch | Kind::Range) && self.links.is_duplicate() {
            return;
        }
        match kind {
            Kind::Data if !joining => self.data(&payload, deadline, responder),
            Kind::Batch if !joining => self.batch(&payload, deadline, responder),
            Kind::Range if !joining => self.range(&payload, deadline, responder),
            Kind::Consensus if !joining => {
                let Some(control) = self.control.get().map(Arc::clone) else { return };
                tokio::spawn(async move {
                    let reply = control.serve_consensus(&payload).await;
                    responder.answer(|out| out.extend_from_slice(&reply));
                });
            }
            Kind::Control => {
                let Some(control) = self.control.get().map(Arc::clone) else { return };
                let request = match minicbor::decode::<ControlRequest>(&payload) {
                    Ok(request @ ControlRequest::Replace(_)) => request,
                    Ok(request) if matches!(request, ControlRequest::Join(_)) == joining => request,
                    Ok(_) => return tracing::warn!("node {} asked for what it may not", from.node),
                    Err(error) => return not_understood(responder, &error),
                };
                if let ControlRequest::Disk(state) = request {
                    self.recollection.note(from.node, state);
                    return answer(responder, &ControlReply::Disk(self.recollection.disk()));
                }
                if request == ControlRequest::Forget {
                    let node = from.node;
                    tokio::spawn(async move { answer(responder, &control.serve_forget(node).await) });
                    return;
                }
                tokio::spawn(async move { answer(responder, &control.serve(request, deadline).await) });
            }
            Kind::Data | Kind::Batch | Kind::Range | Kind::Consensus => {
                tracing::warn!("a node that is no member yet asked for more than to join");
            }
            // The server keeps these to itself.
            Kind::Answer | Kind::Alive | Kind::Handshake | Kind::NotUnderstood => {}
        }
    }

    fn heard_of(&self, node: NodeId, peer_address: Option<&str>) {
        match peer_address {
            Some(peer_address) => self.links.suggest(node, peer_address),
            None => self.links.wake(node),
        }
    }

    fn admits(&self, caller: &Caller, peer_address: Option<&str>) -> Result<(), RefusalReason> {
        let node = caller.node;
        let view = self.views.current();
        let catalog = view.catalog();
        // What it holds counts no more, whatever it speaks.
        if let Some(gone) = catalog.gone(node) {
            return Err(RefusalReason::NotMember { node, gone: Some(gone) });
        }
        let least = catalog.protocol();
        if caller.protocol < least {
            return Err(RefusalReason::Protocol {
                dialer_min: Protocol::OLDEST.0,
                dialer_max: caller.protocol.0,
                acceptor_min: least.0,
                acceptor_max: Protocol::NEWEST.0,
            });
        }
        match catalog.node(node) {
            Some(known) => {
                let silence = self.links.silence();
                let seen = Seen { met: self.links.met(node), silent: self.links.silent_for(node), silence };
                admission(known, caller.boot, peer_address, &seen)
            }
            // A node that has just joined knows no member yet, and the leader must be able to tell it.
            None if catalog.node(self.node).is_none() => Ok(()),
            None => Err(RefusalReason::NotMember { node, gone: None }),
        }
    }
}
