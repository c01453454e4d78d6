//! The decoders of this crate: messages between members, and what is kept of the log.

use crate::codec::Coded;
use crate::message::{Answer, Message, Rpc};
use crate::{Entry, LogId, SnapshotMeta, Vote, machine};
use quorate_model::decoder::cbor;

quorate_model::decoders! {
    "consensus-message" => message,
    "consensus-answer" => cbor::<Answer>,
    "log-entry" => coded::<Entry>,
    "log-position" => coded::<LogId>,
    "vote" => coded::<Vote>,
    "snapshot-meta" => coded::<SnapshotMeta>,
    "snapshot" => machine::takes,
}

fn message(bytes: &[u8]) -> bool {
    if !cbor::<Message>(bytes) {
        return false;
    }
    let message = minicbor::decode::<Message>(bytes).expect("it was just read");
    Rpc::try_from(message).is_ok()
}

/// A mirror of the library's type.
fn coded<T: Coded>(bytes: &[u8]) -> bool {
    let Ok(value) = T::decode(bytes) else { return false };
    let once = value.encode();
    let Ok(again) = T::decode(&once) else { panic!("what was written can be read") };
    assert_eq!(again.encode(), once);
    true
}
