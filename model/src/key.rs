//! Keys, sort keys and intervals.
//!
//! A *key* is what a client names: any bytes. A *sort key* is where it stands in its table's sort space: the token
//! and then the key in a hash table, the key itself in a range table. A *shard* is an interval of sort keys, so
//! that above this point nothing needs to know which of the two a table is.

use crate::token::Token;
use bytes::Bytes;
use minicbor::{Decode, Encode};
use std::fmt;

/// The longest key any limit may be raised to, in bytes. The default limit is lower (2 KiB) and lives in the
/// node's configuration; this one bounds the decoders.
pub const KEY_BYTES_MAX: usize = 64 * 1024;

/// A client's name for a value: any bytes. Shown escaped, so that a hostile key cannot forge a log line.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Encode, Decode)]
#[cbor(transparent)]
pub struct Key(#[cbor(n(0), with = "crate::cbor::key")] pub Bytes);

/// Where a key stands in its table's sort space. Big-endian: byte order is sort order.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Encode, Decode)]
#[cbor(transparent)]
pub struct SortKey(#[cbor(n(0), with = "crate::cbor::key")] pub Bytes);

/// A contiguous piece of a table's sort space: `start <= sort key < end`; no end means to the very end.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Encode, Decode)]
pub struct Interval {
    /// The first sort key inside; empty is the beginning of the space.
    #[n(0)]
    pub start: SortKey,
    /// The first sort key behind it, or `None` for the end of the space.
    #[n(1)]
    pub end: Option<SortKey>,
}

impl Key {
    /// A key of these bytes.
    pub fn new(bytes: impl Into<Bytes>) -> Self {
        Self(bytes.into())
    }

    /// The key's bytes.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// Its place on the ring.
    pub fn token(&self) -> Token {
        Token::of(&self.0)
    }
}

impl SortKey {
    /// A sort key of these bytes.
    pub fn new(bytes: impl Into<Bytes>) -> Self {
        Self(bytes.into())
    }

    /// In a hash table: the token, big-endian, then the key.
    pub fn hashed(key: &Key) -> Self {
        let mut bytes = Vec::with_capacity(8 + key.0.len());
        bytes.extend_from_slice(&key.token().0.to_be_bytes());
        bytes.extend_from_slice(&key.0);
        Self(bytes.into())
    }

    /// In a range table: the key itself.
    pub fn ranged(key: &Key) -> Self {
        Self(key.0.clone())
    }

    /// The first sort key at or after a token in a hash table.
    pub fn at_token(token: Token) -> Self {
        Self(Bytes::copy_from_slice(&token.0.to_be_bytes()))
    }

    /// The bytes.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// The least sort key above this one.
    #[must_use]
    pub fn successor(&self) -> Self {
        Self([self.as_bytes(), &[0]].concat().into())
    }
}

impl Interval {
    /// The whole sort space.
    pub fn everything() -> Self {
        Self { start: SortKey::new(Bytes::new()), end: None }
    }

    /// Whether all of another one lies inside.
    pub fn covers(&self, other: &Self) -> bool {
        let ends_before = |end: &SortKey| other.end.as_ref().is_some_and(|other| other <= end);
        other.start >= self.start && self.end.as_ref().is_none_or(ends_before)
    }

    /// Whether a sort key lies inside.
    pub fn contains(&self, sort_key: &SortKey) -> bool {
        *sort_key >= self.start && self.end.as_ref().is_none_or(|end| sort_key < end)
    }
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0.escape_ascii())
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "\"{self}\"")
    }
}

impl fmt::Display for SortKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0.escape_ascii())
    }
}

impl fmt::Debug for SortKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "\"{self}\"")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hostile_key_is_shown_on_one_line() {
        assert_eq!(Key::new(&b"a\r\n\0\xff"[..]).to_string(), r"a\r\n\x00\xff");
    }

    #[test]
    fn hashed_sort_keys_order_by_token_then_key() {
        let key = Key::new(&b"user-17"[..]);
        let sort_key = SortKey::hashed(&key);
        assert!(SortKey::at_token(key.token()) <= sort_key);
        assert!(sort_key < SortKey::at_token(Token(key.token().0 + 1)));
    }

    #[test]
    fn an_interval_holds_its_start_and_not_its_end() {
        let at = |n| SortKey::at_token(Token(n));
        let interval = Interval { start: at(10), end: Some(at(20)) };
        assert!(interval.contains(&at(10)) && interval.contains(&at(19)));
        assert!(!interval.contains(&at(9)) && !interval.contains(&at(20)));
        assert!(Interval::everything().contains(&at(u64::MAX)));
        let part = |start, end| Interval { start: at(start), end: Some(at(end)) };
        assert!(
            interval.covers(&interval) && interval.covers(&part(12, 20)) && interval.covers(&part(10, 11))
        );
        assert!(!interval.covers(&part(9, 20)) && !interval.covers(&part(10, 21)));
        assert!(!interval.covers(&Interval { start: at(10), end: None }));
        assert!(Interval::everything().covers(&Interval::everything()));
    }
}
