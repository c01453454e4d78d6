//! The code of each fault, and with it the status.

use super::{Fault, rejected};
use quorate_api::Code;
use quorate_coordinator::answer::{ReplicaReport, ReplicaResult};
use quorate_coordinator::{GetError, PutError};
use quorate_model::Refusal;
use quorate_node::control::ProposeError;
use quorate_node::core::LossError;

impl Fault {
    /// The code, and with it the status: one exhaustive match for everything.
    pub fn code(&self) -> Code {
        match self {
            Fault::Query(error) => error.code(),
            Fault::Key(error) => error.code(),
            Fault::Head(error) => error.code(),
            Fault::Host(error) => error.code(),
            Fault::Body(error) => error.code(),
            Fault::Document(_) => Code::InvalidBody,
            Fault::Cursor(_) => Code::InvalidCursor,
            Fault::Unauthenticated | Fault::TokenExposed => Code::Unauthenticated,
            Fault::TooManyFailures { .. } => Code::RateLimited,
            Fault::Forbidden { .. } => Code::Forbidden,
            Fault::AuditUnavailable { .. } => Code::AuditUnavailable,
            Fault::NoSuchUser { .. } => Code::NoSuchUser,
            Fault::NoSuchRole { .. } => Code::NoSuchRole,
            Fault::NoSuchToken { .. } => Code::NoSuchToken,
            Fault::NoSuchTable { .. } => Code::NoSuchTable,
            Fault::NoSuchKey(_) => Code::NoSuchKey,
            Fault::TwoOfOneName { .. } | Fault::ShardRefused { .. } => Code::CatalogRefused,
            Fault::NoSuchNode { .. } => Code::NoSuchNode,
            Fault::AmbiguousNode(_) => Code::AmbiguousNode,
            Fault::NoSuchJob { .. } | Fault::NoSuchMoveJob { .. } => Code::NoSuchJob,
            Fault::NoSuchPlan { .. } => Code::NoSuchPlan,
            Fault::NoSuchShard { .. } => Code::NoSuchShard,
            Fault::NoPlan(why) => rejected::of_no_plan(why),
            Fault::NoSuchRoute => Code::NoSuchRoute,
            Fault::MethodNotAllowed { .. } => Code::MethodNotAllowed,
            Fault::RingTooLarge { .. } | Fault::TooManyUnordered { .. } | Fault::Parted | Fault::Summed => {
                Code::InvalidParameter
            }
            Fault::TooManyItems { .. } | Fault::LeftOut { .. } => Code::BatchTooLarge,
            Fault::ItemTooLarge { .. } => Code::ValueTooLarge,
            Fault::NotReady { code, .. } => *code,
            Fault::Propose(ProposeError::Rejected(rejection)) => rejected::code(rejection),
            Fault::Propose(ProposeError::Unavailable { .. })
            | Fault::Closing { .. }
            | Fault::NotSafe { .. }
            | Fault::Loss(LossError::Unavailable(_)) => Code::Unavailable,
            Fault::Overloaded { .. }
            | Fault::TooManyOperations { .. }
            | Fault::OperationsFull { .. }
            | Fault::AnswersFull { .. }
            | Fault::TooManyConnections { .. }
            | Fault::Jobs(_) => Code::Overloaded,
            Fault::Doubtful { .. } => Code::ReplicaDoubtful,
            Fault::Recover(_) => Code::RecoveryRefused,
            Fault::Loss(
                LossError::Elsewhere { .. }
                | LossError::OtherName { .. }
                | LossError::NotDoubtful(_)
                | LossError::NotRestarted
                | LossError::Damaged(_)
                | LossError::Unreadable(_)
                | LossError::Disk(_)
                | LossError::FromBefore { .. },
            ) => Code::LossNotAccepted,
            Fault::Starting | Fault::NoRandomness => Code::Starting,
            Fault::Draining | Fault::Drained { .. } => Code::Draining,
            Fault::Get(GetError::Unavailable { required, acks, replicas, .. })
            | Fault::Put(PutError::Unavailable { required, acks, replicas, .. }) => {
                unavailable(*required, *acks, replicas)
            }
            Fault::Get(GetError::Timeout { .. }) => Code::ReadTimeout,
            Fault::Put(PutError::Unknown { .. })
            | Fault::Propose(ProposeError::Unknown { .. })
            | Fault::Open { .. } => Code::WriteTimeout,
            Fault::Put(PutError::IdempotencyExpired) => Code::IdempotencyExpired,
            Fault::Put(PutError::IdempotencyReused) => Code::IdempotencyReused,
            // The edge says so first.
            Fault::Put(PutError::IdempotencyBelowTable { .. }) => Code::InvalidConsistency,
            Fault::Put(PutError::Exhausted) => Code::VersionsExhausted,
            Fault::Panicked | Fault::Get(GetError::Divergent { .. }) => Code::Internal,
            Fault::HeadTooLarge { .. } => Code::HeadersTooLarge,
            Fault::HeadTimeout { .. } => Code::RequestTimeout,
            Fault::PathTooLong => Code::KeyTooLong,
            Fault::Malformed => Code::BadRequest,
        }
    }
}

/// Too few owners: which reason would have to go away for the request to succeed?
fn unavailable(required: u8, acks: u8, replicas: &[ReplicaReport]) -> Code {
    let missing = usize::from(required.saturating_sub(acks));
    let refused = |by: fn(Refusal) -> bool| {
        let count =
            replicas.iter().filter(|r| matches!(r.result, ReplicaResult::Refused(why) if by(why))).count();
        count > 0 && count >= missing
    };
    if refused(|why| why == Refusal::DiskFull) {
        Code::DiskFull
    } else if refused(|why| why == Refusal::Doubtful) {
        Code::ReplicaDoubtful
    } else if refused(|why| matches!(why, Refusal::Overloaded | Refusal::Late)) {
        Code::Overloaded
    } else {
        Code::Unavailable
    }
}
