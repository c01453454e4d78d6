//! Holds every answer to the interface's own description: its status, its code, and each field of its document must
//! be found in `/openapi.json`. So the description can neither lack what a node answers nor promise another shape.

use super::ask::Answer;
use quorate_node::http::code::Code;
use quorate_node::http::openapi;
use quorate_node::limits::Limits;
use serde_json::Value as Json;
use std::sync::LazyLock;

static DESCRIPTION: LazyLock<Json> = LazyLock::new(|| openapi::document(&Limits::default()));

/// Holds one answer to the description.
#[track_caller]
pub fn expect_described(method: &str, target: &str, answer: &Answer) {
    let path = target.split('?').next().unwrap_or_default();
    let all = DESCRIPTION["paths"].as_object().expect("paths");
    let Some((template, operations)) = all.iter().find(|(template, _)| is_like(path, template)) else {
        assert_eq!(answer.json()["code"], "no-such-route", "{target} is not described");
        return;
    };
    let operation = &operations[method.to_ascii_lowercase()];
    if operation.is_null() {
        assert_eq!(answer.json()["code"], "method-not-allowed", "{method} {template} is not described");
        return;
    }
    let described = &operation["responses"][answer.status.to_string()];
    assert!(!described.is_null(), "{} to {method} {template} is not described: {answer:?}", answer.status);
    let content = described["content"].as_object();
    let kind = if answer.body.is_empty() { "" } else { answer.header("content-type") };
    let schema = content.and_then(|content| content.get(kind));
    match schema {
        Some(content) => {
            if let Err(why) = fits(&answer.json(), &content["schema"], "") {
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
    for (name, header) in described["headers"].as_object().into_iter().flatten() {
        let header = resolved(header);
        // What the edge refuses has not come as far as the view.
        let is_early =
            answer.status >= 400 || matches!(name.as_str(), "Quorate-Epoch" | "Quorate-Coordinator");
        let must =
            header["required"] == true && (!is_early || name == "Quorate-Request" || name == "Retry-After");
        assert!(
            !must || answer.has(&name.to_ascii_lowercase()),
            "{method} {template} has no {name}: {answer:?}"
        );
    }
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

fn resolved(schema: &Json) -> &Json {
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
                // What is common to all of them names the fields; the others narrow them.
                for (place, one) in items().enumerate() {
                    if place == 0 { fits(value, one, at)? } else { narrows(value, one, at)? }
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
            "additionalProperties" | "pattern" | "format" | "description" | "maxLength" | "minLength" => true,
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
    for (name, field) in schema["properties"].as_object().into_iter().flatten() {
        fits(&value[name], field, &format!("{at}/{name}"))?;
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

/// Every code there is comes back from a real node in one of these files, with its status.
#[test]
fn every_code_is_provoked() {
    // What a client can't bring about, and where it is provoked instead.
    let elsewhere = [
        // 2^64 updates of one key: tests of the node's faults.
        ("versions-exhausted", include_str!("../../../node/src/http/fault/tests.rs")),
        // A bug: tests of the HTTP server, with a handler that panics.
        ("internal", include_str!("../../../node/src/http/server/tests.rs")),
    ];
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/http_contract");
    let files = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let sources: String = files.filter_map(|path| std::fs::read_to_string(path).ok()).collect();
    for code in Code::ALL {
        let (status, word) = (code.status().as_u16(), code.as_str());
        if let Some((_, source)) = elsewhere.iter().find(|(other, _)| *other == word) {
            assert!(source.contains(&format!("\"{word}\"")), "{word}");
            continue;
        }
        let refuses = format!("refuses({status}, \"{word}\")");
        let in_table = format!("{status}, \"{word}\"");
        assert!(
            sources.contains(&refuses) || sources.contains(&in_table),
            "no test provokes {status} {word}"
        );
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
