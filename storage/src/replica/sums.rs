//! Sums on the replica's side: what reads, writes and locks for [`Sums`](crate::sums).
//!
//! A batch that changes records holds the writer's lock, deletes the rows that must go ([`BatchSums`]), is written, and its
//! changes are counted before the lock is released. Rows are handed to the operating system and not synced: the log keeps
//! the order, so a power cut takes a row together with all that came after it.

use super::Replica;
use crate::engine::{
    Batch, Direction, Engine, EngineError, Family, KeyRange, Lookup, PageLimit, ReadTier, for_each,
};
use crate::keys::{self, DiskKey};
use crate::sums::chunks::{Figure, State};
use crate::sums::item::{Hasher, Item, Total};
use crate::sums::row::{Row, Rows};
use crate::sums::{Settled, SumStatistics, Sums, Which};
use bytes::Bytes;
use quorate_model::{Boot, ClusterId, Durability, Interval, Record, Refusal, Rules, SortKey, TableId};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::MutexGuard;

/// Chunks that are looked at, and rows that are written, at a time: writers wait for one such step at most.
const SETTLE_STEP: usize = 256;

/// How a replica keeps its sums, and what it may believe of those on its disk.
#[derive(Clone, Copy, Debug)]
pub struct SumsSetting {
    /// The cluster: its replicas make equal sums of equal records, those of other clusters do not.
    pub cluster: ClusterId,
    /// Keys of a chunk when it is cut: at least 1, usually 2,048. Fewer: differences are found more exactly, for more memory
    /// (some 250 bytes a chunk).
    pub chunk_keys: u64,
    /// The run that had this folder before, as the folder says. A run that does not know of sums changes records and leaves
    /// the rows; so rows are believed only if that run was the last to keep them.
    pub before: Option<Boot>,
    /// This run, as the folder says.
    pub boot: Option<Boot>,
}

/// What a batch does to the sums.
#[derive(Debug)]
pub(super) struct BatchSums {
    hasher: Hasher,
    changes: Vec<RecordChange>,
}

/// What becomes of one record.
#[derive(Debug)]
struct RecordChange {
    table: TableId,
    sort_key: Vec<u8>,
    before: Option<Item>,
    after: Option<Item>,
}

/// What came of counting everything again.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Recount {
    /// Chunks that were compared.
    pub chunks: u64,
    /// Chunks that are not counted, and were not compared.
    pub missing: u64,
    /// Rows that were compared.
    pub rows: u64,
    /// What is wrong; empty: nothing.
    pub wrong: Vec<String>,
}

impl SumsSetting {
    /// The usual one, for a folder of which nothing is known.
    pub fn of(cluster: ClusterId) -> Self {
        Self { cluster, chunk_keys: 2_048, before: None, boot: None }
    }
}

impl BatchSums {
    /// A record of that key is changed by the batch.
    pub(super) fn note(&mut self, key: &[u8], before: Option<Item>, after: Option<&[u8]>) {
        let Some((table, sort_key)) = split(key) else { return };
        let after = after.and_then(|record| self.hasher.item(sort_key, record));
        self.changes.push(RecordChange { table, sort_key: sort_key.to_vec(), before, after });
    }

    /// Deletes the rows of what it changes.
    pub(super) fn delete_rows(&self, sums: &Sums, batch: &mut Batch) {
        let row =
            |change: &RecordChange| Some((change.table, sums.row_to_delete(change.table, &change.sort_key)?));
        let rows: BTreeSet<(TableId, Bytes)> = self.changes.iter().filter_map(row).collect();
        for (table, start) in rows {
            delete_row(batch, table, start);
        }
    }

    /// The batch is written.
    pub(super) fn count(self, sums: &mut Sums) {
        for RecordChange { table, sort_key, before, after } in self.changes {
            sums.change(table, &sort_key, before, after);
        }
    }
}

/// A record's key on the disk: its table and its sort key.
fn split(key: &[u8]) -> Option<(TableId, &[u8])> {
    let (head, sort_key) = key.split_first_chunk::<5>()?;
    let [_, table @ ..] = head;
    Some((TableId(u32::from_be_bytes(*table)), sort_key))
}

/// The item of a record as it lies on the disk.
pub(super) fn item(hasher: Hasher, key: &[u8], record: &[u8]) -> Option<Item> {
    hasher.item(split(key)?.1, record)
}

fn delete_row(batch: &mut Batch, table: TableId, start: Bytes) {
    let key = DiskKey::ChunkSum { table, start: SortKey(start) };
    batch.delete(key.family(), key.encode());
}

impl<E: Engine> Replica<E> {
    /// Takes up the sums that are on the disk, if they may be believed.
    pub(super) fn load_sums(&self, setting: SumsSetting) -> Result<(), EngineError> {
        let Ok(tables) = self.stored_tables() else { return Ok(()) };
        let noted = noted_boot(&*self.engine)?;
        let rows = if noted == setting.before { read_rows(&*self.engine)? } else { None };
        let mut sums = self.sums();
        let is_taken = rows.and_then(|rows| sums.load(&tables, rows)).is_some();
        let mut batch = Batch::housekeeping();
        if !is_taken {
            batch.delete_range(Family::Meta, keys::chunk_sums());
        }
        if let Some(boot) = setting.boot {
            let key = DiskKey::SumsKept;
            batch.put(key.family(), key.encode(), boot.0.to_be_bytes().to_vec());
        }
        let prepared = if batch.is_empty() { Ok(()) } else { self.engine.write(batch, Durability::Os) };
        if !is_taken {
            sums.load(&tables, Vec::new());
        }
        match prepared {
            Ok(()) => Ok(()),
            // Nothing was deleted, and the rows may be wrong: the next start finds them again, and judges as this one did.
            Err(error) if error.doubt().is_none() => {
                sums.keep_no_rows();
                Ok(())
            }
            Err(error) => Err(error),
        }
    }

    /// What a batch that is about to be made does to the sums.
    pub(super) fn batch_sums(&self) -> BatchSums {
        BatchSums { hasher: self.sums().hasher(), changes: Vec::new() }
    }

    /// Counts one page of what is not counted, or cuts a chunk that has grown; `false`: there is nothing to do. Writers go
    /// on meanwhile; `limit` is how much is read at a time.
    pub fn walk_sums(&self, limit: PageLimit) -> Result<bool, Refusal> {
        self.trusted()?;
        let Some(page) = self.begin_page()? else { return Ok(false) };
        let range = KeyRange {
            start: keys::record(page.table, &SortKey(page.from.clone())),
            end: match &page.end {
                Some(end) => Some(keys::record(page.table, &SortKey(end.clone()))),
                None => keys::records_of(page.table).end,
            },
        };
        let read = self.engine.scan(Family::Records, &range, Direction::Forward, limit);
        let items = read.map_err(|error| self.refusal(&error)).and_then(|read| self.items(&read));
        let items = items.inspect_err(|_| self.sums().not_read())?;
        // A page that is full may have more behind it.
        let is_full = items.len() >= limit.items || read_bytes(&items) >= limit.bytes;
        let until = items.last().filter(|_| is_full).map(|(last, _, _)| {
            let mut until = last.to_vec();
            until.push(0);
            Bytes::from(until)
        });
        let items = items.into_iter().map(|(key, item, _)| (key, item)).collect();
        let _writer = self.writer();
        self.sums().read(&page, items, until);
        Ok(true)
    }

    /// What is to be read next, with the row of its chunk gone.
    fn begin_page(&self) -> Result<Option<crate::sums::Page>, Refusal> {
        let _writer = self.writer();
        let Some(page) = self.sums().next_page() else { return Ok(None) };
        if page.has_row {
            // Without the lock of the sums: those who ask for figures do not wait for a disk.
            let mut batch = Batch::housekeeping();
            delete_row(&mut batch, page.table, page.start.clone());
            if let Err(error) = self.engine.write(batch, Durability::Os) {
                self.sums().not_read();
                return Err(self.refusal(&error));
            }
            self.sums().row_deleted(page.table, &page.start);
        }
        Ok(Some(page))
    }

    /// The items of what was read, each with its bytes.
    fn items(&self, read: &[(Bytes, Bytes)]) -> Result<Vec<(Bytes, Item, usize)>, Refusal> {
        let hasher = self.sums().hasher();
        let item = |(key, record): &(Bytes, Bytes)| {
            // Checked like every record that is read.
            self.decoded(record)?;
            let item = split(key).and_then(|(_, sort_key)| hasher.item(sort_key, record));
            let item = item.ok_or_else(|| {
                self.refusal(&EngineError::Corrupt("a record without a whole header".into()))
            })?;
            Ok((key.slice(5..), item, key.len() + record.len()))
        };
        read.iter().map(item).collect()
    }

    /// Writes the rows of chunks that have not changed since this was called last, and joins small ones. Call it every half
    /// minute. Writers go on meanwhile: each step is short. A full disk keeps its space for what must be written.
    pub fn settle_sums(&self) -> Result<(), Refusal> {
        self.settle(Which::Quiet)
    }

    /// Writes the rows of all chunks: for a replica that is about to end in order.
    pub fn write_sums(&self) -> Result<(), Refusal> {
        self.settle(Which::All)
    }

    fn settle(&self, which: Which) -> Result<(), Refusal> {
        let mut from = Some((TableId(0), Bytes::new()));
        while let Some(at) = from {
            let _writer = self.writer();
            self.trusted()?;
            if self.is_disk_full() {
                return Err(Refusal::DiskFull);
            }
            let settled = self.sums().settle(at, which, SETTLE_STEP);
            self.write_settled(&settled).map_err(|error| self.refusal(&error))?;
            self.sums().settled(&settled);
            from = settled.next;
        }
        Ok(())
    }

    fn write_settled(&self, settled: &Settled) -> Result<(), EngineError> {
        if settled.rows.is_empty() && settled.gone.is_empty() {
            return Ok(());
        }
        let mut batch = Batch::housekeeping();
        for (table, start) in &settled.gone {
            delete_row(&mut batch, *table, start.clone());
        }
        for (table, start, row) in &settled.rows {
            let key = DiskKey::ChunkSum { table: *table, start: SortKey(start.clone()) };
            batch.put(key.family(), key.encode(), row.encode());
        }
        self.engine.write(batch, Durability::Os)
    }

    /// What these intervals of a table hold here, each.
    pub fn interval_figures(&self, table: TableId, intervals: &[Interval]) -> Vec<Figure> {
        let is_trusted = !self.is_doubtful();
        let sums = self.sums();
        let figures = intervals.iter().map(|interval| sums.figure(table, interval));
        figures.map(|figure| Figure { is_exact: figure.is_exact && is_trusted, ..figure }).collect()
    }

    /// Where an interval of a table is halved by bytes, as near as is known without reading; `None`: it holds too little.
    pub fn half(&self, table: TableId, interval: &Interval) -> Option<SortKey> {
        self.sums().half(table, interval)
    }

    /// What each table holds here.
    pub fn table_figures(&self) -> BTreeMap<TableId, Figure> {
        let is_trusted = !self.is_doubtful();
        let sums = self.sums();
        let exact = |figure: Figure| Figure { is_exact: figure.is_exact && is_trusted, ..figure };
        sums.tables().map(|(table, figure)| (table, exact(figure))).collect()
    }

    /// Whether all that is held is counted.
    pub fn counts_all(&self) -> bool {
        !self.is_doubtful() && self.sums().counts_all()
    }

    /// Numbers for metrics.
    pub fn sum_statistics(&self) -> SumStatistics {
        self.sums().statistics()
    }

    /// Counts every record again and compares: each chunk that is counted, and each row on the disk. Nothing is written
    /// meanwhile, so this is for tests.
    pub fn recount(&self) -> Result<Recount, EngineError> {
        let _writer = self.writer();
        let hasher = Hasher::new(self.sums_of, Rules::INTACT);
        let mut items: BTreeMap<(TableId, Bytes), Item> = BTreeMap::new();
        let everything = KeyRange { start: Vec::new(), end: None };
        for_each(&*self.engine, Family::Records, everything, |key, record| {
            let known = Record::decode(&record).map_err(|error| EngineError::Corrupt(error.to_string()));
            known?;
            let item = split(&key).and_then(|(table, key)| Some((table, hasher.item(key, &record)?)));
            items.extend(item.map(|(table, item)| ((table, key.slice(5..)), item)));
            Ok(())
        })?;
        let total = |table: TableId, interval: &Interval| {
            let mut total = Total::default();
            let from = items.range((table, interval.start.0.clone())..);
            let is_inside = |((of, key), _): &(&(TableId, Bytes), &Item)| {
                *of == table && interval.end.as_ref().is_none_or(|end| *key < end.0)
            };
            from.take_while(is_inside).for_each(|(_, item)| total.add(*item));
            total
        };
        let mut recount = Recount::default();
        let mut compare = |what: &str, table: TableId, interval: &Interval, said: Total| {
            let counted = total(table, interval);
            if counted != said {
                let wrong =
                    format!("{what} of {table} at {:?}: {said:?}, counted {counted:?}", interval.start);
                recount.wrong.push(wrong);
            }
        };
        for (table, interval, chunk) in self.sums().chunks() {
            if chunk.state == State::Missing {
                recount.missing += 1;
            } else {
                recount.chunks += 1;
                compare("a chunk", table, &interval, chunk.total);
            }
        }
        for (table, start, row) in read_rows(&*self.engine)?.unwrap_or_default() {
            recount.rows += 1;
            compare("a row", table, &Interval { start: SortKey(start), end: row.end }, row.total);
        }
        Ok(recount)
    }

    pub(super) fn sums(&self) -> MutexGuard<'_, Sums> {
        self.sums.lock().unwrap_or_else(|poisoned| {
            self.doubt("the sums of chunks were left half-way by a panic");
            poisoned.into_inner()
        })
    }
}

fn read_bytes(items: &[(Bytes, Item, usize)]) -> usize {
    items.iter().map(|(_, _, bytes)| bytes).sum()
}

/// The run that was the last to keep rows; `None`: none ever did.
fn noted_boot(engine: &impl Engine) -> Result<Option<Boot>, EngineError> {
    match engine.get(Family::Meta, &DiskKey::SumsKept.encode(), ReadTier::Disk)? {
        Lookup::Found(bytes) => Ok(bytes.as_ref().try_into().ok().map(u64::from_be_bytes).map(Boot)),
        Lookup::Absent | Lookup::NotInMemory => Ok(None),
    }
}

/// The rows on the disk, in order; `None`: one of them can't be read.
fn read_rows(engine: &impl Engine) -> Result<Option<Rows>, EngineError> {
    let mut rows = Some(Rows::new());
    for_each(engine, Family::Meta, keys::chunk_sums(), |key, value| {
        let row = match (DiskKey::decode(&key), Row::decode(&value)) {
            (Some(DiskKey::ChunkSum { table, start }), Some(row)) => Some((table, start.0, row)),
            _ => None,
        };
        rows = rows.take().zip(row).map(|(mut rows, row)| {
            rows.push(row);
            rows
        });
        Ok(())
    })?;
    Ok(rows)
}
