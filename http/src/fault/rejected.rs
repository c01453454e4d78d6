//! What the catalog does not allow, as a code.

use quorate_api::Code;
use quorate_ring::Rejection;

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
