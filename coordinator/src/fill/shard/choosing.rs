//! Who a shard is filled from: enough old owners that hold everything, all that give their copies away among them. One that
//! stays where copies become fewer counts for one of them itself.

use super::{Action, At, Cause, Comparison, Lack, Next, Probe, Shard, Stage};
use crate::rules::{filling, purge};
use quorate_model::floors::Raise;
use quorate_model::range::Extent;
use quorate_model::{CopyState, NodeId, RangeReply, RangeRequest, Refusal};
use quorate_ring::{OwnerSet, Plan};
use std::collections::BTreeMap;

impl Shard {
    /// Begins with enough owners that hold everything, once all have answered.
    pub(super) fn choose(&mut self, at: &mut At<'_>) -> Next {
        let Stage::Probing(probe) = &mut self.stage else { return Next::GoesOn };
        let n = self.plan.sets.first().map_or(self.plan.table.n, |old| old.len() as u8);
        let w = self.plan.table.w.within(n);
        let others = n - u8::from(self.plan.sets.first().is_some_and(|old| is_in(old, self.context.local)));
        let needed = filling::sources(self.context.rules, n, w);
        // Who is new reads those that are left where the others are gone for good: without an operator's word that what only
        // they held is given up, no plan leaves fewer than are needed.
        let left =
            self.plan.sets.first().map_or(0, |old| {
                old.iter().filter(|owner| at.members.contains_key(&owner.node)).count() as u8
            });
        let needed = match self.gap.state {
            CopyState::Whole => needed.min(left).saturating_sub(1),
            CopyState::Filling | CopyState::Lossy if others == n => needed.min(left),
            CopyState::Filling | CopyState::Lossy => needed,
        };
        let leaving: Vec<NodeId> = leaving(&self.plan)
            .filter(|node| *node != self.context.local)
            .filter(|node| filling::asks_leaver(self.context.rules, at.members.contains_key(node)))
            .collect();
        let away = leaving.iter().find(|node| !probe.whole.contains(node)).copied();
        if probe.whole.len() < usize::from(needed) || away.is_some() {
            if !probe.asked.is_empty() {
                return Next::GoesOn;
            }
            if let Some(node) = away {
                let lack =
                    probe.lacking.iter().find(|(of, _)| *of == node).map_or(Lack::Away, |(_, lack)| *lack);
                return Next::Waits(Cause::Leaving(node, lack));
            }
            let Probe { mut whole, mut lacking, .. } = std::mem::take(probe);
            whole.sort_unstable();
            lacking.sort_unstable();
            return Next::Waits(Cause::Sources { needed, others, whole, lacking });
        }
        self.sources = std::mem::take(&mut probe.whole);
        // Those that were read before first: fewer must be asked again at the end.
        let known = |node: &NodeId| self.gap.fill.sources.iter().any(|source| source.node == *node);
        self.sources.sort_by_key(|node| (!leaving.contains(node), !known(node)));
        self.sources.truncate(usize::from(needed).max(leaving.len()));
        match self.gap.state {
            CopyState::Lossy => self.ask_floors(at),
            CopyState::Filling => self.compare(at),
            // What it holds itself is what the others' are compared with.
            CopyState::Whole if filling::stayer_merges(self.context.rules) => {
                self.sources.insert(0, self.context.local);
                self.compare(at)
            }
            CopyState::Whole => self.end(at),
        }
    }

    /// Asks the sources what the shard adds up to. Where two say the same, what the one holds from now on is all that the
    /// other held when it answered: the other need not be read. That is asked before the first page, since what comes to
    /// the first source between a page and its sum would make the sums equal and not be in the page.
    pub(super) fn compare(&mut self, at: &mut At<'_>) -> Next {
        if self.sources.is_empty() {
            return self.end(at);
        }
        let mut asked = BTreeMap::new();
        for node in self.sources.clone() {
            if node != self.context.local {
                self.note_source(at, node);
            }
            asked.insert(self.ask_sums(at, node), node);
        }
        self.stage = Stage::Comparing(Comparison::of(asked));
        Next::GoesOn
    }

    /// Asks the sources for their floors, before anything is taken: what all of them refuse, this one must.
    fn ask_floors(&mut self, at: &mut At<'_>) -> Next {
        let mut asked = BTreeMap::new();
        for node in self.sources.clone() {
            let request = RangeRequest::Floors { over: self.extent(), raise: Raise::Nothing };
            let (number, deadline) = (at.number(), at.now.instant + at.limits.timeout);
            at.actions.push(Action::Ask { number, to: node, request, deadline });
            asked.insert(number, node);
        }
        self.stage = Stage::Flooring { asked, floors: Vec::new() };
        Next::GoesOn
    }

    /// A source has said what its floors are; once all have, what is held is deleted.
    pub(super) fn on_floors(&mut self, at: &mut At<'_>, number: u64, reply: Option<RangeReply>) -> Next {
        let Stage::Flooring { asked, floors } = &mut self.stage else { return Next::GoesOn };
        let Some(node) = asked.remove(&number) else { return Next::GoesOn };
        match reply {
            Some(RangeReply::Floored(pieces)) => floors.extend(pieces),
            // A version without floors: there is none in the cluster, then.
            Some(RangeReply::Refused(Refusal::NotUnderstood)) => {}
            Some(RangeReply::Refused(refusal)) => return self.lose_source(at, node, Lack::of(refusal)),
            Some(_) | None => return Next::Waits(Cause::Source(node)),
        }
        if !asked.is_empty() {
            return Next::GoesOn;
        }
        let floors = purge::carried(self.context.rules, std::mem::take(floors));
        let (number, gap) = (at.number(), self.gap.clone());
        self.stage = Stage::Taking;
        at.actions.push(Action::Take { number, gap, floors });
        Next::GoesOn
    }

    /// Whether a node is one of the owners, or of the old ones while the shard moves: they know all that was acknowledged.
    pub(super) fn is_old_owner(&self, node: NodeId) -> bool {
        self.plan.sets.first().is_some_and(|old| is_in(old, node))
    }

    /// Asks an owner what the shard adds up to: so it says, too, whether copies may be made of its own.
    pub(super) fn ask_sums(&self, at: &mut At<'_>, to: NodeId) -> u64 {
        let (number, deadline) = (at.number(), at.now.instant + at.limits.timeout);
        let request = RangeRequest::Sums { of: vec![self.extent()] };
        at.actions.push(Action::Ask { number, to, request, deadline });
        number
    }

    fn extent(&self) -> Extent {
        let (table, epoch, interval) = (self.gap.table, self.gap.epoch, self.gap.interval.clone());
        Extent { table, epoch, interval }
    }
}

/// The owners that give their copies away.
fn leaving(plan: &Plan) -> impl Iterator<Item = NodeId> + '_ {
    let next = plan.sets.get(1);
    let old = plan.sets.first().filter(|_| next.is_some()).into_iter().flatten().map(|owner| owner.node);
    old.filter(move |node| next.is_some_and(|next| !is_in(next, *node)))
}

fn is_in(set: &OwnerSet, node: NodeId) -> bool {
    set.iter().any(|owner| owner.node == node)
}
