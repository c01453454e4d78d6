//! A level in JSON.

use crate::form::{LevelName, OwnerCount, Word};
use quorate_model::level::ParseLevelError;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// A consistency level: a name, or how many owners.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(untagged, expecting = "a level is `one`, `quorum`, `all` or a number from 1 to n")]
pub enum Level {
    /// How many owners.
    #[schema(value_type = OwnerCount)]
    Count(u8),
    /// `one`, `quorum`, `all`, or a number.
    #[schema(value_type = LevelName)]
    Name(Word),
}

impl From<quorate_model::Level> for Level {
    fn from(level: quorate_model::Level) -> Self {
        match level {
            quorate_model::Level::Count(count) => Level::Count(count),
            quorate_model::Level::One => Level::Name("one".into()),
            quorate_model::Level::Quorum => Level::Name("quorum".into()),
            quorate_model::Level::All => Level::Name("all".into()),
        }
    }
}

impl TryFrom<&Level> for quorate_model::Level {
    type Error = ParseLevelError;

    fn try_from(level: &Level) -> Result<Self, ParseLevelError> {
        match level {
            Level::Count(count) => Ok(quorate_model::Level::Count(*count)),
            Level::Name(text) => text.parse(),
        }
    }
}
