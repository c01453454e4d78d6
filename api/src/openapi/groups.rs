//! Groups of codes: what operations of one kind are refused for, or how they fail.

use crate::code::Code;
use crate::needs::Needs;

/// What any request may meet, whatever it asks.
pub const EDGE: &[Code] = &[
    Code::BadRequest,
    Code::RequestTimeout,
    Code::KeyTooLong,
    Code::ExpectationFailed,
    Code::BadHost,
    Code::HeadersTooLarge,
    Code::Internal,
];
/// A node that is not there yet.
pub const STARTING: &[Code] = &[Code::Starting];
/// A node at its limit; health and metrics are answered even then.
pub const AT_WORK: &[Code] = &[Code::Starting, Code::Overloaded];
/// What every parser of a query refuses.
pub const QUERY: &[Code] = &[Code::UnknownParameter, Code::InvalidParameter];
/// What every request that is not one write refuses.
pub const PLAIN: &[Code] = &[Code::InvalidHeader, Code::NotAcceptable];
/// A node that doubts its disk may have lost the table.
pub const TABLE: &[Code] = &[Code::NoSuchTable, Code::ReplicaDoubtful];
/// A member that there is not.
pub const NODE: &[Code] = &[Code::NoSuchNode, Code::AmbiguousNode];
/// A node without a catalog can't say what members remember.
pub const MEMBERS: &[Code] = &[Code::ReplicaDoubtful];
/// A key that is none.
pub const KEY: &[Code] = &[Code::InvalidKey, Code::KeyTooLong];
/// A node that stops, or doubts its disk, begins nothing.
pub const SERVING: &[Code] = &[Code::Draining, Code::ReplicaDoubtful];
/// What owners that can't answer come down to. Of many keys, each item has its own.
pub const OWNERS: &[Code] =
    &[Code::Unavailable, Code::Overloaded, Code::ReplicaDoubtful, Code::Draining, Code::DiskFull];
/// A level that is not possible.
pub const LEVEL: &[Code] = &[Code::InvalidConsistency];
/// What a read may come to.
pub const READ: &[Code] = &[Code::NoSuchKey, Code::InvalidHeader, Code::NotAcceptable, Code::ReadTimeout];
/// What a write may come to.
pub const WRITE: &[Code] = &[
    Code::ConditionsNeedConsensus,
    Code::InvalidHeader,
    Code::NotAcceptable,
    Code::IdempotencyExpired,
    Code::IdempotencyReused,
    Code::VersionsExhausted,
    Code::WriteTimeout,
];
/// A body of any kind.
pub const BODY: &[Code] = &[Code::InvalidBody, Code::LengthRequired, Code::UnsupportedMediaType];
/// A value that is too large, or has no room.
pub const VALUE: &[Code] = &[Code::ValueTooLarge, Code::Overloaded];
/// Unavailable as a whole: while owners may still answer for a dropped table of the name.
pub const BATCH: &[Code] = &[Code::BatchTooLarge, Code::Overloaded, Code::Unavailable];
/// A document that is too large, or has no room.
pub const DOCUMENT: &[Code] = &[Code::BodyTooLarge, Code::Overloaded];
/// A change of the catalog. Only one that makes something can meet a limit of the catalog.
pub const CHANGE: &[Code] = &[Code::Unavailable, Code::ReplicaDoubtful, Code::Draining, Code::WriteTimeout];
/// A job that moves shards, and what becomes of it.
pub const JOB: &[Code] = &[Code::NoSuchJob, Code::WrongJobState, Code::CatalogRefused];
/// What a plan may meet in the catalog.
pub const PLANNED: &[Code] = &[Code::EpochChanged, Code::JobRuns, Code::CatalogRefused];
/// What a shard that is to change may meet.
pub const SHARD: &[Code] = &[Code::NoSuchShard, Code::EpochChanged, Code::CatalogRefused];
/// What a table that would be made may meet in the catalog.
pub const MADE: &[Code] = &[Code::TableExists, Code::CatalogRefused];
/// A user who may be none, and a catalog that may not take it.
pub const USERS: &[Code] = &[Code::NoSuchUser, Code::CatalogRefused];
/// A role, and whether it is what its author saw.
pub const ROLES: &[Code] = &[Code::NoSuchRole, Code::CatalogRefused];
/// A user or a role that is written whole.
pub const WHOLE: &[Code] = &[Code::EpochChanged];
/// Who asks must prove who it is.
const KNOWN: &[Code] = &[Code::Unauthenticated, Code::RateLimited];
/// And may not do everything.
const ALLOWED: &[Code] = &[Code::Unauthenticated, Code::RateLimited, Code::Forbidden];
/// What the audit log tells of is not done before it can be told.
pub const AUDITED: &[Code] = &[Code::AuditUnavailable];

/// What needs such a thing is refused for, where access control is on.
pub const fn of_access(needs: Needs) -> &'static [Code] {
    match needs {
        Needs::Open => &[],
        Needs::Known => KNOWN,
        Needs::Metrics
        | Needs::See
        | Needs::Everything(_)
        | Needs::Table(_)
        | Needs::Key(_)
        | Needs::Keys(_) => ALLOWED,
    }
}
