//! Every operation: its path and method, what it takes, what it answers, and for what it is refused.

use super::parameters::Header;
use crate::code::Code;
use crate::query::{self, Name};

/// One method of one path.
pub struct Operation {
    /// In lower case, as OpenAPI has it. What is true of a `get` is true of its `HEAD`, but for the bodies.
    pub method: &'static str,
    /// With its parameters in braces.
    pub path: &'static str,
    /// Its name in generated clients.
    pub id: &'static str,
    /// One line on what it does.
    pub says: &'static str,
    /// Its query parameters: the very list that its parser takes.
    pub takes: &'static [Name],
    /// Request headers with a meaning here.
    pub headers: &'static [Header],
    /// Its body, if it takes one.
    pub body: Option<Content>,
    /// How it answers when it does what it was asked for.
    pub answers: &'static [Answer],
    /// For what it is refused, or how it fails.
    pub codes: &'static [&'static [Code]],
}

/// What a body is.
#[derive(Clone, Copy)]
pub enum Content {
    /// JSON of a named schema.
    Document(&'static str),
    /// A stored value.
    Value,
    /// Text for Prometheus.
    Metrics,
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
    pub leads_to: &'static [&'static str],
}

const fn ok(schema: &'static str) -> Answer {
    Answer {
        status: 200,
        says: "Done",
        content: Some(Content::Document(schema)),
        headers: &[],
        leads_to: &[],
    }
}

/// What any request may meet, whatever it asks.
const EDGE: &[Code] = &[
    Code::BadRequest,
    Code::RequestTimeout,
    Code::KeyTooLong,
    Code::ExpectationFailed,
    Code::BadHost,
    Code::HeadersTooLarge,
    Code::Internal,
];
/// A node that is not there yet.
const STARTING: &[Code] = &[Code::Starting];
/// A node at its limit; health and metrics are answered even then.
const AT_WORK: &[Code] = &[Code::Starting, Code::Overloaded];
/// What every parser of a query refuses.
const QUERY: &[Code] = &[Code::UnknownParameter, Code::InvalidParameter];
/// What every request that is not one write refuses.
const PLAIN: &[Code] = &[Code::InvalidHeader, Code::NotAcceptable];
/// A node that doubts its disk may have lost the table.
const TABLE: &[Code] = &[Code::NoSuchTable, Code::ReplicaDoubtful];
const NODE: &[Code] = &[Code::NoSuchNode];
const KEY: &[Code] = &[Code::InvalidKey, Code::KeyTooLong];
/// A node that stops, or doubts its disk, begins nothing.
const SERVING: &[Code] = &[Code::Draining, Code::ReplicaDoubtful];
/// What owners that can't answer come down to. Of many keys, each item has its own.
const OWNERS: &[Code] =
    &[Code::Unavailable, Code::Overloaded, Code::ReplicaDoubtful, Code::Draining, Code::DiskFull];
const LEVEL: &[Code] = &[Code::InvalidConsistency];
const READ: &[Code] = &[Code::NoSuchKey, Code::InvalidHeader, Code::NotAcceptable, Code::ReadTimeout];
const WRITE: &[Code] = &[
    Code::ConditionsNeedConsensus,
    Code::InvalidHeader,
    Code::NotAcceptable,
    Code::IdempotencyExpired,
    Code::IdempotencyReused,
    Code::VersionsExhausted,
    Code::WriteTimeout,
];
/// A body of any kind.
const BODY: &[Code] = &[Code::InvalidBody, Code::LengthRequired, Code::UnsupportedMediaType];
const VALUE: &[Code] = &[Code::ValueTooLarge, Code::Overloaded];
const BATCH: &[Code] = &[Code::BatchTooLarge, Code::Overloaded];
const DOCUMENT: &[Code] = &[Code::BodyTooLarge, Code::Overloaded];
/// A change of the catalog. Only one that makes something can meet a limit of the catalog.
const CHANGE: &[Code] = &[Code::Unavailable, Code::ReplicaDoubtful, Code::Draining, Code::WriteTimeout];
/// What a table that would be made may meet in the catalog.
const MADE: &[Code] = &[Code::TableExists, Code::CatalogRefused];

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
const WRITE_HEADERS: &[&str] =
    &["Quorate-Consistency", "Quorate-Version", "ETag", "Server-Timing", "Cache-Control"];

const WRITTEN: &[Answer] = &[
    Answer {
        status: 200,
        says: "As many owners as asked for hold it durably",
        content: Some(Content::Document("Written")),
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

/// A request that shows something: no body, no parameters, JSON.
const fn shown(
    path: &'static str,
    id: &'static str,
    says: &'static str,
    schema: &'static [Answer],
) -> Operation {
    Operation {
        method: "get",
        path,
        id,
        says,
        takes: query::NONE,
        headers: &[],
        body: None,
        answers: schema,
        codes: &[EDGE, AT_WORK, QUERY, PLAIN],
    }
}

const fn put(method: &'static str, id: &'static str, says: &'static str) -> Operation {
    Operation {
        method,
        path: "/v1/tables/{table}/keys/{key}",
        id,
        says,
        takes: query::WRITE,
        headers: &[Header::IdempotencyKey, Header::Prefer],
        body: Some(Content::Value),
        answers: WRITTEN,
        codes: &[EDGE, AT_WORK, QUERY, KEY, TABLE, LEVEL, WRITE, BODY, VALUE, OWNERS],
    }
}

/// Every operation there is.
pub const OPERATIONS: &[Operation] = &[
    Operation {
        method: "get",
        path: "/v1/tables/{table}/keys/{key}",
        id: "read",
        says: "The value's bytes, with the media type it was stored with",
        takes: query::READ,
        headers: &[Header::IfNoneMatch],
        body: None,
        answers: &[
            Answer {
                status: 200,
                says: "The value",
                content: Some(Content::Value),
                headers: READ_HEADERS,
                leads_to: &[],
            },
            Answer {
                status: 304,
                says: "The client holds this version already",
                content: None,
                headers: READ_HEADERS,
                leads_to: &[],
            },
        ],
        codes: &[EDGE, AT_WORK, QUERY, KEY, TABLE, LEVEL, READ, OWNERS],
    },
    put("put", "put", "Store the body as the value; an empty body is a value"),
    put("post", "post", "The same as PUT"),
    Operation {
        method: "delete",
        path: "/v1/tables/{table}/keys/{key}",
        id: "delete",
        says: "Delete the key; deleting what is not there is no error",
        takes: query::DELETE,
        headers: &[Header::IdempotencyKey, Header::Prefer],
        body: None,
        answers: WRITTEN,
        codes: &[EDGE, AT_WORK, QUERY, KEY, TABLE, LEVEL, WRITE, OWNERS],
    },
    Operation {
        method: "post",
        path: "/v1/tables/{table}/mget",
        id: "mget",
        says: "Read many keys; each result has its own status",
        takes: query::MGET,
        headers: &[],
        body: Some(Content::Document("Mget")),
        answers: &[ok("Results")],
        codes: &[EDGE, AT_WORK, QUERY, PLAIN, TABLE, LEVEL, BODY, BATCH, SERVING],
    },
    Operation {
        method: "post",
        path: "/v1/tables/{table}/batch",
        id: "batch",
        says: "Write many keys, not atomically; each result has its own status",
        takes: query::BATCH,
        headers: &[],
        body: Some(Content::Document("Batch")),
        answers: &[ok("Results")],
        codes: &[
            EDGE,
            AT_WORK,
            QUERY,
            PLAIN,
            &[Code::ConditionsNeedConsensus],
            TABLE,
            LEVEL,
            BODY,
            VALUE,
            BATCH,
            SERVING,
        ],
    },
    Operation {
        takes: query::LOCATE,
        codes: &[EDGE, AT_WORK, QUERY, PLAIN, KEY, TABLE],
        ..shown(
            "/v1/tables/{table}/locate/{key}",
            "locate",
            "Where a key lives: its token, shard and owners",
            &[ok("Location")],
        )
    },
    Operation {
        takes: query::EXPLAIN,
        codes: &[EDGE, AT_WORK, QUERY, PLAIN, KEY, TABLE],
        ..shown(
            "/v1/tables/{table}/explain/{key}",
            "explain",
            "Where a key lives, and what each owner says it holds",
            &[ok("Explanation")],
        )
    },
    Operation {
        codes: &[EDGE, AT_WORK, QUERY, PLAIN, &[Code::ReplicaDoubtful]],
        ..shown("/v1/tables", "listTables", "Every table", &[ok("Tables")])
    },
    Operation {
        method: "post",
        path: "/v1/tables",
        id: "createTable",
        says: "Make a table",
        takes: query::CHANGE,
        headers: &[],
        body: Some(Content::Document("NewTable")),
        answers: &[Answer {
            status: 201,
            says: "Every member that can be reached knows the table",
            content: Some(Content::Document("Table")),
            headers: &["Location"],
            leads_to: &["describeTable", "alterTable", "dropTable", "listShards"],
        }],
        codes: &[EDGE, AT_WORK, QUERY, PLAIN, LEVEL, BODY, DOCUMENT, CHANGE, MADE],
    },
    Operation {
        codes: &[EDGE, AT_WORK, QUERY, PLAIN, TABLE],
        ..shown("/v1/tables/{table}", "describeTable", "One table", &[ok("Table")])
    },
    Operation {
        method: "patch",
        path: "/v1/tables/{table}",
        id: "alterTable",
        says: "Change a table's `r`, `durability` or `ttl`",
        takes: query::CHANGE,
        headers: &[],
        body: Some(Content::Document("TableChange")),
        answers: &[ok("Table")],
        codes: &[EDGE, AT_WORK, QUERY, PLAIN, TABLE, LEVEL, BODY, DOCUMENT, CHANGE],
    },
    Operation {
        method: "delete",
        path: "/v1/tables/{table}",
        id: "dropTable",
        says: "Drop a table and all its data",
        takes: query::CHANGE,
        headers: &[],
        body: None,
        answers: &[ok("Dropped")],
        codes: &[EDGE, AT_WORK, QUERY, PLAIN, TABLE, CHANGE],
    },
    Operation {
        codes: &[EDGE, AT_WORK, QUERY, PLAIN, TABLE],
        ..shown(
            "/v1/tables/{table}/shards",
            "listShards",
            "A table's shards: intervals, epochs, owners",
            &[ok("Shards")],
        )
    },
    shown("/v1/cluster", "showCluster", "The cluster, and a sentence on its health", &[ok("Cluster")]),
    shown("/v1/cluster/nodes", "listNodes", "The members, as this node sees them", &[ok("Nodes")]),
    Operation {
        codes: &[EDGE, AT_WORK, QUERY, PLAIN, NODE],
        ..shown("/v1/cluster/nodes/{node}", "showNode", "One member, by its id or name", &[ok("Node")])
    },
    Operation {
        codes: &[EDGE, AT_WORK, QUERY, PLAIN, NODE, &[Code::Unavailable]],
        ..shown(
            "/v1/cluster/nodes/{node}/safe-to-stop",
            "safeToStop",
            "Whether every table keeps its quorums without this member",
            &[ok("SafeToStop")],
        )
    },
    Operation {
        codes: &[EDGE, AT_WORK, QUERY, PLAIN, NODE, &[Code::LossNotAccepted]],
        ..shown(
            "/v1/cluster/nodes/{node}/accept-loss",
            "previewLoss",
            "What a member that doubts its disk may have lost; only that member can answer",
            &[ok("Loss")],
        )
    },
    Operation {
        method: "post",
        path: "/v1/cluster/nodes/{node}/accept-loss",
        id: "acceptLoss",
        says: "Let a member that doubts its disk go on with what it still has",
        takes: query::CHANGE,
        headers: &[],
        body: Some(Content::Document("AcceptLoss")),
        answers: &[ok("LossAccepted")],
        codes: &[
            EDGE,
            AT_WORK,
            QUERY,
            PLAIN,
            NODE,
            BODY,
            DOCUMENT,
            &[Code::LossNotAccepted, Code::Unavailable],
        ],
    },
    Operation {
        takes: query::RING,
        codes: &[EDGE, AT_WORK, QUERY, PLAIN, TABLE],
        ..shown("/v1/cluster/ring", "showRing", "Positions, shards and owners", &[ok("Ring")])
    },
    Operation {
        codes: &[EDGE, STARTING, QUERY, PLAIN],
        ..shown("/v1/limits", "showLimits", "Every limit in force", &[ok("Limits")])
    },
    Operation {
        codes: &[EDGE, QUERY, PLAIN],
        ..shown("/health/live", "live", "Whether the process works", &[ok("Live")])
    },
    Operation {
        codes: &[EDGE, STARTING, QUERY, PLAIN, &[Code::Unavailable, Code::ReplicaDoubtful, Code::Draining]],
        ..shown(
            "/health/ready",
            "ready",
            "Whether this node can serve its tables at their default levels",
            &[ok("Ready")],
        )
    },
    Operation {
        codes: &[EDGE, STARTING, QUERY],
        ..shown(
            "/metrics",
            "metrics",
            "Metrics in the text form of OpenMetrics",
            &[Answer {
                status: 200,
                says: "Done",
                content: Some(Content::Metrics),
                headers: &[],
                leads_to: &[],
            }],
        )
    },
    shown("/openapi.json", "openapi", "This document", &[ok("OpenApi")]),
];
