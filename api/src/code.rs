//! The codes of every refusal, each with its status and its title. A program decides by the code; a person reads
//! the title and the detail.

use http::StatusCode;
use std::borrow::Cow;
use utoipa::openapi::RefOr;
use utoipa::openapi::schema::{ObjectBuilder, Schema, Type};
use utoipa::{PartialSchema, ToSchema};

/// Seconds over which requests are counted that did not prove who asks.
pub const FAILURES_SECONDS: u32 = 10;

macro_rules! codes {
    ($($(#[$doc:meta])* $name:ident = $status:ident $code:literal $title:literal;)*) => {
        /// Why a request was refused or failed: the `code` of the answer.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum Code {
            $($(#[$doc])* $name,)*
        }

        impl Code {
            /// Every code, in the order of its status.
            pub const ALL: &'static [Code] = &[$(Code::$name),*];

            /// The HTTP status it comes with.
            pub fn status(self) -> StatusCode {
                match self {
                    $(Code::$name => StatusCode::$status,)*
                }
            }

            /// The word in the answer's `code`, and at the end of its `type`.
            pub fn as_str(self) -> &'static str {
                match self {
                    $(Code::$name => $code,)*
                }
            }

            /// A short sentence that is the same for every occurrence.
            pub fn title(self) -> &'static str {
                match self {
                    $(Code::$name => $title,)*
                }
            }
        }
    };
}

codes! {
    /// The request is not HTTP as we speak it.
    BadRequest = BAD_REQUEST "bad-request" "The request is malformed";
    /// A level that is none, is out of range, contradicts another or is on the wrong side.
    InvalidConsistency = BAD_REQUEST "invalid-consistency" "The consistency asked for is not possible here";
    /// A query parameter that is unknown, or has no meaning on this request.
    UnknownParameter = BAD_REQUEST "unknown-parameter" "A query parameter is not known here";
    /// A query parameter that is known and whose value is not.
    InvalidParameter = BAD_REQUEST "invalid-parameter" "A query parameter has no valid value";
    /// A header that is known and whose value is not.
    InvalidHeader = BAD_REQUEST "invalid-header" "A header has no valid value";
    /// No key, or one whose encoding is broken.
    InvalidKey = BAD_REQUEST "invalid-key" "The key can't be read";
    /// A cursor that is none, or of another scan.
    InvalidCursor = BAD_REQUEST "invalid-cursor" "The cursor is not of this scan";
    /// A body that is not what the request takes.
    InvalidBody = BAD_REQUEST "invalid-body" "The body can't be used";
    /// A condition on a write of a table that can't judge it.
    ConditionsNeedConsensus = BAD_REQUEST "conditions-need-consensus" "Conditional requests need a consensus table";
    /// Access control is on, and it is not proved who asks.
    Unauthenticated = UNAUTHORIZED "unauthenticated" "It is not proved who asks";
    /// Who asks may not do this.
    Forbidden = FORBIDDEN "forbidden" "Who asks may not do this";
    /// The key has no value.
    NoSuchKey = NOT_FOUND "no-such-key" "The key has no value";
    /// The table does not exist.
    NoSuchTable = NOT_FOUND "no-such-table" "The table does not exist";
    /// No member has that id.
    NoSuchNode = NOT_FOUND "no-such-node" "No member has this id";
    /// No member remembers that job.
    NoSuchJob = NOT_FOUND "no-such-job" "No such job is remembered";
    /// The node keeps no such plan.
    NoSuchPlan = NOT_FOUND "no-such-plan" "No such plan is kept here";
    /// The table has no such shard.
    NoSuchShard = NOT_FOUND "no-such-shard" "The table has no such shard";
    /// There is no user of that name.
    NoSuchUser = NOT_FOUND "no-such-user" "The user does not exist";
    /// There is no role of that name.
    NoSuchRole = NOT_FOUND "no-such-role" "The role does not exist";
    /// There is no token of that id.
    NoSuchToken = NOT_FOUND "no-such-token" "The token does not exist";
    /// Nothing is served under this path.
    NoSuchRoute = NOT_FOUND "no-such-route" "Nothing is served under this path";
    /// The path is served, the method is not.
    MethodNotAllowed = METHOD_NOT_ALLOWED "method-not-allowed" "The path does not take this method";
    /// What could be answered is not what `Accept` takes.
    NotAcceptable = NOT_ACCEPTABLE "not-acceptable" "The answer is in no form that Accept takes";
    /// The request did not arrive in time.
    RequestTimeout = REQUEST_TIMEOUT "request-timeout" "The request did not arrive in time";
    /// A table of that name exists.
    TableExists = CONFLICT "table-exists" "A table of this name exists";
    /// What is the id of one member and the name of another.
    AmbiguousNode = CONFLICT "ambiguous-node" "Two members can be meant";
    /// The catalog does not allow the change.
    CatalogRefused = CONFLICT "catalog-refused" "The catalog does not allow this change";
    /// There is no plan that does what is wanted, or it would lose something.
    PlanRefused = CONFLICT "plan-refused" "No plan does what is wanted";
    /// What a plan was made from, or what a request would replace, has changed.
    EpochChanged = CONFLICT "epoch-changed" "It has changed since the request was made up";
    /// A plan is being carried out.
    JobRuns = CONFLICT "job-runs" "Another plan is being carried out";
    /// A job is not in a state in which this can be done.
    WrongJobState = CONFLICT "wrong-job-state" "The job can't do this any more, or not yet";
    /// A loss that can't be accepted in this way.
    LossNotAccepted = CONFLICT "loss-not-accepted" "This loss can't be accepted";
    /// The catalog can't go on without the members that are named.
    RecoveryRefused = CONFLICT "recovery-refused" "The catalog can't go on without these members";
    /// The operation id is older than what is remembered.
    IdempotencyExpired = CONFLICT "idempotency-expired" "The operation id is too old to be recognised";
    /// The operation id came with another body before.
    IdempotencyReused = CONFLICT "idempotency-reused" "The operation id was used for another write";
    /// The key's version numbers are used up.
    VersionsExhausted = CONFLICT "versions-exhausted" "The key's version numbers are used up";
    /// Neither a length nor chunks.
    LengthRequired = LENGTH_REQUIRED "length-required" "A body needs a length";
    /// The value is over its limit.
    ValueTooLarge = PAYLOAD_TOO_LARGE "value-too-large" "The value is too large";
    /// The batch is over its limits.
    BatchTooLarge = PAYLOAD_TOO_LARGE "batch-too-large" "The batch is too large";
    /// The document is over its limit.
    BodyTooLarge = PAYLOAD_TOO_LARGE "body-too-large" "The document is too large";
    /// The key is over its limit.
    KeyTooLong = URI_TOO_LONG "key-too-long" "The key is too long";
    /// A body in a form that is not taken.
    UnsupportedMediaType = UNSUPPORTED_MEDIA_TYPE "unsupported-media-type" "The body's form is not taken here";
    /// An `Expect` that is not met.
    ExpectationFailed = EXPECTATION_FAILED "expectation-failed" "The expectation can't be met";
    /// A host or an origin that is not ours.
    BadHost = MISDIRECTED_REQUEST "bad-host" "The request is meant for another host";
    /// Too many requests failed to prove who asks.
    RateLimited = TOO_MANY_REQUESTS "rate-limited" "Too many requests did not prove who asks";
    /// The head is over its limit.
    HeadersTooLarge = REQUEST_HEADER_FIELDS_TOO_LARGE "headers-too-large" "The request's head is too large";
    /// A bug.
    Internal = INTERNAL_SERVER_ERROR "internal" "A bug in Quorate";
    /// Too few owners.
    Unavailable = SERVICE_UNAVAILABLE "unavailable" "Too few owners can answer";
    /// A limit on what is at work.
    Overloaded = SERVICE_UNAVAILABLE "overloaded" "Too much is at work";
    /// What is to be done could not be written down first.
    AuditUnavailable = SERVICE_UNAVAILABLE "audit-unavailable" "The audit log can't be written";
    /// The node is not ready yet.
    Starting = SERVICE_UNAVAILABLE "starting" "The node is starting";
    /// The node is going away, or an operator has drained it.
    Draining = SERVICE_UNAVAILABLE "draining" "The node takes no requests";
    /// Too few owners trust their disks.
    ReplicaDoubtful = SERVICE_UNAVAILABLE "replica-doubtful" "Too few owners trust their disks";
    /// A read that did not reach its level in time.
    ReadTimeout = GATEWAY_TIMEOUT "read-timeout" "Read quorum not reached in time";
    /// A write of unknown outcome.
    WriteTimeout = GATEWAY_TIMEOUT "write-timeout" "Write quorum not reached in time";
    /// Too few owners have space left.
    DiskFull = INSUFFICIENT_STORAGE "disk-full" "Too few owners have space left";
}

impl Code {
    /// Seconds after which trying again makes sense, for `Retry-After`.
    pub fn retry_after(self) -> Option<u32> {
        if self == Code::RateLimited {
            return Some(FAILURES_SECONDS);
        }
        (self.status() == StatusCode::SERVICE_UNAVAILABLE).then_some(1)
    }

    /// The code of this word, if it is one.
    pub fn named(word: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|code| code.as_str() == word)
    }

    /// A path that names the kind of problem.
    pub fn kind(self) -> String {
        format!("/problems/{}", self.as_str())
    }
}

impl PartialSchema for Code {
    fn schema() -> RefOr<Schema> {
        let words = Self::ALL.iter().map(|code| code.as_str());
        ObjectBuilder::new().schema_type(Type::String).enum_values(Some(words)).into()
    }
}

impl ToSchema for Code {
    fn name() -> Cow<'static, str> {
        Cow::Borrowed("Code")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_unique_words() {
        for (at, code) in Code::ALL.iter().enumerate() {
            assert!(code.as_str().bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'-'));
            assert!(Code::ALL[..at].iter().all(|other| other.as_str() != code.as_str()), "{code:?}");
            assert!(code.status().is_client_error() || code.status().is_server_error());
        }
    }

    #[test]
    fn every_code_is_in_the_reference() {
        let reference = include_str!("../../docs/http.md");
        for code in Code::ALL {
            let row = |line: &&str| line.starts_with(&format!("| {} |", code.status().as_u16()));
            let named = format!("`{}`", code.as_str());
            let rows = reference.lines().filter(row).filter(|line| line.contains(&named));
            assert_eq!(rows.count(), 1, "{named} in the table of errors");
        }
    }

    #[test]
    fn what_passes_says_when_to_try_again() {
        for code in Code::ALL {
            let is_for_a_while = matches!(code.status().as_u16(), 429 | 503);
            assert_eq!(code.retry_after().is_some(), is_for_a_while, "{code:?}");
        }
    }
}
