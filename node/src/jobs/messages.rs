//! What members ask each other about jobs.

use super::{Books, Order, Proofs, Remembered};
use minicbor::{Decode, Encode};
use quorate_model::{Boot, Protocol, SortKey, TableId};

/// What a member asks another one.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub enum JobsRequest {
    /// "Do your part of this job." Answered with `Taken`.
    #[n(0)]
    Order(#[n(0)] Order),
    /// "What do you remember of jobs?" Answered with `Remembered`.
    #[n(1)]
    Remembered,
    /// "When were the shards whose sync you run last found equal?" Answered with `Proofs`.
    #[n(2)]
    Proofs,
    /// "And the one of this table that begins here?" Answered with `Proven`.
    #[n(3)]
    Proven(#[n(0)] TableId, #[n(1)] SortKey),
}

/// What it answers.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub enum JobsReply {
    /// To `Order`.
    #[n(0)]
    Taken {
        /// The run of the member's process that took it; `None`: it did not.
        #[n(0)]
        boot: Option<Boot>,
        /// Why not.
        #[n(1)]
        why: Option<String>,
    },
    /// To `Remembered`.
    #[n(1)]
    Remembered(#[n(0)] Remembered),
    /// To `Proofs`: of each table.
    #[n(2)]
    Proofs(#[n(0)] Vec<Proofs>),
    /// To `Proven`.
    #[n(3)]
    Proven {
        /// Whether the member runs the sync of that shard.
        #[n(0)]
        runs: bool,
        /// Milliseconds since it found all owners equal; `None`: never in this run of its process.
        #[n(1)]
        equal_ms: Option<u64>,
    },
}

impl JobsRequest {
    /// The version of the protocol since which it exists. Where a peer speaks an older one, it is not sent.
    pub fn since(&self) -> Protocol {
        match self {
            JobsRequest::Order(_)
            | JobsRequest::Remembered
            | JobsRequest::Proofs
            | JobsRequest::Proven(..) => Protocol(3),
        }
    }
}

impl Books {
    /// Carries out what a member asks. `unfit`: why this one takes no part in jobs, if it does not.
    pub fn answer(&self, request: JobsRequest, unfit: Option<&str>) -> JobsReply {
        match request {
            JobsRequest::Order(order) => {
                let taken = match unfit {
                    Some(why) => Err(why.to_owned()),
                    None => self.take(order).map_err(|full| full.to_string()),
                };
                JobsReply::Taken { boot: taken.as_ref().ok().copied(), why: taken.err() }
            }
            JobsRequest::Remembered => JobsReply::Remembered(self.remembered()),
            JobsRequest::Proofs => JobsReply::Proofs(self.proofs()),
            JobsRequest::Proven(table, start) => {
                let proven = self.proven_ms(table, &start);
                JobsReply::Proven { runs: proven.is_some(), equal_ms: proven.flatten() }
            }
        }
    }
}
