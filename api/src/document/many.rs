//! Many keys at once: what `mget` and `batch` take and answer.

use super::{Problem, Written};
use crate::form::{self, Word};
use crate::text;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// The body of an `mget`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, expecting = "an object with `keys`, a list")]
pub struct Mget {
    /// What to read.
    pub keys: Vec<KeyArgument>,
}

/// A key: its text, or an object with its text or its base64url.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(
    untagged,
    expecting = "a key is text, or an object with either `key` (text) or `key_b64` (base64url)"
)]
pub enum KeyArgument {
    /// Its text.
    #[schema(value_type = form::SomeText)]
    Text(String),
    /// By name.
    Named(NamedKey),
}

/// A key by its text or its base64url: exactly one of them.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, expecting = "an object with `key` or `key_b64`")]
pub struct NamedKey {
    /// As text.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(min_length = 1)]
    pub key: Option<String>,
    /// As base64url.
    #[serde(alias = "b64", skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<form::Base64Url>)]
    pub key_b64: Option<String>,
}

/// The body of a `batch`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, expecting = "an object with `items`, a list")]
pub struct Batch {
    /// What to write: a key at most once.
    pub items: Vec<BatchItem>,
}

/// One write of a batch: either to store or to delete, with the id of the write or without.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, expecting = "an object with either `put` or `delete`")]
pub struct BatchItem {
    /// Store a value.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub put: Option<PutItem>,
    /// Delete a key.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub delete: Option<NamedKey>,
    /// What an `Idempotency-Key` is to a single write: with the same one it is not applied again.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<form::OperationId>)]
    pub idempotency_key: Option<String>,
}

/// A value to store: one of its keys, one of its values.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, expecting = "an object with a key and a value")]
pub struct PutItem {
    /// The key as text.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(min_length = 1)]
    pub key: Option<String>,
    /// The key as base64url.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<form::Base64Url>)]
    pub key_b64: Option<String>,
    /// The value as text.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub value: Option<String>,
    /// The value as base64.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<form::Base64>)]
    pub value_b64: Option<String>,
    /// Its media type; of a text `text/plain; charset=utf-8`, unless it is named.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<form::MediaType>)]
    pub content_type: Option<String>,
    /// How long it lives; `none`: until it is deleted; default: the table's.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<form::TimeToLive>)]
    pub ttl: Option<String>,
    /// Until when it lives, in place of `ttl`: as a scan lists it. A value whose time has passed counts as expired at once.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(format = DateTime)]
    pub expires_at: Option<String>,
}

/// What `mget` and `batch` answer.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Results {
    /// One for each item, in their order.
    pub results: Vec<KeyResult>,
}

/// What became of one item.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(default)]
#[schema(as = Result)]
pub struct KeyResult {
    /// The key as text.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub key: Option<String>,
    /// The key as base64url, where it is no text.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<form::Base64Url>)]
    pub key_b64: Option<String>,
    /// 200, 404, or why it could not be done: a status as the item alone would have had.
    #[schema(required, minimum = 200, maximum = 599)]
    pub status: u16,
    /// The value as text.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub value: Option<String>,
    /// The value as base64url, where it is no text.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub value_b64: Option<String>,
    /// The value's media type.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub content_type: Option<String>,
    /// When the value expires, if it does.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub expires: Option<String>,
    /// The key's version, if one is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<form::Version>)]
    pub version: Option<String>,
    /// The strong validator.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<form::EntityTag>)]
    pub etag: Option<String>,
    /// Owners that hold it, or this answer.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub acks: Option<u8>,
    /// Owners that were needed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub required: Option<u8>,
    /// Copies of the table.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(minimum = 1, maximum = 15)]
    pub n: Option<u8>,
    /// What the answer promises.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<form::Guarantee>)]
    pub consistency: Option<Word>,
    /// Why that is less than the level says; absent: it is what it says.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<form::Lowered>)]
    pub consistency_reason: Option<Word>,
    /// Whether an earlier attempt had done it already.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub replayed: Option<bool>,
    /// Why it could not be done.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<Problem>,
}

impl From<&[u8]> for KeyArgument {
    fn from(key: &[u8]) -> Self {
        match std::str::from_utf8(key) {
            Ok(text) => KeyArgument::Text(text.to_owned()),
            Err(_) => KeyArgument::Named(NamedKey { key: None, key_b64: Some(text::to_base64url(key)) }),
        }
    }
}

impl KeyResult {
    /// Of an item whose key is this.
    pub fn of(key: &[u8], status: u16) -> Self {
        let super::KeyName { key, key_b64 } = super::KeyName::from(key);
        Self { key, key_b64, status, ..Self::default() }
    }

    /// The same, with a value: as text where it is UTF-8.
    #[must_use]
    pub fn with_value(self, value: &[u8]) -> Self {
        match std::str::from_utf8(value) {
            Ok(text) => Self { value: Some(text.to_owned()), ..self },
            Err(_) => Self { value_b64: Some(text::to_base64url(value)), ..self },
        }
    }

    /// The same, of a write that reached its level.
    #[must_use]
    pub fn with_write(self, written: Written) -> Self {
        let Written {
            version,
            etag,
            acks,
            required,
            n,
            consistency,
            consistency_reason,
            replayed,
            replicas: _,
        } = written;
        Self {
            version: Some(version),
            etag: Some(etag),
            acks: Some(acks),
            required: Some(required),
            n: Some(n),
            consistency: Some(consistency),
            consistency_reason,
            replayed: Some(replayed),
            ..self
        }
    }

    /// The value's bytes, if it has one that can be read.
    pub fn bytes(&self) -> Option<Vec<u8>> {
        match (&self.value, &self.value_b64) {
            (Some(text), _) => Some(text.as_bytes().to_vec()),
            (None, Some(text)) => text::from_base64(text),
            (None, None) => None,
        }
    }
}
