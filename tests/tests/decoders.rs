//! Every decoder of outside bytes (`quorate::decoders`) on a corpus and on mutations of it.
//!
//! The corpus is `tests/corpus/<decoder>`: files `ok-*` are taken, files `bad-*` are refused. Each is then changed some
//! thousand times, by a fixed seed: bits, cut and doubled pieces, lengths that claim gigabytes, pieces of its
//! neighbours. A decoder may say yes or no to any of that; it may not panic, may not break its round trip (the table
//! itself insists), and may not take memory for what is only claimed.
//!
//! `DECODER=record SEED=7 ROUNDS=1000000 cargo test -p quorate-tests --test decoders` looks longer at one of them; `fuzz/`
//! gives the same table to libFuzzer.

#![allow(clippy::unwrap_used, reason = "a test that can't go on has failed")]

use quorate::decoders::{Decoder, all};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// Mutations of each decoder's corpus.
const ROUNDS: u64 = 10_000;
/// Longest input: far below what any of the lengths in it may claim.
const INPUT_BYTES_MAX: usize = 16 * 1024;
/// What the address space of this process may grow by while one decoder runs, in KiB. Inputs are at most 16 KiB and are
/// dropped at once; a single length believed would be megabytes or gigabytes.
const GROWTH_KIB_MAX: u64 = 64 * 1024;

/// Chance that means the same for ever: `SplitMix64` (Steele, Lea, Flood, 2014).
struct Random(u64);

impl Random {
    fn next_u64(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    fn next_u32(&mut self) -> u32 {
        (self.next_u64() >> 32) as u32
    }
}

fn corpus() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus")
}

fn files(decoder: &Decoder) -> Vec<(String, Vec<u8>)> {
    let folder = corpus().join(decoder.name);
    let entries = std::fs::read_dir(&folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    let mut files: Vec<(String, Vec<u8>)> = entries
        .map(|entry| {
            let path = entry.unwrap().path();
            (path.file_name().unwrap().to_string_lossy().into_owned(), std::fs::read(&path).unwrap())
        })
        .collect();
    files.sort();
    files
}

fn number(variable: &str, default: u64) -> u64 {
    std::env::var(variable).map_or(default, |text| text.parse().unwrap())
}

/// The most address space that this process ever had, in KiB: memory that was asked for counts, touched or not.
fn peak_kib() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmPeak:")).unwrap();
    line.trim().trim_end_matches(" kB").parse().unwrap()
}

#[test]
fn the_corpus_and_the_table_name_each_other() {
    let folders: BTreeSet<String> = std::fs::read_dir(corpus())
        .unwrap()
        .map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned())
        .collect();
    let names: BTreeSet<String> = all().map(|decoder| decoder.name.to_owned()).collect();
    assert_eq!(folders, names);
    assert_eq!(names.len(), all().count(), "names are unique");
}

#[test]
fn each_file_is_taken_or_refused_as_its_name_says() {
    for decoder in all() {
        let files = files(decoder);
        for kind in ["ok-", "bad-"] {
            let any = files.iter().any(|(name, _)| name.starts_with(kind));
            assert!(any, "{} has no file {kind}*", decoder.name);
        }
        for (name, bytes) in files {
            let takes = (decoder.takes)(&bytes);
            assert_eq!(takes, name.starts_with("ok-"), "{}/{name}", decoder.name);
        }
    }
}

#[test]
fn whatever_comes_is_taken_or_refused() {
    let only = std::env::var("DECODER").ok();
    let (seed, rounds) = (number("SEED", 1), number("ROUNDS", ROUNDS));
    let chosen: Vec<&Decoder> =
        all().filter(|decoder| only.as_ref().is_none_or(|only| only == decoder.name)).collect();
    assert!(!chosen.is_empty(), "no decoder has the name in DECODER");
    for decoder in chosen {
        let files: Vec<Vec<u8>> = files(decoder).into_iter().map(|(_, bytes)| bytes).collect();
        let mut random = Random(seed);
        let before = peak_kib();
        for round in 0..rounds {
            let mut bytes = pick(&files, &mut random).to_vec();
            for _ in 0..=random.next_u32() % 4 {
                mutate(&mut bytes, &files, &mut random);
                bytes.truncate(INPUT_BYTES_MAX);
            }
            let took = std::panic::catch_unwind(|| (decoder.takes)(&bytes));
            assert!(took.is_ok(), "{} panics (SEED={seed}, round {round}) on {bytes:02x?}", decoder.name);
        }
        let grown = peak_kib().saturating_sub(before);
        assert!(grown <= GROWTH_KIB_MAX, "{} took {grown} KiB for inputs of 16 KiB", decoder.name);
    }
}

fn pick<'a>(files: &'a [Vec<u8>], random: &mut Random) -> &'a [u8] {
    &files[random.next_u64() as usize % files.len()]
}

/// A place in the bytes, their end included.
fn place(bytes: &[u8], random: &mut Random) -> usize {
    random.next_u64() as usize % (bytes.len() + 1)
}

fn piece(bytes: &[u8], random: &mut Random) -> std::ops::Range<usize> {
    let (a, b) = (place(bytes, random), place(bytes, random));
    a.min(b)..a.max(b)
}

/// One change.
fn mutate(bytes: &mut Vec<u8>, files: &[Vec<u8>], random: &mut Random) {
    let at = place(bytes, random);
    match random.next_u32() % 9 {
        0 if at < bytes.len() => bytes[at] ^= 1 << (random.next_u32() % 8),
        1 if at < bytes.len() => {
            bytes[at] = [0, 1, 0x7f, 0x80, 0xff, b'%', b'"'][random.next_u32() as usize % 7];
        }
        2 => bytes.truncate(at),
        3 => drop(bytes.drain(piece(bytes, random))),
        4 => {
            let copy = bytes[piece(bytes, random)].to_vec();
            bytes.splice(at..at, copy);
        }
        5 => {
            let other = pick(files, random);
            let other = other[piece(other, random)].to_vec();
            bytes.splice(at..at, other);
        }
        6 => {
            // A length that claims much: of CBOR (an array, a map, bytes, text), or a bare one.
            let claim = [0x9b, 0xbb, 0x5b, 0x7b, 0x9a, 0x5a, 0xff][random.next_u32() as usize % 7];
            let rest = (random.next_u64() >> (random.next_u32() % 64)).to_be_bytes();
            bytes.splice(at..at, [&[claim], &rest[..]].concat());
        }
        7 => {
            let length = random.next_u32() % 16;
            let noise: Vec<u8> = (0..length).map(|_| random.next_u32() as u8).collect();
            bytes.splice(at..at, noise);
        }
        8 => {
            // Depth: the same opening again and again.
            let opening = [0x81, b'[', b'{', 0x9f, 0xd8][random.next_u32() as usize % 5];
            bytes.splice(at..at, std::iter::repeat_n(opening, 2_000));
        }
        _ => bytes.push(random.next_u32() as u8),
    }
}
