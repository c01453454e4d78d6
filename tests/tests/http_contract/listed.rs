//! Keys of any bytes: each is listed once, by pages and by lines, and can be asked for as it is listed, whatever a path
//! makes of it.

use super::ask::{ask, get, post, put};
use super::rig::{Cluster, shared};
use serde_json::{Value as Json, json};

/// Keys that paths, escapes and texts have their own ideas of.
const ODD: [&[u8]; 24] = [
    b"\0",
    b"a\0b",
    b".",
    b"..",
    b"...",
    b"/",
    b"//",
    b"/a",
    b"a/",
    b"a//",
    b"a//b",
    b"a/./b",
    b"a/../b",
    b"../../v1",
    b"%",
    b"%2F",
    b"a%2fb",
    b"%00",
    b"a?b#c&d=e+f;g",
    b"a b",
    b"line\r\n",
    b"\xff\xfe",
    b"text \xc3",
    b"gr\xc3\xbc\xc3\x9fe",
];

/// Percent-encoded, but for letters, digits and these.
fn encode(bytes: &[u8], kept: &[u8]) -> String {
    let one = |byte: &u8| {
        if byte.is_ascii_alphanumeric() || kept.contains(byte) {
            char::from(*byte).to_string()
        } else {
            format!("%{byte:02X}")
        }
    };
    bytes.iter().map(one).collect()
}

/// The bytes that a listed key names, and how it is asked for: as text, or as base64url with `enc=b64`.
fn asked(table: &str, item: &Json) -> Vec<String> {
    let target = |key: &str, query: &str| format!("/v1/tables/{table}/keys/{key}{query}");
    match (item["key"].as_str(), item["key_b64"].as_str()) {
        // All of it escaped; as `encodeURIComponent` has it; and with slashes as they are.
        (Some(text), None) => [&b""[..], b"-_.!~*'()", b"-_.!~*'()/"]
            .map(|kept| target(&encode(text.as_bytes(), kept), ""))
            .to_vec(),
        (None, Some(b64)) => vec![target(b64, "?enc=b64")],
        _ => panic!("one name: {item}"),
    }
}

/// All keys, in pages of a few, each at another node; and the same as lines.
fn listed(cluster: &Cluster, table: &str) -> Vec<Json> {
    let (mut items, mut cursor) = (Vec::new(), String::new());
    for page in 0.. {
        let target = format!("/v1/tables/{table}/keys?limit=5&values=true{cursor}");
        let answer = get(&target).of(cluster.at(page % 3)).is(200).json();
        items.extend(answer["items"].as_array().expect("items").clone());
        match answer["next_cursor"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => break,
        }
    }
    let target = format!("/v1/tables/{table}/keys?values=true");
    let stream = get(&target).header("Accept", "application/jsonl").of(cluster.at(1)).is(200);
    let mut lines: Vec<Json> =
        stream.text().lines().map(|line| serde_json::from_str(line).expect("a document a line")).collect();
    assert_eq!(lines.pop(), Some(json!({"consistency": "linearizable", "next_cursor": null})));
    assert_eq!(lines, items, "{table}: lines are what pages are");
    items
}

#[test]
fn each_key_can_be_asked_for_as_it_is_listed() {
    let cluster = shared();
    let ranged =
        json!({"name": "as-listed", "sharding": "range", "split_at": ["a", "b"], "durability": "os"});
    let hashed = json!({"name": "as-listed-hashed", "shards": 4, "durability": "os"});
    for (table, spec) in [("as-listed", ranged), ("as-listed-hashed", hashed)] {
        post("/v1/tables", &spec).of(cluster.at(0)).is(201);
        for (number, key) in ODD.iter().enumerate() {
            let target = format!("/v1/tables/{table}/keys/{}", encode(key, b""));
            put(&target, format!("v{number}")).of(cluster.at(0)).is(200);
        }
        let items = listed(&cluster, table);
        assert_eq!(items.len(), ODD.len(), "{table}: each once");
        for item in &items {
            for target in asked(table, item) {
                let read = get(&target).of(cluster.at(2)).is(200);
                assert_eq!(item["value"], read.text(), "{target}");
                assert_eq!(item["version"], read.header("quorate-version"), "{target}");
            }
        }
        let many: Vec<Json> = items
            .iter()
            .map(|item| match &item["key"] {
                Json::Null => json!({"key_b64": item["key_b64"]}),
                key => key.clone(),
            })
            .collect();
        let target = format!("/v1/tables/{table}/mget");
        let read = post(&target, &json!({"keys": many})).of(cluster.at(1)).is(200).json();
        let values = |items: &Json| -> Vec<Json> {
            items.as_array().expect("a list").iter().map(|item| item["value"].clone()).collect()
        };
        assert_eq!(values(&read["results"]), values(&json!(items)), "{table}: all at once");
        for item in &items {
            let target = asked(table, item).pop().expect("a way to ask");
            ask("DELETE", &target).of(cluster.at(1)).is(200);
        }
        assert_eq!(listed(&cluster, table), Vec::<Json>::new(), "{table}: and deleted as they are listed");
    }
}
