//! What is on its way between nodes, and what is to happen when.

use crate::history::{AttemptId, Name};
use crate::message::{Message, Told};
use crate::random::mix;
use quorate_coordinator::{Call, Failure, get, scan};
use quorate_model::{Answer, NodeId, RangeReply, RangeRequest, Request};
use std::fmt;

/// Who asked, and waits for the answer.
#[derive(Clone, Debug)]
pub struct Caller {
    /// The node.
    pub node: NodeId,
    /// Its process.
    pub run: u32,
    /// What of it.
    pub asker: Asker,
}

/// What of a process asked.
#[derive(Clone, Debug)]
pub enum Asker {
    /// An operation, with one of its calls.
    Operation {
        /// Which operation.
        number: u64,
        /// Which attempt that operation is.
        attempt: AttemptId,
        /// Its name.
        name: Name,
        /// Which call of it.
        call: Call,
    },
    /// The filling of a copy.
    Fill {
        /// Which of its node's messages, as a name for streams of chance.
        message: u64,
        /// Which of the filling's wishes it is part of.
        number: u64,
        /// Which part.
        part: usize,
    },
    /// The replay of a hint.
    Replay {
        /// Which of its node's, as a name for streams of chance.
        number: u64,
        /// For whom it is kept.
        owner: NodeId,
    },
}

/// A call of a round of sync.
#[derive(Clone, Copy, Debug)]
pub struct Rounder {
    /// The node.
    pub node: NodeId,
    /// Its process.
    pub run: u32,
    /// Which of its node's rounds.
    pub round: u64,
    /// Which call.
    pub call: Call,
}

/// A write that waits for the next batch.
#[derive(Clone, Debug)]
pub struct Job {
    /// Who asked.
    pub from: Caller,
    /// What, for the history to look at.
    pub request: Request,
}

/// What is to happen.
#[derive(Clone, Debug)]
pub enum Event {
    /// A request arrives at a replica.
    Arrive {
        /// Where.
        to: NodeId,
        /// From whom.
        from: Caller,
        /// What.
        request: Message,
        /// How long the caller waited for it when it left, in microseconds: the receiver's clock begins anew.
        remaining: u64,
    },
    /// An answer arrives at its caller.
    Return {
        /// Whom it is for.
        to: Caller,
        /// Who answers.
        by: NodeId,
        /// The answer, with how far the disk of the one who answers had come.
        answer: Answer<Told>,
    },
    /// The caller hears that there will be no answer.
    Fail {
        /// Whom it is for.
        to: Caller,
        /// What is known of its outcome.
        failure: Failure,
    },
    /// A replica has written its batch.
    Commit {
        /// Where.
        node: NodeId,
        /// Which process.
        run: u32,
    },
    /// An operation wanted to be woken.
    Tick {
        /// Where.
        node: NodeId,
        /// Which process.
        run: u32,
        /// Which operation.
        number: u64,
    },
    /// A node looks for copies that are not whole.
    Fill {
        /// Where.
        node: NodeId,
        /// Which process.
        run: u32,
    },
    /// A node looks through its hints.
    Replay {
        /// Where.
        node: NodeId,
        /// Which process.
        run: u32,
    },
    /// A read that a replay asked for is over.
    Repaired {
        /// Where.
        node: NodeId,
        /// Which process.
        run: u32,
        /// For whose hint.
        owner: NodeId,
        /// Which of its reads.
        number: u32,
        /// Its answer, if it got one.
        answer: Option<Box<get::Answer>>,
    },
    /// The leader looks what the catalog needs.
    Conduct,
    /// A node compares what it holds with other owners.
    Sync {
        /// Where.
        node: NodeId,
        /// Which process.
        run: u32,
    },
    /// A node looks whether removals may go.
    Purge {
        /// Where.
        node: NodeId,
        /// Which process.
        run: u32,
    },
    /// A page of a scan hears that one of its operations is over.
    Paged {
        /// Where.
        node: NodeId,
        /// Which process.
        run: u32,
        /// Which page.
        page: u64,
        /// What it hears.
        input: Box<scan::Input>,
    },
    /// A request of a round arrives at a replica.
    Compare {
        /// Where.
        to: NodeId,
        /// From which round.
        from: Rounder,
        /// What.
        request: RangeRequest,
    },
    /// A replica has written what it was to merge, or to change otherwise.
    Merge {
        /// Where.
        at: NodeId,
        /// Which process.
        run: u32,
        /// For which round.
        from: Rounder,
        /// What.
        request: RangeRequest,
    },
    /// A round hears how one of its calls ended.
    Compared {
        /// Which round.
        to: Rounder,
        /// By whom.
        by: NodeId,
        /// The answer, or what is known of it.
        answer: Result<Answer<RangeReply>, Failure>,
    },
    /// A client does its next thing.
    Act {
        /// Who.
        client: u32,
    },
    /// Something breaks: which mishap.
    Break(usize),
    /// What broke is mended.
    Mend(usize),
    /// A node hears of the catalog up to this many commands.
    Hear {
        /// Who.
        node: NodeId,
        /// How many.
        commands: usize,
    },
}

impl Caller {
    /// A name for the streams of chance about this message.
    pub fn whom(&self) -> [u64; 2] {
        match &self.asker {
            Asker::Operation { name, call, .. } => [name.number(), u64::from(call.0)],
            Asker::Replay { number, .. } => [mix(self.node.0), *number],
            Asker::Fill { message, .. } => [mix(self.node.0) ^ 1, *message],
        }
    }
}

impl Rounder {
    /// A name for the streams of chance about this call.
    pub fn whom(&self) -> [u64; 2] {
        [mix(self.node.0 ^ self.round << 16), u64::from(self.call.0)]
    }
}

impl fmt::Display for Asker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Asker::Operation { attempt, call, .. } => write!(f, "op {} #{}:", attempt.0, call.0),
            Asker::Replay { .. } => f.write_str("replay:"),
            Asker::Fill { number, .. } => write!(f, "fill {number}:"),
        }
    }
}

impl Event {
    /// The node on which it happens, if it waits while that node stands still.
    pub fn place(&self) -> Option<NodeId> {
        match self {
            Event::Arrive { to, .. } | Event::Compare { to, .. } => Some(*to),
            Event::Return { to, .. } | Event::Fail { to, .. } => Some(to.node),
            Event::Compared { to, .. } => Some(to.node),
            Event::Merge { at, .. } => Some(*at),
            Event::Commit { node, .. }
            | Event::Tick { node, .. }
            | Event::Replay { node, .. }
            | Event::Fill { node, .. }
            | Event::Repaired { node, .. }
            | Event::Paged { node, .. }
            | Event::Sync { node, .. }
            | Event::Purge { node, .. }
            | Event::Hear { node, .. } => Some(*node),
            Event::Act { .. } | Event::Break(_) | Event::Mend(_) | Event::Conduct => None,
        }
    }
}
