//! What a scan is told, and what it wants done.

use super::page::Answer;
use super::segment::{self, Segment};
use crate::get::{self, Get};
use crate::session::Subject;
use quorate_ring::Plan;
use std::sync::Arc;

/// What a scan is told.
#[derive(Clone, Debug)]
pub enum Input {
    /// Begin. Exactly once, first.
    Start,
    /// The walk over a segment is over, and its answer, if it got one.
    Walked(Option<segment::Answer>),
    /// A read is over: which one, and its answer, if it got one.
    Read(u32, Option<get::Answer>),
}

/// What a scan wants done.
#[derive(Debug)]
pub enum Action {
    /// Run the walk over a segment. There is one at a time.
    Walk {
        /// The walk.
        machine: Box<Segment>,
        /// What it is about.
        subject: Subject,
        /// The plan that it begins by.
        plan: Arc<Plan>,
    },
    /// Run a read of one key.
    Read {
        /// Which read.
        number: u32,
        /// The read.
        machine: Box<Get>,
        /// What it is about.
        subject: Subject,
        /// The plan that it begins by.
        plan: Arc<Plan>,
    },
    /// Answer the client. Nothing more will happen.
    Respond(Box<Answer>),
}
