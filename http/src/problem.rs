//! Every refusal's one way to the client: `application/problem+json` (RFC 9457).
//!
//! A [`Fault`] says what went wrong; a [`Problem`] adds where: on which table, in which shard, at which level. A handler
//! returns a problem, and the edge writes the body last, when it knows the request's id.

use super::fault::{Counts, Fault};
use crate::metrics::LevelLabel;
use axum::response::{IntoResponse, Response};
use http::header::{ALLOW, CACHE_CONTROL, CONTENT_TYPE, RETRY_AFTER, WWW_AUTHENTICATE};
use http::{HeaderMap, HeaderName, HeaderValue};
use quorate_api::document::{self, Replica};
use quorate_api::form::{self, Said};
use quorate_api::header::PROBLEM_JSON;
use quorate_api::{Code, RouteError, Word};
use quorate_coordinator::PutError;
use quorate_coordinator::answer::{Outcome, ReplicaReport, ReplicaResult};
use quorate_model::{Level, ShardId, Table};

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
    retried: bool,
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
            retried: false,
            headers: HeaderMap::new(),
        }))
    }
}

impl From<RouteError> for Problem {
    fn from(error: RouteError) -> Self {
        match error {
            RouteError::NoSuchRoute => Fault::NoSuchRoute.into(),
            RouteError::MethodNotAllowed { method, allow } => {
                let allow = HeaderValue::from_str(&allow).expect("names of methods");
                let headers = HeaderMap::from_iter([(ALLOW, allow)]);
                Problem::from(Fault::MethodNotAllowed { method }).with_headers(headers)
            }
            RouteError::NoSuchTable { name } => Fault::NoSuchTable { name }.into(),
            RouteError::NoSuchNode { id } => Fault::NoSuchNode { id }.into(),
            RouteError::NoSuchJob { id } => Fault::NoSuchJob { id }.into(),
            error @ RouteError::NoSuchShard { .. } => Fault::NoSuchShard { why: error.to_string() }.into(),
            error @ RouteError::NoSuchPlan { .. } => Fault::NoSuchPlan { why: error.to_string() }.into(),
            error @ RouteError::NoSuchUser { .. } => Fault::NoSuchUser { why: error.to_string() }.into(),
            error @ RouteError::NoSuchRole { .. } => Fault::NoSuchRole { why: error.to_string() }.into(),
            error @ RouteError::NoSuchToken => Fault::NoSuchToken { why: error.to_string() }.into(),
            RouteError::Query(error) => error.into(),
            RouteError::Key(error) => error.into(),
        }
    }
}

impl Problem {
    /// The code.
    pub fn code(&self) -> Code {
        self.0.fault.code()
    }

    /// The fault's sentence; for too few owners also which round it was, and who is down.
    pub fn detail(&self) -> String {
        let Fields { fault, level, .. } = &*self.0;
        let Counts { n, required, acks, replicas } = fault.counts();
        let mut sentence = fault.to_string();
        if let (Fault::Put(PutError::Unavailable { .. }), Some(n), Some(required), Some(acks), Some(level)) =
            (fault, n, required, acks, level)
            && level.required(n) != Ok(required)
        {
            sentence = format!(
                "round one of the write needs the answers of {required} of {n} owners, whatever its own level is \
                 (N - min(table w, quorum) + 1); {acks} can answer; this attempt stored nothing"
            );
        }
        let down = replicas.iter().filter(|report| report.result == ReplicaResult::Down);
        let down: Vec<String> = down.map(|report| report.node.to_string()).collect();
        if !down.is_empty() {
            sentence.push_str("; down: ");
            sentence.push_str(&down.join(", "));
        }
        if self.hides_an_attempt() {
            sentence.push_str("; an earlier attempt may have been applied");
        }
        sentence
    }

    /// Whether this is the answer to a question and no failure.
    pub fn is_verdict(&self) -> bool {
        self.0.fault.is_verdict()
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

    /// That shard, as people call it.
    pub fn shard(&self) -> Option<String> {
        let shard = self.0.shard?;
        let table = self.0.table.clone().unwrap_or_else(|| shard.table.to_string());
        Some(format!("{table}/{}", shard.index))
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

    /// Of a write that says that it is not the first attempt (or not).
    #[must_use]
    pub fn of_retry(mut self, retried: bool) -> Self {
        self.0.retried = retried;
        self
    }

    /// What happened to the data: of the write, whichever attempt this is.
    pub fn outcome(&self) -> Outcome {
        if self.hides_an_attempt() { Outcome::Unknown } else { self.0.fault.outcome() }
    }

    /// Whether the fault speaks of this attempt alone, and others went before. A request with another body is another
    /// write; and some faults speak of earlier attempts themselves.
    fn hides_an_attempt(&self) -> bool {
        let speaks_of_all = matches!(
            self.0.fault,
            Fault::Put(PutError::IdempotencyReused | PutError::IdempotencyExpired | PutError::Unknown { .. })
        );
        self.0.retried && !speaks_of_all
    }

    /// With these headers.
    #[must_use]
    pub fn with_headers(mut self, headers: HeaderMap) -> Self {
        self.0.headers.extend(headers);
        self
    }

    /// One of its headers, as text.
    pub fn header(&self, name: &HeaderName) -> Option<&str> {
        self.0.headers.get(name)?.to_str().ok()
    }

    /// The body, for the request of this id.
    pub fn document(&self, instance: &str) -> document::Problem {
        let fields = &*self.0;
        let Counts { n, required, acks, replicas } = fields.fault.counts();
        let code = self.code();
        let outcome = match self.outcome() {
            Outcome::NotApplied => form::Outcome::NotApplied,
            Outcome::Unknown => form::Outcome::Unknown,
        };
        document::Problem {
            kind: code.kind().into(),
            title: code.title().into(),
            status: code.status().as_u16(),
            code: code.as_str().into(),
            detail: self.detail(),
            instance: Some(instance.to_owned()),
            trace: None,
            outcome: Some(outcome.into()),
            retry: self.retry().map(Word::from),
            table: fields.table.clone(),
            shard: self.shard(),
            consistency: fields.level.map(|level| level.to_string()),
            n,
            required,
            acks,
            replicas: replicas.iter().map(replica).collect(),
            reasons: fields.fault.reasons().to_vec(),
            more: serde_json::Map::new(),
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
        if self.code() == Code::Unauthenticated {
            headers.insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        if let Some(seconds) = self.code().retry_after() {
            headers.insert(RETRY_AFTER, HeaderValue::from(seconds));
        }
        response
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let mut response = self.head();
        response.extensions_mut().insert(self);
        response
    }
}

/// What one owner said of an operation that went well: who has not answered yet is not late.
pub fn replica_so_far(report: &ReplicaReport) -> Replica {
    match report.result {
        ReplicaResult::Timeout => Replica { result: Said::Waiting.into(), ..replica(report) },
        ReplicaResult::Ack
        | ReplicaResult::Answered
        | ReplicaResult::Down
        | ReplicaResult::Lost
        | ReplicaResult::Refused(_) => replica(report),
    }
}

/// What one owner said.
fn replica(report: &ReplicaReport) -> Replica {
    let ms = Some(report.after.as_millis());
    let (result, ms, reason) = match report.result {
        ReplicaResult::Ack => (Said::Ack, ms, None),
        ReplicaResult::Answered => (Said::Answered, ms, None),
        ReplicaResult::Timeout => (Said::Timeout, None, None),
        ReplicaResult::Down => (Said::Down, None, None),
        ReplicaResult::Lost => (Said::Lost, ms, None),
        ReplicaResult::Refused(refusal) => (Said::Refused, ms, Some(refusal.to_string())),
    };
    Replica {
        node: report.node.to_string(),
        result: result.into(),
        ms,
        reason,
        hint: report.hint,
        ..Replica::default()
    }
}

#[cfg(test)]
mod tests;
