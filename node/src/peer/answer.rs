//! A replica's answer to a peer: the reply, and how far the replica behind it has come.

use super::BATCH_ITEMS_MAX;
use minicbor::{Decode, Encode};
use quorate_model::{Committed, Reply};

/// See the module's essay. `T` is one reply, or one for each request of a batch.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Answer<T> {
    /// The reply.
    #[n(0)]
    pub reply: T,
    /// Everything that the reply acknowledges as synced lies before this. `None`: the replica doubts its disk.
    #[n(1)]
    pub committed: Option<Committed>,
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
