//! Jobs: an order of the background sync, what each member did of it, and when owners were last found equal.

use super::MoveJob;
use crate::form::{self, Word};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// An order.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct JobSpec {
    /// What becomes of differences.
    #[serde(rename = "type")]
    #[schema(value_type = form::JobType)]
    pub kind: String,
    /// Of this table alone; default: all.
    #[serde(default)]
    #[schema(value_type = Option<form::TableName>)]
    pub table: Option<String>,
}

/// A job of the whole cluster.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Job {
    /// Its id; good at any node.
    #[schema(value_type = form::JobId)]
    pub id: String,
    /// What becomes of differences.
    #[serde(rename = "type")]
    #[schema(value_type = form::JobType)]
    pub kind: Word,
    /// Of this table alone (its id, if it was dropped since); `null`: of all.
    #[schema(required, value_type = Option<form::TableName>)]
    pub table: Option<String>,
    /// Why it was begun.
    #[schema(value_type = form::JobCause)]
    pub cause: Word,
    /// How far it is.
    #[schema(value_type = form::JobState)]
    pub state: Word,
    /// The same as a sentence.
    pub says: String,
    /// When it was ordered, by the clock of the member that took the order.
    #[schema(value_type = String, format = DateTime)]
    pub ordered_at: String,
    /// When the first part of it began.
    #[schema(required, format = DateTime)]
    pub began_at: Option<String>,
    /// When the last known part of it ended; `null`: it goes on.
    #[schema(required, format = DateTime)]
    pub ended_at: Option<String>,
    /// What came of all parts that are known.
    #[serde(flatten)]
    pub found: JobFound,
    /// Each member's part.
    pub members: Vec<JobPart>,
}

/// What came of comparing shards.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct JobFound {
    /// Shards to compare.
    pub shards: u64,
    /// Those found equal at all owners that could be asked.
    pub equal: u64,
    /// Those whose owners were brought to what any of them held, while writes went on.
    pub brought: u64,
    /// Those that differ.
    pub differing: u64,
    /// Those of which an owner is still counting what it holds.
    pub not_counted: u64,
    /// Those of which an owner did not answer, or refused.
    pub open: u64,
    /// Those of which an owner is away; they are among the others too.
    pub short: u64,
    /// Records found at one owner only; one that two owners hold in different states counts twice.
    pub differences: u64,
    /// Records merged at the member that compared.
    pub pulled: u64,
    /// Records that it merged at others.
    pub pushed: u64,
    /// Bytes between members.
    pub bytes: u64,
}

/// One member's part of a job.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct JobPart {
    /// The member.
    #[schema(value_type = form::NodeId)]
    pub node: String,
    /// How far it is.
    #[schema(value_type = form::PartState)]
    pub state: Word,
    /// When it began, by its own clock.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(format = DateTime)]
    pub began_at: Option<String>,
    /// When it ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(format = DateTime)]
    pub ended_at: Option<String>,
    /// What came of it.
    #[serde(flatten)]
    pub found: JobFound,
    /// What it waits for, or why the last of its open shards is open.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// Why its part is not known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
}

/// A job of either kind.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(untagged)]
pub enum AnyJob {
    /// It compares what owners hold.
    Compare(Job),
    /// It moves shards.
    Move(MoveJob),
}

/// All jobs that members remember, and those that the catalog keeps.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Jobs {
    /// Those that compare what owners hold, the newest first.
    pub jobs: Vec<Job>,
    /// Those that move shards: the one that goes on, and the last ones that ended, the newest first.
    #[serde(default)]
    pub moves: Vec<MoveJob>,
    /// Members that did not say what they remember.
    pub unanswered: Vec<Absentee>,
}

/// A member that did not answer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Absentee {
    /// Which.
    #[schema(value_type = form::NodeId)]
    pub node: String,
    /// Why.
    pub error: String,
}

/// When owners were last found equal.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct SyncState {
    /// Each table.
    pub tables: Vec<SyncTable>,
    /// Members that did not answer: what only they know is missing.
    pub unanswered: Vec<Absentee>,
}

/// The same of one table.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct SyncTable {
    /// Which.
    #[schema(value_type = form::TableName)]
    pub name: String,
    /// Its shards that have more than one owner.
    pub shards: u64,
    /// Those whose sync a member that answered runs.
    pub looked_after: u64,
    /// Those of these that were never found equal in this run of the member's process.
    pub never_equal: u64,
    /// The oldest moment at which one of the others was found equal at all its owners.
    #[schema(required, format = DateTime)]
    pub oldest_equal_at: Option<String>,
    /// Records found at one owner only, since each member started.
    pub differences: u64,
    /// The last job of it that ended.
    #[schema(required, value_type = Option<form::JobId>)]
    pub last_job: Option<String>,
}
