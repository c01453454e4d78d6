//! Removals go, and their space comes back; while an owner is away, status and statistics say how much waits for it.

use crate::load::{self, TABLE};
use crate::nodes::Nodes;
use quorate_client::Client;
use quorate_client::document::TableSpec;
use serde_json::{Value as Json, json};
use std::path::Path;
use std::time::{Duration, Instant};
use tokio::task::JoinSet;

/// Removals go as soon as that is safe.
const AT_ONCE: [(&str, &str); 3] =
    [("QUORATE_PURGE_AFTER", "1ms"), ("QUORATE_PURGE_IDS_KEEP", "1ms"), ("QUORATE_PURGE_EVERY", "500ms")];

/// So old, and not before.
const LATER: [(&str, &str); 3] =
    [("QUORATE_PURGE_AFTER", "2m"), ("QUORATE_PURGE_IDS_KEEP", "2m"), ("QUORATE_PURGE_EVERY", "500ms")];

const KEYS: u64 = 1_000_000;
const VALUE: usize = 100;
const BATCH: u64 = 500;

/// How long the purge of half of so many may take.
const LONG: Duration = Duration::from_secs(900);

async fn cluster(settings: &[(&'static str, &'static str)], durability: &str) -> (Nodes, Client) {
    quorate_client::install_crypto_provider();
    let nodes = Nodes::start(3, settings);
    let client = nodes.client(&[0, 1]);
    let durability = Some(durability.to_owned());
    let table = TableSpec { name: TABLE.to_owned(), n: Some(3), durability, ..TableSpec::default() };
    client.create_table(&table).await.expect("made");
    (nodes, client)
}

/// Changes of these keys, many at a time.
async fn change(client: &Client, keys: impl IntoIterator<Item = u64>, to: impl Fn(u64) -> Json) {
    let keys: Vec<u64> = keys.into_iter().collect();
    let mut batches: JoinSet<()> = JoinSet::new();
    for some in keys.chunks(usize::try_from(BATCH).expect("small")) {
        while batches.len() >= 4 {
            batches.join_next().await.expect("some").expect("changed");
        }
        let (client, mut items) = (client.clone(), some.iter().map(|at| to(*at)).collect::<Vec<Json>>());
        batches.spawn(async move {
            let deadline = Instant::now() + LONG;
            // What a busy machine has refused or left open is asked for again.
            while !items.is_empty() {
                assert!(Instant::now() < deadline, "never changed: {items:?}");
                let (path, body) = (format!("/v1/tables/{TABLE}/batch"), json!({ "items": items }));
                let answer = client.change(quorate_client::Method::POST, path, Some(&body)).await;
                let results = answer.map_or(Json::Null, |mut answer| answer["results"].take());
                let is_open = |at: usize| results[at]["status"].as_u64().is_none_or(|status| status >= 300);
                items =
                    items.into_iter().enumerate().filter(|(at, _)| is_open(*at)).map(|(_, it)| it).collect();
            }
        });
    }
    while let Some(done) = batches.join_next().await {
        done.expect("changed");
    }
}

fn key(at: u64) -> String {
    format!("key-{at:012}")
}

fn put(at: u64) -> Json {
    json!({ "put": { "key": key(at), "value": load::value(at, VALUE) } })
}

fn delete(at: u64) -> Json {
    json!({ "delete": { "key": key(at) } })
}

async fn stats(client: &Client) -> Json {
    client.table_stats(TABLE).await.expect("statistics")
}

#[tokio::test(flavor = "multi_thread")]
async fn who_holds_back_how_many_removals_is_said_and_they_go_when_it_is_back() {
    let (mut nodes, client) = cluster(&AT_ONCE, "sync").await;
    change(&client, 0..200, put).await;
    drop(nodes.take(2));
    nodes.until(&["cluster", "nodes", "--output", "json"], |list| list[2]["state"] == "down");
    change(&client, (0..200).step_by(2), delete).await;

    let stats = ["table", "stats", TABLE, "--output", "json"];
    let said = nodes.until(&stats, |said| said["removals"] == 100);
    let held = &said["purge_held_back"];
    assert_eq!(
        (&held[0]["by"], &held[0]["removals"], &held[1]),
        (&"n3".into(), &100.into(), &Json::Null),
        "{said}"
    );
    assert!(held[0]["shards"].as_u64().is_some_and(|shards| (30..=64).contains(&shards)), "{said}");
    let text = nodes.run(0, &["table", "stats", TABLE]).expect_code(0);
    assert!(text.text().contains("purge held back"), "{text:?}");
    let status = nodes.run(0, &["status"]).expect_code(0);
    let status = status.text().split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(status.contains("the purge of 100 removals in") && status.contains("waits for n3"), "{status}");

    let first = nodes.address(0);
    nodes.serve(2, &["--join", &first]);
    let said = nodes.until(&stats, |said| said["removals"] == 0 && said["exact"] == true);
    assert_eq!((&said["keys"], &said["purge_held_back"]), (&100.into(), &Json::Null), "{said}");
    assert!(!nodes.run(0, &["status"]).text().contains("the purge of"));
}

/// What the files of a folder take on the disk, in bytes.
fn disk_use(folder: &Path) -> u64 {
    use std::os::unix::fs::MetadataExt as _;
    // A file may be removed while it is looked at.
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    let of = |entry: std::fs::DirEntry| match entry.metadata() {
        Ok(facts) if facts.is_dir() => disk_use(&entry.path()),
        Ok(facts) => facts.blocks() * 512,
        Err(_) => 0,
    };
    entries.map(of).sum()
}

fn disk_uses(nodes: &Nodes) -> Vec<u64> {
    (0..3).map(|at| disk_use(&nodes.data(at))).collect()
}

/// Bytes of the tables of a node's database.
fn table_bytes(folder: &Path) -> u64 {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    let of = |entry: std::fs::DirEntry| match entry.metadata() {
        Ok(facts) if facts.is_dir() => table_bytes(&entry.path()),
        Ok(facts) if entry.path().extension().is_some_and(|kind| kind == "sst") => facts.len(),
        Ok(_) | Err(_) => 0,
    };
    entries.map(of).sum()
}

/// Waits until the tables of a node's database take less than this.
async fn until_smaller(nodes: &Nodes, at: usize, most: u64) {
    let deadline = Instant::now() + Duration::from_secs(60);
    loop {
        let bytes = table_bytes(&nodes.data(at));
        if bytes < most {
            return;
        }
        assert!(
            Instant::now() < deadline,
            "node {at} has {bytes} B in tables, and should have less than {most}"
        );
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_space_of_copies_that_moved_away_and_of_a_dropped_table_comes_back() {
    quorate_client::install_crypto_provider();
    // Most of what is written is soon in tables.
    let nodes = Nodes::start(3, &[("QUORATE_ROCKSDB_MEMTABLE_BYTES", "16MiB")]);
    let client = nodes.client(&[0]);
    let table = json!({ "name": TABLE, "n": 1, "shards": 16, "durability": "os" });
    client.change(quorate_client::Method::POST, "/v1/tables".to_owned(), Some(&table)).await.expect("made");
    let wide = |at: u64| json!({ "put": { "key": key(at), "value": load::value(at, 20 * VALUE) } });
    change(&client, 0..40_000, wide).await;
    let before: Vec<u64> = (0..3).map(|at| table_bytes(&nodes.data(at))).collect();
    assert!(before.iter().all(|bytes| *bytes > 8 << 20), "{before:?}");
    // One copy stays, as near to its share as can be.
    nodes.run(0, &["cluster", "plan", "weight", "n3", "0.01", "--apply", "--wait"]).expect_code(0);
    until_smaller(&nodes, 2, before[2] / 2).await;
    nodes.run(0, &["table", "drop", TABLE, &format!("--accept-data-loss={TABLE}")]).expect_code(0);
    until_smaller(&nodes, 0, before[0] / 4).await;
    until_smaller(&nodes, 1, before[1] / 4).await;
}

/// What is on the disk once nothing has changed any more for a while: compactions come after what makes them due.
async fn settled(nodes: &Nodes) -> Vec<u64> {
    let (mut last, mut since) = (disk_uses(nodes), Instant::now());
    while since.elapsed() < Duration::from_secs(15) {
        tokio::time::sleep(Duration::from_millis(500)).await;
        let now = disk_uses(nodes);
        if now != last {
            (last, since) = (now, Instant::now());
        }
    }
    last
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "a measurement: cargo test --release -p quorate --test cli purge -- --ignored --nocapture"]
async fn disk_use_after_half_of_the_keys_was_deleted_and_purged() {
    let (nodes, client) = cluster(&AT_ONCE, "os").await;
    change(&client, (1..KEYS).step_by(2), put).await;
    let needed = settled(&nodes).await;
    println!("{} keys of {VALUE} B alone: {needed:?} B on the disks", KEYS / 2);
    drop(nodes);

    let (nodes, client) = cluster(&LATER, "os").await;
    change(&client, 0..KEYS, put).await;
    println!("{KEYS} keys: {:?} B", settled(&nodes).await);
    let begun = Instant::now();
    change(&client, (0..KEYS).step_by(2), delete).await;
    let said = stats(&client).await;
    println!(
        "half deleted after {:.1} s: {} removals, {:?} B",
        begun.elapsed().as_secs_f64(),
        said["removals"],
        disk_uses(&nodes)
    );
    let mut peak = 0;
    loop {
        let said = stats(&client).await;
        peak = peak.max(disk_uses(&nodes).into_iter().max().unwrap_or(0));
        if said["removals"] == 0 && said["exact"] == true {
            break;
        }
        assert!(begun.elapsed() < LONG, "{said}");
        tokio::time::sleep(Duration::from_millis(500)).await;
    }
    println!(
        "purged {:.1} s after the first delete, at most {peak} B on a disk",
        begun.elapsed().as_secs_f64()
    );
    let left = settled(&nodes).await;
    println!("what is left: {left:?} B, {:.1} s after the first delete", begun.elapsed().as_secs_f64());
    assert_eq!(stats(&client).await["keys"], KEYS / 2);
    for (left, needed) in left.iter().zip(&needed) {
        assert!(*left as f64 <= *needed as f64 * 1.1, "{left} B are left, and {needed} B are needed");
    }
}
