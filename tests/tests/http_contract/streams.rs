//! Streams of keys: over many pages, with owners that go away in the middle, and with readers that take their time.

use super::ask::{Answer, by_admin, get, post, put};
use super::described::expect_fitting;
use super::rig::{Cluster, key, shared, until};
use super::scan::{lines, range_table};
use quorate_http::Limits;
use serde_json::{Value as Json, json};
use std::io::{ErrorKind, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

/// Most keys of a page.
const PAGE: usize = 1_000;

/// The keys of a stream that is more than two sockets hold, with values of so many bytes.
const MANY: usize = 10 * PAGE;
const VALUE: usize = 1_000;

/// Half of the bytes of its lines: about five pages.
const HALF: usize = MANY * (VALUE + 100) / 2;

/// No byte is longer on its way, or the test fails.
const PATIENCE: Duration = Duration::from_secs(30);

/// A stream that is read as its test likes.
struct Stream {
    target: String,
    socket: TcpStream,
    read: Vec<u8>,
}

impl Stream {
    fn open(node: SocketAddr, target: &str) -> Self {
        let mut socket = TcpStream::connect(node).unwrap();
        socket.set_read_timeout(Some(PATIENCE)).unwrap();
        let head = format!("GET {target} HTTP/1.1\r\nHost: {node}\r\nConnection: close\r\n");
        let head = format!("{head}Accept: application/jsonl\r\n\r\n");
        socket.write_all(&by_admin(head.as_bytes())).unwrap();
        Self { target: target.to_owned(), socket, read: Vec::new() }
    }

    /// Reads so many bytes of it.
    fn take(&mut self, bytes: usize) {
        let mut some = vec![0; bytes];
        self.socket.read_exact(&mut some).unwrap();
        self.read.extend(some);
    }

    /// Reads on to its end: its keys, and its last line.
    #[track_caller]
    fn rest(mut self) -> (Vec<String>, Json) {
        self.socket.read_to_end(&mut self.read).unwrap();
        let answer = Answer::parse(&self.read).is(200);
        expect_fitting("GET", &self.target, &answer);
        let mut lines = lines(&answer);
        let end = lines.pop().expect("a last line");
        let key = |line: &Json| line["key"].as_str().unwrap_or_else(|| panic!("no key: {line}")).to_owned();
        (lines.iter().map(key).collect(), end)
    }

    /// Reads on until the node hangs up: everything that came.
    fn cut_off(mut self) -> String {
        match self.socket.read_to_end(&mut self.read) {
            Ok(_) => {}
            Err(error) => assert_eq!(error.kind(), ErrorKind::ConnectionReset, "{error}"),
        }
        String::from_utf8(self.read).unwrap()
    }
}

fn names(count: usize) -> Vec<String> {
    (0..count).map(|number| format!("k{number:05}")).collect()
}

/// Stores a value under each of these keys.
fn fill(node: SocketAddr, table: &str, keys: &[String], value: &str) {
    let target = format!("/v1/tables/{table}/batch?timeout=30s");
    for some in keys.chunks(500) {
        let items: Vec<Json> = some.iter().map(|key| json!({"put": {"key": key, "value": value}})).collect();
        let answer = post(&target, &json!({ "items": items })).of(node).is(200).json();
        let results = answer["results"].as_array().unwrap();
        assert!(results.iter().all(|item| item["status"] == 200), "{answer}");
    }
}

/// A range table of many keys with large values: the keys.
fn filled(cluster: &Cluster, table: &str) -> Vec<String> {
    range_table(cluster, table, &json!(["k05000"]));
    let names = names(MANY);
    fill(cluster.at(0), table, &names, &"x".repeat(VALUE));
    names
}

/// One of a node's numbers.
fn metric(node: SocketAddr, name: &str) -> usize {
    let text = get("/metrics").of(node).is(200).text();
    let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
    line.unwrap_or_else(|| panic!("no {name} in {text}")).parse().unwrap()
}

#[test]
fn a_stream_goes_on_over_many_pages() {
    let cluster = shared();
    let names = names(2 * PAGE + 500);
    range_table(&cluster, "many", &json!(["k00700", "k01900"]));
    post("/v1/tables", &json!({"name": "many-hashed", "shards": 4, "durability": "os"}))
        .of(cluster.at(0))
        .is(201);
    for table in ["many", "many-hashed"] {
        fill(cluster.at(0), table, &names, "v");
        let page = get(&format!("/v1/tables/{table}/keys?limit=9999")).of(cluster.at(1)).is(200).json();
        assert!(
            page["items"].as_array().unwrap().len() <= PAGE && page["next_cursor"].is_string(),
            "{table}"
        );
        let (mut found, end) = Stream::open(cluster.at(1), &format!("/v1/tables/{table}/keys")).rest();
        assert_eq!(end, json!({"consistency": "linearizable", "next_cursor": null}), "{table}");
        if table == "many-hashed" {
            found.sort();
        }
        assert_eq!(found, names, "{table}");
    }
    let (found, end) = Stream::open(cluster.at(2), "/v1/tables/many/keys?limit=1500&reverse=true").rest();
    assert!(found.iter().eq(names.iter().rev().take(1_500)), "as many as are wanted, over two pages");
    let target = format!("/v1/tables/many/keys?reverse=true&cursor={}", end["next_cursor"].as_str().unwrap());
    assert_eq!(Stream::open(cluster.at(0), &target).rest().0.len(), PAGE);
}

#[test]
fn a_stream_whose_owners_go_away_ends_with_what_is_missing_and_where_to_go_on() {
    let cluster = Cluster::start(3, Limits::default());
    let names = filled(&cluster, "log");
    // Small pages: few of them are made before they are read.
    let stream = |cursor: &str| {
        let target = format!("/v1/tables/log/keys?values=true&bytes=100000{cursor}");
        Stream::open(cluster.at(0), &target)
    };
    let mut broken = stream("");
    broken.take(100_000);
    cluster.kill(1);
    cluster.kill(2);
    let (mut found, end) = broken.rest();
    assert!(found.len() >= 50 && found.len() < MANY, "{} keys", found.len());
    assert_eq!(found, names[..found.len()], "what came is whole");
    let error = &end["error"];
    assert!(matches!(error["code"].as_str(), Some("unavailable" | "read-timeout")), "{end}");
    assert!(error["shard"].as_str().is_some_and(|shard| shard.starts_with("log/")), "{end}");
    assert!(error["detail"].as_str().is_some_and(|detail| detail.contains("owners")), "{end}");
    let cursor = end["next_cursor"].as_str().expect("it is no end").to_owned();

    cluster.start_again(1);
    cluster.start_again(2);
    for place in ["k00000", "k09000"] {
        let target = format!("/v1/tables/log/keys?start={place}&limit=1");
        until("the owners answer", || (get(&target).of(cluster.at(0)).status == 200).then_some(()));
    }
    let (rest, end) = stream(&format!("&cursor={cursor}")).rest();
    assert_eq!(end, json!({"consistency": "linearizable", "next_cursor": null}));
    found.extend(rest);
    assert_eq!(found, names, "each key once, though the stream broke off");
}

/// The memory for answers is half of what the stream has, so that it can't be made faster than it is read.
#[test]
fn a_reader_that_takes_its_time_costs_a_few_pages_and_then_gets_every_key_once() {
    let cluster = shared();
    let names = filled(&cluster, "leisure");
    let limits =
        Limits { answers_bytes_max: HALF, stall_timeout: Duration::from_mins(2), ..Limits::default() };
    let edge = cluster.second_server(0, limits);
    let node = edge.address();
    put(&key("beside"), "x".repeat(VALUE)).of(node).is(200);
    let mut stream = Stream::open(node, "/v1/tables/leisure/keys?values=true");
    stream.take(1_000);
    let made = || metric(node, "quorate_value_bytes_out_total");
    let made = until("it makes no more of the stream", || {
        let before = made();
        // Others are served meanwhile. What is stored gives out no value.
        for _ in 0..100 {
            put(&key("beside"), "y".repeat(VALUE)).of(node).is(200);
        }
        (made() == before).then_some(before)
    });
    assert!(made < MANY * VALUE, "{made} bytes were made for a reader that took 1,000");
    for _ in 0..100 {
        assert_eq!(get(&key("beside")).of(node).is(200).body.len(), VALUE);
    }
    let (found, end) = stream.rest();
    assert_eq!(end, json!({"consistency": "linearizable", "next_cursor": null}));
    assert_eq!(found, names);
}

#[test]
fn a_reader_that_takes_nothing_for_too_long_is_hung_up_on_and_its_memory_comes_back() {
    let cluster = shared();
    let names = filled(&cluster, "asleep");
    let limits =
        Limits { answers_bytes_max: HALF, stall_timeout: Duration::from_millis(500), ..Limits::default() };
    let edge = cluster.second_server(0, limits);
    let node = edge.address();
    let target = "/v1/tables/asleep/keys?values=true";
    let mut stalled = Stream::open(node, target);
    stalled.take(1_000);
    until("it is hung up on", || {
        let stalled = metric(node, "quorate_http_connections_closed_total{reason=\"stalled\"}");
        (stalled == 1).then_some(())
    });
    assert!(!stalled.cut_off().contains("next_cursor"), "a stream without a last line was cut off");
    assert_eq!(Stream::open(node, target).rest().0, names, "there is room for another");
}
