//! What a scan is told, and what it wants done.

use super::page::Answer;
use crate::get::{self, Get};
use crate::machine::{Call, Failure};
use quorate_model::{NodeId, RangeReply, RangeRequest};
use quorate_ring::Plan;
use std::sync::Arc;

/// What a scan is told.
#[derive(Debug)]
pub enum Input {
    /// Begin. Exactly once, first.
    Start,
    /// An owner answered a call.
    Reply(Call, RangeReply),
    /// A call got no answer that counts.
    Failed(Call, Failure),
    /// A read is over: which one, and its answer, if it got one.
    Read(u32, Option<get::Answer>),
    /// The time of [`wake_at`](super::Scan::wake_at) has come, or a newer catalog was applied.
    Tick,
}

/// What a scan wants done.
#[derive(Debug)]
pub enum Action {
    /// Send this to that node (possibly this one), and report how the call ended, at the page's deadline at the latest.
    Ask {
        /// Which call.
        call: Call,
        /// To whom.
        to: NodeId,
        /// What.
        request: RangeRequest,
    },
    /// Run a read of one key.
    Read {
        /// Which read.
        number: u32,
        /// The read.
        machine: Box<Get>,
        /// The plan that it goes by.
        plan: Arc<Plan>,
    },
    /// Answer the client. Nothing more will happen.
    Respond(Box<Answer>),
}
