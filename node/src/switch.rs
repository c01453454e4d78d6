//! The transport of key traffic: this node's own replica, or a peer's.

use crate::drive::{Completion, Transport};
use crate::peer::Local;
use crate::recollection::Recollection;
use quorate_coordinator::{Failure, Said};
use quorate_model::{Answer, NodeId, Refusal, Reply, Request};
use quorate_transport::{CallError, Kind, Lane, Links};
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
        let fill =
            |out: &mut Vec<u8>| minicbor::encode(&request, out).expect("encoding into memory cannot fail");
        let recollection = Arc::clone(&self.recollection);
        let answered = move |answered: Result<bytes::Bytes, CallError>| {
            completion.complete(match answered {
                Ok(payload) => match minicbor::decode::<Answer<Reply>>(&payload) {
                    Ok(mut answer) => {
                        let newer = answer.take_newer();
                        Ok(Said { reply: recollection.open(to, answer), newer })
                    }
                    Err(error) => {
                        // It may have done what it was asked, whatever it meant to say.
                        tracing::warn!(node = %to, "a peer's answer makes no sense: {error}");
                        Err(Failure::Lost)
                    }
                },
                Err(CallError::NotSent(_)) => Err(Failure::NotSent),
                Err(CallError::NotUnderstood) => Err(Failure::Refused(Refusal::NotUnderstood)),
                Err(CallError::Lost(_)) => Err(Failure::Lost),
            });
        };
        self.links.send(to, Lane::Data, asked, deadline, fill, Box::new(answered));
    }
}
