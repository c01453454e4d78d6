//! What is answered about many keys that are listed in their order.

use crate::form::{self, Word};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// A page of a table's keys.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct KeyPage {
    /// The keys that have a value, in the order of the scan.
    pub items: Vec<ListedKey>,
    /// With `count=true`: how many keys there are, in place of the keys.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub count: Option<u64>,
    /// With `sum=true`: what all records there add up to, removals too, as enough owners say to meet every write. As long
    /// as it is the same nothing has changed. Absent: owners differ, have not counted yet, or the shard has just changed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<form::RecordSum>)]
    pub sum: Option<String>,
    /// Where the next page begins; `null`: this is the last one. A page may be short, or empty, and have one.
    #[schema(required)]
    pub next_cursor: Option<String>,
}

/// The last line of a stream of keys: where it ended, and why, if a page failed.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct StreamEnd {
    /// Why the stream ends before the range does.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<StreamError>,
    /// What all lines promise together: it may be less than the header says, which came before them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<form::Guarantee>)]
    pub consistency: Option<Word>,
    /// Why that is less than the level says; absent: it is what it says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<form::Lowered>)]
    pub consistency_reason: Option<Word>,
    /// Where to go on; `null`: the range is over.
    pub next_cursor: Option<String>,
}

/// Why a page of a stream failed: the members of a problem that say so.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct StreamError {
    /// A stable word.
    pub code: String,
    /// For people: the cause, and what would help.
    pub detail: String,
    /// The shard of which too few owners answered: its keys are missing from `next_cursor` on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub shard: Option<String>,
}

/// A key of a page.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ListedKey {
    /// The key as text.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub key: Option<String>,
    /// The key as base64url, where it is no text.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<form::Base64Url>)]
    pub key_b64: Option<String>,
    /// Its version.
    #[schema(value_type = form::Version)]
    pub version: String,
    /// The value's bytes.
    pub size: u64,
    /// When the value expires.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub expires_at: Option<String>,
    /// With `values=true`: the value's media type.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub content_type: Option<String>,
    /// With `values=true`: the value as text.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub value: Option<String>,
    /// With `values=true`: the value as base64url, where it is no text.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<form::Base64Url>)]
    pub value_b64: Option<String>,
}
