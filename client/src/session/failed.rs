//! Why an operation of a session has no good answer.

use crate::error::{Attempt, Error};
use crate::outcome::Outcome;
use quorate_api::Code;
use quorate_model::OperationId;
use thiserror::Error as ThisError;

/// Why an operation of a session has no good answer, after all that was tried.
#[derive(Clone, Debug, ThisError)]
#[error("{error}")]
pub struct Failed {
    /// What a server said, or else what happened; its outcome is that of the whole.
    pub error: Error,
    /// The write's operation id. With `retry` the same write can be sent again under it, from another process too.
    pub operation: Option<OperationId>,
    /// The attempts that were in vain, in their order; the last ones, if there were many.
    pub attempts: Vec<Attempt>,
}

impl Failed {
    /// Of one attempt alone.
    pub(crate) fn of(error: Error) -> Self {
        Self { error, operation: None, attempts: Vec::new() }
    }

    /// What happened to the data.
    pub fn outcome(&self) -> Outcome {
        self.error.outcome()
    }

    /// Whether a server refused it for this reason.
    pub fn is(&self, code: Code) -> bool {
        self.error.code() == code.as_str()
    }
}
