//! Parameters of paths, queries and headers, and the headers of answers.

use super::schemas::{Bounds, form, reference};
use crate::form::{self, Duration, LevelName, TimeToLive};
use crate::query::Parameter;
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
pub fn of_path(path: &str, bounds: &Bounds) -> Vec<Json> {
    let names = path.split('{').skip(1).filter_map(|rest| rest.split('}').next());
    names.map(|name| in_path(name, bounds)).collect()
}

fn in_path(name: &str, bounds: &Bounds) -> Json {
    let (schema, says) = match name {
        "table" => (reference("TableName"), "The table's name"),
        "key" => (
            // As base64url with its padding it is a third longer.
            json!({ "type": "string", "minLength": 1, "maxLength": bounds.key_bytes_max.div_ceil(3) * 4 }),
            "Any bytes, percent-decoded once; a raw slash is part of the key",
        ),
        "job" => (form::<form::AnyJobId>(), "A job's id"),
        "plan" => (form::<form::PlanId>(), "A plan's id"),
        "user" => (form::<form::Label>(), "A user's name"),
        "role" => (form::<form::Label>(), "A role's name"),
        "token" => (form::<form::TokenId>(), "A token's id"),
        // The one that is left: a member.
        _ => (json!({ "type": "string", "minLength": 1 }), "A member's id (as n2) or its name"),
    };
    json!({ "name": name, "in": "path", "required": true, "schema": schema, "description": says })
}

/// A parameter of the query.
pub fn of_query(name: Parameter) -> Json {
    let text = || json!({ "type": "string" });
    let flag = || json!({ "type": "string", "enum": ["true", "false"] });
    let (schema, says) = match name {
        Parameter::Consistency => (form::<LevelName>(), "The level of this request; default: the table's"),
        Parameter::R => (form::<LevelName>(), "Owners that must answer; beside consistency only if equal"),
        Parameter::W => (form::<LevelName>(), "Owners that must hold it; beside consistency only if equal"),
        Parameter::Timeout => (form::<Duration>(), "How long to wait, cut to the server's limit"),
        Parameter::Durability => {
            (form::<form::Durability>(), "What an acknowledgement means; never less than the table's")
        }
        Parameter::Ttl => (form::<TimeToLive>(), "How long this value lives; none: until it is deleted"),
        Parameter::Retry => (flag(), "With operation ids: this is not the first attempt"),
        Parameter::Trace => (flag(), "Server-Timing, and what each owner said"),
        Parameter::Enc => (json!({ "type": "string", "enum": ["b64"] }), "The key in the path is base64url"),
        Parameter::Table => (reference("TableName"), "This table alone; default: all"),
        Parameter::Id => (text(), "The table's id: which of two of this name is meant, one of them dropped"),
        Parameter::Prefix => (text(), "Keys that begin with these bytes"),
        Parameter::Start => (text(), "Keys from this one on"),
        Parameter::End => (text(), "Keys before this one"),
        Parameter::Limit => (
            json!({ "type": "integer", "minimum": 1 }),
            "Most keys: of a page, cut to the server's limit, or of a whole stream",
        ),
        Parameter::Bytes => (
            json!({ "type": "integer", "minimum": 1 }),
            "Most bytes of keys and values of a page, cut to the server's limit; one key comes in any case",
        ),
        Parameter::Reverse => (flag(), "The last key first"),
        Parameter::Values => (flag(), "Values too"),
        Parameter::Count => (flag(), "How many keys there are, in place of the keys"),
        Parameter::Sum => (
            flag(),
            "What all of it adds up to, in place of the keys: the same as long as nothing of it has changed",
        ),
        Parameter::Cursor => {
            (text(), "Where to go on: next_cursor of the page before, beside the same bounds")
        }
        Parameter::Part => (
            json!({ "type": "string", "pattern": "^[1-9][0-9]{0,3}/[1-9][0-9]{0,3}$" }),
            "The part K of M equal ones of a hash table, as K/M, so that several clients list it side by side",
        ),
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
            form::<form::OperationId>(),
            "<client>:<sequence>; the sequence grows with each write of a client",
        ),
        Header::Traceparent => (
            "traceparent",
            json!({ "type": "string" }),
            "W3C trace context: its trace id stands beside the request's id in the node's log and in refusals; one that is \
             malformed is not looked at",
        ),
        Header::Prefer => ("Prefer", json!({ "type": "string" }), "return=minimal: 204 without a body"),
    };
    json!({ "name": name, "in": "header", "required": false, "schema": schema, "description": says })
}

/// Every header that answers carry.
pub fn response_headers() -> Map<String, Json> {
    let text = || json!({ "type": "string" });
    let pattern = |pattern: &str| json!({ "type": "string", "pattern": pattern });
    let always = |word: &str| json!({ "const": word });
    let number = || json!({ "type": "integer", "minimum": 0 });
    let worth = "^(linearizable|regular|eventual); [rw]=[0-9]+; n=[0-9]+; acks=[0-9]+; repaired=[0-9]+(; reason=accepted-loss)?$";
    let all = [
        ("Quorate-Request", true, pattern("^[0-9a-f]{8}-[0-9a-f]+$"), "The request's id, also in the log"),
        ("Quorate-Epoch", true, number(), "The catalog's epoch that the answer was given under"),
        ("Quorate-Coordinator", true, form::<form::NodeId>(), "The member that answered"),
        (
            "Quorate-Scanned",
            false,
            number(),
            "Keys of a hash table that were looked at for a page in the order of keys",
        ),
        ("Quorate-Consistency", true, pattern(worth), "What the answer was worth"),
        (
            "Quorate-Version",
            true,
            form::<form::Version>(),
            "The version; its first number grows with every update",
        ),
        ("ETag", true, form::<form::EntityTag>(), "The version as a strong validator"),
        (
            "Last-Modified",
            false,
            text(),
            "When it was written, by the clock of its coordinator; never compared",
        ),
        ("Expires", false, text(), "When the value expires, if it does"),
        ("Server-Timing", false, text(), "With trace=true: the whole, then each owner"),
        (
            "Cache-Control",
            false,
            text(),
            "Whether a cache may keep it: it has to ask again, or may not keep it at all",
        ),
        ("Vary", true, text(), "What else the answer depends on"),
        ("X-Content-Type-Options", true, always("nosniff"), "A client must not guess another media type"),
        (
            "Content-Security-Policy",
            true,
            text(),
            "What a page may load and do: a stored one must not act in the name of this node, the dashboard loads its own files \
             alone",
        ),
        (
            "Referrer-Policy",
            true,
            always("no-referrer"),
            "Links from the page tell no other site where they were followed",
        ),
        ("Location", true, text(), "The path of what was made, or of where to go on"),
        ("Retry-After", true, number(), "Seconds after which trying again makes sense"),
        ("Allow", true, text(), "The methods that the path takes"),
        ("WWW-Authenticate", true, always("Bearer"), "How to prove who asks"),
    ];
    all.into_iter()
        .map(|(name, required, schema, says)| {
            (name.to_owned(), json!({ "required": required, "schema": schema, "description": says }))
        })
        .collect()
}
