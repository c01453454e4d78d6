//! The filling of one shard: sources found and compared, page after page merged and noted, the sources asked again at the
//! end.

mod choosing;
mod pages;

use super::limits::FillLimits;
use super::page::Page;
use super::sources::{Comparison, Probe, told};
use super::wanted::{Action, Cause, Lack};
use crate::context::Context;
use quorate_model::floors::Floored;
use quorate_model::range::{ENTRIES_MAX, Extent, Scanned, Walk};
use quorate_model::{
    CopyState, Fill, Gap, Interval, NodeId, Now, Place, RangeReply, RangeRequest, Raw, Record, Refusal,
    Reply, ShardId, SortKey, Source,
};
use quorate_ring::Plan;
use std::collections::BTreeMap;

/// What is known of a member of the cluster.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Member {
    /// Which of its replicas counts, by the catalog.
    pub incarnation: u64,
    /// Whether it says that it doubts its disk.
    pub doubts: bool,
}

/// One shard's filling.
#[derive(Debug)]
pub struct Shard {
    gap: Gap,
    plan: Plan,
    context: Context,
    /// The sources of the pages to come; the first one sends records unasked. One that held the same as the first need not
    /// be read.
    sources: Vec<NodeId>,
    /// Whether the only source runs an earlier version, which has no raw pages.
    is_old: bool,
    stage: Stage,
}

/// When and within which limits a step is taken.
pub struct At<'a> {
    pub now: Now,
    pub limits: FillLimits,
    pub members: &'a BTreeMap<NodeId, Member>,
    pub next_number: &'a mut u64,
    /// Records and bytes that were merged.
    pub merged: (&'a mut u64, &'a mut u64),
    pub actions: &'a mut Vec<Action>,
}

/// What becomes of a shard after a step.
#[derive(Debug)]
pub enum Next {
    /// Something is awaited.
    GoesOn,
    /// It is looked at again later.
    Waits(Cause),
    /// It is whole.
    Whole,
}

#[derive(Debug)]
enum Stage {
    /// The owners are asked whether they hold everything.
    Probing(Probe),
    /// The sources are asked for their floors.
    Flooring { asked: BTreeMap<u64, NodeId>, floors: Vec<Floored> },
    /// What is held is being deleted.
    Taking,
    /// The sources are asked what the shard adds up to.
    Comparing(Comparison),
    /// The only source is asked for pages as they lie on its disk; these are gathered.
    Paging { asked: u64, gathered: Vec<Raw>, bytes: u64, from: SortKey },
    /// They are being taken in.
    Loading { until: Option<SortKey> },
    /// The sources are asked for a page.
    Reading { asked: BTreeMap<u64, NodeId>, answers: Vec<(NodeId, Scanned)> },
    /// Records of the page are being fetched.
    Fetching { page: Page, asked: Vec<SortKey> },
    /// The page is being merged.
    Merging { until: Option<SortKey>, rest: Vec<(SortKey, Record)> },
    /// It is being noted how far the shard is filled.
    Noting { is_last: bool },
    /// The sources are asked again.
    Confirming { asked: BTreeMap<u64, NodeId> },
    /// The shard is being noted as whole.
    Ending,
}

impl At<'_> {
    fn number(&mut self) -> u64 {
        *self.next_number += 1;
        *self.next_number - 1
    }
}

impl Shard {
    /// Of a shard that is not whole.
    pub fn new(gap: Gap, plan: Plan, context: Context) -> Self {
        let stage = Stage::Probing(Probe::default());
        Self { gap, plan, context, sources: Vec::new(), is_old: false, stage }
    }

    /// What was read before counts no more: one that was read is away for long, and the others may be enough.
    pub fn begin_anew(&mut self, at: &mut At<'_>) -> Next {
        self.gap.fill = Fill::default();
        self.begin(at)
    }

    /// Whether it is of this gap, as far as that says which: another interval, or another epoch, is another one.
    pub fn is_of(&self, gap: &Gap) -> bool {
        self.gap.epoch == gap.epoch && self.gap.interval == gap.interval
    }

    /// Its id.
    pub fn id(&self) -> ShardId {
        self.plan.shard
    }

    /// Whether it holds everything itself, and merges what others hold.
    pub fn is_merging(&self) -> bool {
        self.gap.state == CopyState::Whole
    }

    /// Whether it has got past looking for sources.
    pub fn is_filling(&self) -> bool {
        !matches!(self.stage, Stage::Probing(_))
    }

    /// Looks for owners that hold everything.
    pub fn begin(&mut self, at: &mut At<'_>) -> Next {
        self.give_up_changed(at);
        let mut probe = Probe::default();
        for candidate in self.plan.candidates.clone() {
            let node = candidate.node;
            if node == self.context.local || !self.is_old_owner(node) {
                continue;
            }
            if at.members.get(&node).is_some_and(|member| member.doubts) {
                probe.lacking.push((node, Lack::Doubts));
            } else if !candidate.alive {
                probe.lacking.push((node, Lack::Away));
            } else {
                // Sums are told by those alone that others may make copies of.
                let number = self.ask_sums(at, node);
                probe.asked.insert(number, node);
            }
        }
        self.stage = Stage::Probing(probe);
        self.choose(at)
    }

    /// An owner has answered, or has not.
    pub fn on_answer(&mut self, at: &mut At<'_>, number: u64, reply: Option<RangeReply>) -> Next {
        if let Stage::Comparing(comparison) = &mut self.stage {
            if !comparison.take(number, reply) {
                return Next::GoesOn;
            }
            self.sources = comparison.different(self.context.rules);
            return self.read(at);
        }
        if matches!(self.stage, Stage::Paging { .. }) {
            return self.on_page(at, number, reply);
        }
        if matches!(self.stage, Stage::Flooring { .. }) {
            return self.on_floors(at, number, reply);
        }
        let said = match reply {
            Some(RangeReply::Scanned(scanned)) => Ok(scanned),
            Some(RangeReply::Sums(proofs)) => told(&proofs).map(|()| Scanned::default()),
            Some(RangeReply::Refused(refusal)) => Err(Lack::of(refusal)),
            // The others answer something else than was asked.
            None
            | Some(
                RangeReply::Parted(_)
                | RangeReply::Listed(_)
                | RangeReply::Fetched(_)
                | RangeReply::Merged
                | RangeReply::Paged(_)
                | RangeReply::Floored(_)
                | RangeReply::Removals(_)
                | RangeReply::Confirmed(_)
                | RangeReply::Dropped(_)
                | RangeReply::Broken,
            ) => Err(Lack::Away),
        };
        let rest = self.rest();
        match &mut self.stage {
            Stage::Probing(probe) => {
                let Some(node) = probe.asked.remove(&number) else { return Next::GoesOn };
                match said {
                    Ok(_) => probe.whole.push(node),
                    Err(lack) => probe.lacking.push((node, lack)),
                }
                self.choose(at)
            }
            Stage::Reading { asked, answers } => {
                let Some(node) = asked.remove(&number) else { return Next::GoesOn };
                match said {
                    Ok(scanned) if scanned.is_sound(&rest, false) => answers.push((node, scanned)),
                    Ok(_) => return self.lose_source(at, node, Lack::Away),
                    Err(lack) => return self.lose_source(at, node, lack),
                }
                if !asked.is_empty() {
                    return Next::GoesOn;
                }
                let bytes_max = u64::from(at.limits.page_bytes_max);
                let page = Page::of(
                    std::mem::take(answers),
                    self.context.local,
                    self.gap.interval.end.as_ref(),
                    bytes_max,
                );
                self.fetch(at, page)
            }
            Stage::Confirming { asked } => {
                let Some(node) = asked.remove(&number) else { return Next::GoesOn };
                match said {
                    Ok(_) if asked.is_empty() => self.end(at),
                    Ok(_) => Next::GoesOn,
                    Err(lack) => self.lose_source(at, node, lack),
                }
            }
            Stage::Taking
            | Stage::Flooring { .. }
            | Stage::Comparing(_)
            | Stage::Paging { .. }
            | Stage::Loading { .. }
            | Stage::Fetching { .. }
            | Stage::Merging { .. }
            | Stage::Noting { .. }
            | Stage::Ending => Next::GoesOn,
        }
    }

    /// Records have come, or are merged.
    pub fn on_replies(&mut self, at: &mut At<'_>, _: u64, replies: Option<Vec<Reply>>) -> Next {
        match &mut self.stage {
            Stage::Fetching { page, asked } => {
                let (mut page, asked) = (std::mem::take(page), std::mem::take(asked));
                let Some((from, _)) = page.fetches.first().cloned() else {
                    return self.merge(at, page.records, page.until);
                };
                let replies = replies.filter(|replies| replies.len() == asked.len());
                let Some(replies) = replies else { return Next::Waits(Cause::Source(from)) };
                let fetched = asked.len();
                for (sort_key, reply) in asked.into_iter().zip(replies) {
                    match reply {
                        Reply::Record(Some(record)) => page.records.push((sort_key, record)),
                        // A removal that was purged meanwhile: its floor came with the others.
                        Reply::Absent { .. } => {}
                        Reply::Refused(refusal) => return self.lose_source(at, from, Lack::of(refusal)),
                        // It was there a moment ago; a replica never goes back, so this is another one.
                        Reply::Record(None)
                        | Reply::Known { .. }
                        | Reply::Digest { .. }
                        | Reply::Written { .. }
                        | Reply::Assigned { .. }
                        | Reply::Hinted
                        | Reply::Inspected(_)
                        | Reply::Broken => return self.lose_source(at, from, Lack::Doubts),
                    }
                }
                page.fetches.drain(..fetched.min(page.fetches.len()));
                self.fetch(at, page)
            }
            Stage::Merging { until, rest } => {
                let Some(replies) = replies else { return Next::Waits(Cause::Here(Refusal::Overloaded)) };
                let is_whole = self.gap.state == CopyState::Whole;
                let refused = replies.into_iter().find_map(|reply| match reply {
                    Reply::Written { .. } => None,
                    // It was removed, and every owner has the floor or the removal.
                    Reply::Refused(Refusal::Below { .. }) if is_whole => None,
                    Reply::Refused(refusal) => Some(refusal),
                    Reply::Known { .. }
                    | Reply::Record(_)
                    | Reply::Digest { .. }
                    | Reply::Assigned { .. }
                    | Reply::Hinted
                    | Reply::Inspected(_)
                    | Reply::Absent { .. }
                    | Reply::Broken => Some(Refusal::Doubtful),
                });
                if let Some(refusal) = refused {
                    return Next::Waits(Cause::Here(refusal));
                }
                let (until, rest) = (until.take(), std::mem::take(rest));
                self.merge(at, rest, until)
            }
            Stage::Probing(_)
            | Stage::Flooring { .. }
            | Stage::Taking
            | Stage::Comparing(_)
            | Stage::Paging { .. }
            | Stage::Loading { .. }
            | Stage::Reading { .. }
            | Stage::Noting { .. }
            | Stage::Confirming { .. }
            | Stage::Ending => Next::GoesOn,
        }
    }

    /// Something was noted, or could not be.
    pub fn on_noted(&mut self, at: &mut At<'_>, _: u64, noted: Result<(), Refusal>) -> Next {
        if let Err(refusal) = noted {
            return Next::Waits(Cause::Here(refusal));
        }
        match &mut self.stage {
            Stage::Loading { until } => {
                let until = until.take();
                self.note(at, until)
            }
            Stage::Taking => {
                self.gap.state = CopyState::Filling;
                self.gap.fill = Fill::default();
                self.compare(at)
            }
            Stage::Noting { is_last: false } => self.read(at),
            Stage::Noting { is_last: true } => self.confirm(at),
            Stage::Ending => Next::Whole,
            Stage::Probing(_)
            | Stage::Flooring { .. }
            | Stage::Comparing(_)
            | Stage::Paging { .. }
            | Stage::Reading { .. }
            | Stage::Fetching { .. }
            | Stage::Merging { .. }
            | Stage::Confirming { .. } => Next::GoesOn,
        }
    }

    fn note_source(&mut self, at: &At<'_>, node: NodeId) {
        let incarnation = at.members.get(&node).map_or(0, |member| member.incarnation);
        let source = Source { node, incarnation };
        if !self.gap.fill.sources.contains(&source) {
            self.gap.fill.sources.push(source);
        }
    }

    /// Everything is merged: is each replica that was read still whole?
    fn confirm(&mut self, at: &mut At<'_>) -> Next {
        if self.give_up_changed(at) {
            return self.begin(at);
        }
        if self.gap.fill.sources.is_empty() {
            return self.end(at);
        }
        let mut asked = BTreeMap::new();
        for source in self.gap.fill.sources.clone() {
            asked.insert(self.ask_sums(at, source.node), source.node);
        }
        self.stage = Stage::Confirming { asked };
        Next::GoesOn
    }

    fn end(&mut self, at: &mut At<'_>) -> Next {
        let (number, gap) = (at.number(), self.gap.clone());
        self.stage = Stage::Ending;
        at.actions.push(Action::End { number, gap });
        Next::GoesOn
    }

    /// A source does not answer as one. Where it has lost something, what it told before does not count.
    fn lose_source(&mut self, at: &mut At<'_>, node: NodeId, lack: Lack) -> Next {
        if lack.is_loss() {
            self.gap.fill = Fill::default();
            return self.begin(at);
        }
        Next::Waits(Cause::Source(node))
    }

    /// Begins anew where a replica that was read is another one by now; whether it does.
    fn give_up_changed(&mut self, at: &At<'_>) -> bool {
        let is_another = |source: &Source| {
            at.members.get(&source.node).is_none_or(|member| member.incarnation != source.incarnation)
        };
        let changed = self.gap.fill.sources.iter().any(is_another);
        if changed {
            self.gap.fill = Fill::default();
        }
        changed
    }

    fn ask(&self, at: &mut At<'_>, to: NodeId, interval: Interval, items: u32, values: bool) -> u64 {
        let over = Extent { table: self.gap.table, epoch: self.gap.epoch, interval };
        let items = items.clamp(1, ENTRIES_MAX);
        let walk = Walk { reverse: false, items, bytes: at.limits.page_bytes_max, values };
        let (number, deadline) = (at.number(), at.now.instant + at.limits.timeout);
        let request = RangeRequest::Scan { over, walk };
        at.actions.push(Action::Ask { number, to, request, deadline });
        number
    }

    fn place(&self, sort_key: SortKey) -> Place {
        Place { table: self.gap.table, epoch: self.gap.epoch, sort_key }
    }
}
