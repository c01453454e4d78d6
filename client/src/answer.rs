//! What a server answers, decoded.

use quorate_api::document::{KeyResult, Problem};
use quorate_api::header;
use quorate_model::Version;
use reqwest::header::{self as standard, HeaderMap, HeaderName};
use serde::de::{DeserializeOwned, Error as _};
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::Value as Json;

/// What the headers of an answer say.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Meta {
    /// The key's version: of the value, or of the tombstone if one is known.
    pub version: Option<Version>,
    /// The strong validator made from the version.
    pub etag: Option<String>,
    /// What the answer promises.
    pub consistency: Option<Consistency>,
    /// The epoch of the view that served the request.
    pub epoch: Option<u64>,
    /// The name of the node that served it.
    pub coordinator: Option<String>,
    /// The request's id.
    pub request: Option<String>,
    /// The media type of the body.
    pub content_type: Option<String>,
    /// Where the time went, if the request asked for it.
    pub server_timing: Option<String>,
    /// When the value expires, if it does (an HTTP date).
    pub expires: Option<String>,
    /// When its coordinator wrote it, by that coordinator's clock (an HTTP date).
    pub last_modified: Option<String>,
    /// After how many seconds another attempt makes sense, if the server said so.
    pub retry_after: Option<u32>,
}

/// `Quorate-Consistency`: the guarantee, the counts it rests on, and why it is less than the level says, if it is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Consistency {
    /// `linearizable`, `regular` or `eventual`.
    pub guarantee: String,
    /// The whole header.
    pub text: String,
}

/// An answer with the node's word on how it came about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answered<T> {
    /// The answer.
    pub answer: T,
    /// What its headers say.
    pub meta: Meta,
}

/// A server's document: as this version reads it, and as it came. What a newer server adds is in the latter alone.
#[derive(Clone, Debug, PartialEq)]
pub struct Document<T> {
    /// What this version knows of it.
    pub read: T,
    /// All of it.
    pub json: Json,
}

/// What a read found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Found {
    /// A value.
    Value(Value),
    /// No such key.
    Absent {
        /// Why, in the server's words: never written, deleted, or expired.
        reason: String,
    },
}

/// A stored value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Value {
    /// The bytes, as they were put.
    pub bytes: Vec<u8>,
    /// The media type they were put with.
    pub content_type: Option<String>,
}

/// One result of an mget, in the order of the keys asked.
#[derive(Clone, Debug, PartialEq)]
pub struct MgetItem {
    /// The key.
    pub key: Vec<u8>,
    /// 200, 404, or why it could not be read.
    pub status: u16,
    /// The value, with status 200.
    pub value: Option<Value>,
    /// Its version, if one is known.
    pub version: Option<String>,
    /// Why it could not be read.
    pub error: Option<Problem>,
    /// The item as the server sent it.
    pub raw: Json,
}

impl Meta {
    pub(crate) fn of(headers: &HeaderMap) -> Self {
        let text =
            |name: HeaderName| headers.get(name).and_then(|value| value.to_str().ok()).map(str::to_owned);
        Self {
            version: text(header::QUORATE_VERSION).and_then(|version| version.parse().ok()),
            etag: text(standard::ETAG),
            consistency: text(header::QUORATE_CONSISTENCY).map(Consistency::of),
            epoch: text(header::QUORATE_EPOCH).and_then(|epoch| epoch.parse().ok()),
            coordinator: text(header::QUORATE_COORDINATOR),
            request: text(header::QUORATE_REQUEST),
            content_type: text(standard::CONTENT_TYPE),
            server_timing: text(header::SERVER_TIMING),
            expires: text(standard::EXPIRES),
            last_modified: text(standard::LAST_MODIFIED),
            retry_after: text(standard::RETRY_AFTER).and_then(|seconds| seconds.parse().ok()),
        }
    }
}

impl Consistency {
    fn of(text: String) -> Self {
        let guarantee = header::Consistency(&text).guarantee().to_owned();
        Self { guarantee, text }
    }

    /// Why the guarantee is less than the level says: `accepted-loss`; `None`: it is what it says.
    pub fn reason(&self) -> Option<&str> {
        header::Consistency(&self.text).reason()
    }

    /// One of the counts, such as `r`, `n`, `acks` or `repaired`.
    pub fn count(&self, name: &str) -> Option<u64> {
        header::Consistency(&self.text).count(name)
    }
}

impl<'de, T: DeserializeOwned> Deserialize<'de> for Document<T> {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let json = Json::deserialize(from)?;
        let read = T::deserialize(&json).map_err(D::Error::custom)?;
        Ok(Self { read, json })
    }
}

impl MgetItem {
    /// The results of an mget of these keys; `None` if there is not one for each.
    pub(crate) fn all(keys: &[Vec<u8>], document: &Json) -> Option<Vec<Self>> {
        let results = document.get("results")?.as_array().filter(|results| results.len() == keys.len())?;
        keys.iter().zip(results).map(|(key, raw)| Self::of(key, raw)).collect()
    }

    /// One of the results; `key` is what was asked at its place.
    pub(crate) fn of(key: &[u8], raw: &Json) -> Option<Self> {
        let result = KeyResult::deserialize(raw).ok()?;
        let value = result.bytes().map(|bytes| Value { bytes, content_type: result.content_type.clone() });
        Some(Self {
            key: key.to_vec(),
            status: result.status,
            value,
            version: result.version,
            error: result.error,
            raw: raw.clone(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use quorate_api::document::Tables;
    use serde_json::json;

    #[test]
    fn a_document_keeps_what_a_newer_server_adds() {
        let text = r#"{"epoch": 7, "tables": [], "tomorrow": {"n": 1}}"#;
        let document: Document<Tables> = serde_json::from_str(text).expect("a document");
        assert_eq!((document.read.epoch, &document.json["tomorrow"]["n"]), (7, &json!(1)));
        assert!(serde_json::from_str::<Document<Tables>>("{}").is_err(), "no document of tables");
    }

    #[test]
    fn an_mget_has_a_result_for_each_key_and_keeps_what_a_newer_server_adds() {
        let keys = [b"a".to_vec(), b"b".to_vec()];
        let document = json!({"results": [
            {"key": "a", "status": 200, "value_b64": "_w", "tomorrow": 1},
            {"key": "b", "status": 503, "error": {"code": "unavailable", "detail": "too few"}},
        ]});
        let items = MgetItem::all(&keys, &document).expect("two results");
        assert_eq!(items[0].value.as_ref().map(|value| value.bytes.as_slice()), Some(&[0xff][..]));
        assert_eq!(items[0].raw["tomorrow"], 1);
        assert_eq!((items[1].status, &items[1].value), (503, &None));
        assert_eq!(items[1].error.as_ref().map(|error| error.detail.as_str()), Some("too few"));
        assert_eq!(MgetItem::all(&keys[..1], &document), None);
        assert_eq!(MgetItem::all(&keys[..1], &json!({"results": ["no object"]})), None);
    }
}
