//! The documents of `mget` and `batch`: every field is known, or all is refused.

use crate::fault::Fault;
use crate::head;
use crate::limits::Limits;
use crate::problem::Problem;
use quorate_api::header::TEXT;
use quorate_api::{key, query, text};
use quorate_model::{Body, Key};
use serde::Deserialize;
use std::collections::BTreeSet;

/// The body of an `mget`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, expecting = "an object with `keys`, a list")]
pub struct MgetDocument {
    /// What to read.
    pub keys: Vec<KeyDocument>,
}

/// A key: its text, or an object with its text or its base64url.
#[derive(Debug, Deserialize)]
#[serde(
    untagged,
    expecting = "a key is text, or an object with either `key` (text) or `key_b64` (base64url)"
)]
pub enum KeyDocument {
    /// Its text.
    Text(String),
    /// By name.
    Named(NamedKey),
}

/// A key by its text or its base64url.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, expecting = "an object with `key` or `key_b64`")]
pub struct NamedKey {
    key: Option<String>,
    #[serde(alias = "b64")]
    key_b64: Option<String>,
}

/// The body of a `batch`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, expecting = "an object with `items`, a list")]
pub struct BatchDocument {
    /// What to write.
    pub items: Vec<ItemDocument>,
}

/// One write of a batch: exactly one of its fields.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, expecting = "an object with either `put` or `delete`")]
pub struct ItemDocument {
    /// Store a value.
    put: Option<PutDocument>,
    /// Delete a key.
    delete: Option<NamedKey>,
}

/// A value to store.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, expecting = "an object with a key and a value")]
pub struct PutDocument {
    key: Option<String>,
    key_b64: Option<String>,
    value: Option<String>,
    value_b64: Option<String>,
    content_type: Option<String>,
    ttl: Option<String>,
}

fn invalid(at: usize, why: &str) -> Problem {
    Fault::Document(format!("item {at} (counted from 0): {why}")).into()
}

/// Every key, if there are not too many.
pub fn few(
    keys: impl ExactSizeIterator<Item = Result<Key, Problem>>,
    limits: &Limits,
) -> Result<Vec<Key>, Problem> {
    let limit = limits.batch_items_max;
    if keys.len() > limit {
        return Err(Fault::TooManyItems { got: keys.len(), limit }.into());
    }
    keys.collect()
}

/// Every key, if none comes twice.
pub fn distinct(keys: Vec<Key>) -> Result<Vec<Key>, Problem> {
    let mut seen = BTreeSet::new();
    match keys.iter().enumerate().find(|(_, key)| !seen.insert(*key)) {
        Some((at, _)) => Err(invalid(at, "its key comes twice; say once what you mean")),
        None => Ok(keys),
    }
}

impl KeyDocument {
    /// The key of the item at this place.
    pub fn read(self, at: usize, bytes_max: usize) -> Result<Key, Problem> {
        let named = match self {
            KeyDocument::Text(text) => NamedKey { key: Some(text), key_b64: None },
            KeyDocument::Named(named) => named,
        };
        named.read(at, bytes_max)
    }
}

impl NamedKey {
    /// The key of the item at this place.
    pub fn read(self, at: usize, bytes_max: usize) -> Result<Key, Problem> {
        let bytes = match (self.key, self.key_b64) {
            (Some(text), None) => text.into_bytes(),
            (None, Some(text)) => {
                text::from_base64(&text).ok_or_else(|| invalid(at, "its key is not base64"))?
            }
            (Some(_), Some(_)) | (None, None) => {
                return Err(invalid(at, "a key is either \"key\" (text) or \"key_b64\" (base64url)"));
            }
        };
        key::checked(bytes, bytes_max).map_err(|error| invalid(at, &error.to_string()))
    }
}

impl ItemDocument {
    /// The item at this place: its key, what to store, and for how long.
    pub fn read(self, at: usize, limits: &Limits) -> Result<(NamedKey, Body, Option<u64>), Problem> {
        match (self.put, self.delete) {
            (Some(_), Some(_)) | (None, None) => Err(invalid(at, "an item is either \"put\" or \"delete\"")),
            (None, Some(key)) => Ok((key, Body::Tombstone, None)),
            (Some(PutDocument { key, key_b64, value, value_b64, content_type, ttl }), None) => {
                let (payload, default) = match (value, value_b64) {
                    (Some(text), None) => (text.into_bytes(), TEXT),
                    (None, Some(text)) => {
                        let bytes = text::from_base64(&text);
                        (bytes.ok_or_else(|| invalid(at, "its value is not base64"))?, head::OCTETS)
                    }
                    (Some(_), Some(_)) | (None, None) => {
                        return Err(invalid(
                            at,
                            "a value is either \"value\" (text) or \"value_b64\" (base64url)",
                        ));
                    }
                };
                if payload.len() > limits.value_bytes_max {
                    let limit = limits.value_bytes_max;
                    return Err(Fault::ItemTooLarge { at, limit }.into());
                }
                let content_type = content_type.unwrap_or_else(|| default.to_owned());
                if !head::is_media_type(&content_type) {
                    return Err(invalid(at, "its content_type is not a media type"));
                }
                let ttl_ms = ttl.map(|ttl| query::ttl_ms(&ttl)).transpose();
                let ttl_ms = ttl_ms.map_err(|error| invalid(at, &error.to_string()))?;
                let body = Body::Value { content_type, payload: payload.into() };
                Ok((NamedKey { key, key_b64 }, body, ttl_ms))
            }
        }
    }
}
