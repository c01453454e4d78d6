//! A range table that is fed with keys in their order splits by itself and spreads over nodes: no request fails. Then it is
//! read, evenly and not, until each node carries its share, and each value is what was written. All that time it is scanned:
//! each scan lists what was there when it began, each key once.

use crate::nodes::{Nodes, name};
use crate::scan_cost::metric;
use quorate_client::{Client, Found, Method, Read};
use serde_json::{Value as Json, json};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};
use tokio::task::JoinSet;

const TABLE: &str = "log";
const OTHER: &str = "other";

/// Keys of one request.
const BATCH: u64 = 100;

/// What a node is told: shards of a few thousand small records are large, and copies move soon.
const SETTINGS: &[(&str, &str)] = &[
    ("QUORATE_SHARDS_BYTES_MAX", "262144"),
    ("QUORATE_SHARDS_UNEVEN_FOR", "1s"),
    ("QUORATE_SHARDS_PAUSE", "50ms"),
];

/// The same at size: as nodes are by default, but for what is much.
const SETTINGS_AT_SIZE: &[(&str, &str)] = &[("QUORATE_SHARDS_LOAD_MIN", "100")];

/// Clients at size, and their requests in a second, all together.
const CLIENTS: u64 = 16;
const RATE: u64 = 4_000;

/// How often a scan asks for a page at most: it goes on beside everything else, and is not the load.
const PAGE_EVERY: Duration = Duration::from_millis(10);

/// For so long requests are counted, to see what each node carries.
const COUNTED: Duration = Duration::from_secs(30);

/// How far each writer is: it has written all of its keys before this one.
type Written = Arc<[AtomicU64]>;

/// Keys of a writer grow; those of all of them lie between each other.
fn key(writer: u64, number: u64) -> String {
    format!("{number:09}-{writer}")
}

/// What is written under the keys of this number.
fn value(number: u64) -> String {
    format!("{number:0>64}")
}

/// The number and the writer of a key.
fn parts(key: &str) -> (u64, usize) {
    let (number, writer) = key.split_once('-').expect("a key of ours");
    (number.parse().expect("digits"), writer.parse().expect("digits"))
}

/// Writes so many keys in their order, at one node after the other.
async fn write(writer: u64, nodes: Vec<Client>, written: Written, most: u64, is_over: Arc<AtomicBool>) {
    let path = format!("/v1/tables/{TABLE}/batch");
    for round in 0..most.div_ceil(BATCH) {
        if is_over.load(Ordering::Relaxed) {
            return;
        }
        let numbers = round * BATCH..(round + 1) * BATCH;
        let put = |number: u64| json!({"put": {"key": key(writer, number), "value": value(number)}});
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
        for (number, writer) in listed.iter().map(|key| parts(key)) {
            counts[writer] += u64::from(number < before[writer]);
        }
        assert_eq!(counts, before, "scan {scans} lacks something that was there when it began");
        scans += 1;
    }
    scans
}

async fn list(client: &Client) -> Vec<String> {
    let mut keys = Vec::new();
    walk(client, "", |key, _| keys.push(key.to_owned())).await;
    keys
}

/// Holds the whole table to what was written: each key once, in order, with its value; how many there are.
async fn hold(client: &Client) -> u64 {
    let (mut count, mut last) = (0, String::new());
    walk(client, "&values=true", |key, item| {
        assert_eq!(item["value"], value(parts(key).0), "{key}");
        assert!(*key > *last, "{key} behind {last}");
        key.clone_into(&mut last);
        count += 1;
    })
    .await;
    count
}

/// Shows every key of the table, in pages.
async fn walk(client: &Client, query: &str, mut see: impl FnMut(&str, &Json)) {
    let (mut cursor, mut last) = (String::new(), String::new());
    let mut pace = tokio::time::interval(PAGE_EVERY);
    pace.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        pace.tick().await;
        let page = client.ask(format!("/v1/tables/{TABLE}/keys?limit=1000{query}{cursor}")).await;
        let page = page.unwrap_or_else(|error| panic!("behind {last:?}: {error}"));
        for item in page["items"].as_array().expect("items") {
            let key = item["key"].as_str().expect("text");
            see(key, item);
            key.clone_into(&mut last);
        }
        match page["next_cursor"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => return,
        }
    }
}

/// How many shards the table has, and how many copies of them each of so many nodes.
async fn copies(client: &Client, table: &str, nodes: usize) -> (usize, Vec<u64>) {
    let shards = client.shards(table).await.expect("a list").read.shards;
    let of = |at: usize| {
        let id = format!("n{}", at + 1);
        shards.iter().filter(|shard| shard.owners.contains(&id)).count() as u64
    };
    (shards.len(), (0..nodes).map(of).collect())
}

/// Waits until the table has so many shards and each of so many nodes a copy of some.
async fn until_spread(client: &Client, nodes: usize, shards_min: usize, patience: Duration) {
    let deadline = Instant::now() + patience;
    loop {
        let (shards, copies) = copies(client, TABLE, nodes).await;
        if shards >= shards_min && copies.iter().all(|count| *count > 0) {
            println!("{shards} shards; copies of each node: {copies:?}");
            return;
        }
        assert!(Instant::now() < deadline, "{shards} shards; copies of each node: {copies:?}");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

async fn make_tables(client: &Client, table: Json) {
    let tables = "/v1/tables".to_owned();
    // Each node owns something, so that it may get more by itself.
    for table in [json!({"name": OTHER, "shards": 8, "durability": "os"}), table] {
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
    /// So many writers, of so many keys each at most.
    fn start(nodes: &[Client], count: u64, most: u64) -> Self {
        let is_over: Arc<AtomicBool> = Arc::default();
        let written: Written = (0..count).map(|_| AtomicU64::new(0)).collect();
        let (mut writers, mut scans) = (JoinSet::new(), JoinSet::new());
        for writer in 0..count {
            writers.spawn(write(writer, nodes.to_vec(), Arc::clone(&written), most, Arc::clone(&is_over)));
        }
        scans.spawn(scan(nodes.to_vec(), Arc::clone(&written), Arc::clone(&is_over)));
        Self { is_over, written, writers, scans }
    }

    /// Waits until all is written.
    async fn until_written(&mut self) {
        while let Some(writer) = self.writers.join_next().await {
            writer.expect("no request failed");
        }
    }

    /// The scan goes on, and none has failed.
    fn is_scanned(&mut self) -> bool {
        self.scans.try_join_next().is_none()
    }

    async fn end(mut self, nodes: &[Client]) {
        self.is_over.store(true, Ordering::Relaxed);
        self.until_written().await;
        let scans = self.scans.join_next().await.expect("one").expect("no page failed");
        let keys: u64 = self.written.iter().map(|count| count.load(Ordering::Acquire)).sum();
        for node in nodes {
            assert_eq!(hold(node).await, keys);
        }
        println!("{keys} keys, {scans} scans");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_table_that_grows_at_its_end_splits_and_spreads_under_scans() {
    let nodes = Nodes::start(4, SETTINGS);
    let clients: Vec<Client> = (0..4).map(|at| nodes.client(&[at])).collect();
    make_tables(&clients[0], json!({"name": TABLE, "sharding": "range", "durability": "os"})).await;
    assert_eq!(copies(&clients[0], TABLE, 4).await.0, 1, "{} founds it", name(0));
    let feed = Feed::start(&clients, 3, u64::MAX);
    until_spread(&clients[0], 4, 4, Duration::from_secs(240)).await;
    feed.end(&clients).await;
}

/// Readers that ask for a key of the table at a steady pace, at one node after the other, until they are dropped: of a
/// hundred so many for the first tenth of the keys. Each finds what was written.
fn read(nodes: &[Client], keys: u64, skew: u64) -> JoinSet<()> {
    let mut readers = JoinSet::new();
    for reader in 0..CLIENTS {
        let nodes = nodes.to_vec();
        readers.spawn(async move {
            let mut pace = tokio::time::interval(Duration::from_micros(1_000_000 * CLIENTS / RATE));
            let mut random = reader + 1;
            let mut draw = move |most: u64| {
                random =
                    random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                (random >> 33) % most
            };
            for turn in 0.. {
                pace.tick().await;
                let numbers = keys / CLIENTS;
                let number = if draw(100) < skew { draw(numbers / 10) } else { draw(numbers) };
                let key = key(draw(CLIENTS), number);
                let found = nodes[turn % nodes.len()].get(TABLE, key.as_bytes(), &Read::default()).await;
                let found = found.unwrap_or_else(|error| panic!("{key}: {error}")).answer;
                let is_written = match &found {
                    Found::Value(found) => found.bytes[..] == *value(number).as_bytes(),
                    Found::Absent { .. } => false,
                };
                assert!(is_written, "{key}: {found:?}");
            }
        });
    }
    readers
}

/// The most that a node has, in hundredths of the mean.
fn most_of(figures: &[u64]) -> u64 {
    let all: u64 = figures.iter().sum();
    figures.iter().max().expect("some") * 100 * figures.len() as u64 / all.max(1)
}

/// Requests that each node carries out in a while.
async fn carried(nodes: &Nodes) -> Vec<u64> {
    let count = |at: usize| metric(&nodes.address(at), "quorate_peer_requests_total");
    let before: Vec<u64> = (0..6).map(count).collect();
    tokio::time::sleep(COUNTED).await;
    (0..6).map(count).zip(before).map(|(now, before)| now - before).collect()
}

/// Reads until every one of six nodes carries at most 1.1 times the mean of the requests and of the copies.
async fn until_even(
    (nodes, clients): (&Nodes, &[Client]),
    feed: &mut Feed,
    keys: u64,
    skew: u64,
    patience: Duration,
) {
    let (mut readers, begun) = (read(clients, keys, skew), Instant::now());
    loop {
        let carried = carried(nodes).await;
        assert!(readers.try_join_next().is_none() && feed.is_scanned(), "no read failed, and no page");
        let (shards, mut held) = copies(&clients[0], TABLE, 6).await;
        let (_, others) = copies(&clients[0], OTHER, 6).await;
        held.iter_mut().zip(others).for_each(|(held, other)| *held += other);
        let took = begun.elapsed().as_secs();
        println!("{skew} % for a tenth, {took} s: {shards} shards, copies {held:?}, requests {carried:?}");
        if most_of(&carried) <= 110 && most_of(&held) <= 110 {
            return;
        }
        assert!(begun.elapsed() < patience, "not even after {took} s");
    }
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "half an hour: cargo test --release -p quorate --test cli splitting -- --ignored --nocapture"]
async fn two_million_keys_in_their_order_spread_over_three_nodes_then_six() {
    let keys: u64 = std::env::var("KEYS").map_or(2_000_000, |keys| keys.parse().expect("a number"));
    let mut nodes = Nodes::start(3, SETTINGS_AT_SIZE);
    let clients: Vec<Client> = (0..3).map(|at| nodes.client(&[at])).collect();
    let table = json!({
        "name": TABLE, "sharding": "range", "durability": "os", "shard_bytes_max": 8 << 20
    });
    make_tables(&clients[0], table).await;
    let mut feed = Feed::start(&clients, CLIENTS, keys / CLIENTS);
    until_spread(&clients[0], 3, 4, Duration::from_secs(600)).await;
    for at in 3..6 {
        nodes.join(at);
    }
    nodes.until_members(6);
    nodes.run(0, &["cluster", "plan", "add", "--apply", "--wait"]).expect_code(0);
    until_spread(&clients[0], 6, 16, Duration::from_secs(1_200)).await;
    feed.until_written().await;
    let clients: Vec<Client> = (0..6).map(|at| nodes.client(&[at])).collect();
    until_even((&nodes, &clients), &mut feed, keys, 0, Duration::from_secs(600)).await;
    until_even((&nodes, &clients), &mut feed, keys, 80, Duration::from_secs(1_200)).await;
    feed.end(&clients).await;
}
