//! What it costs to list a table, to export it and to import it, and the memory that a node needs for a key.
//!
//! `KEYS` is the number of keys, 1,000,000 unless it says otherwise. Nothing here fails because of a time.

use crate::cost::load;
use crate::nodes::Nodes;
use crate::process::{Running, quorate, status_bytes};
use serde_json::json;
use std::fs::File;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::path::Path;
use std::time::{Duration, Instant};

const VALUE: usize = 100;

/// How each listing is asked for, and called.
const LISTINGS: [(&str, &str); 4] = [
    ("values=true", "values at quorum"),
    ("values=true&r=1", "values at one"),
    ("r=quorum", "keys at quorum"),
    ("r=1", "keys at one"),
];

/// So often each is measured.
const ROUNDS: usize = 3;

/// Memory is looked at so often, and is steady once it has not changed by a hundredth for so many times.
const LOOK_INTERVAL: Duration = Duration::from_millis(500);
const STEADY_LOOKS: u32 = 20;

fn keys_wanted() -> u64 {
    std::env::var("KEYS").map_or(1_000_000, |keys| keys.parse().expect("KEYS is a number"))
}

async fn table(nodes: &Nodes, name: &str, n: usize, sharding: &str) {
    let table = json!({ "name": name, "n": n, "sharding": sharding, "durability": "os" });
    let client = nodes.client(&[0]);
    client.change(http::Method::POST, "/v1/tables".to_owned(), Some(&table)).await.expect("made");
}

/// Sends a request and gives what is answered, head and all, piece by piece.
fn ask(address: &str, path: &str, accept: &str, mut take: impl FnMut(&[u8])) {
    let mut stream = TcpStream::connect(address).expect("connected");
    let head =
        format!("GET {path} HTTP/1.1\r\nHost: {address}\r\nAccept: {accept}\r\nConnection: close\r\n\r\n");
    stream.write_all(head.as_bytes()).expect("sent");
    let mut piece = vec![0; 256 * 1024];
    loop {
        match stream.read(&mut piece).expect("answered") {
            0 => return,
            some => take(&piece[..some]),
        }
    }
}

/// Lists a table as lines, and counts them: each ends an object.
fn listed(address: &str, name: &str, query: &str) -> u64 {
    let (mut lines, mut before) = (0, 0);
    ask(address, &format!("/v1/tables/{name}/keys?{query}"), "application/jsonl", |piece| {
        for byte in piece {
            lines += u64::from(*byte == b'\n' && before == b'}');
            before = *byte;
        }
    });
    lines
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "a measurement: cargo test --release -p quorate --test cli scan_cost -- --ignored --nocapture --test-threads=1"]
async fn of_listing_a_range_table() {
    quorate_client::install_crypto_provider();
    let nodes = Nodes::start(3, &[]);
    table(&nodes, "t", 3, "range").await;
    let keys = keys_wanted();
    load(&nodes.client(&[0, 1]), keys, VALUE).await;
    let processor = || nodes.running.iter().flatten().map(Running::processor).sum::<Duration>();
    for _ in 0..ROUNDS {
        for (query, words) in LISTINGS {
            let (begun, before) = (Instant::now(), processor());
            // The last line says that it is whole.
            assert_eq!(listed(&nodes.address(0), "t", query), keys + 1);
            let (took, cost) = (begun.elapsed(), processor().saturating_sub(before));
            println!(
                "{words}: {:.0} keys/s, {:.2} us of the servers' processor for each key",
                keys as f64 / took.as_secs_f64(),
                cost.as_secs_f64() * 1e6 / keys as f64
            );
        }
    }
}

/// How a command went: how long it took, and the most memory that it had.
struct Went {
    took: Duration,
    peak_bytes: u64,
}

/// Runs a command to its good end.
fn run(address: &str, arguments: &[&str]) -> Went {
    let mut command = quorate();
    command.args(["--quiet", "--endpoint", address]).args(arguments).stdout(std::process::Stdio::null());
    let (begun, mut peak_bytes) = (Instant::now(), 0);
    let mut child = command.spawn().expect("the binary starts");
    loop {
        peak_bytes = peak_bytes.max(status_bytes(child.id(), "VmHWM").unwrap_or(0));
        if let Some(ended) = child.try_wait().expect("waited for") {
            assert!(ended.success(), "{arguments:?}: {ended}");
            return Went { took: begun.elapsed(), peak_bytes };
        }
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// The digest of a file's lines in their order, and how many there are.
fn digest(path: &Path) -> (u64, u64) {
    let lines = BufReader::new(File::open(path).expect("opened")).lines();
    let mut lines: Vec<String> = lines.collect::<Result<_, _>>().expect("text");
    lines.sort_unstable();
    let mut hasher = DefaultHasher::new();
    lines.hash(&mut hasher);
    (hasher.finish(), lines.len() as u64)
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "a measurement: cargo test --release -p quorate --test cli scan_cost -- --ignored --nocapture --test-threads=1"]
async fn of_exporting_and_importing() {
    quorate_client::install_crypto_provider();
    let nodes = Nodes::start(3, &[]);
    table(&nodes, "t", 3, "range").await;
    table(&nodes, "copy", 3, "range").await;
    // A tenth first: what both need no more of for ten times the keys does not grow with the table.
    for keys in [keys_wanted() / 10, keys_wanted()] {
        load(&nodes.client(&[0, 1]), keys, VALUE).await;
        let (one, other) = (nodes.folder.path().join("one"), nodes.folder.path().join("other"));
        let commands = [
            ("exported", vec!["export", "t", "--to", one.to_str().expect("text")]),
            ("imported", vec!["import", "copy", one.to_str().expect("text")]),
            ("exported", vec!["export", "copy", "--to", other.to_str().expect("text")]),
        ];
        for (done, arguments) in commands {
            let Went { took, peak_bytes } = run(&nodes.address(0), &arguments);
            let (seconds, peak) = (took.as_secs_f64(), peak_bytes as f64 / f64::from(1 << 20));
            println!(
                "{keys} keys {done} in {seconds:.1} s, {:.0} a second, with {peak:.1} MiB of memory",
                keys as f64 / seconds
            );
        }
        let digest_of = digest(&one);
        assert_eq!((digest_of, digest_of.1), (digest(&other), keys), "what went in comes out");
        std::fs::remove_file(&one).expect("removed");
        std::fs::remove_file(&other).expect("removed");
    }
}

/// A figure of a node's metrics.
pub fn metric(address: &str, name: &str) -> u64 {
    let mut text = Vec::new();
    ask(address, "/metrics", "*/*", |piece| text.extend_from_slice(piece));
    let text = String::from_utf8(text).expect("text");
    let figure = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
    figure.and_then(|figure| figure.trim().parse().ok()).expect("a whole figure of that name")
}

/// A node's memory beside the database's cache and tables, once it is steady.
async fn steady(nodes: &Nodes) -> u64 {
    let address = nodes.address(0);
    let (mut last, mut looks) = (0, 0);
    loop {
        let of_database = ["quorate_rocksdb_block_cache_bytes", "quorate_rocksdb_memtable_bytes"];
        let of_database: u64 = of_database.iter().map(|name| metric(&address, name)).sum();
        let process = nodes.running[0].as_ref().expect("it runs");
        let now = process.memory().saturating_sub(of_database);
        let is_alike = now.abs_diff(last) < now / 100;
        looks = if is_alike && metric(&address, "quorate_chunks_missing") == 0 { looks + 1 } else { 0 };
        if looks == STEADY_LOOKS {
            return now;
        }
        last = if is_alike { last } else { now };
        tokio::time::sleep(LOOK_INTERVAL).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "a measurement: cargo test --release -p quorate --test cli scan_cost -- --ignored --nocapture --test-threads=1"]
async fn of_keeping_small_keys() {
    quorate_client::install_crypto_provider();
    // Small and full from the beginning, so that they say little.
    let settings =
        [("QUORATE_ROCKSDB_BLOCK_CACHE_BYTES", "8MiB"), ("QUORATE_ROCKSDB_MEMTABLE_BYTES", "16MiB")];
    let nodes = Nodes::start(1, &settings);
    table(&nodes, "t", 1, "range").await;
    let (few, many) = (keys_wanted() / 10, keys_wanted());
    load(&nodes.client(&[0]), few, 1).await;
    let before = steady(&nodes).await;
    load(&nodes.client(&[0]), many, 1).await;
    let after = steady(&nodes).await;
    println!(
        "{few} keys: {:.1} MiB beside cache and tables; {many}: {:.1} MiB; {:.2} B for each key",
        before as f64 / f64::from(1 << 20),
        after as f64 / f64::from(1 << 20),
        (after as f64 - before as f64) / (many - few) as f64
    );
}
