//! What a fault that takes several steps looks at between them: members, jobs, readiness, as some node knows them.
//!
//! Nothing is judged by it: it says when the next step may come. A node that knows less than others, or does not answer
//! within a moment, delays that step and no more.

use std::time::Duration;

use serde_json::Value;

use super::{Cluster, founding};
use crate::http::Answer;

/// How long a node may take to answer: the run's schedule waits meanwhile.
const LOOK_TIMEOUT: Duration = Duration::from_secs(1);

impl Cluster {
    /// Whether there is a member of this name, as some other node than this one knows it.
    pub fn is_member(&self, index: usize, name: &str) -> Option<bool> {
        let others = (0..self.nodes.len()).filter(|other| *other != index);
        let list = self.look_at_some(others, "/v1/cluster/nodes")?;
        Some(founding::members(&list)?.iter().any(|member| member["name"] == name))
    }

    /// Whether a node is no member any more, as another one knows it.
    pub fn has_left(&self, index: usize) -> bool {
        self.is_member(index, self.nodes[index].member()) == Some(false)
    }

    /// Whether a job that moves shards has come to an end.
    pub fn has_ended(&self, job: &str) -> bool {
        let jobs = self.look_at_some(0..self.nodes.len(), "/v1/jobs").unwrap_or_default();
        let mut moves = jobs["moves"].as_array().into_iter().flatten();
        moves.any(|one| one["id"] == job && !one["ended_epoch"].is_null())
    }

    /// Whether a node says at this moment that it is ready.
    pub fn says_ready(&self, index: usize) -> bool {
        self.look(index, "/health/ready").is_some_and(|answer| answer.is_success())
    }

    /// Whether another node says that all would go on without this one.
    pub fn is_safe_to_stop(&self, index: usize) -> bool {
        let path = format!("/v1/cluster/nodes/{}/safe-to-stop", self.nodes[index].called());
        let mut others = (0..self.nodes.len()).filter(|other| *other != index);
        others.any(|other| self.look(other, &path).is_some_and(|answer| answer.is_success()))
    }

    /// How many copies the workload's table has.
    pub fn copies(&self) -> Option<u64> {
        self.look_at_some(0..self.nodes.len(), &format!("/{}", self.table))?["n"].as_u64()
    }

    /// What the first of these nodes says that answers.
    fn look_at_some(&self, nodes: impl IntoIterator<Item = usize>, path: &str) -> Option<Value> {
        let mut answers = nodes.into_iter().filter_map(|index| self.look(index, path));
        answers.find(Answer::is_success).map(|answer| answer.json())
    }

    fn look(&self, index: usize, path: &str) -> Option<Answer> {
        let node = &self.nodes[index];
        let url = format!("{}{path}", node.endpoint());
        let asked = async { tokio::time::timeout(LOOK_TIMEOUT, self.http.get(&url)).await.ok() };
        let now = || tokio::runtime::Handle::current().block_on(asked);
        node.is_running().then(|| tokio::task::block_in_place(now))??.answer().ok()
    }
}
