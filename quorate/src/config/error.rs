//! Why there is no configuration.

use quorate_cli::{Exit, Failure};
use std::path::PathBuf;
use thiserror::Error;

/// Why there is no configuration. Nothing was started.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum Error {
    /// A configuration file that can't be read.
    #[error("the configuration file {} cannot be read: {cause}", .path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Why.
        cause: String,
    },
    /// A configuration file that is no TOML.
    #[error("the configuration file {} is not TOML: {cause}", .path.display())]
    Syntax {
        /// The file.
        path: PathBuf,
        /// Where and why.
        cause: String,
    },
    /// A name that is no setting.
    #[error("{place} has no meaning{}; `quorate config init` prints every setting", did_you_mean(.similar.as_ref()))]
    Unknown {
        /// The name and where it stands.
        place: String,
        /// The setting that was probably meant.
        similar: Option<String>,
    },
    /// A value that its setting can't have.
    #[error("{place} cannot be '{value}': {cause}")]
    Value {
        /// The setting and where it stands.
        place: String,
        /// The value.
        value: String,
        /// Why not, and what it can be.
        cause: String,
    },
    /// Values that contradict each other, or a bind that is not safe.
    #[error("{0}")]
    Relation(String),
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Failure::new(Exit::Usage, error.to_string())
    }
}

fn did_you_mean(similar: Option<&String>) -> String {
    similar.map(|name| format!(" (did you mean {name}?)")).unwrap_or_default()
}

/// An error with this sentence, if the condition holds.
pub(super) fn refuse(condition: bool, sentence: impl FnOnce() -> String) -> Result<(), Error> {
    if condition { Err(Error::Relation(sentence())) } else { Ok(()) }
}
