//! Batches on the wire: several requests in one message, their replies in one answer. How many there are is known
//! before they are decoded, and bounded.

use quorate_model::{Answer, Reply, Request};

/// Most requests of one batch.
pub const BATCH_ITEMS_MAX: usize = 1_024;

/// The requests of a batch; their number is checked before they are decoded.
pub fn requests(payload: &[u8]) -> Result<Vec<Request>, minicbor::decode::Error> {
    match minicbor::Decoder::new(payload).array()? {
        Some(count) if count <= BATCH_ITEMS_MAX as u64 => minicbor::decode(payload),
        Some(_) | None => {
            Err(minicbor::decode::Error::message("a batch has a known and bounded number of requests"))
        }
    }
}

/// The answer to a batch; the number of its replies is checked before they are decoded: each takes many times the memory
/// of the bytes that claim it.
pub fn answers(payload: &[u8]) -> Result<Answer<Vec<Reply>>, minicbor::decode::Error> {
    let mut outer = minicbor::Decoder::new(payload);
    let fields = outer.array()?;
    if fields == Some(0) {
        return Err(minicbor::decode::Error::message("an answer without a reply"));
    }
    match outer.array()? {
        Some(count) if count <= BATCH_ITEMS_MAX as u64 => minicbor::decode(payload),
        Some(_) | None => {
            Err(minicbor::decode::Error::message("a batch has a known and bounded number of replies"))
        }
    }
}
