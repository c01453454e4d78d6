//! How a server says no: `application/problem+json` (RFC 9457).

use crate::code::Code;
use crate::form::{self, Outcome, Word};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value as Json};
use utoipa::ToSchema;

/// A refusal or a failure. A program decides by `code` and `outcome`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(default)]
pub struct Problem {
    /// A path that names the kind of problem.
    #[serde(rename = "type")]
    #[schema(required, value_type = form::ProblemType)]
    pub kind: Word,
    /// The kind in words, the same for every occurrence.
    #[schema(required, value_type = String)]
    pub title: Word,
    /// The HTTP status.
    #[schema(required, minimum = 400, maximum = 599)]
    pub status: u16,
    /// The kind as a stable word, such as `write-timeout`.
    #[schema(required, value_type = Code)]
    pub code: Word,
    /// What happened this time.
    #[schema(required)]
    pub detail: String,
    /// The request's id, which is in the server's log too.
    #[schema(required, value_type = String)]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub instance: Option<String>,
    /// The trace that the request belongs to, where its `traceparent` was whole.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub trace: Option<String>,
    /// What happened to the data.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(required, value_type = Outcome)]
    pub outcome: Option<Word>,
    /// How to try again, where that makes sense.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    pub retry: Option<Word>,
    /// The table.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub table: Option<String>,
    /// The shard.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub shard: Option<String>,
    /// The level that was asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub consistency: Option<String>,
    /// Copies of the table.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub n: Option<u8>,
    /// Owners that were needed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub required: Option<u8>,
    /// Owners that answered.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub acks: Option<u8>,
    /// What each owner said.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub replicas: Vec<Replica>,
    /// Why a node is not ready, or must not be stopped.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub reasons: Vec<String>,
    /// Members that this version does not know.
    #[serde(flatten)]
    #[schema(ignore)]
    pub more: Map<String, Json>,
}

/// What one owner said.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(default)]
pub struct Replica {
    /// The owner's id.
    #[schema(required, value_type = form::NodeId)]
    pub node: String,
    /// What it said.
    #[schema(required, value_type = form::Said)]
    pub result: Word,
    /// After how many milliseconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ms: Option<u64>,
    /// Why it refused.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// Whether a hint is kept for it.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub hint: bool,
    /// Members that this version does not know.
    #[serde(flatten)]
    #[schema(ignore)]
    pub more: Map<String, Json>,
}

impl Problem {
    /// The problem in an answer's body; `None` if the body is none. The status of the answer wins.
    pub fn parse(status: u16, body: &[u8]) -> Option<Self> {
        let problem: Self = serde_json::from_slice(body).ok()?;
        (!problem.code.is_empty()).then_some(Self { status, ..problem })
    }

    /// Its code, if this version knows it.
    pub fn known_code(&self) -> Option<Code> {
        Code::named(&self.code)
    }

    /// What it says of the data, if it says anything that this version understands.
    pub fn known_outcome(&self) -> Option<Outcome> {
        self.outcome.as_ref()?.parse().ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unknown_members_and_words_are_kept() {
        let body = br#"{"type":"/problems/write-timeout","title":"t","status":504,"code":"write-timeout","detail":"d",
            "outcome":"unknown","required":2,"acks":1,"tomorrow":true,
            "replicas":[{"node":"n1","result":"ack","ms":3},{"node":"n2","result":"dreaming","of":"sheep"}]}"#;
        let problem = Problem::parse(504, body).expect("a problem");
        assert_eq!(problem.known_outcome(), Some(Outcome::Unknown));
        assert_eq!((problem.required, problem.replicas[0].ms), (Some(2), Some(3)));
        assert_eq!(problem.replicas[1].result, "dreaming");
        let again = serde_json::to_value(&problem).expect("a document of plain values");
        assert_eq!(again["tomorrow"], true);
        assert_eq!(again["replicas"][1]["of"], "sheep");
    }

    #[test]
    fn a_page_of_a_proxy_is_no_problem() {
        assert_eq!(Problem::parse(502, b"<html>Bad gateway</html>"), None);
        assert_eq!(Problem::parse(502, b"{}"), None);
    }
}
