//! The transport of key traffic: this node's own replica, or a peer's.

use crate::drive::{Completion, Transport};
use crate::peer::Local;
use crate::recollection::Recollection;
use minicbor::Decode;
use quorate_coordinator::{Failure, Said};
use quorate_model::{Answer, NodeId, RangeReply, RangeRequest, Refusal, Request, ShardNow};
use quorate_transport::{CallError, Kind, Lane, Links};
use std::sync::Arc;
use tokio::time::Instant;

/// What is called when a request about a range has ended.
pub type OnRangeEnded = Box<dyn FnOnce(Result<RangeReply, Failure>) + Send>;

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
    /// Sends a request about a range, on the lane of what can wait; `ended` is called at `deadline` at the latest, or
    /// dropped where the call is lost.
    pub fn ask_range(&self, to: NodeId, request: RangeRequest, deadline: Instant, ended: OnRangeEnded) {
        if to == self.node {
            return self.local.begin_range(request, deadline, Box::new(move |reply| ended(Ok(reply))));
        }
        let asked = Kind::Range.asked_since(request.since());
        let fill =
            |out: &mut Vec<u8>| minicbor::encode(&request, out).expect("encoding into memory cannot fail");
        let recollection = Arc::clone(&self.recollection);
        let answered = move |answered: Result<bytes::Bytes, CallError>| {
            ended(opened(to, answered, &recollection).map(|(reply, _)| reply));
        };
        self.links.send(to, Lane::Bulk, asked, deadline, fill, Box::new(answered));
    }
}

/// What a peer's answer says, and of which newer catalog, once it is remembered how far the peer had come; or how the call ended without one.
fn opened<T: for<'b> Decode<'b, ()>>(
    by: NodeId,
    answered: Result<bytes::Bytes, CallError>,
    recollection: &Recollection,
) -> Result<(T, Option<ShardNow>), Failure> {
    match answered {
        Ok(payload) => match minicbor::decode::<Answer<T>>(&payload) {
            Ok(mut answer) => {
                let newer = answer.take_newer();
                Ok((recollection.open(by, answer), newer))
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
        let fill =
            |out: &mut Vec<u8>| minicbor::encode(&request, out).expect("encoding into memory cannot fail");
        let recollection = Arc::clone(&self.recollection);
        let answered = move |answered: Result<bytes::Bytes, CallError>| {
            let said = opened(to, answered, &recollection);
            completion.complete(said.map(|(reply, newer)| Said { reply, newer }));
        };
        self.links.send(to, Lane::Data, asked, deadline, fill, Box::new(answered));
    }
}
