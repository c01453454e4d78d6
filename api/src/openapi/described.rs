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

/// Headers of what is read.
pub const READ_HEADERS: &[&str] = &[
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
pub const WRITE_HEADERS: &[&str] =
    &["Quorate-Consistency", "Quorate-Version", "ETag", "Server-Timing", "Cache-Control"];

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
