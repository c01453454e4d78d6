//! How a command ends: the exit code that scripts rely on, and the sentence that people need.

use crate::output::printable;
use quorate_api::Code;
use quorate_api::document::Problem;
use quorate_client::{Attempt, DEFAULT_PORT, Endpoint, Error, Outcome};
use serde_json::{Value as Json, json};
use std::process::ExitCode;

/// The exit codes. They are part of the contract: scripts branch on them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Exit {
    /// Done.
    Ok = 0,
    /// Anything without a code of its own.
    Other = 1,
    /// The command or the request was wrong; nothing was done.
    Usage = 2,
    /// No such key, table or node.
    NotFound = 3,
    /// Another writer was there first.
    Conflict = 4,
    /// No node or too few answered, or there was no room or space for it; nothing was applied.
    Unavailable = 5,
    /// A write or a change that may or may not have taken effect.
    Unknown = 6,
    /// The server does not let this client do it; of `serve`: the cluster lets this node in no more.
    NotAllowed = 7,
    /// `status --check` found something wrong.
    Unhealthy = 8,
    /// The user said no, or was not asked.
    Declined = 9,
    /// Ctrl-C ended it before it was done: what a shell reports of other tools, 128 + SIGINT.
    Interrupted = 130,
    /// The reader of the output has gone, as `head` does: what a shell reports of other tools, 128 + SIGPIPE.
    ReaderGone = 141,
}

/// Why a command did not do what it was asked.
#[derive(Clone, Debug, PartialEq)]
pub struct Failure {
    /// The code the process ends with.
    pub exit: Exit,
    /// What happened, as a sentence without its full stop.
    pub sentence: String,
    /// What to do next.
    pub next: Option<String>,
    /// The server's own words, for JSON.
    pub problem: Option<Box<Problem>>,
    /// What happened to the data, where that is a question.
    pub outcome: Option<Outcome>,
    /// The endpoints that were tried in vain.
    pub tried: Vec<Attempt>,
    /// Whether standard output has said it already, so that only the code is left.
    pub is_said: bool,
}

impl Failure {
    /// A failure with a sentence and nothing more.
    pub fn new(exit: Exit, sentence: impl Into<String>) -> Self {
        Self {
            exit,
            sentence: sentence.into(),
            next: None,
            problem: None,
            outcome: None,
            tried: Vec::new(),
            is_said: false,
        }
    }

    /// The same, with what to do next.
    #[must_use]
    pub fn next(mut self, next: impl Into<String>) -> Self {
        self.next = Some(next.into());
        self
    }

    /// The same, where what was written says it already.
    #[must_use]
    pub fn said(mut self) -> Self {
        self.is_said = true;
        self
    }

    /// The failure as one JSON object.
    pub fn json(&self) -> Json {
        let mut error = json!({ "error": self.sentence, "exit": self.exit as u8 });
        if let Some(next) = &self.next {
            error["next"] = json!(next);
        }
        if let Some(outcome) = self.outcome {
            error["outcome"] = json!(outcome);
        }
        if let Some(problem) = &self.problem {
            error["problem"] = json!(problem);
        }
        if !self.tried.is_empty() {
            let tried = self
                .tried
                .iter()
                .map(|attempt| json!({ "endpoint": attempt.endpoint.to_string(), "error": attempt.cause }));
            error["endpoints"] = tried.collect();
        }
        error
    }

    /// The failure for people: what happened, the endpoints that were tried, what to do.
    pub fn text(&self) -> String {
        let mut text = format!("error: {}", self.sentence);
        let width = self.tried.iter().map(|attempt| attempt.endpoint.to_string().len()).max().unwrap_or(0);
        for Attempt { endpoint, cause } in &self.tried {
            let endpoint = endpoint.to_string();
            text.push_str(&format!("\n  {endpoint:width$}  {}", printable(cause)));
        }
        if let Some(next) = &self.next {
            text.push_str(&format!("\n  next: {next}"));
        }
        text
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        ExitCode::from(exit as u8)
    }
}

impl From<quorate_client::ConfigError> for Failure {
    fn from(error: quorate_client::ConfigError) -> Self {
        Failure::new(Exit::Usage, error.to_string())
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        let outcome = error.outcome();
        let (exit, next) = match &error {
            Error::Unreachable { outcome, .. } => (
                if *outcome == Outcome::Unknown { Exit::Unknown } else { Exit::Unavailable },
                Some(
                    "start a cluster with `quorate dev`, or name a node that runs: --endpoint HOST:PORT, or \
                     QUORATE_ENDPOINTS for every command"
                        .to_owned(),
                ),
            ),
            Error::Lost { endpoint, cause, outcome: Outcome::Unknown } if !cause.starts_with(SILENCE) => {
                (Exit::Unknown, Some(format!("{}; {}", unknown_next(), other_port(endpoint))))
            }
            Error::Lost { outcome: Outcome::Unknown, .. }
            | Error::Unintelligible { outcome: Outcome::Unknown, .. } => {
                (Exit::Unknown, Some(unknown_next()))
            }
            Error::Lost { endpoint, cause, .. } if !cause.starts_with(SILENCE) => {
                (Exit::Unavailable, Some(format!("try again; {}", other_port(endpoint))))
            }
            Error::Lost { .. } => (
                Exit::Unavailable,
                Some("try again, with a longer --timeout or another --endpoint".to_owned()),
            ),
            Error::Unintelligible { outcome: Outcome::Applied, .. } => (
                Exit::Other,
                Some("the write was applied; check what stands between you and the node".to_owned()),
            ),
            Error::Unintelligible { outcome: Outcome::NotApplied, .. } => {
                (Exit::Other, Some("check that --endpoint is a Quorate node's HTTP address".to_owned()))
            }
            Error::Problem { problem, outcome, .. } => {
                (of_problem(problem, *outcome), next_of(problem, *outcome))
            }
        };
        let problem = error.problem().cloned().map(Box::new);
        let (sentence, tried) = match error {
            Error::Problem { problem, .. } => (problem_sentence(&problem), Vec::new()),
            // Each of them stands on its own line.
            Error::Unreachable { tried, outcome: Outcome::Unknown } => (
                "no node answers, and nothing was done now; an earlier attempt may have been applied"
                    .to_owned(),
                tried,
            ),
            Error::Unreachable { tried, .. } => ("no node answers, and nothing was done".to_owned(), tried),
            error @ (Error::Lost { .. } | Error::Unintelligible { .. }) => (error.to_string(), Vec::new()),
        };
        Failure { exit, sentence, next, problem, outcome: Some(outcome), tried, is_said: false }
    }
}

/// How the client begins to say that an endpoint was silent.
const SILENCE: &str = "nothing came";

/// A port that hangs up on a well-formed question before a word is one for peers, most likely.
fn other_port(endpoint: &Endpoint) -> String {
    format!(
        "if it stays so, {endpoint} may be a port for peers: --endpoint is the HTTP address of a node (port \
         {DEFAULT_PORT} unless it was told otherwise)"
    )
}

fn unknown_next() -> String {
    "it may or may not have happened: look before you repeat it; a write that was sent with --idempotency-key can be \
     sent again with that same key and --retry"
        .to_owned()
}

fn problem_sentence(problem: &Problem) -> String {
    let text: &str = if problem.detail.is_empty() { &problem.title } else { &problem.detail };
    format!("{} ({})", text.trim_end_matches('.'), problem.code)
}

fn of_problem(problem: &Problem, outcome: Outcome) -> Exit {
    match (outcome, problem.status) {
        (Outcome::Unknown, _) => Exit::Unknown,
        (_, 404) if problem.known_code() == Some(Code::NoSuchRoute) => Exit::Other,
        (_, 404) => Exit::NotFound,
        (_, 409 | 412) => Exit::Conflict,
        (_, 429 | 503 | 504 | 507) => Exit::Unavailable,
        (_, 401 | 403 | 421) => Exit::NotAllowed,
        (_, 400 | 411 | 413 | 414 | 415 | 431) => Exit::Usage,
        _ => Exit::Other,
    }
}

/// The way out, for what happens often enough to have one.
fn next_of(problem: &Problem, outcome: Outcome) -> Option<String> {
    let or_unknown = || (outcome == Outcome::Unknown).then(unknown_next);
    let Some(code) = problem.known_code() else { return or_unknown() };
    let next = match code {
        Code::NoSuchTable => {
            "see the tables with `quorate table list`, or make it with `quorate table create`"
        }
        Code::NoSuchJob => "see those that members remember with `quorate job list`",
        Code::NoSuchUser => "see the users with `quorate auth user list`",
        Code::NoSuchRole => "see the roles with `quorate auth role list`",
        Code::NoSuchToken => "see the tokens with `quorate auth token list`",
        Code::Unauthenticated => {
            "say who you are with --token-file FILE, or QUORATE_TOKEN_FILE for every command; an admin makes a token with \
             `quorate auth token create`"
        }
        Code::Forbidden => {
            "see what you may do with `quorate auth status`; an admin grants more with `quorate auth role grant`"
        }
        Code::RateLimited => "wait ten seconds, then try again with a token that is right",
        Code::AuditUnavailable => {
            "make room for the node's audit log, or let it write there again; see the node's log for why it can't"
        }
        Code::NoSuchPlan => {
            "make it again: a plan is kept for an hour by the node that made it; `quorate cluster plan list` shows them"
        }
        Code::EpochChanged => "look again, and do it again: what it was made from has changed",
        Code::NoSuchShard => "see the shards of the table with `quorate shard list`",
        Code::JobRuns => {
            "see it with `quorate job list`; wait for it with `quorate job wait`, or end it with `quorate job abort`"
        }
        Code::NoSuchRoute => "this server is older or newer than this command, or does not do that yet",
        Code::TableExists => "see it with `quorate table describe`, or choose another name",
        // Only a request for a key counts owners.
        Code::Unavailable if problem.status == 503 && problem.required.is_some() => {
            "see which nodes are down with `quorate status`; a lower -c asks fewer of them and promises less"
        }
        Code::Unavailable if problem.status == 503 => "see which nodes are down with `quorate status`",
        Code::Draining | Code::Starting | Code::Overloaded => {
            "try again in a moment, or name another node with --endpoint"
        }
        Code::DiskFull => "free or add disk space on the nodes named by `quorate status`; reads go on",
        Code::ReplicaDoubtful => {
            "see `quorate status`: a node lost data and must be healed from its peers first"
        }
        Code::IdempotencyReused => "use a higher sequence for a new write",
        Code::IdempotencyExpired => "read the key to see what is there, then write with a higher sequence",
        Code::BadRequest
        | Code::InvalidConsistency
        | Code::UnknownParameter
        | Code::InvalidParameter
        | Code::InvalidHeader
        | Code::InvalidKey
        | Code::InvalidCursor
        | Code::InvalidBody
        | Code::ConditionsNeedConsensus
        | Code::NoSuchKey
        | Code::NoSuchNode
        | Code::AmbiguousNode
        | Code::MethodNotAllowed
        | Code::NotAcceptable
        | Code::RequestTimeout
        | Code::CatalogRefused
        | Code::PlanRefused
        | Code::WrongJobState
        | Code::LossNotAccepted
        | Code::RecoveryRefused
        | Code::VersionsExhausted
        | Code::LengthRequired
        | Code::ValueTooLarge
        | Code::BatchTooLarge
        | Code::BodyTooLarge
        | Code::KeyTooLong
        | Code::UnsupportedMediaType
        | Code::ExpectationFailed
        | Code::BadHost
        | Code::HeadersTooLarge
        | Code::Internal
        | Code::Unavailable
        | Code::ReadTimeout
        | Code::WriteTimeout => return or_unknown(),
    };
    Some(next.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn failure(status: u16, code: &str, outcome: Outcome) -> Failure {
        let problem =
            Problem { status, code: code.to_owned().into(), detail: "d.".to_owned(), ..Problem::default() };
        Failure::from(Error::Problem {
            endpoint: Endpoint::new("a", 1),
            problem: Box::new(problem),
            meta: Box::default(),
            outcome,
        })
    }

    #[test]
    fn each_refusal_has_its_code() {
        for (status, code, outcome, exit) in [
            (404, "no-such-key", Outcome::NotApplied, Exit::NotFound),
            (404, "no-such-table", Outcome::NotApplied, Exit::NotFound),
            (404, "no-such-route", Outcome::NotApplied, Exit::Other),
            (409, "table-exists", Outcome::NotApplied, Exit::Conflict),
            (503, "unavailable", Outcome::NotApplied, Exit::Unavailable),
            (504, "read-timeout", Outcome::NotApplied, Exit::Unavailable),
            (504, "write-timeout", Outcome::Unknown, Exit::Unknown),
            (500, "internal", Outcome::Unknown, Exit::Unknown),
            (401, "unauthenticated", Outcome::NotApplied, Exit::NotAllowed),
            (403, "forbidden", Outcome::NotApplied, Exit::NotAllowed),
            (429, "rate-limited", Outcome::NotApplied, Exit::Unavailable),
            (421, "bad-host", Outcome::NotApplied, Exit::NotAllowed),
            (400, "invalid-key", Outcome::NotApplied, Exit::Usage),
            (405, "method-not-allowed", Outcome::NotApplied, Exit::Other),
        ] {
            assert_eq!(failure(status, code, outcome).exit, exit, "{code}");
        }
    }

    #[test]
    fn unknown_is_never_without_a_way_out() {
        let failure = failure(504, "write-timeout", Outcome::Unknown);
        assert!(failure.next.as_deref().is_some_and(|next| next.contains("--idempotency-key")));
        assert_eq!(failure.sentence, "d (write-timeout)");
        assert_eq!(failure.json()["outcome"], "unknown");
        assert_eq!(failure.json()["exit"], 6);
    }
}
