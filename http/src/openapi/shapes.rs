//! The small pieces that schemas are put together from.

use quorate_model::level::N_MAX;
use serde_json::{Map, Value as Json, json};

/// A level in text: a name, or a number up to [`N_MAX`].
pub const LEVEL: &str = "^(one|quorum|all|[1-9]|1[0-5])$";
/// A duration that is valid everywhere, as `250ms` or `10m`: up to the greatest round number of digits within a
/// hundred years.
pub const DURATION: &str =
    "^([1-9][0-9]{0,11}ms|[1-9][0-9]{0,8}s|[1-9][0-9]{0,6}m|[1-9][0-9]{0,4}h|[1-9][0-9]{0,3}d)$";
/// base64url in its one canonical form: the bits that are left over are zero; padding may be there.
pub const BASE64URL: &str =
    "^([A-Za-z0-9_-]{4})*([A-Za-z0-9_-][AQgw](==)?|[A-Za-z0-9_-]{2}[AEIMQUYcgkosw048]=?)?$";

/// A key or a value as base64url, with or without its padding.
pub fn base64url() -> Json {
    json!({ "type": "string", "pattern": BASE64URL, "contentEncoding": "base64url" })
}
/// The same in either alphabet.
pub const BASE64: &str =
    "^([A-Za-z0-9+/_-]{4})*([A-Za-z0-9+/_-][AQgw](==)?|[A-Za-z0-9+/_-]{2}[AEIMQUYcgkosw048]=?)?$";
pub const MEDIA_TYPE: &str = "^[A-Za-z0-9!#$&^_.+-]+/[A-Za-z0-9!#$&^_.+-]+(;[ -~]*)?$";

/// A reference to one of [`super::schemas::all`].
pub fn reference(name: &str) -> Json {
    json!({ "$ref": format!("#/components/schemas/{name}") })
}

/// An object with these fields, each of them there unless its name ends in a question mark.
pub fn object(fields: &[(&str, Json)]) -> Json {
    let required: Vec<&str> =
        fields.iter().map(|(name, _)| *name).filter(|name| !name.ends_with('?')).collect();
    let properties: Map<String, Json> =
        fields.iter().map(|(name, schema)| (name.trim_end_matches('?').to_owned(), schema.clone())).collect();
    json!({ "type": "object", "required": required, "properties": properties })
}

/// The same where no other field is taken.
pub fn closed(fields: &[(&str, Json)]) -> Json {
    let mut schema = object(fields);
    schema["additionalProperties"] = false.into();
    schema
}

pub fn text() -> Json {
    json!({ "type": "string" })
}

pub fn text_or_null() -> Json {
    json!({ "type": ["string", "null"] })
}

pub fn count() -> Json {
    json!({ "type": "integer", "minimum": 0 })
}

pub fn count_or_null() -> Json {
    json!({ "type": ["integer", "null"], "minimum": 0 })
}

pub fn flag() -> Json {
    json!({ "type": "boolean" })
}

pub fn copies() -> Json {
    json!({ "type": "integer", "minimum": 1, "maximum": N_MAX })
}

pub fn word(words: &[&str]) -> Json {
    json!({ "type": "string", "enum": words })
}

pub fn list(of: Json) -> Json {
    json!({ "type": "array", "items": of })
}

pub fn node() -> Json {
    json!({ "type": "string", "pattern": "^n[0-9]+$" })
}

pub fn moment() -> Json {
    json!({ "type": ["string", "null"], "format": "date-time" })
}

pub fn level(more: &[Json]) -> Json {
    let levels = [json!({ "type": "string", "pattern": LEVEL }), copies()];
    json!({ "anyOf": levels.iter().chain(more).collect::<Vec<_>>() })
}

/// A field that may be left out, or be `null` with the same meaning.
pub fn optional(mut schema: Json) -> Json {
    if let Some(words) = schema.get_mut("enum").and_then(Json::as_array_mut) {
        words.push(Json::Null);
    }
    let kind = schema["type"].take();
    schema["type"] = json!([kind, "null"]);
    schema
}

pub fn duration() -> Json {
    json!({ "type": "string", "pattern": DURATION })
}
