//! What any request may be refused for, brought about on each operation that the description says it of.

use super::ask::{Answer, Ask, ask, raw};
use super::described::DESCRIPTION;
use super::rig::{Cluster, shared};
use quorate_http::Limits;
use quorate_model::Durability;
use serde_json::{Value as Json, json};
use std::net::SocketAddr;
use std::time::Duration;

/// One method of one path.
pub struct Operation {
    pub id: &'static str,
    pub method: String,
    pub template: &'static str,
    described: &'static Json,
}

impl Operation {
    /// Those that may be refused with this code.
    pub fn all_with(code: &str) -> Vec<Self> {
        let paths = DESCRIPTION["paths"].as_object().expect("paths");
        let all = paths.iter().flat_map(|(template, methods)| {
            let methods = methods.as_object().expect("methods").iter();
            methods.map(move |(method, described)| {
                let id = described["operationId"].as_str().expect("a name");
                Self { id, method: method.to_ascii_uppercase(), template, described }
            })
        });
        all.filter(|one| one.method != "HEAD" && one.has_code(code)).collect()
    }

    fn has_code(&self, code: &str) -> bool {
        let responses = self.described["responses"].as_object().expect("answers").values();
        let mut codes = responses.filter_map(|response| {
            let problem = &response["content"]["application/problem+json"];
            problem.pointer("/schema/allOf/1/properties/code/enum")?.as_array()
        });
        codes.any(|codes| codes.iter().any(|known| known == code))
    }

    pub fn has_parameter(&self, name: &str) -> bool {
        let parameters = self.described["parameters"].as_array().into_iter().flatten();
        parameters.into_iter().any(|parameter| parameter["name"] == name)
    }

    pub fn target(&self, table: &str, key: &str, node: &str) -> String {
        let target = self.template.replace("{table}", table).replace("{key}", key).replace("{node}", node);
        let target = target
            .replace("{shard}", "0")
            .replace("{file}", "main.js")
            .replace("{user}", "refused")
            .replace("{role}", "refused");
        let target = target.replace("{token}", "00000000000000ff");
        target.replace("{job}", "n1-00000000-1").replace("{plan}", "p-n1-1")
    }

    /// A body that this operation takes, with its media type; none where it takes none.
    pub fn body(&self) -> Option<(&'static str, String)> {
        let content = self.described["requestBody"]["content"].as_object()?;
        if !content.contains_key("application/json") {
            return Some(("text/plain", "x".to_owned()));
        }
        let document = match self.id {
            "mget" => json!({"keys": ["a"]}),
            "batch" => json!({"items": [{"put": {"key": "a", "value": "xxxxxxxx"}}]}),
            "createTable" => json!({"name": "refused"}),
            "alterTable" => json!({"durability": "sync"}),
            "acceptLoss" => json!({"accept_data_loss": "n1"}),
            "orderJob" => json!({"type": "verify"}),
            "makePlan" => json!({"changes": [{"add": {"node": "n1"}}]}),
            "recover" => json!({"lost": ["n1"]}),
            "splitShard" => json!({"at": "0000000000000001"}),
            "mergeShard" => json!({"with": 1}),
            "moveShard" => json!({"from": "n1", "to": "n2"}),
            "switchAccess" => json!({"enabled": true, "user": "admin"}),
            "putUser" => json!({"roles": []}),
            "issueToken" => json!({"expires_in": "1d"}),
            "putRole" => json!({"grants": [{"permission": "read"}]}),
            other => panic!("{other} takes a document: say which"),
        };
        Some(("application/json", document.to_string()))
    }

    /// A request that is fine but for what is added to it.
    pub fn ask<'a>(&self, method: &'a str, target: &'a str) -> Ask<'a> {
        match self.body() {
            Some((kind, body)) => ask(method, target).header("Content-Type", kind).body(body),
            None => ask(method, target),
        }
    }

    /// The same, with another target.
    fn send(&self, target: &str, node: SocketAddr) -> Answer {
        self.ask(&self.method, target).of(node)
    }
}

/// Each operation that may be refused so is, when it is asked in this way.
pub fn refused(status: u16, code: &str, how: impl Fn(&Operation) -> Answer) {
    let all = Operation::all_with(code);
    assert!(!all.is_empty(), "{code} is on no operation");
    for one in all {
        let problem = how(&one).refuses(status, code);
        assert_eq!(problem["outcome"], "not_applied", "{}: {problem}", one.id);
    }
}

/// A document to a target.
fn json_to(method: &str, target: &str, document: &Json, node: SocketAddr) -> Answer {
    ask(method, target).header("Content-Type", "application/json").body(document.to_string()).of(node)
}

/// A plan for one change.
fn plan(change: &Json, node: SocketAddr) -> Answer {
    super::ask::post("/v1/cluster/plans", &json!({ "changes": [change] })).of(node)
}

/// The target of an operation on what is there.
pub fn plain(one: &Operation) -> String {
    one.target("t", "refused", "n1")
}

#[test]
fn what_is_no_request_of_ours_is_refused_by_every_operation() {
    let cluster = shared();
    let node = cluster.at(0);
    let with = |name: &'static str, value: &'static str| {
        move |one: &Operation| one.ask(&one.method, &plain(one)).header(name, value).of(node)
    };
    refused(421, "bad-host", with("Origin", "http://evil.example"));
    refused(417, "expectation-failed", with("Expect", "miracles"));
    refused(400, "bad-request", |one| {
        let head = format!("{} {} HTTP/1.1\r\nHost: a@localhost\r\n", one.method, plain(one));
        raw(node, format!("{head}Connection: close\r\n\r\n").as_bytes())
    });
    refused(431, "headers-too-large", |one| {
        let head = format!("{} {} HTTP/1.1\r\nHost: {node}\r\n", one.method, plain(one));
        raw(node, format!("{head}{}\r\n", "x: y\r\n".repeat(101)).as_bytes())
    });
    refused(400, "unknown-parameter", |one| one.send(&format!("{}?colour=red", plain(one)), node));
    refused(400, "invalid-parameter", |one| one.send(&format!("{}?%zz", plain(one)), node));
}

#[test]
fn heads_that_never_end_are_refused_by_every_operation() {
    let cluster = Cluster::start(1, Limits { head_timeout: Duration::from_millis(100), ..Limits::default() });
    refused(408, "request-timeout", |one| {
        raw(cluster.at(0), format!("{} {} HTTP/1.1\r\nHost", one.method, plain(one)).as_bytes())
    });
}

#[test]
fn a_node_that_is_not_there_yet_or_at_its_limit_refuses_every_operation() {
    let cluster = Cluster::start(1, Limits::default());
    cluster.make_table("t", 1, Durability::Os);
    let starting = cluster.server_without_node();
    refused(503, "starting", |one| one.send(&plain(one), starting.address()));
    let full = cluster.second_server(0, Limits { requests_running_max: 0, ..Limits::default() });
    refused(503, "overloaded", |one| one.send(&plain(one), full.address()));
}

#[test]
fn headers_without_a_meaning_are_refused_by_every_operation() {
    let cluster = shared();
    let node = cluster.at(0);
    refused(400, "invalid-header", |one| {
        let target = plain(one);
        one.ask(&one.method, &target).header("Idempotency-Key", "no-sequence").of(node)
    });
    refused(406, "not-acceptable", |one| {
        if one.id == "read" {
            // It has the media type that it was stored with.
            super::ask::put(&plain(one), "x").of(node).is(200);
        }
        one.ask(&one.method, &plain(one)).header("Accept", "image/png").of(node)
    });
    refused(400, "conditions-need-consensus", |one| {
        one.ask(&one.method, &plain(one)).header("If-Match", "\"x\"").of(node)
    });
}

#[test]
fn what_is_not_there_is_refused_by_every_operation() {
    let cluster = shared();
    let node = cluster.at(0);
    refused(404, "no-such-table", |one| {
        let target = one.target("none", "refused", "n1");
        let query = if one.has_parameter("table") && !target.contains("none") { "?table=none" } else { "" };
        match one.id {
            "orderJob" => super::ask::post(&target, &json!({"type": "verify", "table": "none"})).of(node),
            "makePlan" => plan(&json!({"table": {"name": "none", "n": 3}}), node),
            "putRole" => {
                let document = json!({"grants": [{"permission": "read", "table": "none"}]});
                json_to(&one.method, &target, &document, node)
            }
            _ => one.send(&format!("{target}{query}"), node),
        }
    });
    refused(404, "no-such-user", |one| one.send(&one.template.replace("{user}", "%ff"), node));
    refused(404, "no-such-role", |one| match one.id {
        "putUser" => json_to(&one.method, &plain(one), &json!({"roles": ["none"]}), node),
        _ => one.send(&one.template.replace("{role}", "%ff"), node),
    });
    refused(404, "no-such-token", |one| one.send(&plain(one), node));
    refused(404, "no-such-job", |one| one.send(&plain(one), node));
    refused(404, "no-such-plan", |one| one.send(&plain(one), node));
    refused(404, "no-such-shard", |one| {
        one.send(&one.template.replace("{table}", "t").replace("{shard}", "-"), node)
    });
    refused(404, "no-such-node", |one| match one.id {
        "makePlan" => plan(&json!({"add": {"node": "n9"}}), node),
        "recover" => super::ask::post(&plain(one), &json!({"lost": ["n9"]})).of(node),
        "moveShard" => super::ask::post(&plain(one), &json!({"from": "n1", "to": "n9"})).of(node),
        _ => one.send(&one.target("t", "refused", "n9"), node),
    });
    refused(400, "invalid-key", |one| one.send(&one.target("t", "%zz", "n1"), node));
    // A path that is longer than any may be, where heads may be longer than that.
    let long = cluster.second_server(0, Limits { head_bytes_max: 128 * 1024, ..Limits::default() });
    refused(414, "key-too-long", |one| {
        if one.template.contains("{key}") {
            return one.send(&one.target("t", &"k".repeat(3_000), "n1"), node);
        }
        let line = format!("{} {}?{}", one.method, plain(one), "k".repeat(70_000));
        raw(long.address(), format!("{line} HTTP/1.1\r\nHost: {node}\r\n\r\n").as_bytes())
    });
}

#[test]
fn a_member_that_can_be_two_is_refused_by_every_operation() {
    let cluster = Cluster::called(&["n1", "n3", "n2"], Limits::default());
    cluster.make_table("t", 3, Durability::Os);
    let node = cluster.at(1);
    refused(409, "ambiguous-node", |one| match one.id {
        "makePlan" => plan(&json!({"add": {"node": "n3"}}), node),
        "recover" => super::ask::post(&plain(one), &json!({"lost": ["n3"]})).of(node),
        "moveShard" => super::ask::post(&plain(one), &json!({"from": "n1", "to": "n3"})).of(node),
        _ => one.send(&one.target("t", "refused", "n3"), node),
    });
}

#[test]
fn bodies_that_are_none_are_refused_by_every_operation() {
    let cluster = shared();
    let node = cluster.at(0);
    refused(415, "unsupported-media-type", |one| {
        one.ask(&one.method, &plain(one)).header("Content-Encoding", "gzip").of(node)
    });
    refused(411, "length-required", |one| {
        ask(&one.method, &plain(one)).header("Content-Type", "application/json").of(node)
    });
    refused(400, "invalid-body", |one| {
        let head = format!("{} {} HTTP/1.1\r\nHost: {node}\r\nConnection: close\r\n", one.method, plain(one));
        let body = "Content-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\nno number\r\n";
        raw(node, format!("{head}{body}").as_bytes())
    });
    refused(400, "invalid-consistency", |one| match one.id {
        "createTable" | "alterTable" => {
            let document = json!({"name": "refused", "n": 3, "r": 9});
            let document = if one.id == "createTable" { document } else { json!({"r": 9}) };
            let target = plain(one);
            let asked = ask(&one.method, &target).header("Content-Type", "application/json");
            asked.body(document.to_string()).of(node)
        }
        "makePlan" => plan(&json!({"table": {"name": "t", "n": 3, "r": "most"}}), node),
        _ => one.send(&format!("{}?consistency=9", plain(one)), node),
    });
}

#[test]
fn bodies_over_their_limits_are_refused_by_every_operation() {
    let cluster = Cluster::start(1, Limits::default());
    cluster.make_table("t", 1, Durability::Os);
    let small = Limits { value_bytes_max: 4, batch_items_max: 1, document_bytes_max: 4, ..Limits::default() };
    let server = cluster.second_server(0, small);
    let node = server.address();
    refused(413, "body-too-large", |one| one.send(&plain(one), node));
    refused(413, "value-too-large", |one| match one.id {
        "batch" => one.send(&plain(one), node),
        _ => ask(&one.method, &plain(one)).body("12345").of(node),
    });
    refused(413, "batch-too-large", |one| {
        let document = match one.id {
            "mget" => json!({"keys": ["a", "b"]}),
            _ => json!({"items": [{"delete": {"key": "a"}}, {"delete": {"key": "b"}}]}),
        };
        super::ask::post(&plain(one), &document).of(node)
    });
}

#[test]
fn a_node_that_stops_or_doubts_its_disk_refuses_every_operation() {
    let cluster = Cluster::of_three();
    cluster.all_vote();
    cluster.with(1, |instance| instance.node().core().drain());
    let draining = cluster.at(1);
    refused(503, "draining", |one| one.send(&plain(one), draining));
    // It knows of no table any more, and must not say that there is none.
    let doubtful = cluster.restart_without_database(2);
    refused(503, "replica-doubtful", |one| one.send(&plain(one), doubtful));
}
