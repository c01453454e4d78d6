use super::*;
use crate::header::{
    IDEMPOTENCY_KEY, PREFER, QUORATE_CONSISTENCY, QUORATE_COORDINATOR, QUORATE_EPOCH, QUORATE_REQUEST,
    QUORATE_SCANNED, QUORATE_VERSION, SERVER_TIMING, TRACEPARENT,
};
use std::collections::BTreeSet;

const BOUNDS: Bounds =
    Bounds { key_bytes_max: 77, value_bytes_max: 1024, batch_items_max: 5, shards_per_table_max: 4096 };

fn limits() -> Limits {
    let mut limits = Limits::default();
    limits.insert(None, "key_bytes_max", 77);
    limits.insert(Some("inner"), "one", 1);
    limits
}

#[test]
fn every_code_is_on_some_operation_or_belongs_to_none() {
    let named: BTreeSet<&str> = Operation::ALL
        .iter()
        .flat_map(|operation| codes(*operation).into_iter().flatten())
        .map(|code| code.as_str())
        .collect();
    let all: BTreeSet<&str> = Code::ALL.iter().map(|code| code.as_str()).collect();
    let nowhere: Vec<&str> = all.difference(&named).copied().collect();
    assert_eq!(nowhere, ["method-not-allowed"]);
}

#[test]
fn references_lead_somewhere_and_names_are_unique() {
    let document = document(&BOUNDS, &limits());
    let mut references = Vec::new();
    walk(&document, &mut |key, value| {
        if key == "$ref" {
            references.push(value.as_str().expect("a reference is text").to_owned());
        }
    });
    assert!(!references.is_empty());
    for reference in references {
        let pointer = reference.strip_prefix('#').expect("within the document");
        assert!(document.pointer(pointer).is_some(), "{reference}");
    }
    let operations = document["paths"].as_object().into_iter().flatten();
    let operations: Vec<&Json> =
        operations.filter_map(|(_, all)| all.as_object()).flat_map(Map::values).collect();
    let names: Vec<&str> = operations.iter().filter_map(|one| one["operationId"].as_str()).collect();
    let unique: BTreeSet<&str> = names.iter().copied().collect();
    assert_eq!((unique.len(), names.len()), (operations.len(), operations.len()), "{names:?}");
}

fn walk<'a>(value: &'a Json, visit: &mut impl FnMut(&str, &'a Json)) {
    match value {
        Json::Object(fields) => {
            for (key, field) in fields {
                visit(key, field);
                walk(field, visit);
            }
        }
        Json::Array(items) => items.iter().for_each(|item| walk(item, visit)),
        Json::Null | Json::Bool(_) | Json::Number(_) | Json::String(_) => {}
    }
}

#[test]
fn limits_in_force_are_in_the_schemas() {
    let document = document(&BOUNDS, &limits());
    let schemas = &document["components"]["schemas"];
    assert_eq!(schemas["NamedKey"]["oneOf"][0]["properties"]["key"]["maxLength"], 77);
    assert_eq!(schemas["Mget"]["properties"]["keys"]["maxItems"], 5);
    assert_eq!(schemas["Batch"]["properties"]["items"]["maxItems"], 5);
    assert_eq!(schemas["Limits"]["properties"]["inner"]["required"], json!(["one"]));
}

#[test]
fn of_a_key_and_of_a_value_a_request_has_one() {
    let document = document(&BOUNDS, &Limits::default());
    let choices = document["components"]["schemas"]["PutItem"]["oneOf"].as_array().expect("choices");
    let required: Vec<&Json> = choices.iter().map(|choice| &choice["required"]).collect();
    let wanted = [["key", "value"], ["key", "value_b64"], ["key_b64", "value"], ["key_b64", "value_b64"]];
    assert_eq!(
        required,
        wanted.iter().map(|names| json!(names)).collect::<Vec<_>>().iter().collect::<Vec<_>>()
    );
    for choice in choices {
        assert_eq!(choice["additionalProperties"], false, "{choice}");
        assert_eq!(choice["properties"].as_object().map(Map::len), Some(5), "{choice}");
    }
    let not = &document["components"]["schemas"]["PutItem"]["not"];
    assert_eq!(not["required"], json!(["ttl", "expires_at"]));
}

#[test]
fn what_an_answer_may_lack_is_never_null() {
    let document = document(&BOUNDS, &Limits::default());
    let schemas = &document["components"]["schemas"];
    assert_eq!(schemas["Problem"]["properties"]["table"]["type"], "string");
    assert_eq!(schemas["Result"]["properties"]["error"]["$ref"], "#/components/schemas/Problem");
    assert_eq!(schemas["Cluster"]["properties"]["leader"]["type"], json!(["string", "null"]));
}

#[test]
fn headers_are_described_under_the_names_that_are_sent() {
    let described: BTreeSet<String> =
        parameters::response_headers().keys().map(|name| name.to_ascii_lowercase()).collect();
    let ours = [
        QUORATE_VERSION,
        QUORATE_CONSISTENCY,
        QUORATE_SCANNED,
        QUORATE_EPOCH,
        QUORATE_COORDINATOR,
        QUORATE_REQUEST,
    ];
    let sent: BTreeSet<&str> = ours.iter().map(http::HeaderName::as_str).collect();
    assert_eq!(
        described
            .iter()
            .map(String::as_str)
            .filter(|name| name.starts_with("quorate-"))
            .collect::<BTreeSet<_>>(),
        sent
    );
    assert!(described.contains(SERVER_TIMING.as_str()));
    for (header, name) in [
        (Header::IdempotencyKey, IDEMPOTENCY_KEY),
        (Header::Prefer, PREFER),
        (Header::Traceparent, TRACEPARENT),
    ] {
        let described = parameters::of_header(header);
        assert!(described["name"].as_str().is_some_and(|called| called.eq_ignore_ascii_case(name.as_str())));
    }
}
