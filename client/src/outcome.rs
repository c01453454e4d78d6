//! What a request can do to the data, and what it did.

use serde::{Deserialize, Serialize};
use std::fmt;

/// Whether a request can change data: what may be repeated, and what silence means, depends on nothing else.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Effect {
    /// It changes nothing: any endpoint may be asked again.
    Read,
    /// It may change something: only what certainly had no effect is sent elsewhere.
    Write,
}

/// What happened to the data of a request that failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// It took effect, although the answer could not be used.
    Applied,
    /// It had no effect and never will. Reads are always this.
    NotApplied,
    /// It may have taken effect, or may yet, at most once.
    Unknown,
}

impl Outcome {
    /// What a status alone allows to conclude of a write.
    pub(crate) fn of_write_status(status: u16) -> Self {
        match status {
            200..=299 => Outcome::Applied,
            400..=499 | 503 | 507 => Outcome::NotApplied,
            _ => Outcome::Unknown,
        }
    }

    /// The word in the API.
    pub fn as_str(self) -> &'static str {
        match self {
            Outcome::Applied => "applied",
            Outcome::NotApplied => "not_applied",
            Outcome::Unknown => "unknown",
        }
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
