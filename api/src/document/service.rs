//! What a load balancer asks, and what a person asks first.

use crate::form::{self, Word};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
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

/// Where a node's peers reach it: what a node that joins must know, and what a stranger may.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct PeerAddress {
    /// The cluster's id.
    #[schema(value_type = form::ClusterId)]
    pub id: String,
    /// The cluster's label.
    pub name: String,
    /// The node.
    #[schema(value_type = form::NodeId)]
    pub node: String,
    /// Where peers reach it: host and port.
    pub peer_address: String,
}

/// Every limit in force: what clients may do by its name, all others in their section.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Limits(BTreeMap<String, Limit>);

/// A limit, or a section of limits.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
enum Limit {
    /// Bytes, items or milliseconds.
    Count(u64),
    /// By their names.
    Section(BTreeMap<String, u64>),
}

impl Limits {
    /// Puts a limit in its section, or outside of all.
    pub fn insert(&mut self, section: Option<&str>, name: &str, value: u64) {
        let Some(section) = section else {
            self.0.insert(name.to_owned(), Limit::Count(value));
            return;
        };
        let found = self.0.entry(section.to_owned()).or_insert_with(|| Limit::Section(BTreeMap::new()));
        if let Limit::Section(limits) = found {
            limits.insert(name.to_owned(), value);
        }
    }

    /// A limit of a section, or one outside of all; `None`: the server has none of that name.
    pub fn get(&self, section: Option<&str>, name: &str) -> Option<u64> {
        match (section, self.0.get(section.unwrap_or(name))?) {
            (Some(_), Limit::Section(limits)) => limits.get(name).copied(),
            (None, Limit::Count(limit)) => Some(*limit),
            (Some(_), Limit::Count(_)) | (None, Limit::Section(_)) => None,
        }
    }
}
