//! A load that knows what it wrote: each worker has keys of its own, and so knows what every read of them must find.
//!
//! Workers ask the nodes that they are given in turn, each by a client that knows no other, so that no failure is hidden by
//! a second attempt elsewhere. What was acknowledged is the list that everything is held against later.

use quorate_client::{Client, Error, Found, Read, Scan, Write};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;
use tokio::task::JoinSet;

/// The table.
pub const TABLE: &str = "t";

const WORKERS: u64 = 4;
const KEYS: u64 = 50;

/// How long a value is, in bytes.
const VALUE: usize = 1_000;

/// What each key must hold; `None`: nothing, since it was deleted.
pub type Written = BTreeMap<String, Option<String>>;

/// A load that goes on.
pub struct Load {
    is_over: Arc<AtomicBool>,
    workers: JoinSet<Worker>,
}

/// One worker, and what it knows.
struct Worker {
    written: Written,
    random: u64,
    requests: u64,
    /// Requests that failed, and reads that found something else, in words.
    wrong: Vec<String>,
}

impl Load {
    /// Begins: on top of what was written before, of nodes that each client is for.
    pub fn start(written: &Written, nodes: &[Client]) -> Self {
        let is_over = Arc::new(AtomicBool::new(false));
        let mut workers = JoinSet::new();
        for number in 0..WORKERS {
            let is_its = |key: &&String| key.starts_with(&format!("load-{number}-"));
            let written = written.iter().filter(|(key, _)| is_its(key));
            let written = written.map(|(key, value)| (key.clone(), value.clone())).collect();
            let mut worker = Worker { written, random: number + 1, requests: 0, wrong: Vec::new() };
            let (nodes, is_over, begun) = (nodes.to_vec(), Arc::clone(&is_over), Instant::now());
            workers.spawn(async move {
                while !is_over.load(Ordering::Relaxed) && worker.wrong.len() < 20 {
                    worker.ask(number, &nodes, begun).await;
                }
                worker
            });
        }
        Self { is_over, workers }
    }

    /// Ends it: what was written since goes into the list. Not one request may have failed, and no read may have found
    /// anything but what was acknowledged last. Says how many requests it was.
    pub async fn end(mut self, written: &mut Written) -> u64 {
        self.is_over.store(true, Ordering::Relaxed);
        let mut requests = 0;
        while let Some(worker) = self.workers.join_next().await {
            let worker = worker.expect("a worker does not panic");
            assert!(worker.wrong.is_empty(), "of {} requests: {:#?}", worker.requests, worker.wrong);
            written.extend(worker.written);
            requests += worker.requests;
        }
        requests
    }
}

impl Worker {
    /// One request: of a hundred, 50 read, 40 write and 10 delete.
    async fn ask(&mut self, number: u64, nodes: &[Client], begun: Instant) {
        let chance = self.draw();
        let key = format!("load-{number}-{}", self.draw() % KEYS);
        let client = &nodes[(self.requests % nodes.len() as u64) as usize];
        self.requests += 1;
        let failed = match chance % 100 {
            0..50 => match client.get(TABLE, key.as_bytes(), &Read::default()).await {
                Ok(found) => self.look(&key, &found.answer),
                Err(error) => Some(format!("get {key}: {}", told(&error))),
            },
            50..90 => {
                let value = value(chance, VALUE);
                let put =
                    client.put(TABLE, key.as_bytes(), value.clone().into_bytes(), &Write::default()).await;
                self.written.insert(key.clone(), Some(value));
                put.err().map(|error| format!("put {key}: {}", told(&error)))
            }
            _ => {
                let deleted = client.delete(TABLE, key.as_bytes(), &Write::default()).await;
                self.written.insert(key.clone(), None);
                deleted.err().map(|error| format!("delete {key}: {}", told(&error)))
            }
        };
        let node = (self.requests - 1) % nodes.len() as u64;
        self.wrong.extend(
            failed.map(|failed| format!("{:?} after the start, at node {node}: {failed}", begun.elapsed())),
        );
    }

    /// What is wrong with what a read found.
    fn look(&self, key: &str, found: &Found) -> Option<String> {
        let expected = self.written.get(key).and_then(Option::as_deref);
        let found = match found {
            Found::Value(value) => Some(String::from_utf8_lossy(&value.bytes)),
            Found::Absent { .. } => None,
        };
        let short = |value: Option<&str>| value.map(|value| value[..16].to_owned());
        (found.as_deref() != expected)
            .then(|| format!("{key} holds {:?}, not {:?}", short(found.as_deref()), short(expected)))
    }

    fn draw(&mut self) -> u64 {
        self.random =
            self.random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        self.random >> 33
    }
}

/// What an error says, and what it says of each owner.
fn told(error: &Error) -> String {
    format!("{error}: {:?}", error.problem())
}

/// A value that no other number gives, and that does not compress to nothing: so many bytes, 16 or more.
pub fn value(number: u64, bytes: usize) -> String {
    let mut state = number.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
    let mut letter = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        char::from(b'a' + u8::try_from(state % 26).expect("a letter"))
    };
    let number = format!("{number:016}");
    number.chars().chain(std::iter::repeat_with(&mut letter)).take(bytes).collect()
}

/// Stores keys that no client touches, and writes them on the list.
pub async fn fill(client: &Client, keys: u64, written: &mut Written) {
    let mut batches: JoinSet<()> = JoinSet::new();
    let all: Vec<u64> = (0..keys).collect();
    for some in all.chunks(200) {
        while batches.len() >= 4 {
            batches.join_next().await.expect("some").expect("stored");
        }
        let put = |at: &u64| serde_json::json!({ "put": { "key": format!("still-{at}"), "value": value(*at, VALUE) } });
        let body = serde_json::json!({ "items": some.iter().map(put).collect::<Vec<_>>() });
        written.extend(some.iter().map(|at| (format!("still-{at}"), Some(value(*at, VALUE)))));
        let client = client.clone();
        batches.spawn(async move {
            let path = format!("/v1/tables/{TABLE}/batch");
            let answer =
                client.change(quorate_client::Method::POST, path, Some(&body)).await.expect("stored");
            let results = answer["results"].as_array().expect("results");
            assert!(results.iter().all(|result| result["status"] == 200), "{answer}");
        });
    }
    while let Some(done) = batches.join_next().await {
        done.expect("stored");
    }
}

/// Holds the table against the list: every key is there once, with what was acknowledged last, and no other is.
pub async fn hold(client: &Client, written: &Written) {
    let mut expected: BTreeMap<&str, &str> = BTreeMap::new();
    expected.extend(written.iter().filter_map(|(key, value)| Some((key.as_str(), value.as_deref()?))));
    let mut scanning = client.scan(TABLE, &Scan { values: true, ..Scan::default() });
    while let Some(item) = scanning.next().await.expect("a page") {
        let key = String::from_utf8(item.key).expect("text");
        let value = expected.remove(key.as_str());
        assert_eq!(value.map(str::as_bytes), item.value.as_deref(), "{key}, which is listed once at most");
    }
    assert!(expected.is_empty(), "{} keys are lost: {:?}", expected.len(), expected.keys().take(5));
}
