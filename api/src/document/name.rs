//! Keys in JSON, and where shards begin and end.

use crate::form;
use crate::text;
use quorate_model::Key;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// A key in JSON: `key` where it is UTF-8, else `key_b64`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct KeyName {
    /// As text.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub key: Option<String>,
    /// As base64url.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<form::Base64Url>)]
    pub key_b64: Option<String>,
}

/// A bound of a shard. In JSON a token is a text, a key an object with `key` or `key_b64`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(untagged)]
pub enum Bound {
    /// Of a hash table: a place on the ring.
    #[schema(value_type = form::Token)]
    Token(String),
    /// Of a range table.
    Key(KeyName),
}

impl From<&[u8]> for KeyName {
    fn from(key: &[u8]) -> Self {
        match std::str::from_utf8(key) {
            Ok(text) => Self { key: Some(text.to_owned()), key_b64: None },
            Err(_) => Self { key: None, key_b64: Some(text::to_base64url(key)) },
        }
    }
}

impl From<&Key> for KeyName {
    fn from(key: &Key) -> Self {
        Self::from(key.as_bytes())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bound_is_a_token_or_a_key() {
        let token = Bound::Token("8000000000000000".to_owned());
        let keys = [&b"user-17"[..], b"\xff\x00", b""].map(|key| Bound::Key(KeyName::from(key)));
        let texts =
            [r#""8000000000000000""#, r#"{"key":"user-17"}"#, r#"{"key_b64":"_wA"}"#, r#"{"key":""}"#];
        for (bound, text) in std::iter::once(token).chain(keys).zip(texts) {
            assert_eq!(serde_json::to_string(&bound).expect("plain"), text);
            assert_eq!(serde_json::from_str::<Bound>(text).expect("a bound"), bound);
        }
    }
}
