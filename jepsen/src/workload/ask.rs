//! One request of a client: how it is asked, counted and written down.

use std::time::Duration;

use reqwest::Method;
use serde_json::{Value, json};

use super::Run;
use crate::http::{Ask, Body};
use crate::outcome::{Attempt, Expected, Outcome, Verb, judge, judge_many};
use quorate_checkers::level::Level;
use quorate_checkers::operation::{ClientId, Detail, Kind, Operation, Status};

/// One request of a client.
#[derive(Clone, Debug)]
pub struct Asked<'a> {
    /// Who asks.
    pub client: ClientId,
    /// The key, made of letters, digits and dashes.
    pub key: &'a str,
    /// What is asked.
    pub request: Request,
    /// How it is asked.
    pub how: How,
    /// Whether it belongs to the closing reads.
    pub closing: bool,
    /// When it was due, if it counts from then; otherwise it counts from when it is sent.
    pub due: Option<u64>,
}

/// What is asked of a key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Request {
    /// Read it.
    Read,
    /// Store this.
    Write {
        /// The value.
        value: String,
    },
    /// Delete it.
    Delete,
}

/// What goes along with a request.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct How {
    /// The level.
    pub level: Level,
    /// The parameter that carries the level.
    pub parameter: Parameter,
    /// The table's `w`, which decides what an answer may promise.
    pub table_w: Level,
    /// The operation id, and whether this is its first attempt.
    pub id: Option<(String, Attempt)>,
    /// How long the value lives.
    pub ttl: Option<Duration>,
    /// Whether another client may have dropped the table.
    pub table_may_be_gone: bool,
}

/// The parameter that carries the level.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Parameter {
    /// `consistency`.
    #[default]
    Consistency,
    /// `r` of a read, `w` of a write.
    OneSide,
}

impl How {
    /// At this level, and nothing else.
    pub fn at(level: Level) -> How {
        How { level, ..How::default() }
    }

    fn query(&self, verb: Verb) -> String {
        let name = match (self.parameter, verb) {
            (Parameter::Consistency, _) => "consistency",
            (Parameter::OneSide, Verb::Read) => "r",
            (Parameter::OneSide, Verb::Write | Verb::Delete) => "w",
        };
        let mut query = format!("{name}={}", self.level);
        if let Some(ttl) = self.ttl {
            query += &format!("&ttl={}ms", ttl.as_millis());
        }
        match self.id {
            Some((_, Attempt::Again)) => query + "&retry=true",
            Some((_, Attempt::First)) | None => query,
        }
    }
}

impl Run {
    /// Does one request at the node whose turn it is, counts it and writes it down. The operation is the one that was
    /// written down.
    pub async fn perform(&self, asked: Asked<'_>, turn: usize) -> Operation {
        let index = turn % self.endpoints.len();
        let (verb, method, body) = match &asked.request {
            Request::Read => (Verb::Read, Method::GET, Body::Empty),
            Request::Write { value } => (Verb::Write, Method::PUT, Body::Text(value.clone())),
            Request::Delete => (Verb::Delete, Method::DELETE, Body::Empty),
        };
        let (node, query) = (&self.endpoints[index], asked.how.query(verb));
        let url = format!("{node}/v1/tables/{}/keys/{}?{query}", self.table, asked.key);
        let id = asked.how.id.as_ref();
        let ask = Ask { method, url: &url, body, idempotency_key: id.map(|(id, _)| id.as_str()) };
        let expected = Expected {
            verb,
            level: asked.how.level,
            table_w: asked.how.table_w,
            attempt: id.map(|(_, attempt)| *attempt),
            table_may_be_gone: asked.how.table_may_be_gone,
        };
        let call = asked.due.unwrap_or_else(|| self.recorder.now());
        let reply = self.http.send(ask).await;
        let ret = self.recorder.now();
        let Outcome { status, value, version, replayed, label, .. } = {
            let outcome = judge(expected, &reply);
            self.tally.count(verb, &outcome);
            outcome
        };
        let refusal = (status != Status::Ok).then_some(label);
        let kind = match asked.request {
            Request::Read => Kind::Read { value },
            Request::Write { value } => Kind::Write { value },
            Request::Delete => Kind::Delete,
        };
        let operation = Operation {
            client: asked.client,
            key: asked.key.to_owned(),
            kind,
            call,
            ret: Some(ret),
            status,
            closing: asked.closing,
            detail: Detail {
                node: u16::try_from(index + 1).ok(),
                level: Some(asked.how.level),
                id: asked.how.id.map(|(id, _)| id),
                version,
                replayed,
                ttl_ms: asked.how.ttl.and_then(|ttl| u64::try_from(ttl.as_millis()).ok()),
                refusal,
            },
        };
        self.recorder.record(operation.clone());
        operation
    }

    /// Reads many keys in one request at quorum, and writes down one read of each. Returns whether all were answered.
    pub async fn read_many(&self, asked: ManyAsked<'_>, turn: usize) -> bool {
        let index = turn % self.endpoints.len();
        let url = format!("{}/v1/tables/{}/mget?consistency=quorum", self.endpoints[index], self.table);
        let call = asked.due.unwrap_or_else(|| self.recorder.now());
        let reply = self.http.ask(Method::POST, &url, Body::Json(json!({ "keys": asked.keys }))).await;
        let ret = self.recorder.now();
        let outcomes = judge_many(&reply, asked.keys.len());
        let all_answered = outcomes.iter().all(|outcome| outcome.status == Status::Ok);
        for (key, outcome) in asked.keys.iter().zip(outcomes) {
            self.tally.count(Verb::Read, &outcome);
            let refusal = (outcome.status != Status::Ok).then_some(outcome.label);
            self.recorder.record(Operation {
                client: asked.client,
                key: key.clone(),
                kind: Kind::Read { value: outcome.value },
                call,
                ret: Some(ret),
                status: outcome.status,
                closing: asked.closing,
                detail: Detail {
                    node: u16::try_from(index + 1).ok(),
                    version: outcome.version,
                    refusal,
                    ..Detail::default()
                },
            });
        }
        all_answered
    }

    /// What `explain` says of a key, at one node; an error says what it answered instead.
    pub async fn explain(&self, key: &str, node: usize) -> Result<Value, String> {
        let url = format!("{}/v1/tables/{}/explain/{key}", self.endpoints[node], self.table);
        self.http.get(&url).await.success().map(|answer| answer.json())
    }
}

/// A request for many keys.
#[derive(Clone, Copy, Debug)]
pub struct ManyAsked<'a> {
    /// Who asks.
    pub client: ClientId,
    /// The keys, each made of letters, digits and dashes; at most 1,000.
    pub keys: &'a [String],
    /// Whether it belongs to the closing reads.
    pub closing: bool,
    /// When it was due, if it counts from then; otherwise it counts from when it is sent.
    pub due: Option<u64>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_way_to_ask_has_its_own_query() {
        assert_eq!(How::default().query(Verb::Read), "consistency=quorum");
        let one_side = How { parameter: Parameter::OneSide, ..How::at(Level::Count(2)) };
        assert_eq!(one_side.query(Verb::Read), "r=2");
        assert_eq!(one_side.query(Verb::Delete), "w=2");
        let again = How {
            id: Some(("c:1".into(), Attempt::Again)),
            ttl: Some(Duration::from_millis(1_500)),
            ..How::default()
        };
        assert_eq!(again.query(Verb::Write), "consistency=quorum&ttl=1500ms&retry=true");
    }
}
