//! The description of the whole interface for programs: `GET /openapi.json`, OpenAPI 3.1.
//!
//! It is put together from what the code itself goes by, so that it can't drift from it: the documents are the types
//! that are sent, with the schemas that `utoipa` derives from them; paths, methods and parameters are those of
//! [`Operation`], which the server's parser goes by; the refusals are codes with the statuses and titles that they are
//! sent with ([`Code`]); the limits are those in force. What is written by hand is one table of `operations`: what
//! each answers, and for what it is refused.
//!
//! Tests hold it to the code: every operation stands in the table once, every code is on some operation, and every answer
//! of the contract tests (its status, its code, each field of its document) must be found here.
//!
//! # What is absent
//!
//! What OpenAPI can't say stands in words: that a raw `/` may be part of a key, that `consistency` beside `r` or `w`
//! must be equal, that `retry=true` needs an `Idempotency-Key`, that a level is at most the table's `n`.

mod access;
mod described;
mod groups;
mod operations;
mod parameters;
mod schemas;

use crate::code::Code;
use crate::document::Limits;
use crate::header::{JSON, JSON_LINES, PROBLEM_JSON};
use crate::needs::Needs;
use crate::route::Operation;
use described::{Answer, Content, Described};
use http::Method;
use parameters::Header;
use serde_json::{Map, Value as Json, json};
use std::collections::{BTreeMap, BTreeSet};

pub use schemas::Bounds;
use schemas::Reference;

const DESCRIPTION: &str = "Any node answers any request. Each answer says how consistent it was \
(`Quorate-Consistency`); each refusal is a problem document (RFC 9457) whose `code` and `outcome` a program decides \
by. A path that is not listed here is 404 `no-such-route`, another method on one that is listed 405 \
`method-not-allowed` with `Allow`. A key may hold a raw `/` or any escaped byte; with `enc=b64` it is base64url. Where access control is on, a request that needs something proves who asks with a token \
or a client certificate; where it is off, every request is taken.";

/// What a read that found no value says of it.
const ABSENT_HEADERS: &[&str] = &["Quorate-Consistency", "Quorate-Version", "Server-Timing"];

/// The document, with these limits in its schemas.
pub fn document(bounds: &Bounds, limits: &Limits) -> Json {
    let mut paths: BTreeMap<&str, Map<String, Json>> = BTreeMap::new();
    for operation in Operation::ALL.iter().copied() {
        let path = paths.entry(operation.template()).or_default();
        let method = operation.method();
        path.insert(method.as_str().to_ascii_lowercase(), described(operation, bounds, false));
        if method == Method::GET {
            path.insert("head".to_owned(), described(operation, bounds, true));
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
            "schemas": schemas::all(referred(), bounds, limits),
            "headers": parameters::response_headers(),
            "securitySchemes": {
                "token": { "type": "http", "scheme": "bearer", "description": "A token that an admin has issued" },
                "certificate": { "type": "mutualTLS", "description": "A client certificate whose name a user has" },
            },
            "responses": nowhere.iter().map(|code| (code.as_str().to_owned(), refusal(&[*code], false))).collect::<Map<_, _>>(),
        },
    })
}

/// The schemas that operations take and answer with.
fn referred() -> impl Iterator<Item = Reference> {
    Operation::ALL.iter().flat_map(|operation| {
        let Described { answers, body, .. } = operations::described(*operation);
        let contents = answers.iter().filter_map(|answer| answer.content).chain(body.copied());
        let schemas = contents.filter_map(|content| match content {
            Content::Document(schema) | Content::Links(schema) | Content::Page(schema) => Some(schema),
            Content::Value | Content::Html | Content::Limits | Content::Metrics | Content::Interface => None,
        });
        schemas.collect::<Vec<_>>()
    })
}

/// One operation; `head`: as it answers to HEAD, which is without bodies.
fn described(operation: Operation, bounds: &Bounds, head: bool) -> Json {
    let Described { id, says, headers, body, answers, .. } = operations::described(operation);
    let codes = codes(operation);
    let named = parameters::of_path(operation.template(), bounds);
    let query = operation.takes().iter().map(|name| parameters::of_query(*name));
    let headers = [Header::Traceparent].iter().chain(headers).map(|header| parameters::of_header(*header));
    let mut responses: Map<String, Json> =
        answers.iter().map(|answer| (answer.status.to_string(), success(&codes, answer, head))).collect();
    for (status, codes) in by_status(&codes) {
        responses.insert(status.to_string(), refusal(&codes, head));
    }
    let id = if head { format!("{id}Head") } else { id.to_owned() };
    let mut all = json!({
        "operationId": id,
        "summary": says,
        "description": format!("Where access control is on it needs {}.", operation.needs().says()),
        "security": security(operation.needs()),
        "parameters": named.into_iter().chain(query).chain(headers).collect::<Vec<_>>(),
        "responses": responses,
    });
    if let Some(body) = body {
        let content = match body {
            Content::Value => json!({ "*/*": { "schema": {
                "type": "string", "format": "binary", "maxLength": bounds.value_bytes_max,
            } } }),
            other => content(*other),
        };
        all["requestBody"] = json!({ "required": true, "content": content });
    }
    all
}

/// Its name in generated clients.
pub fn id(operation: Operation) -> &'static str {
    operations::described(operation).id
}

/// For what an operation is refused, because of what is asked and because of who asks.
fn codes(operation: Operation) -> Vec<&'static [Code]> {
    let own = operations::described(operation).codes.iter().copied();
    let audited = operation.is_act().then_some(groups::AUDITED);
    own.chain([groups::of_access(operation.needs())]).chain(audited).collect()
}

/// How who asks can prove who it is: one of these. The empty one is for clusters without access control: this document is
/// the same with it.
fn security(needs: Needs) -> Json {
    if needs == Needs::Open {
        return json!([]);
    }
    json!([{}, { "token": [] }, { "certificate": [] }])
}

/// The codes of an operation, by the status that they come with.
fn by_status(codes: &[&[Code]]) -> BTreeMap<u16, Vec<Code>> {
    let mut seen = BTreeSet::new();
    let mut all: BTreeMap<u16, Vec<Code>> = BTreeMap::new();
    for code in codes.iter().copied().flatten() {
        if seen.insert(code.as_str()) {
            all.entry(code.status().as_u16()).or_default().push(*code);
        }
    }
    all
}

fn content(content: Content) -> Json {
    let of = |kind: &str, schema: Json| {
        let mut all = Map::new();
        all.insert(kind.to_owned(), json!({ "schema": schema }));
        Json::Object(all)
    };
    match content {
        Content::Document(schema) => of(JSON, schemas::reference(&schema.name())),
        Content::Limits => of(JSON, schemas::reference(schemas::LIMITS)),
        Content::Interface => of(JSON, schemas::reference(schemas::INTERFACE)),
        Content::Metrics => {
            let mut all = of("text/plain", json!({ "type": "string" }));
            all["application/openmetrics-text"] = json!({ "schema": { "type": "string" } });
            all
        }
        Content::Html => of("text/html", json!({ "type": "string" })),
        Content::Links(schema) => {
            let mut all = of(JSON, schemas::reference(&schema.name()));
            all["text/html"] = json!({ "schema": { "type": "string" } });
            all
        }
        Content::Page(schema) => {
            let mut all = of(JSON, schemas::reference(&schema.name()));
            all[JSON_LINES] = json!({ "schema": { "type": "string" } });
            all
        }
        // What the bytes mean follows from the media type that they were stored with: of JSON they may be anything,
        // and an empty value is nothing at all to its reader. So no schema holds for them.
        Content::Value => json!({ "*/*": {} }),
    }
}

fn success(codes: &[&[Code]], answer: &Answer, head: bool) -> Json {
    let mut response = json!({ "description": answer.says });
    let always = ["Quorate-Request", "Quorate-Epoch", "Quorate-Coordinator", "X-Content-Type-Options"];
    let mut headers: Map<String, Json> =
        always.iter().chain(answer.headers).map(|name| header(name)).collect();
    if !codes.iter().copied().flatten().any(|code| *code == Code::Starting) {
        // What is answered before there is a node can't say which it is.
        headers.extend(["Quorate-Epoch", "Quorate-Coordinator"].map(optional));
    }
    response["headers"] = headers.into();
    let links = answer.leads_to.iter().map(|operation| {
        let id = id(*operation);
        (id.to_owned(), json!({ "operationId": id, "parameters": { "table": "$response.body#/name" } }))
    });
    if !answer.leads_to.is_empty() {
        response["links"] = links.collect::<Map<_, _>>().into();
    }
    if let Some(of) = answer.content
        && !head
    {
        response["content"] = content(of);
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
    if codes.contains(&Code::Unauthenticated) {
        headers.extend([header("WWW-Authenticate")]);
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
        schemas::reference("Problem"),
        { "type": "object", "properties": { "status": { "const": status }, "code": { "enum": words } } },
    ] });
    response["content"] = json!({ PROBLEM_JSON: { "schema": schema } });
    response
}

#[cfg(test)]
mod tests;
