//! The answer to a batch of requests, as its bytes.

use super::BATCH_ITEMS_MAX;
use quorate_model::{Answer, Reply};

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
