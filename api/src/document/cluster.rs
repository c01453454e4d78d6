//! The cluster, as the answering node sees it.

use super::{PurgeHeldBack, Recovered, Shard, Traffic};
use crate::form::{self, Word};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use utoipa::ToSchema;

/// The cluster, and a sentence on its health.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Cluster {
    /// Its label.
    pub name: String,
    /// Drawn when it was founded.
    #[schema(value_type = form::ClusterId)]
    pub id: String,
    /// The node that answers.
    #[schema(value_type = form::NodeId)]
    pub node: String,
    /// Where peers reach that node.
    #[schema(required)]
    pub peer_address: Option<String>,
    /// The catalog's epoch.
    pub epoch: u64,
    /// The member that leads the catalog, if one is known to.
    #[schema(required)]
    pub leader: Option<String>,
    /// Whether nothing is wrong that this node knows of.
    pub healthy: bool,
    /// A sentence for people.
    pub health: String,
    /// Members.
    pub nodes: u64,
    /// Members that can be reached now.
    pub nodes_up: u64,
    /// Tables.
    pub tables: u64,
    /// Shards of all tables.
    pub shards: u64,
    /// Shards that refuse reads at their table's level now.
    pub shards_refusing_reads: u64,
    /// Shards that refuse writes at their table's level now.
    pub shards_refusing_writes: u64,
    /// What has no quorum now.
    pub at_risk: Vec<String>,
    /// Which tables have lost something that an operator accepted: by which node, when, and what that means.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub accepted_losses: Vec<String>,
    /// When the catalog went on without a majority of its voters, the earliest first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub recoveries: Vec<Recovered>,
    /// Shards that move now.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub shards_moving: Option<u64>,
    /// The job that moves them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<form::MoveJobId>)]
    pub moved_by: Option<String>,
    /// What only the answering node can say.
    pub here: Here,
}

/// What only the answering node can say: about its own hints and its own disk.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Here {
    /// Hints that it keeps, by the member they are for.
    pub hints_waiting: BTreeMap<String, u64>,
    /// Hints that did not fit, since its data folder was made.
    pub hints_overflow: u64,
    /// Why it doubts its disk, if it does.
    #[schema(required)]
    pub replica_doubt: Option<String>,
    /// The same in one word.
    #[schema(required)]
    pub doubt_cause: Option<String>,
    /// Whether its disk is full.
    pub disk_full: bool,
    /// Free bytes of its disk, if it knows them.
    #[schema(required)]
    pub free_bytes: Option<u64>,
    /// How far it has come back from a loss; `null`: it holds everything that it owns, or it waits for an operator.
    #[serde(default)]
    #[schema(required)]
    pub healing: Option<Healing>,
    /// Copies that it receives from moves and does not hold whole yet.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub receiving: Option<u64>,
    /// Removals that can't go for now, in the shards whose purge this node would run: each shard has one such node.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub purge_held_back: Vec<PurgeHeldBack>,
}

/// How far a member that lost something has come back by itself. While it doubts its disk nothing is whole.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Healing {
    /// Shards that it owns.
    pub shards: u64,
    /// Those of them of which it holds everything: it answers for these alone.
    pub whole: u64,
    /// Records that it has taken from other owners since it was started.
    pub records: u64,
    /// What it waits for; `null`: it goes on.
    #[schema(required)]
    pub waits_for: Option<String>,
}

/// The members.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Nodes {
    /// The cluster's id.
    #[schema(value_type = form::ClusterId)]
    pub cluster: String,
    /// The catalog's epoch.
    pub epoch: u64,
    /// The node that answers.
    #[schema(value_type = form::NodeId)]
    pub seen_by: String,
    /// Members that did not say how they are.
    #[schema(value_type = Vec<form::NodeId>)]
    pub unanswered: Vec<String>,
    /// The members.
    pub nodes: Vec<Node>,
}

/// A member: what the catalog says of it, what the answering node sees, and what it says of itself.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Node {
    /// Its id.
    #[schema(value_type = form::NodeId)]
    pub id: String,
    /// Its name.
    pub name: String,
    /// Whether it is reached.
    #[schema(value_type = form::State)]
    pub state: Word,
    /// Its failure domain.
    pub zone: String,
    /// Its share of the data, as a factor.
    pub weight: f64,
    /// Where clients reach it; `null`: it is not known where it is.
    #[schema(required)]
    pub address: Option<String>,
    /// Where peers reach it; `null` likewise.
    #[schema(required)]
    pub peer_address: Option<String>,
    /// Whether it votes on the catalog.
    pub voter: bool,
    /// Why it doubts its disk, if it does: one word.
    #[schema(required)]
    pub doubt: Option<String>,
    /// Whether its disk is full.
    pub disk_full: bool,
    /// How far it has come back from a loss; `null`: it holds everything that it owns, or it waits for an operator.
    #[serde(default)]
    #[schema(required)]
    pub healing: Option<Healing>,
    /// Whether it leads the catalog.
    pub leader: bool,
    /// Whether it is a member like any other, leaves, or is banned.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<form::Membership>)]
    pub membership: Option<Word>,
    /// Whether it is drained: it gets no new copies, takes no requests for keys, and says that it is not ready.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub drained: Option<bool>,
    /// Copies of shards that it should hold.
    pub shards: u64,
    /// Copies that it receives from moves now, beside these.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub receiving: Option<u64>,
    /// Hints kept for it by all members that answered.
    pub hints: u64,
    /// How long nothing has been heard of it, on any connection.
    #[schema(required)]
    pub silent_ms: Option<u64>,
    /// How surprising its silence is: one so long was to be expected once in 10^phi signs of presence. From 0 to 99; from 5 on
    /// it is asked last, from 8 on it is down.
    #[schema(required)]
    pub phi: Option<f64>,
    /// Why it is down, or asked after the others.
    #[schema(required)]
    pub reason: Option<String>,
    /// The same in one word; absent where it is neither.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<form::Why>)]
    pub why: Option<Word>,
    /// Bytes of the records that it holds, before compression, as the statistics of tables count them. While it is still
    /// counting: of its live files, if those are more.
    #[schema(required)]
    pub bytes: Option<u64>,
    /// Keys with a value that it holds, of all tables; a key counts at each of its owners.
    #[schema(required)]
    pub keys: Option<u64>,
    /// Whether those are all: `false` while it is still counting.
    #[schema(required)]
    pub keys_exact: Option<bool>,
    /// Free bytes of its disk.
    #[schema(required)]
    pub free_bytes: Option<u64>,
    /// Bytes that it holds of shards that it does not own any more, of `bytes`, as it said last: it clears them by itself.
    /// `null`: it does not say, or has not counted them yet.
    #[serde(default)]
    #[schema(required)]
    pub leftover_bytes: Option<u64>,
    /// The version of its program.
    #[schema(required)]
    pub version: Option<String>,
    /// The epoch of its catalog.
    #[schema(required)]
    pub epoch: Option<u64>,
    /// Requests a second that it carries out as an owner, of the last half minute about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub load: Option<u64>,
    /// Hints that it keeps, by the member they are for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hints_kept: Option<BTreeMap<String, u64>>,
    /// Hints that it could not keep, since its data folder was made.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hints_overflow: Option<u64>,
    /// What it has answered its clients since its process began.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub traffic: Option<Traffic>,
    /// Grows when it has accepted a loss.
    pub incarnation: u64,
    /// The epoch in which it became a member.
    pub joined_epoch: u64,
    /// Why it did not say how it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
}

/// One member, and who sees it so.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct NodeDetails {
    /// The member.
    #[serde(flatten)]
    pub node: Node,
    /// Where its virtual nodes stand on the ring, in ascending order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schema(value_type = Vec<form::Token>)]
    pub tokens: Vec<String>,
    /// The node that answers.
    #[schema(value_type = form::NodeId)]
    pub seen_by: String,
    /// Members that did not say how they are.
    #[schema(value_type = Vec<form::NodeId>)]
    pub unanswered: Vec<String>,
}

/// Positions, shards and owners.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Ring {
    /// The catalog's epoch.
    pub epoch: u64,
    /// The members.
    pub nodes: Vec<RingNode>,
    /// The shards of the tables asked for.
    pub shards: Vec<Shard>,
}

/// A member on the ring.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct RingNode {
    /// Its id.
    #[schema(value_type = form::NodeId)]
    pub node: String,
    /// Its name.
    pub name: String,
    /// Its failure domain.
    pub zone: String,
    /// Its positions.
    pub positions: u64,
    /// Where clients reach it; absent: it is not known where it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub address: Option<String>,
}

/// A member that may be stopped.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct SafeToStop {
    /// Which.
    #[schema(value_type = form::NodeId)]
    pub node: String,
    /// Always true: the other answer is a problem.
    #[schema(schema_with = form::always_true)]
    pub safe: bool,
}
