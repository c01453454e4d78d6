//! What nodes say to each other: requests of one key and of a range of keys travel alike, and so do their answers.

use minicbor::{Decode, Encode};
use quorate_coordinator::{Ask, Failure};
use quorate_model::{Epoch, Protocol, RangeReply, RangeRequest, Reply, Request};

/// What is asked of a replica.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub enum Message {
    /// Something of one key.
    #[n(0)]
    Key(#[n(0)] Request),
    /// Something of a range.
    #[n(1)]
    Range(#[n(0)] RangeRequest),
}

/// What a replica answers.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub enum Told {
    /// Of one key.
    #[n(0)]
    Key(#[n(0)] Reply),
    /// Of a range.
    #[n(1)]
    Range(#[n(0)] RangeReply),
}

impl Message {
    /// The version of the protocol since which it exists.
    pub fn since(&self) -> Protocol {
        match self {
            Message::Key(request) => request.since(),
            Message::Range(request) => request.since(),
        }
    }

    /// Whether its owner would assign a version.
    pub fn is_assign(&self) -> bool {
        matches!(self, Message::Key(Request::Assign { .. }))
    }
}

impl Ask for Message {
    type Reply = Told;

    fn epoch(&self) -> Epoch {
        match self {
            Message::Key(request) => request.epoch(),
            Message::Range(request) => request.epoch(),
        }
    }

    fn heard(reply: Told) -> Result<Told, Failure> {
        match reply {
            Told::Key(reply) => Request::heard(reply).map(Told::Key),
            Told::Range(reply) => RangeRequest::heard(reply).map(Told::Range),
        }
    }
}
