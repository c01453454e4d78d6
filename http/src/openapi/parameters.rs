//! Parameters of paths, queries and headers, and the headers of answers.

use super::shapes::{DURATION, LEVEL, reference};
use crate::limits::Limits;
use crate::query::Name;
use serde_json::{Map, Value as Json, json};

/// Request headers that have a meaning on some operations only.
#[derive(Clone, Copy)]
pub enum Header {
    /// `If-None-Match`
    IfNoneMatch,
    /// `Idempotency-Key`
    IdempotencyKey,
    /// `Prefer`
    Prefer,
    /// `traceparent`, on every operation.
    Traceparent,
}

/// The parameters of a path, in the order in which they stand in it.
pub fn of_path(path: &str, limits: &Limits) -> Vec<Json> {
    let names = path.split('{').skip(1).filter_map(|rest| rest.split('}').next());
    names.map(|name| in_path(name, limits)).collect()
}

fn in_path(name: &str, limits: &Limits) -> Json {
    let (schema, says) = match name {
        "table" => (reference("TableName"), "The table's name"),
        "key" => (
            // As base64url with its padding it is a third longer.
            json!({ "type": "string", "minLength": 1, "maxLength": limits.key_bytes_max.div_ceil(3) * 4 }),
            "Any bytes, percent-decoded once; a raw slash is part of the key",
        ),
        // The one that is left: a member.
        _ => (json!({ "type": "string", "minLength": 1 }), "A member's id (as n2) or its name"),
    };
    json!({ "name": name, "in": "path", "required": true, "schema": schema, "description": says })
}

/// A parameter of the query.
pub fn of_query(name: Name) -> Json {
    let level = || json!({ "type": "string", "pattern": LEVEL });
    let (schema, says) = match name {
        Name::Consistency => (level(), "The level of this request; default: the table's"),
        Name::R => (level(), "Owners that must answer; beside consistency only if equal"),
        Name::W => (level(), "Owners that must hold it; beside consistency only if equal"),
        Name::Timeout => {
            (json!({ "type": "string", "pattern": DURATION }), "How long to wait, cut to the server's limit")
        }
        Name::Durability => (
            json!({ "type": "string", "enum": ["sync", "os"] }),
            "What an acknowledgement means; never less than the table's",
        ),
        Name::Ttl => (json!({ "type": "string", "pattern": DURATION }), "How long this value lives"),
        Name::Retry => (
            json!({ "type": "string", "enum": ["true", "false"] }),
            "With Idempotency-Key: this is not the first attempt",
        ),
        Name::Trace => (
            json!({ "type": "string", "enum": ["true", "false"] }),
            "Server-Timing, and what each owner said",
        ),
        Name::Enc => (json!({ "type": "string", "enum": ["b64"] }), "The key in the path is base64url"),
        Name::Table => (reference("TableName"), "This table alone; default: all"),
    };
    json!({ "name": name.as_str(), "in": "query", "required": false, "schema": schema, "description": says })
}

/// A header of the request.
pub fn of_header(header: Header) -> Json {
    let (name, schema, says) = match header {
        Header::IfNoneMatch => (
            "If-None-Match",
            json!({ "type": "string" }),
            "304 if the version is one of these, so that the value is not sent again",
        ),
        Header::IdempotencyKey => (
            "Idempotency-Key",
            json!({ "type": "string", "pattern": "^[!-~]{1,64}:[0-9]{1,19}$" }),
            "<client>:<sequence>; the sequence grows with each write of a client",
        ),
        Header::Traceparent => (
            "traceparent",
            json!({ "type": "string" }),
            "W3C trace context: its trace id stands beside the request's id in the node's log; one that is malformed \
             is not looked at",
        ),
        Header::Prefer => ("Prefer", json!({ "type": "string" }), "return=minimal: 204 without a body"),
    };
    json!({ "name": name, "in": "header", "required": false, "schema": schema, "description": says })
}

/// Every header that answers carry.
pub fn response_headers() -> Map<String, Json> {
    let text = |says: &str| (json!({ "type": "string" }), says.to_owned());
    let pattern =
        |pattern: &str, says: &str| (json!({ "type": "string", "pattern": pattern }), says.to_owned());
    let always = |word: &str, says: &str| (json!({ "const": word }), says.to_owned());
    let number = |says: &str| (json!({ "type": "integer", "minimum": 0 }), says.to_owned());
    let version = format!("{VERSION}$");
    let etag = format!("^\"{}\"$", VERSION.trim_start_matches('^'));
    let all = [
        ("Quorate-Request", true, pattern("^[0-9a-f]{8}-[0-9a-f]+$", "The request's id, also in the log")),
        ("Quorate-Epoch", true, number("The catalog's epoch that the answer was given under")),
        ("Quorate-Coordinator", true, pattern("^n[0-9]+$", "The member that answered")),
        (
            "Quorate-Consistency",
            true,
            pattern(
                "^(linearizable|regular|eventual); [rw]=[0-9]+; n=[0-9]+; acks=[0-9]+; repaired=[0-9]+$",
                "What the answer was worth",
            ),
        ),
        ("Quorate-Version", true, pattern(&version, "The version; its first number grows with every update")),
        ("ETag", true, pattern(&etag, "The version as a strong validator")),
        (
            "Last-Modified",
            false,
            text("When it was written, by the clock of its coordinator; never compared"),
        ),
        ("Expires", false, text("When the value expires, if it does")),
        ("Server-Timing", false, text("With trace=true: the whole, then each owner")),
        (
            "Cache-Control",
            false,
            text("Whether a cache may keep it: it has to ask again, or may not keep it at all"),
        ),
        ("X-Content-Type-Options", true, always("nosniff", "Nobody is to guess another media type")),
        (
            "Content-Security-Policy",
            true,
            always("default-src 'none'; sandbox", "A stored page must not act in the name of this node"),
        ),
        ("Location", true, text("The path of what was made")),
        ("Retry-After", true, number("Seconds after which trying again makes sense")),
        ("Allow", true, text("The methods that the path takes")),
    ];
    all.into_iter()
        .map(|(name, required, (schema, description))| {
            (name.to_owned(), json!({ "required": required, "schema": schema, "description": description }))
        })
        .collect()
}

/// A version in text: `<seq>-<writer>`.
const VERSION: &str = "^[0-9]+-[0-9a-zA-Z.]+";
