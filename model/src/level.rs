//! Consistency levels, and the guarantee that an answer may claim.
//!
//! With N copies, `quorum` is floor(N/2) + 1. What an answer may claim depends on the request's own level *and* on
//! the table's write promise, because a read is only as good as the writes it meets:
//!
//! ```text
//! read   linearizable  r >= quorum and table w >= quorum      write  linearizable  w >= quorum
//!        regular       r + table w > N                               regular       w >= table w and w + table r > N
//!        eventual      otherwise                                     eventual      otherwise
//! ```

use minicbor::{Decode, Encode};
use std::fmt;
use std::str::FromStr;
use thiserror::Error;

/// Most copies a table may ask for.
pub const N_MAX: u8 = 15;

/// How many owners a request waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Encode, Decode)]
pub enum Level {
    /// One owner.
    #[n(0)]
    One,
    /// A majority: floor(N/2) + 1.
    #[n(1)]
    Quorum,
    /// Every owner.
    #[n(2)]
    All,
    /// So many owners, from 1 to N.
    #[n(3)]
    Count(#[n(0)] u8),
}

/// What an answer promises; see the table in the module's essay.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Guarantee {
    /// Replicas agree in the end.
    Eventual,
    /// A read sees every write that was acknowledged before it began, or a concurrent one.
    Regular,
    /// As if there were one copy, and each operation happened at one instant between call and answer.
    Linearizable,
}

/// A level that the table cannot give.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("a level counts from 1 to the table's n ({n}), not {asked}")]
pub struct LevelOutOfRange {
    /// What was asked for.
    pub asked: u8,
    /// The table's copies.
    pub n: u8,
}

/// A level in text that is not one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("not a consistency level: use one, quorum, all or a number")]
pub struct ParseLevelError;

/// The write quorum and the majority of N: floor(N/2) + 1, whatever the table's w is.
pub const fn quorum(n: u8) -> u8 {
    n / 2 + 1
}

/// Answers that round one of a write waits for: N - min(table w, quorum) + 1, whatever the request's own w, so
/// that it meets every write of the table's level and every write quorum.
pub fn round_one(n: u8, table_w: u8) -> u8 {
    n - table_w.min(quorum(n)) + 1
}

impl Level {
    /// How many of `n` owners this is.
    pub fn required(self, n: u8) -> Result<u8, LevelOutOfRange> {
        match self {
            Level::One => Ok(1),
            Level::Quorum => Ok(quorum(n)),
            Level::All => Ok(n),
            Level::Count(asked) if (1..=n).contains(&asked) => Ok(asked),
            Level::Count(asked) => Err(LevelOutOfRange { asked, n }),
        }
    }

    /// The same of `n` owners that a table has while its N changes: a number above `n` is all of them. What a request asks
    /// for, or a table, is checked by [`Level::required`] before.
    pub fn within(self, n: u8) -> u8 {
        self.required(n).unwrap_or(n)
    }
}

impl Guarantee {
    /// Of a read that `r` owners answered, on a table whose write promise is `table_w` of `n`.
    pub fn of_read(r: u8, table_w: u8, n: u8) -> Self {
        if r >= quorum(n) && table_w >= quorum(n) {
            Guarantee::Linearizable
        } else if r + table_w > n {
            Guarantee::Regular
        } else {
            Guarantee::Eventual
        }
    }

    /// Of a write that `w` owners acknowledge, on a table with defaults `table_w` and `table_r` of `n`.
    pub fn of_write(w: u8, table_w: u8, table_r: u8, n: u8) -> Self {
        if w >= quorum(n) {
            Guarantee::Linearizable
        } else if w >= table_w && w + table_r > n {
            Guarantee::Regular
        } else {
            Guarantee::Eventual
        }
    }

    /// The word in `Quorate-Consistency`.
    pub fn as_str(self) -> &'static str {
        match self {
            Guarantee::Eventual => "eventual",
            Guarantee::Regular => "regular",
            Guarantee::Linearizable => "linearizable",
        }
    }
}

impl fmt::Display for Level {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Level::One => f.write_str("one"),
            Level::Quorum => f.write_str("quorum"),
            Level::All => f.write_str("all"),
            Level::Count(count) => write!(f, "{count}"),
        }
    }
}

impl fmt::Display for Guarantee {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Level {
    type Err = ParseLevelError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "one" => Ok(Level::One),
            "quorum" => Ok(Level::Quorum),
            "all" => Ok(Level::All),
            number if !number.is_empty() && number.bytes().all(|b| b.is_ascii_digit()) => {
                number.parse().map(Level::Count).map_err(|_| ParseLevelError)
            }
            _ => Err(ParseLevelError),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn round_one_meets_every_table_write_and_every_write_quorum() {
        for n in 1..=N_MAX {
            for table_w in 1..=n {
                let asked = round_one(n, table_w);
                assert!(asked >= 1 && asked <= n);
                assert!(asked + table_w > n, "misses a write at the table's level");
                assert!(asked + quorum(n) > n, "misses a write quorum");
            }
        }
    }

    #[test]
    fn levels_count_within_n() {
        assert_eq!(Level::Quorum.required(3), Ok(2));
        assert_eq!(Level::Quorum.required(4), Ok(3));
        assert_eq!(Level::Count(3).required(3), Ok(3));
        assert_eq!(Level::Count(0).required(3), Err(LevelOutOfRange { asked: 0, n: 3 }));
        assert_eq!(Level::Count(4).required(3), Err(LevelOutOfRange { asked: 4, n: 3 }));
    }

    #[test]
    fn a_read_is_as_good_as_the_writes_it_meets() {
        assert_eq!(Guarantee::of_read(2, 2, 3), Guarantee::Linearizable);
        assert_eq!(Guarantee::of_read(3, 1, 3), Guarantee::Regular);
        assert_eq!(Guarantee::of_read(1, 3, 3), Guarantee::Regular);
        assert_eq!(Guarantee::of_read(1, 2, 3), Guarantee::Eventual);
    }

    #[test]
    fn a_write_below_the_promise_is_eventual() {
        assert_eq!(Guarantee::of_write(2, 2, 2, 3), Guarantee::Linearizable);
        assert_eq!(Guarantee::of_write(1, 1, 3, 3), Guarantee::Regular);
        assert_eq!(Guarantee::of_write(1, 2, 3, 3), Guarantee::Eventual);
    }

    #[test]
    fn text_round_trips_and_typos_are_refused() {
        for text in ["one", "quorum", "all", "2"] {
            assert_eq!(text.parse::<Level>().expect(text).to_string(), text);
        }
        for text in ["", "Quorum", "+1", "-1", "1.0", "999", " 1", "two"] {
            assert_eq!(text.parse::<Level>(), Err(ParseLevelError), "{text}");
        }
    }
}
