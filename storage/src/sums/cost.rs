//! What sums cost: CPU for each write, and memory. In release, alone on a quiet machine:
//! `cargo test --release -p quorate-storage sums::cost -- --ignored --nocapture`.

use super::*;
use quorate_model::{Body, Boot, NodeId, Operations, Record, SortKey, Stamps, WallTime};
use std::hint::black_box;
use std::io::Write;
use std::time::Instant;

const KEYS: u64 = 1_000_000;
const ROUNDS: u32 = 7;

/// A sort key of a hash table: eight bytes of token, sixteen of key.
fn sort_key(n: u64) -> Vec<u8> {
    let mut bytes = n.wrapping_mul(0x9e37_79b9_7f4a_7c15).to_be_bytes().to_vec();
    bytes.extend_from_slice(format!("{n:016}").as_bytes());
    bytes
}

fn record(seq: u64) -> Vec<u8> {
    let mut stamps = Stamps::new(NodeId(1), Boot(seq));
    let version = stamps.draw().above(None).expect("first");
    let body = Body::Value { content_type: String::new(), payload: vec![7; 100].into() };
    Record { version, written_at: WallTime(1), expires_at: None, body, operations: Operations::default() }
        .encode()
}

fn resident_bytes() -> u64 {
    let statm = std::fs::read_to_string("/proc/self/statm").expect("Linux");
    statm.split(' ').nth(1).and_then(|pages| pages.parse::<u64>().ok()).expect("a number of pages") * 4096
}

/// A million keys in chunks of 2,048, as after a while of writing.
fn filled() -> Sums {
    let table = TableId(1);
    let mut sums = Sums::new(ClusterId(1), Rules::INTACT, 2_048);
    let mut keys: Vec<Vec<u8>> = (0..KEYS).map(sort_key).collect();
    keys.sort();
    let starts: Vec<Bytes> =
        keys.chunks(2_048).skip(1).map(|chunk| Bytes::copy_from_slice(&chunk[0])).collect();
    let ends = starts.iter().cloned().map(|end| Some(SortKey(end))).chain([None]);
    let starts = [Bytes::new()].into_iter().chain(starts.iter().cloned());
    let rows = starts.zip(ends).map(|(start, end)| (table, start, Row { end, total: Total::default() }));
    sums.load(&[table], rows.collect()).expect("side by side");
    sums
}

#[test]
#[ignore = "a measurement: alone, in release"]
fn what_a_write_costs() {
    let mut sums = filled();
    let hasher = sums.hasher();
    let (before, after) = (record(1), record(2));
    let keys: Vec<Vec<u8>> = (0..200_000).map(|n| sort_key(n * 5)).collect();
    let mut nanoseconds = f64::MAX;
    for _ in 0..ROUNDS {
        let begun = Instant::now();
        for key in &keys {
            // What `replica/sums.rs` does for a record that was held, but for the batch.
            let old = hasher.item(key, black_box(&before));
            let new = hasher.item(key, black_box(&after));
            let noted = key.clone();
            black_box(sums.row_to_delete(TableId(1), &noted));
            sums.change(TableId(1), &noted, old, new);
        }
        nanoseconds = nanoseconds.min(begun.elapsed().as_nanos() as f64 / keys.len() as f64);
    }
    let mut out = std::io::stdout();
    let (chunks, _) = (sums.statistics().chunks, sums.statistics().missing);
    writeln!(out, "{nanoseconds:.0} ns a write of 100 B over {KEYS} keys in {chunks} chunks")
        .expect("written");
    assert!(nanoseconds < 1_000.0 || cfg!(debug_assertions), "{nanoseconds:.0} ns a write");
}

#[test]
#[ignore = "a measurement: alone, in release"]
fn what_chunks_take() {
    const CHUNKS: u64 = 500_000;
    let before = resident_bytes();
    let mut starts: Vec<Bytes> = (0..CHUNKS).map(|n| Bytes::from(sort_key(n))).collect();
    starts.sort();
    let mut chunks = Chunks::empty();
    for start in starts {
        chunks.put(start, Chunk { total: Total::default(), state: State::Changed });
    }
    let bytes = (resident_bytes() - before) as f64 / CHUNKS as f64;
    black_box(&chunks);
    let a_key = bytes / 2_048.0;
    writeln!(std::io::stdout(), "{bytes:.0} B a chunk, {a_key:.3} B a key").expect("written");
}
