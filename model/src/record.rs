//! Records: what a replica holds of one key, how two of them merge, and their bytes.
//!
//! # Merge
//!
//! The record with the greater [`Held`] wins whole; the operation ids of both are kept. `merge` is commutative,
//! associative and idempotent, so replicas that saw the same records agree, in whatever order they saw them.
//!
//! # Bytes
//!
//! One fixed header, then the variable parts, then a checksum over all before it; integers are big-endian:
//!
//! ```text
//! 0      1      2          4          36          44          52      60         62         64        68
//! format kind   flags      version    expires_at  written_at  digest  ids len    type len   body len  ids | type | body | crc32
//! u8     u8     u16        32 bytes   u64 (0: no) u64 ms      u64     u16        u16        u32
//! ```
//!
//! The same bytes stand on disk and on the wire. `format` lets them change under a rolling upgrade; flags that a
//! reader does not know are refused rather than dropped.

use crate::operation::Operations;
use crate::time::WallTime;
use crate::version::{Held, Version};
use bytes::Bytes;
use minicbor::{Decode, Encode};
use thiserror::Error;
use xxhash_rust::xxh3::Xxh3;

/// Largest value any limit may be raised to, in bytes (the default limit is 1 MiB).
pub const VALUE_BYTES_MAX: usize = 16 * 1024 * 1024;

/// Longest content type, in bytes.
pub const CONTENT_TYPE_BYTES_MAX: usize = 255;

const FORMAT: u8 = 1;
/// The kind of a record that holds a value.
const VALUE: u8 = 0;
const HEADER_BYTES: usize = 68;
const CHECKSUM_BYTES: usize = 4;

/// What a replica holds of one key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// What orders it.
    pub version: Version,
    /// The coordinator's clock; shown, never compared.
    pub written_at: WallTime,
    /// When the value expires; part of the versioned value, set once.
    pub expires_at: Option<WallTime>,
    /// The value, or the proof that there is none.
    pub body: Body,
    /// The key's recent operations.
    pub operations: Operations,
}

/// The value, or the proof that there is none.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub enum Body {
    /// A value.
    #[n(0)]
    Value {
        /// As the client named it.
        #[cbor(n(0), with = "crate::cbor::content_type")]
        content_type: String,
        /// The bytes; empty is a value too.
        #[cbor(n(1), with = "crate::cbor::bytes")]
        payload: Bytes,
    },
    /// Deleted by a client.
    #[n(1)]
    Tombstone,
    /// Found expired by a read, which is final.
    #[n(2)]
    Expired,
}

/// Bytes that are not a record. A replica that reads them from its disk must doubt the disk.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum DecodeError {
    /// Shorter or longer than its header says.
    #[error("the record has {got} bytes, its header says {expected}")]
    Length {
        /// Bytes there should be.
        expected: usize,
        /// Bytes there are.
        got: usize,
    },
    /// The checksum does not match.
    #[error("the record's checksum does not match its bytes")]
    Checksum,
    /// A format, kind or flag of a newer version.
    #[error("the record has format {format}, kind {kind}, flags {flags}, which this version does not know")]
    Unknown {
        /// The format byte.
        format: u8,
        /// The kind byte.
        kind: u8,
        /// The flags.
        flags: u16,
    },
    /// The checksum matches, yet the content is not what a record holds.
    #[error("the record's {0} is malformed")]
    Malformed(&'static str),
}

/// Of two records of one key: the greater one's content, both's operation ids.
#[must_use]
pub fn merge(a: Record, b: Record) -> Record {
    let operations = a.operations.merge(&b.operations);
    let mut winner = if b.held() > a.held() { b } else { a };
    winner.operations = operations;
    winner
}

impl Record {
    /// What orders it.
    pub fn held(&self) -> Held {
        Held { version: self.version, expired: self.body == Body::Expired }
    }

    /// Whether it holds a value whose time has come and that is not flagged yet.
    pub fn is_due(&self, now: WallTime) -> bool {
        matches!(self.body, Body::Value { .. }) && self.expires_at.is_some_and(|at| at <= now)
    }

    /// The same version, found expired: beats this record and loses to every later version. Every node that
    /// makes it makes the same bytes.
    #[must_use]
    pub fn into_expired(self) -> Self {
        Self { body: Body::Expired, ..self }
    }

    /// Digest of everything but the operation ids: equal digests of equal versions mean equal content.
    pub fn digest(&self) -> u64 {
        let mut hash = Xxh3::new();
        hash.update(&self.version.to_bytes());
        hash.update(&[self.body.kind()]);
        hash.update(&self.expires_at.unwrap_or_default().0.to_be_bytes());
        let (content_type, payload) = self.body.parts();
        hash.update(&(content_type.len() as u64).to_be_bytes());
        hash.update(content_type.as_bytes());
        hash.update(payload);
        hash.digest()
    }

    /// The bytes of the essay's layout.
    pub fn encode(&self) -> Vec<u8> {
        let ids = if self.operations.is_empty() {
            Vec::new()
        } else {
            minicbor::to_vec(&self.operations).expect("encoding into memory cannot fail")
        };
        let (content_type, payload) = self.body.parts();
        let length = HEADER_BYTES + ids.len() + content_type.len() + payload.len() + CHECKSUM_BYTES;
        let mut out = Vec::with_capacity(length);
        out.push(FORMAT);
        out.push(self.body.kind());
        out.extend_from_slice(&0u16.to_be_bytes());
        out.extend_from_slice(&self.version.to_bytes());
        out.extend_from_slice(&self.expires_at.unwrap_or_default().0.to_be_bytes());
        out.extend_from_slice(&self.written_at.0.to_be_bytes());
        out.extend_from_slice(&self.digest().to_be_bytes());
        let length_of = |bytes: usize| u16::try_from(bytes).expect("bounded where it was made");
        out.extend_from_slice(&length_of(ids.len()).to_be_bytes());
        out.extend_from_slice(&length_of(content_type.len()).to_be_bytes());
        let payload_length = u32::try_from(payload.len()).expect("bounded where it was made");
        out.extend_from_slice(&payload_length.to_be_bytes());
        out.extend_from_slice(&ids);
        out.extend_from_slice(content_type.as_bytes());
        out.extend_from_slice(payload);
        let checksum = crc32fast::hash(&out);
        out.extend_from_slice(&checksum.to_be_bytes());
        out
    }

    /// Whether [`Record::decode`] would take these bytes, as far as header and checksum tell: nothing is made of them.
    pub fn check(bytes: &[u8]) -> Result<(), DecodeError> {
        Header::decode(bytes).map(|_| ())
    }

    /// Inverse of [`Record::encode`]; total on any bytes.
    pub fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        let header = Header::decode(bytes)?;
        let rest = &bytes[HEADER_BYTES..bytes.len() - CHECKSUM_BYTES];
        let (ids, rest) = rest.split_at(header.ids_bytes);
        let (content_type, payload) = rest.split_at(header.type_bytes);
        let operations = if ids.is_empty() {
            Operations::default()
        } else {
            minicbor::decode(ids).map_err(|_| DecodeError::Malformed("operation id list"))?
        };
        let body = match header.kind {
            0 => Body::Value {
                content_type: String::from_utf8(content_type.to_vec())
                    .map_err(|_| DecodeError::Malformed("content type"))?,
                payload: Bytes::copy_from_slice(payload),
            },
            1 if rest.is_empty() => Body::Tombstone,
            2 if rest.is_empty() => Body::Expired,
            _ => return Err(DecodeError::Malformed("body")),
        };
        Ok(Self {
            version: header.version,
            written_at: header.written_at,
            expires_at: header.expires_at,
            body,
            operations,
        })
    }
}

impl Body {
    fn kind(&self) -> u8 {
        match self {
            Body::Value { .. } => VALUE,
            Body::Tombstone => 1,
            Body::Expired => 2,
        }
    }

    fn parts(&self) -> (&str, &[u8]) {
        match self {
            Body::Value { content_type, payload } => (content_type, payload),
            Body::Tombstone | Body::Expired => ("", &[]),
        }
    }

    /// Size of the value in bytes; 0 where there is none.
    pub fn value_bytes(&self) -> usize {
        self.parts().1.len()
    }
}

/// What of a record's bytes tells it from every other record of its key, in place: nothing is copied or decoded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Outline<'a> {
    /// The version's bytes.
    pub version: &'a [u8; 32],
    /// What it is: a value, a tombstone, or found expired.
    pub kind: u8,
    /// [`Record::digest`].
    pub digest: u64,
    /// Its operation ids, encoded; empty: none.
    pub ids: &'a [u8],
    /// Whether it is a value with an expiry.
    pub expires: bool,
}

impl<'a> Outline<'a> {
    /// Of bytes that [`Record::encode`] made; they are not checked. `None`: too short for that.
    pub fn of(bytes: &'a [u8]) -> Option<Self> {
        let (header, rest) = bytes.split_first_chunk::<HEADER_BYTES>()?;
        let version = header[4..36].try_into().ok()?;
        let digest = u64::from_be_bytes(header[52..60].try_into().ok()?);
        let ids = rest.get(..usize::from(u16::from_be_bytes([header[60], header[61]])))?;
        let expires = header[1] == VALUE && header[36..44] != [0; 8];
        Some(Self { version, kind: header[1], digest, ids, expires })
    }

    /// Whether it says that there is no value.
    pub fn is_removal(&self) -> bool {
        self.kind != VALUE
    }
}

/// The fixed part of a record's bytes, checked against the whole.
struct Header {
    kind: u8,
    version: Version,
    expires_at: Option<WallTime>,
    written_at: WallTime,
    ids_bytes: usize,
    type_bytes: usize,
}

impl Header {
    fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        let least = HEADER_BYTES + CHECKSUM_BYTES;
        if bytes.len() < least {
            return Err(DecodeError::Length { expected: least, got: bytes.len() });
        }
        let (content, checksum) = bytes.split_at(bytes.len() - CHECKSUM_BYTES);
        if crc32fast::hash(content).to_be_bytes() != checksum {
            return Err(DecodeError::Checksum);
        }
        let word = |at: usize| u64::from_be_bytes(bytes[at..at + 8].try_into().expect("inside the header"));
        let half = |at: usize| u16::from_be_bytes(bytes[at..at + 2].try_into().expect("inside the header"));
        let (format, kind, flags) = (bytes[0], bytes[1], half(2));
        if format != FORMAT || kind > 2 || flags != 0 {
            return Err(DecodeError::Unknown { format, kind, flags });
        }
        let ids_bytes = usize::from(half(60));
        let type_bytes = usize::from(half(62));
        let body_bytes = u32::from_be_bytes(bytes[64..68].try_into().expect("inside the header")) as usize;
        let expected = least + ids_bytes + type_bytes + body_bytes;
        if expected != bytes.len() {
            return Err(DecodeError::Length { expected, got: bytes.len() });
        }
        let version = bytes[4..36].try_into().expect("thirty-two bytes");
        Ok(Self {
            kind,
            version: Version::from_bytes(version),
            expires_at: Some(WallTime(word(36))).filter(|at| at.0 != 0),
            written_at: WallTime(word(44)),
            ids_bytes,
            type_bytes,
        })
    }
}

impl<C> Encode<C> for Record {
    fn encode<W: minicbor::encode::Write>(
        &self,
        e: &mut minicbor::Encoder<W>,
        _: &mut C,
    ) -> Result<(), minicbor::encode::Error<W::Error>> {
        e.bytes(&Record::encode(self))?;
        Ok(())
    }
}

impl<'b, C> Decode<'b, C> for Record {
    fn decode(d: &mut minicbor::Decoder<'b>, _: &mut C) -> Result<Self, minicbor::decode::Error> {
        Record::decode(d.bytes()?).map_err(minicbor::decode::Error::custom)
    }
}

#[cfg(test)]
mod tests;
