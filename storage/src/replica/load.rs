//! Pages of a shard that is being filled, taken in: what is new as a file of its own, the rest merged by version.
//!
//! ```text
//! page      a  b  c  d  e  f  g  h        from another owner
//! held               d′                   a client wrote it meanwhile
//! files    [a  b  c]   [e  f  g  h]       their ranges hold nothing
//! merged             d                    by version, as any write
//! ```
//!
//! Files are made without the writer's lock, and taken in with it: whether their ranges hold nothing is asked again then, by
//! the engine itself. Where something has come between, its piece is merged like the rest.

use super::Replica;
use super::sums::BatchSums;
use crate::engine::{Batch, Direction, Engine, Family, Items, KeyRange, PageLimit};
use crate::keys;
#[cfg(feature = "mutants")]
use crate::rules::filling;
use quorate_model::sync::Keyed;
use quorate_model::{CopyState, Durability, Extent, Gap, Origin, RangeReply, Raw, Record, Refusal};
use std::collections::BTreeSet;
use std::sync::atomic::Ordering;

/// Records that are merged at once: a client's write waits for one such batch at most.
const MERGED_AT_ONCE: usize = 256;

/// Where more than so many records are held in a page's range, all of it is merged; and bytes of them that are read.
const HELD_MAX: PageLimit = PageLimit { items: 64, bytes: 1024 * 1024 };

impl<E: Engine> Replica<E> {
    /// Takes in records of a shard that is being filled, in ascending order of their keys: what is held after it is the greater
    /// version of each, with the operation ids of both. Handed to the operating system at least; [`Replica::whole`] makes all
    /// of it durable. Blocks on the disk.
    pub fn load(&self, gap: &Gap, records: &[Raw]) -> Result<(), Refusal> {
        self.trusted()?;
        #[cfg(feature = "mutants")]
        if !filling::looks_first(self.rules) {
            return self.overwrite(gap, records);
        }
        let (runs, mut rest) = self.runs(gap, records)?;
        if !self.take_in(gap, &runs)? {
            rest.extend(runs.into_iter().flatten());
        }
        rest.chunks(MERGED_AT_ONCE).try_for_each(|records| self.merge_raw(gap, records))
    }

    /// Runs of records in whose ranges nothing is held, each worth a file; and what is to be merged one by one.
    fn runs<'a>(&self, gap: &Gap, records: &'a [Raw]) -> Result<(Vec<&'a [Raw]>, Vec<&'a Raw>), Refusal> {
        let (Some(first), Some(last)) = (records.first(), records.last()) else {
            return Ok(Default::default());
        };
        let mut end = keys::record(gap.table, &last.sort_key);
        end.push(0);
        let range = KeyRange { start: keys::record(gap.table, &first.sort_key), end: Some(end) };
        let held = self.engine.scan(Family::Records, &range, Direction::Forward, HELD_MAX);
        let held = held.map_err(|error| self.refusal(&error))?;
        let bytes: usize = held.iter().map(|(key, value)| key.len() + value.len()).sum();
        if held.len() >= HELD_MAX.items || bytes >= HELD_MAX.bytes {
            return Ok((Vec::new(), records.iter().collect()));
        }
        let held: BTreeSet<Vec<u8>> = held.into_iter().map(|(key, _)| key.to_vec()).collect();
        let (mut runs, mut rest, mut left) = (Vec::new(), Vec::new(), records);
        for key in held {
            let before = left.partition_point(|raw| keys::record(gap.table, &raw.sort_key) < key);
            let (run, behind) = left.split_at(before);
            let is_held = behind.first().is_some_and(|raw| keys::record(gap.table, &raw.sort_key) == key);
            rest.extend(behind.first().filter(|_| is_held));
            runs.push(run);
            left = behind.get(usize::from(is_held)..).unwrap_or_default();
        }
        runs.push(left);
        let (files, small): (Vec<_>, Vec<_>) =
            runs.into_iter().partition(|run| run.len() >= self.limits.file_records_min.max(1));
        rest.extend(small.into_iter().flatten());
        Ok((files, rest))
    }

    /// Takes runs in as files; `false`: something has come between, and nothing was taken.
    fn take_in(&self, gap: &Gap, runs: &[&[Raw]]) -> Result<bool, Refusal> {
        if runs.is_empty() {
            return Ok(true);
        }
        let (mut ready, mut sums) = (Vec::new(), self.batch_sums());
        for run in runs {
            let item = |raw: &Raw| (keys::record(gap.table, &raw.sort_key), raw.record.clone());
            let items = Items(run.iter().map(item).collect());
            items.0.iter().for_each(|(key, record)| sums.note(key, None, Some(record)));
            let laid = self.engine.lay_ready(Family::Records, &items);
            ready.push(laid.map_err(|error| self.refusal(&error))?);
        }
        let mut writer = self.writer();
        self.fills(gap)?;
        // Durably before it, since files outlive the power that what is in the log may not.
        self.delete_rows(&sums)?;
        let taken = self.engine.take_in(Family::Records, ready).map_err(|error| self.refusal(&error))?;
        if taken {
            sums.count(&mut self.sums());
            writer.unsynced = true;
            let records = runs.iter().map(|run| run.len() as u64).sum();
            self.counters.stored.fetch_add(records, Ordering::Relaxed);
        }
        Ok(taken)
    }

    /// Whether a shard is being filled, and there is room for it.
    fn fills(&self, gap: &Gap) -> Result<(), Refusal> {
        if self.copy_of(gap)?.1 != CopyState::Filling {
            return Err(Refusal::Filling);
        }
        if self.is_disk_full() { Err(Refusal::DiskFull) } else { Ok(()) }
    }

    fn delete_rows(&self, sums: &BatchSums) -> Result<(), Refusal> {
        let mut batch = Batch::housekeeping();
        sums.delete_rows(&self.sums(), &mut batch);
        if batch.is_empty() {
            return Ok(());
        }
        self.engine.write(batch, Durability::Sync).map_err(|error| self.refusal(&error))
    }

    fn merge_raw(&self, gap: &Gap, records: &[&Raw]) -> Result<(), Refusal> {
        let keyed = |raw: &&Raw| {
            let record = Record::decode(&raw.record).map_err(|_| Refusal::NotUnderstood)?;
            Ok(Keyed { sort_key: raw.sort_key.clone(), record })
        };
        let records = records.iter().map(keyed).collect::<Result<Vec<Keyed>, Refusal>>()?;
        let over = Extent { table: gap.table, epoch: gap.epoch, interval: gap.interval.clone() };
        match self.merge_as(&over, &records, Origin::Filling) {
            RangeReply::Merged => Ok(()),
            RangeReply::Refused(refusal) => Err(refusal),
            RangeReply::Broken
            | RangeReply::Scanned(_)
            | RangeReply::Sums(_)
            | RangeReply::Parted(_)
            | RangeReply::Listed(_)
            | RangeReply::Fetched(_)
            | RangeReply::Paged(_)
            | RangeReply::Floored(_)
            | RangeReply::Removals(_)
            | RangeReply::Confirmed(_)
            | RangeReply::Dropped(_) => Err(Refusal::Doubtful),
        }
    }

    /// What the broken rule does.
    #[cfg(feature = "mutants")]
    fn overwrite(&self, gap: &Gap, records: &[Raw]) -> Result<(), Refusal> {
        let mut writer = self.writer();
        self.fills(gap)?;
        let mut batch = Batch::default();
        for Raw { sort_key, record } in records {
            batch.put(Family::Records, keys::record(gap.table, sort_key), record.clone());
        }
        self.write(&mut writer, batch, Durability::Os).map_err(|error| self.refusal(&error))
    }
}
