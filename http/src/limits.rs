//! Every limit that a client of the HTTP port can run into: name, unit, default, and what happens beyond it.
//!
//! A node serves strangers. What they may make it hold (connections, heads, bodies, requests at work) has a
//! bound, and beyond the bound there is a refusal that says which one it was, never a slow death:
//!
//! ```text
//! connections ──> head ──> requests at work ──> body ──> items
//!   not accepted   431        503 overloaded     413      413
//! ```
//!
//! The memory that values can take is bounded at each place where they stay: while a body comes in, while operations
//! work on it, and until its reader has taken an answer. Each of these has the size of one, and a budget for all.
//!
//! The limits inside a node and between nodes stand where they are kept; the program's configuration gathers all of them.

use quorate_api::document;
use quorate_model::level::N_MAX;
use quorate_ring::catalog;
use std::time::Duration;

/// What a node takes from its clients. All of it is shown by `GET /v1/limits`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Longest key in bytes; beyond it 414 `key-too-long`. At most [`quorate_model::key::KEY_BYTES_MAX`].
    pub key_bytes_max: usize,
    /// Largest value in bytes; beyond it 413 `value-too-large`. At most [`quorate_model::record::VALUE_BYTES_MAX`].
    pub value_bytes_max: usize,
    /// Most items of one `mget` or `batch`; beyond it 413 `batch-too-large`.
    pub batch_items_max: usize,
    /// Largest body of one `mget` or `batch`, and most bytes of values that one `mget` answers with.
    pub batch_bytes_max: usize,
    /// Items of one `mget` or `batch` that are at work at the same time.
    pub batch_items_running_max: usize,
    /// Keys of a hash table that are looked at for one page in the order of keys; beyond it 400 `invalid-parameter`.
    pub unordered_scan_keys_max: usize,
    /// Largest JSON document of the other requests, in bytes.
    pub document_bytes_max: usize,
    /// Largest request head (request line and headers) in bytes; beyond it 431 `headers-too-large`.
    pub head_bytes_max: usize,
    /// Connections open at one time; further ones wait in the backlog until one closes.
    pub connections_max: usize,
    /// Connections beyond `connections_max` that are taken all the same, to answer one request for health, metrics
    /// or limits each and be closed.
    pub health_connections_max: usize,
    /// Connections that the operating system keeps waiting for us.
    pub connections_backlog: u32,
    /// Requests at work at one time; beyond it 503 `overloaded`. Health and metrics are not counted.
    pub requests_running_max: usize,
    /// Operations on keys at work at one time, those among them that go on after their answer until slow owners have
    /// been heard or given up; beyond it 503 `overloaded`. At least `requests_running_max`, with room for the items of
    /// batches.
    pub operations_running_max: usize,
    /// Bytes of the values that those operations hold; beyond it 503 `overloaded`. At least `value_bytes_max`.
    pub operations_bytes_max: usize,
    /// Memory for all request bodies together, in bytes; beyond it 503 `overloaded`.
    pub bodies_bytes_max: usize,
    /// Memory for the values of all answers that clients have not taken yet, in bytes; beyond it 503 `overloaded`.
    pub answers_bytes_max: usize,
    /// Requests of one address that fail to prove who asks, in ten seconds; beyond it 429 `rate-limited`. A credential that
    /// is right is taken even then.
    pub auth_failures_max: usize,
    /// The same of all addresses together.
    pub auth_failures_all_max: usize,
    /// How long a client may take for a request's head, and for the first byte of a new connection.
    pub head_timeout: Duration,
    /// How long a connection may idle between two requests.
    pub idle_timeout: Duration,
    /// How long a client may take for a whole body; beyond it 408 `request-timeout`.
    pub body_timeout: Duration,
    /// How long a client may pause within a body, or within taking an answer.
    pub stall_timeout: Duration,
    /// Deadline of a request that names none.
    pub request_timeout: Duration,
    /// Deadline of a change of the catalog that names none.
    pub change_timeout: Duration,
    /// Longest deadline that a request may ask for; a longer one is cut to it.
    pub request_timeout_max: Duration,
    /// How long a node that was told to stop says that it is not ready, and serves on: as long as a load balancer takes
    /// to notice.
    pub drain_notice: Duration,
    /// How long a stopping node then waits for requests at work.
    pub drain_timeout: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            key_bytes_max: 2 * 1024,
            value_bytes_max: 1024 * 1024,
            batch_items_max: 1_000,
            batch_bytes_max: 8 * 1024 * 1024,
            batch_items_running_max: 128,
            unordered_scan_keys_max: 10_000_000,
            document_bytes_max: 256 * 1024,
            head_bytes_max: 32 * 1024,
            connections_max: 4_096,
            health_connections_max: 64,
            connections_backlog: 1_024,
            requests_running_max: 1_024,
            operations_running_max: 8_192,
            operations_bytes_max: 256 * 1024 * 1024,
            bodies_bytes_max: 256 * 1024 * 1024,
            answers_bytes_max: 256 * 1024 * 1024,
            auth_failures_max: 20,
            auth_failures_all_max: 1_000,
            head_timeout: Duration::from_secs(10),
            idle_timeout: Duration::from_secs(75),
            body_timeout: Duration::from_secs(30),
            stall_timeout: Duration::from_secs(10),
            request_timeout: Duration::from_secs(2),
            change_timeout: Duration::from_secs(10),
            request_timeout_max: Duration::from_mins(1),
            drain_notice: Duration::from_secs(1),
            drain_timeout: Duration::from_secs(10),
        }
    }
}

/// One limit of the whole node as `GET /v1/limits` shows it. The program knows all of them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InForce {
    /// What it is a limit of: `limits` (what clients may do), `peers`, `rocksdb` and so on.
    pub section: &'static str,
    /// Its name there. A time ends in `_ms`.
    pub name: String,
    /// Bytes, items or milliseconds.
    pub value: u64,
}

/// Every limit in force, those of clients without their section; among them what no configuration changes, because all
/// members must agree on it.
pub fn page(in_force: &[InForce]) -> document::Limits {
    let mut page = document::Limits::default();
    for InForce { section, name, value } in in_force {
        page.insert((*section != "limits").then_some(section), name, *value);
    }
    for (name, value) in [
        ("nodes_max", catalog::NODES_MAX),
        ("tables_max", catalog::TABLES_MAX),
        ("shards_max", catalog::SHARDS_MAX),
        ("shards_per_table_max", catalog::SHARDS_PER_TABLE_MAX),
        ("copies_max", N_MAX.into()),
    ] {
        page.insert(Some("catalog"), name, value.into());
    }
    page
}
