//! A piece of a table that was emptied at once: nothing is read for that.

use super::Sums;
use super::chunks::{Chunk, State};
use super::item::Total;
use bytes::Bytes;
use quorate_model::{Interval, TableId};

impl Sums {
    /// Where the chunk of a key begins, if anything of the table is known.
    pub fn chunk_at(&self, table: TableId, sort_key: &[u8]) -> Option<Bytes> {
        self.tables.get(&table).map(|chunks| chunks.of_key(sort_key).0.clone())
    }

    /// All records of an interval are gone from the disk, with the rows of every chunk that reaches into it. Chunks inside
    /// hold nothing; one that reaches beyond is counted anew. The writer's lock is held.
    pub fn emptied(&mut self, table: TableId, interval: &Interval) {
        let Some(chunks) = self.tables.get_mut(&table).filter(|_| self.is_loaded) else { return };
        let first = chunks.of_key(interval.start.as_bytes()).0.clone();
        let is_before_end =
            |start: &Bytes| interval.end.as_ref().is_none_or(|end| start.as_ref() < end.as_bytes());
        let touched: Vec<Bytes> =
            chunks.from(&first).map(|(start, _)| start.clone()).take_while(is_before_end).collect();
        for start in touched {
            let ends = chunks.end_of(&start);
            let is_inside = start.as_ref() >= interval.start.as_bytes()
                && interval
                    .end
                    .as_ref()
                    .is_none_or(|until| ends.as_ref().is_some_and(|end| end.as_ref() <= until.as_bytes()));
            let state = if is_inside { State::Changed } else { State::Missing };
            chunks.put(start.clone(), Chunk { total: Total::default(), state });
            self.walk.take_if(|walk| walk.table == table && walk.start == start);
            // Where it is counted or cut is looked at again.
            self.due.insert((table, start));
        }
    }
}
