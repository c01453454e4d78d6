//! One page after the other: read at the sources, completed, merged here, noted. Where one source is enough, its pages
//! come as they lie on its disk, and some are gathered before they are taken in.

use super::{Action, At, Lack, Next, Page, Shard, Stage};
use quorate_model::range::Extent;
use quorate_model::{
    CopyState, Durability, Fill, Interval, NodeId, Origin, RangeReply, RangeRequest, Raw, Record, Refusal,
    Request, SortKey,
};
use std::collections::BTreeMap;

impl Shard {
    /// Asks the sources for the next page.
    pub(super) fn read(&mut self, at: &mut At<'_>) -> Next {
        let Fill { up_to, .. } = &self.gap.fill;
        if up_to.is_some() && *up_to == self.gap.interval.end {
            return self.confirm(at);
        }
        let interval = self.rest();
        match (&*self.sources, self.is_old) {
            // No other holds anything that is not here.
            ([only], _) if *only == self.context.local => return self.confirm(at),
            ([only], false) => return self.page(at, *only, Vec::new(), 0, interval.start),
            _ => {}
        }
        let mut asked = BTreeMap::new();
        for (place, node) in self.sources.clone().into_iter().enumerate() {
            let sends = place == 0 && node != self.context.local;
            let number = self.ask(at, node, interval.clone(), at.limits.page_items_max, sends);
            asked.insert(number, node);
        }
        self.stage = Stage::Reading { asked, answers: Vec::new() };
        Next::GoesOn
    }

    /// Asks the only source for its next page.
    fn page(&mut self, at: &mut At<'_>, to: NodeId, gathered: Vec<Raw>, bytes: u64, from: SortKey) -> Next {
        let interval = Interval { start: from.clone(), end: self.gap.interval.end.clone() };
        let over = Extent { table: self.gap.table, epoch: self.gap.epoch, interval };
        let request = RangeRequest::Page { over, bytes: at.limits.page_bytes_max };
        let (number, deadline) = (at.number(), at.now.instant + at.limits.timeout);
        at.actions.push(Action::Ask { number, to, request, deadline });
        self.stage = Stage::Paging { asked: number, gathered, bytes, from };
        Next::GoesOn
    }

    /// The only source has answered, or has not.
    pub(super) fn on_page(&mut self, at: &mut At<'_>, number: u64, reply: Option<RangeReply>) -> Next {
        let Stage::Paging { asked, gathered, bytes, from } = &mut self.stage else { return Next::GoesOn };
        let (true, Some(only)) = (*asked == number, self.sources.first().copied()) else {
            return Next::GoesOn;
        };
        let end = self.gap.interval.end.clone();
        let range = Interval { start: from.clone(), end: end.clone() };
        let paged = match reply {
            Some(RangeReply::Paged(paged)) if paged.is_sound(&range) => paged,
            Some(RangeReply::Refused(Refusal::NotUnderstood)) => {
                self.is_old = true;
                return self.read(at);
            }
            Some(RangeReply::Refused(refusal)) => return self.lose_source(at, only, Lack::of(refusal)),
            Some(_) | None => return self.lose_source(at, only, Lack::Away),
        };
        *bytes += paged.records.iter().map(|raw| raw.bytes() as u64).sum::<u64>();
        gathered.extend(paged.records);
        let until = paged.until.filter(|until| end.as_ref().is_none_or(|end| until < end));
        let (gathered, bytes) = (std::mem::take(gathered), *bytes);
        match until {
            Some(until) if bytes < at.limits.load_bytes_max => self.page(at, only, gathered, bytes, until),
            until if gathered.is_empty() => self.note(at, until),
            until => {
                *at.merged.0 += gathered.len() as u64;
                *at.merged.1 += bytes;
                let (number, gap) = (at.number(), self.gap.clone());
                self.stage = Stage::Loading { until };
                at.actions.push(Action::Load { number, gap, records: gathered });
                Next::GoesOn
            }
        }
    }

    /// What is not filled yet.
    pub(super) fn rest(&self) -> Interval {
        let Interval { start, end } = self.gap.interval.clone();
        Interval { start: self.gap.fill.up_to.clone().unwrap_or(start), end }
    }

    /// Fetches what is not at hand, some at a time; merges the page then.
    pub(super) fn fetch(&mut self, at: &mut At<'_>, page: Page) -> Next {
        let Some((to, _)) = page.fetches.first().cloned() else {
            return self.merge(at, page.records, page.until);
        };
        let same = page.fetches.iter().take_while(|(node, _)| *node == to);
        let asked: Vec<SortKey> =
            same.take(at.limits.fetches_max.max(1)).map(|(_, sort_key)| sort_key.clone()).collect();
        let read = |sort_key: &SortKey| Request::Read { at: self.place(sort_key.clone()), whole: true };
        let requests = asked.iter().map(read).collect();
        let (number, deadline) = (at.number(), at.now.instant + at.limits.timeout);
        at.actions.push(Action::Fetch { number, to, requests, deadline });
        self.stage = Stage::Fetching { page, asked };
        Next::GoesOn
    }

    /// Merges the records of a page, some at a time; notes it then.
    pub(super) fn merge(
        &mut self,
        at: &mut At<'_>,
        mut records: Vec<(SortKey, Record)>,
        until: Option<SortKey>,
    ) -> Next {
        if records.is_empty() {
            return self.note(at, until);
        }
        let rest = records.split_off(records.len().min(at.limits.merges_max.max(1)));
        *at.merged.0 += records.len() as u64;
        *at.merged.1 += records.iter().map(|(_, record)| record.body.value_bytes() as u64).sum::<u64>();
        let write = |(sort_key, record): (SortKey, Record)| Request::Write {
            at: self.place(sort_key),
            record,
            durability: Durability::Os,
            origin: Origin::Filling,
        };
        let requests = records.into_iter().map(write).collect();
        let number = at.number();
        self.stage = Stage::Merging { until, rest };
        at.actions.push(Action::Merge { number, requests });
        Next::GoesOn
    }

    /// A page is merged: what is behind it is left.
    pub(super) fn note(&mut self, at: &mut At<'_>, until: Option<SortKey>) -> Next {
        let is_last = until.is_none();
        // A shard at the end of the space has no key behind its last one: the note of the page before it stays.
        self.gap.fill.up_to = until.or_else(|| self.gap.interval.end.clone()).or(self.gap.fill.up_to.take());
        if self.gap.state == CopyState::Whole {
            // Nothing is noted of it before the end: after a crash it is merged anew.
            return if is_last { self.confirm(at) } else { self.read(at) };
        }
        let (number, gap, fill) = (at.number(), self.gap.clone(), self.gap.fill.clone());
        self.stage = Stage::Noting { is_last };
        at.actions.push(Action::Note { number, gap, fill });
        Next::GoesOn
    }
}
