//! Every refusal, and its one way to the client: `application/problem+json` (RFC 9457).
//!
//! Each operation has its own error enum, whose sentence says the cause, what happened to the data and the way
//! out. [`Fault`] gathers them, [`Fault::code`] is the one exhaustive match from all of them to codes and thereby
//! to statuses, and [`Problem`] is what is sent: the fault with where it happened.
//!
//! A handler returns a [`Problem`]; the edge writes the body last, when it knows the request's id.

use super::body::BodyError;
use super::code::Code;
use super::head::HeadError;
use super::host::HostError;
use super::query::QueryError;
use super::target::KeyError;
use crate::core::ProposeError;
use crate::metrics::LevelLabel;
use axum::response::{IntoResponse, Response};
use http::header::{CACHE_CONTROL, CONTENT_TYPE, RETRY_AFTER};
use http::{HeaderMap, HeaderName, HeaderValue};
use quorate_coordinator::answer::{Outcome, ReplicaReport, ReplicaResult};
use quorate_coordinator::{GetError, PutError};
use quorate_model::{Level, NodeId, Refusal, ShardId, Table};
use quorate_ring::Rejection;
use serde::Serialize;
use thiserror::Error;

/// The media type of every refusal.
pub const PROBLEM_JSON: &str = "application/problem+json";

/// Everything for which a request is refused or fails.
#[derive(Clone, Debug, Error)]
pub enum Fault {
    /// A query parameter.
    #[error(transparent)]
    Query(#[from] QueryError),
    /// The key.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// A header.
    #[error(transparent)]
    Head(#[from] HeadError),
    /// The host or the origin.
    #[error(transparent)]
    Host(#[from] HostError),
    /// The body.
    #[error(transparent)]
    Body(#[from] BodyError),
    /// A document whose JSON is not what the request takes.
    #[error("{0}; nothing was done")]
    Document(String),
    /// No such table.
    #[error("there is no table \"{name}\"; GET /v1/tables lists those there are")]
    NoSuchTable {
        /// As it was asked for, escaped.
        name: String,
    },
    /// No value.
    #[error("{0}")]
    NoSuchKey(&'static str),
    /// No such member.
    #[error("there is no member \"{id}\"; GET /v1/cluster/nodes lists those there are")]
    NoSuchNode {
        /// As it was asked for, escaped.
        id: String,
    },
    /// No such path.
    #[error("nothing is served under this path, or not yet")]
    NoSuchRoute,
    /// Another method.
    #[error("this path does not take {method}; Allow says what it takes")]
    MethodNotAllowed {
        /// As it came, escaped.
        method: String,
    },
    /// A change of the catalog was not made, or nobody knows.
    #[error(transparent)]
    Propose(#[from] ProposeError),
    /// More items than a batch may have.
    #[error("the request has {got} items, the limit is {limit}; nothing was done")]
    TooManyItems {
        /// How many came.
        got: usize,
        /// The limit.
        limit: usize,
    },
    /// Too many requests at work.
    #[error("{limit} requests are at work on this node, which is its limit; nothing was done; try again")]
    Overloaded {
        /// The limit.
        limit: usize,
    },
    /// Not ready yet.
    #[error(
        "this node is starting: it opens its data, or waits to become a member; nothing was done; try again"
    )]
    Starting,
    /// No random bits.
    #[error("the operating system has no random bits yet; nothing was done; try again")]
    NoRandomness,
    /// Going away.
    #[error("this node is stopping; nothing was done; use another node")]
    Draining,
    /// This node can't serve its tables.
    #[error("{}", reasons.join("; "))]
    NotReady {
        /// What it comes down to.
        code: Code,
        /// Each reason.
        reasons: Vec<String>,
    },
    /// A member that may not be stopped.
    #[error("{node} must not be stopped now: without it, {}", reasons.join("; "))]
    NotSafe {
        /// The member.
        node: NodeId,
        /// Each reason.
        reasons: Vec<String>,
    },
    /// A read failed.
    #[error(transparent)]
    Get(#[from] GetError),
    /// A write failed.
    #[error(transparent)]
    Put(#[from] PutError),
    /// A bug.
    #[error("a bug in this node; the log tells more under the request's id; a write may have taken effect")]
    Panicked,
    /// The head is over its limit.
    #[error("the request's head is larger than {limit} bytes or has more than 100 headers")]
    HeadTooLarge {
        /// The limit.
        limit: usize,
    },
    /// The head did not come in time.
    #[error("the request's head did not arrive within {seconds} s")]
    HeadTimeout {
        /// The limit.
        seconds: u64,
    },
    /// The path is longer than any may be.
    #[error("the request's path is too long")]
    PathTooLong,
    /// Not HTTP.
    #[error("this is not an HTTP/1.1 request that this node can read")]
    Malformed,
}

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
            Fault::NoSuchTable { .. } => Code::NoSuchTable,
            Fault::NoSuchKey(_) => Code::NoSuchKey,
            Fault::NoSuchNode { .. } => Code::NoSuchNode,
            Fault::NoSuchRoute => Code::NoSuchRoute,
            Fault::MethodNotAllowed { .. } => Code::MethodNotAllowed,
            Fault::TooManyItems { .. } => Code::BatchTooLarge,
            Fault::NotReady { code, .. } => *code,
            Fault::Propose(ProposeError::Rejected(rejection)) => rejected(rejection),
            Fault::Propose(ProposeError::Unavailable { .. }) | Fault::NotSafe { .. } => Code::Unavailable,
            Fault::Overloaded { .. } => Code::Overloaded,
            Fault::Starting | Fault::NoRandomness => Code::Starting,
            Fault::Draining => Code::Draining,
            Fault::Get(GetError::Unavailable { required, acks, replicas, .. })
            | Fault::Put(PutError::Unavailable { required, acks, replicas, .. }) => {
                unavailable(*required, *acks, replicas)
            }
            Fault::Get(GetError::Timeout { .. }) => Code::ReadTimeout,
            Fault::Put(PutError::Unknown { .. }) | Fault::Propose(ProposeError::Unknown { .. }) => {
                Code::WriteTimeout
            }
            Fault::Put(PutError::IdempotencyExpired) => Code::IdempotencyExpired,
            Fault::Put(PutError::IdempotencyReused) => Code::IdempotencyReused,
            Fault::Put(PutError::Exhausted) => Code::VersionsExhausted,
            Fault::Panicked | Fault::Get(GetError::Divergent { .. }) => Code::Internal,
            Fault::HeadTooLarge { .. } => Code::HeadersTooLarge,
            Fault::HeadTimeout { .. } => Code::RequestTimeout,
            Fault::PathTooLong => Code::KeyTooLong,
            Fault::Malformed => Code::BadRequest,
        }
    }

    fn outcome(&self) -> Outcome {
        match self {
            Fault::Put(error) => error.outcome(),
            Fault::Panicked | Fault::Propose(ProposeError::Unknown { .. }) => Outcome::Unknown,
            Fault::Query(_)
            | Fault::Key(_)
            | Fault::Head(_)
            | Fault::Host(_)
            | Fault::Body(_)
            | Fault::Document(_)
            | Fault::NoSuchTable { .. }
            | Fault::NoSuchKey(_)
            | Fault::NoSuchNode { .. }
            | Fault::NoSuchRoute
            | Fault::MethodNotAllowed { .. }
            | Fault::TooManyItems { .. }
            | Fault::Propose(ProposeError::Rejected(_) | ProposeError::Unavailable { .. })
            | Fault::Overloaded { .. }
            | Fault::Starting
            | Fault::NoRandomness
            | Fault::Draining
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

/// What the catalog does not allow: a name or a number of the client's, or a state of the cluster's.
fn rejected(rejection: &Rejection) -> Code {
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
        | Rejection::TtlOutOfRange { .. }
        | Rejection::WritePromiseFixed { .. }
        | Rejection::CopiesFixed { .. } => Code::InvalidBody,
        Rejection::NotFounded
        | Rejection::AlreadyFounded { .. }
        | Rejection::NodeNameTaken { .. }
        | Rejection::TooManyNodes { .. }
        | Rejection::LastVoter { .. }
        | Rejection::TooManyTables { .. }
        | Rejection::IdsExhausted { .. }
        | Rejection::RequestReused { .. } => Code::CatalogRefused,
    }
}

/// A fault, with where it happened: what is sent to the client.
#[derive(Clone, Debug)]
pub struct Problem(Box<Fields>);

#[derive(Clone, Debug)]
struct Fields {
    fault: Fault,
    table: Option<String>,
    shard: Option<ShardId>,
    level: Option<Level>,
    idempotent: bool,
    headers: HeaderMap,
}

impl<F: Into<Fault>> From<F> for Problem {
    fn from(fault: F) -> Self {
        Problem(Box::new(Fields {
            fault: fault.into(),
            table: None,
            shard: None,
            level: None,
            idempotent: false,
            headers: HeaderMap::new(),
        }))
    }
}

impl Problem {
    /// The code.
    pub fn code(&self) -> Code {
        self.0.fault.code()
    }

    /// The fault's sentence.
    pub fn detail(&self) -> String {
        self.0.fault.to_string()
    }

    /// The level asked for, for the metrics.
    pub fn level(&self) -> LevelLabel {
        self.0.level.map_or(LevelLabel::None, LevelLabel::from)
    }

    /// On this table.
    #[must_use]
    pub fn on(mut self, table: &Table) -> Self {
        self.0.table = Some(table.name.clone());
        self
    }

    /// In this shard.
    #[must_use]
    pub fn in_shard(mut self, shard: ShardId) -> Self {
        self.0.shard = Some(shard);
        self
    }

    /// At this level.
    #[must_use]
    pub fn at(mut self, level: Level) -> Self {
        self.0.level = Some(level);
        self
    }

    /// Of a write that has an operation id (or not).
    #[must_use]
    pub fn with_operation(mut self, idempotent: bool) -> Self {
        self.0.idempotent = idempotent;
        self
    }

    /// With one more header.
    #[must_use]
    pub fn with_header(mut self, name: HeaderName, value: HeaderValue) -> Self {
        self.0.headers.insert(name, value);
        self
    }

    /// The body, for the request of this id.
    pub fn document<'a>(&'a self, instance: &'a str) -> Document<'a> {
        let fields = &*self.0;
        let (n, required, acks, replicas) = counts(&fields.fault);
        let code = self.code();
        Document {
            kind: format!("/problems/{}", code.as_str()),
            title: code.title(),
            status: code.status().as_u16(),
            code: code.as_str(),
            detail: self.detail(),
            instance,
            outcome: match fields.fault.outcome() {
                Outcome::NotApplied => "not_applied",
                Outcome::Unknown => "unknown",
            },
            retry: self.retry(),
            table: fields.table.as_deref(),
            shard: fields.shard.map(|shard| {
                let table = fields.table.clone().unwrap_or_else(|| shard.table.to_string());
                format!("{table}/{}", shard.index)
            }),
            consistency: fields.level.map(|level| level.to_string()),
            n,
            required,
            acks,
            replicas: replicas.iter().map(Replica::from).collect(),
            reasons: match &fields.fault {
                Fault::NotReady { reasons, .. } | Fault::NotSafe { reasons, .. } => reasons,
                _ => &[],
            },
        }
    }

    fn retry(&self) -> Option<&'static str> {
        match self.code() {
            Code::WriteTimeout if self.0.idempotent => Some("same idempotency key"),
            Code::WriteTimeout => Some("read before you write again"),
            Code::ReadTimeout | Code::RequestTimeout => Some("at once"),
            Code::IdempotencyExpired => Some("read, then write under a new sequence"),
            Code::IdempotencyReused => Some("under a new sequence"),
            code => code.retry_after().map(|_| "after Retry-After"),
        }
    }

    /// Status and headers, with an empty body: what is known before the request's id.
    fn head(&self) -> Response {
        let mut response = self.code().status().into_response();
        let headers = response.headers_mut();
        headers.extend(self.0.headers.clone());
        headers.insert(CONTENT_TYPE, HeaderValue::from_static(PROBLEM_JSON));
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
        if let Some(seconds) = self.code().retry_after() {
            headers.insert(RETRY_AFTER, HeaderValue::from(seconds));
        }
        response
    }
}

fn counts(fault: &Fault) -> (Option<u8>, Option<u8>, Option<u8>, &[ReplicaReport]) {
    let (Fault::Get(
        GetError::Unavailable { n, required, acks, replicas }
        | GetError::Timeout { n, required, acks, replicas },
    )
    | Fault::Put(
        PutError::Unavailable { n, required, acks, replicas }
        | PutError::Unknown { n, required, acks, replicas, .. },
    )) = fault
    else {
        return (None, None, None, &[]);
    };
    (Some(*n), Some(*required), Some(*acks), replicas)
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let mut response = self.head();
        response.extensions_mut().insert(self);
        response
    }
}

/// The body of a problem.
#[derive(Debug, Serialize)]
pub struct Document<'a> {
    #[serde(rename = "type")]
    kind: String,
    title: &'static str,
    status: u16,
    code: &'static str,
    detail: String,
    instance: &'a str,
    outcome: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    retry: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    table: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    shard: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    consistency: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    n: Option<u8>,
    #[serde(skip_serializing_if = "Option::is_none")]
    required: Option<u8>,
    #[serde(skip_serializing_if = "Option::is_none")]
    acks: Option<u8>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    replicas: Vec<Replica>,
    #[serde(skip_serializing_if = "<[String]>::is_empty")]
    reasons: &'a [String],
}

/// What one owner said, in JSON.
#[derive(Clone, Debug, Serialize)]
pub struct Replica {
    node: String,
    result: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    ms: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    hint: bool,
}

impl From<&ReplicaReport> for Replica {
    fn from(report: &ReplicaReport) -> Self {
        let ms = Some(report.after.as_millis());
        let (result, ms, reason) = match report.result {
            ReplicaResult::Ack => ("ack", ms, None),
            ReplicaResult::Timeout => ("timeout", None, None),
            ReplicaResult::Down => ("down", None, None),
            ReplicaResult::Lost => ("lost", ms, None),
            ReplicaResult::Refused(refusal) => ("refused", ms, Some(refusal.to_string())),
        };
        Replica { node: report.node.to_string(), result, ms, reason, hint: report.hint }
    }
}

#[cfg(test)]
mod tests;
