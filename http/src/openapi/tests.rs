use super::*;
use std::collections::BTreeSet;

/// The paths that the router names, with their methods, as `get /v1/tables`.
fn routed() -> BTreeSet<String> {
    let source = include_str!("../routes.rs");
    let one_key = ["get", "put", "post", "delete"];
    let mut all = BTreeSet::new();
    for line in source.lines().filter_map(|line| line.trim().strip_prefix(".route(\"")) {
        let (path, handlers) = line.split_once("\", ").expect("a path and its handlers on one line");
        // A path that ends in a slash is the same with an empty key.
        let path = path.replace("{*key}", "{key}");
        let path = if path.ends_with('/') { format!("{path}{{key}}") } else { path };
        let methods: Vec<&str> = if handlers.contains("one_key()") {
            one_key.to_vec()
        } else {
            ["get", "put", "post", "patch", "delete"]
                .into_iter()
                .filter(|method| handlers.contains(&format!("{method}(")))
                .collect()
        };
        assert!(!methods.is_empty(), "{line}");
        all.extend(methods.into_iter().map(|method| format!("{method} {path}")));
    }
    all
}

#[test]
fn the_router_and_the_document_name_each_other() {
    let documented: BTreeSet<String> =
        OPERATIONS.iter().map(|operation| format!("{} {}", operation.method, operation.path)).collect();
    assert_eq!(documented.len(), OPERATIONS.len(), "an operation stands here once");
    assert_eq!(documented, routed());
}

#[test]
fn every_code_is_on_some_operation_or_belongs_to_none() {
    let named: BTreeSet<&str> = OPERATIONS
        .iter()
        .flat_map(|operation| operation.codes.iter().copied().flatten())
        .map(|code| code.as_str())
        .collect();
    let all: BTreeSet<&str> = Code::ALL.iter().map(|code| code.as_str()).collect();
    let nowhere: Vec<&str> = all.difference(&named).copied().collect();
    assert_eq!(nowhere, ["method-not-allowed", "no-such-route"]);
}

#[test]
fn references_lead_somewhere_and_names_are_unique() {
    let document = document(&Limits::default(), &[]);
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
    let leads = OPERATIONS.iter().flat_map(|operation| operation.answers).flat_map(|answer| answer.leads_to);
    for lead in leads {
        assert!(unique.contains(lead), "{lead}");
    }
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
    let limits = Limits { key_bytes_max: 77, batch_items_max: 5, ..Limits::default() };
    let in_force = [("limits", "key_bytes_max"), ("rocksdb", "memtable_bytes")];
    let in_force = in_force.map(|(section, name)| InForce { section, name: name.to_owned(), value: 77 });
    let document = document(&limits, &in_force);
    let schemas = &document["components"]["schemas"];
    assert_eq!(schemas["Delete"]["oneOf"][0]["properties"]["key"]["maxLength"], 77);
    assert_eq!(schemas["Mget"]["properties"]["keys"]["maxItems"], 5);
    assert_eq!(schemas["Batch"]["properties"]["items"]["maxItems"], 5);
    for (path, name) in [("Limits", "key_bytes_max"), ("Limits/properties/rocksdb", "memtable_bytes")] {
        let schema = schemas.pointer(&format!("/{path}")).expect(path);
        let names = schema["required"].as_array().expect("names");
        assert!(names.iter().any(|known| known == name), "{path} has no {name}");
    }
}
