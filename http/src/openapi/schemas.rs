//! The documents that go in and out, as JSON schemas.
//!
//! What goes in is closed: a field that is not named here is refused. What comes out may gain fields in later
//! versions; those that are `required` stay.

use super::shapes::{
    BASE64, MEDIA_TYPE, base64url, closed, copies, count, count_or_null, duration, flag, level, list, moment,
    node, object, optional, reference, text, text_or_null, word,
};
use crate::code::Code;
use crate::limits::{InForce, Limits, page};
use quorate_model::record::CONTENT_TYPE_BYTES_MAX;
use quorate_ring::catalog::SHARDS_PER_TABLE_MAX;
use serde_json::{Map, Value as Json, json};

/// Every schema, by its name.
pub fn all(limits: &Limits, in_force: &[InForce]) -> Map<String, Json> {
    let words = [
        ("TableName", json!({ "type": "string", "pattern": "^[a-z0-9_-]{1,64}$" })),
        ("Level", level(&[])),
        ("Problem", problem()),
        ("Replica", replica()),
    ];
    let all = words
        .into_iter()
        .chain(incoming(limits))
        .chain(of_keys())
        .chain(of_tables())
        .chain(of_cluster(in_force));
    all.map(|(name, schema)| (name.to_owned(), schema)).collect()
}

type Named = (&'static str, Json);

fn problem() -> Json {
    let codes: Vec<&str> = Code::ALL.iter().map(|code| code.as_str()).collect();
    object(&[
        ("type", json!({ "type": "string", "pattern": "^/problems/" })),
        ("title", text()),
        ("status", json!({ "type": "integer", "minimum": 400, "maximum": 599 })),
        ("code", word(&codes)),
        ("detail", text()),
        ("instance", json!({ "type": "string", "description": "The request's id" })),
        ("outcome", word(&["not_applied", "unknown"])),
        ("retry?", text()),
        ("table?", text()),
        ("shard?", text()),
        ("consistency?", text()),
        ("n?", count()),
        ("required?", count()),
        ("acks?", count()),
        ("replicas?", list(reference("Replica"))),
        ("reasons?", list(text())),
    ])
}

fn replica() -> Json {
    object(&[
        ("node", node()),
        ("result", word(&["ack", "answered", "waiting", "timeout", "down", "lost", "refused"])),
        ("ms?", count()),
        ("reason?", text()),
        ("hint?", flag()),
    ])
}

/// What requests bring.
fn incoming(limits: &Limits) -> Vec<Named> {
    let key = json!({ "type": "string", "minLength": 1, "maxLength": limits.key_bytes_max });
    let key_b64 = {
        let mut key = base64url();
        key["minLength"] = 2.into();
        key
    };
    let value = json!({ "type": "string", "maxLength": limits.value_bytes_max });
    let value_b64 = json!({ "type": "string", "pattern": BASE64, "contentEncoding": "base64" });
    let media_type = json!({ "type": "string", "pattern": MEDIA_TYPE, "maxLength": CONTENT_TYPE_BYTES_MAX });
    let puts = [("key", &key), ("key_b64", &key_b64)].into_iter().flat_map(|(name, key)| {
        [("value", &value), ("value_b64", &value_b64)].map(|(called, value)| {
            let rest = [("content_type?", optional(media_type.clone())), ("ttl?", optional(duration()))];
            closed(&[&[(name, key.clone()), (called, value.clone())], &rest[..]].concat())
        })
    });
    let named = [closed(&[("key", key.clone())]), closed(&[("key_b64", key_b64.clone())])];
    let short = closed(&[("b64", key_b64.clone())]);
    let items_max = limits.batch_items_max;
    let shards: Vec<u32> =
        (0..32).map(|bit| 1 << bit).take_while(|count| *count <= SHARDS_PER_TABLE_MAX).collect();
    vec![
        (
            "Mget",
            closed(&[(
                "keys",
                json!({ "type": "array", "maxItems": items_max,
                        "items": { "oneOf": [key.clone(), named[0], named[1], short] } }),
            )]),
        ),
        (
            "Batch",
            closed(&[(
                "items",
                json!({ "type": "array", "maxItems": items_max,
                        "description": "A key at most once",
                        "items": { "oneOf": [closed(&[("put", reference("Put"))]), closed(&[("delete", reference("Delete"))])] } }),
            )]),
        ),
        ("Put", json!({ "oneOf": puts.collect::<Vec<_>>() })),
        ("Delete", json!({ "oneOf": named })),
        (
            "NewTable",
            closed(&[
                ("name", reference("TableName")),
                ("sharding?", optional(word(&["hash"]))),
                ("n?", optional(copies())),
                ("r?", level(&[json!({ "type": "null" })])),
                ("w?", level(&[json!({ "type": "null" })])),
                ("mode?", optional(word(&["register"]))),
                (
                    "shards?",
                    json!({ "enum": shards.iter().map(|count| json!(count)).chain([Json::Null]).collect::<Vec<_>>() }),
                ),
                ("durability?", optional(word(&["sync", "os"]))),
                ("ttl?", optional(duration())),
            ]),
        ),
        ("TableChange", {
            let mut change = closed(&[
                ("r?", reference("Level")),
                ("durability?", word(&["sync", "os"])),
                ("ttl?", optional(duration())),
            ]);
            change["minProperties"] = 1.into();
            change
        }),
    ]
}

/// What is answered about keys.
fn of_keys() -> Vec<Named> {
    let worth = word(&["linearizable", "regular", "eventual"]);
    let found = [("key?", text()), ("key_b64?", text())];
    let written = [
        ("version?", text()),
        ("etag?", text()),
        ("acks?", count()),
        ("required?", count()),
        ("n?", copies()),
        ("consistency?", worth.clone()),
        ("replayed?", flag()),
    ];
    let location = [
        ("table", text()),
        ("token", text()),
        ("shard", text()),
        ("start", text()),
        ("end", text_or_null()),
        ("shard_epoch", count()),
        ("epoch", count()),
        (
            "owners",
            list(object(&[
                ("node", node()),
                ("name", text_or_null()),
                ("zone", text_or_null()),
                ("address", text_or_null()),
                ("up", flag()),
            ])),
        ),
    ];
    let location = [&found[..], &location].concat();
    let mut explanation = location.clone();
    let said = || list(reference("Inspection"));
    explanation.extend([("agree", flag()), ("replicas", said()), ("hints_elsewhere", said())]);
    let value = [
        ("status", json!({ "type": "integer", "minimum": 200, "maximum": 599 })),
        ("value?", text()),
        ("value_b64?", text()),
        ("content_type?", text()),
        ("expires?", text()),
        ("error?", reference("Problem")),
    ];
    let always: Vec<(&str, Json)> =
        written.iter().map(|(name, schema)| (name.trim_end_matches('?'), schema.clone())).collect();
    vec![
        ("Written", object(&[&always[..], &[("replicas?", list(reference("Replica")))]].concat())),
        ("Results", object(&[("results", list(reference("Result")))])),
        ("Result", object(&[&found[..], &value, &written].concat())),
        ("Location", object(&location)),
        ("Explanation", object(&explanation)),
        (
            "Inspection",
            object(&[
                ("node", node()),
                ("error?", text()),
                ("version?", text_or_null()),
                ("expired?", flag()),
                ("tombstone?", flag()),
                ("size?", count()),
                ("digest?", text()),
                ("written_at?", moment()),
                ("expires_at?", moment()),
                ("hints_for?", list(node())),
            ]),
        ),
    ]
}

/// What is answered about tables.
fn of_tables() -> Vec<Named> {
    vec![
        (
            "Table",
            object(&[
                ("name", text()),
                ("id", text()),
                ("sharding", word(&["hash", "range"])),
                ("n", copies()),
                ("r", reference("Level")),
                ("w", reference("Level")),
                ("mode", text()),
                ("shards", count()),
                ("durability", word(&["sync", "os"])),
                ("ttl", text_or_null()),
                ("epoch", count()),
            ]),
        ),
        ("Tables", object(&[("epoch", count()), ("tables", list(reference("Table")))])),
        ("Dropped", object(&[("dropped", text()), ("epoch", count())])),
        (
            "Shard",
            object(&[
                ("id", text()),
                ("index", count()),
                ("start", text()),
                ("end", text_or_null()),
                ("position", text()),
                ("epoch", count()),
                ("owners", list(node())),
            ]),
        ),
        ("Shards", object(&[("table", text()), ("epoch", count()), ("shards", list(reference("Shard")))])),
    ]
}

/// The schema of a document of numbers, and of such documents.
fn counts(document: &Json) -> Json {
    let Json::Object(members) = document else { return count() };
    let fields: Vec<(&str, Json)> =
        members.iter().map(|(name, member)| (name.as_str(), counts(member))).collect();
    object(&fields)
}

/// What is answered about the cluster and this node.
fn of_cluster(in_force: &[InForce]) -> Vec<Named> {
    let hints = json!({ "type": "object", "additionalProperties": { "type": "integer", "minimum": 0 } });
    vec![
        (
            "Cluster",
            object(&[
                ("name", text()),
                ("id", json!({ "type": "string", "pattern": "^[0-9a-f]{32}$" })),
                ("node", node()),
                ("peer_address", text_or_null()),
                ("epoch", count()),
                ("leader", text_or_null()),
                ("healthy", flag()),
                ("health", text()),
                ("nodes", count()),
                ("nodes_up", count()),
                ("tables", count()),
                ("shards", count()),
                ("shards_refusing_reads", count()),
                ("shards_refusing_writes", count()),
                ("at_risk", list(text())),
                (
                    "here",
                    object(&[
                        ("hints_waiting", hints),
                        ("hints_overflow", count()),
                        ("replica_doubt", text_or_null()),
                        ("doubt_cause", text_or_null()),
                        ("disk_full", flag()),
                        ("free_bytes", json!({ "type": ["integer", "null"], "minimum": 0 })),
                    ]),
                ),
            ]),
        ),
        (
            "Nodes",
            object(&[
                ("cluster", json!({ "type": "string", "pattern": "^[0-9a-f]{32}$" })),
                ("epoch", count()),
                ("seen_by", node()),
                ("unanswered", list(node())),
                ("nodes", list(reference("Node"))),
            ]),
        ),
        (
            "Node",
            object(&[
                ("id", node()),
                ("name", text()),
                ("state", word(&["up", "down"])),
                ("zone", text()),
                ("weight", json!({ "type": "number" })),
                ("address", text_or_null()),
                ("peer_address", text_or_null()),
                ("voter", flag()),
                ("doubt", text_or_null()),
                ("disk_full", flag()),
                ("leader", flag()),
                ("shards", count()),
                ("hints", count()),
                ("silent_ms", count_or_null()),
                ("phi", json!({ "type": "null" })),
                ("last_sync", json!({ "type": "null" })),
                ("bytes", count_or_null()),
                ("free_bytes", count_or_null()),
                ("version", text_or_null()),
                ("epoch", count_or_null()),
                ("incarnation", count()),
                ("joined_epoch", count()),
                ("error?", text()),
                ("seen_by?", node()),
                ("unanswered?", list(node())),
            ]),
        ),
        ("AcceptLoss", closed(&[("accept_data_loss", text())])),
        (
            "Loss",
            object(&[
                ("node", node()),
                ("name", text_or_null()),
                ("incarnation", count()),
                ("cause", word(&["damaged", "failed", "behind", "machine-stopped"])),
                ("doubt", text()),
                ("acceptable", flag()),
                ("refusal", text_or_null()),
                (
                    "tables",
                    list(object(&[
                        ("table", text()),
                        ("n", copies()),
                        ("w", copies()),
                        ("durability", word(&["sync", "os"])),
                        ("shards", count()),
                        ("shards_confirmed", count()),
                        ("loss", text()),
                    ])),
                ),
            ]),
        ),
        (
            "LossAccepted",
            object(&[("node", node()), ("incarnation", count()), ("records", count()), ("next", text())]),
        ),
        ("SafeToStop", object(&[("node", node()), ("safe", json!({ "const": true }))])),
        (
            "Ring",
            object(&[
                ("epoch", count()),
                (
                    "nodes",
                    list(object(&[
                        ("node", node()),
                        ("name", text()),
                        ("zone", text()),
                        ("positions", count()),
                    ])),
                ),
                ("shards", list(reference("Shard"))),
            ]),
        ),
        ("Limits", counts(&page(in_force))),
        ("Live", object(&[("status", json!({ "const": "live" })), ("broken_on_purpose?", text())])),
        (
            "Ready",
            object(&[
                ("ready", json!({ "const": true })),
                ("reasons", list(text())),
                ("broken_on_purpose?", text()),
            ]),
        ),
        ("OpenApi", json!({ "type": "object", "required": ["openapi", "info", "paths", "components"] })),
    ]
}
