//! What an error means for the next attempt. Here, and nowhere else, stands what a session may send again:
//!
//! ```text
//!                                         a read       a write
//!   not sent                              elsewhere    elsewhere
//!   408 421 429 503, not applied          elsewhere    elsewhere
//!   silence, a broken answer, 500, 504    elsewhere    elsewhere as a retry, if it has an operation id; else the end
//!   507, any other 4xx                    the end      the end
//! ```

use crate::error::Error;
use crate::outcome::{Effect, Outcome};
use quorate_api::Code;
use std::time::Duration;

/// Statuses of a refusal that is due to the node, not to the request.
const DUE_TO_NODE: [u16; 4] = [408, 421, 429, 503];

/// Statuses that leave open what a write did, and tell nothing of a read.
const OPEN: [u16; 2] = [500, 504];

/// Reasons of a node that is better asked last for a while.
const ASIDE: [Code; 5] =
    [Code::Starting, Code::Draining, Code::Overloaded, Code::BadHost, Code::RequestTimeout];

/// What an error means for the next attempt.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Judgement {
    /// Whether another attempt may do better, and is safe.
    pub goes_on: bool,
    /// Whether the same endpoint would say the same a moment later.
    pub is_lasting: bool,
    /// Whether the endpoint is better asked last for a while.
    pub is_aside: bool,
    /// When it asked to come back; zero: it did not.
    pub wait: Duration,
}

impl Judgement {
    /// Of an attempt's error. `has_ids`: whether each write has an operation id, so that it can be repeated.
    pub fn of(error: &Error, effect: Effect, has_ids: bool) -> Self {
        let is_safe = match (effect, error.outcome()) {
            (Effect::Read, _) | (Effect::Write, Outcome::NotApplied) => true,
            (Effect::Write, Outcome::Unknown) => has_ids,
            (Effect::Write, Outcome::Applied) => false,
        };
        let judgement = match error {
            Error::Unreachable { .. } | Error::Lost { .. } => {
                Self { goes_on: true, is_aside: true, ..Self::default() }
            }
            Error::Problem { problem, meta, outcome, .. } => {
                let is_open = effect == Effect::Read || *outcome == Outcome::Unknown;
                Self {
                    goes_on: DUE_TO_NODE.contains(&problem.status)
                        || (is_open && OPEN.contains(&problem.status)),
                    is_lasting: problem.status == 421,
                    is_aside: problem.status == 429
                        || problem.known_code().is_some_and(|code| ASIDE.contains(&code)),
                    wait: Duration::from_secs(meta.retry_after.unwrap_or(0).into()),
                }
            }
            // A proxy: what it stands for may be there again soon, or elsewhere.
            Error::Unintelligible { status, .. } => {
                let goes_on = *status >= 500 || DUE_TO_NODE.contains(status);
                Self { goes_on, is_aside: goes_on, ..Self::default() }
            }
        };
        Self { goes_on: judgement.goes_on && is_safe, ..judgement }
    }
}

/// The same error of a call of which an attempt before was of unknown outcome: what this one did not do says nothing of
/// that one, unless its operation id belongs to another body.
pub(crate) fn after_unknown(error: Error) -> Error {
    if error.outcome() != Outcome::NotApplied || error.code() == Code::IdempotencyReused.as_str() {
        return error;
    }
    let outcome = Outcome::Unknown;
    match error {
        Error::Unreachable { tried, .. } => Error::Unreachable { tried, outcome },
        Error::Lost { endpoint, cause, .. } => Error::Lost { endpoint, cause, outcome },
        Error::Problem { endpoint, problem, meta, .. } => Error::Problem { endpoint, problem, meta, outcome },
        Error::Unintelligible { endpoint, status, cause, .. } => {
            Error::Unintelligible { endpoint, status, cause, outcome }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::answer::Meta;
    use crate::endpoint::Endpoint;
    use quorate_api::document::Problem;

    fn refusal(status: u16, code: &'static str, outcome: Outcome) -> Error {
        let problem = Problem { status, code: code.into(), ..Problem::default() };
        Error::Problem {
            endpoint: Endpoint::new("a", 1),
            problem: Box::new(problem),
            meta: Box::new(Meta { retry_after: Some(3), ..Meta::default() }),
            outcome,
        }
    }

    fn lost(outcome: Outcome) -> Error {
        Error::Lost { endpoint: Endpoint::new("a", 1), cause: "the connection broke".to_owned(), outcome }
    }

    #[test]
    fn a_write_of_unknown_outcome_goes_on_only_under_an_operation_id() {
        let unclear = [
            lost(Outcome::Unknown),
            refusal(504, "write-timeout", Outcome::Unknown),
            refusal(500, "internal", Outcome::Unknown),
            refusal(503, "unavailable", Outcome::Unknown),
        ];
        for error in &unclear {
            assert!(Judgement::of(error, Effect::Write, true).goes_on, "{error}");
            assert!(!Judgement::of(error, Effect::Write, false).goes_on, "{error}");
        }
    }

    #[test]
    fn what_had_no_effect_goes_on_where_the_node_is_to_blame() {
        for (status, code, goes_on) in [
            (503, "unavailable", true),
            (503, "draining", true),
            (421, "bad-host", true),
            (408, "request-timeout", true),
            (429, "rate-limited", true),
            (507, "disk-full", false),
            (400, "invalid-key", false),
            (404, "no-such-table", false),
            (409, "versions-exhausted", false),
        ] {
            let judged = Judgement::of(&refusal(status, code, Outcome::NotApplied), Effect::Write, false);
            assert_eq!(judged.goes_on, goes_on, "{code}");
            assert_eq!(judged.is_aside, goes_on && code != "unavailable", "{code}");
            assert_eq!(judged.wait, Duration::from_secs(3));
        }
    }

    #[test]
    fn a_read_goes_on_after_whatever_is_no_answer() {
        for error in [lost(Outcome::NotApplied), refusal(504, "read-timeout", Outcome::NotApplied)] {
            assert!(Judgement::of(&error, Effect::Read, false).goes_on, "{error}");
        }
        let absent = refusal(404, "no-such-key", Outcome::NotApplied);
        assert!(!Judgement::of(&absent, Effect::Read, false).goes_on);
    }

    #[test]
    fn what_was_unknown_stays_so_unless_the_id_belongs_to_another_body() {
        let draining = after_unknown(refusal(503, "draining", Outcome::NotApplied));
        assert_eq!((draining.outcome(), draining.code()), (Outcome::Unknown, "draining"));
        let reused = after_unknown(refusal(409, "idempotency-reused", Outcome::NotApplied));
        assert_eq!(reused.outcome(), Outcome::NotApplied);
    }
}
