//! What a server answers, decoded.

use crate::key::from_base64;
use quorate_model::Version;
use reqwest::header::HeaderMap;
use serde::{Deserialize, Serialize};
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
}

/// `Quorate-Consistency`: the guarantee, and the counts it rests on.
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

/// An acknowledged write.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Written {
    /// The version it became (`<seq>-<writer>`).
    pub version: String,
    /// The strong validator.
    #[serde(default)]
    pub etag: String,
    /// Owners that durably hold it.
    pub acks: u8,
    /// Owners it waited for.
    pub required: u8,
    /// What it promises.
    pub consistency: String,
    /// Whether an earlier attempt had done it already.
    #[serde(default)]
    pub replayed: bool,
}

/// One result of an mget, in the order of the keys asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MgetItem {
    /// The key.
    pub key: Vec<u8>,
    /// 200, 404, or why it could not be read.
    pub status: u16,
    /// The value, with status 200.
    pub value: Option<Value>,
    /// Its version, if one is known.
    pub version: Option<String>,
    /// The item as the server sent it.
    pub raw: Json,
}

impl Meta {
    pub(crate) fn of(headers: &HeaderMap) -> Self {
        let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok()).map(str::to_owned);
        Self {
            version: text("quorate-version").and_then(|version| version.parse().ok()),
            etag: text("etag"),
            consistency: text("quorate-consistency").map(Consistency::of),
            epoch: text("quorate-epoch").and_then(|epoch| epoch.parse().ok()),
            coordinator: text("quorate-coordinator"),
            request: text("quorate-request"),
            content_type: text("content-type"),
            server_timing: text("server-timing"),
            expires: text("expires"),
            last_modified: text("last-modified"),
        }
    }
}

impl Consistency {
    fn of(text: String) -> Self {
        let guarantee = text.split(';').next().unwrap_or("").trim().to_owned();
        Self { guarantee, text }
    }

    /// One of the counts, such as `r`, `n`, `acks` or `repaired`.
    pub fn count(&self, name: &str) -> Option<u64> {
        self.text.split(';').skip(1).find_map(|pair| {
            let (found, value) = pair.trim().split_once('=')?;
            if found == name { value.parse().ok() } else { None }
        })
    }
}

impl MgetItem {
    /// The results of an mget of these keys; `None` if there is not one for each.
    pub(crate) fn all(keys: &[Vec<u8>], document: &Json) -> Option<Vec<Self>> {
        let results = ["results", "items"].iter().find_map(|name| document.get(name)?.as_array())?;
        let one_each = results.len() == keys.len();
        one_each.then(|| keys.iter().zip(results).map(|(key, raw)| Self::of(key, raw)).collect())
    }

    /// One element of `items`; `key` is what was asked at its place.
    pub(crate) fn of(key: &[u8], raw: &Json) -> Self {
        let value = match (raw.get("value"), raw.get("value_b64")) {
            (Some(Json::String(text)), _) => Some(text.as_bytes().to_vec()),
            (_, Some(Json::String(text))) => from_base64(text),
            _ => None,
        };
        let content_type = raw.get("content_type").and_then(Json::as_str).map(str::to_owned);
        Self {
            key: key.to_vec(),
            status: raw
                .get("status")
                .and_then(Json::as_u64)
                .and_then(|s| u16::try_from(s).ok())
                .unwrap_or(500),
            value: value.map(|bytes| Value { bytes, content_type }),
            version: raw.get("version").and_then(Json::as_str).map(str::to_owned),
            raw: raw.clone(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn the_consistency_header_is_read() {
        let consistency = Consistency::of("linearizable; r=2; n=3; acks=2; repaired=1".into());
        assert_eq!(consistency.guarantee, "linearizable");
        assert_eq!(consistency.count("repaired"), Some(1));
        assert_eq!(consistency.count("w"), None);
    }

    #[test]
    fn mget_values_are_text_or_base64() {
        let item = MgetItem::of(b"k", &json!({"status":200,"value_b64":"_w"}));
        assert_eq!(item.value.map(|value| value.bytes), Some(vec![0xff]));
        let item = MgetItem::of(b"k", &json!({"status":404}));
        assert_eq!((item.status, item.value), (404, None));
    }
}
