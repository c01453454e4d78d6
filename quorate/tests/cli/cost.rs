//! What it costs to fill a node that lost everything, in one run: time, against a plain copy, and what clients feel.

use crate::load::value;
use crate::nodes::Nodes;
use crate::process::Running;
use quorate_client::{Client, Read, Write};
use quorate_model::Durability;
use quorate_storage::engine::{Batch, Direction, KeyRange};
use quorate_storage::{Engine, Family, OpenMode, PageLimit, RocksEngine, RocksOptions};
use serde_json::{Value, json};
use std::path::Path;
use std::time::{Duration, Instant};
use tokio::task::JoinSet;

const RECORDS: u64 = 1_000_000;
const BATCH: u64 = 500;
const VALUE: usize = 100;

/// Requests of clients in a second, half of them reads.
const RATE: u64 = 400;

/// How long clients are watched while nothing else goes on.
const QUIET: Duration = Duration::from_secs(20);

/// So often it is looked whether what is watched is over.
const LOOK_INTERVAL: Duration = Duration::from_millis(20);

/// How long a filling may take.
const LONG: Duration = Duration::from_secs(600);

fn key(number: u64) -> String {
    format!("key-{number:012}")
}

/// Stores so many records in table `t`, with values of so many bytes.
pub async fn load(client: &Client, records: u64, bytes: usize) {
    let mut batches: JoinSet<()> = JoinSet::new();
    for first in (0..records).step_by(usize::try_from(BATCH).expect("small")) {
        if batches.len() >= 8 {
            batches.join_next().await.expect("some").expect("stored");
        }
        let client = client.clone();
        batches.spawn(async move {
            let put = |at| json!({ "put": { "key": key(at), "value": value(at, bytes) } });
            let items: Vec<Value> = (first..records.min(first + BATCH)).map(put).collect();
            let body = json!({ "items": items });
            let path = "/v1/tables/t/batch".to_owned();
            let deadline = Instant::now() + LONG;
            loop {
                // What a busy disk has left open is asked for again.
                let answer = client.change(http::Method::POST, path.clone(), Some(&body)).await;
                let results = answer.as_ref().ok().and_then(|answer| answer["results"].as_array());
                if results.is_some_and(|results| results.iter().all(|result| result["status"] == 200)) {
                    return;
                }
                assert!(Instant::now() < deadline, "never stored, last of all: {:?}", answer.err());
            }
        });
    }
    while let Some(done) = batches.join_next().await {
        done.expect("stored");
    }
}

/// What clients felt for some time: latencies in microseconds, sorted, and how many requests failed.
#[derive(Default)]
struct Felt {
    micros: Vec<u128>,
    failed: Vec<String>,
}

impl Felt {
    fn quantile(&self, per_mille: usize) -> u128 {
        self.micros[(self.micros.len() * per_mille / 1_000).min(self.micros.len() - 1)]
    }

    fn say(&self, when: &str) {
        println!(
            "{when}: {} requests, p50 {} us, p99 {} us, {} failed",
            self.micros.len(),
            self.quantile(500),
            self.quantile(990),
            self.failed.len()
        );
        assert!(self.failed.is_empty(), "{:?}", self.failed);
    }
}

/// Sends requests at a steady rate, whatever becomes of them, until `is_over`.
async fn watch(client: &Client, mut is_over: impl AsyncFnMut() -> bool) -> Felt {
    let mut felt = Felt::default();
    let mut under_way: JoinSet<(u128, Option<String>)> = JoinSet::new();
    let mut turn = tokio::time::interval(Duration::from_micros(1_000_000 / RATE));
    let mut look_at = Instant::now();
    for number in 0_u64.. {
        let due = turn.tick().await;
        if look_at <= Instant::now() {
            if is_over().await {
                break;
            }
            look_at = Instant::now() + LOOK_INTERVAL;
        }
        let client = client.clone();
        under_way.spawn(async move {
            let at = key(number.wrapping_mul(0x9E37_79B9_7F4A_7C15) % RECORDS);
            let failed = if number.is_multiple_of(2) {
                client.get("t", at.as_bytes(), &Read::default()).await.err()
            } else {
                client
                    .put("t", at.as_bytes(), value(number, VALUE).into_bytes(), &Write::default())
                    .await
                    .err()
            };
            (due.elapsed().as_micros(), failed.map(|error| error.to_string()))
        });
        while let Some(done) = under_way.try_join_next() {
            let (micros, failed) = done.expect("asked");
            felt.micros.push(micros);
            felt.failed.extend(failed);
        }
    }
    felt.micros.sort_unstable();
    felt
}

/// Compares what all owners hold, which is the same.
async fn verify(client: &Client, nodes: &Nodes, when: &str) {
    let processor = || nodes.running.iter().flatten().map(Running::processor).sum::<Duration>();
    let before = processor();
    let order = json!({ "type": "verify" });
    let job = client.change(http::Method::POST, "/v1/jobs".to_owned(), Some(&order)).await.expect("begun");
    let path = format!("/v1/jobs/{}", job["id"].as_str().expect("an id"));
    let ended = loop {
        let job = client.ask(path.clone()).await.expect("a job");
        if job["state"] != "running" {
            break job;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    };
    println!(
        "{RECORDS} equal keys compared, {when}: {:?} of processor, {} B for {} shards",
        processor().saturating_sub(before),
        ended["bytes"],
        ended["shards"]
    );
    assert_eq!(ended["differing"], 0, "{ended}");
}

/// Copies a folder and syncs what it wrote: how many bytes, how long.
fn copy(from: &Path, to: &Path) -> (u64, Duration) {
    let begun = Instant::now();
    let mut bytes = 0;
    std::fs::create_dir_all(to).expect("made");
    for entry in std::fs::read_dir(from).expect("a listing") {
        let entry = entry.expect("an entry");
        if entry.file_type().expect("a type").is_file() {
            let path = to.join(entry.file_name());
            bytes += std::fs::copy(entry.path(), &path).expect("copied");
            std::fs::File::open(&path).expect("opened").sync_all().expect("synced");
        }
    }
    (bytes, begun.elapsed())
}

/// Reads all records of a database in order and writes them into a new one, and nothing else: how long that takes.
fn copy_records(from: &Path, to: &Path) -> Duration {
    let open =
        |folder: &Path, mode| RocksEngine::open(folder, mode, &RocksOptions::default()).expect("opened");
    let (from, to) = (open(from, OpenMode::Existing), open(to, OpenMode::Create));
    let begun = Instant::now();
    let mut range = KeyRange { start: Vec::new(), end: None };
    let mut records = 0;
    loop {
        let page = from.scan(Family::Records, &range, Direction::Forward, PageLimit::BULK).expect("read");
        let Some((last, _)) = page.last() else { break };
        range = range.after(last);
        let mut batch = Batch::default();
        for (key, record) in page {
            batch.put(Family::Records, key.to_vec(), record);
            records += 1;
        }
        to.write(batch, Durability::Os).expect("written");
    }
    to.sync().expect("synced");
    assert_eq!(records, RECORDS);
    begun.elapsed()
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "a measurement: cargo test --release -p quorate --test cli cost -- --ignored --nocapture"]
async fn of_filling_a_node_that_lost_everything() {
    quorate_client::install_crypto_provider();
    let mut nodes = Nodes::start(3, &[]);
    let client = nodes.client(&[0, 1]);
    let table = json!({ "name": "t", "n": 3, "durability": "os" });
    client.change(http::Method::POST, "/v1/tables".to_owned(), Some(&table)).await.expect("made");
    let begun = Instant::now();
    load(&client, RECORDS, VALUE).await;
    println!("{RECORDS} records of {VALUE} B stored in {:.1} s", begun.elapsed().as_secs_f64());
    let until = Instant::now() + QUIET;
    let quiet = watch(&client, async || Instant::now() >= until).await;
    quiet.say("quiet");

    drop(nodes.take(2));
    let (source, other) = (nodes.folder.path().join("copy"), nodes.folder.path().join("other"));
    let (bytes, took) = copy(&nodes.data(2).join("db"), &source.join("db"));
    println!("its files copied and synced, without a look at them: {bytes} B in {:.2} s", took.as_secs_f64());
    // Under the same load as the filling.
    let copying = tokio::task::spawn_blocking(move || copy_records(&source, &other));
    watch(&client, async || copying.is_finished()).await.say("while its records are copied");
    let copied = copying.await.expect("copied");
    println!("its records copied from one database into another: {:.2} s", copied.as_secs_f64());
    std::fs::remove_dir_all(nodes.data(2)).expect("wiped");
    let begun = Instant::now();
    let first = nodes.address(0);
    nodes.serve(2, &["--join", &first, "--replace-self", "n3"]).until_said("this node fills its copies");
    println!("it fills itself after {:.1} s", begun.elapsed().as_secs_f64());
    let begun = Instant::now();
    let own = nodes.client(&[2]);
    let mut whole_since = None;
    let filling = watch(&client, async || {
        if own.ready().await.is_ok() {
            whole_since.get_or_insert(Instant::now());
        }
        assert!(begun.elapsed() < LONG, "it is never whole");
        whole_since.is_some_and(|since| since.elapsed() > Duration::from_secs(1))
    })
    .await;
    filling.say("while it fills itself");
    let took = whole_since.expect("it is whole") - begun;
    println!(
        "whole {:.1} s later: {:.0} records a second, {:.2} of a plain copy's speed",
        took.as_secs_f64(),
        RECORDS as f64 / took.as_secs_f64(),
        copied.as_secs_f64() / took.as_secs_f64()
    );
    // The first one waits until what was filled is cut into chunks, and counted.
    verify(&client, &nodes, "just filled").await;
    verify(&client, &nodes, "again").await;
}
