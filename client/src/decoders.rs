//! The decoders of this crate: where a server is, and what it answers.
//!
//! Left out: documents that are handed on as the JSON they are.

use crate::answer::{Meta, MgetItem};
use crate::endpoint::Endpoint;
use crate::session::Map;
use quorate_api::document::{Problem, Ring, Written};
use quorate_model::decoder::text;
use reqwest::header::{HeaderMap, HeaderName, HeaderValue};
use serde_json::Value as Json;

quorate_model::decoders! {
    "endpoint" => text::<Endpoint>,
    "problem" => problem,
    "written" => written,
    "results" => results,
    "answer-headers" => headers,
    "ring" => ring,
}

/// The body of an acknowledged write.
fn written(bytes: &[u8]) -> bool {
    let Ok(written) = serde_json::from_slice::<Written>(bytes) else { return false };
    let once = serde_json::to_vec(&written).expect("a struct of plain members is JSON");
    assert_eq!(serde_json::from_slice::<Written>(&once).expect("what was written can be read"), written);
    true
}

/// The body of an mget of two keys.
fn results(bytes: &[u8]) -> bool {
    let Ok(document) = serde_json::from_slice::<Json>(bytes) else { return false };
    let Some(items) = MgetItem::all(&[b"a".to_vec(), b"b".to_vec()], &document) else { return false };
    assert_eq!(items.len(), 2);
    true
}

/// The ring of one table, of which a session makes a map.
fn ring(bytes: &[u8]) -> bool {
    let Ok(ring) = serde_json::from_slice::<Ring>(bytes) else { return false };
    let Some(map) = Map::of(&ring) else { return false };
    assert!(map.owners_of(b"a").iter().all(|owner| map.owners().any(|known| known == owner)));
    true
}

/// The body of a refusal, which came with the status 503.
fn problem(bytes: &[u8]) -> bool {
    let Some(problem) = Problem::parse(503, bytes) else { return false };
    let once = serde_json::to_vec(&problem).expect("a struct of plain members is JSON");
    assert_eq!(Problem::parse(503, &once), Some(problem));
    true
}

/// Lines of headers, of which each that says something about the answer is looked at.
fn headers(bytes: &[u8]) -> bool {
    let mut headers = HeaderMap::new();
    for line in bytes.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()) {
        let Some(colon) = line.iter().position(|byte| *byte == b':') else { return false };
        let (name, value) = (&line[..colon], line[colon + 1..].trim_ascii());
        let (Ok(name), Ok(value)) = (HeaderName::from_bytes(name), HeaderValue::from_bytes(value)) else {
            return false;
        };
        // What the HTTP library takes in a head.
        if headers.len() == 100 {
            return false;
        }
        headers.append(name, value);
    }
    let meta = Meta::of(&headers);
    let counts = ["r", "w", "n", "acks", "repaired"];
    let counted = |name: &str| meta.consistency.as_ref().and_then(|consistency| consistency.count(name));
    let any = counts.into_iter().filter_map(counted).count() > 0;
    meta.version.is_some() && meta.epoch.is_some() && any
}
