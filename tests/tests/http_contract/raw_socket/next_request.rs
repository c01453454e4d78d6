//! The request behind a refused one, on the same connection: it is answered, or the refusal has said that the connection
//! ends with it.
//!
//! The refusals are all that can come before the body has been read: for each code the way to bring it about, tried on
//! every operation that is described with that code.

use super::*;
use crate::ask::by_admin;
use crate::refusals::{Operation, plain};
use quorate_http::Limits;
use std::io::{BufRead as _, BufReader};

/// One answer of a connection that may go on.
struct Said {
    status: u16,
    closes: bool,
    body: String,
}

impl Said {
    fn read(from: &mut BufReader<TcpStream>, what: &str) -> Self {
        let mut line = String::new();
        from.read_line(&mut line).unwrap_or_else(|error| panic!("{what}: no status line: {error}"));
        let status = line.split(' ').nth(1).and_then(|word| word.parse().ok());
        let status = status.unwrap_or_else(|| panic!("{what}: no status in {line:?}"));
        let (mut length, mut closes) = (0, false);
        loop {
            let mut line = String::new();
            from.read_line(&mut line).expect("a header");
            let line = line.trim_end().to_ascii_lowercase();
            match line.split_once(": ") {
                Some(("content-length", value)) => length = value.parse().expect("a length"),
                Some(("connection", value)) => closes = value == "close",
                Some(_) => {}
                None => break,
            }
        }
        let mut body = vec![0; length];
        from.read_exact(&mut body).expect("the whole body");
        Self { status, closes, body: String::from_utf8_lossy(&body).into_owned() }
    }
}

/// A request that is refused for its head, or for the state of the node.
struct Early {
    node: SocketAddr,
    status: u16,
    code: &'static str,
    method: String,
    target: String,
    /// More than its framing.
    headers: String,
    /// What its body begins with.
    document: String,
}

/// How the body of a request comes.
#[derive(Clone, Copy, Debug)]
enum Coming {
    /// In one segment with the head.
    AtOnce,
    /// Once the node has had time to answer the head.
    Later,
    /// The same, in chunks.
    InChunks,
    /// The same, and more than a node reads on for.
    Long,
    /// Longer than any body may be, and only begun.
    Begun,
}

impl Coming {
    const ALL: [Coming; 5] = [Coming::AtOnce, Coming::Later, Coming::InChunks, Coming::Long, Coming::Begun];

    /// The framing, and the body's bytes.
    fn frame(self, document: &str) -> (String, Vec<u8>) {
        let padded = |bytes: usize| [document.as_bytes(), &vec![b' '; bytes - document.len()]].concat();
        let length = |bytes: usize| format!("Content-Length: {bytes}\r\n");
        match self {
            Coming::AtOnce | Coming::Later => (length(300), padded(300)),
            Coming::InChunks => {
                let chunks = format!("12c\r\n{document:300}\r\n0\r\n\r\n");
                ("Transfer-Encoding: chunked\r\n".to_owned(), chunks.into_bytes())
            }
            Coming::Long => (length(200_000), padded(200_000)),
            Coming::Begun => (length(20_000_000), padded(1_000)),
        }
    }
}

impl Early {
    /// Sends it, then another on the same connection if that goes on.
    fn is_followed(&self, coming: Coming) {
        let Early { node, status, code, method, target, headers, document } = self;
        let what = format!("{method} {target} {headers:?}, {coming:?}");
        let mut socket = TcpStream::connect(node).expect("a connection");
        socket.set_read_timeout(Some(END)).expect("a timeout");
        socket.set_nodelay(true).expect("an option");
        let (framing, body) = coming.frame(document);
        let host = if headers.contains("Host: ") { String::new() } else { format!("Host: {node}\r\n") };
        let head = format!("{method} {target} HTTP/1.1\r\n{host}{headers}{framing}\r\n");
        let head = by_admin(head.as_bytes());
        match coming {
            Coming::AtOnce => socket.write_all(&[&head[..], &body[..]].concat()).expect("sent"),
            Coming::Later | Coming::InChunks | Coming::Long | Coming::Begun => {
                socket.write_all(&head).expect("the head");
                // It has taken the head by the time that it answers another connection.
                send(*node, &[b"GET /health/live HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"]);
                // A node that has said so may close before it has all.
                let _ = socket.write_all(&body);
            }
        }
        let mut from = BufReader::new(socket.try_clone().expect("a second handle"));
        let said = Said::read(&mut from, &what);
        // A body that is too long may be seen first.
        let is_too_long = matches!(coming, Coming::Begun) && said.status == 413;
        let is_expected = said.status == *status && said.body.contains(&format!("\"code\":\"{code}\""));
        assert!(is_expected || is_too_long, "{what}: {} {}", said.status, said.body);
        if said.closes {
            let waits_for_a_word = headers.contains("Expect");
            assert!(!matches!(coming, Coming::AtOnce) || waits_for_a_word, "{what}: a short rest is read");
            return;
        }
        assert!(!matches!(coming, Coming::Begun), "{what}: what is left is taken for the next request");
        let next = format!("GET /health/live HTTP/1.1\r\nHost: {node}\r\nConnection: close\r\n\r\n");
        socket.write_all(next.as_bytes()).expect(&what);
        assert_eq!(Said::read(&mut from, &what).status, 200, "{what}");
    }
}

/// How a request that is fine otherwise is spoilt: its target, and a header.
type Spoilt = fn(&Operation) -> (String, &'static str);

/// The codes of refusals that can come before the body is there, each with the way to bring it about.
const EARLY: [(u16, &str, Spoilt); 14] = [
    (400, "bad-request", |one| (plain(one), "Host: a@localhost\r\n")),
    (421, "bad-host", |one| (plain(one), "Origin: http://evil.example\r\n")),
    (417, "expectation-failed", |one| (plain(one), "Expect: miracles\r\n")),
    (400, "unknown-parameter", |one| (format!("{}?colour=red", plain(one)), "")),
    (400, "invalid-parameter", |one| (format!("{}?%zz", plain(one)), "")),
    (400, "invalid-header", |one| (plain(one), "Idempotency-Key: no-sequence\r\n")),
    (400, "conditions-need-consensus", |one| (plain(one), "If-Match: \"x\"\r\n")),
    (400, "invalid-key", |one| (one.target("t", "%zz", "n1"), "")),
    (404, "no-such-table", |one| {
        let query = if one.id == "showRing" { "?table=none" } else { "" };
        (format!("{}{query}", one.target("none", "refused", "n1")), "")
    }),
    (404, "no-such-node", |one| (one.target("t", "refused", "n9"), "")),
    (406, "not-acceptable", |one| (plain(one), "Accept: image/png\r\n")),
    (414, "key-too-long", |one| (one.target("t", &"k".repeat(3_000), "n1"), "")),
    (415, "unsupported-media-type", |one| (plain(one), "Content-Encoding: gzip\r\n")),
    (400, "invalid-consistency", |one| (format!("{}?consistency=9", plain(one)), "")),
];

impl Early {
    fn new(node: SocketAddr, (status, code, spoilt): (u16, &'static str, Spoilt), one: &Operation) -> Self {
        let (target, header) = spoilt(one);
        let (kind, document) = one.body().unwrap_or(("text/plain", "x".to_owned()));
        let headers = format!("Content-Type: {kind}\r\n{header}");
        Self { node, status, code, method: one.method.clone(), target, headers, document }
    }

    /// Every operation at this node that may be refused so.
    fn each(node: SocketAddr, way: (u16, &'static str, Spoilt)) -> Vec<Self> {
        let all = Operation::all_with(way.1);
        assert!(!all.is_empty(), "{} is on no operation", way.1);
        // What is said of documents by the documents themselves, or by the target's length alone, comes another way.
        let is_by_head = |one: &Operation| match way.1 {
            "invalid-consistency" => !matches!(one.id, "createTable" | "alterTable" | "makePlan"),
            "no-such-table" => !matches!(one.id, "orderJob" | "makePlan" | "putRole"),
            "no-such-node" => !matches!(one.id, "makePlan" | "recover" | "moveShard"),
            "key-too-long" => one.template.contains("{key}"),
            _ => true,
        };
        all.iter().filter(|one| is_by_head(one)).map(|one| Self::new(node, way, one)).collect()
    }
}

#[track_caller]
fn are_followed(cases: &[Early]) {
    for case in cases {
        for coming in Coming::ALL {
            case.is_followed(coming);
        }
    }
}

const AS_IT_IS: Spoilt = |one| (plain(one), "");

#[test]
fn after_a_refusal_of_its_head_the_next_request_is_answered_or_was_told_not_to_come() {
    let cluster = crate::rig::shared();
    let (node, guard) = (cluster.at(0), Guard::new(&cluster, "next"));
    put(&plain(&Operation::all_with("no-such-key").remove(0)), "x").of(node).is(200);
    for way in EARLY {
        are_followed(&Early::each(node, way));
    }
    let stray = |status, code, method: &str, target: &str| Early {
        node,
        status,
        code,
        method: method.to_owned(),
        target: target.to_owned(),
        headers: String::new(),
        document: "x".to_owned(),
    };
    are_followed(&[
        stray(404, "no-such-route", "POST", "/v1/nothing"),
        stray(405, "method-not-allowed", "PATCH", "/v1/tables/t/keys/refused"),
        stray(405, "method-not-allowed", "PUT", "/v1/tables"),
        stray(405, "method-not-allowed", "POST", "/health/live"),
    ]);
    guard.holds();
}

#[test]
fn after_a_refusal_of_a_node_in_need_the_next_request_is_answered_or_was_told_not_to_come() {
    let cluster = Cluster::of_three();
    cluster.all_vote();
    let starting = cluster.server_without_node();
    let busy = cluster.second_server(0, Limits { requests_running_max: 0, ..Limits::default() });
    cluster.with(1, |instance| instance.node().core().drain());
    let doubtful = cluster.restart_without_database(2);
    are_followed(&Early::each(starting.address(), (503, "starting", AS_IT_IS)));
    are_followed(&Early::each(busy.address(), (503, "overloaded", AS_IT_IS)));
    are_followed(&Early::each(cluster.at(1), (503, "draining", AS_IT_IS)));
    are_followed(&Early::each(doubtful, (503, "replica-doubtful", AS_IT_IS)));
}

#[test]
fn after_a_refusal_for_want_of_room_the_next_request_is_answered_or_was_told_not_to_come() {
    let cluster = crate::rig::shared();
    let no_room = cluster.second_server(0, Limits { bodies_bytes_max: 0, ..Limits::default() });
    let small = Limits { value_bytes_max: 4, document_bytes_max: 4, batch_bytes_max: 4, ..Limits::default() };
    let small = cluster.second_server(0, small);
    let overloaded = (503, "overloaded", AS_IT_IS);
    let with_a_body = Operation::all_with("overloaded").into_iter().filter(|one| one.body().is_some());
    let full: Vec<Early> = with_a_body.map(|one| Early::new(no_room.address(), overloaded, &one)).collect();
    assert!(!full.is_empty());
    are_followed(&full);
    for code in ["value-too-large", "batch-too-large", "body-too-large"] {
        let mut large = Early::each(small.address(), (413, code, AS_IT_IS));
        // A value of a batch is seen when all of it is there.
        large.retain(|early| code != "value-too-large" || !early.target.ends_with("/batch"));
        are_followed(&large);
    }
}
