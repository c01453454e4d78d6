//! The transport of key traffic: this node's own replica, or a peer's.

use crate::drive::{Completion, Transport};
use crate::peer::Local;
use crate::recollection::Recollection;
use minicbor::{Decode, Encode};
use quorate_coordinator::{Ended, Failure, Said};
use quorate_model::{Answer, NodeId, RangeReply, RangeRequest, Refusal, Request};
use quorate_transport::{Asked, CallError, Kind, Lane, Links};
use std::sync::Arc;
use tokio::time::Instant;

/// Sends each request where it belongs.
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
    /// Sends a request to a peer; the call is completed at `deadline` at the latest.
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
        let asked = Kind::Data.asked_since(request.since());
        self.ask(to, (Lane::Data, asked), &request, deadline, completion);
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
