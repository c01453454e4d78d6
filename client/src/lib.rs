//! The Rust client: of programs that keep their data in Quorate, of the command line, the black-box tests and the
//! benchmarks.
//!
//! A client of a replicated database has one hard question to answer: *what happened to my write?* A connection
//! that broke, a deadline that passed and a refusal are three different things, and only one of them may be
//! repeated blindly. So every [`Error`] of this crate knows its [`Outcome`]: `applied`, `not_applied` or `unknown`.
//!
//! There are two ways to ask. A [`Client`] asks each endpoint at most once, and leaves the rest to its caller: right
//! for a command that a person typed, and for tables, members and scans. A [`Session`] goes on until a deadline, and
//! repeats a write of unknown outcome under its own operation id, which is never applied twice: right for a program that
//! shall outlive a node.
//!
//! ```no_run
//! use quorate_client::{Client, Endpoint, Options, Read, Session, SessionOptions, Write};
//!
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! let endpoints = vec![Endpoint::new("127.0.0.1", 7400), Endpoint::new("127.0.0.1", 7410)];
//! let client = Client::new(Options { endpoints, ..Options::default() })?;
//! let session = Session::new(client, &SessionOptions::default());
//! let written = session.put("demo", b"greeting", b"hello".to_vec(), &Write::default()).await?;
//! let read = session.get("demo", b"greeting", &Read::default()).await?;
//! assert_eq!(read.meta.version.map(|version| version.to_string()), Some(written.answer.version));
//! # Ok(())
//! # }
//! ```
//!
//! `examples/session.rs` is a longer one, which the tests run.
//!
//! # A client's call
//!
//! ```text
//!   get, put, delete, mget,
//!   pages of a scan ─────────> Call ──> endpoint 1 ── could not connect ────────────> next endpoint
//!   tables, nodes, status                         ├─ 503, outcome not_applied ──────> next endpoint
//!                                                 ├─ read: silence, broken answer ──> next endpoint
//!                                                 ├─ write: silence, broken answer ─> Error, outcome unknown
//!                                                 └─ any other answer ──────────────> the caller
//! ```
//!
//! # A session's call
//!
//! ```text
//!   get, put, delete,          ┌── picks: an owner of the key, none that is set aside, each in turn
//!   mget, batch ─────> Call ──>┤
//!                         ^    └── the answer, or the end ────────────────────> the caller, or `Failed`
//!                         └─────── elsewhere: at once; after all were tried, after a pause
//! ```
//!
//! - A key's request goes to one of its owners ([`Routing`]), by a map of its table that is asked for once in an epoch of
//!   the catalog; answers name the epoch. Members are reached at the addresses that they advertise. Any node would do: a
//!   stale map costs a hop, no promise.
//! - An endpoint that fails is set aside, for a quarter of a second to 10 s.
//! - An attempt may take half of the time that is left. Pauses grow from round to round, are random, and keep to
//!   `Retry-After`.
//! - A read that takes long is sent to a second node too, if that is wanted ([`Hedge`]): at most one in five.
//! - A level below the table's `w` takes no operation id: such a write is sent again only if it had no effect.
//!
//! # Invariants
//!
//! - A write goes to a second endpoint only when it is certain that the first attempt had no effect, or as a retry under
//!   the operation id of the first. A [`Client`] does only the former: its caller repeats a write, with `retry`, and
//!   knows why.
//! - An error of unknown outcome is never shown as a failure, nor a refusal as a success.
//! - Every key of bytes reaches the server unchanged, whatever a URL library would make of `..`, `%` or `/`.
//! - Waiting, and the size of an answer, are bounded.
//!
//! Paths, parameters, headers and documents are those of [`quorate_api`], which the server reads and writes too.
//!
//! # What is left out, and why
//!
//! No proxies and no redirects: a request goes where it was sent. No TLS to speak of until the servers have it. A session
//! does not repeat single items of `mget` and `batch`: their errors are the caller's.

// Nothing of it is called: its version keeps the tables of Unicode out of the HTTP client.
use idna_adapter as _;

mod access;
mod answer;
mod bearer;
mod call;
mod client;
mod cluster;
pub mod decoders;
mod endpoint;
mod error;
mod outcome;
mod scan;
mod session;

pub use answer::{Answered, Consistency, Document, Found, Meta, MgetItem, Value};
pub use bearer::Bearer;
pub use client::{Client, ConfigError, Options, Read, Write};
pub use endpoint::{DEFAULT_PORT, Endpoint, ParseEndpointError};
pub use error::{Attempt, Error};
pub use outcome::Outcome;
pub use quorate_api::document;
pub use quorate_api::query::Part;
pub use reqwest::Method;
pub use scan::{Item, Scan, Scanning};
pub use session::{Failed, Hedge, Routing, Session, SessionOptions};

/// Makes *ring* the process's TLS provider, if it has none yet. The HTTP library panics without one; calling this
/// twice does no harm, and [`Client::new`] calls it too.
pub fn install_crypto_provider() {
    // The only error is that there is a provider already, which is as good.
    let _already = rustls::crypto::ring::default_provider().install_default();
}
