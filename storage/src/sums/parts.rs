//! Parts of an interval, as another owner asks for them: what of it is known, and what must be read.

use super::Sums;
use super::chunks::State;
use bytes::Bytes;
use quorate_model::{SortKey, TableId};

/// The beginning of an interval.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Piece {
    /// The first sort key behind it; `None`: it reaches to the end of the table.
    pub end: Option<Bytes>,
    /// What its records add up to; `None`: they must be read.
    pub sum: Option<u128>,
    /// Whether there may be removals in it, or values that expire.
    pub may_go: bool,
}

impl Sums {
    /// The first piece of an interval: of the chunk in which it begins, as far as both reach.
    pub fn piece(&self, table: TableId, start: &[u8], end: Option<&[u8]>) -> Piece {
        let within = end.map(Bytes::copy_from_slice);
        if !self.is_loaded {
            return Piece { end: within, sum: None, may_go: true };
        }
        let Some(chunks) = self.tables.get(&table) else {
            return Piece { end: within, sum: Some(0), may_go: false };
        };
        let (begins, chunk) = chunks.of_key(start);
        let ends = chunks.end_of(begins);
        let is_whole = **begins == *start
            && match (&ends, end) {
                (Some(ends), Some(end)) => **ends <= *end,
                (Some(_) | None, None) => true,
                (None, Some(_)) => false,
            };
        let sum = match chunk.state {
            State::Missing => None,
            State::Changed | State::Quiet | State::Written if chunk.total.records == 0 => Some(0),
            State::Changed | State::Quiet | State::Written => is_whole.then_some(chunk.total.sum),
        };
        let may_go = chunk.state == State::Missing || chunk.total.removals > 0 || chunk.total.expiring > 0;
        let end = match (ends, within) {
            (Some(ends), Some(within)) => Some(ends.min(within)),
            (end, None) | (None, end) => end,
        };
        Piece { end, sum, may_go }
    }

    /// Keys of a chunk when it is cut.
    pub fn chunk_keys(&self) -> u64 {
        self.chunk_keys
    }

    /// Chunks are to end there from now on, where that leaves enough keys on both sides.
    pub fn adopt(&mut self, table: TableId, cuts: &[SortKey]) {
        let Some(chunks) = self.tables.get_mut(&table) else { return };
        for cut in cuts {
            self.due.extend(chunks.want(&cut.0).map(|start| (table, start)));
        }
    }
}
