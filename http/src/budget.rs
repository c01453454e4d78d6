//! A budget of memory that many requests share: taken before the bytes are, given back when the last of them go.

use bytes::Bytes;
use std::sync::Arc;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// The budget counts in pieces of this many bytes.
pub const PIECE_BYTES: usize = 1024;

/// A share of a budget, given back when this is dropped.
pub type Share = OwnedSemaphorePermit;

/// See the module's sentence. Clones share one budget.
#[derive(Clone, Debug)]
pub struct Budget(Arc<Semaphore>);

/// There is no room left.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Full;

impl Budget {
    /// A budget of so many bytes.
    pub fn new(bytes: usize) -> Self {
        Self(Arc::new(Semaphore::new((bytes / PIECE_BYTES).min(Semaphore::MAX_PERMITS))))
    }

    /// Adds room for so many bytes to a share. Nothing is taken if there is not enough.
    pub fn take(&self, share: &mut Option<Share>, bytes: usize) -> Result<(), Full> {
        let pieces = u32::try_from(bytes.div_ceil(PIECE_BYTES)).map_err(|_| Full)?;
        let more = Arc::clone(&self.0).try_acquire_many_owned(pieces).map_err(|_| Full)?;
        match share {
            Some(share) => share.merge(more),
            None => *share = Some(more),
        }
        Ok(())
    }

    /// The same bytes, which give their room back when no reader holds any of them any more: an answer's, when they are
    /// in the hands of the operating system or their connection is gone.
    pub fn hold(&self, bytes: Bytes) -> Result<Bytes, Full> {
        let mut share = None;
        self.take(&mut share, bytes.len())?;
        Ok(held(bytes, share))
    }
}

/// Bytes that keep a share for as long as any of them is held.
pub fn held(bytes: Bytes, share: Option<Share>) -> Bytes {
    Bytes::from_owner(Held { bytes, _share: share })
}

struct Held {
    bytes: Bytes,
    _share: Option<Share>,
}

impl AsRef<[u8]> for Held {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn room_comes_back_with_the_last_piece_of_what_was_held() {
        let budget = Budget::new(2 * PIECE_BYTES);
        let mut whole = budget.hold(Bytes::from(vec![7; 2 * PIECE_BYTES])).expect("it just fits");
        let part = whole.split_to(10);
        drop(whole);
        assert_eq!(budget.hold(Bytes::from_static(b"1")), Err(Full));
        assert_eq!(part, [7; 10][..]);
        drop(part);
        budget.hold(Bytes::from(vec![7; 2 * PIECE_BYTES])).expect("all of it came back");
    }

    #[test]
    fn a_share_grows_or_stays_as_it_is() {
        let budget = Budget::new(2 * PIECE_BYTES);
        let mut share = None;
        budget.take(&mut share, 1).expect("the first piece");
        assert_eq!(budget.take(&mut share, 2 * PIECE_BYTES), Err(Full));
        budget.take(&mut share, 1).expect("the second piece was not touched");
        drop(share);
        budget.take(&mut None, 2 * PIECE_BYTES).expect("all of it came back");
    }
}
