//! One key with its value, and what many add up to.
//!
//! A record's *item* is a hash of its key and of all that a client sees of it: value, media type, expiry. What
//! records hold is the sum of their items modulo 2^128, so that it does not depend on their order: a table that was
//! restored into other shards adds up to the same. The version is not in it, since a restored record has a new one.

use minicbor::{Decode, Encode};
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use std::fmt;
use std::str::FromStr;

/// One key with its value.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(array)]
pub struct Record {
    /// The key.
    #[cbor(n(0), with = "minicbor::bytes")]
    pub key: Vec<u8>,
    /// The value.
    #[cbor(n(1), with = "minicbor::bytes")]
    pub value: Vec<u8>,
    /// The value's media type.
    #[n(2)]
    pub content_type: String,
    /// The version that it had, in text.
    #[n(3)]
    pub version: String,
    /// When it expires, in milliseconds since 1970; `None`: not by itself.
    #[n(4)]
    pub expires_at: Option<u64>,
}

/// What records hold, added up: see the module's essay.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct ContentSum(pub u128);

/// What records come to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Totals {
    /// How many.
    pub records: u64,
    /// Bytes of their keys and values.
    pub bytes: u64,
    /// Those that expire.
    pub expiring: u64,
    /// What they hold.
    pub content: ContentSum,
}

/// A text that is no sum.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a sum of contents has 32 hexadecimal digits")]
pub struct NotASum;

impl Record {
    /// What it adds to the sum.
    pub fn item(&self) -> ContentSum {
        let mut hash = Sha256::new();
        for part in [&self.key[..], &self.value, self.content_type.as_bytes()] {
            hash.update((part.len() as u64).to_be_bytes());
            hash.update(part);
        }
        hash.update([u8::from(self.expires_at.is_some())]);
        hash.update(self.expires_at.unwrap_or_default().to_be_bytes());
        let digest: [u8; 32] = hash.finalize().into();
        let (item, _) = digest.split_first_chunk::<16>().expect("half of it");
        ContentSum(u128::from_be_bytes(*item))
    }

    /// Bytes of its key and value.
    pub fn bytes(&self) -> u64 {
        (self.key.len() + self.value.len()) as u64
    }
}

impl Totals {
    /// One more record.
    pub fn add(&mut self, record: &Record) {
        self.join(&Totals {
            records: 1,
            bytes: record.bytes(),
            expiring: u64::from(record.expires_at.is_some()),
            content: record.item(),
        });
    }

    /// Others beside these.
    pub fn join(&mut self, others: &Totals) {
        self.records = self.records.wrapping_add(others.records);
        self.bytes = self.bytes.wrapping_add(others.bytes);
        self.expiring = self.expiring.wrapping_add(others.expiring);
        self.content.0 = self.content.0.wrapping_add(others.content.0);
    }
}

impl fmt::Display for ContentSum {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", self.0)
    }
}

impl FromStr for ContentSum {
    type Err = NotASum;

    fn from_str(text: &str) -> Result<Self, NotASum> {
        let is_lower = |byte: u8| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
        let digits = Some(text).filter(|text| text.len() == 32 && text.bytes().all(is_lower));
        digits.and_then(|digits| u128::from_str_radix(digits, 16).ok()).map(Self).ok_or(NotASum)
    }
}

impl TryFrom<String> for ContentSum {
    type Error = NotASum;

    fn try_from(text: String) -> Result<Self, NotASum> {
        text.parse()
    }
}

impl From<ContentSum> for String {
    fn from(sum: ContentSum) -> Self {
        sum.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_client_sees_makes_the_item_and_nothing_else_does() {
        let record = Record {
            key: b"k".to_vec(),
            value: b"v".to_vec(),
            content_type: "text/plain".to_owned(),
            version: "1-1.1.1".to_owned(),
            expires_at: None,
        };
        let other = |change: fn(&mut Record)| {
            let mut other = record.clone();
            change(&mut other);
            other.item()
        };
        assert_eq!(other(|it| it.version = "2-1.1.1".to_owned()), record.item());
        let changes: [fn(&mut Record); 5] = [
            |it| (it.key, it.value) = (b"kv".to_vec(), Vec::new()),
            |it| it.value = b"w".to_vec(),
            |it| it.content_type.clear(),
            |it| it.expires_at = Some(0),
            |it| it.expires_at = Some(1),
        ];
        let mut items: Vec<u128> = changes.map(|change| other(change).0).to_vec();
        items.push(record.item().0);
        items.sort_unstable();
        items.dedup();
        assert_eq!(items.len(), 6);
    }

    #[test]
    fn sums_do_not_depend_on_the_order_and_survive_as_text() {
        let record = |key: &str| Record {
            key: key.as_bytes().to_vec(),
            value: Vec::new(),
            content_type: String::new(),
            version: String::new(),
            expires_at: Some(7),
        };
        let totals = |keys: [&str; 2]| {
            let mut totals = Totals::default();
            keys.map(record).iter().for_each(|record| totals.add(record));
            totals
        };
        assert_eq!(totals(["a", "b"]), totals(["b", "a"]));
        assert_eq!((totals(["a", "b"]).records, totals(["a", "b"]).expiring), (2, 2));
        let sum = totals(["a", "b"]).content;
        assert_eq!(sum.to_string().parse(), Ok(sum));
        for text in ["", "0", "+0000000000000000000000000000000", &"F".repeat(32), &"0".repeat(33)] {
            assert_eq!(text.parse::<ContentSum>(), Err(NotASum), "{text}");
        }
    }
}
