//! What is answered about one key.

use super::{AcceptedLoss, Bound, Replica};
use crate::form::{self, Word};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// A write that reached its level.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Written {
    /// The version it became.
    #[schema(value_type = form::Version)]
    pub version: String,
    /// The strong validator.
    #[schema(value_type = form::EntityTag)]
    pub etag: String,
    /// Owners that durably hold it.
    pub acks: u8,
    /// Owners it waited for.
    pub required: u8,
    /// Copies of the table.
    #[schema(minimum = 1, maximum = 15)]
    pub n: u8,
    /// What it promises.
    #[schema(value_type = form::Guarantee)]
    pub consistency: Word,
    /// Why that is less than the level says; absent: it is what it says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<form::Lowered>)]
    pub consistency_reason: Option<Word>,
    /// Whether an earlier attempt had done it already.
    pub replayed: bool,
    /// With `trace=true`: what each owner said.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub replicas: Vec<Replica>,
}

/// Where a key lives.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Location {
    /// The key as text.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub key: Option<String>,
    /// The key as base64url, where it is no text.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<form::Base64Url>)]
    pub key_b64: Option<String>,
    /// Its table.
    pub table: String,
    /// Its place on the ring.
    #[schema(value_type = form::Token)]
    pub token: String,
    /// Its shard.
    pub shard: String,
    /// Where the shard begins.
    pub start: Bound,
    /// Where it ends; `null`: at the end of the space.
    #[schema(required)]
    pub end: Option<Bound>,
    /// The shard's epoch.
    pub shard_epoch: u64,
    /// The catalog's epoch.
    pub epoch: u64,
    /// The owners, in the order of preference.
    pub owners: Vec<Owner>,
    /// While its shard moves: the new owners.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub next: Vec<Owner>,
    /// Losses that were accepted of its shard, the last one of each node: answers about the key say `eventual`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub accepted_losses: Vec<AcceptedLoss>,
}

/// An owner of a key.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Owner {
    /// Its id.
    #[schema(value_type = form::NodeId)]
    pub node: String,
    /// Its name.
    #[schema(required)]
    pub name: Option<String>,
    /// Its failure domain.
    #[schema(required)]
    pub zone: Option<String>,
    /// Where clients reach it.
    #[schema(required)]
    pub address: Option<String>,
    /// Whether it can be reached now.
    pub up: bool,
}

/// Where a key lives, and what each owner says it holds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Explanation {
    /// Where it lives.
    #[serde(flatten)]
    pub location: Location,
    /// Whether all owners answered and hold the same.
    pub agree: bool,
    /// What each owner holds.
    pub replicas: Vec<Inspection>,
    /// Other members that keep a hint for an owner.
    pub hints_elsewhere: Vec<Inspection>,
    /// When the owners of the shard were last found equal.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sync: Option<LastEqual>,
}

/// When the owners of a shard were last found equal.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct LastEqual {
    /// The owner that runs its sync; `null`: none says that it does.
    #[schema(required, value_type = Option<form::NodeId>)]
    pub run_by: Option<String>,
    /// When it last found all of them equal; `null`: never in this run of its process.
    #[schema(required, format = DateTime)]
    pub equal_at: Option<String>,
    /// The same as a sentence.
    pub says: String,
}

/// What one member says that it holds of a key.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(untagged)]
pub enum Inspection {
    /// What it holds.
    Held(Held),
    /// It said nothing.
    Silent(Silent),
}

/// What a member holds of a key.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Held {
    /// Which member.
    #[schema(value_type = form::NodeId)]
    pub node: String,
    /// Its version; `null`: it holds nothing.
    #[schema(required, value_type = Option<form::Version>)]
    pub version: Option<String>,
    /// Whether it has expired for good.
    pub expired: bool,
    /// Whether it is a delete.
    pub tombstone: bool,
    /// The value's bytes.
    pub size: u64,
    /// Digest of what it holds.
    pub digest: String,
    /// When it was written, by its coordinator's clock.
    #[schema(required, format = DateTime)]
    pub written_at: Option<String>,
    /// When it expires.
    #[schema(required, format = DateTime)]
    pub expires_at: Option<String>,
    /// Members for which this one keeps a hint.
    #[schema(value_type = Vec<form::NodeId>)]
    pub hints_for: Vec<String>,
}

/// A member that did not say what it holds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Silent {
    /// Which member.
    #[schema(value_type = form::NodeId)]
    pub node: String,
    /// Why.
    pub error: String,
}
