//! What a load balancer asks.

use crate::form::{self, Word};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// Where to go on from `/`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Links {
    /// The program: `quorate`.
    #[schema(value_type = String)]
    pub name: Word,
    /// Its version.
    #[schema(value_type = String)]
    pub version: Word,
    /// The node that answers.
    #[schema(value_type = form::NodeId)]
    pub node: String,
    /// The cluster's label.
    pub cluster: String,
    /// Paths that can be asked for.
    pub links: Vec<Link>,
}

/// A path that can be asked for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Link {
    /// The path.
    #[schema(value_type = String)]
    pub href: Word,
    /// What is there.
    #[schema(value_type = String)]
    pub title: Word,
}

/// The process works.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Live {
    /// Always `live`.
    #[schema(value_type = form::Liveness)]
    pub status: Word,
    /// The rule that this build breaks, if it is one that is broken on purpose.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    pub broken_on_purpose: Option<Word>,
}

/// The node can serve its tables at their default levels.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Ready {
    /// Always true: the other answer is a problem.
    #[schema(schema_with = form::always_true)]
    pub ready: bool,
    /// Always empty: the other answer is a problem.
    pub reasons: Vec<String>,
    /// The rule that this build breaks, if it is one that is broken on purpose.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    pub broken_on_purpose: Option<Word>,
}
