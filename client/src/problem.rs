//! Problems: how a server says no (RFC 9457, `application/problem+json`).

use crate::outcome::{Effect, Outcome};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// A server's refusal or failure. Members this crate does not know are kept in `more`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Problem {
    /// A path that names the kind of problem.
    #[serde(rename = "type")]
    pub kind: String,
    /// The kind in words.
    pub title: String,
    /// The HTTP status.
    pub status: u16,
    /// The kind as a stable word, such as `write-timeout`.
    pub code: String,
    /// What happened this time.
    pub detail: String,
    /// The request's id, which is in the server's log too.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub instance: Option<String>,
    /// What happened to the data, if the request could have changed any.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub outcome: Option<Outcome>,
    /// What each owner said.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub replicas: Vec<ProblemReplica>,
    /// Everything else.
    #[serde(flatten)]
    pub more: Map<String, Value>,
}

/// What one owner said.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct ProblemReplica {
    /// The owner's name.
    pub node: String,
    /// `ack`, `timeout`, `down`, `lost` or why it refused.
    pub result: String,
    /// Whether a hint is kept for it.
    #[serde(skip_serializing_if = "is_false")]
    pub hint: bool,
    /// Everything else.
    #[serde(flatten)]
    pub more: Map<String, Value>,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde calls it with a reference")]
fn is_false(value: &bool) -> bool {
    !value
}

impl Problem {
    /// The problem in an answer's body; `None` if the body is none. The status of the answer wins.
    pub(crate) fn parse(status: u16, body: &[u8]) -> Option<Self> {
        let mut problem: Problem = serde_json::from_slice(body).ok()?;
        if problem.code.is_empty() {
            return None;
        }
        problem.status = status;
        Some(problem)
    }

    /// What happened to the data: what the server says, else what the status allows to conclude.
    pub(crate) fn concluded(&self, effect: Effect) -> Outcome {
        match effect {
            Effect::Read => Outcome::NotApplied,
            Effect::Write => self.outcome.unwrap_or_else(|| Outcome::of_write_status(self.status)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unknown_members_are_kept() {
        let body = br#"{"type":"/problems/write-timeout","title":"t","status":504,"code":"write-timeout","detail":"d",
            "outcome":"unknown","required":2,"acks":1,"replicas":[{"node":"n1","result":"ack","ms":3}]}"#;
        let problem = Problem::parse(504, body).expect("a problem");
        assert_eq!(problem.outcome, Some(Outcome::Unknown));
        assert_eq!(problem.more["required"], 2);
        assert_eq!(problem.replicas[0].more["ms"], 3);
    }

    #[test]
    fn a_page_of_a_proxy_is_no_problem() {
        assert_eq!(Problem::parse(502, b"<html>Bad gateway</html>"), None);
        assert_eq!(Problem::parse(502, b"{}"), None);
    }
}
