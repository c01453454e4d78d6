//! The decoders of this crate: what other nodes send, and what a node that joins reads of them.

use crate::access_note;
use crate::control::{ControlReply, ControlRequest, page};
use crate::node::folder;
use crate::peer::{self, BATCH_ITEMS_MAX};
use crate::recovering;
use quorate_model::decoder::cbor;
use quorate_model::{Answer, Reply};

quorate_model::decoders! {
    "requests" => requests,
    "answers" => answers,
    "control-request" => cbor::<ControlRequest>,
    "control-reply" => cbor::<ControlReply>,
    "join-request" => folder::takes,
    "cluster-page" => page::takes,
    "access-note" => access_note::takes,
    "recovering" => recovering::takes,
}

fn requests(bytes: &[u8]) -> bool {
    let Ok(requests) = peer::requests(bytes) else { return false };
    assert!(requests.len() <= BATCH_ITEMS_MAX);
    true
}

fn answers(bytes: &[u8]) -> bool {
    let Ok(answer) = peer::answers(bytes) else { return false };
    assert!(answer.open(drop).len() <= BATCH_ITEMS_MAX);
    cbor::<Answer<Vec<Reply>>>(bytes)
}
