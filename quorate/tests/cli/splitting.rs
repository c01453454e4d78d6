//! A range table that is fed with keys in their order splits by itself and spreads over nodes, while it is scanned: no request
//! fails, and each scan lists what was there when it began, each key once.

use crate::nodes::{Nodes, name};
use quorate_client::{Client, Method};
use serde_json::{Value as Json, json};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};
use tokio::task::JoinSet;

const TABLE: &str = "log";
const WRITERS: u64 = 3;

/// Keys of one request.
const BATCH: u64 = 100;

/// What a node is told: shards of a few thousand small records are large, and copies move soon.
const SETTINGS: &[(&str, &str)] = &[
    ("QUORATE_SHARDS_BYTES_MAX", "262144"),
    ("QUORATE_SHARDS_UNEVEN_FOR", "1s"),
    ("QUORATE_SHARDS_PAUSE", "50ms"),
];

/// How far each writer is: it has written all of its keys before this one.
type Written = Arc<[AtomicU64; WRITERS as usize]>;

/// Keys of a writer grow; those of all of them lie between each other.
fn key(writer: u64, number: u64) -> String {
    format!("{number:09}-{writer}")
}

/// Writes keys in their order, at one node after the other.
async fn write(writer: u64, nodes: Vec<Client>, written: Written, is_over: Arc<AtomicBool>) {
    let path = format!("/v1/tables/{TABLE}/batch");
    for round in 0.. {
        if is_over.load(Ordering::Relaxed) {
            return;
        }
        let numbers = round * BATCH..(round + 1) * BATCH;
        let put =
            |number: u64| json!({"put": {"key": key(writer, number), "value": format!("{number:0>64}")}});
        let items: Vec<Json> = numbers.map(put).collect();
        let client = &nodes[(round as usize + writer as usize) % nodes.len()];
        let said = client.change(Method::POST, path.clone(), Some(&json!({ "items": items }))).await;
        let said = said.unwrap_or_else(|error| panic!("writer {writer}, round {round}: {error}"));
        for result in said["results"].as_array().expect("results") {
            assert_eq!(result["status"], 200, "writer {writer}, round {round}: {result}");
        }
        written[writer as usize].store((round + 1) * BATCH, Ordering::Release);
    }
}

/// Lists the whole table again and again, at one node after the other; how often.
async fn scan(nodes: Vec<Client>, written: Written, is_over: Arc<AtomicBool>) -> u64 {
    let mut scans = 0;
    while !is_over.load(Ordering::Relaxed) || scans == 0 {
        let before: Vec<u64> = written.iter().map(|count| count.load(Ordering::Acquire)).collect();
        let listed = list(&nodes[scans as usize % nodes.len()]).await;
        assert!(listed.is_sorted_by(|one, other| one < other), "each once, in order");
        let mut counts = vec![0; before.len()];
        for key in &listed {
            let (number, writer) = key.split_once('-').expect("a key of ours");
            let (number, writer): (u64, usize) =
                (number.parse().expect("digits"), writer.parse().expect("a digit"));
            counts[writer] += u64::from(number < before[writer]);
        }
        assert_eq!(counts, before, "scan {scans} lacks something that was there when it began");
        scans += 1;
    }
    scans
}

async fn list(client: &Client) -> Vec<String> {
    let (mut keys, mut cursor) = (Vec::new(), String::new());
    loop {
        let page = client.ask(format!("/v1/tables/{TABLE}/keys?limit=1000{cursor}")).await;
        let page = page.unwrap_or_else(|error| panic!("behind {:?}: {error}", keys.last()));
        let items = page["items"].as_array().expect("items");
        keys.extend(items.iter().map(|item| item["key"].as_str().expect("text").to_owned()));
        match page["next_cursor"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => return keys,
        }
    }
}

/// How many shards the table has, and how many copies of them each of so many nodes.
async fn copies(client: &Client, nodes: usize) -> (usize, Vec<usize>) {
    let shards = client.shards(TABLE).await.expect("a list").read.shards;
    let of = |at: usize| {
        let id = format!("n{}", at + 1);
        shards.iter().filter(|shard| shard.owners.contains(&id)).count()
    };
    (shards.len(), (0..nodes).map(of).collect())
}

/// Waits until the table has so many shards and each of so many nodes a copy of some.
async fn until_spread(client: &Client, nodes: usize, shards_min: usize, patience: Duration) {
    let deadline = Instant::now() + patience;
    loop {
        let (shards, copies) = copies(client, nodes).await;
        if shards >= shards_min && copies.iter().all(|count| *count > 0) {
            println!("{shards} shards; copies of each node: {copies:?}");
            return;
        }
        assert!(Instant::now() < deadline, "{shards} shards; copies of each node: {copies:?}");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

async fn make_tables(client: &Client) {
    let tables = "/v1/tables".to_owned();
    // Each node owns something, so that it may get more by itself.
    for table in [
        json!({"name": "other", "shards": 8, "durability": "os"}),
        json!({"name": TABLE, "sharding": "range", "durability": "os"}),
    ] {
        client.change(Method::POST, tables.clone(), Some(&table)).await.expect("made");
    }
}

/// Writers and a scan, over nodes that stay.
struct Feed {
    is_over: Arc<AtomicBool>,
    written: Written,
    writers: JoinSet<()>,
    scans: JoinSet<u64>,
}

impl Feed {
    fn start(nodes: &[Client]) -> Self {
        let (is_over, written): (Arc<AtomicBool>, Written) = (Arc::default(), Arc::default());
        let (mut writers, mut scans) = (JoinSet::new(), JoinSet::new());
        for writer in 0..WRITERS {
            writers.spawn(write(writer, nodes.to_vec(), Arc::clone(&written), Arc::clone(&is_over)));
        }
        scans.spawn(scan(nodes.to_vec(), Arc::clone(&written), Arc::clone(&is_over)));
        Self { is_over, written, writers, scans }
    }

    async fn end(mut self, nodes: &[Client]) {
        self.is_over.store(true, Ordering::Relaxed);
        while let Some(writer) = self.writers.join_next().await {
            writer.expect("no request failed");
        }
        let scans = self.scans.join_next().await.expect("one").expect("no page failed");
        let keys: u64 = self.written.iter().map(|count| count.load(Ordering::Acquire)).sum();
        for node in nodes {
            assert_eq!(list(node).await.len() as u64, keys);
        }
        println!("{keys} keys, {scans} scans");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_table_that_grows_at_its_end_splits_and_spreads_under_scans() {
    let nodes = Nodes::start(4, SETTINGS);
    let clients: Vec<Client> = (0..4).map(|at| nodes.client(&[at])).collect();
    make_tables(&clients[0]).await;
    assert_eq!(copies(&clients[0], 4).await.0, 1, "{} founds it", name(0));
    let feed = Feed::start(&clients);
    until_spread(&clients[0], 4, 4, Duration::from_secs(240)).await;
    feed.end(&clients).await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "minutes: cargo test --release -p quorate --test cli splitting -- --ignored --nocapture"]
async fn a_table_that_grows_spreads_over_three_nodes_then_six() {
    let mut nodes = Nodes::start(3, SETTINGS);
    let clients: Vec<Client> = (0..3).map(|at| nodes.client(&[at])).collect();
    make_tables(&clients[0]).await;
    let feed = Feed::start(&clients);
    until_spread(&clients[0], 3, 6, Duration::from_secs(600)).await;
    for at in 3..6 {
        nodes.join(at);
    }
    nodes.until_members(6);
    nodes.run(0, &["cluster", "plan", "add", "--apply", "--wait"]).expect_code(0);
    until_spread(&clients[0], 6, 16, Duration::from_secs(1_200)).await;
    feed.end(&clients).await;
}
