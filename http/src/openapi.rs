//! The description of the whole interface for programs: `GET /openapi.json`, OpenAPI 3.1.
//!
//! It is put together from what the code itself goes by, so that it can't drift from it: the parameters of a
//! request are the list that its parser takes ([`super::query`]), the refusals are codes with the statuses and titles
//! they are sent with ([`Code`]), the limits are those in force. What is written by hand is one table of
//! `operations` and the `schemas` of the documents.
//!
//! Tests hold it to the code from three sides: the router's paths and methods and the table name each other, every
//! code is on some operation, and every answer of the contract tests (its status, its code, each field of its
//! document) must be found here.
//!
//! # What is absent
//!
//! What OpenAPI can't say stands in words: that a raw `/` may be part of a key, that `consistency` beside `r` or `w`
//! must be equal, that `retry=true` needs an `Idempotency-Key`, that a level is at most the table's `n`.

mod operations;
mod parameters;
mod schemas;
mod shapes;

use super::code::Code;
use super::head;
use super::problem::PROBLEM_JSON;
use crate::limits::{InForce, Limits};
use operations::{Answer, Content, OPERATIONS, Operation};
use parameters::Header;
use serde_json::{Map, Value as Json, json};
use std::collections::{BTreeMap, BTreeSet};

const DESCRIPTION: &str = "Any node answers any request. Each answer says how consistent it was \
(`Quorate-Consistency`); each refusal is a problem document (RFC 9457) whose `code` and `outcome` a program decides \
by. A path that is not listed here is 404 `no-such-route`, another method on one that is listed 405 \
`method-not-allowed` with `Allow`. A key may hold a raw `/` or any escaped byte; with `enc=b64` it is base64url.";

/// What a read that found no value says of it.
const ABSENT_HEADERS: &[&str] = &["Quorate-Consistency", "Quorate-Version", "Server-Timing"];

/// The document, with these limits in its schemas.
pub fn document(limits: &Limits, in_force: &[InForce]) -> Json {
    let mut paths: BTreeMap<&str, Map<String, Json>> = BTreeMap::new();
    for operation in OPERATIONS {
        let path = paths.entry(operation.path).or_default();
        path.insert(operation.method.to_owned(), described(operation, limits, false));
        if operation.method == "get" {
            path.insert("head".to_owned(), described(operation, limits, true));
        }
    }
    let nowhere = [Code::NoSuchRoute, Code::MethodNotAllowed];
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "Quorate",
            "version": env!("CARGO_PKG_VERSION"),
            "description": DESCRIPTION,
            "license": { "name": "Apache-2.0", "identifier": "Apache-2.0" },
        },
        "servers": [{ "url": "/" }],
        "paths": paths,
        "components": {
            "schemas": schemas::all(limits, in_force),
            "headers": parameters::response_headers(),
            "responses": nowhere.iter().map(|code| (code.as_str().to_owned(), refusal(&[*code], false))).collect::<Map<_, _>>(),
        },
    })
}

/// One operation; `head`: as it answers to HEAD, which is without bodies.
fn described(operation: &Operation, limits: &Limits, head: bool) -> Json {
    let Operation { path, id, says, takes, headers, body, answers, .. } = operation;
    let named = parameters::of_path(path, limits);
    let query = takes.iter().map(|name| parameters::of_query(*name));
    let headers = [Header::Traceparent].iter().chain(*headers).map(|header| parameters::of_header(*header));
    let mut responses: Map<String, Json> = answers
        .iter()
        .map(|answer| (answer.status.to_string(), success(operation, answer, limits, head)))
        .collect();
    for (status, codes) in by_status(operation) {
        responses.insert(status.to_string(), refusal(&codes, head));
    }
    let id = if head { format!("{id}Head") } else { (*id).to_owned() };
    let mut all = json!({
        "operationId": id,
        "summary": says,
        "parameters": named.into_iter().chain(query).chain(headers).collect::<Vec<_>>(),
        "responses": responses,
    });
    if let Some(body) = body {
        all["requestBody"] = json!({ "required": true, "content": content(*body, limits) });
    }
    all
}

/// The codes of an operation, by the status that they come with.
fn by_status(operation: &Operation) -> BTreeMap<u16, Vec<Code>> {
    let mut seen = BTreeSet::new();
    let mut all: BTreeMap<u16, Vec<Code>> = BTreeMap::new();
    for code in operation.codes.iter().copied().flatten() {
        if seen.insert(code.as_str()) {
            all.entry(code.status().as_u16()).or_default().push(*code);
        }
    }
    all
}

fn content(content: Content, limits: &Limits) -> Json {
    match content {
        Content::Document(schema) => json!({ head::JSON: { "schema": shapes::reference(schema) } }),
        // A value has the media type that it was stored with.
        Content::Value => {
            json!({ "*/*": { "schema": { "type": "string", "format": "binary", "maxLength": limits.value_bytes_max } } })
        }
        Content::Metrics => json!({ "application/openmetrics-text": { "schema": { "type": "string" } } }),
    }
}

fn success(operation: &Operation, answer: &Answer, limits: &Limits, head: bool) -> Json {
    let mut response = json!({ "description": answer.says });
    let always = ["Quorate-Request", "Quorate-Epoch", "Quorate-Coordinator", "X-Content-Type-Options"];
    let mut headers: Map<String, Json> =
        always.iter().chain(answer.headers).map(|name| header(name)).collect();
    if !operation.codes.iter().copied().flatten().any(|code| *code == Code::Starting) {
        // What is answered before there is a node can't say which it is.
        headers.extend(["Quorate-Epoch", "Quorate-Coordinator"].map(optional));
    }
    response["headers"] = headers.into();
    let links = answer.leads_to.iter().map(|id| {
        ((*id).to_owned(), json!({ "operationId": id, "parameters": { "table": "$response.body#/name" } }))
    });
    if !answer.leads_to.is_empty() {
        response["links"] = links.collect::<Map<_, _>>().into();
    }
    if let Some(of) = answer.content
        && !head
    {
        response["content"] = match of {
            // What the bytes mean follows from the media type that they were stored with: of JSON they may be anything,
            // and an empty value is nothing at all to its reader. So no schema holds for them.
            Content::Value => json!({ "*/*": {} }),
            Content::Document(_) | Content::Metrics => content(of, limits),
        };
    }
    response
}

/// A header of an answer, by its name.
fn header(name: &str) -> (String, Json) {
    (name.to_owned(), json!({ "$ref": format!("#/components/headers/{name}") }))
}

/// The same, which may be missing.
fn optional(name: &str) -> (String, Json) {
    let mut described = parameters::response_headers()[name].clone();
    described["required"] = false.into();
    (name.to_owned(), described)
}

/// The answer of one status, with each code that it may carry. All codes of one status are in one answer.
fn refusal(codes: &[Code], head: bool) -> Json {
    let titles = codes.iter().map(|code| format!("`{}`: {}", code.as_str(), code.title()));
    let mut response = json!({ "description": titles.collect::<Vec<_>>().join(". ") });
    let mut headers = Map::new();
    headers.extend(["Quorate-Request", "Cache-Control"].map(header));
    if codes.iter().all(|code| code.retry_after().is_some()) {
        headers.extend([header("Retry-After")]);
    }
    if codes.contains(&Code::MethodNotAllowed) {
        headers.extend([header("Allow")]);
    }
    // What is refused before the node's catalog is looked at, or before it is HTTP, lacks the first ones; a key
    // without a value has the last ones.
    let found: &[&str] = if codes.contains(&Code::NoSuchKey) || codes.contains(&Code::NotAcceptable) {
        ABSENT_HEADERS
    } else {
        &[]
    };
    for name in ["Quorate-Epoch", "Quorate-Coordinator", "X-Content-Type-Options"].iter().chain(found) {
        headers.extend([optional(name)]);
    }
    response["headers"] = headers.into();
    if head {
        return response;
    }
    let status = codes.first().map(|code| code.status().as_u16());
    let words: Vec<&str> = codes.iter().map(|code| code.as_str()).collect();
    let schema = json!({ "allOf": [
        shapes::reference("Problem"),
        { "type": "object", "properties": { "status": { "const": status }, "code": { "enum": words } } },
    ] });
    response["content"] = json!({ PROBLEM_JSON: { "schema": schema } });
    response
}

#[cfg(test)]
mod tests;
