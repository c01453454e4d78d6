//! What there is to say of an operation, and the few shapes that most of them have.

use super::groups::{AT_WORK, BODY, EDGE, KEY, LEVEL, OWNERS, QUERY, TABLE, VALUE, WRITE};
use super::parameters::Header;
use super::schemas::Reference;
use crate::code::Code;
use crate::document::Written;
use crate::route::Operation;
use utoipa::ToSchema;

/// What there is to say of an operation, beside its path, its method and its parameters.
pub struct Described {
    /// Its name in generated clients.
    pub id: &'static str,
    /// One line on what it does.
    pub says: &'static str,
    /// Request headers with a meaning here.
    pub headers: &'static [Header],
    /// Its body, if it takes one.
    pub body: Option<&'static Content>,
    /// How it answers when it does what it was asked for.
    pub answers: &'static [Answer],
    /// For what it is refused, or how it fails.
    pub codes: &'static [&'static [Code]],
}

/// What a body is.
#[derive(Clone, Copy)]
pub enum Content {
    /// JSON of this schema.
    Document(Reference),
    /// The same, or a page for people.
    Links(Reference),
    /// The same, or a stream of documents, one a line.
    Page(Reference),
    /// A page for people.
    Html,
    /// A stored value.
    Value,
    /// Every limit in force.
    Limits,
    /// Text for Prometheus.
    Metrics,
    /// This description.
    Interface,
}

/// A success.
pub struct Answer {
    /// Its status.
    pub status: u16,
    /// What it means.
    pub says: &'static str,
    /// Its body.
    pub content: Option<Content>,
    /// Response headers that it may carry, beside those of every answer.
    pub headers: &'static [&'static str],
    /// Operations that go on with the table it names.
    pub leads_to: &'static [Operation],
}

/// A document of this type.
pub const fn document<T: ToSchema>() -> Content {
    Content::Document(Reference::to::<T>())
}

/// It was done.
pub const fn done(content: Content) -> Answer {
    Answer { status: 200, says: "Done", content: Some(content), headers: &[], leads_to: &[] }
}

/// It was done, and this is what came of it.
pub const fn ok<T: ToSchema>() -> Answer {
    done(document::<T>())
}

/// Headers of the dashboard.
const PAGE_HEADERS: &[&str] = &["ETag", "Cache-Control", "Content-Security-Policy", "Referrer-Policy"];
/// Headers of what is read.
const READ_HEADERS: &[&str] = &[
    "Quorate-Consistency",
    "Quorate-Version",
    "ETag",
    "Last-Modified",
    "Expires",
    "Server-Timing",
    "Cache-Control",
    "Content-Security-Policy",
];
/// Headers of what was written.
const WRITE_HEADERS: &[&str] =
    &["Quorate-Consistency", "Quorate-Version", "ETag", "Server-Timing", "Cache-Control"];

/// It is somewhere else.
pub const ELSEWHERE: &[Answer] = &[Answer {
    status: 308,
    says: "It is at `Location`",
    content: None,
    headers: &["Location"],
    leads_to: &[],
}];

/// A page.
pub const PAGE: &[Answer] =
    &[Answer { headers: PAGE_HEADERS, ..done(Content::Html) }, unchanged(PAGE_HEADERS)];

/// A file that belongs to one.
pub const FILE: &[Answer] =
    &[Answer { headers: PAGE_HEADERS, ..done(Content::Value) }, unchanged(PAGE_HEADERS)];

/// A value that was read.
pub const FOUND: &[Answer] =
    &[Answer { says: "The value", headers: READ_HEADERS, ..done(Content::Value) }, unchanged(READ_HEADERS)];

const fn unchanged(headers: &'static [&'static str]) -> Answer {
    Answer {
        status: 304,
        says: "The client holds this version already",
        content: None,
        headers,
        leads_to: &[],
    }
}

/// How a write answers.
pub const WRITTEN: &[Answer] = &[
    Answer {
        status: 200,
        says: "As many owners as asked for hold it durably",
        content: Some(document::<Written>()),
        headers: WRITE_HEADERS,
        leads_to: &[],
    },
    Answer {
        status: 204,
        says: "The same, to `Prefer: return=minimal`",
        content: None,
        headers: WRITE_HEADERS,
        leads_to: &[],
    },
];

/// A request that shows something: no body, no headers of its own.
pub const fn shown(
    id: &'static str,
    says: &'static str,
    answers: &'static [Answer],
    codes: &'static [&'static [Code]],
) -> Described {
    Described { id, says, headers: &[], body: None, answers, codes }
}

/// The same of something that the client may hold already.
pub const fn file(
    id: &'static str,
    says: &'static str,
    answers: &'static [Answer],
    codes: &'static [&'static [Code]],
) -> Described {
    Described { headers: &[Header::IfNoneMatch], ..shown(id, says, answers, codes) }
}

/// A request with a body.
pub const fn taking(
    id: &'static str,
    says: &'static str,
    body: &'static Content,
    answers: &'static [Answer],
    codes: &'static [&'static [Code]],
) -> Described {
    Described { id, says, headers: &[], body: Some(body), answers, codes }
}

/// A value is written.
pub const fn put(id: &'static str, says: &'static str) -> Described {
    Described {
        headers: &[Header::IdempotencyKey, Header::Prefer],
        ..taking(
            id,
            says,
            &Content::Value,
            WRITTEN,
            &[EDGE, AT_WORK, QUERY, KEY, TABLE, LEVEL, WRITE, BODY, VALUE, OWNERS],
        )
    }
}
