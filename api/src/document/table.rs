//! Tables: what they shall be, and what they are.

use super::{AcceptedLoss, Bound, KeyArgument, KeyName, Level};
use crate::form::{self, Word};
use serde::{Deserialize, Deserializer, Serialize};
use utoipa::ToSchema;

/// What a new table shall be; what is left out is left to the server.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, expecting = "an object that describes a table")]
pub struct TableSpec {
    /// 1 to 64 of a-z, 0-9, `_` and `-`.
    #[schema(value_type = form::TableName)]
    pub name: String,
    /// How its keys are laid out; `hash` unless it says `range`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<form::Sharding>)]
    pub sharding: Option<String>,
    /// Copies of each record.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(minimum = 1, maximum = 15)]
    pub n: Option<u8>,
    /// Default level of reads.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub r: Option<Level>,
    /// The write promise, and the default level of writes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub w: Option<Level>,
    /// The protocol that keeps its keys.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<form::Mode>)]
    pub mode: Option<String>,
    /// Shards that a hash table starts with: a power of two.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(minimum = 1)]
    pub shards: Option<u32>,
    /// Where the shards of a range table begin, but for the first: keys in ascending order of their bytes.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(max_items = 1023)]
    pub split_at: Option<Vec<KeyArgument>>,
    /// What an acknowledgement means.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<form::Durability>)]
    pub durability: Option<String>,
    /// How long values live that name no ttl.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<form::Duration>)]
    pub ttl: Option<String>,
    /// A shard with more bytes is split.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(minimum = 65536)]
    pub shard_bytes_max: Option<u64>,
}

/// What to change of a table, at least one of its fields; what is left out stays.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, expecting = "an object with the fields to change")]
#[schema(min_properties = 1)]
pub struct TableChange {
    /// Can't be changed yet: taken so that the refusal can say so.
    #[serde(default, deserialize_with = "named", skip_serializing_if = "Option::is_none")]
    #[schema(ignore)]
    pub n: Option<u8>,
    /// Default level of reads.
    #[serde(default, deserialize_with = "named", skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Level)]
    pub r: Option<Level>,
    /// Can't be changed: taken so that the refusal can say so.
    #[serde(default, deserialize_with = "named", skip_serializing_if = "Option::is_none")]
    #[schema(ignore)]
    pub w: Option<Level>,
    /// What an acknowledgement means.
    #[serde(default, deserialize_with = "named", skip_serializing_if = "Option::is_none")]
    #[schema(value_type = form::Durability)]
    pub durability: Option<String>,
    /// How long values live that name no ttl; `null` (`Some(None)`): until they are deleted.
    #[serde(default, deserialize_with = "named", skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<form::Duration>)]
    pub ttl: Option<Option<String>>,
    /// A shard with more bytes is split; `null` (`Some(None)`): as every node is configured.
    #[serde(default, deserialize_with = "named", skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<u64>, minimum = 65536)]
    pub shard_bytes_max: Option<Option<u64>>,
}

/// A field that is either absent or has a value: `null` is one only where the type has it.
fn named<'de, D: Deserializer<'de>, T: Deserialize<'de>>(from: D) -> Result<Option<T>, D::Error> {
    T::deserialize(from).map(Some)
}

/// A table.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Table {
    /// Its name.
    #[schema(value_type = form::TableName)]
    pub name: String,
    /// Issued by the catalog, never reused.
    pub id: String,
    /// How its keys are laid out.
    #[schema(value_type = form::Sharding)]
    pub sharding: Word,
    /// Copies of each record.
    #[schema(minimum = 1, maximum = 15)]
    pub n: u8,
    /// Default level of reads.
    pub r: Level,
    /// The write promise, and the default level of writes.
    pub w: Level,
    /// The protocol that keeps its keys.
    #[schema(value_type = form::Mode)]
    pub mode: Word,
    /// Its shards.
    pub shards: u64,
    /// What an acknowledgement means.
    #[schema(value_type = form::Durability)]
    pub durability: Word,
    /// How long values live that name no ttl; `null`: until they are deleted.
    #[schema(required)]
    pub ttl: Option<String>,
    /// A shard with more bytes is split, where the table has a size of its own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub shard_bytes_max: Option<u64>,
    /// The catalog's epoch since which it is so.
    pub epoch: u64,
    /// Losses that were accepted of it, the last one of each node: answers about their shards say `eventual`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub accepted_losses: Vec<AcceptedLoss>,
}

/// Every table.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Tables {
    /// The catalog's epoch.
    pub epoch: u64,
    /// The tables.
    pub tables: Vec<Table>,
}

/// A table that is no more.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Dropped {
    /// Its name.
    #[schema(value_type = form::TableName)]
    pub dropped: String,
    /// The catalog's epoch since which it is gone.
    pub epoch: u64,
}

/// What a table holds, as its owners have counted it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct TableStats {
    /// The table.
    #[schema(value_type = form::TableName)]
    pub table: String,
    /// The catalog's epoch.
    pub epoch: u64,
    /// Keys with a value, of all shards; a value whose time has come counts until a read has found it.
    pub keys: u64,
    /// Keys of which only the removal is kept.
    pub removals: u64,
    /// Bytes of one copy of all of them: keys and records, before compression.
    pub bytes: u64,
    /// Whether that is all there is. Otherwise it is at least that much: an owner is still counting, or none answered.
    pub exact: bool,
    /// Removals that can't go for now, by what holds them back.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub purge_held_back: Vec<PurgeHeldBack>,
    /// Owners that did not answer.
    #[schema(value_type = Vec<form::NodeId>)]
    pub unanswered: Vec<String>,
    /// The same of each shard, in the order of the space.
    pub by_shard: Vec<ShardStats>,
}

/// Removals that can't go for now: purge asks every owner of a shard, and waits while it moves.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct PurgeHeldBack {
    /// Of which table.
    #[schema(value_type = form::TableName)]
    pub table: String,
    /// The owner that is away, doubts its disk or fills itself; `null`: the shards move, or are about to.
    #[schema(required, value_type = Option<form::NodeId>)]
    pub by: Option<String>,
    /// Shards that have such removals.
    pub shards: u64,
    /// The removals in them, those too that are too young to go.
    pub removals: u64,
}

/// What a shard holds, as one of its owners has counted it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ShardStats {
    /// `<table>/<index>`.
    pub id: String,
    /// Keys with a value.
    pub keys: u64,
    /// Keys of which only the removal is kept.
    pub removals: u64,
    /// Bytes of keys and records, before compression.
    pub bytes: u64,
    /// Whether that is all that this owner holds.
    pub exact: bool,
    /// The owner; `null`: none answered, and the figures are 0.
    #[schema(required, value_type = Option<form::NodeId>)]
    pub counted_by: Option<String>,
    /// Requests a second that the owner carries out which carries out most, of the last half minute about.
    #[serde(default)]
    pub load: u64,
    /// The key for which half of them are, or more: no split helps.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hot_key: Option<KeyName>,
    /// Whether each is for a key beyond those before: no split spreads that.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub grows: Option<bool>,
    /// The same in each minute of the last hour, of the owner that carried out most in it: the earliest first, as far back
    /// as an owner remembers; absent: nothing.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub heat: Vec<u64>,
}

/// A shard.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Shard {
    /// `<table>/<index>`.
    pub id: String,
    /// Its number within its table.
    pub index: u32,
    /// Where it begins.
    pub start: Bound,
    /// Where it ends; `null`: at the end of the space.
    #[schema(required)]
    pub end: Option<Bound>,
    /// Its position on the ring.
    #[schema(value_type = form::Token)]
    pub position: String,
    /// Its epoch.
    pub epoch: u64,
    /// Its owners, in the order of preference.
    #[schema(value_type = Vec<form::NodeId>)]
    pub owners: Vec<String>,
    /// While it moves: its new owners.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schema(value_type = Vec<form::NodeId>)]
    pub next: Vec<String>,
}

/// The shards of a table.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Shards {
    /// The table.
    #[schema(value_type = form::TableName)]
    pub table: String,
    /// The catalog's epoch.
    pub epoch: u64,
    /// The shards, in the order of the space.
    pub shards: Vec<Shard>,
}
