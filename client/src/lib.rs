//! The Rust client: what the command line, the black-box tests and the benchmarks speak with.
//!
//! A client of a replicated database has one hard question to answer: *what happened to my write?* A connection
//! that broke, a deadline that passed and a refusal are three different things, and only one of them may be
//! repeated blindly. So every [`Error`] of this crate knows its [`Outcome`]: `applied`, `not_applied` or `unknown`.
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
//! # Invariants
//!
//! - A write goes to a second endpoint only when it is certain that the first attempt had no effect. There is no
//!   other retry: a caller that wants one sends the same operation id again, with `retry`, and knows why.
//! - An error of unknown outcome is never shown as a failure, nor a refusal as a success.
//! - Every key of bytes reaches the server unchanged, whatever a URL library would make of `..`, `%` or `/`.
//! - Waiting, and the size of an answer, are bounded.
//!
//! Paths, parameters, headers and documents are those of [`quorate_api`], which the server reads and writes too.
//!
//! # What is left out, and why
//!
//! No routing to owners yet: any node coordinates any request, and the ring stays the server's business. No proxies
//! and no redirects: a request goes where it was sent. No TLS to speak of until the servers have it.

// Nothing of it is called: its version keeps the tables of Unicode out of the HTTP client.
use idna_adapter as _;

mod answer;
mod call;
mod client;
mod cluster;
pub mod decoders;
mod endpoint;
mod error;
mod outcome;
mod scan;

pub use answer::{Answered, Consistency, Document, Found, Meta, MgetItem, Value};
pub use client::{Client, ConfigError, Options, Read, Write};
pub use endpoint::{DEFAULT_PORT, Endpoint, ParseEndpointError};
pub use error::{Attempt, Error};
pub use outcome::Outcome;
pub use quorate_api::document;
pub use quorate_api::query::Part;
pub use reqwest::Method;
pub use scan::{Item, Scan, Scanning};

/// Makes *ring* the process's TLS provider, if it has none yet. The HTTP library panics without one; calling this
/// twice does no harm, and [`Client::new`] calls it too.
pub fn install_crypto_provider() {
    // The only error is that there is a provider already, which is as good.
    let _already = rustls::crypto::ring::default_provider().install_default();
}
