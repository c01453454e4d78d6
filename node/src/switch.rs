//! The transport of key traffic: this node's own replica, or a peer's.
//!
//! What one thread sends while it gathers goes to each peer in one message, and the replies come back in one. Where such a
//! reply says less than one to a single request would, the request is sent again alone.

use crate::drive::{Completion, Transport};
use crate::peer::{BATCH_ITEMS_MAX, Local, answers};
use crate::recollection::Recollection;
use minicbor::{Decode, Encode};
use quorate_coordinator::{Ended, Failure, Said};
use quorate_model::{Answer, NodeId, Protocol, RangeReply, RangeRequest, Refusal, Reply, Request};
use quorate_transport::{Answered, Asked, CallError, Kind, Lane, Links};
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::sync::Arc;
use tokio::time::Instant;

/// Most bytes of values that go together; more go in messages of their own.
const TOGETHER_BYTES_MAX: usize = 1024 * 1024;

thread_local! {
    /// What this thread gathers; `None`: it sends at once.
    static GATHERED: RefCell<Option<Vec<Waiting>>> = const { RefCell::new(None) };
}

/// A request that waits for others to the same peer.
struct Waiting {
    to: NodeId,
    request: Request,
    deadline: Instant,
    completion: Completion,
}

/// Sends each request where it belongs. Cheap to clone.
#[derive(Clone)]
pub struct Switch {
    node: NodeId,
    local: Arc<Local>,
    links: Arc<Links>,
    recollection: Arc<Recollection>,
}

impl Switch {
    /// Of this node.
    pub fn new(node: NodeId, local: Arc<Local>, links: Arc<Links>, recollection: Arc<Recollection>) -> Self {
        Self { node, local, links, recollection }
    }
}

impl Switch {
    /// Sends a request to a peer.
    fn ask_one(&self, waiting: Waiting) {
        let Waiting { to, request, deadline, completion } = waiting;
        let asked = Kind::Data.asked_since(request.since());
        self.ask(to, (Lane::Data, asked), &request, deadline, completion);
    }

    /// Sends requests to one peer in one message.
    fn ask_together(&self, to: NodeId, all: Vec<Waiting>) {
        let since = all.iter().map(|one| one.request.since()).fold(Kind::Batch.since(), Protocol::max);
        let deadline = all.iter().map(|one| one.deadline).max().unwrap_or_else(Instant::now);
        let requests = minicbor::to_vec(all.iter().map(|one| &one.request).collect::<Vec<_>>())
            .expect("encoding into memory cannot fail");
        let switch = self.clone();
        let answered = move |answered: Answered| switch.answered_together(to, answered, all);
        let kind = Kind::Batch.asked_since(since);
        let fill = |out: &mut Vec<u8>| out.extend_from_slice(&requests);
        self.links.send(to, Lane::Data, kind, deadline, fill, Box::new(answered));
    }

    fn answered_together(&self, to: NodeId, answered: Answered, all: Vec<Waiting>) {
        let replies = match answered {
            Ok(payload) => match answers(&payload).map(|answer| self.recollection.open(to, answer)) {
                Ok(replies) if replies.len() == all.len() => Ok(replies),
                // It may have done what it was asked.
                Ok(_) | Err(_) => Err(Failure::Lost),
            },
            Err(CallError::NotUnderstood) => return all.into_iter().for_each(|one| self.ask_one(one)),
            Err(CallError::NotSent(_)) => Err(Failure::NotSent),
            Err(CallError::Lost(_)) => Err(Failure::Lost),
        };
        match replies {
            Ok(replies) => {
                for (one, reply) in all.into_iter().zip(replies) {
                    if says_less(&one.request, &reply) {
                        self.ask_one(one);
                    } else {
                        one.completion.complete(Ok(reply.into()));
                    }
                }
            }
            Err(failure) => all.into_iter().for_each(|one| one.completion.complete(Err(failure))),
        }
    }

    /// Sends what was gathered.
    fn send_gathered(&self, gathered: Vec<Waiting>) {
        let mut by_peer: BTreeMap<NodeId, (Vec<Waiting>, usize)> = BTreeMap::new();
        for one in gathered {
            let (all, bytes) = by_peer.entry(one.to).or_default();
            *bytes += one.request.value_bytes();
            if *bytes > TOGETHER_BYTES_MAX || all.len() == BATCH_ITEMS_MAX {
                self.ask_one(one);
            } else {
                all.push(one);
            }
        }
        for (to, (mut all, _)) in by_peer {
            match all.len() {
                1 => all.drain(..).for_each(|one| self.ask_one(one)),
                _ => self.ask_together(to, all),
            }
        }
    }

    /// Sends something to a peer; the call is completed at `deadline` at the latest.
    fn ask<Q, R>(
        &self,
        to: NodeId,
        (lane, kind): (Lane, Asked),
        request: &Q,
        deadline: Instant,
        completion: Completion<R>,
    ) where
        Q: Encode<()>,
        R: for<'b> Decode<'b, ()> + Send + 'static,
    {
        let fill =
            |out: &mut Vec<u8>| minicbor::encode(request, out).expect("encoding into memory cannot fail");
        let recollection = Arc::clone(&self.recollection);
        let answered = move |answered: Result<bytes::Bytes, CallError>| {
            completion.complete(opened(to, answered, &recollection));
        };
        self.links.send(to, lane, kind, deadline, fill, Box::new(answered));
    }
}

/// Whether the reply to a single request would say more: what is in force of a shard, or a value for which there was no
/// room beside others.
fn says_less(request: &Request, reply: &Reply) -> bool {
    match reply {
        Reply::Refused(Refusal::Stale { .. } | Refusal::NotOwner | Refusal::Behind { .. }) => true,
        Reply::Refused(Refusal::Overloaded) => !request.is_write(),
        _ => false,
    }
}

/// Gathers what this thread sends, and sends it when it is dropped.
struct Gathering<'a> {
    switch: &'a Switch,
    before: Option<Vec<Waiting>>,
}

impl Drop for Gathering<'_> {
    fn drop(&mut self) {
        let gathered = GATHERED.replace(self.before.take());
        self.switch.send_gathered(gathered.unwrap_or_default());
    }
}

/// What a peer's answer says, once it is remembered how far the peer had come; or how the call ended without one.
fn opened<R: for<'b> Decode<'b, ()>>(
    by: NodeId,
    answered: Result<bytes::Bytes, CallError>,
    recollection: &Recollection,
) -> Ended<R> {
    match answered {
        Ok(payload) => match minicbor::decode::<Answer<R>>(&payload) {
            Ok(mut answer) => {
                let newer = answer.take_newer();
                Ok(Said { reply: recollection.open(by, answer), newer })
            }
            Err(error) => {
                // It may have done what it was asked, whatever it meant to say.
                tracing::warn!(node = %by, "a peer's answer makes no sense: {error}");
                Err(Failure::Lost)
            }
        },
        Err(CallError::NotSent(_)) => Err(Failure::NotSent),
        Err(CallError::NotUnderstood) => Err(Failure::Refused(Refusal::NotUnderstood)),
        Err(CallError::Lost(_)) => Err(Failure::Lost),
    }
}

impl Transport for Switch {
    fn send(&self, to: NodeId, request: Request, deadline: Instant, completion: Completion) {
        if to == self.node {
            return self.local.begin(
                request,
                deadline,
                Box::new(move |reply| completion.complete(Ok(reply.into()))),
            );
        }
        let waiting = Waiting { to, request, deadline, completion };
        let at_once = GATHERED.with_borrow_mut(|gathered| match gathered {
            Some(gathered) => {
                gathered.push(waiting);
                None
            }
            None => Some(waiting),
        });
        if let Some(waiting) = at_once {
            self.ask_one(waiting);
        }
    }

    fn gather(&self, work: &mut dyn FnMut()) {
        let _gathering = Gathering { switch: self, before: GATHERED.replace(Some(Vec::new())) };
        work();
    }

    /// On the lane of what can wait.
    fn send_range(
        &self,
        to: NodeId,
        request: RangeRequest,
        deadline: Instant,
        completion: Completion<RangeReply>,
    ) {
        if to == self.node {
            let reply = move |reply: RangeReply| completion.complete(Ok(reply.into()));
            return self.local.begin_range(request, deadline, Box::new(reply));
        }
        let asked = Kind::Range.asked_since(request.since());
        self.ask(to, (Lane::Bulk, asked), &request, deadline, completion);
    }
}
