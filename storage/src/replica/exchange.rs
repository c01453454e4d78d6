//! What owners ask each other to find out where they differ: sums, lists, records.
//!
//! A sum of a whole shard comes from memory or not at all. Sums of parts are added up from chunks, and what lies across
//! their ends is read; so is what a list names and a fetch brings. As a walk of a scan, such a read goes in steps: each is
//! admitted anew with the layout held, so that a new layout waits for one step and not for the whole. The first step that
//! is not admitted ends the answer with its refusal: who compares two replicas must know that it is one shard's.
//!
//! Nothing of it is a snapshot. What is written meanwhile may be in the answer or not; the asker looks again at what it
//! finds different, and takes only whole sums for a proof.

use super::Replica;
use super::scan::cut;
use crate::engine::{Direction, Engine, EngineError, Family, PageLimit};
use crate::keys::{self, DiskKey};
use crate::rules::filling::Wants;
use crate::rules::{admission, fence};
use crate::sums::item::Item;
use bytes::Bytes;
use quorate_model::range::writes;
use quorate_model::sync::{
    Cuts, Fetched, ITEMS_MAX, Items, Keyed, Listed, PARTS_MAX, Parted, Proof, RECORDS_MAX, Sum,
};
use quorate_model::{Extent, Interval, Layout, Origin, Paged, RangeReply, Raw, Record, Refusal, SortKey};
use std::collections::BTreeSet;

/// Records of one step, and their bytes.
const STEP: PageLimit = PageLimit { items: 1_000, bytes: 1024 * 1024 };

/// Records that are read to count the first part of an answer; one with more is not counted.
const COUNTED_MAX: usize = 16_384;

/// Records as they lie on the disk, by key; and whether the range ends with them.
pub(super) type Read = (Vec<(SortKey, Bytes)>, bool);

impl<E: Engine> Replica<E> {
    /// What an interval adds up to, if that is known without reading.
    pub(super) fn proof(&self, over: &Extent) -> Proof {
        // The guard lives until the sum is read: a table that is dropped meanwhile is not cleared before.
        let layout = self.layout();
        if let Err(refusal) = self.admit_with(&layout, over) {
            return Proof::Refused(refusal);
        }
        let figure = self.sums().figure(over.table, &over.interval);
        if figure.is_exact { Proof::Counted(Sum(figure.total.sum)) } else { Proof::NotCounted }
    }

    pub(super) fn proofs(&self, of: &[Extent]) -> Vec<Proof> {
        of.iter().take(PARTS_MAX).map(|over| self.proof(over)).collect()
    }

    /// Adds up the parts of an interval, as many as there is time for, and the first one in any case.
    pub(super) fn parted(
        &self,
        over: &Extent,
        cuts: &Cuts,
        is_over: &mut impl FnMut() -> bool,
    ) -> Result<Parted, Refusal> {
        self.admit_source(over)?;
        match cuts {
            Cuts::At { keys, adopt } => {
                let inside = |key: &&SortKey| **key > over.interval.start && over.interval.contains(key);
                let cuts: BTreeSet<SortKey> = keys.iter().take(PARTS_MAX).filter(inside).cloned().collect();
                let cuts: Vec<SortKey> = cuts.into_iter().collect();
                if *adopt {
                    let Interval { start, end } = &over.interval;
                    let ends: Vec<SortKey> = [start].into_iter().chain(&cuts).chain(end).cloned().collect();
                    self.sums().adopt(over.table, &ends);
                }
                self.parted_at(over, cuts, is_over)
            }
            Cuts::Own(most) => self.parted_by_chunks(over, (*most as usize).clamp(1, PARTS_MAX), is_over),
        }
    }

    fn parted_at(
        &self,
        over: &Extent,
        cuts: Vec<SortKey>,
        is_over: &mut impl FnMut() -> bool,
    ) -> Result<Parted, Refusal> {
        let mut parted = Parted::default();
        let mut start = over.interval.start.clone();
        for end in cuts.into_iter().map(Some).chain([over.interval.end.clone()]) {
            let part = Extent { interval: Interval { start, end: end.clone() }, ..*over };
            let Some(sum) = self.counted(&part, parted.sums.0.is_empty(), is_over)? else { break };
            parted.sums.0.push(sum);
            let Some(end) = end else { break };
            start = end;
        }
        Ok(parted)
    }

    /// What a part adds up to. `None`: that takes too long; the first part of an answer may take longer.
    fn counted(
        &self,
        part: &Extent,
        is_first: bool,
        is_over: &mut impl FnMut() -> bool,
    ) -> Result<Option<u64>, Refusal> {
        let (mut sum, mut records) = (0u64, 0);
        let mut at = part.interval.start.clone();
        loop {
            let end = part.interval.end.as_ref().map(SortKey::as_bytes);
            let piece = self.sums().piece(part.table, at.as_bytes(), end);
            let until = piece.end.map(SortKey);
            if let Some(known) = piece.sum {
                sum = sum.wrapping_add(known as u64);
            } else {
                let mut rest = Extent { interval: Interval { start: at, end: until.clone() }, ..*part };
                loop {
                    let (read, is_whole) = self.read_step(&rest, STEP)?;
                    records += read.len();
                    sum = self.items_of(&read)?.into_iter().fold(sum, u64::wrapping_add);
                    match read.last() {
                        Some((last, _)) if !is_whole => rest.interval.start = last.successor(),
                        Some(_) | None => break,
                    }
                    let is_long = if is_first { records >= COUNTED_MAX } else { is_over() };
                    if is_long {
                        return Ok(None);
                    }
                }
            }
            match until {
                Some(until) if Some(&until) != part.interval.end.as_ref() => at = until,
                Some(_) | None => return Ok(Some(sum)),
            }
        }
    }

    /// Parts that are this replica's own chunks; what is not counted is read in pieces of that size.
    fn parted_by_chunks(
        &self,
        over: &Extent,
        most: usize,
        is_over: &mut impl FnMut() -> bool,
    ) -> Result<Parted, Refusal> {
        let mut parted = Parted::default();
        let mut at = over.interval.start.clone();
        while parted.sums.0.len() < most {
            let end = over.interval.end.as_ref().map(SortKey::as_bytes);
            let (piece, chunk_keys) = {
                let sums = self.sums();
                (sums.piece(over.table, at.as_bytes(), end), sums.chunk_keys())
            };
            let mut until = piece.end.map(SortKey);
            let sum = if let Some(sum) = piece.sum {
                sum as u64
            } else {
                let items = usize::try_from(chunk_keys).unwrap_or(usize::MAX).clamp(1, ITEMS_MAX);
                let interval = Interval { start: at, end: until.clone() };
                let limit = PageLimit { items, bytes: 8 * STEP.bytes };
                let (read, is_whole) = self.read_step(&Extent { interval, ..*over }, limit)?;
                until = read.last().filter(|_| !is_whole).map(|(last, _)| last.successor()).or(until);
                self.items_of(&read)?.into_iter().fold(0, u64::wrapping_add)
            };
            parted.sums.0.push(sum);
            match until {
                Some(until) if Some(&until) != over.interval.end.as_ref() => {
                    parted.ends.push(until.clone());
                    at = until;
                }
                Some(_) | None => break,
            }
            if is_over() {
                break;
            }
        }
        Ok(parted)
    }

    /// The items of a range, as many as are wanted.
    pub(super) fn listed(&self, over: &Extent, items: u32, keys: bool) -> Result<Listed, Refusal> {
        let most = (items as usize).clamp(1, ITEMS_MAX);
        let mut listed = Listed::default();
        let mut rest = over.clone();
        loop {
            let left = most - listed.items.0.len();
            let (read, is_whole) =
                self.read_step(&rest, PageLimit { items: STEP.items.min(left), ..STEP })?;
            listed.items.0.extend(self.items_of(&read)?);
            let last = read.last().map(|(last, _)| last.successor());
            if keys {
                listed.keys.extend(read.into_iter().map(|(key, _)| key));
            }
            match last {
                Some(last) if !is_whole && listed.items.0.len() < most => rest.interval.start = last,
                Some(last) if !is_whole => {
                    listed.until = Some(last);
                    return Ok(listed);
                }
                Some(_) | None => {
                    listed.until.clone_from(&over.interval.end);
                    return Ok(listed);
                }
            }
        }
    }

    /// The records of a range, or those of some items, or all but those of some, up to so many bytes.
    pub(super) fn fetched(
        &self,
        over: &Extent,
        (wanted, but): (Option<&Items>, Option<&Items>),
        bytes: u32,
        is_over: &mut impl FnMut() -> bool,
    ) -> Result<Fetched, Refusal> {
        let set = |items: &Items| items.0.iter().copied().collect::<BTreeSet<u64>>();
        let (wanted, but) = (wanted.map(set), but.map(set));
        let mut fetched = Fetched::default();
        let mut size = 0;
        let mut rest = over.clone();
        loop {
            let (read, is_whole) = self.read_step(&rest, STEP)?;
            let items = self.items_of(&read)?;
            let last = read.last().map(|(last, _)| last.successor());
            for ((sort_key, record), item) in read.into_iter().zip(items) {
                let is_wanted = wanted.as_ref().is_none_or(|wanted| wanted.contains(&item))
                    && but.as_ref().is_none_or(|but| !but.contains(&item));
                if !is_wanted {
                    continue;
                }
                let keyed = Keyed { sort_key, record: self.decoded(&record)? };
                size += keyed.bytes();
                let behind = keyed.sort_key.successor();
                fetched.records.push(keyed);
                if size >= bytes as usize || fetched.records.len() == RECORDS_MAX {
                    fetched.until = Some(behind);
                    return Ok(fetched);
                }
            }
            match last {
                Some(last) if !is_whole && is_over() => {
                    fetched.until = Some(last);
                    return Ok(fetched);
                }
                Some(last) if !is_whole => rest.interval.start = last,
                Some(_) | None => {
                    fetched.until.clone_from(&over.interval.end);
                    return Ok(fetched);
                }
            }
        }
    }

    /// The records of a range as they lie on the disk, up to so many bytes.
    pub(super) fn paged(
        &self,
        over: &Extent,
        bytes: u32,
        is_over: &mut impl FnMut() -> bool,
    ) -> Result<Paged, Refusal> {
        let mut paged = Paged::default();
        let (mut rest, mut size) = (over.clone(), 0);
        loop {
            let (read, is_whole) = self.read_step(&rest, STEP)?;
            for (sort_key, record) in read {
                Record::check(&record).map_err(|error| self.not_a_record(&error))?;
                let raw = Raw { sort_key, record };
                size += raw.bytes();
                paged.records.push(raw);
                if size >= bytes as usize {
                    paged.until = paged.records.last().map(|last| last.sort_key.successor());
                    return Ok(paged);
                }
            }
            let last = paged.records.last().map(|last| last.sort_key.successor());
            match last {
                Some(last) if !is_whole && is_over() => {
                    paged.until = Some(last);
                    return Ok(paged);
                }
                Some(last) if !is_whole => rest.interval.start = last,
                Some(_) | None => {
                    paged.until.clone_from(&over.interval.end);
                    return Ok(paged);
                }
            }
        }
    }

    /// Merges records by version, as one batch.
    pub(super) fn merge(&self, over: &Extent, records: &[Keyed]) -> RangeReply {
        self.merge_as(over, records, Origin::Vouched)
    }

    /// The same of records that come so.
    pub(super) fn merge_as(&self, over: &Extent, records: &[Keyed], origin: Origin) -> RangeReply {
        let Some(writes) = writes(over, records, origin) else {
            return RangeReply::Refused(Refusal::NotOwner);
        };
        RangeReply::merged(&self.apply(&writes))
    }

    /// Whether this replica answers those who compare theirs with it, for all of a range.
    pub(super) fn admit_source(&self, over: &Extent) -> Result<(), Refusal> {
        self.admit_with(&self.layout(), over)
    }

    pub(super) fn admit_with(&self, layout: &Layout, over: &Extent) -> Result<(), Refusal> {
        if !admission::is_source(self.rules, self.is_doubtful()) {
            return Err(Refusal::Doubtful);
        }
        self.not_behind(layout)?;
        let closed = self.closed();
        if !fence::may_be_copied(self.rules, closed, over.epoch) {
            return Err(Refusal::Behind { current: closed });
        }
        let mut rest = over.clone();
        loop {
            let within = admission::admit_walk(self.rules, layout, self.incarnation, &rest, false)?;
            let piece = cut(&rest.interval, within);
            self.holds_all(layout, over.table, &piece, Wants::Everything)?;
            match piece.end {
                Some(end) if Some(&end) != over.interval.end.as_ref() => rest.interval.start = end,
                Some(_) | None => return Ok(()),
            }
        }
    }

    /// Reads on in a range, admitted with the layout held.
    pub(super) fn read_step(&self, over: &Extent, limit: PageLimit) -> Result<Read, Refusal> {
        let layout = self.layout();
        self.admit_with(&layout, over)?;
        let range = keys::records_in(over.table, &over.interval);
        let page = self.engine.scan(Family::Records, &range, Direction::Forward, limit);
        let page = page.map_err(|error| self.refusal(&error))?;
        let bytes: usize = page.iter().map(|(key, value)| key.len() + value.len()).sum();
        let is_whole = page.len() < limit.items && bytes < limit.bytes;
        let keyed = page.into_iter().map(|(key, record)| {
            if let Some(DiskKey::Record { sort_key, .. }) = DiskKey::decode(&key) {
                return Ok((sort_key, record));
            }
            let strange = EngineError::Corrupt("a key among records is none of a record".into());
            Err(self.refusal(&strange))
        });
        Ok((keyed.collect::<Result<_, _>>()?, is_whole))
    }

    /// The items of what was read; each record is checked like every one that is read.
    fn items_of(&self, read: &[(SortKey, Bytes)]) -> Result<Vec<u64>, Refusal> {
        let hasher = self.sums().hasher();
        let item = |(key, record): &(SortKey, Bytes)| {
            self.decoded(record)?;
            let item = hasher.item(key.as_bytes(), record).map(Item::short);
            item.ok_or_else(|| self.refusal(&EngineError::Corrupt("a record without a whole header".into())))
        };
        read.iter().map(item).collect()
    }
}
