//! Holds every answer to the interface's own description: its status, its code, and each field of its document must
//! be found in `/openapi.json`. So the description can neither lack what a node answers nor promise another shape.

use super::ask::Answer;
use super::ledger;
use quorate::config::{Config, settings::limits_in_force};
use quorate_http::{Limits, described};
use serde_json::Value as Json;
use std::sync::LazyLock;

pub static DESCRIPTION: LazyLock<Json> =
    LazyLock::new(|| described(&Limits::default(), &limits_in_force(&Config::default())));

/// Headers of HTTP itself, which OpenAPI leaves to it, or describes as the content.
const OF_HTTP: [&str; 5] = ["connection", "content-length", "content-type", "date", "transfer-encoding"];

/// Holds one answer to the description.
#[track_caller]
pub fn expect_described(method: &str, target: &str, answer: &Answer) {
    let Some((_, operations)) = described_path(target) else {
        assert_eq!(answer.json()["code"], "no-such-route", "{target} is not described");
        return;
    };
    if operations[method.to_ascii_lowercase()].is_null() {
        assert_eq!(answer.json()["code"], "method-not-allowed", "{method} {target} is not described");
        return;
    }
    expect_fitting(method, target, answer);
}

/// The same, if what was asked is described: a client without manners may ask anything.
#[track_caller]
pub fn expect_fitting(method: &str, target: &str, answer: &Answer) {
    let Some((template, operations)) = described_path(target) else { return };
    let operation = &operations[method.to_ascii_lowercase()];
    if operation.is_null() {
        return;
    }
    let described = &operation["responses"][answer.status.to_string()];
    assert!(!described.is_null(), "{} to {method} {template} is not described: {answer:?}", answer.status);
    let content = described["content"].as_object();
    let kind = if answer.body.is_empty() { "" } else { answer.header("content-type") };
    let schema = content.and_then(|content| content.get(kind));
    match schema {
        Some(content) => {
            let document =
                if kind == "application/jsonl" { Json::String(answer.text()) } else { answer.json() };
            if let Err(why) = fits(&document, &content["schema"], "") {
                panic!("{method} {template} {}: {why}\n{}", answer.status, answer.text());
            }
        }
        None => {
            assert!(
                !kind.ends_with("json"),
                "a document of {method} {template} is not described: {answer:?}"
            );
        }
    }
    let headers = &described["headers"];
    for (name, header) in headers.as_object().into_iter().flatten() {
        assert!(
            resolved(header)["required"] != true || answer.has(&name.to_ascii_lowercase()),
            "{method} {template} has no {name}: {answer:?}"
        );
    }
    for (name, _) in &answer.headers {
        let is_described =
            headers.as_object().is_some_and(|all| all.keys().any(|known| known.eq_ignore_ascii_case(name)));
        assert!(
            is_described || OF_HTTP.contains(&name.as_str()),
            "{name} of {method} {template} {} is not described",
            answer.status
        );
    }
    let code = if kind.ends_with("problem+json") { answer.json()["code"].clone() } else { Json::Null };
    ledger::note(operation["operationId"].as_str().expect("a name"), answer.status, code.as_str());
}

fn described_path(target: &str) -> Option<(&'static String, &'static Json)> {
    let path = target.split('?').next().unwrap_or_default();
    DESCRIPTION["paths"].as_object().expect("paths").iter().find(|(template, _)| is_like(path, template))
}

/// Whether a path is one of this template: a table or a member is one part of it, a key all the rest.
fn is_like(path: &str, template: &str) -> bool {
    let mut parts = path.split('/');
    for wanted in template.split('/') {
        let Some(part) = parts.next() else { return false };
        match wanted {
            "{key}" => return true,
            named if named.starts_with('{') => {
                if part.is_empty() {
                    return false;
                }
            }
            literal if literal == part => {}
            _ => return false,
        }
    }
    parts.next().is_none()
}

pub fn resolved(schema: &Json) -> &Json {
    match schema["$ref"].as_str() {
        Some(reference) => DESCRIPTION.pointer(&reference[1..]).expect("a reference leads somewhere"),
        None => schema,
    }
}

/// Whether a value fits a schema, as far as the schemas of this interface go; and every field of it is named there.
fn fits(value: &Json, schema: &Json, at: &str) -> Result<(), String> {
    let schema = resolved(schema);
    let fields = schema.as_object().ok_or("a schema is an object")?;
    for (keyword, wanted) in fields {
        let items = || wanted.as_array().into_iter().flatten();
        let fine = match keyword.as_str() {
            "const" => value == wanted,
            "enum" => items().any(|word| word == value),
            "type" => is_of(value, wanted) || items().any(|kind| is_of(value, kind)),
            "anyOf" => items().any(|one| fits(value, one, at).is_ok()),
            "oneOf" => items().filter(|one| fits(value, one, at).is_ok()).count() == 1,
            "minimum" => value.as_f64().is_none_or(|number| Some(number) >= wanted.as_f64()),
            "maximum" => value.as_f64().is_none_or(|number| Some(number) <= wanted.as_f64()),
            "required" => items().all(|name| {
                !value[name.as_str().unwrap_or_default()].is_null()
                    || value
                        .as_object()
                        .is_some_and(|all| all.contains_key(name.as_str().unwrap_or_default()))
            }),
            "items" => {
                for (place, item) in value.as_array().into_iter().flatten().enumerate() {
                    fits(item, wanted, &format!("{at}/{place}"))?;
                }
                true
            }
            "allOf" => {
                for (name, _) in value.as_object().into_iter().flatten() {
                    let is_named = items().any(|one| resolved(one)["properties"].get(name).is_some());
                    if !is_named {
                        return Err(format!("{at}/{name} is not described"));
                    }
                }
                for one in items() {
                    narrows(value, resolved(one), at)?;
                }
                true
            }
            "properties" => {
                for (name, field) in value.as_object().into_iter().flatten() {
                    let known = wanted.get(name).ok_or_else(|| format!("{at}/{name} is not described"))?;
                    fits(field, known, &format!("{at}/{name}"))?;
                }
                true
            }
            "additionalProperties"
            | "propertyNames"
            | "pattern"
            | "format"
            | "contentEncoding"
            | "description"
            | "maxLength"
            | "minLength" => true,
            other => return Err(format!("{at}: this test does not know {other}")),
        };
        if !fine {
            return Err(format!("{at}: {value} does not fit {keyword} {wanted}"));
        }
    }
    Ok(())
}

/// Whether the fields that a schema names fit it; it may not name all.
fn narrows(value: &Json, schema: &Json, at: &str) -> Result<(), String> {
    let required = schema["required"].as_array().into_iter().flatten();
    if let Some(absent) = required.filter_map(Json::as_str).find(|name| value.get(*name).is_none()) {
        return Err(format!("{at}/{absent} is not there"));
    }
    for (name, field) in schema["properties"].as_object().into_iter().flatten() {
        if let Some(value) = value.get(name) {
            fits(value, field, &format!("{at}/{name}"))?;
        }
    }
    Ok(())
}

fn is_of(value: &Json, kind: &Json) -> bool {
    match kind.as_str() {
        Some("object") => value.is_object(),
        Some("array") => value.is_array(),
        Some("string") => value.is_string(),
        Some("integer") => value.is_u64() || value.is_i64(),
        Some("number") => value.is_number(),
        Some("boolean") => value.is_boolean(),
        Some("null") => value.is_null(),
        Some(_) | None => false,
    }
}

#[test]
fn this_check_can_fail() {
    let good = serde_json::json!({ "epoch": 3, "dropped": "t" });
    let dropped = serde_json::json!({ "$ref": "#/components/schemas/Dropped" });
    assert_eq!(fits(&good, &dropped, ""), Ok(()));
    for bad in [
        serde_json::json!({ "epoch": 3 }),
        serde_json::json!({ "epoch": "3", "dropped": "t" }),
        serde_json::json!({ "epoch": 3, "dropped": "t", "more": 1 }),
        serde_json::json!([]),
    ] {
        assert!(fits(&bad, &dropped, "").is_err(), "{bad}");
    }
    assert!(is_like("/v1/tables/t/keys/a/b", "/v1/tables/{table}/keys/{key}"));
    assert!(!is_like("/v1/tables//keys/a", "/v1/tables/{table}/keys/{key}"));
    assert!(!is_like("/v1/tables/t/more", "/v1/tables/{table}"));
}
