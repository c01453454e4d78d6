//! How a request is named, judged and logged: what the metrics and the log say of it.

use super::failures::Failures;
use super::problem::Problem;
use crate::metrics::{Operation, Outcome};
use http::{HeaderMap, Method, StatusCode};
use quorate_api::Code;
use quorate_api::header::TRACEPARENT;
use quorate_api::route::{self, Path};
use std::sync::Arc;
use std::time::Duration;

/// What a request asks for, by its method and the shape of its path: for counting, before it is routed.
pub fn operation(method: &Method, path: &str) -> Operation {
    let Some(asked) = Path::find(path).and_then(|path| path.operation(method)) else {
        return Operation::Unknown;
    };
    match asked {
        route::Operation::Read => Operation::Get,
        route::Operation::Put | route::Operation::Post => Operation::Put,
        route::Operation::Delete => Operation::Delete,
        route::Operation::Scan => Operation::Scan,
        route::Operation::Mget => Operation::Mget,
        route::Operation::Batch => Operation::Batch,
        route::Operation::Locate => Operation::Locate,
        route::Operation::Explain => Operation::Explain,
        route::Operation::ListTables
        | route::Operation::CreateTable
        | route::Operation::DescribeTable
        | route::Operation::AlterTable
        | route::Operation::DropTable
        | route::Operation::ListShards
        | route::Operation::SplitShard
        | route::Operation::MergeShard
        | route::Operation::MoveShard
        | route::Operation::TableStats => Operation::Tables,
        route::Operation::Root
        | route::Operation::FindDashboard
        | route::Operation::Dashboard
        | route::Operation::DashboardFile
        | route::Operation::ShowCluster
        | route::Operation::ListNodes
        | route::Operation::ShowNode
        | route::Operation::SafeToStop
        | route::Operation::PreviewLoss
        | route::Operation::AcceptLoss
        | route::Operation::DrainNode
        | route::Operation::UndrainNode
        | route::Operation::ListPlans
        | route::Operation::MakePlan
        | route::Operation::ShowPlan
        | route::Operation::DiscardPlan
        | route::Operation::ApplyPlan
        | route::Operation::Recover
        | route::Operation::ShowRing
        | route::Operation::ListJobs
        | route::Operation::OrderJob
        | route::Operation::ShowJob
        | route::Operation::PauseJob
        | route::Operation::ResumeJob
        | route::Operation::AbortJob
        | route::Operation::ShowSync
        | route::Operation::ShowAccess
        | route::Operation::SwitchAccess
        | route::Operation::PutUser
        | route::Operation::RemoveUser
        | route::Operation::IssueToken
        | route::Operation::RevokeToken
        | route::Operation::PutRole
        | route::Operation::RemoveRole
        | route::Operation::ShowPeerAddress
        | route::Operation::OpenApi => Operation::Cluster,
        route::Operation::Live
        | route::Operation::Ready
        | route::Operation::Metrics
        | route::Operation::ShowLimits => Operation::Health,
    }
}

/// How a request ended.
pub fn outcome(status: StatusCode, problem: Option<&Problem>) -> Outcome {
    match (status.as_u16(), problem.map(|problem| problem.code().as_str())) {
        (200..400, _) => Outcome::Ok,
        (404, _) => Outcome::NotFound,
        (400..500, _) => Outcome::Refused,
        (503, Some("overloaded")) => Outcome::Overloaded,
        (503 | 507, _) => Outcome::Unavailable,
        (504, Some("write-timeout")) => Outcome::Unknown,
        (504, _) => Outcome::Timeout,
        (_, _) => Outcome::Bug,
    }
}

/// The trace id of a well-formed `traceparent`: version, 32 digits, 16 digits, flags.
pub fn trace_of(headers: &HeaderMap) -> Option<&str> {
    let text = headers.get(TRACEPARENT)?.to_str().ok()?;
    let mut parts = text.split('-');
    let (version, trace, parent, flags) = (parts.next()?, parts.next()?, parts.next()?, parts.next()?);
    let digits = |part: &str, count| {
        part.len() == count && part.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'))
    };
    let whole = digits(version, 2) && digits(trace, 32) && digits(parent, 16) && digits(flags, 2);
    let ended = version != "00" || parts.next().is_none();
    (whole && ended && version != "ff" && trace.bytes().any(|b| b != b'0')).then_some(trace)
}

/// The id of a request: in its answer, in its errors and in the log.
#[derive(Clone, Debug)]
pub struct RequestName(pub Arc<str>);

/// A request that has been answered, for the log.
pub struct Ended<'a> {
    /// Its id.
    pub name: &'a str,
    /// The trace it belongs to.
    pub trace: Option<&'a str>,
    /// What it asked for.
    pub operation: Operation,
    /// Its method and escaped path, where the log wants them.
    pub head: Option<(Method, String)>,
    /// How long it took.
    pub took: Duration,
}

impl Ended<'_> {
    /// Bugs as errors. All else a client can cause at will: each at `debug`, and what failed also in sums, but for what
    /// is refused because too much is at work: under load that is most of all.
    pub fn log(self, status: StatusCode, problem: Option<&Problem>, failures: &Failures) {
        let Ended { name: id, trace, operation, head, took } = self;
        let (status, operation) = (status.as_u16(), operation.as_str());
        let us = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
        let code = problem.map(|problem| problem.code().as_str());
        let detail = || problem.map(Problem::detail);
        if status == 500 {
            let detail = detail();
            tracing::error!(id, trace, operation, status, code, us, detail, "request failed");
        } else if let Some(problem) = problem.filter(|problem| status > 500 && !is_routine(problem)) {
            failures.note(problem, id, trace);
        }
        if let Some((method, path)) = head {
            let detail = detail();
            tracing::debug!(id, trace, operation, status, code, us, detail, %method, path, "request");
        }
    }
}

/// What a node says to every client while it is in that state, and what a load balancer asks again and again.
fn is_routine(problem: &Problem) -> bool {
    problem.is_verdict() || matches!(problem.code(), Code::Overloaded | Code::Draining | Code::Starting)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_is_named_by_its_shape() {
        let of = |method: Method, path: &str| operation(&method, path);
        assert_eq!(of(Method::HEAD, "/v1/tables/t/keys/a/b"), Operation::Get);
        assert_eq!(of(Method::POST, "/v1/tables/t/keys/a"), Operation::Put);
        assert_eq!(of(Method::PATCH, "/v1/tables/t/keys/a"), Operation::Unknown);
        assert_eq!(of(Method::POST, "/v1/tables/t/mget"), Operation::Mget);
        assert_eq!(of(Method::GET, "/v1/tables"), Operation::Tables);
        assert_eq!(of(Method::GET, "/v1/cluster/ring"), Operation::Cluster);
        assert_eq!(of(Method::GET, "/health/live"), Operation::Health);
        assert_eq!(of(Method::GET, "/openapi.json"), Operation::Cluster);
        assert_eq!(of(Method::GET, "/v2/tables"), Operation::Unknown);
    }

    #[test]
    fn a_trace_is_taken_only_where_it_is_whole() {
        let trace = |text: &str| {
            let mut headers = HeaderMap::new();
            headers.insert(TRACEPARENT, text.parse().expect("a header value"));
            trace_of(&headers).map(str::to_owned)
        };
        let id = "4bf92f3577b34da6a3ce929d0e0e4736";
        assert_eq!(trace(&format!("00-{id}-00f067aa0ba902b7-01")).as_deref(), Some(id));
        for bad in [
            "",
            "00-x-y-z",
            &format!("00-{id}-00f067aa0ba902b7-01-x"),
            &format!("00-{}-00f067aa0ba902b7-01", "0".repeat(32)),
        ] {
            assert_eq!(trace(bad), None, "{bad}");
        }
    }
}
