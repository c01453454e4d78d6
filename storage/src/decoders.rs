//! The decoders of this crate: what is read from a disk.

use crate::keys::DiskKey;
use crate::replica::{floors, hint_book, install, ledger, peer_book};
use crate::rocks::{manifest, watermark};
use crate::sums::row;
use crate::{Acceptance, Doubt, Identity, boots, raft_store, run_note};
use quorate_model::decoder::{resealed, resealed_text};
use std::path::Path;

quorate_model::decoders! {
    "disk-key" => disk_key,
    "identity" => identity,
    "identity-resealed" => |bytes| identity(&resealed_text(bytes)),
    "boots" => boots::takes,
    "boots-resealed" => |bytes| boots::takes(&resealed_text(bytes)),
    "life" => run_note::takes,
    "life-resealed" => |bytes| run_note::takes(&resealed_text(bytes)),
    "manifest-mark" => manifest::takes,
    "manifest-mark-resealed" => |bytes| manifest::takes(&resealed(bytes)),
    "watermark" => watermark::takes,
    "watermark-resealed" => |bytes| watermark::takes(&resealed(bytes)),
    "remembered" => peer_book::takes,
    "remembered-resealed" => |bytes| peer_book::takes(&resealed(bytes)),
    "chunk-sum" => row::takes,
    "chunk-sum-resealed" => |bytes| row::takes(&resealed(bytes)),
    "fence" => install::takes,
    "fence-resealed" => |bytes| install::takes(&resealed(bytes)),
    "copy" => ledger::takes,
    "copy-resealed" => |bytes| ledger::takes(&resealed(bytes)),
    "lost" => ledger::takes_lost,
    "lost-resealed" => |bytes| ledger::takes_lost(&resealed(bytes)),
    "floors" => floors::takes,
    "floors-resealed" => |bytes| floors::takes(&resealed(bytes)),
    "refused-hints" => hint_book::takes,
    "acceptance" => |bytes| Acceptance::decode(bytes).is_some(),
    "acceptance-resealed" => |bytes| Acceptance::decode(&resealed_text(bytes)).is_some(),
    "doubt" => doubt,
    "consensus-value" => raft_store::takes,
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
