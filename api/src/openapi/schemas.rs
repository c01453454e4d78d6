//! The schemas of the documents: what `utoipa` derives from the types, and what it can't know.
//!
//! What goes in is closed: a field that is not named is refused. What comes out may gain fields in later versions; those
//! that are `required` stay. Three things are added to what is derived: the limits in force, that a field which may be
//! left out of an answer is never `null` there, and of which fields a request has exactly one.

use crate::document::Limits;
use serde_json::{Map, Value as Json, json};
use std::borrow::Cow;
use utoipa::openapi::RefOr;
use utoipa::openapi::schema::Schema;
use utoipa::{PartialSchema, ToSchema};

/// The name of the schema of the limits.
pub const LIMITS: &str = "Limits";
/// The name of the schema of the description itself.
pub const INTERFACE: &str = "OpenApi";

/// Limits in force that stand in schemas.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bounds {
    /// Of a key, in bytes.
    pub key_bytes_max: usize,
    /// Of a value, in bytes.
    pub value_bytes_max: usize,
    /// Of the keys or items of one request.
    pub batch_items_max: usize,
    /// Of a table's shards.
    pub shards_per_table_max: u32,
}

type Named = Vec<(String, RefOr<Schema>)>;

/// The schema of a document, by its type.
#[derive(Clone, Copy)]
pub struct Reference {
    name: fn() -> Cow<'static, str>,
    add: fn(&mut Named),
}

impl Reference {
    /// Of this type.
    pub const fn to<T: ToSchema>() -> Self {
        Self { name: T::name, add: add::<T> }
    }

    /// Its name.
    pub fn name(self) -> String {
        (self.name)().into_owned()
    }
}

fn add<T: ToSchema>(all: &mut Named) {
    all.push((T::name().into_owned(), T::schema()));
    T::schemas(all);
}

/// A reference to one of [`all`].
pub fn reference(name: &str) -> Json {
    json!({ "$ref": format!("#/components/schemas/{name}") })
}

/// The schema of a form of text, where it stands by itself.
pub fn form<T: PartialSchema>() -> Json {
    let mut schema = json(&T::schema());
    schema.as_object_mut().expect("a schema is an object").remove("description");
    schema
}

fn json(schema: &RefOr<Schema>) -> Json {
    serde_json::to_value(schema).expect("a document of plain values")
}

/// Every schema by its name: those that are referred to, and what they refer to themselves.
pub fn all(referred: impl Iterator<Item = Reference>, bounds: &Bounds, limits: &Limits) -> Map<String, Json> {
    let mut derived = Named::new();
    add::<crate::document::Problem>(&mut derived);
    add::<crate::form::TableName>(&mut derived);
    for schema in referred {
        (schema.add)(&mut derived);
    }
    let mut all: Map<String, Json> =
        derived.iter().map(|(name, schema)| (name.clone(), json(schema))).collect();
    for schema in all.values_mut() {
        without_null(schema);
    }
    bound(&mut all, bounds);
    exactly_one(&mut all, "NamedKey", &[&["key", "key_b64", "b64"]]);
    exactly_one(&mut all, "PutItem", &[&["key", "key_b64"], &["value", "value_b64"]]);
    all["PutItem"]["not"] = json!({ "required": ["ttl", "expires_at"] });
    exactly_one(&mut all, "BatchItem", &[&["put", "delete"]]);
    exactly_one(&mut all, "PlanChange", &[&["add", "remove", "replace", "weight", "table", "balance"]]);
    let limits = serde_json::to_value(limits).expect("a document of plain values");
    all.insert(LIMITS.to_owned(), counts(&limits));
    let members = ["openapi", "info", "paths", "components"];
    all.insert(INTERFACE.to_owned(), json!({ "type": "object", "required": members }));
    all
}

/// A field that an answer may lack is not `null` where it is there. In a request both mean the same.
fn without_null(schema: &mut Json) {
    if schema["additionalProperties"] == false {
        return;
    }
    let required: Vec<String> = serde_json::from_value(schema["required"].clone()).unwrap_or_default();
    let Some(fields) = schema.get_mut("properties").and_then(Json::as_object_mut) else { return };
    for (name, field) in fields.iter_mut() {
        // What our client reads where an answer lacks a field is nothing that a server says.
        field.as_object_mut().expect("a schema is an object").remove("default");
        if !required.contains(name) {
            never_null(field);
        }
    }
}

fn never_null(field: &mut Json) {
    let is_null = |kind: &Json| kind == "null" || kind["type"] == "null";
    if let Some(kinds) = field["type"].as_array_mut() {
        kinds.retain(|kind| !is_null(kind));
        if let [only] = kinds.as_slice() {
            field["type"] = only.clone();
        }
    }
    if let Some(choices) = field.get_mut("oneOf").and_then(Json::as_array_mut) {
        choices.retain(|choice| !is_null(choice));
        if let [only] = choices.as_slice() {
            *field = only.clone();
        }
    }
    if field["type"].is_null() {
        // Indexing has added it.
        field.as_object_mut().expect("a schema is an object").remove("type");
    }
}

/// Puts the limits in.
fn bound(all: &mut Map<String, Json>, bounds: &Bounds) {
    let key = bounds.key_bytes_max;
    for (schema, field) in [("NamedKey", "key"), ("PutItem", "key")] {
        all[schema]["properties"][field]["maxLength"] = key.into();
    }
    for text in all["KeyArgument"]["oneOf"].as_array_mut().into_iter().flatten() {
        if text["type"] == "string" {
            text["maxLength"] = key.into();
        }
    }
    all["PutItem"]["properties"]["value"]["maxLength"] = bounds.value_bytes_max.into();
    all["MediaType"]["maxLength"] = quorate_model::record::CONTENT_TYPE_BYTES_MAX.into();
    all["Mget"]["properties"]["keys"]["maxItems"] = bounds.batch_items_max.into();
    all["Batch"]["properties"]["items"]["maxItems"] = bounds.batch_items_max.into();
    let shards = (0..32).map(|bit| 1_u32 << bit).take_while(|count| *count <= bounds.shards_per_table_max);
    let shards: Vec<Json> = shards.map(Json::from).chain([Json::Null]).collect();
    all["TableSpec"]["properties"]["shards"] = json!({ "enum": shards });
}

/// Makes a closed schema into one for each choice: of each of these groups exactly one field, which then is needed and
/// not `null`.
fn exactly_one(all: &mut Map<String, Json>, name: &str, groups: &[&[&str]]) {
    let mut schema = all[name].take();
    let description = schema["description"].take();
    schema.as_object_mut().expect("a schema is an object").remove("description");
    if let (Some(encoded), true) =
        (schema["properties"].get("key_b64").cloned(), groups.iter().any(|group| group.contains(&"b64")))
    {
        // Another name for the same.
        schema["properties"]["b64"] = encoded;
    }
    let mut choices = vec![schema];
    for group in groups {
        let chosen = |schema: &Json, one: &str| {
            let mut schema = schema.clone();
            let fields = schema["properties"].as_object_mut().expect("a struct has fields");
            fields.retain(|field, _| field == one || !group.contains(&field.as_str()));
            never_null(&mut fields[one]);
            let mut required = schema["required"].as_array().cloned().unwrap_or_default();
            required.push(one.into());
            schema["required"] = required.into();
            schema
        };
        choices =
            choices.iter().flat_map(|schema| group.iter().map(|one| chosen(schema, one))).collect::<Vec<_>>();
    }
    all[name] = json!({ "oneOf": choices, "description": description });
}

/// The schema of a document of numbers, and of such documents.
fn counts(document: &Json) -> Json {
    let Json::Object(members) = document else { return json!({ "type": "integer", "minimum": 0 }) };
    let fields: Map<String, Json> =
        members.iter().map(|(name, member)| (name.clone(), counts(member))).collect();
    let names: Vec<&String> = members.keys().collect();
    json!({ "type": "object", "required": names, "properties": fields })
}
