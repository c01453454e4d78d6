//! The shape of every operation: `step(now, input, &mut effects)`.
//!
//! ```text
//!             Start | Reply | Failed | Tick
//!                        │
//!   driver  ──────────>  step  ──────────>  Send | Respond | Done
//! ```
//!
//! A machine does no I/O and knows no time but what it is told. Its driver (the process, or the simulator)
//! sends what it asks to be sent, hands back each answer with the call it belongs to, and calls `Tick` when
//! [`Machine::wake_at`] has come. The operation lives on after `Respond`: late acknowledgements, repairs and hints
//! are sends of the same machine. After `Done` it must not be stepped again.

use quorate_model::{Epoch, Instant, NodeId, Now, RangeReply, RangeRequest, Refusal, Reply, Request};
use quorate_ring::Plan;
use std::sync::Arc;

/// One message of one operation: pairs an answer with what was asked. Never reused within the operation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Call(pub u32);

/// What a machine asks of an owner: something of one key, or of a range of them.
pub trait Ask {
    /// What it is answered with.
    type Reply;

    /// The epoch of the shard, as it names it.
    fn epoch(&self) -> Epoch;

    /// What a reply is to its asker: an answer, or a failure like any other.
    fn heard(reply: Self::Reply) -> Result<Self::Reply, Failure>;
}

/// What a machine is told.
#[derive(Clone, Debug)]
pub enum Input<R = Reply> {
    /// Begin. Exactly once, first.
    Start,
    /// An owner answered a call (never with `Refused` or `Broken`: those come as `Failed`).
    Reply {
        /// Which call.
        call: Call,
        /// The answer.
        reply: R,
    },
    /// A call got no answer that counts.
    Failed {
        /// Which call.
        call: Call,
        /// What is known of its outcome.
        failure: Failure,
        /// After a refusal for reasons of the catalog: the plan in a newer view, if there is one.
        newer: Option<Arc<Plan>>,
    },
    /// The time of [`Machine::wake_at`] has come (or passed).
    Tick,
}

/// What is known of a call that got no answer that counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Failure {
    /// The request never left this node: it certainly had no effect.
    NotSent,
    /// Whether the request arrived is unknown.
    Lost,
    /// The replica refused: it certainly had no effect.
    Refused(Refusal),
}

/// What a machine wants done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Effect<A, Q = Request> {
    /// Send this to that node (possibly this one), and report `Reply` or `Failed` for the call.
    Send {
        /// Which call.
        call: Call,
        /// To whom.
        to: NodeId,
        /// What.
        request: Q,
    },
    /// Answer the client. Exactly once.
    Respond(A),
    /// Nothing more will be sent, and no input is expected.
    Done,
}

/// What a machine of this kind is told.
pub type InputOf<M> = Input<<<M as Machine>::Request as Ask>::Reply>;

/// What a machine of this kind wants done.
pub type EffectOf<M> = Effect<<M as Machine>::Answer, <M as Machine>::Request>;

/// An operation without I/O.
pub trait Machine {
    /// What it asks of owners.
    type Request: Ask;

    /// What the client is answered.
    type Answer;

    /// Takes one input at one moment; appends what is to be done.
    fn step(&mut self, now: Now, input: InputOf<Self>, effects: &mut Vec<EffectOf<Self>>);

    /// When it wants its next `Tick`; `None`: only an answer can move it.
    fn wake_at(&self) -> Option<Instant>;
}

impl Ask for Request {
    type Reply = Reply;

    fn epoch(&self) -> Epoch {
        self.place().epoch
    }

    fn heard(reply: Reply) -> Result<Reply, Failure> {
        match reply {
            Reply::Refused(refusal) => Err(Failure::Refused(refusal)),
            Reply::Broken => Err(Failure::Lost),
            reply @ (Reply::Known { .. }
            | Reply::Record(_)
            | Reply::Digest { .. }
            | Reply::Written { .. }
            | Reply::Assigned { .. }
            | Reply::Hinted
            | Reply::Inspected(_)
            | Reply::Absent { .. }) => Ok(reply),
        }
    }
}

impl Ask for RangeRequest {
    type Reply = RangeReply;

    fn epoch(&self) -> Epoch {
        RangeRequest::epoch(self)
    }

    fn heard(reply: RangeReply) -> Result<RangeReply, Failure> {
        match reply {
            RangeReply::Refused(refusal) => Err(Failure::Refused(refusal)),
            RangeReply::Broken => Err(Failure::Lost),
            reply @ (RangeReply::Scanned(_)
            | RangeReply::Sums(_)
            | RangeReply::Parted(_)
            | RangeReply::Listed(_)
            | RangeReply::Fetched(_)
            | RangeReply::Paged(_)
            | RangeReply::Merged
            | RangeReply::Floored(_)
            | RangeReply::Removals(_)
            | RangeReply::Confirmed(_)
            | RangeReply::Dropped(_)) => Ok(reply),
        }
    }
}
