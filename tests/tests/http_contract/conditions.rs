//! Conditions, preferences and operation ids.

use super::ask::{WRITES, ask, get, post, put, write};
use super::rig::{Cluster, key, shared};
use quorate_http::Limits;
use quorate_model::Durability;
use serde_json::json;

#[test]
fn a_read_of_what_the_client_holds_is_not_repeated() {
    let cluster = shared();
    let target = key("held");
    let etag = put(&target, "x").of(cluster.at(0)).is(200).header("etag").to_owned();
    let held = get(&target).header("If-None-Match", &etag).of(cluster.at(1)).is(304);
    assert!(held.body.is_empty() && held.header("etag") == etag);
    let head = ask("HEAD", &target).header("If-None-Match", &etag).of(cluster.at(1)).is(304);
    assert!(!head.has("content-length"), "{head:?}");
    get(&target).header("If-None-Match", "\"other\"").of(cluster.at(1)).is(200);
    put(&target, "y").of(cluster.at(0)).is(200);
    let changed = get(&target).header("If-None-Match", &etag).of(cluster.at(1)).is(200);
    assert_eq!(changed.text(), "y");
}

#[test]
fn a_condition_on_a_write_is_refused_and_nothing_is_written() {
    let cluster = shared();
    let target = key("conditional");
    for (name, value) in [
        ("If-Match", "\"x\""),
        ("If-None-Match", "*"),
        ("If-Unmodified-Since", "Thu, 01 Jan 1970 00:00:00 GMT"),
    ] {
        put(&target, "x").header(name, value).of(cluster.at(0)).refuses(400, "conditions-need-consensus");
        ask("DELETE", &target)
            .header(name, value)
            .of(cluster.at(0))
            .refuses(400, "conditions-need-consensus");
    }
    get(&target).of(cluster.at(0)).refuses(404, "no-such-key");
    get(&target).header("If-Match", "*").of(cluster.at(0)).refuses(400, "invalid-header");
}

#[test]
fn accept_is_kept_to() {
    let cluster = shared();
    let target = key("accepted");
    put(&target, "x").header("Content-Type", "image/png").of(cluster.at(0)).is(200);
    get(&target).header("Accept", "image/*, text/html").of(cluster.at(0)).is(200);
    get(&target).header("Accept", "text/html").of(cluster.at(0)).refuses(406, "not-acceptable");
    // Before it is written, not after.
    let fresh = key("accepted-2");
    put(&fresh, "x").header("Accept", "text/html").of(cluster.at(0)).refuses(406, "not-acceptable");
    get(&fresh).of(cluster.at(0)).refuses(404, "no-such-key");
    get("/v1/tables").header("Accept", "text/html").of(cluster.at(0)).refuses(406, "not-acceptable");
}

#[test]
fn a_retry_is_recognised_and_never_applied_twice() {
    let cluster = shared();
    let target = key("retried");
    let attempt = |node, id: &str, value: &str, query: &str| {
        put(&format!("{target}{query}"), value).header("Idempotency-Key", id).of(cluster.at(node))
    };
    let first = attempt(0, "app:1", "one", "").is(200).json();
    let again = attempt(1, "app:1", "one", "?retry=true").is(200).json();
    assert_eq!((&again["version"], &again["replayed"]), (&first["version"], &true.into()));
    put(&target, "two").of(cluster.at(0)).is(200);
    let late = attempt(2, "app:1", "one", "?retry=true").is(200).json();
    assert_eq!((&late["version"], &late["replayed"]), (&first["version"], &true.into()));
    assert_eq!(get(&target).of(cluster.at(0)).is(200).text(), "two", "the retry changed nothing");
    attempt(0, "app:1", "other", "").refuses(409, "idempotency-reused");
    attempt(0, "app:2", "three", "").is(200);
    attempt(1, "app:1", "one", "?retry=true").refuses(409, "idempotency-expired");
    assert_eq!(get(&target).of(cluster.at(0)).is(200).text(), "three");
}

/// What docs/http.md says of repeated answers: each names the version of one of the attempts, and of two that follow one
/// another the later never names an earlier version; another write is not undone.
#[test]
fn one_id_at_three_nodes_at_once_is_one_write() {
    let cluster = shared();
    for round in 0..50 {
        let target = key(&format!("at-once-{round}"));
        let attempt = |node: usize, query: &str| {
            put(&format!("{target}{query}"), "one").header("Idempotency-Key", "crowd:1").of(cluster.at(node))
        };
        let seq = |answer: &serde_json::Value| {
            let version = answer["version"].as_str().unwrap();
            version.split_once('-').unwrap().0.parse::<u64>().unwrap()
        };
        let at_once: Vec<u64> = std::thread::scope(|scope| {
            let attempts: Vec<_> =
                (0..3).map(|node| scope.spawn(move || seq(&attempt(node, "").is(200).json()))).collect();
            attempts.into_iter().map(|attempt| attempt.join().unwrap()).collect()
        });
        let mut before = 0;
        for node in [0, 1, 2, 0] {
            let replayed = attempt(node, "?retry=true").is(200).json();
            assert_eq!(replayed["replayed"], true, "{replayed}");
            let now = seq(&replayed);
            assert!(at_once.contains(&now) && before <= now, "{now} after {before}, of {at_once:?}");
            before = now;
        }
        put(&target, "two").of(cluster.at(0)).is(200);
        attempt(1, "?retry=true").is(200);
        assert_eq!(get(&target).of(cluster.at(2)).is(200).text(), "two", "the retry changed nothing");
    }
}

#[test]
fn every_method_that_writes_keeps_to_operation_ids() {
    let cluster = shared();
    for method in WRITES {
        let target = key(&format!("retried-by-{method}"));
        put(&target, "other").header("Idempotency-Key", "other:1").of(cluster.at(0)).is(200);
        let attempt = |node, id: &str, query: &str| {
            let target = format!("{target}{query}");
            write(method, &target, "x").header("Idempotency-Key", id).of(cluster.at(node))
        };
        attempt(1, "other:1", "").refuses(409, "idempotency-reused");
        let first = attempt(0, "app:1", "").is(200).json();
        let again = attempt(1, "app:1", "?retry=true").is(200).json();
        assert_eq!((&again["version"], &again["replayed"]), (&first["version"], &true.into()), "{method}");
        attempt(0, "app:2", "").is(200);
        attempt(1, "app:1", "?retry=true").refuses(409, "idempotency-expired");
    }
}

/// The outcome is that of the write: its first attempt was applied, and no refusal of a later one may deny that.
#[test]
fn a_refused_retry_does_not_say_that_the_write_was_not_applied() {
    let cluster = Cluster::start(1, Limits::default());
    cluster.make_table("t", 1, Durability::Os);
    let node = cluster.at(0);
    let (starting, nowhere) = (cluster.server_without_node(), "/v1/tables/none/keys/a".to_owned());
    let busy = cluster.second_server(0, Limits { requests_running_max: 0, ..Limits::default() });
    let full = cluster.second_server(0, Limits { operations_running_max: 0, ..Limits::default() });
    let target = key("refused-retry");
    put(&target, "x").header("Idempotency-Key", "app:1").of(node).is(200);
    let asked = |node, method, target: &str, retry: bool, status, code: &str| {
        let sign = if target.contains('?') { '&' } else { '?' };
        let target = if retry { format!("{target}{sign}retry=true") } else { target.to_owned() };
        let request = write(method, &target, "x").header("Idempotency-Key", "app:1");
        let problem = request.of(node).refuses(status, code);
        let expected = if retry { "unknown" } else { "not_applied" };
        assert_eq!(problem["outcome"], expected, "{method} {target}: {problem}");
        let detail = problem["detail"].as_str().expect("a sentence");
        assert_eq!(detail.ends_with("an earlier attempt may have been applied"), retry, "{detail}");
    };
    let both = |node, target: &str, status, code: &str| {
        for method in WRITES {
            asked(node, method, target, true, status, code);
            asked(node, method, target, false, status, code);
        }
    };
    both(starting.address(), &target, 503, "starting");
    both(busy.address(), &target, 503, "overloaded");
    both(full.address(), &target, 503, "overloaded");
    both(node, &nowhere, 404, "no-such-table");
    both(node, &format!("{target}?colour=red"), 400, "unknown-parameter");
    let other = put(&format!("{target}?retry=true"), "y").header("Idempotency-Key", "app:1").of(node);
    assert_eq!(other.refuses(409, "idempotency-reused")["outcome"], "not_applied", "another write");
    let again = put(&format!("{target}?retry=true"), "x").header("Idempotency-Key", "app:1").of(node);
    assert_eq!(again.is(200).json()["replayed"], true);
    // A read is no write, whatever it says.
    let read = get(&format!("{target}?retry=true")).of(node).refuses(400, "unknown-parameter");
    assert_eq!(read["outcome"], "not_applied");
    cluster.with(0, |instance| instance.node().core().drain());
    both(node, &target, 503, "draining");
}

#[test]
fn an_operation_id_that_cannot_be_kept_is_refused() {
    let cluster = shared();
    let target = key("ids");
    let with = |id: &str, query: &str| {
        put(&format!("{target}{query}"), "x").header("Idempotency-Key", id).of(cluster.at(0))
    };
    with("no-sequence", "").refuses(400, "invalid-header");
    with("a:-1", "").refuses(400, "invalid-header");
    with("a:1\r\nIdempotency-Key: a:1", "").refuses(400, "invalid-header");
    let elsewhere = [
        get(&target),
        ask("HEAD", &target),
        get("/v1/tables"),
        post("/v1/tables", &json!({"name": "with-id"})),
        post("/v1/tables/t/mget", &json!({"keys": []})),
        post("/v1/tables/t/batch", &json!({"items": []})),
    ];
    for request in elsewhere {
        request.header("Idempotency-Key", "a:1").of(cluster.at(0)).is(400);
    }
    get("/v1/tables/with-id").of(cluster.at(0)).refuses(404, "no-such-table");
    with("a:1", "?w=1").refuses(400, "invalid-consistency");
    put(&format!("{target}?retry=true"), "x").of(cluster.at(0)).refuses(400, "invalid-parameter");
    get(&target).of(cluster.at(0)).refuses(404, "no-such-key");
}
