//! What can go wrong, and what then happened to the data.

use crate::answer::Meta;
use crate::endpoint::Endpoint;
use crate::outcome::Outcome;
use quorate_api::document::Problem;
use std::fmt;
use thiserror::Error;

/// One endpoint that was tried in vain.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Attempt {
    /// Which one.
    pub endpoint: Endpoint,
    /// What happened.
    pub cause: String,
}

/// Why a request has no good answer; [`Error::outcome`] says what happened to the data.
#[derive(Clone, Debug, Error)]
pub enum Error {
    /// No endpoint answered. Of a write nothing was sent; a read was sent where its attempt says so, in vain.
    #[error("no node answers: {}", attempts(.tried))]
    Unreachable {
        /// Each endpoint, and what happened.
        tried: Vec<Attempt>,
        /// Unknown for a retry: an earlier attempt may have been applied.
        outcome: Outcome,
    },
    /// The request was sent, and then the connection broke or nothing came in time.
    #[error("{endpoint} gave no answer: {cause}")]
    Lost {
        /// Where it was sent.
        endpoint: Endpoint,
        /// What happened.
        cause: String,
        /// Unknown for a write.
        outcome: Outcome,
    },
    /// The server said no.
    #[error("{}", .problem.detail)]
    Problem {
        /// Which server.
        endpoint: Endpoint,
        /// What it said.
        problem: Box<Problem>,
        /// What its headers say.
        meta: Box<Meta>,
        /// What it, or its status, says of the data.
        outcome: Outcome,
    },
    /// An answer that no Quorate server gives: a proxy's page, another service on that port, or too large a body.
    #[error("{endpoint} answers {status}, but not as Quorate does: {cause}")]
    Unintelligible {
        /// Who answered.
        endpoint: Endpoint,
        /// The HTTP status.
        status: u16,
        /// What is wrong with it.
        cause: String,
        /// Applied for a write with a 2xx.
        outcome: Outcome,
    },
}

impl fmt::Display for Attempt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({})", self.endpoint, self.cause)
    }
}

fn attempts(all: &[Attempt]) -> String {
    all.iter().map(Attempt::to_string).collect::<Vec<_>>().join(", ")
}

impl Error {
    /// What happened to the data.
    pub fn outcome(&self) -> Outcome {
        match self {
            Error::Unreachable { outcome, .. }
            | Error::Lost { outcome, .. }
            | Error::Problem { outcome, .. }
            | Error::Unintelligible { outcome, .. } => *outcome,
        }
    }

    /// Why, in words for people: the server's, or what happened to the connection.
    pub fn cause(&self) -> String {
        match self {
            Error::Unreachable { tried, .. } => match tried.as_slice() {
                [attempt] => attempt.cause.clone(),
                tried => attempts(tried),
            },
            Error::Lost { cause, .. } | Error::Unintelligible { cause, .. } => cause.clone(),
            Error::Problem { problem, .. } => problem.detail.clone(),
        }
    }

    /// The server's own words, if it said any.
    pub fn problem(&self) -> Option<&Problem> {
        match self {
            Error::Problem { problem, .. } => Some(problem),
            Error::Unreachable { .. } | Error::Lost { .. } | Error::Unintelligible { .. } => None,
        }
    }

    /// The problem's stable word, such as `no-such-table`; empty if no server said one.
    pub fn code(&self) -> &str {
        self.problem().map_or("", |problem| &problem.code)
    }
}
