//! What the documents of `mget` and `batch` ask for, item by item.

use crate::answer;
use crate::fault::Fault;
use crate::head;
use crate::keys;
use crate::limits::Limits;
use crate::problem::Problem;
use quorate_api::document::{BatchItem, KeyArgument, NamedKey, PutItem};
use quorate_api::header::{OCTETS, TEXT};
use quorate_api::query::QueryError;
use quorate_api::{key, text};
use quorate_model::{Body, Key, OperationId};
use quorate_node::core::Expiry;
use std::collections::BTreeSet;

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

/// The key of an `mget` at this place.
pub fn key_argument(at: usize, argument: KeyArgument, bytes_max: usize) -> Result<Key, Problem> {
    let named = match argument {
        KeyArgument::Text(text) => NamedKey { key: Some(text), key_b64: None },
        KeyArgument::Named(named) => named,
    };
    named_key(at, named, bytes_max)
}

/// The key of the item at this place.
pub fn named_key(at: usize, named: NamedKey, bytes_max: usize) -> Result<Key, Problem> {
    let bytes = match (named.key, named.key_b64) {
        (Some(text), None) => text.into_bytes(),
        (None, Some(text)) => text::from_base64(&text).ok_or_else(|| invalid(at, "its key is not base64"))?,
        (Some(_), Some(_)) | (None, None) => {
            return Err(invalid(at, "a key is either \"key\" (text) or \"key_b64\" (base64url)"));
        }
    };
    key::checked(bytes, bytes_max).map_err(|error| invalid(at, &error.to_string()))
}

/// What an item asks for.
pub struct Item {
    /// The key.
    pub key: NamedKey,
    /// What to store.
    pub body: Body,
    /// For how long.
    pub expiry: Option<Expiry>,
    /// The id of the write.
    pub operation: Option<OperationId>,
}

/// The item at this place.
pub fn item(at: usize, item: BatchItem, limits: &Limits) -> Result<Item, Problem> {
    let id = item.idempotency_key.map(|id| id.parse::<OperationId>()).transpose();
    let operation = id.map_err(|error| invalid(at, &error.to_string()))?;
    match (item.put, item.delete) {
        (Some(_), Some(_)) | (None, None) => Err(invalid(at, "an item is either \"put\" or \"delete\"")),
        (None, Some(key)) => Ok(Item { key, body: Body::Tombstone, expiry: None, operation }),
        (Some(PutItem { key, key_b64, value, value_b64, content_type, ttl, expires_at }), None) => {
            let (payload, default) = match (value, value_b64) {
                (Some(text), None) => (text.into_bytes(), TEXT),
                (None, Some(text)) => {
                    let bytes = text::from_base64(&text);
                    (bytes.ok_or_else(|| invalid(at, "its value is not base64"))?, OCTETS)
                }
                (Some(_), Some(_)) | (None, None) => {
                    let why = "a value is either \"value\" (text) or \"value_b64\" (base64url)";
                    return Err(invalid(at, why));
                }
            };
            if payload.len() > limits.value_bytes_max {
                return Err(Fault::ItemTooLarge { at, limit: limits.value_bytes_max }.into());
            }
            let content_type = content_type.unwrap_or_else(|| default.to_owned());
            if !head::is_media_type(&content_type) {
                return Err(invalid(at, "its content_type is not a media type"));
            }
            let expiry = match (ttl, expires_at) {
                (None, None) => None,
                (Some(ttl), None) => {
                    let ttl = ttl.parse().map_err(|error: QueryError| invalid(at, &error.to_string()))?;
                    Some(keys::expiry(ttl))
                }
                (None, Some(text)) => {
                    let why = "its expires_at is not a time, such as 2026-11-28T12:00:00.000Z";
                    Some(Expiry::At(answer::time(&text).ok_or_else(|| invalid(at, why))?))
                }
                (Some(_), Some(_)) => {
                    return Err(invalid(at, "a value has either \"ttl\" or \"expires_at\""));
                }
            };
            let body = Body::Value { content_type, payload: payload.into() };
            Ok(Item { key: NamedKey { key, key_b64 }, body, expiry, operation })
        }
    }
}
