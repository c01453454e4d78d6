//! Filling: what a replica that has lost something may do until it holds everything again.

use quorate_model::{CopyState, Refusal};

/// What a request wants of a copy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wants {
    /// To know what is held: the answer decides something.
    Answer,
    /// That a record is held from now on.
    Acknowledgement,
}

/// A replica that has lost something answers nothing that decides, until it holds again what it had acknowledged. While
/// it fills itself it takes writes: what it acknowledges from then on it keeps. Before that it takes nothing, since what
/// it holds will be deleted.
///
/// Rule 17. Whether a request is refused.
#[inline]
pub fn admit(state: CopyState, wants: Wants) -> Result<(), Refusal> {
    let is_admitted = match (state, wants) {
        (CopyState::Whole, _) | (CopyState::Filling, Wants::Acknowledgement) => true,
        (CopyState::Filling, Wants::Answer) | (CopyState::Lossy, _) => false,
    };
    if is_admitted { Ok(()) } else { Err(Refusal::Filling) }
}
