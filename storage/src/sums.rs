//! Chunk sums: what the records of each piece of a table add up to, at any moment, without reading them.
//!
//! Whether two replicas hold the same, how many keys a shard has, where it would be halved: answers to that need every
//! record, unless they are kept while records change. So each table is cut into *chunks* of some 2,048 keys, and for each
//! the replica keeps a sum over its records that is exact after every batch:
//!
//! ```text
//! table 7   |--- 2,011 keys ---|----- 2,950 keys -----|-- missing --|- 17 keys -|
//!           sum, bytes, removals                       not counted yet
//! ```
//!
//! - A batch that changes a record takes the old one's item off its chunk's total and adds the new one's. The old one is
//!   at hand, since it was merged with.
//! - A chunk that was quiet for a while is written to the disk as a *row*. The batch that changes the chunk for the first
//!   time since deletes the row, so a row that is there is right after any crash, and costs nothing while the chunk changes.
//! - What has no row at a start is *missing*, and counted by a walk that reads page by page while writes go on.
//!
//! # The walk
//!
//! It counts a chunk from its start. Keys before `from` are counted, keys behind it are not: a change before `from` changes
//! the walk's total, a change behind it will be read. Whether a page that is being read has seen a change
//! is not known; so changes are noted meanwhile, and what was noted last wins over what was read. The next page begins where this one
//! ended, under the writer's lock. The same walk cuts a chunk that has grown: what it has counted is the left part, and
//! what is left of the chunk's total is the right one.
//!
//! # Invariants
//!
//! - The total of a chunk that is not missing is what its records add up to, after each batch, under the writer's
//!   lock.
//! - The same holds for each row on the disk.
//! - A figure that leaves something out says so ([`Figure::is_exact`]).
//!
//! Nothing here reads or writes: `replica/sums.rs` does.
//!
//! # What is left out
//!
//! A tree over the chunks: a thousand sums are added up in microseconds. Sums of hints: they are looked through as a whole.

pub mod chunks;
mod emptied;
pub mod item;
mod parts;
pub mod row;

use crate::rules::sums;
use bytes::Bytes;
use chunks::{Chunk, Chunks, Figure, State};
use item::{Hasher, Item, Total};
use quorate_model::{ClusterId, Interval, Layout, Rules, TableId};
use row::{Row, Rows};
use std::collections::{BTreeMap, BTreeSet};

#[cfg(test)]
mod cost;
#[cfg(test)]
mod tests;

/// See the module's essay.
#[derive(Debug)]
pub struct Sums {
    hasher: Hasher,
    rules: Rules,
    /// Keys of a chunk when it is cut; at twice as many it is cut again, and two with a quarter together are joined.
    chunk_keys: u64,
    tables: BTreeMap<TableId, Chunks>,
    /// Where chunks begin that are to be counted or cut.
    due: BTreeSet<(TableId, Bytes)>,
    walk: Option<Walk>,
    /// Whether the disk was looked through: before that nothing is known of anything.
    is_loaded: bool,
    /// Whether rows may be written: not while rows are on the disk that could not be deleted.
    keeps_rows: bool,
}

/// How far a chunk is counted.
#[derive(Debug)]
struct Walk {
    table: TableId,
    /// Where the chunk begins.
    start: Bytes,
    /// Keys before it are counted.
    from: Bytes,
    /// Where it ends: at the chunk's end or at a cut.
    end: Option<Bytes>,
    total: Total,
    /// What changed since a page is being read, with what it is now; `None`: none is.
    noted: Option<BTreeMap<Bytes, Option<Item>>>,
}

/// What is to be read next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Page {
    /// Of this table.
    pub table: TableId,
    /// The chunk that begins here.
    pub start: Bytes,
    /// From here.
    pub from: Bytes,
    /// Up to here; `None`: to the end of the table.
    pub end: Option<Bytes>,
    /// Whether the chunk's row must be deleted before.
    pub has_row: bool,
}

/// Which chunks are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Which {
    /// Those that have not changed since the last time.
    Quiet,
    /// All: nothing changes any more.
    All,
}

/// A step of looking through rows.
#[derive(Debug, Default)]
pub struct Settled {
    /// Rows to write.
    pub rows: Rows,
    /// Chunks to join with the one behind them, once the rows of both are gone.
    pub joins: Vec<(TableId, Bytes)>,
    /// Rows to delete.
    pub gone: Vec<(TableId, Bytes)>,
    /// Where to go on; `None`: that was all.
    pub next: Option<(TableId, Bytes)>,
}

/// Numbers for metrics.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SumStatistics {
    /// Chunks.
    pub chunks: u64,
    /// Chunks that are not counted yet.
    pub missing: u64,
}

impl Sums {
    /// Of a replica whose disk was not looked at yet.
    pub fn new(cluster: ClusterId, rules: Rules, chunk_keys: u64) -> Self {
        Self {
            hasher: Hasher::new(cluster, rules),
            rules,
            chunk_keys: chunk_keys.max(1),
            tables: BTreeMap::new(),
            due: BTreeSet::new(),
            walk: None,
            is_loaded: false,
            keeps_rows: true,
        }
    }

    /// Takes up what is on the disk: the tables that hold records, and the rows by table and start. `None`: rows overlap,
    /// and nothing was taken up.
    pub fn load(&mut self, tables: &[TableId], rows: Rows) -> Option<()> {
        let mut by_table: BTreeMap<TableId, Vec<(Bytes, Row)>> =
            tables.iter().map(|table| (*table, Vec::new())).collect();
        for (table, start, row) in rows {
            by_table.entry(table).or_default().push((start, row));
        }
        let mut loaded = BTreeMap::new();
        for (table, rows) in by_table {
            loaded.insert(table, Chunks::of_rows(rows)?);
        }
        for (table, chunks) in &loaded {
            let most = 2 * self.chunk_keys;
            let is_due = |chunk: &Chunk| chunk.state == State::Missing || chunk.total.records > most;
            let due = chunks.from(&[]).filter(|(_, chunk)| is_due(chunk));
            self.due.extend(due.map(|(start, _)| (*table, start.clone())));
        }
        self.tables = loaded;
        self.is_loaded = true;
        Some(())
    }

    /// Rows are on the disk that may be wrong and could not be deleted: none is written in this run.
    pub fn keep_no_rows(&mut self) {
        self.keeps_rows = false;
    }

    /// Makes the items.
    pub fn hasher(&self) -> Hasher {
        self.hasher
    }

    /// Where the chunk of a key begins, if the batch that changes it must delete its row.
    pub fn row_to_delete(&self, table: TableId, sort_key: &[u8]) -> Option<Bytes> {
        let (start, chunk) = self.tables.get(&table)?.of_key(sort_key);
        (chunk.state == State::Written && sums::deletes_row(self.rules)).then(|| start.clone())
    }

    /// A record is another now, came, or went. Its batch is written.
    pub fn change(&mut self, table: TableId, sort_key: &[u8], before: Option<Item>, after: Option<Item>) {
        if !self.is_loaded || !sums::counts_change(self.rules, before.is_some()) {
            return;
        }
        let chunks = self.tables.entry(table).or_insert_with(Chunks::empty);
        let chunk = chunks.change(sort_key, before, after);
        let walk = self.walk.as_mut().filter(|walk| walk.table == table);
        if let Some(walk) = walk.filter(|walk| walk.start == chunks.of_key(sort_key).0) {
            walk.change(sort_key, before, after);
        } else if chunk.total.records > 2 * self.chunk_keys {
            self.due.insert((table, chunks.of_key(sort_key).0.clone()));
        }
    }

    /// A table is gone from the disk, with its rows.
    pub fn forget(&mut self, table: TableId) {
        self.tables.remove(&table);
        self.due.retain(|(due, _)| *due != table);
        self.walk.take_if(|walk| walk.table == table);
    }

    /// Much of a table is gone from the disk, with all rows of the table: it is counted anew.
    pub fn anew(&mut self, table: TableId, layout: &Layout) {
        self.forget(table);
        let Some(missing) = Chunks::of_rows([]).filter(|_| self.is_loaded) else { return };
        self.tables.insert(table, missing);
        self.due.insert((table, Bytes::new()));
        self.cut(&Layout::default(), layout);
    }

    /// Chunks end from now on where the shards do that this node owns, of the tables in which that is other than before.
    pub fn cut(&mut self, before: &Layout, layout: &Layout) {
        if !self.is_loaded {
            return;
        }
        for (table, shards) in &layout.tables {
            let known = before.tables.get(table).map(|known| &known.shards);
            if known == Some(&shards.shards) && self.tables.contains_key(table) {
                continue;
            }
            let mut cuts = BTreeSet::new();
            for shard in shards.shards.iter().filter(|shard| shard.copy.is_some()) {
                cuts.insert(shard.interval.start.0.clone());
                cuts.extend(shard.interval.end.as_ref().map(|end| end.0.clone()));
            }
            let chunks = self.tables.entry(*table).or_insert_with(Chunks::empty);
            let busy = self.walk.as_ref().filter(|walk| walk.table == *table).map(|walk| &walk.start);
            let crossed = chunks.cut(self.rules, cuts, busy);
            // It may have been cut where it was to end.
            self.walk.take_if(|walk| walk.table == *table && crossed.contains(&walk.start));
            self.due.extend(crossed.into_iter().map(|start| (*table, start)));
        }
    }

    /// What is to be read next; `None`: everything is counted, and no chunk is too large.
    pub fn next_page(&mut self) -> Option<Page> {
        while self.walk.is_none() {
            let (table, start) = self.due.pop_first()?;
            self.walk = self.walk_of(table, start);
        }
        let walk = self.walk.as_mut()?;
        walk.noted = Some(BTreeMap::new());
        let chunk = self.tables.get(&walk.table)?.starting(&walk.start)?;
        Some(Page {
            table: walk.table,
            start: walk.start.clone(),
            from: walk.from.clone(),
            end: walk.end.clone(),
            has_row: chunk.state == State::Written,
        })
    }

    /// The walk that a chunk needs, if it needs one.
    fn walk_of(&self, table: TableId, start: Bytes) -> Option<Walk> {
        let chunks = self.tables.get(&table)?;
        let chunk = chunks.starting(&start)?;
        let cut = chunks.next_cut(&start);
        let is_due = match chunk.state {
            State::Missing => true,
            State::Changed | State::Quiet | State::Written => {
                cut.is_some() || chunk.total.records > 2 * self.chunk_keys
            }
        };
        let end = cut.or_else(|| chunks.end_of(&start));
        let total = Total::default();
        is_due.then(|| Walk { table, from: start.clone(), start, end, total, noted: None })
    }

    /// The row of this chunk is deleted.
    pub fn row_deleted(&mut self, table: TableId, start: &[u8]) {
        if let Some(chunks) = self.tables.get_mut(&table) {
            chunks.mark(start, State::Changed);
        }
    }

    /// The page could not be read: it is read again another time.
    pub fn not_read(&mut self) {
        if let Some(walk) = &mut self.walk {
            walk.noted = None;
        }
    }

    /// The page is read, in order; `until`: it is not all that there was to read, and ends before this key. The writer's
    /// lock is held.
    pub fn read(&mut self, page: &Page, items: Vec<(Bytes, Item)>, until: Option<Bytes>) {
        let Some(mut walk) = self.walk.take_if(|walk| walk.is_at(page)) else { return };
        walk.count(items, until.as_ref());
        let Some(chunks) = self.tables.get_mut(&walk.table) else { return };
        let ends_at = match until {
            Some(until) if walk.total.records < self.chunk_keys => {
                walk.from = until;
                self.walk = Some(walk);
                return;
            }
            Some(until) => Some(until),
            None => walk.end.clone(),
        };
        let (table, total) = (walk.table, walk.total);
        let cut_at = ends_at.filter(|at| chunks.end_of(&walk.start).as_ref() != Some(at));
        let cut_at = cut_at.filter(|at| chunks.is_worth(&walk.start, at, total.records, self.chunk_keys / 8));
        let is_missing = chunks.starting(&walk.start).is_some_and(|chunk| chunk.state == State::Missing);
        if let Some(at) = cut_at {
            chunks.split(&walk.start, at.clone(), total);
            self.due.insert((table, at));
        } else if is_missing {
            chunks.put(walk.start.clone(), Chunk { total, state: State::Changed });
        }
        // It may have grown meanwhile.
        self.due.insert((table, walk.start));
    }

    /// Looks through some chunks from `from` on: which rows are to be written, which chunks joined.
    pub fn settle(&mut self, from: (TableId, Bytes), which: Which, chunks_max: usize) -> Settled {
        let mut settled = Settled::default();
        let (first, mut start) = from;
        if !self.keeps_rows || !self.is_loaded {
            return settled;
        }
        let busy = self.walk.as_ref().map(|walk| (walk.table, walk.start.clone()));
        let mut left = chunks_max;
        for (table, chunks) in self.tables.range_mut(first..) {
            let found: Vec<(Bytes, Chunk)> =
                chunks.from(&start).take(left + 1).map(|(start, chunk)| (start.clone(), *chunk)).collect();
            start = Bytes::new();
            let mut skipped = false;
            for (at, (start, chunk)) in found.iter().enumerate() {
                if left == 0 {
                    settled.next = Some((*table, start.clone()));
                    return settled;
                }
                left -= 1;
                let is_busy = |start: &Bytes| busy.as_ref() == Some(&(*table, start.clone()));
                if std::mem::take(&mut skipped) || is_busy(start) {
                    continue;
                }
                let behind = found.get(at + 1).filter(|(behind, next)| {
                    let records = chunk.total.records + next.total.records;
                    let are_counted = chunk.state != State::Missing && next.state != State::Missing;
                    are_counted && !is_busy(behind) && !chunks.is_cut(behind) && records < self.chunk_keys / 4
                });
                if let Some((behind, next)) = behind.filter(|_| which == Which::Quiet) {
                    settled.joins.push((*table, start.clone()));
                    for (start, chunk) in [(start, chunk), (behind, next)] {
                        settled.gone.extend((chunk.state == State::Written).then(|| (*table, start.clone())));
                    }
                    skipped = true;
                    continue;
                }
                match chunk.state {
                    State::Missing | State::Written => {}
                    State::Changed if which == Which::Quiet => chunks.mark(start, State::Quiet),
                    State::Changed | State::Quiet if chunk.total.records == 0 => {}
                    State::Changed | State::Quiet => {
                        let row = chunks.row(start);
                        settled.rows.extend(row.map(|row| (*table, start.clone(), row)));
                    }
                }
            }
        }
        settled
    }

    /// What was to be written and deleted is.
    pub fn settled(&mut self, settled: &Settled) {
        for (table, start, _) in &settled.rows {
            if let Some(chunks) = self.tables.get_mut(table) {
                chunks.mark(start, State::Written);
            }
        }
        for (table, start) in &settled.joins {
            if let Some(chunks) = self.tables.get_mut(table) {
                chunks.join(start);
            }
        }
    }

    /// What an interval of a table adds up to.
    pub fn figure(&self, table: TableId, interval: &Interval) -> Figure {
        let nothing = Figure { total: Total::default(), is_exact: true };
        let figure = self.tables.get(&table).map_or(nothing, |chunks| chunks.figure(interval));
        Figure { is_exact: figure.is_exact && self.is_loaded, ..figure }
    }

    /// Where an interval of a table is halved by bytes, as near as chunks begin; `None`: no chunk begins inside.
    pub fn half(&self, table: TableId, interval: &Interval) -> Option<quorate_model::SortKey> {
        self.tables.get(&table)?.half(interval)
    }

    /// What each table adds up to.
    pub fn tables(&self) -> impl Iterator<Item = (TableId, Figure)> {
        self.tables.iter().map(|(table, chunks)| (*table, chunks.whole()))
    }

    /// Whether everything is counted.
    pub fn counts_all(&self) -> bool {
        self.is_loaded && self.tables.values().all(|chunks| chunks.whole().is_exact)
    }

    /// Every chunk: its table, where it begins and ends, and what is known of it.
    pub fn chunks(&self) -> impl Iterator<Item = (TableId, Interval, Chunk)> {
        self.tables.iter().flat_map(|(table, chunks)| {
            chunks.from(&[]).map(|(start, chunk)| {
                let end = chunks.end_of(start).map(quorate_model::SortKey);
                (*table, Interval { start: quorate_model::SortKey(start.clone()), end }, *chunk)
            })
        })
    }

    /// Numbers for metrics.
    pub fn statistics(&self) -> SumStatistics {
        let mut statistics = SumStatistics::default();
        for chunks in self.tables.values() {
            let (all, missing) = chunks.counts();
            statistics.chunks += all;
            statistics.missing += missing;
        }
        statistics
    }
}

impl Walk {
    fn is_at(&self, page: &Page) -> bool {
        self.table == page.table && self.start == page.start && self.from == page.from && self.noted.is_some()
    }

    fn change(&mut self, sort_key: &[u8], before: Option<Item>, after: Option<Item>) {
        if *sort_key < *self.from {
            self.total.replace(before, after);
        } else if let Some(noted) = &mut self.noted {
            noted.insert(Bytes::copy_from_slice(sort_key), after);
        }
    }

    /// Counts what was read, up to a key or to the walk's end.
    fn count(&mut self, items: Vec<(Bytes, Item)>, until: Option<&Bytes>) {
        let until = until.or(self.end.as_ref()).cloned();
        let mut found: BTreeMap<Bytes, Item> = items.into_iter().collect();
        for (key, now) in self.noted.take().unwrap_or_default() {
            match now {
                Some(item) => found.insert(key, item),
                None => found.remove(&key),
            };
        }
        let is_before = |key: &Bytes| until.as_ref().is_none_or(|until| key < until);
        found.into_iter().filter(|(key, _)| is_before(key)).for_each(|(_, item)| self.total.add(item));
    }
}
