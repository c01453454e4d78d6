//! The parameters of a scan: which keys, how many, which way.

use super::error::QueryError;
use crate::text::{self, shown};
use std::fmt;
use std::str::FromStr;

/// Which keys a scan is about, and how it goes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ScanQuery {
    /// The bytes that each key begins with.
    pub prefix: Option<Vec<u8>>,
    /// The first key.
    pub start: Option<Vec<u8>>,
    /// The first key behind the last one.
    pub end: Option<Vec<u8>>,
    /// Most keys, at least 1.
    pub limit: Option<usize>,
    /// Most bytes of keys and values of a page, at least 1; one key comes in any case.
    pub bytes: Option<usize>,
    /// Whether the last key comes first.
    pub reverse: bool,
    /// Whether values are wanted too.
    pub values: bool,
    /// Whether only the number of keys is wanted.
    pub count: bool,
    /// Whether only what all of it adds up to is wanted.
    pub sum: bool,
    /// Where to go on.
    pub cursor: Option<String>,
    /// Which part of a hash table.
    pub part: Option<Part>,
}

/// One of several equal parts of a hash table's tokens, so that several can walk it side by side.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Part {
    number: u32,
    of: u32,
}

impl Part {
    /// Most parts.
    pub const MAX: u32 = 1_024;

    /// The part of this number, counted from 1; `None`: there is none.
    pub fn new(number: u32, of: u32) -> Option<Self> {
        (1..=of.min(Self::MAX)).contains(&number).then_some(Self { number, of }).filter(|_| of <= Self::MAX)
    }

    /// Its first token.
    pub fn start(self) -> u64 {
        self.bound(self.number - 1)
    }

    /// The first token behind it; `None`: it is the last one.
    pub fn end(self) -> Option<u64> {
        (self.number < self.of).then(|| self.bound(self.number))
    }

    fn bound(self, parts: u32) -> u64 {
        let bound = (u128::from(parts) << u64::BITS) / u128::from(self.of);
        u64::try_from(bound).expect("less than all of them")
    }
}

/// A text that is not such as `2/8`, or names no part.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("it is not a part of a table, as 2/8")]
pub struct NotAPart;

impl FromStr for Part {
    type Err = NotAPart;

    fn from_str(text: &str) -> Result<Self, NotAPart> {
        let number = |text: &str| text.parse().ok().filter(|_| !text.starts_with('+'));
        let part = text.split_once('/').and_then(|(at, of)| Part::new(number(at)?, number(of)?));
        part.ok_or(NotAPart)
    }
}

impl fmt::Display for Part {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.number, self.of)
    }
}

impl ScanQuery {
    /// Takes a parameter that is a key or a part of one.
    pub(super) fn take_key(&mut self, name: &str, bytes: Vec<u8>) {
        let slot = match name {
            "prefix" => &mut self.prefix,
            "start" => &mut self.start,
            _ => &mut self.end,
        };
        *slot = Some(bytes);
    }

    /// Whether its parameters have a meaning beside each other.
    pub(super) fn check(&self) -> Result<(), QueryError> {
        if self.count && self.bytes.is_some() {
            let known = "with count=true no key is answered, and no value".to_owned();
            return Err(QueryError::NotHere { name: "bytes", known });
        }
        Ok(())
    }

    /// With `enc=b64`, keys are base64url.
    pub(super) fn decode(&mut self, base64: bool) -> Result<(), QueryError> {
        if !base64 {
            return Ok(());
        }
        let keys = [("prefix", &mut self.prefix), ("start", &mut self.start), ("end", &mut self.end)];
        for (name, key) in keys {
            if let Some(bytes) = key {
                *bytes = text::from_base64url(bytes).ok_or(QueryError::Base64 { name })?;
            }
        }
        Ok(())
    }
}

/// A number of keys, at least 1.
pub(super) fn limit(value: &str) -> Result<usize, QueryError> {
    number(value).ok_or_else(|| QueryError::Limit { value: shown(value) })
}

/// A number of bytes, at least 1.
pub(super) fn bytes(value: &str) -> Result<usize, QueryError> {
    number(value).ok_or_else(|| QueryError::Bytes { value: shown(value) })
}

fn number(value: &str) -> Option<usize> {
    value.parse().ok().filter(|number| *number > 0)
}

/// A part.
pub(super) fn part(value: &str) -> Result<Part, QueryError> {
    value.parse().map_err(|NotAPart| QueryError::Part { value: shown(value) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_are_all_of_it_and_meet() {
        for of in [1, 2, 3, 7, 1_000, 1_024] {
            let parts: Vec<Part> = (1..=of).map(|number| Part::new(number, of).expect("a part")).collect();
            assert_eq!((parts[0].start(), parts[of as usize - 1].end()), (0, None));
            assert!(parts.windows(2).all(|two| two[0].end() == Some(two[1].start())));
            assert!(parts.iter().all(|both| part(&both.to_string()) == Ok(*both)));
        }
        for text in ["", "1", "0/3", "4/3", "1/0", "1/1025", "+1/2", "1/2/3", "a/2", "-1/2", "1/99999999999"]
        {
            assert!(part(text).is_err(), "{text}");
        }
    }
}
