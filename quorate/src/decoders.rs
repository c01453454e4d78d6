//! Every decoder of bytes that come from outside, by name: one table for the fuzzer and for the tests.
//!
//! Bytes come from outside over a socket, from a disk that may have changed them, from a file or a command line that a
//! person wrote. Whatever they are, a decoder answers: it takes them or it refuses them. It never panics, never takes
//! memory beyond a small multiple of what it was given, and what it takes it can write and read again: each function
//! below decodes, encodes what came out, decodes that, and insists that it is the same.
//!
//! `tests/tests/decoders.rs` runs the table on a corpus that is checked in and on thousands of mutations of it; `fuzz/`
//! gives it to libFuzzer for as long as one likes. A decoder that is not in this table is not finished.
//!
//! # What is absent
//!
//! The grammar of HTTP/1.1 itself (hyper's), of TOML and JSON beneath our documents (toml's and serde_json's): here they
//! are only run through. What RocksDB reads from its own files: its checksums guard that.

use crate::config::Resolved;
use bytes::BytesMut;
use minicbor::{Decode, Encode};
use quorate_client::Endpoint;
use quorate_consensus::codec::Coded;
use quorate_consensus::{Entry, LogId, SnapshotMeta, Vote, machine, message};
use quorate_http::decoders as http;
use quorate_model::{Answer, Level, OperationId, Record, Reply, Request, Version};
use quorate_node::control::{ControlReply, ControlRequest};
use quorate_node::peer;
use quorate_ring::{Catalog, Command};
use quorate_storage::keys::DiskKey;
use quorate_storage::{Acceptance, Doubt, Identity};
use quorate_transport::{frame, hello};
use std::fmt::{Debug, Display};
use std::path::Path;
use std::str::FromStr;

/// One decoder.
#[derive(Clone, Copy, Debug)]
pub struct Decoder {
    /// Its name: of its folder in the corpus, and for the fuzzer.
    pub name: &'static str,
    /// Whether it takes these bytes. Panics where it breaks a promise of the module's essay.
    pub takes: fn(&[u8]) -> bool,
}

macro_rules! decoders {
    ($($name:literal => $takes:expr),* $(,)?) => {
        /// All of them.
        pub const ALL: &[Decoder] = &[$(Decoder { name: $name, takes: $takes }),*];
    };
}

decoders! {
    // From peers, over the wire.
    "frame" => frames,
    "handshake" => cbor::<hello::Step>,
    "request" => cbor::<Request>,
    "requests" => batch,
    "answer" => cbor::<Answer<Reply>>,
    "answers" => answers,
    "control-request" => cbor::<ControlRequest>,
    "control-reply" => cbor::<ControlReply>,
    "consensus-message" => consensus,
    "consensus-answer" => cbor::<message::Answer>,
    // From disks, and some of it from peers too.
    "record" => record,
    "record-resealed" => |bytes| record(&resealed(bytes)),
    "disk-key" => disk_key,
    "identity" => identity,
    "identity-resealed" => |bytes| identity(&resealed_text(bytes)),
    "boots" => quorate_storage::decoders::boots,
    "boots-resealed" => |bytes| quorate_storage::decoders::boots(&resealed_text(bytes)),
    "life" => quorate_storage::decoders::life,
    "life-resealed" => |bytes| quorate_storage::decoders::life(&resealed_text(bytes)),
    "manifest-mark" => quorate_storage::decoders::manifest_mark,
    "manifest-mark-resealed" => |bytes| quorate_storage::decoders::manifest_mark(&resealed(bytes)),
    "watermark" => quorate_storage::decoders::watermark,
    "watermark-resealed" => |bytes| quorate_storage::decoders::watermark(&resealed(bytes)),
    "remembered" => quorate_storage::decoders::remembered,
    "remembered-resealed" => |bytes| quorate_storage::decoders::remembered(&resealed(bytes)),
    "refused-hints" => quorate_storage::decoders::refused_hints,
    "acceptance" => |bytes| Acceptance::decode(bytes).is_some(),
    "acceptance-resealed" => |bytes| Acceptance::decode(&resealed_text(bytes)).is_some(),
    "doubt" => doubt,
    "join-request" => quorate_node::decoders::join_request,
    "consensus-value" => quorate_storage::decoders::consensus_value,
    "log-entry" => coded::<Entry>,
    "log-position" => coded::<LogId>,
    "vote" => coded::<Vote>,
    "snapshot-meta" => coded::<SnapshotMeta>,
    "snapshot" => machine::takes,
    "catalog" => catalog,
    "command" => command,
    // From clients.
    "path" => http::path,
    "query" => http::query,
    "headers" => http::headers,
    "duration" => http::duration,
    "mget" => http::mget,
    "batch" => http::batch,
    "new-table" => http::new_table,
    "table-change" => http::table_change,
    "accept-loss" => http::accept_loss,
    "operation-id" => text::<OperationId>,
    "level" => text::<Level>,
    "version" => text::<Version>,
    // From the people who run it.
    "configuration" => configuration,
    "endpoint" => text::<Endpoint>,
    "cli-key" => quorate_cli::decoders::key,
    // From servers, to our own client and to a node that joins.
    "problem" => quorate_client::decoders::problem,
    "written" => quorate_client::decoders::written,
    "results" => quorate_client::decoders::results,
    "answer-headers" => quorate_client::decoders::headers,
    "cluster-page" => quorate_node::decoders::cluster_page,
    "nodes-page" => quorate_node::decoders::nodes_page,
}

/// A value with numbered fields.
fn cbor<T: for<'b> Decode<'b, ()> + Encode<()>>(bytes: &[u8]) -> bool {
    let Ok(value) = minicbor::decode::<T>(bytes) else { return false };
    let once = minicbor::to_vec(&value).expect("encoding into memory cannot fail");
    let again: T = minicbor::decode(&once).expect("what was written can be read");
    assert_eq!(minicbor::to_vec(again).expect("encoding into memory cannot fail"), once);
    true
}

/// The same with a mirror of another library's type.
fn coded<T: Coded>(bytes: &[u8]) -> bool {
    let Ok(value) = T::decode(bytes) else { return false };
    let once = value.encode();
    let Ok(again) = T::decode(&once) else { panic!("what was written can be read") };
    assert_eq!(again.encode(), once);
    true
}

/// A word or a number in text.
fn text<T: FromStr + Display + PartialEq + Debug>(bytes: &[u8]) -> bool {
    let Some(value) = std::str::from_utf8(bytes).ok().and_then(|text| text.parse::<T>().ok()) else {
        return false;
    };
    let Ok(again) = value.to_string().parse::<T>() else { panic!("{value} can be read again") };
    assert_eq!(again, value);
    true
}

fn frames(bytes: &[u8]) -> bool {
    // As large as those that are read before the handshake.
    const BYTES_MAX: usize = 4_096;
    let mut buffer = BytesMut::from(bytes);
    let mut any = false;
    while let Ok(Some((header, payload))) = frame::decode(&mut buffer, BYTES_MAX) {
        let again = frame::encode(header, |out| out.extend_from_slice(&payload));
        assert_eq!(frame::decode(&mut BytesMut::from(&again[..]), BYTES_MAX), Ok(Some((header, payload))));
        any = true;
    }
    any
}

fn batch(bytes: &[u8]) -> bool {
    let Ok(requests) = peer::requests(bytes) else { return false };
    assert!(requests.len() <= peer::BATCH_ITEMS_MAX);
    true
}

fn answers(bytes: &[u8]) -> bool {
    let Ok(answer) = peer::answers(bytes) else { return false };
    assert!(answer.open(drop).len() <= peer::BATCH_ITEMS_MAX);
    cbor::<Answer<Vec<Reply>>>(bytes)
}

fn consensus(bytes: &[u8]) -> bool {
    if !cbor::<message::Message>(bytes) {
        return false;
    }
    let message = minicbor::decode::<message::Message>(bytes).expect("it was just read");
    message::Rpc::try_from(message).is_ok()
}

fn record(bytes: &[u8]) -> bool {
    let Ok(record) = Record::decode(bytes) else { return false };
    assert_eq!(Record::decode(&record.encode()), Ok(record));
    true
}

/// The same bytes with the checksum they should have, so that a mutation gets past it.
fn resealed(bytes: &[u8]) -> Vec<u8> {
    let content = &bytes[..bytes.len().saturating_sub(4)];
    [content, &crc32fast::hash(content).to_be_bytes()].concat()
}

fn resealed_text(bytes: &[u8]) -> Vec<u8> {
    let at = bytes.windows(6).rposition(|window| window == b"crc32 ").unwrap_or(bytes.len());
    let content = &bytes[..at];
    [content, format!("crc32 {:08x}\n", crc32fast::hash(content)).as_bytes()].concat()
}

fn disk_key(bytes: &[u8]) -> bool {
    let Some(key) = DiskKey::decode(bytes) else { return false };
    assert_eq!(key.encode(), bytes, "a key has one form");
    true
}

fn identity(bytes: &[u8]) -> bool {
    let folder = Path::new("folder");
    let Ok(identity) = Identity::decode(folder, bytes) else { return false };
    let again = Identity::decode(folder, identity.encode().as_bytes());
    assert_eq!(again.expect("what was written can be read"), identity);
    true
}

/// Anything in that file is a doubt; only what was written is known for what it is.
fn doubt(bytes: &[u8]) -> bool {
    let doubt = Doubt::decode(bytes);
    let again = Doubt::decode(doubt.encode().as_bytes());
    assert_eq!(again.cause, doubt.cause);
    doubt.encode().as_bytes() == bytes
}

fn catalog(bytes: &[u8]) -> bool {
    let Ok(catalog) = Catalog::decode(bytes) else { return false };
    let once = catalog.encode();
    assert_eq!(Catalog::decode(&once).expect("what was written can be read").encode(), once);
    true
}

/// A command, and what the empty catalog says to it: `apply` is total too.
fn command(bytes: &[u8]) -> bool {
    let Ok(command) = Command::decode(bytes) else { return false };
    assert_eq!(Command::decode(&command.encode()), Ok(command.clone()));
    drop(Catalog::empty().apply(&command));
    true
}

fn configuration(bytes: &[u8]) -> bool {
    let Ok(text) = std::str::from_utf8(bytes) else { return false };
    Resolved::of_text(Path::new("quorate.toml"), text)
        .is_ok_and(|resolved| crate::config::validate::validate(&resolved.config).is_ok())
}

#[cfg(test)]
mod examples;
