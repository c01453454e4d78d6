//! Walks over ranges: what this replica holds there, removals too, and up to where that is complete.
//!
//! A walk goes in steps. Each step is admitted anew, with the layout held while its records are read, and released before
//! the next one: a new layout waits for one step and not for the walk. Where a later step is not admitted, the answer ends
//! before it: it is complete up to there, and the caller asks for the rest under its own view of things.

use super::Replica;
use crate::engine::{Direction, Engine, Family, PageLimit};
use crate::keys::{self, DiskKey};
use crate::rules::admission;
use crate::rules::filling::Wants;
use quorate_model::message::SMALL_BYTES;
use quorate_model::range::{ENTRIES_MAX, ENTRY_HEAD_BYTES, Entry, Extent, Scanned, Walk};
use quorate_model::{Interval, RangeReply, RangeRequest, Refusal, SortKey};

/// Records of one step, and their bytes.
const STEP: PageLimit = PageLimit { items: 1_000, bytes: 1024 * 1024 };

/// One step: what it found, and up to where; whether it is the last one of its shard, or of the range.
struct Step {
    entries: Vec<Entry>,
    until: Option<SortKey>,
    ends: bool,
}

impl<E: Engine> Replica<E> {
    /// Answers a request about a range, from the disk: it may take a while. `is_over` is asked between steps whether that
    /// was long enough; what there is by then is answered.
    pub fn serve_range(&self, request: &RangeRequest, mut is_over: impl FnMut() -> bool) -> RangeReply {
        let is_over = &mut is_over;
        let answer = match request {
            RangeRequest::Scan { over, walk } => {
                self.walk(over.clone(), *walk, is_over).map(RangeReply::Scanned)
            }
            RangeRequest::Sums { of } => Ok(RangeReply::Sums(self.proofs(of))),
            RangeRequest::Parts { over, cuts } => self.parted(over, cuts, is_over).map(RangeReply::Parted),
            RangeRequest::List { over, items, keys } => {
                self.listed(over, *items, *keys).map(RangeReply::Listed)
            }
            RangeRequest::Fetch { over, wanted, bytes, but } => {
                let which = (wanted.as_ref(), but.as_ref());
                self.fetched(over, which, *bytes, is_over).map(RangeReply::Fetched)
            }
            RangeRequest::Merge { over, records } => Ok(self.merge(over, records)),
            RangeRequest::Page { over, bytes } => self.paged(over, *bytes, is_over).map(RangeReply::Paged),
            RangeRequest::Floors { over, raise } => self.raise(over, *raise).map(RangeReply::Floored),
            RangeRequest::Removals { over, wanted } => {
                self.removals(over, *wanted, is_over).map(RangeReply::Removals)
            }
            RangeRequest::Confirm { over, removals } => {
                self.unconfirmed(over, removals).map(RangeReply::Confirmed)
            }
            RangeRequest::Drop { over, up_to, removals } => {
                self.drop_removals(over, *up_to, removals).map(RangeReply::Dropped)
            }
        };
        answer.unwrap_or_else(RangeReply::Refused)
    }

    fn walk(
        &self,
        mut over: Extent,
        walk: Walk,
        is_over: &mut impl FnMut() -> bool,
    ) -> Result<Scanned, Refusal> {
        let items = walk.items.clamp(1, ENTRIES_MAX) as usize;
        let mut scanned = Scanned::default();
        let mut bytes = 0;
        for number in 0.. {
            let step = match self.walk_step(&over, walk, items - scanned.entries.len()) {
                Ok(step) => step,
                Err(_) if number > 0 => break,
                Err(refusal) => return Err(refusal),
            };
            scanned.until = step.until;
            for entry in step.entries {
                bytes += bytes_of(&entry);
                scanned.entries.push(entry);
                if bytes >= walk.bytes as usize || scanned.entries.len() == items {
                    // What lies behind is not shown: the answer ends with this entry.
                    scanned.until = scanned.entries.last().map(|last| bound_behind(last, walk));
                    return Ok(scanned);
                }
            }
            if step.ends || is_over() {
                break;
            }
            match (&scanned.until, walk.reverse) {
                (Some(until), false) => over.interval.start = until.clone(),
                (until, true) => over.interval.end.clone_from(until),
                (None, false) => break,
            }
        }
        Ok(scanned)
    }

    fn walk_step(&self, over: &Extent, walk: Walk, items: usize) -> Result<Step, Refusal> {
        if self.is_doubtful() {
            return Err(Refusal::Doubtful);
        }
        // The guard lives until the records are read: a new layout waits for this step.
        let layout = self.layout();
        self.not_behind(&layout)?;
        let within = admission::admit_walk(self.rules, &layout, self.incarnation, over, walk.reverse)?;
        let piece = cut(&over.interval, within);
        self.holds_all(&layout, over.table, &piece, Wants::Answer)?;
        let range = keys::records_in(over.table, &piece);
        let direction = if walk.reverse { Direction::Backward } else { Direction::Forward };
        let limit = PageLimit { items: STEP.items.min(items), ..STEP };
        let page = self.engine.scan(Family::Records, &range, direction, limit);
        let page = page.map_err(|error| self.refusal(&error))?;
        let is_whole = page.len() < limit.items && page_bytes(&page) < limit.bytes;
        let mut entries = Vec::with_capacity(page.len());
        for (key, value) in &page {
            let Some(DiskKey::Record { sort_key, .. }) = DiskKey::decode(key) else {
                let strange = crate::EngineError::Corrupt("a key among records is none of a record".into());
                return Err(self.refusal(&strange));
            };
            let record = self.decoded(value)?;
            let whole = walk.values && record.body.value_bytes() <= SMALL_BYTES;
            entries.push(Entry::of(sort_key, record, whole));
        }
        let until = match entries.last() {
            Some(last) if !is_whole => Some(bound_behind(last, walk)),
            Some(_) | None if walk.reverse => Some(piece.start),
            Some(_) | None => piece.end,
        };
        Ok(Step { entries, until, ends: is_whole })
    }
}

/// The part of a range that lies within a shard.
pub(super) fn cut(asked: &Interval, within: Interval) -> Interval {
    let end = match (asked.end.clone(), within.end) {
        (Some(asked), Some(within)) => Some(asked.min(within)),
        (end, None) | (None, end) => end,
    };
    Interval { start: asked.start.clone().max(within.start), end }
}

/// Up to where a walk is complete whose last entry is this one.
fn bound_behind(last: &Entry, walk: Walk) -> SortKey {
    if walk.reverse { last.sort_key.clone() } else { last.sort_key.successor() }
}

fn page_bytes(page: &[(bytes::Bytes, bytes::Bytes)]) -> usize {
    page.iter().map(|(key, value)| key.len() + value.len()).sum()
}

/// About how many bytes an entry takes in an answer.
fn bytes_of(entry: &Entry) -> usize {
    let value = entry.record.as_ref().map_or(0, |record| record.body.value_bytes());
    ENTRY_HEAD_BYTES + entry.sort_key.as_bytes().len() + value
}
