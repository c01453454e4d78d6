//! Shards that are split, merged or moved by hand.

use super::KeyArgument;
use crate::form;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// Where a shard becomes two.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, expecting = "an object; `at` says where to split")]
pub struct ShardSplit {
    /// Where the second one begins: a key, or of a hash table a token, 16 hexadecimal digits. Left out: where the shard is
    /// halved by bytes, as far as its owners know.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub at: Option<KeyArgument>,
}

/// Which shards become one.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, expecting = "an object; `with` names the neighbour")]
pub struct ShardMerge {
    /// The number of the neighbour. Left out: the shard behind it in the order of the space.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub with: Option<u32>,
}

/// Where one copy of a shard goes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ShardMove {
    /// The owner that gives its copy away: its id or its name.
    #[schema(value_type = form::SomeText)]
    pub from: String,
    /// The member that gets it.
    #[schema(value_type = form::SomeText)]
    pub to: String,
}
