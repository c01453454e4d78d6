//! Going on without a majority of those who vote on the catalog: what it means, and the decision.

use crate::form;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// Members that are gone for good, and whether they are given up.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct RecoverSpec {
    /// The members that will certainly never run again: their ids or names.
    pub lost: Vec<String>,
    /// The same once more, which decides it; without it the answer only says what it would mean.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub accept_data_loss: Vec<String>,
}

/// What going on without members means.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Recovery {
    /// Whether it is decided: the node that was asked starts again, and the catalog goes on from what it knows.
    pub decided: bool,
    /// The same as a sentence, and what comes next.
    pub says: String,
    /// The members that are given up: banned, whatever they still hold.
    #[schema(value_type = Vec<form::NodeId>)]
    pub lost: Vec<String>,
    /// The members that go on.
    #[schema(value_type = Vec<form::NodeId>)]
    pub left: Vec<String>,
    /// The tables of which something is given up.
    pub tables: Vec<TableGivenUp>,
}

/// What is given up of one table.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct TableGivenUp {
    /// Its name.
    #[schema(value_type = form::TableName)]
    pub table: String,
    /// Its shards.
    pub shards: u64,
    /// Those of which too few owners are left to hold everything for certain: they go on with what is left.
    pub shards_short: u64,
    /// Those of which none is left: they begin anew, empty.
    pub shards_empty: u64,
    /// The same as a sentence.
    pub loss: String,
}

/// That the catalog went on without members.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Recovered {
    /// The members that were given up.
    #[schema(value_type = Vec<form::NodeId>)]
    pub lost: Vec<String>,
    /// The member whose catalog went on.
    #[schema(value_type = form::NodeId)]
    pub by: String,
    /// When that was decided, by that member's clock.
    #[schema(format = DateTime)]
    pub at: String,
    /// The catalog's epoch that tells of it.
    pub epoch: u64,
}
