//! How consistent a request asks to be, as clients write it.
//!
//! A level is asked for by a name or by a number of owners, for both sides (`consistency`) or for one (`r`, `w`): the
//! node must understand each way alike, so a workload that mixes levels mixes the ways to ask too. What a level
//! *means* depends on the number of copies; the checkers ask for that and for nothing else.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// How many owners must take part.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub enum Level {
    /// One owner.
    One,
    /// More than half of the owners.
    #[default]
    Quorum,
    /// Every owner.
    All,
    /// So many owners, from 1.
    Count(u8),
}

impl Level {
    /// How many of so many owners must take part.
    pub fn owners(self, copies: u8) -> u8 {
        match self {
            Level::One => 1,
            Level::Quorum => copies / 2 + 1,
            Level::All => copies,
            Level::Count(count) => count,
        }
    }

    /// Whether more than half of so many owners must take part.
    pub fn is_quorum(self, copies: u8) -> bool {
        self.owners(copies) > copies / 2
    }
}

impl fmt::Display for Level {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Level::One => formatter.write_str("one"),
            Level::Quorum => formatter.write_str("quorum"),
            Level::All => formatter.write_str("all"),
            Level::Count(count) => write!(formatter, "{count}"),
        }
    }
}

impl FromStr for Level {
    type Err = String;

    fn from_str(text: &str) -> Result<Level, String> {
        match text {
            "one" => Ok(Level::One),
            "quorum" => Ok(Level::Quorum),
            "all" => Ok(Level::All),
            number => match number.parse() {
                Ok(0) | Err(_) => Err(format!("{text:?} is no level: one, quorum, all or a number from 1")),
                Ok(count) => Ok(Level::Count(count)),
            },
        }
    }
}

impl From<Level> for String {
    fn from(level: Level) -> String {
        level.to_string()
    }
}

impl TryFrom<String> for Level {
    type Error = String;

    fn try_from(text: String) -> Result<Level, String> {
        text.parse()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_level_is_read_as_it_is_written() {
        for level in [Level::One, Level::Quorum, Level::All, Level::Count(2)] {
            assert_eq!(level.to_string().parse(), Ok(level));
        }
        for wrong in ["", "0", "none", "-1", "256"] {
            assert!(wrong.parse::<Level>().is_err(), "{wrong:?}");
        }
    }

    #[test]
    fn more_than_half_is_a_quorum() {
        let at_three = |level: Level| (level.owners(3), level.is_quorum(3));
        assert_eq!(at_three(Level::One), (1, false));
        assert_eq!(at_three(Level::Quorum), (2, true));
        assert_eq!(at_three(Level::All), (3, true));
        assert_eq!(at_three(Level::Count(1)), (1, false));
        assert!(!Level::Count(2).is_quorum(4) && Level::Quorum.is_quorum(4));
    }
}
