//! What is true whatever a request asks: hosts, routes, methods, heads, slow clients, health and metrics.

use super::ask::{Answer, ask, conversation, get, post, put, raw};
use super::rig::{Cluster, key, shared};
use quorate_http::Limits;
use quorate_model::Durability;
use serde_json::json;
use std::net::SocketAddr;
use std::time::Duration;

fn headed(node: SocketAddr, headers: &str) -> Answer {
    raw(node, format!("GET /v1/tables HTTP/1.1\r\nConnection: close\r\n{headers}\r\n").as_bytes())
}

#[test]
fn only_our_own_hosts_are_answered() {
    let cluster = shared();
    let node = cluster.at(0);
    for host in ["localhost", "127.0.0.1:7400", "[::1]", "db.example:80", "n1"] {
        headed(node, &format!("Host: {host}\r\n")).is(200);
    }
    for host in ["evil.example", "localhost.evil.example:7400", "10.1.2.3"] {
        headed(node, &format!("Host: {host}\r\n")).refuses(421, "bad-host");
    }
    let absolute =
        format!("GET http://{node}/v1/tables HTTP/1.1\r\nConnection: close\r\nHost: localhost\r\n\r\n");
    let differing = raw(node, absolute.as_bytes()).refuses(421, "bad-host");
    assert!(differing["detail"].as_str().unwrap().contains("must be the same"), "{differing}");
    for headers in ["", "Host: localhost\r\nHost: localhost\r\n", "Host: a@localhost\r\n"] {
        headed(node, headers).refuses(400, "bad-request");
    }
}

#[test]
fn a_refusal_names_the_trace_that_it_belongs_to() {
    let cluster = shared();
    let trace = "4bf92f3577b34da6a3ce929d0e0e4736";
    let asked = |parent: &str| {
        let asked = get("/v1/tables/none").header("traceparent", parent);
        asked.of(cluster.at(0)).refuses(404, "no-such-table")
    };
    assert_eq!(asked(&format!("00-{trace}-00f067aa0ba902b7-01"))["trace"], trace);
    assert!(asked("00-nonsense")["trace"].is_null(), "one that is malformed is not looked at");
}

#[test]
fn a_web_page_of_another_origin_gets_nothing() {
    let cluster = shared();
    let node = cluster.at(0);
    headed(node, &format!("Host: {node}\r\nOrigin: http://{node}\r\n")).is(200);
    for headers in [
        "Origin: http://evil.example",
        "Origin: null",
        "Origin: http://localhost:1",
        "Sec-Fetch-Site: cross-site",
    ] {
        headed(node, &format!("Host: {node}\r\n{headers}\r\n")).refuses(421, "bad-host");
    }
    put(&key("csrf"), "x").header("Origin", "http://evil.example").of(node).refuses(421, "bad-host");
    get(&key("csrf")).of(node).refuses(404, "no-such-key");
    let preflight = ask("OPTIONS", &key("csrf")).of(node);
    assert!(!preflight.has("access-control-allow-origin"));
    preflight.refuses(405, "method-not-allowed");
}

#[test]
fn what_is_not_built_is_no_route() {
    let cluster = shared();
    let node = cluster.at(0);
    for target in [
        "/v1",
        "/v2/tables",
        "/v1/jobs/n1-00000000-1/end",
        "/v1/cluster/plans/p-n1-1/undo",
        "/v1/tables/t/watch",
        "/v1/tables/t/nothing",
        "/favicon.ico",
        "/health",
        "/v1/tables/",
    ] {
        get(target).of(node).refuses(404, "no-such-route");
    }
}

#[test]
fn the_root_shows_where_to_go_on() {
    let cluster = shared();
    let node = cluster.at(0);
    let links = get("/").of(node).is(200).json();
    assert_eq!((links["name"].as_str(), links["node"].as_str()), (Some("quorate"), Some("n1")));
    for link in links["links"].as_array().expect("a list") {
        get(link["href"].as_str().expect("a path")).of(node).is(200);
    }
    let page = get("/").header("Accept", "text/html,*/*;q=0.8").of(node).is(200);
    assert_eq!(page.header("content-type"), "text/html; charset=utf-8");
    assert!(page.text().contains("<a href=\"/v1/cluster\">"), "{}", page.text());
    // What it says to type reaches this node, and a table that there is.
    let typed = page.text().split_once("<code>curl ").map(|(_, rest)| rest.to_owned()).expect("a curl");
    let path =
        typed.strip_prefix(&node.to_string()).expect("this node").split_once("/keys/").expect("a key").0;
    get(path).of(node).is(200);
    assert!(page.header("content-security-policy").starts_with("default-src 'none'"));
}

#[test]
fn another_method_is_told_which_ones_there_are() {
    let cluster = shared();
    for (method, target, allow) in [
        ("PATCH", "/v1/tables/t/keys/a", "GET,HEAD,PUT,POST,DELETE"),
        ("PUT", "/v1/tables", "GET,HEAD,POST"),
        ("GET", "/v1/tables/t/mget", "POST"),
        ("DELETE", "/v1/cluster", "GET,HEAD"),
        ("TRACE", "/metrics", "GET,HEAD"),
    ] {
        let answer = ask(method, target).of(cluster.at(0)).is(405);
        assert_eq!(answer.header("allow"), allow, "{method} {target}");
        answer.refuses(405, "method-not-allowed");
    }
}

#[test]
fn heads_that_cannot_be_read_are_told_why() {
    let cluster = shared();
    let node = cluster.at(0);
    let bomb = format!("GET / HTTP/1.1\r\nHost: {node}\r\n{}\r\n", "x-header: value\r\n".repeat(4_000));
    raw(node, bomb.as_bytes()).refuses(431, "headers-too-large");
    let long = format!("GET /v1/tables/t/keys/{} HTTP/1.1\r\nHost: {node}\r\n\r\n", "k".repeat(40_000));
    raw(node, long.as_bytes()).refuses(431, "headers-too-large");
    raw(node, b"\0\x01\x02\r\n\r\n").refuses(400, "bad-request");
}

#[test]
fn chunks_beside_a_length_smuggle_nothing() {
    let cluster = shared();
    let node = cluster.at(0);
    let head = format!(
        "PUT {} HTTP/1.1\r\nHost: {node}\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n",
        key("smuggled")
    );
    let second = format!("DELETE {} HTTP/1.1\r\nHost: {node}\r\n\r\n", key("smuggled"));
    let answer = conversation(node, format!("{head}1\r\nx\r\n0\r\n\r\n{second}").as_bytes());
    let text = String::from_utf8_lossy(&answer);
    assert_eq!(text.matches("HTTP/1.1 ").count(), 1, "the connection ends with the first: {text}");
    assert_eq!(get(&key("smuggled")).of(node).is(200).text(), "x");
}

#[test]
fn a_body_in_another_coding_is_not_taken_for_the_value() {
    let cluster = shared();
    let node = cluster.at(0);
    for (headers, status, code) in [
        ("Transfer-Encoding: gzip, chunked", 400, "bad-request"),
        ("Transfer-Encoding: chunked\r\nExpect: foo", 417, "expectation-failed"),
    ] {
        let head = format!(
            "PUT {} HTTP/1.1\r\nHost: {node}\r\nConnection: close\r\n{headers}\r\n\r\n",
            key("coded")
        );
        raw(node, format!("{head}1\r\nx\r\n0\r\n\r\n").as_bytes()).refuses(status, code);
    }
    get(&key("coded")).of(node).refuses(404, "no-such-key");
}

#[test]
fn pipelined_requests_are_answered_in_order() {
    let cluster = shared();
    let node = cluster.at(0);
    put(&key("pipe"), "value").of(node).is(200);
    let one = format!("GET {} HTTP/1.1\r\nHost: {node}\r\n", key("pipe"));
    let two = format!("GET /v1/none HTTP/1.1\r\nHost: {node}\r\nConnection: close\r\n\r\n");
    let answers = conversation(node, format!("{one}\r\n{one}\r\n{two}").as_bytes());
    let text = String::from_utf8_lossy(&answers);
    let statuses: Vec<&str> = text.split("HTTP/1.1 ").skip(1).map(|answer| &answer[..3]).collect();
    assert_eq!(statuses, ["200", "200", "404"]);
}

#[test]
fn slow_and_many_clients_have_limits() {
    let limits = Limits {
        head_timeout: Duration::from_millis(200),
        stall_timeout: Duration::from_millis(200),
        bodies_bytes_max: 64 * 1024,
        ..Limits::default()
    };
    let cluster = Cluster::start(1, limits);
    cluster.make_table("t", 1, Durability::Os);
    let node = cluster.at(0);
    raw(node, b"GET / HTTP/1.1\r\nHost").refuses(408, "request-timeout");
    let head = format!("PUT {} HTTP/1.1\r\nHost: {node}\r\nContent-Length: 5\r\n\r\n12", key("slow"));
    let answer = raw(node, head.as_bytes());
    assert_eq!(answer.header("connection"), "close", "what is left of the body is not the next request");
    answer.refuses(408, "request-timeout");
    assert!(conversation(node, b"").is_empty(), "a silent connection is closed");
    put(&key("large"), vec![0; 128 * 1024]).of(node).refuses(503, "overloaded");
    put(&key("small"), vec![0; 16 * 1024]).of(node).is(200);
    get(&key("slow")).of(node).refuses(404, "no-such-key");
}

#[test]
fn beyond_its_limit_a_node_sheds_requests_but_tells_its_health() {
    let cluster = Cluster::start(1, Limits::default());
    cluster.make_table("t", 1, Durability::Os);
    let shed = Limits { requests_running_max: 0, ..Limits::default() };
    // A server of its own over the same node.
    let edge = cluster.second_server(0, shed);
    let node = edge.address();
    get(&key("a")).of(node).refuses(503, "overloaded");
    get("/health/live").of(node).is(200);
    get("/health/ready").of(node).is(200);
    get("/metrics").of(node).is(200);
}

#[test]
fn operations_that_go_on_after_their_answer_count_against_a_limit_of_their_own() {
    let cluster = Cluster::start(1, Limits::default());
    cluster.make_table("t", 1, Durability::Os);
    let shed = Limits { operations_running_max: 0, ..Limits::default() };
    // A server of its own over the same node.
    let edge = cluster.second_server(0, shed);
    let node = edge.address();
    get(&key("a")).of(node).refuses(503, "overloaded");
    put(&key("a"), "1").of(node).refuses(503, "overloaded");
    get("/v1/tables").of(node).is(200);
    get(&key("a")).of(cluster.at(0)).refuses(404, "no-such-key");
}

#[test]
fn the_interface_describes_itself() {
    let cluster = shared();
    let described = get("/openapi.json").of(cluster.at(0)).is(200).json();
    assert_eq!(described["openapi"], "3.1.0");
    let limits = &described["components"]["schemas"]["Mget"]["properties"]["keys"];
    assert_eq!(limits["maxItems"], 1000);
    get("/openapi.json?pretty=true").of(cluster.at(0)).refuses(400, "unknown-parameter");
}

#[test]
fn values_that_are_at_work_or_not_taken_yet_have_a_memory_of_their_own() {
    let cluster = Cluster::start(1, Limits::default());
    cluster.make_table("t", 1, Durability::Os);
    put(&key("large"), vec![0; 4096]).of(cluster.at(0)).is(200);
    let small = Limits { operations_bytes_max: 1024, answers_bytes_max: 1024, ..Limits::default() };
    // A server of its own over the same node.
    let edge = cluster.second_server(0, small);
    let node = edge.address();
    put(&key("a"), vec![0; 2048]).of(node).refuses(503, "overloaded");
    put(&key("a"), vec![0; 512]).of(node).is(200);
    get(&key("large")).of(node).refuses(503, "overloaded");
    let both = post("/v1/tables/t/mget", &json!({"keys": ["large", "none"]})).of(node).is(200).json();
    assert_eq!((&both["results"][0]["status"], &both["results"][1]["status"]), (&json!(503), &json!(404)));
    for _ in 0..3 {
        get(&key("a")).of(node).is(200);
    }
}

#[test]
fn limits_health_and_metrics_are_shown() {
    let cluster = shared();
    let node = cluster.at(0);
    let limits = get("/v1/limits").of(node).is(200).json();
    assert_eq!((&limits["key_bytes_max"], &limits["value_bytes_max"]), (&json!(2048), &json!(1 << 20)));
    assert_eq!(
        (&limits["request_timeout_ms"], &limits["request_timeout_max_ms"]),
        (&json!(2000), &json!(60000))
    );
    assert_eq!(limits["peers"]["silence_ms"], 30_000);
    assert_eq!(limits["rocksdb"]["memtable_bytes"], 8 << 20, "as this node was started");
    assert_eq!(limits["catalog"]["tables_max"], 1024);
    assert_eq!(get("/health/live").of(node).is(200).json()["status"], "live");
    assert_eq!(get("/health/ready").of(node).is(200).json()["ready"], true);
    put(&key("counted"), "x").of(node).is(200);
    get(&key("counted")).of(node).is(200);
    get(&format!("{}?r=0", key("counted"))).of(node).is(400);
    let older = get("/metrics").of(node).is(200);
    assert!(older.header("content-type").starts_with("text/plain; version=0.0.4"));
    assert!(older.text().contains("# TYPE quorate_requests_total counter\n"));
    let metrics =
        get("/metrics").header("Accept", "application/openmetrics-text;version=1.0.0").of(node).is(200);
    assert!(metrics.header("content-type").starts_with("application/openmetrics-text"));
    let text = metrics.text();
    for line in [
        "quorate_requests_total{operation=\"put\",level=\"quorum\",outcome=\"ok\"} ",
        "quorate_requests_total{operation=\"get\",level=\"quorum\",outcome=\"ok\"} ",
        "quorate_requests_total{operation=\"get\",level=\"none\",outcome=\"refused\"} ",
        "quorate_request_seconds_bucket{le=",
        "quorate_replica_results_total{result=\"ack\"} ",
        "quorate_read_repairs_total ",
        "quorate_hints_waiting{owner=\"n2\"} ",
        "quorate_hints_waiting{owner=\"n3\"} ",
        "quorate_hints_replayed_total ",
        "quorate_hints_overflow_total ",
        "quorate_committer_queue_items ",
        "quorate_rocksdb_pending_compaction_bytes ",
        "quorate_link_up{node=\"n2\"",
        "quorate_http_panics_total 0\n",
        "quorate_http_connections_open ",
    ] {
        assert!(text.contains(line), "{line} in {text}");
    }
    assert!(text.ends_with("# EOF\n"));
}
