//! The accept loop and its connections over real sockets, with routes of their own: what a client may do to a server
//! before any route is reached.

use super::*;
use crate::fault::Fault;
use crate::metrics::Closed;
use crate::problem::Problem;
use axum::Router;
use axum::body::to_bytes;
use axum::extract::Request;
use axum::response::Response;
use axum::routing::{get, post};
use quorate_node::bind;
use std::net::Ipv4Addr;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::sync::Notify;
use tokio::time::Instant;

const SOON: Duration = Duration::from_millis(150);
const LONG: Duration = Duration::from_secs(20);

struct Rig {
    server: Server,
    metrics: Arc<Metrics>,
    gate: Arc<Notify>,
    entered: Arc<Notify>,
}

/// A value that looks exactly like an answer of the HTTP library itself.
const LOOKALIKE: &str =
    "HTTP/1.1 431 Request Header Fields Too Large\r\nconnection: close\r\ncontent-length: 0\r\n\r\n";

fn rig(limits: Limits) -> Rig {
    let (gate, entered) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
    let (inner_gate, inner_entered) = (Arc::clone(&gate), Arc::clone(&entered));
    let routes = Router::new()
        .route("/", get(|| async { "hello" }))
        .route("/health/live", get(|| async { "live" }))
        .route(
            "/echo",
            post(|request: Request| async { to_bytes(request.into_body(), 1 << 20).await.expect("a body") }),
        )
        .route("/panic", get(panics))
        .route("/lookalike", get(|| async { LOOKALIKE }))
        .route("/large", get(|| async { vec![0u8; 64 << 20] }))
        .route(
            "/wait",
            get(|| async move {
                inner_entered.notify_one();
                inner_gate.notified().await;
                "waited"
            }),
        )
        .fallback(|| async { Problem::from(Fault::NoSuchRoute) });
    let metrics = Arc::new(Metrics::default());
    let edge = Edge::new(Setup { limits, ..Setup::default() }, Arc::clone(&metrics));
    edge.open_routes(routes);
    let listener = bind((Ipv4Addr::LOCALHOST, 0).into(), 16).expect("a loopback port");
    let server = Server::over(Arc::new(edge), listener).expect("a listening socket");
    Rig { server, metrics, gate, entered }
}

async fn panics() -> Response {
    panic!("this handler panics")
}

impl Rig {
    async fn connect(&self) -> TcpStream {
        TcpStream::connect(self.server.address()).await.expect("a connection")
    }

    /// Sends bytes and reads until the server closes.
    async fn say(&self, bytes: impl AsRef<[u8]>) -> String {
        let mut socket = self.connect().await;
        socket.write_all(bytes.as_ref()).await.expect("sent");
        rest(&mut socket).await
    }

    /// Waits until a counter of ended connections has moved.
    async fn closed(&self, reason: Closed) {
        let line = format!("quorate_http_connections_closed_total{{reason=\"{}\"}} 1\n", reason.as_str());
        let seen = async {
            while !self.metrics.text().contains(&line) {
                tokio::task::yield_now().await;
            }
        };
        timeout(LONG, seen).await.unwrap_or_else(|_| panic!("no connection ended as {reason:?}"));
    }
}

async fn rest(socket: &mut TcpStream) -> String {
    let mut answer = Vec::new();
    timeout(LONG, socket.read_to_end(&mut answer)).await.expect("the server closes").expect("no reset");
    String::from_utf8_lossy(&answer).into_owned()
}

async fn until(socket: &mut TcpStream, end: &str) -> String {
    let mut answer = Vec::new();
    let reading = async {
        while !answer.ends_with(end.as_bytes()) {
            let mut byte = [0];
            assert_eq!(socket.read(&mut byte).await.expect("no reset"), 1, "closed after {answer:?}");
            answer.push(byte[0]);
        }
    };
    timeout(LONG, reading).await.unwrap_or_else(|_| panic!("the answer never ends in {end:?}"));
    String::from_utf8_lossy(&answer).into_owned()
}

fn body_of(answer: &str) -> serde_json::Value {
    let (_, body) = answer.split_once("\r\n\r\n").expect("a head");
    serde_json::from_str(body).unwrap_or_else(|_| panic!("not a document: {answer}"))
}

#[tokio::test]
async fn a_connection_serves_one_request_after_another() {
    let rig = rig(Limits::default());
    let mut socket = rig.connect().await;
    for _ in 0..3 {
        socket.write_all(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n").await.expect("sent");
        let answer = until(&mut socket, "hello").await;
        assert!(
            answer.starts_with("HTTP/1.1 200 OK\r\n") && answer.contains("\r\nquorate-request: "),
            "{answer}"
        );
    }
}

#[tokio::test]
async fn until_there_is_a_node_it_is_starting() {
    let listener = bind((Ipv4Addr::LOCALHOST, 0).into(), 16).expect("a loopback port");
    let server = Server::start(listener, Setup::default()).expect("a listening socket");
    for (path, status, code) in
        [("/v1/tables", 503, "starting"), ("/health/ready", 503, "starting"), ("/health/live", 200, "")]
    {
        let mut socket = TcpStream::connect(server.address()).await.expect("a connection");
        let request = format!("GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
        socket.write_all(request.as_bytes()).await.expect("sent");
        let answer = rest(&mut socket).await;
        assert!(answer.starts_with(&format!("HTTP/1.1 {status} ")), "{answer}");
        assert_eq!(body_of(&answer)["code"].as_str().unwrap_or_default(), code);
    }
}

#[tokio::test]
async fn a_head_over_its_limit_is_told_why() {
    let rig = rig(Limits::default());
    let large = format!("GET / HTTP/1.1\r\nHost: localhost\r\nx: {}\r\n\r\n", "x".repeat(40_000));
    let many = format!("GET / HTTP/1.1\r\nHost: localhost\r\n{}\r\n", "x: y\r\n".repeat(5_000));
    let endless = format!("GET / HTTP/1.1\r\nHost: localhost\r\nx: {}", "x".repeat(2_000_000));
    for request in [large, many, endless] {
        let answer = rig.say(&request).await;
        assert!(answer.starts_with("HTTP/1.1 431 "), "{answer}");
        assert_eq!(body_of(&answer)["code"], "headers-too-large");
    }
}

#[tokio::test]
async fn what_is_not_http_is_told_so() {
    let rig = rig(Limits::default());
    let broken = [
        "GARBAGE\r\n\r\n",
        "GET / HTTP/9.9\r\n\r\n",
        "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: localhost\r\nbad header\r\n\r\n",
        "POST /echo HTTP/1.1\r\nHost: localhost\r\nContent-Length: x\r\n\r\n",
        "POST /echo HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n",
        "POST /echo HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: gzip\r\n\r\n",
        "GET / HTTP/1.1\r\nHost : localhost\r\n\r\n",
    ];
    for request in broken {
        let answer = rig.say(request).await;
        assert!(answer.starts_with("HTTP/1.1 400 "), "{request:?}: {answer}");
        assert_eq!(body_of(&answer)["code"], "bad-request", "{request:?}");
    }
}

#[tokio::test]
async fn chunks_beside_a_length_end_the_connection() {
    let rig = rig(Limits::default());
    for framing in
        ["Content-Length: 4\r\nTransfer-Encoding: chunked", "Transfer-Encoding: chunked\r\nContent-Length: 4"]
    {
        let smuggled = "GET /smuggled HTTP/1.1\r\nHost: localhost\r\n\r\n";
        let request = format!(
            "POST /echo HTTP/1.1\r\nHost: localhost\r\n{framing}\r\n\r\n3\r\nabc\r\n0\r\n\r\n{smuggled}"
        );
        let answer = rig.say(request).await;
        assert_eq!(answer.matches("HTTP/1.1 ").count(), 1, "the second request is not answered: {answer}");
        assert!(answer.ends_with("abc"), "{answer}");
    }
}

#[tokio::test]
async fn a_slow_head_is_told_so_and_a_silent_connection_is_dropped() {
    let rig = rig(Limits { head_timeout: SOON, ..Limits::default() });
    let answer = rig.say("GET / HTTP/1.1\r\nHo").await;
    assert!(answer.starts_with("HTTP/1.1 408 "), "{answer}");
    assert_eq!(body_of(&answer)["code"], "request-timeout");
    assert_eq!(rig.say("").await, "", "nothing was asked, nothing is answered");
}

#[tokio::test]
async fn an_idle_connection_is_dropped() {
    let rig = rig(Limits { idle_timeout: SOON, ..Limits::default() });
    let answer = rig.say("GET / HTTP/1.1\r\nHost: localhost\r\n\r\n").await;
    assert!(answer.ends_with("hello"), "{answer}");
    rig.closed(Closed::IdleTimeout).await;
}

#[tokio::test]
async fn a_client_that_takes_no_answer_is_dropped() {
    let rig = rig(Limits { stall_timeout: SOON, ..Limits::default() });
    let mut socket = rig.connect().await;
    socket.write_all(b"GET /large HTTP/1.1\r\nHost: localhost\r\n\r\n").await.expect("sent");
    rig.closed(Closed::Stalled).await;
}

#[tokio::test]
async fn a_value_that_looks_like_an_error_arrives_as_it_is() {
    let rig = rig(Limits::default());
    let mut socket = rig.connect().await;
    for _ in 0..2 {
        socket.write_all(b"GET /lookalike HTTP/1.1\r\nHost: localhost\r\n\r\n").await.expect("sent");
        let answer = until(&mut socket, LOOKALIKE).await;
        assert!(answer.starts_with("HTTP/1.1 200 OK"), "{answer}");
    }
}

#[tokio::test]
async fn a_panic_is_an_answer_and_a_count() {
    let rig = rig(Limits::default());
    let answer = rig.say("GET /panic HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n").await;
    assert!(answer.starts_with("HTTP/1.1 500 "), "{answer}");
    let body = body_of(&answer);
    assert_eq!(body["code"], "internal");
    let id = body["instance"].as_str().expect("an id");
    assert!(answer.contains(&format!("quorate-request: {id}\r\n")), "{answer}");
    assert_eq!(rig.metrics.panics.get(), 1);
}

#[tokio::test]
async fn beyond_the_limit_requests_are_shed_and_then_taken_again() {
    let rig = rig(Limits { requests_running_max: 1, ..Limits::default() });
    let mut first = rig.connect().await;
    first.write_all(b"GET /wait HTTP/1.1\r\nHost: localhost\r\n\r\n").await.expect("sent");
    rig.entered.notified().await;
    let close = "GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
    let answer = rig.say(close).await;
    assert!(answer.starts_with("HTTP/1.1 503 ") && answer.contains("\r\nretry-after: 1\r\n"), "{answer}");
    assert_eq!(body_of(&answer)["code"], "overloaded");
    rig.gate.notify_one();
    until(&mut first, "waited").await;
    assert!(rig.say(close).await.starts_with("HTTP/1.1 200 "));
}

#[tokio::test]
async fn beyond_the_cap_and_the_reserve_a_connection_waits_for_another_to_close() {
    let rig = rig(Limits { connections_max: 1, health_connections_max: 0, ..Limits::default() });
    let mut first = rig.connect().await;
    first.write_all(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n").await.expect("sent");
    until(&mut first, "hello").await;
    let mut second = rig.connect().await;
    second.write_all(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n").await.expect("sent");
    assert_eq!(rig.metrics.connections.get(), 1, "the second is still in the backlog");
    drop(first);
    until(&mut second, "hello").await;
}

#[tokio::test]
async fn beyond_the_cap_a_connection_is_told_so_and_health_is_answered() {
    let rig = rig(Limits { connections_max: 1, health_connections_max: 1, ..Limits::default() });
    let mut first = rig.connect().await;
    first.write_all(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n").await.expect("sent");
    until(&mut first, "hello").await;
    let answer = rig.say("GET / HTTP/1.1\r\nHost: localhost\r\n\r\n").await;
    assert!(answer.starts_with("HTTP/1.1 503 ") && answer.contains("\r\nretry-after: 1\r\n"), "{answer}");
    assert_eq!(body_of(&answer)["code"], "overloaded");
    let answer = rig.say("GET /health/live HTTP/1.1\r\nHost: localhost\r\n\r\n").await;
    assert!(answer.starts_with("HTTP/1.1 200 ") && answer.contains("\r\nconnection: close\r\n"), "{answer}");
    drop(first);
    let until_free = async {
        while !rig
            .say("GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
            .await
            .ends_with("hello")
        {}
    };
    timeout(LONG, until_free).await.expect("its place is free again");
}

#[tokio::test]
async fn the_reserve_is_not_held_by_who_asks_nothing() {
    let rig = rig(Limits { connections_max: 1, health_connections_max: 1, ..Limits::default() });
    let _first = rig.connect().await;
    let _silent = rig.connect().await;
    let asked = rig.say("GET /health/live HTTP/1.1\r\nHost: localhost\r\n\r\n");
    let answer =
        timeout(Duration::from_secs(5), asked).await.expect("well before the head timeout of others");
    assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
}

#[tokio::test]
async fn draining_finishes_what_is_at_work_and_nothing_else() {
    let rig = rig(Limits { drain_notice: Duration::ZERO, ..Limits::default() });
    let mut idle = rig.connect().await;
    idle.write_all(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n").await.expect("sent");
    until(&mut idle, "hello").await;
    let mut busy = rig.connect().await;
    busy.write_all(b"GET /wait HTTP/1.1\r\nHost: localhost\r\n\r\n").await.expect("sent");
    rig.entered.notified().await;
    let address = rig.server.address();
    let drained = tokio::spawn(rig.server.drain());
    assert_eq!(rest(&mut idle).await, "", "an idle connection is closed");
    assert!(TcpStream::connect(address).await.is_err(), "no socket listens any more");
    rig.gate.notify_one();
    let answer = rest(&mut busy).await;
    assert!(answer.ends_with("waited"), "{answer}");
    timeout(LONG, drained).await.expect("drains").expect("no panic");
}

#[tokio::test]
async fn a_draining_server_is_there_until_its_notice_is_over() {
    let rig = rig(Limits { drain_notice: LONG, ..Limits::default() });
    let address = rig.server.address();
    let drained = tokio::spawn(rig.server.drain());
    tokio::task::yield_now().await;
    let mut late = TcpStream::connect(address).await.expect("still listening");
    late.write_all(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n").await.expect("sent");
    let answer = until(&mut late, "hello").await;
    assert!(answer.contains("connection: close\r\n"), "{answer}");
    assert_eq!(rest(&mut late).await, "", "the connection has served its last request");
    assert!(!drained.is_finished());
    drained.abort();
}

#[tokio::test]
async fn a_client_that_asks_for_nothing_does_not_hold_up_a_drain() {
    let limits = Limits { drain_notice: Duration::ZERO, drain_timeout: LONG, ..Limits::default() };
    let rig = rig(limits);
    let mut idle = rig.connect().await;
    idle.write_all(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n").await.expect("sent");
    until(&mut idle, "hello").await;
    // The client keeps its end open all the while.
    let stopping = Instant::now();
    rig.server.drain().await;
    assert!(stopping.elapsed() < Duration::from_millis(1_500), "{:?}", stopping.elapsed());
    drop(idle);
}

#[tokio::test]
async fn an_expectation_or_a_coding_that_nobody_knows_is_refused() {
    let rig = rig(Limits::default());
    let end = "Connection: close\r\n\r\n1\r\nx\r\n0\r\n\r\n";
    for (headers, status, code) in [
        ("Transfer-Encoding: gzip, chunked", 400, "bad-request"),
        ("Transfer-Encoding: chunked\r\nExpect: foo", 417, "expectation-failed"),
    ] {
        let answer = rig.say(format!("POST /echo HTTP/1.1\r\nHost: localhost\r\n{headers}\r\n{end}")).await;
        assert!(answer.starts_with(&format!("HTTP/1.1 {status} ")), "{answer}");
        assert_eq!(body_of(&answer)["code"], code, "{answer}");
    }
}
