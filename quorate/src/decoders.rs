//! Every decoder of bytes that come from outside: the lists of all crates, for the fuzzer and for the tests.
//!
//! Each crate lists its own, beside what they read (`quorate_model::decoder` says what a decoder promises). They are joined
//! here because only the program knows every crate, and because it has a decoder too.
//!
//! `tests/tests/decoders.rs` runs all of them on a corpus that is checked in and on thousands of mutations of it; `fuzz/`
//! gives them to libFuzzer for as long as one likes. A decoder that is in no list is not finished.
//!
//! # What is absent
//!
//! The grammar of HTTP/1.1 itself (hyper's), of TOML and JSON beneath our documents (toml's and serde_json's): here they
//! are only run through. What RocksDB reads from its own files: its checksums guard that.

use crate::config::Resolved;
use crate::config::validate::validate;
use std::path::Path;

pub use quorate_model::decoder::Decoder;

quorate_model::decoders! {
    "configuration" => configuration,
}

/// The decoders of every crate.
pub fn all() -> impl Iterator<Item = &'static Decoder> {
    [
        quorate_model::decoders::ALL,
        quorate_ring::decoders::ALL,
        quorate_storage::decoders::ALL,
        quorate_transport::decoders::ALL,
        quorate_consensus::decoders::ALL,
        quorate_node::decoders::ALL,
        quorate_api::decoders::ALL,
        quorate_http::decoders::ALL,
        quorate_client::decoders::ALL,
        quorate_backup::decoders::ALL,
        quorate_cli::decoders::ALL,
        ALL,
    ]
    .into_iter()
    .flatten()
}

fn configuration(bytes: &[u8]) -> bool {
    let Ok(text) = std::str::from_utf8(bytes) else { return false };
    Resolved::of_text(Path::new("quorate.toml"), text)
        .is_ok_and(|resolved| validate(&resolved.config).is_ok())
}

#[cfg(test)]
mod examples;
