//! What the catalog does not allow, as a code.

use quorate_api::Code;
use quorate_ring::planner::NoPlan;
use quorate_ring::{AccessRejection, PlanRejection, Rejection, ShardRejection};

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
        | Rejection::ShardBytesOutOfRange { .. }
        | Rejection::WritePromiseFixed { .. }
        | Rejection::CopiesFixed { .. } => Code::InvalidBody,
        Rejection::Plan(plan) => of_plan(plan),
        Rejection::Shard(shard) => of_shard(shard),
        Rejection::Access(access) => of_access(access),
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
        | Rejection::ShardBytesNotEnabled { .. }
        | Rejection::RequestReused { .. } => Code::CatalogRefused,
    }
}

/// Why there is no plan that does what is wanted.
pub fn of_no_plan(why: &NoPlan) -> Code {
    match why {
        NoPlan::JobRuns { .. } => Code::JobRuns,
        NoPlan::NoSuchNode { .. } => Code::NoSuchNode,
        NoPlan::NoSuchTable { .. } => Code::NoSuchTable,
        NoPlan::NotAllocatable { .. }
        | NoPlan::TooFewNodes { .. }
        | NoPlan::Unreachable { .. }
        | NoPlan::NotDead { .. }
        | NoPlan::MayLose { .. }
        | NoPlan::NoSpace { .. }
        | NoPlan::Nothing { .. } => Code::PlanRefused,
        NoPlan::Rejected(rejection) => code(rejection),
    }
}

/// Of users and roles.
fn of_access(rejection: &AccessRejection) -> Code {
    match rejection {
        AccessRejection::InvalidName { .. }
        | AccessRejection::InvalidCertificate
        | AccessRejection::WrongScope { .. }
        | AccessRejection::PrefixOutOfRange => Code::InvalidBody,
        AccessRejection::NoSuchUser { .. } => Code::NoSuchUser,
        AccessRejection::NoSuchRole { .. } => Code::NoSuchRole,
        AccessRejection::NoSuchToken { .. } => Code::NoSuchToken,
        AccessRejection::Changed { .. } => Code::EpochChanged,
        AccessRejection::NotEnabled { .. }
        | AccessRejection::LastAdmin
        | AccessRejection::TooMany { .. }
        | AccessRejection::RoleInUse { .. }
        | AccessRejection::CertificateTaken { .. }
        | AccessRejection::TokenTaken { .. } => Code::CatalogRefused,
    }
}

/// Of splits and merges.
fn of_shard(rejection: &ShardRejection) -> Code {
    match rejection {
        ShardRejection::WrongCount { .. }
        | ShardRejection::Outside { .. }
        | ShardRejection::NoPlace { .. }
        | ShardRejection::NotNeighbours { .. } => Code::InvalidBody,
        ShardRejection::Changed { .. } => Code::EpochChanged,
        ShardRejection::NotEnabled { .. }
        | ShardRejection::Moves { .. }
        | ShardRejection::Waits { .. }
        | ShardRejection::PlanIsWritten { .. }
        | ShardRejection::OtherNodes { .. } => Code::CatalogRefused,
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
        PlanRejection::TopologyChanged { .. } | PlanRejection::ShardChanged { .. } => Code::EpochChanged,
        PlanRejection::JobRuns { .. } => Code::JobRuns,
        PlanRejection::NoSuchJob { .. } => Code::NoSuchJob,
        PlanRejection::WrongJobState { .. } => Code::WrongJobState,
        PlanRejection::NotEnabled { .. }
        | PlanRejection::NoSuchShard { .. }
        | PlanRejection::WrongStage { .. }
        | PlanRejection::NotAllocatable { .. }
        | PlanRejection::PlanIncomplete { .. }
        | PlanRejection::AnotherIncarnation { .. }
        | PlanRejection::StillOwns { .. }
        | PlanRejection::StillVotes { .. }
        | PlanRejection::StillWanted { .. } => Code::CatalogRefused,
    }
}
