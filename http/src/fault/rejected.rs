//! What the catalog does not allow, as a code.

use quorate_api::Code;
use quorate_ring::{PlanRejection, Rejection};

/// What the catalog does not allow: a name or a number of the client's, or a state of the cluster's.
pub fn code(rejection: &Rejection) -> Code {
    match rejection {
        Rejection::TableExists { .. } => Code::TableExists,
        Rejection::NoSuchTable { .. } => Code::NoSuchTable,
        Rejection::NoSuchNode { .. } => Code::NoSuchNode,
        Rejection::LevelOutOfRange { .. } => Code::InvalidConsistency,
        Rejection::InvalidLabel { .. }
        | Rejection::InvalidTableName { .. }
        | Rejection::ReservedTableName { .. }
        | Rejection::InvalidAddress { .. }
        | Rejection::WeightOutOfRange { .. }
        | Rejection::CopiesOutOfRange { .. }
        | Rejection::TooFewNodes { .. }
        | Rejection::InvalidShardCount { .. }
        | Rejection::RangeTablesNotBuilt
        | Rejection::InvalidSplit { .. }
        | Rejection::TtlOutOfRange { .. }
        | Rejection::WritePromiseFixed { .. }
        | Rejection::CopiesFixed { .. } => Code::InvalidBody,
        Rejection::Plan(plan) => of_plan(plan),
        Rejection::NotFounded
        | Rejection::AlreadyFounded { .. }
        | Rejection::NodeNameTaken { .. }
        | Rejection::AddressTaken { .. }
        | Rejection::TooManyNodes { .. }
        | Rejection::LastVoter { .. }
        | Rejection::TooManyTables { .. }
        | Rejection::TooManyShards { .. }
        | Rejection::TooManyDropped { .. }
        | Rejection::IdsExhausted { .. }
        | Rejection::EarlierIncarnation { .. }
        | Rejection::RequestReused { .. } => Code::CatalogRefused,
    }
}

/// Of plans: a request that names what can't be, or a cluster that has moved on.
fn of_plan(rejection: &PlanRejection) -> Code {
    match rejection {
        PlanRejection::LevelNotNamed { .. } | PlanRejection::PromiseChanged { .. } => {
            Code::InvalidConsistency
        }
        PlanRejection::CommandTooLarge { .. }
        | PlanRejection::NoSuchPart { .. }
        | PlanRejection::WrongOwners { .. }
        | PlanRejection::PlanContradicts { .. } => Code::InvalidBody,
        PlanRejection::NotEnabled { .. }
        | PlanRejection::TopologyChanged { .. }
        | PlanRejection::JobRuns { .. }
        | PlanRejection::NoSuchJob { .. }
        | PlanRejection::WrongJobState { .. }
        | PlanRejection::NoSuchShard { .. }
        | PlanRejection::ShardChanged { .. }
        | PlanRejection::WrongStage { .. }
        | PlanRejection::NotAllocatable { .. }
        | PlanRejection::PlanIncomplete { .. }
        | PlanRejection::AnotherIncarnation { .. }
        | PlanRejection::StillOwns { .. }
        | PlanRejection::StillVotes { .. }
        | PlanRejection::StillWanted { .. } => Code::CatalogRefused,
    }
}
