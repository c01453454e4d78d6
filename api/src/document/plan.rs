//! Plans: what an operator wants of the cluster, what that would cost, and how far it is carried out.

use super::Level;
use crate::form::{self, Word};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// What is wanted of the cluster: one change, or several members to add, or several to remove. Nothing moves before the plan is applied.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, expecting = "an object with `changes`, a list")]
pub struct PlanSpec {
    /// What is to change: one, or only `add`.
    pub changes: Vec<PlanChange>,
    /// Members of which it is accepted that what only they hold is lost: their ids or names.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub accept_data_loss: Vec<String>,
}

/// One change: exactly one of its fields.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(
    deny_unknown_fields,
    expecting = "an object with one of `add`, `remove`, `replace`, `weight`, `table`, `balance`"
)]
pub struct PlanChange {
    /// A member that owns nothing, or too little, gets its share.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub add: Option<AddNode>,
    /// A member gives away what it owns, and leaves.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub remove: Option<RemoveNode>,
    /// A member gets what another one owns, which leaves.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub replace: Option<ReplaceNode>,
    /// A member holds another share.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub weight: Option<WeighNode>,
    /// A table has another number of copies.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub table: Option<CopyTable>,
    /// What lies unevenly is evened out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub balance: Option<Balance>,
}

/// A member that gets its share.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct AddNode {
    /// Its id or its name.
    #[schema(value_type = form::SomeText)]
    pub node: String,
}

/// A member that leaves.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct RemoveNode {
    /// Its id or its name.
    #[schema(value_type = form::SomeText)]
    pub node: String,
    /// Whether its process will certainly never run again: then nothing waits for it.
    #[serde(default)]
    pub dead: bool,
}

/// A member in the place of another one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ReplaceNode {
    /// Who leaves: its id or its name.
    #[schema(value_type = form::SomeText)]
    pub old: String,
    /// Who comes in its place.
    #[schema(value_type = form::SomeText)]
    pub new: String,
    /// Whether the old one's process will certainly never run again.
    #[serde(default)]
    pub dead: bool,
}

/// A member's other share.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct WeighNode {
    /// Its id or its name.
    #[schema(value_type = form::SomeText)]
    pub node: String,
    /// Its share, as a factor.
    #[schema(minimum = 0.01, maximum = 100)]
    pub weight: f64,
}

/// A table's other number of copies.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct CopyTable {
    /// Its name.
    #[schema(value_type = form::TableName)]
    pub name: String,
    /// Copies of each record.
    #[schema(minimum = 1, maximum = 15)]
    pub n: u8,
    /// Default level of reads; needed where the present one is a number.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub r: Option<Level>,
    /// The write promise, likewise.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub w: Option<Level>,
}

/// Nothing to say but that it is wanted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Balance {}

/// A plan: what it costs and means. It is kept for an hour by the node that made it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Plan {
    /// Its id; it names the node that keeps it.
    #[schema(value_type = form::PlanId)]
    pub id: String,
    /// What it is for.
    #[serde(rename = "type")]
    #[schema(value_type = form::MoveType)]
    pub kind: Word,
    /// The topology from which it was made: once that has changed, it can't be applied any more.
    pub base_epoch: u64,
    /// When it was made.
    #[schema(format = DateTime)]
    pub made_at: String,
    /// When it is forgotten.
    #[schema(format = DateTime)]
    pub kept_until: String,
    /// Shards whose owners change.
    pub shards: u64,
    /// Copies that come to a member that does not have them.
    pub moves: u64,
    /// The fewest that have to for what is wanted.
    pub minimum_moves: u64,
    /// Bytes of the copies that move, as far as they are counted.
    pub bytes: u64,
    /// Bytes of the fewest copies that have to move.
    pub minimum_bytes: u64,
    /// About how long that takes at the rate at which copies are taken in, in seconds.
    pub seconds: u64,
    /// Every member.
    pub nodes: Vec<PlanNode>,
    /// What stays available meanwhile.
    pub available: String,
    /// What to know first.
    pub warnings: Vec<String>,
}

/// What a plan means for one member.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct PlanNode {
    /// Which.
    #[schema(value_type = form::NodeId)]
    pub node: String,
    /// Its name.
    pub name: String,
    /// Its failure domain.
    pub zone: String,
    /// Copies that it has now.
    pub copies_now: u64,
    /// Copies when the plan is carried out.
    pub copies_after: u64,
    /// Bytes now, as far as they are counted.
    pub bytes_now: u64,
    /// Bytes when the plan is carried out.
    pub bytes_after: u64,
    /// Bytes that it can still take, if it has said so.
    #[schema(required)]
    pub free_bytes: Option<u64>,
    /// Why it holds as many copies as before; `null`: it does not.
    #[schema(required)]
    pub why_unchanged: Option<String>,
}

/// The plans that a node keeps.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Plans {
    /// The node: each keeps its own.
    #[schema(value_type = form::NodeId)]
    pub kept_by: String,
    /// The newest first.
    pub plans: Vec<Plan>,
}

/// A plan that is kept no more. Nothing was changed by it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Discarded {
    /// Its id.
    #[schema(value_type = form::PlanId)]
    pub discarded: String,
}

/// A plan that is carried out, or was.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct MoveJob {
    /// Its id; good at any node.
    #[schema(value_type = form::MoveJobId)]
    pub id: String,
    /// What it is for.
    #[serde(rename = "type")]
    #[schema(value_type = form::MoveType)]
    pub kind: Word,
    /// How far it is.
    #[schema(value_type = form::MoveState)]
    pub state: Word,
    /// The same as a sentence.
    pub says: String,
    /// Shards that were to move.
    pub shards: u64,
    /// Those that have moved.
    pub shards_done: u64,
    /// Those that have two sets of owners now.
    pub shards_active: u64,
    /// Those that have not begun.
    pub shards_pending: u64,
    /// Bytes that the plan expected to copy.
    pub bytes: u64,
    /// Bytes that are copied, about: `bytes` less what is left. Of a job that goes forward no less than the answering node has
    /// said before.
    pub bytes_done: u64,
    /// Bytes that members still hold of shards that are with other owners now, as each said last: they clear these by
    /// themselves, and no job waits for it. Only of the job that began last; absent where no member says so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub leftover_bytes: Option<u64>,
    /// Members that leave by it.
    #[schema(value_type = Vec<form::NodeId>)]
    pub leaving: Vec<String>,
    /// Members that an operator declared gone for good.
    #[schema(value_type = Vec<form::NodeId>)]
    pub dead: Vec<String>,
    /// Members of which the loss of what only they hold is accepted.
    #[schema(value_type = Vec<form::NodeId>)]
    pub accepted_loss: Vec<String>,
    /// The catalog's epoch in which it began.
    pub began_epoch: u64,
    /// The epoch in which it ended; `null`: it goes on.
    #[schema(required)]
    pub ended_epoch: Option<u64>,
    /// Shards at work, and shards that have not begun, with what each waits for: at most ten of them, those first that
    /// wait for more than their turn.
    pub waiting: Vec<MovingShard>,
}

/// A shard at work, or one that has not begun.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct MovingShard {
    /// `<table>/<index>`.
    pub shard: String,
    /// Its owners.
    #[schema(value_type = Vec<form::NodeId>)]
    pub owners: Vec<String>,
    /// Its new owners.
    #[schema(value_type = Vec<form::NodeId>)]
    pub next: Vec<String>,
    /// What it waits for; `null`: for nothing, it is about to be with its new owners.
    #[schema(required)]
    pub waits_for: Option<String>,
}

/// A member that was drained, or is no longer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Drained {
    /// Which.
    #[schema(value_type = form::NodeId)]
    pub node: String,
    /// Whether it gets no new copies, takes no requests for keys, and says that it is not ready.
    pub drained: bool,
    /// The catalog's epoch since which every member that can be reached knows it.
    pub epoch: u64,
}
