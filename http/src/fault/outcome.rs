//! What a fault says of the data.

use super::Fault;
use quorate_coordinator::answer::Outcome;
use quorate_node::control::ProposeError;

impl Fault {
    /// What happened to the data.
    pub fn outcome(&self) -> Outcome {
        match self {
            Fault::Put(error) => error.outcome(),
            Fault::Panicked | Fault::Propose(ProposeError::Unknown { .. }) | Fault::Open { .. } => {
                Outcome::Unknown
            }
            Fault::Query(_)
            | Fault::Key(_)
            | Fault::Head(_)
            | Fault::Host(_)
            | Fault::Body(_)
            | Fault::Document(_)
            | Fault::Cursor(_)
            | Fault::TooManyUnordered { .. }
            | Fault::Parted
            | Fault::Summed
            | Fault::Unauthenticated
            | Fault::TokenExposed
            | Fault::TooManyFailures { .. }
            | Fault::Forbidden { .. }
            | Fault::AuditUnavailable { .. }
            | Fault::NoSuchUser { .. }
            | Fault::NoSuchRole { .. }
            | Fault::NoSuchToken { .. }
            | Fault::NoSuchTable { .. }
            | Fault::Closing { .. }
            | Fault::TwoOfOneName { .. }
            | Fault::NoSuchKey(_)
            | Fault::NoSuchNode { .. }
            | Fault::AmbiguousNode(_)
            | Fault::NoSuchJob { .. }
            | Fault::NoSuchMoveJob { .. }
            | Fault::NoSuchPlan { .. }
            | Fault::NoSuchShard { .. }
            | Fault::ShardRefused { .. }
            | Fault::NoPlan(_)
            | Fault::Jobs(_)
            | Fault::RingTooLarge { .. }
            | Fault::NoSuchRoute
            | Fault::MethodNotAllowed { .. }
            | Fault::TooManyItems { .. }
            | Fault::ItemTooLarge { .. }
            | Fault::LeftOut { .. }
            | Fault::Propose(ProposeError::Rejected(_) | ProposeError::Unavailable { .. })
            | Fault::Overloaded { .. }
            | Fault::TooManyOperations { .. }
            | Fault::OperationsFull { .. }
            | Fault::AnswersFull { .. }
            | Fault::TooManyConnections { .. }
            | Fault::Doubtful { .. }
            | Fault::Loss(_)
            | Fault::Recover(_)
            | Fault::Starting
            | Fault::NoRandomness
            | Fault::Draining
            | Fault::Drained { .. }
            | Fault::NotReady { .. }
            | Fault::NotSafe { .. }
            | Fault::Get(_)
            | Fault::HeadTooLarge { .. }
            | Fault::HeadTimeout { .. }
            | Fault::PathTooLong
            | Fault::Malformed => Outcome::NotApplied,
        }
    }
}
